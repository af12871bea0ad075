//! Recovery points: found, shown with the date they expire, held, deleted.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use base::limits::{CANDIDATES_MAX, HOLD_REASON_CHARS_MAX};
use base::retention::{self, Verdict};
use base::{Fault, PointId, SourceId, Timestamp, fault::Code};

use super::Engine;
use crate::jobs::{Cause, JobKind, JobReport, JobSpec};
use crate::model::{Source, config};
use crate::pool::Point;

/// When a point's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// At this time, as things are.
    At(Timestamp),
    /// When there is a newer one.
    WhenNotNewest,
    /// At the next look: no rule keeps it.
    Due,
    /// Not while it is held, or while its source is not protected.
    Never,
}

/// A recovery point as it is shown.
#[derive(Clone, Debug)]
pub struct PointView {
    /// The point.
    pub point: Point,
    /// Its source's name in words.
    pub address: String,
    /// When its time is over.
    pub expires: Expiring,
    /// Why somebody holds it, if somebody does; empty if they did not say.
    pub hold: Option<String>,
    /// Whether it waits for a volume of the pool that is away.
    pub waits: bool,
}

impl Engine {
    /// Returns the recovery points of one source, or of all, oldest first.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`.
    pub fn points(&self, source: Option<&str>) -> Result<Vec<PointView>, Fault> {
        let inventory = self.inventory();
        let source = match source {
            Some(text) => Some(inventory.resolve_source(text)?.id),
            None => None,
        };
        self.show(self.inner.catalog.points(source.as_ref())?)
    }

    /// Finds the recovery point of that id, or of the only id that begins so.
    ///
    /// # Errors
    /// `PointUnknown`, `PointAmbiguous`.
    pub fn point(&self, text: &str) -> Result<PointView, Fault> {
        let point = self.find_point(text)?;
        let mut views = self.show(vec![point])?;
        Ok(views.remove(0))
    }

    pub(super) fn find_point(&self, text: &str) -> Result<Point, Fault> {
        let unknown = || Fault::new(Code::PointUnknown).with("point", text);
        let prefix = text.to_ascii_lowercase();
        if prefix.is_empty() {
            return Err(unknown());
        }
        let mut found = self.inner.catalog.points_like(&prefix, CANDIDATES_MAX)?;
        match found.len() {
            0 => Err(unknown()),
            1 => Ok(found.remove(0)),
            _ => {
                let ids: Vec<String> = found.iter().map(|p| p.id.to_string()).collect();
                Err(Fault::new(Code::PointAmbiguous)
                    .with("point", text)
                    .with("matches", ids.join(", ")))
            }
        }
    }

    /// Returns the newest recovery point of a source that is not later than `until`.
    ///
    /// # Errors
    /// `SourceWithoutPoints`; `PointNoneSoOld` if all of them are later.
    pub(super) fn newest_point(
        &self,
        source: &Source,
        until: Option<Timestamp>,
    ) -> Result<Point, Fault> {
        let points = self.inner.catalog.points(Some(&source.id))?;
        let found = points
            .iter()
            .rev()
            .find(|point| until.is_none_or(|until| point.at <= until));
        if let Some(point) = found {
            return Ok(point.clone());
        }
        let inventory = self.inventory();
        let address = inventory.address(source);
        let (Some(until), Some(oldest)) = (until, points.first()) else {
            return Err(Fault::new(Code::SourceWithoutPoints).with("source", address));
        };
        let zone = match inventory.member(&source.id) {
            Some((_, group)) => group.policy.zone(),
            None => &self.inner.zone,
        };
        let local = |time: Timestamp| {
            let time = time.to_zoned_datetime(zone.clone());
            time.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        };
        Err(Fault::new(Code::PointNoneSoOld)
            .with("source", address)
            .with("time", local(until))
            .with("oldest", format!("{} ({})", oldest.id, local(oldest.at))))
    }

