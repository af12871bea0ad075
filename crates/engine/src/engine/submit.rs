//! Jobs asked for, listed, watched, stopped.

use std::sync::Arc;

use base::limits::CANDIDATES_MAX;
use base::{Fault, JobId, SourceId, fault::Code};

use super::{Engine, JobQuery};
use crate::catalog::JobFilter;
use crate::jobs::{
    Cause, Job, JobContext, JobKind, JobReport, JobSpec, JobState, JobWatch, Live, Stranded,
};
use crate::replica::State;

impl Engine {
    /// Starts a synchronization.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`, `MemberUnknown` if it is not protected, `ReplicaBusy`.
    pub fn sync(&self, source: &str) -> Result<JobId, Fault> {
        let source = self.inventory().resolve_source_to_change(source)?.id;
        self.submit_replica(&source, JobKind::Synchronize, Cause::Manual)
    }

    /// Starts a synchronization that ends in a recovery point.
    ///
    /// # Errors
    /// As [`Self::sync`].
    pub fn create_point(&self, source: &str) -> Result<JobId, Fault> {
        let source = self.inventory().resolve_source_to_change(source)?.id;
        self.submit_replica(&source, JobKind::CreatePoint, Cause::Manual)
    }

    /// Starts a consistency check: everything is read and compared, and the replica repaired.
    ///
    /// # Errors
    /// As [`Self::sync`]; `ReplicaMissing` if there is nothing to check yet.
    pub fn check(&self, source: &str) -> Result<JobId, Fault> {
        let source = self.inventory().resolve_source_to_change(source)?.id;
        self.submit_replica(&source, JobKind::Check, Cause::Manual)
    }

    /// Returns jobs, newest first, with the progress of those that run and without their warnings.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`.
    pub fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, Fault> {
        let source = match &query.source {
            Some(text) => Some(self.inventory().resolve_source(text)?.id),
            None => None,
        };
        let filter = JobFilter {
            source,
            unfinished: query.unfinished,
            limit: query.limit,
        };
        let mut jobs = self.inner.catalog.jobs(&filter)?;
        for job in &mut jobs {
            if let Some(known) = self.in_memory(&job.id) {
                *job = known;
            }
        }
        jobs.retain(|job| !query.unfinished || !job.state.is_over());
        Ok(jobs)
    }

    /// Finds the job of that id, or of the only id that begins so, with steps and warnings.
    ///
    /// # Errors
    /// `JobUnknown`, `JobAmbiguous`.
    pub fn job(&self, text: &str) -> Result<Job, Fault> {
        let unknown = || Fault::new(Code::JobUnknown).with("job", text);
        let prefix = text.to_ascii_lowercase();
        if prefix.is_empty() {
            return Err(unknown());
        }
        let mut found = self.inner.catalog.jobs_like(&prefix, CANDIDATES_MAX)?;
        if found.is_empty() {
            found.extend(self.in_memory_alone(&prefix));
        }
        match found.len() {
            0 => Err(unknown()),
            1 => {
                let job = found.remove(0);
                Ok(self.in_memory(&job.id).unwrap_or(job))
            }
            _ => {
                let ids: Vec<String> = found.iter().map(|job| job.id.to_string()).collect();
                Err(Fault::new(Code::JobAmbiguous)
                    .with("job", text)
                    .with("matches", ids.join(", ")))
            }
        }
    }

    /// Watches a job.
    ///
    /// # Errors
    /// `JobUnknown`.
    pub fn watch(&self, id: &JobId) -> Result<JobWatch, Fault> {
        if let Some(live) = self.inner.runner.find(id) {
            return Ok(JobWatch::live(live));
        }
        Ok(JobWatch::over(self.job(&id.to_string())?))
    }

    /// Tells a job to stop; it does within a second or so. Nothing happens to one that is over.
    ///
    /// # Errors
    /// `JobUnknown`, `JobAmbiguous`.
    pub fn cancel_job(&self, text: &str) -> Result<Job, Fault> {
        let job = self.job(text)?;
        if let Some(live) = self.inner.runner.find(&job.id) {
            live.cancel();
            return Ok(live.snapshot().1);
        }
        Ok(job)
    }

    /// Returns a job of which memory knows more than the catalog: it runs, or its end is not written down yet.
    fn in_memory(&self, id: &JobId) -> Option<Job> {
        let live = self.inner.runner.find(id).map(|live| live.snapshot().1);
        live.or_else(|| self.unwritten().get(id).cloned())
    }

    /// Returns a job that could not be written down at all yet.
    fn in_memory_alone(&self, prefix: &str) -> Option<Job> {
        let mut ids = self.inner.runner.ids();
        ids.extend(self.unwritten().keys());
        let id = ids.iter().find(|id| id.to_string().starts_with(prefix))?;
        self.in_memory(id)
    }

    /// Writes down how a job ended, or keeps it until that can be: nobody may wait for ever for a job that is over.
    pub(super) fn write_end(&self, job: &Job) {
        if let Err(fault) = self.inner.catalog.finish_job(job, &self.inner.owner) {
            tracing::error!(job = %job.id, %fault, "a job's end was not written down yet");
            self.unwritten().insert(job.id, job.clone());
        }
    }

    /// Tries again to write down how jobs ended. What still cannot be written when the program ends counts as
    /// interrupted.
    pub(crate) fn write_unwritten(&self) {
        let jobs: Vec<Job> = self.unwritten().values().cloned().collect();
        for job in jobs {
            match self.inner.catalog.finish_job(&job, &self.inner.owner) {
                Ok(()) => drop(self.unwritten().remove(&job.id)),
                Err(fault) => tracing::debug!(job = %job.id, %fault, "not yet"),
            }
        }
    }

