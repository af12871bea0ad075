//! Watching one job.

use std::sync::Arc;
use std::time::Duration;

use super::{Job, Live};

/// One watcher of one job. Any number may watch; none slows the job down.
pub struct JobWatch {
    live: Option<Arc<Live>>,
    seen: u64,
    job: Job,
}

impl JobWatch {
    /// Watches a job that is queued or running.
    pub(crate) fn live(live: Arc<Live>) -> Self {
        let (seen, job) = live.snapshot();
        let live = Some(live);
        Self { live, seen, job }
    }

    /// Shows a job that is over.
    pub(crate) fn over(job: Job) -> Self {
        Self {
            live: None,
            seen: u64::MAX,
            job,
        }
    }

    /// Returns the job as it was seen last.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Waits until the job moves or is over, at most `timeout`; returns whether it moved.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        if self.job.state.is_over() {
            return false;
        }
        let Some(live) = &self.live else { return false };
        let Some((seen, job)) = live.wait(self.seen, timeout) else {
            return false;
        };
        self.seen = seen;
        self.job = job;
        true
    }

    /// Waits until the job is over and returns it.
    pub fn wait_until_over(mut self) -> Job {
        while !self.job.state.is_over() && self.live.is_some() {
            self.wait(Duration::from_secs(1));
        }
        self.job
    }
}

impl std::fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobWatch {} {}", self.job.id, self.job.state.name())
    }
}
