//! How fast the pool fills: what recovery points brought lately, and what the next one may bring.
//!
//! What expiry gives back is not counted: who has room by this has it.

use base::limits::{ADMIT_POINTS, GROWTH_DAYS};
use base::{Fault, SourceId, Timestamp, fault::Code};
use jiff::SignedDuration;

use crate::engine::Engine;
use crate::pool::Point;

/// Returns the bytes that points brought a day, over the last two weeks or since the oldest of them; `None` if there is
/// nothing to go by. The first point of a source is no change of it.
pub(crate) fn per_day(points: &[Point], now: Timestamp) -> Option<u64> {
    let day = SignedDuration::from_hours(24);
    let lately = |point: &&Point| point.at > now - day * GROWTH_DAYS && point.at <= now;
    let oldest = points.iter().filter(lately).map(|point| point.at).min()?;
    let changes = points
        .iter()
        .filter(lately)
        .filter(|point| point.previous.is_some());
    let bytes: u64 = changes.map(|point| point.new_bytes).sum();
    let seconds = u64::try_from(now.duration_since(oldest).as_secs()).ok()?;
    let day_seconds = day.as_secs().unsigned_abs();
    Some(bytes.saturating_mul(day_seconds) / seconds.max(day_seconds))
}

/// Returns what the next point of a source may bring, by what the last ones did; 0 if nobody can know.
fn expected(points: &[Point]) -> u64 {
    let changes = points.iter().rev().filter(|point| point.previous.is_some());
    let lately: Vec<u64> = changes
        .take(ADMIT_POINTS)
        .map(|point| point.new_bytes)
        .collect();
    match lately.len() as u64 {
        0 => 0,
        count => lately.iter().sum::<u64>() / count,
    }
}

impl Engine {
    /// Refuses a job that the pool has no room for, as far as the last ones tell.
    ///
    /// # Errors
    /// `PoolInsufficientSpace`; the catalog cannot be read.
    pub(crate) fn admit(&self, source: &SourceId) -> Result<(), Fault> {
        let status = self.pool_status()?;
        let Some(room) = status.space else {
            return Ok(());
        };
        let needed = expected(&self.inner.catalog.points(Some(source))?);
        let left = room.left();
        // A pool without any room says so itself, once something is really stored.
        match left > 0 && needed > left {
            true => Err(Fault::new(Code::PoolInsufficientSpace)
                .with("path", status.place)
                .with("needed", needed)
                .with("free", left)),
            false => Ok(()),
        }
    }

    /// Returns the bytes that recovery points brought a day lately, if there is something to go by.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn growth_per_day(&self) -> Result<Option<u64>, Fault> {
        Ok(per_day(&self.inner.catalog.points(None)?, self.now()))
    }
}

#[cfg(test)]
mod tests {
    use base::{ChunkId, PointId};

    use super::*;
    use crate::pool::Level;

    fn point(day: i64, new_bytes: u64, is_first: bool) -> Point {
        Point {
            id: PointId([day as u8; 16]),
            source: SourceId([1; 16]),
            group: String::new(),
            previous: (!is_first).then_some(PointId([0; 16])),
            root: ChunkId([0; 32]),
            at: Timestamp::from_second(day * 86_400).expect("a day"),
            level: Level::Live,
            warnings: 0,
            entries: 0,
            files: 0,
            bytes: 0,
            changed: 0,
            new_bytes,
        }
    }

    #[test]
    fn a_pool_grows_by_what_changed_lately() {
        let now = Timestamp::from_second(100 * 86_400).expect("a day");
        assert_eq!(per_day(&[], now), None);
        let first = point(98, 1 << 40, true);
        let points = [point(10, 999, false), first.clone(), point(99, 300, false)];
        assert_eq!(per_day(&points, now), Some(150));
        // Less than a day is no day.
        assert_eq!(per_day(&[point(100, 300, false)], now), Some(300));
        assert_eq!(expected(&[first]), 0);
        let many: Vec<Point> = (0..20)
            .map(|day| point(day, day as u64 * 10, day == 0))
            .collect();
        assert_eq!(expected(&many), 170);
    }
}
