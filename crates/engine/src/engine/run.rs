//! What happens when a job's turn comes.
//!
//! One function for each kind of job gives the worker its order and draws the consequences: the replica's state,
//! the alerts, the points whose time is over. A worker that panics fails its job and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use base::{Fault, Kind, Lang, SourceId, Timestamp, fault::Code};

use super::Engine;
use crate::jobs::{
    Cause, Job, JobContext, JobKind, JobReport, JobSpec, JobState, Step, close_step,
};
use crate::model::{Source, config};
use crate::replica::{self, Doubt, Happening, State};
use crate::worker::{BackupOrder, CheckOrder, CheckReport, PointOrder};

impl Engine {
    /// Runs one job to its end.
    pub(super) fn run(&self, context: &JobContext) {
        let now = self.now();
        let job = context.update(|job| {
            job.state = JobState::Running;
            job.started_at = Some(now);
            job.lease_until = now + crate::jobs::LEASE;
        });
        let begun = match self.inner.catalog.update_job(&job) {
            // As where it was asked for.
            Err(fault) if job.kind.is_reader() && fault.code == Code::DataDirectoryUnwritable => {
                Ok(())
            }
            begun => begun,
        };
        let result = begun
            .and_then(|()| context.stop_if_cancelled())
            .and_then(|()| {
                catch_unwind(AssertUnwindSafe(|| self.perform(&job, context))).unwrap_or_else(
                    |_| Err(Fault::new(Code::Internal).with("detail", "the job's worker panicked")),
                )
            });
        self.finish(context, result);
    }

    fn perform(&self, job: &Job, context: &JobContext) -> Result<JobReport, Fault> {
        context.step(Step::Prepare);
        match (&job.spec, job.source) {
            (JobSpec::Replica, Some(source)) if job.kind == JobKind::Check => {
                self.check_replica(&source, context)
            }
            (JobSpec::Replica, Some(source)) => self.synchronize(&source, job.kind, context),
            (JobSpec::Restore { .. }, Some(_)) => self.perform_restore(job, context),
            (JobSpec::Expire, source) => {
                context.step(Step::Expire);
                let deleted = self.expire(source.as_ref(), context)?;
                if source.is_none() {
                    // The daily round: what these points needed goes next.
                    self.start_collection(false, Cause::Schedule)?;
                }
                Ok(JobReport::Deleted(deleted))
            }
            (JobSpec::Verify { order, rate }, _) => self.perform_verify(order, *rate, context),
            (JobSpec::Collect { dry_run }, _) => self.perform_collection(*dry_run, context),
            (JobSpec::Drain { volume }, _) => self.perform_drain(volume, context),
            _ => Err(Fault::new(Code::Internal).with("detail", "a job without what it is about")),
        }
    }

    fn synchronize(
        &self,
        source: &SourceId,
        kind: JobKind,
        context: &JobContext,
    ) -> Result<JobReport, Fault> {
        let mut order = self.backup_order(source, kind != JobKind::Synchronize)?;
        // Nobody watched it for a while: the first synchronization after that is a check as well.
        let state = self.replica_state(source)?.0;
        order.read_unchanged = state.doubt() == Some(Doubt::Paused);
        let [started, done, ended] = match order.read_unchanged {
            true => [
                Happening::CheckStarted,
                Happening::CheckPassed,
                Happening::CheckEnded,
            ],
            false => [
                Happening::SyncStarted,
                Happening::SyncDone,
                Happening::SyncEnded,
            ],
        };
        self.admit(source)?;
        self.replica_happening(source, started)?;
        let result = self.inner.worker.backup(&order, context);
        let followed = self.follow();
        let report = match result {
            Ok(report) => report,
            Err(fault) => {
                self.replica_happening(source, ended)?;
                self.doubt_if_damaged(source, &fault)?;
                return Err(fault);
            }
        };
        followed?;
        self.replica_happening(source, done)?;
        self.remember_file_system(source, report.file_system.clone());
        if report.missed > 0 {
            self.replica_happening(source, Happening::Doubted(Doubt::ChangesMissed))?;
        }
        if order.point.is_some() {
            if report.point.is_none() {
                return Err(
                    Fault::new(Code::Internal).with("detail", "the worker made no recovery point")
                );
            }
            self.expire_after_point(source, context);
        }
        Ok(JobReport::Backup(report))
    }

