//! Retention: which points' time is over, and their removal.
//!
//! [`plan`] is pure; what it returns is what a preview shows and what is carried out, once. The time is the
//! pool's retention clock, never the wall clock. Points that are held stay; points that are being restored stay
//! until the next round; a source's newest point always stays; a source that is not protected keeps everything. A change
//! of policy is planned before it is made: whoever makes it says that the points may go.

use std::collections::HashSet;

use base::retention::{self, Verdict};
use base::{Fault, PointId, SourceId, Timestamp, fault::Code};

use crate::engine::Engine;
use crate::jobs::JobContext;
use crate::model::{Group, Policy};
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

/// Points of a member that a change of its group's policy would let go at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The source.
    pub address: String,
    /// Oldest first; never empty.
    pub points: Vec<Point>,
}

impl Engine {
    /// Returns what of each member of a group would go at once by `policy`, that does not go anyway by the one in force. Points that are
    /// held are not among it. A point that is being restored is: it goes in the next round.
    ///
    /// # Errors
    /// The catalog's own.
    pub(crate) fn expiring_by(&self, group: &Group, policy: &Policy) -> Result<Vec<Expiry>, Fault> {
        let inventory = self.inventory();
        // As what people see of a point: the pool's own clock may be behind that on the wall, and catches up.
        let now = self.now().max(self.inner.pool.retention_now());
        let mut expiries = Vec::new();
        for (member, _) in inventory
            .active_members()
            .filter(|(_, of)| of.id == group.id)
        {
            let points = self.inner.catalog.points(Some(&member.source))?;
            let is_held = |id: &PointId| inventory.holds.contains_key(id);
            let anyway: HashSet<PointId> = plan(&points, &group.policy, now, is_held)
                .points
                .iter()
                .map(|point| point.id)
                .collect();
            let mut points = plan(&points, policy, now, is_held).points;
            points.retain(|point| !anyway.contains(&point.id));
            if !points.is_empty() {
                let address = inventory.address_of(&member.source);
                expiries.push(Expiry { address, points });
            }
        }
        expiries.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(expiries)
    }

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
            inventory.holds.contains_key(id) || pinned.contains(id)
        }))
    }

    /// Deletes the points of a source, or of every source, whose time is over; returns them. A point that
    /// somebody begins to restore meanwhile stays. One failure does not keep the others from going.
    ///
    /// # Errors
    /// The first failure; `JobCancelled`.
    pub(crate) fn expire(
        &self,
        source: Option<&SourceId>,
        context: &JobContext,
    ) -> Result<Vec<PointId>, Fault> {
        let sources: Vec<SourceId> = match source {
            Some(source) => vec![*source],
            None => self.inventory().members.keys().copied().collect(),
        };
        let mut deleted = Vec::new();
        let mut failed = None;
        for source in &sources {
            match self.expire_source(source, &mut deleted, context) {
                Err(fault) if fault.code == Code::JobCancelled => return Err(fault),
                Err(fault) => drop(failed.get_or_insert(fault)),
                Ok(()) => {}
            }
        }
        failed.map_or(Ok(deleted), Err)
    }

    fn expire_source(
        &self,
        source: &SourceId,
        deleted: &mut Vec<PointId>,
        context: &JobContext,
    ) -> Result<(), Fault> {
        let mut seen = self.inner.pool.head();
        let mut plan = self.expiry_plan(source)?;
        let mut failed = None;
        for point in plan.points.clone() {
            context.stop_if_cancelled()?;
            let _deciding = self.deciding();
            if self.inner.pool.head() != seen {
                // Somebody may have decided otherwise meanwhile: a hold, another policy, a newer point that is gone.
                self.follow()?;
                plan = self.expiry_plan(source)?;
            }
            if !plan.points.iter().any(|planned| planned.id == point.id) {
                continue;
            }
            match self.delete_unpinned(&point) {
                Ok(()) => deleted.push(point.id),
                Err(fault) if fault.code == Code::PointInUse => {}
                Err(fault) => drop(failed.get_or_insert(fault)),
            }
            seen = self.inner.pool.head();
        }
        failed.map_or(Ok(()), Err)
    }
}
