//! Verifying the pool: everything stored is read back, and whom damage hurts is said.

use base::{Fault, JobId, Lang, PointId, fault::Code};

use super::{Engine, POOL};
use crate::jobs::{Cause, JobContext, JobKind, JobReport, JobSpec, Step};
use crate::model::path_text;
use crate::pool::VerifyReport;

impl Engine {
    /// Starts to verify the pool.
    ///
    /// # Errors
    /// The job cannot be written down for another reason than that nothing can be written.
    pub fn verify_pool(&self) -> Result<JobId, Fault> {
        let job = self.new_job(JobKind::Verify, None, JobSpec::Verify, Cause::Manual);
        self.insert_reader(&job)?;
        Ok(self.launch(job))
    }

    pub(super) fn perform_verify(&self, context: &JobContext) -> Result<JobReport, Fault> {
        context.step(Step::Verify);
        let mut told = 0;
        let report = self.inner.pool.verify(&mut |done, total| {
            context.totals(None, Some(total));
            context.advance(0, done - told);
            told = done;
            context.stop_if_cancelled()
        })?;
        let place = self.pool_status()?.place;
        for fault in &report.faults {
            let (what, why) = (fault.what(Lang::En), fault.param("reason"));
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            context.warn(place.as_ref(), format_args!("{what}{why}"));
        }
        for point in &report.points_hurt {
            self.warn_of_hurt(point, context);
        }
        if let Err(fault) = self.alert_of_verified(&report) {
            // What was found is worth more.
            tracing::error!(%fault, "an alert was not written down");
        }
        Ok(JobReport::Verified(VerifyReport {
            faults: Vec::new(),
            ..report
        }))
    }

    /// Raises what no other look at the pool finds, and settles what is over.
    fn alert_of_verified(&self, report: &VerifyReport) -> Result<(), Fault> {
        let is_all = report.faults.len() as u64 == report.damaged;
        for code in [Code::LogDamaged, Code::PointDamaged] {
            match report.faults.iter().find(|fault| fault.code == code) {
                Some(fault) => self.inner.catalog.raise(POOL, fault, self.now())?,
                None if is_all => self.inner.catalog.settle(POOL, code, self.now())?,
                // It may be among those that were only counted.
                None => {}
            }
        }
        Ok(())
    }

    fn warn_of_hurt(&self, point: &PointId, context: &JobContext) {
        // Deleted meanwhile: it hurts nobody.
        let Ok(found) = self.find_point(&point.to_string()) else {
            return;
        };
        let inventory = self.inventory();
        let path = inventory.sources.get(&found.source).map(|s| &s.path);
        let fault = Fault::new(Code::PointDamaged)
            .with("point", point)
            .with("reason", "something that it needs is damaged or missing");
        let (what, why) = (
            fault.what(Lang::En),
            fault.param("reason").unwrap_or_default(),
        );
        let source = path.map_or_else(|| found.source.to_string(), |path| path_text(path));
        context.warn(source.as_ref(), format_args!("{what} ({why})"));
    }
}