    fn check_replica(&self, source: &SourceId, context: &JobContext) -> Result<JobReport, Fault> {
        let order = CheckOrder {
            backup: BackupOrder {
                read_unchanged: true,
                ..self.backup_order(source, false)?
            },
        };
        self.replica_happening(source, Happening::CheckStarted)?;
        let mut result = self.inner.worker.check(&order, context);
        if let Err(fault) = &result
            && fault.kind() == Kind::Damaged
        {
            // The replica cannot even be read: it is made anew, from a full read of the source.
            tracing::warn!(%fault, "a replica cannot be read and is made anew");
            result = self.make_anew(&order, context);
        }
        let followed = self.follow();
        match result {
            Ok(report) => {
                followed?;
                self.replica_happening(source, Happening::CheckPassed)?;
                self.remember_file_system(source, report.file_system.clone());
                Ok(JobReport::Check(report))
            }
            Err(fault) => {
                self.replica_happening(source, Happening::CheckEnded)?;
                self.doubt_if_damaged(source, &fault)?;
                Err(fault)
            }
        }
    }

    fn make_anew(&self, order: &CheckOrder, context: &JobContext) -> Result<CheckReport, Fault> {
        let order = BackupOrder {
            previous: None,
            read_unchanged: false,
            ..order.backup.clone()
        };
        let report = self.inner.worker.backup(&order, context)?;
        Ok(CheckReport {
            entries: report.entries,
            bytes: report.bytes_read,
            differences: report.entries,
            changed: report.changed,
            new_bytes: report.new_bytes,
            file_system: report.file_system,
        })
    }

    fn backup_order(&self, source: &SourceId, with_point: bool) -> Result<BackupOrder, Fault> {
        let inventory = self.inventory();
        let unknown = || Fault::new(Code::SourceUnknown).with("source", source);
        let found = inventory.sources.get(source).ok_or_else(unknown)?;
        let (member, group) = inventory.member(source).ok_or_else(unknown)?;
        Ok(BackupOrder {
            source: *source,
            kind: found.kind,
            path: found.path.clone(),
            address: inventory.address(found).full(),
            options: member.options.clone(),
            previous: self.inner.catalog.replica(source)?.map(|r| r.root),
            file_system: found.file_system.clone(),
            read_unchanged: false,
            point: with_point.then(|| PointOrder {
                group: group.name.clone(),
            }),
        })
    }

    /// Writes down which file system the replica was made equal to. If it cannot be, the next run tries again.
    fn remember_file_system(&self, source: &SourceId, file_system: Option<String>) {
        let _deciding = self.deciding();
        let known = self.inventory().sources.get(source).cloned();
        let Some(known) = known.filter(|known| known.file_system != file_system) else {
            return;
        };
        let known = Source {
            file_system,
            ..known
        };
        if let Err(fault) = self.put(&[config::source(&known)]) {
            tracing::warn!(%source, %fault, "the file system of a source is not remembered");
        }
    }

    /// Writes down how a job ended, tells those who watch, and opens or closes alerts.
    pub(super) fn finish(&self, context: &JobContext, result: Result<JobReport, Fault>) {
        let now = self.now();
        let stopping = self.inner.stopping.load(Ordering::Relaxed);
        let mut over = context.job();
        over.ended_at = Some(now);
        close_step(&mut over, now);
        (over.state, over.report, over.fault) = match result {
            Ok(report) if over.warning_count == 0 && report.is_clean() => {
                (JobState::Succeeded, Some(report), None)
            }
            Ok(report) => (JobState::SucceededWithWarnings, Some(report), None),
            Err(fault) if fault.code == Code::JobCancelled && stopping => {
                let fault = Fault::new(Code::JobInterrupted).with("job", over.id);
                (JobState::Interrupted, None, Some(fault))
            }
            Err(fault) if fault.code == Code::JobCancelled => {
                (JobState::Cancelled, None, Some(fault))
            }
            Err(fault) => (JobState::Failed, None, Some(fault)),
        };
        // The row first: whoever is woken may look there.
        self.write_end(&over);
        if let Err(fault) = self.alert_about(&over, now) {
            tracing::error!(job = %over.id, %fault, "an alert was not written down");
        }
        // A job that read the pool may have found packs that nobody knew to be damaged.
        if let Err(fault) = self.look_after_pool(now) {
            tracing::error!(job = %over.id, %fault, "the pool could not be looked after");
        }
        context.update(|job| *job = over);
    }

    fn alert_about(&self, job: &Job, now: Timestamp) -> Result<(), Fault> {
        let (Some(source), true) = (&job.source, job.kind.is_exclusive()) else {
            return Ok(());
        };
        let inventory = self.inventory();
        let catalog = &self.inner.catalog;
        let (subject, address) = (source.to_string(), inventory.address_of(source));
        match job.state {
            JobState::Failed => {
                let group = inventory
                    .member(source)
                    .map(|(_, group)| group.name.clone());
                let reason = job.fault.as_ref().map(|fault| fault.what(Lang::En));
                let fault = Fault::new(Code::MemberFailed)
                    .with("source", address)
                    .with("group", group.unwrap_or_default())
                    .with("reason", reason.unwrap_or_default());
                return catalog.raise(&subject, &fault, now);
            }
            JobState::SucceededWithWarnings if job.warning_count > 0 => {
                let fault = Fault::new(Code::ProtectionWarnings)
                    .with("source", address)
                    .with("count", job.warning_count);
                catalog.raise(&subject, &fault, now)?;
            }
            JobState::Succeeded | JobState::SucceededWithWarnings => {
                catalog.settle(&subject, Code::ProtectionWarnings, now)?
            }
            _ => return Ok(()),
        }
        catalog.settle(&subject, Code::MemberFailed, now)
    }

