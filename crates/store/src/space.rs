//! How much of a pool's place may be filled, and by what.

use base::Fault;
use base::fault::Code;
use base::limits::{POOL_RESERVE, POOL_RESERVE_BYTES, POOL_STOP, POOL_WARN};
use objects::Space;

use crate::core::Core;

/// What wants to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// What a session brings.
    Data,
    /// What a collection copies, so that more can go.
    Copies,
}

/// What has to stay free of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// With less an alert is due.
    pub warn: u64,
    /// With less no session stores anything.
    pub stop: u64,
    /// With less only records of the log are written.
    pub reserve: u64,
}

impl Floors {
    /// Returns those of a place.
    pub fn of(space: Space) -> Self {
        let floor = |(percent, most): (u64, u64)| {
            let share = space.total / 100 * percent;
            share.min(most).max(POOL_RESERVE_BYTES)
        };
        Self {
            warn: floor(POOL_WARN),
            stop: floor(POOL_STOP),
            reserve: floor(POOL_RESERVE),
        }
    }
}

impl Core {
    /// Refuses to fill what is kept free: without that nothing could be deleted any more.
    ///
    /// # Errors
    /// `PoolFull`.
    pub(crate) fn check_room(&self, load: Load) -> Result<(), Fault> {
        // A place that cannot tell will say so when it is full.
        let Ok(Some(space)) = self.objects.space() else {
            return Ok(());
        };
        let floors = Floors::of(space);
        let floor = match load {
            Load::Data => floors.stop,
            Load::Copies => floors.reserve,
        };
        match space.free < floor {
            true => Err(Fault::new(Code::PoolFull)
                .with("path", &self.place)
                .with("free", space.free)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_free_is_a_share_with_bounds() {
        let floors = |total: u64| {
            let floors = Floors::of(Space { free: 0, total });
            [floors.warn, floors.stop, floors.reserve].map(|bytes| bytes >> 20)
        };
        let gib = 1 << 30;
        assert_eq!(floors(gib / 10), [64, 64, 64]);
        assert_eq!(floors(100 * gib), [15 * 1024, 5 * 1024, 2 * 1024]);
        let most = [256 * 1024, 32 * 1024, 8 * 1024];
        assert_eq!(floors(100_000 * gib), most);
    }
}
