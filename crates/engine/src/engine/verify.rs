//! Verifying the pool: everything stored is read back, and whom damage hurts is said.

use std::time::Duration;

use base::limits::STOP_NOTICED_WITHIN;
use base::{Fault, JobId, Lang, PointId, Timestamp, fault::Code};

use super::{Engine, JobQuery, POOL};
use crate::jobs::{Cause, JobContext, JobKind, JobReport, JobSpec, JobState, Step};
use crate::model::path_text;
use crate::pool::{Damage, VerifyOrder, VerifyReport};

impl Engine {
    /// Starts to verify the pool. All of it goes on where the last one was interrupted, if it was.
    ///
    /// # Errors
    /// The job cannot be written down for another reason than that nothing can be written.
    pub fn verify_pool(&self, order: VerifyOrder, rate: Option<u64>) -> Result<JobId, Fault> {
        self.start_verification(order, rate, Cause::Manual)
    }

    pub(crate) fn start_verification(
        &self,
        order: VerifyOrder,
        rate: Option<u64>,
        cause: Cause,
    ) -> Result<JobId, Fault> {
        let order = VerifyOrder {
            since: self.interrupted_verification(&order)?,
            ..order
        };
        let spec = JobSpec::Verify { order, rate };
        let job = self.new_job(JobKind::Verify, None, spec, cause);
        self.insert_reader(&job)?;
        Ok(self.launch(job))
    }

    /// Returns when the last verification like this one began, if it was interrupted.
    fn interrupted_verification(&self, order: &VerifyOrder) -> Result<Option<Timestamp>, Fault> {
        if order.percent.is_some() {
            return Ok(None);
        }
        let jobs = self.jobs(&JobQuery::default())?;
        let last = jobs.into_iter().find_map(|job| match &job.spec {
            JobSpec::Verify { order: before, .. }
                if before.percent.is_none() && before.deep == order.deep =>
            {
                Some((job.state, before.since.or(job.started_at)))
            }
            _ => None,
        });
        Ok(match last {
            Some((JobState::Cancelled | JobState::Interrupted | JobState::Failed, began)) => began,
            _ => None,
        })
    }

    pub(super) fn perform_verify(
        &self,
        order: &VerifyOrder,
        rate: Option<u64>,
        context: &JobContext,
    ) -> Result<JobReport, Fault> {
        context.step(Step::Verify);
        let mut told = 0;
        let report = self.inner.pool.verify(order, &mut |done, total| {
            context.totals(None, Some(total));
            context.advance(0, done - told);
            let owed = rate
                .map(|rate| pause(done - told, rate))
                .unwrap_or_default();
            told = done;
            let mut waited = Duration::ZERO;
            while waited < owed {
                context.stop_if_cancelled()?;
                let part = STOP_NOTICED_WITHIN.min(owed - waited);
                std::thread::sleep(part);
                waited += part;
            }
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
        for damage in &report.damage {
            self.warn_of_damage(damage, context);
        }
        if report.packs_away > 0 {
            let away = report.packs_away;
            let what = format_args!("{away} packs are on a volume that is away and were not read");
            context.warn(place.as_ref(), what);
        }
        if let Err(fault) = self.alert_of_verified(&report) {
            // What was found is worth more.
            tracing::error!(%fault, "an alert was not written down");
        }
        Ok(JobReport::Verified(VerifyReport {
            faults: Vec::new(),
            damage: Vec::new(),
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

    fn warn_of_damage(&self, damage: &Damage, context: &JobContext) {
        let inventory = self.inventory();
        let newest = damage
            .points
            .last()
            .and_then(|point| self.find_point(&point.to_string()).ok());
        let source = newest.and_then(|point| inventory.sources.get(&point.source));
        let path = source.map_or_else(
            || damage.path.clone(),
            |source| source.path.join(&damage.path),
        );
        let points: Vec<String> = damage
            .points
            .iter()
            .rev()
            .take(POINTS_NAMED)
            .map(ToString::to_string)
            .collect();
        let more = match damage.points.len().saturating_sub(POINTS_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let chunk = damage.chunk;
        context.warn(
            &path,
            format_args!(
                "chunk {chunk} is damaged; it is needed by recovery points {}{more}",
                points.join(", ")
            ),
        );
    }
}

/// Recovery points that a warning names; the rest is counted.
const POINTS_NAMED: usize = 3;

/// Returns how long so many bytes take at a rate, in bytes a second.
fn pause(bytes: u64, rate: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / rate.max(1))
}