    fn doubt_if_damaged(&self, source: &SourceId, fault: &Fault) -> Result<(), Fault> {
        match fault.kind() {
            Kind::Damaged => self.replica_happening(source, Happening::Doubted(Doubt::Damaged)),
            _ => Ok(()),
        }
    }

    /// Returns where a replica stands, and since when if that was written down. What the log says of it wins.
    pub(crate) fn replica_state(
        &self,
        source: &SourceId,
    ) -> Result<(State, Option<Timestamp>), Fault> {
        let inventory = self.inventory();
        let is_there = self.inner.catalog.replica(source)?.is_some();
        let written = self.inner.catalog.replica_state(source)?;
        let stopped = inventory.members.get(source).is_none_or(|m| m.stopped);
        let state = match written.map(|(state, _)| state) {
            _ if stopped => State::Inactive,
            // The log says that it is protected again; that the replica is, too, was not written down any more.
            Some(State::Inactive) => {
                let resumed = Happening::Resumed(is_there);
                replica::next(State::Inactive, resumed).unwrap_or(State::Pending)
            }
            Some(State::Pending) | None if is_there => match inventory.doubts.get(source) {
                Some(doubt) => State::Inconsistent(*doubt),
                None => State::Ok,
            },
            None => State::Pending,
            Some(state) if !is_there => replica::next(state, Happening::Lost).unwrap_or(state),
            Some(state) => state,
        };
        Ok((state, written.map(|(_, since)| since)))
    }

    /// Moves a replica's state, writes it down and says what has to be said about it.
    pub(crate) fn replica_happening(
        &self,
        source: &SourceId,
        happening: Happening,
    ) -> Result<(), Fault> {
        let before = match happening {
            // The member is configured again by now; what it resumes from is not.
            Happening::Resumed(_) => State::Inactive,
            Happening::Stopped => State::Ok,
            _ => self.replica_state(source)?.0,
        };
        let after = replica::next(before, happening).map_err(|refused| {
            Fault::new(Code::ReplicaInconsistent)
                .with("source", self.inventory().address_of(source))
                .with("since", self.now())
                .with("reason", refused)
        })?;
        let now = self.now();
        if after == before && self.inner.catalog.replica_state(source)?.is_some() {
            // What could not be written to the log when it moved is now.
            return self.write_doubt(source, after);
        }
        self.inner.catalog.set_replica_state(source, after, now)?;
        self.write_doubt(source, after)?;
        let subject = source.to_string();
        match after {
            State::Inconsistent(doubt) => {
                let fault = Fault::new(Code::ReplicaInconsistent)
                    .with("source", self.inventory().address_of(source))
                    .with("since", now)
                    .with("reason", doubt.reason());
                self.inner.catalog.raise(&subject, &fault, now)
            }
            State::Ok => {
                let code = Code::ReplicaInconsistent;
                self.inner.catalog.settle(&subject, code, now)
            }
            _ => Ok(()),
        }
    }

    fn write_doubt(&self, source: &SourceId, state: State) -> Result<(), Fault> {
        let written = self.inventory().doubts.get(source).copied();
        let doubt = match state {
            State::Inconsistent(doubt) => Some(doubt),
            State::Ok | State::Pending => None,
            // Nothing is proven yet.
            _ => written,
        };
        // Where nothing can be written, the catalog alone knows for the time being.
        match doubt == written || self.read_only().is_some() {
            true => Ok(()),
            false => self.put(&[config::doubt(source, doubt)]),
        }
    }

    fn expire_after_point(&self, source: &SourceId, context: &JobContext) {
        let due = self.expiry_plan(source).map(|plan| !plan.points.is_empty());
        let expired = due.and_then(|due| match due {
            true => self.record(
                JobKind::Expire,
                Some(*source),
                JobSpec::Expire,
                Cause::Schedule,
                || self.expire(Some(source), context).map(JobReport::Deleted),
            ),
            false => Ok(()),
        });
        if let Err(fault) = expired {
            // The point is made; the daily round tries again.
            tracing::warn!(%source, %fault, "expiry after a point failed");
        }
    }
}