    /// Deletes a recovery point: the log first, then its object. Its space comes back when the pool collects.
    ///
    /// # Errors
    /// `PointUnknown`, `PointAmbiguous`; `PointInUse` while it is being restored; `PointHeld`.
    pub fn delete_point(&self, text: &str) -> Result<PointView, Fault> {
        let _deciding = self.deciding();
        let view = self.point(text)?;
        self.refuse_read_only()?;
        let point = &view.point;
        if let Some(reason) = &view.hold {
            return Err(held(&point.id, reason));
        }
        self.record(
            JobKind::DeletePoint,
            Some(point.source),
            JobSpec::DeletePoint(point.id),
            Cause::Manual,
            || {
                self.delete_unpinned(point)?;
                Ok(JobReport::Deleted(vec![point.id]))
            },
        )?;
        Ok(view)
    }

    /// Deletes a point that nobody reads, and keeps anybody from beginning to meanwhile.
    pub(crate) fn delete_unpinned(&self, point: &Point) -> Result<(), Fault> {
        let pins = self.pins();
        if let Some(job) = pins.get(&point.id).and_then(|jobs| jobs.first()) {
            return Err(in_use(point, &job.to_string()));
        }
        let deleted = self.inner.pool.delete_point(&point.id);
        // Before anybody may pin it: who does looks into the catalog whether it is still there.
        let followed = self.follow();
        drop(pins);
        deleted.and(followed)
    }

    /// Holds a point, for a reason that may be empty, so that it neither expires nor is deleted; or lets it go.
    ///
    /// # Errors
    /// `HoldReasonTooLong`, `PointUnknown`, `PointAmbiguous`, or the pool's own.
    pub fn hold_point(&self, text: &str, reason: Option<&str>) -> Result<PointView, Fault> {
        if reason.is_some_and(|reason| reason.chars().count() > HOLD_REASON_CHARS_MAX) {
            let fault = Fault::new(Code::HoldReasonTooLong);
            return Err(fault.with("limit", HOLD_REASON_CHARS_MAX));
        }
        let _deciding = self.deciding();
        let point = self.find_point(text)?;
        self.refuse_read_only()?;
        self.put(&[config::hold(&point.id, reason)])?;
        self.point(text)
    }

    fn show(&self, points: Vec<Point>) -> Result<Vec<PointView>, Fault> {
        let inventory = self.inventory();
        let mut verdicts: HashMap<SourceId, HashMap<PointId, Expiring>> = HashMap::new();
        let mut views = Vec::with_capacity(points.len());
        let waiting: HashSet<PointId> = self.inner.pool.points_waiting()?.into_iter().collect();
        for point in points {
            let of_source = match verdicts.entry(point.source) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.expirations(&point.source)?),
            };
            let hold = inventory.holds.get(&point.id).cloned();
            let expires = match hold {
                Some(_) => Expiring::Never,
                None => of_source.get(&point.id).copied().unwrap_or(Expiring::Never),
            };
            views.push(PointView {
                address: inventory.address_of(&point.source),
                expires,
                hold,
                waits: waiting.contains(&point.id),
                point,
            });
        }
        Ok(views)
    }

    /// Returns when each of a source's points expires, as things are.
    fn expirations(&self, source: &SourceId) -> Result<HashMap<PointId, Expiring>, Fault> {
        let inventory = self.inventory();
        let Some((_, group)) = inventory.member(source).filter(|(m, _)| !m.stopped) else {
            return Ok(HashMap::new());
        };
        let points = self.inner.catalog.points(Some(source))?;
        let dated: Vec<_> = points.iter().map(|point| (point.id, point.at)).collect();
        let policy = &group.policy;
        // What people see follows the clock on the wall; what deletes follows the log's, which may be behind.
        let now = self.now().max(self.inner.pool.retention_now());
        let verdicts = retention::plan(&dated, &policy.retention, now, policy.zone());
        let expiring = |verdict| match verdict {
            Verdict::Expire => Expiring::Due,
            Verdict::Keep {
                expires_at: Some(at),
                ..
            } => Expiring::At(at),
            Verdict::Keep { .. } => Expiring::WhenNotNewest,
        };
        let verdicts = verdicts.into_iter();
        Ok(verdicts.map(|(id, v)| (id, expiring(v))).collect())
    }
}

pub(super) fn held(point: &PointId, reason: &str) -> Fault {
    let reason = if reason.is_empty() { "-" } else { reason };
    Fault::new(Code::PointHeld)
        .with("point", point)
        .with("reason", reason)
}

pub(super) fn in_use(point: &Point, job: &str) -> Fault {
    Fault::new(Code::PointInUse)
        .with("point", point.id)
        .with("job", job)
}
