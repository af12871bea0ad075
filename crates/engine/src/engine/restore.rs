//! Restores: which point is meant, where it goes, and that it stays while it is read.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base::{Fault, JobId, PointId, Timestamp, fault::Code, schedule};

use super::Engine;
use crate::jobs::{Cause, Job, JobContext, JobKind, JobReport, JobSpec, Live, Step};
use crate::model::path_text;
use crate::pool::Point;
use crate::worker::{Destination, OnConflict, RestoreOrder, RestorePlan};

/// What to give back, and where.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The recovery point; see [`Engine::find_restore_point`].
    pub point: PointId,
    /// Paths below the source's root, or absolute ones inside it; empty for everything.
    pub selection: Vec<PathBuf>,
    /// Where it goes.
    pub destination: Destination,
    /// What happens to what is in the way.
    pub on_conflict: OnConflict,
}

impl Engine {
    /// Finds the recovery point that `SOURCE`, `SOURCE@POINT` or `SOURCE@TIME` means: the newest, the one whose id
    /// begins so, the newest one not after that time. A point's id alone is enough too.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`, `SourceWithoutPoints`, `PointNoneSoOld`, `PointUnknown`,
    /// `PointAmbiguous`, `TimeInvalid`.
    pub fn find_restore_point(&self, text: &str) -> Result<Point, Fault> {
        let inventory = self.inventory();
        let whole = match inventory.resolve_source(text) {
            Ok(source) => return self.newest_point(source, None),
            Err(fault) => fault,
        };
        if let Ok(point) = self.find_point(text) {
            return Ok(point);
        }
        let Some((name, which)) = text.rsplit_once('@') else {
            return Err(whole);
        };
        let source = inventory.resolve_source(name)?;
        match self.find_point(which) {
            Ok(point) if point.source == source.id => return Ok(point),
            Err(fault) if fault.code == Code::PointAmbiguous => return Err(fault),
            _ => {}
        }
        let zone = match inventory.member(&source.id) {
            Some((_, group)) => group.policy.zone(),
            None => &self.inner.zone,
        };
        // An id that no point has looks like no time either; what was typed decides what is said.
        let is_id = which.chars().all(|c| c.is_ascii_alphanumeric());
        match schedule::parse_time(which, zone) {
            Ok(time) => self.newest_point(source, Some(time)),
            Err(_) if is_id => Err(Fault::new(Code::PointUnknown).with("point", which)),
            Err(fault) => Err(fault),
        }
    }

    /// Returns the newest recovery point of a source, or the newest one not after a time.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`, `SourceWithoutPoints`, `PointNoneSoOld`.
    pub fn newest_point_of(&self, source: &str, until: Option<Timestamp>) -> Result<Point, Fault> {
        let inventory = self.inventory();
        self.newest_point(inventory.resolve_source(source)?, until)
    }

    /// Says what a restore would do. Changes nothing; the point cannot be deleted meanwhile.
    ///
    /// # Errors
    /// `PointUnknown`, `RestorePathUnknown`, `RestoreTargetInsidePool`, or the worker's own.
    pub fn restore_plan(&self, request: &RestoreRequest) -> Result<RestorePlan, Fault> {
        let job = self.restore_job(request)?;
        let order = self.restore_order(&job)?;
        let _pin = self.pin(&order.point, &job.id)?;
        let live = Live::new(job, self.inner.env.clone(), None);
        let context = JobContext::new(Arc::new(live));
        self.inner.worker.restore_plan(&order, &context)
    }

    /// Starts a restore.
    ///
    /// # Errors
    /// As [`Self::restore_plan`].
    pub fn restore(&self, request: &RestoreRequest) -> Result<JobId, Fault> {
        let job = self.restore_job(request)?;
        self.restore_order(&job)?;
        self.insert_reader(&job)?;
        Ok(self.launch(job))
    }

    pub(super) fn perform_restore(
        &self,
        job: &Job,
        context: &JobContext,
    ) -> Result<JobReport, Fault> {
        let order = self.restore_order(job)?;
        let _pin = self.pin(&order.point, &job.id)?;
        context.step(Step::Write);
        let report = self.inner.worker.restore(&order, context)?;
        Ok(JobReport::Restore(report))
    }

    fn restore_job(&self, request: &RestoreRequest) -> Result<Job, Fault> {
        let point = self.find_point(&request.point.to_string())?;
        let spec = JobSpec::Restore {
            point: point.id,
            selection: request.selection.clone(),
            destination: request.destination.clone(),
            on_conflict: request.on_conflict,
        };
        Ok(self.new_job(JobKind::Restore, Some(point.source), spec, Cause::Manual))
    }

    fn restore_order(&self, job: &Job) -> Result<RestoreOrder, Fault> {
        let JobSpec::Restore {
            point,
            selection,
            destination,
            on_conflict,
        } = &job.spec
        else {
            return Err(Fault::new(Code::Internal).with("detail", "not a restore"));
        };
        let point = self.find_point(&point.to_string())?;
        let inventory = self.inventory();
        let unknown = || Fault::new(Code::SourceUnknown).with("source", point.source);
        let source = inventory.sources.get(&point.source).ok_or_else(unknown)?;
        if let Destination::Directory(target) = destination {
            self.refuse_home(target)?;
        }
        let inside = |path: &PathBuf| below(&source.path, path, &point);
        Ok(RestoreOrder {
            point: point.id,
            kind: source.kind,
            path: source.path.clone(),
            selection: selection.iter().map(inside).collect::<Result<_, _>>()?,
            destination: destination.clone(),
            on_conflict: *on_conflict,
        })
    }

    /// Refuses to restore into the data directory: it would be written below the pool's feet.
    fn refuse_home(&self, target: &Path) -> Result<(), Fault> {
        // The target need not exist yet: its nearest ancestor that does decides.
        let real = target
            .ancestors()
            .find_map(|ancestor| ancestor.canonicalize().ok());
        let own = self.inner.home.own();
        match real.and_then(|real| own.iter().find(|own| real.starts_with(own))) {
            None => Ok(()),
            Some(own) => Err(Fault::new(Code::RestoreTargetInsidePool)
                .with("path", path_text(target))
                .with("pool", path_text(own))),
        }
    }

    /// Keeps a point from being deleted until the pin is dropped.
    fn pin(&self, point: &PointId, job: &JobId) -> Result<Pin, Fault> {
        self.pins().entry(*point).or_default().push(*job);
        let pin = Pin {
            engine: self.clone(),
            point: *point,
            job: *job,
        };
        // It may have gone just before.
        self.find_point(&point.to_string())?;
        Ok(pin)
    }
}

/// A point that is being read.
#[must_use]
struct Pin {
    engine: Engine,
    point: PointId,
    job: JobId,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.engine.pins();
        if let Some(jobs) = pins.get_mut(&self.point) {
            jobs.retain(|job| *job != self.job);
            if jobs.is_empty() {
                pins.remove(&self.point);
            }
        }
    }
}

/// Returns a selected path relative to the source's root.
fn below(root: &Path, path: &Path, point: &Point) -> Result<PathBuf, Fault> {
    let relative = match path.is_absolute() {
        true => path.strip_prefix(root).ok(),
        false => Some(path),
    };
    let is_plain = |path: &&Path| {
        let mut parts = path.components();
        parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    match relative.filter(is_plain) {
        Some(path) => Ok(path
            .components()
            .filter(|p| *p != Component::CurDir)
            .collect()),
        None => Err(Fault::new(Code::RestorePathUnknown)
            .with("path", path_text(path))
            .with("point", point.id)),
    }
}
