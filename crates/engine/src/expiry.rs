//! Retention: which points' time is over, and their removal.
//!
//! [`plan`] is pure; what it returns is what a preview shows and what is carried out, once. The time is the
//! pool's retention clock, never the wall clock. Points that are held stay; points that are being restored stay
//! until the next round; a source's newest point always stays; a source that is not protected keeps everything.

use base::retention::{self, Verdict};
use base::{Fault, PointId, SourceId, Timestamp};

use crate::engine::Engine;
use crate::model::Policy;
use crate::pool::Point;

/// Points whose time is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct ExpiryPlan {
    /// Oldest first.
    pub(crate) points: Vec<Point>,
}

/// Decides which of one source's points go.
pub(crate) fn plan(
    points: &[Point],
    policy: &Policy,
    now: Timestamp,
    stays: impl Fn(&PointId) -> bool,
) -> ExpiryPlan {
    let dated: Vec<(PointId, Timestamp)> = points.iter().map(|p| (p.id, p.at)).collect();
    let verdicts = retention::plan(&dated, &policy.retention, now, policy.zone());
    let over = points
        .iter()
        .zip(verdicts)
        .filter(|(point, (id, verdict))| {
            debug_assert_eq!(point.id, *id, "verdicts come in the order of the points");
            *verdict == Verdict::Expire && !stays(id)
        });
    ExpiryPlan {
        points: over.map(|(point, _)| point.clone()).collect(),
    }
}

impl Engine {
    /// Returns what would be deleted of a source now.
    pub(crate) fn expiry_plan(&self, source: &SourceId) -> Result<ExpiryPlan, Fault> {
        let inventory = self.inventory();
        let Some((_, group)) = inventory.member(source).filter(|(m, _)| !m.stopped) else {
            return Ok(ExpiryPlan::default());
        };
        let points = self.inner.catalog.points(Some(source))?;
        let now = self.inner.pool.retention_now();
        let pinned: Vec<PointId> = self.pins().keys().copied().collect();
        Ok(plan(&points, &group.policy, now, |id| {
            inventory.holds.contains(id) || pinned.contains(id)
        }))
    }

    /// Deletes the points of a source, or of every source, whose time is over; returns them. A point that
    /// somebody begins to restore meanwhile stays. One failure does not keep the others from going.
    pub(crate) fn expire(&self, source: Option<&SourceId>) -> Result<Vec<PointId>, Fault> {
        let sources: Vec<SourceId> = match source {
            Some(source) => vec![*source],
            None => self.inventory().members.keys().copied().collect(),
        };
        let mut deleted = Vec::new();
        let mut failed = None;
        for source in &sources {
            for point in self.expiry_plan(source)?.points {
                match self.delete_unpinned(&point) {
                    Ok(()) => deleted.push(point.id),
                    Err(fault) if fault.code == base::fault::Code::PointInUse => {}
                    Err(fault) => failed = Some(fault),
                }
            }
        }
        match failed {
            Some(fault) => Err(fault),
            None => Ok(deleted),
        }
    }
}