    /// Waits until no job is queued or running.
    pub fn wait_idle(&self) {
        self.inner.runner.wait_idle();
    }

    pub(crate) fn submit_replica(
        &self,
        source: &SourceId,
        kind: JobKind,
        cause: Cause,
    ) -> Result<JobId, Fault> {
        self.refuse_read_only()?;
        self.write_unwritten();
        // Its protection may be about to stop.
        let deciding = self.deciding();
        let job = self.replica_job(source, kind, cause)?;
        let inserted = self.inner.catalog.insert_job(&job, &self.inner.owner)?;
        drop(deciding);
        match inserted {
            Ok(()) => Ok(self.launch(job)),
            Err(other) => Err(self.busy(source, &other)),
        }
    }

    /// Returns the job that would do this to a member's replica; the first one of all is its creation.
    pub(crate) fn replica_job(
        &self,
        source: &SourceId,
        kind: JobKind,
        cause: Cause,
    ) -> Result<Job, Fault> {
        let inventory = self.inventory();
        let member = inventory.member(source).filter(|(m, _)| !m.stopped);
        if member.is_none() {
            return Err(Fault::new(Code::MemberUnknown)
                .with("source", inventory.address_of(source))
                .with("group", "-"));
        }
        let state = self.replica_state(source)?.0;
        let is_there = !matches!(state, State::Pending | State::Creating | State::Missing);
        let kind = match kind {
            JobKind::CreatePoint if !is_there => JobKind::Protect,
            JobKind::Protect if is_there => JobKind::CreatePoint,
            JobKind::Check if !is_there => {
                return Err(
                    Fault::new(Code::ReplicaMissing).with("source", inventory.address_of(source))
                );
            }
            kind => kind,
        };
        Ok(self.new_job(kind, Some(*source), JobSpec::Replica, cause))
    }

    pub(crate) fn new_job(
        &self,
        kind: JobKind,
        source: Option<SourceId>,
        spec: JobSpec,
        cause: Cause,
    ) -> Job {
        Job::queued(&self.inner.env, kind, source, (spec, cause))
    }

    /// Writes down a job that only reads what is stored, or not, where nothing can be written: what it gives is worth more
    /// than its row.
    pub(super) fn insert_reader(&self, job: &Job) -> Result<(), Fault> {
        match self.insert_shared(job) {
            Ok(()) => {}
            Err(fault) if fault.code == Code::DataDirectoryUnwritable => {
                tracing::warn!(job = %job.id, %fault, "a job is not written down yet");
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Writes down a job that works on no replica.
    pub(super) fn insert_shared(&self, job: &Job) -> Result<(), Fault> {
        let inserted = self.inner.catalog.insert_job(job, &self.inner.owner)?;
        debug_assert!(inserted.is_ok(), "only a replica has one job at a time");
        Ok(())
    }

    /// Gives a job that is written down to the runner.
    pub(crate) fn launch(&self, job: Job) -> JobId {
        let id = job.id;
        let live = self.live(job);
        let engine = self.clone();
        let task = Box::new(move |context: &JobContext| engine.run(context));
        if let Err(Stranded { error, jobs }) = self.inner.runner.submit(id, live, task) {
            let fault = Fault::exhausted(error);
            for live in jobs {
                self.finish(&JobContext::new(live), Err(fault.clone()));
            }
        }
        id
    }

    /// Returns a job in memory whose row follows it.
    pub(crate) fn live(&self, job: Job) -> Arc<Live> {
        let inner = Arc::downgrade(&self.inner);
        let persist = Box::new(move |job: &Job| {
            let Some(inner) = inner.upgrade() else { return };
            if let Err(fault) = inner.catalog.update_job(job) {
                tracing::warn!(job = %job.id, %fault, "a job's progress was not written down");
            }
        });
        Arc::new(Live::new(job, self.inner.env.clone(), Some(persist)))
    }

    /// Does something at once, in this thread, that is a job in the books.
    pub(crate) fn record(
        &self,
        kind: JobKind,
        source: Option<SourceId>,
        spec: JobSpec,
        cause: Cause,
        work: impl FnOnce() -> Result<JobReport, Fault>,
    ) -> Result<(), Fault> {
        let mut job = self.new_job(kind, source, spec, cause);
        job.state = JobState::Running;
        job.started_at = Some(self.now());
        let inserted = self.inner.catalog.insert_job(&job, &self.inner.owner)?;
        if let (Err(other), Some(source)) = (inserted, &source) {
            return Err(self.busy(source, &other));
        }
        let result = work();
        job.ended_at = Some(self.now());
        job.state = match &result {
            Ok(_) => JobState::Succeeded,
            Err(fault) if fault.code == Code::JobCancelled => JobState::Cancelled,
            Err(_) => JobState::Failed,
        };
        let result = match result {
            Ok(report) => {
                job.report = Some(report);
                Ok(())
            }
            Err(fault) => {
                job.fault = Some(fault.clone());
                Err(fault)
            }
        };
        self.write_end(&job);
        result
    }

    /// Refuses if a job works on a source's replica.
    pub(crate) fn refuse_busy(&self, source: &SourceId) -> Result<(), Fault> {
        match self.inner.catalog.job_on_replica(source)? {
            Some(job) => Err(self.busy(source, &job)),
            None => Ok(()),
        }
    }

    fn busy(&self, source: &SourceId, job: &JobId) -> Fault {
        Fault::new(Code::ReplicaBusy)
            .with("source", self.inventory().address_of(source))
            .with("job", job)
    }
}
