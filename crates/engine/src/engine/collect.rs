//! Garbage collection: the space of what no recovery point and no replica needs is given back.

use std::path::Path;

use base::limits::VERIFY_DAILY_PERCENT;
use base::{Fault, JobId, Lang};

use super::Engine;
use crate::jobs::{Cause, JobContext, JobKind, JobReport, JobSpec, Step};
use crate::pool::{CollectStep, VerifyOrder};

impl Engine {
    /// Starts to collect garbage, or to say what that would give back.
    ///
    /// # Errors
    /// The job cannot be written down.
    pub fn collect_garbage(&self, dry_run: bool) -> Result<JobId, Fault> {
        self.start_collection(dry_run, Cause::Manual)
    }

    pub(crate) fn start_collection(&self, dry_run: bool, cause: Cause) -> Result<JobId, Fault> {
        let spec = JobSpec::Collect { dry_run };
        let job = self.new_job(JobKind::Collect, None, spec, cause);
        match dry_run {
            true => self.insert_reader(&job)?,
            false => self.insert_shared(&job)?,
        }
        Ok(self.launch(job))
    }

    pub(super) fn perform_collection(
        &self,
        dry_run: bool,
        context: &JobContext,
    ) -> Result<JobReport, Fault> {
        let mut told = 0;
        let mut now = Step::Mark;
        context.step(now);
        let report = self.inner.pool.collect(dry_run, &mut |step| {
            let next = match step {
                CollectStep::Mark => now,
                CollectStep::Wait(_) => Step::Wait,
                CollectStep::Free(..) => Step::Free,
            };
            if next != now {
                now = next;
                context.step(now);
            }
            if let CollectStep::Free(done, total) = step {
                context.totals(None, Some(total));
                context.advance(0, done.saturating_sub(told));
                told = told.max(done);
            }
            context.stop_if_cancelled()
        })?;
        if context.job().cause == Cause::Schedule {
            // The daily round: in a month every byte is read once.
            let order = VerifyOrder {
                percent: Some(VERIFY_DAILY_PERCENT),
                ..VerifyOrder::default()
            };
            self.start_verification(order, None, Cause::Schedule)?;
        }
        let place = self.pool_status()?.place;
        if let Some(fault) = &report.cut_short {
            context.warn(Path::new(&place), fault.what(Lang::En));
        }
        if report.missing_chunks > 0 {
            let missing = report.missing_chunks;
            let what = format_args!("{missing} chunks that are needed are missing");
            context.warn(Path::new(&place), what);
        }
        Ok(JobReport::Collected(report))
    }
}
