//! What is due, made to happen.
//!
//! [`Engine::tick`] is one look: it writes the ledger ahead, repeats once what was interrupted, gives what is due to
//! jobs, and mends replicas in doubt. It asks nothing but its argument for the time and keeps nothing in memory, so
//! that it can be killed anywhere and called again. [`Engine::run_scheduler`] looks every few seconds until it is
//! told to stop.
//!
//! A server that was off makes one run for each member when it comes back, however many it missed. A clock that
//! jumped ahead makes at most one run too many; one that jumped back has the future planned anew, so that nothing
//! waits for a time that was only ever on the clock.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use base::schedule::{self, SyncFrequency};
use base::{Fault, JobId, SourceId, Timestamp};
use jiff::SignedDuration;

use crate::catalog::{Claim, Due, LedgerEntry, Planned};
use crate::engine::Engine;
use crate::jobs::{Cause, Job, JobKind, JobSpec};
use crate::model::Policy;

/// The name under which the scheduler shows life.
pub(crate) const PART: &str = "scheduler";

/// The ledger is written so far ahead, and again when half of that has passed.
const HORIZON: SignedDuration = SignedDuration::from_hours(24);
/// Missed occurrences older than this are not even written down: one run makes up for all of them anyway.
const MISSED_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A clock that went back by less only makes what was just started look a little early.
const PUT_BACK_MIN: SignedDuration = SignedDuration::from_mins(10);
/// A check that failed is not repeated sooner.
const MEND_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// History is kept for so long (the original's figure).
const HISTORY: SignedDuration = SignedDuration::from_hours(33 * 24);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// When points whose time is over go, beside after each new point.
const EXPIRY_SCHEDULE: &str = "03:30";

/// Something that comes due again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// A recovery point, with the synchronization before it.
    Point,
    /// A synchronization.
    Sync,
    /// A consistency check.
    Check,
    /// Removal of the points whose time is over, and of old history; the server's own.
    Expire,
}

impl Duty {
    const ALL: [Self; 4] = [Self::Point, Self::Sync, Self::Check, Self::Expire];
    const MEMBERS: [Self; 3] = [Self::Point, Self::Sync, Self::Check];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Sync => "sync",
            Self::Check => "check",
            Self::Expire => "expire",
        }
    }

    /// Finds the duty of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.name() == name)
    }

    /// Returns the schedule in words, or `None` if the policy has none.
    fn schedule(self, policy: &Policy) -> Option<String> {
        let text = match self {
            Self::Point => policy.points.to_string(),
            Self::Sync => match policy.sync {
                SyncFrequency::Every(_) => policy.sync.to_string(),
                SyncFrequency::BeforePoint => return None,
            },
            Self::Check => policy.check.as_ref()?.to_string(),
            Self::Expire => EXPIRY_SCHEDULE.to_owned(),
        };
        let zone = schedule::zone_name(policy.zone()).unwrap_or_default();
        Some(format!("{text} {zone}"))
    }

    /// Returns when it is due after `after` and not after `until`.
    fn occurrences(self, policy: &Policy, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        match self {
            Self::Point => policy.points.occurrences(after, until).collect(),
            Self::Sync => {
                let sync = policy.sync;
                sync.occurrences(after, until, &policy.points).collect()
            }
            Self::Check => match &policy.check {
                Some(check) => check.occurrences(after, until).collect(),
                None => Vec::new(),
            },
            Self::Expire => Vec::new(),
        }
    }
}

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Its time has not come, or its member is busy.
    Pending,
    /// Its job runs for it; the job says how that went.
    Claimed,
    /// The job of a later one made up for it.
    Covered,
}

impl EntryState {
    /// Finds the state of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "pending" => Some(Self::Pending),
            "claimed" => Some(Self::Claimed),
            "covered" => Some(Self::Covered),
            _ => None,
        }
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is due.
    pub duty: Duty,
    /// When.
    pub due: Timestamp,
    /// What became of it.
    pub state: EntryState,
    /// The job that took it.
    pub job: Option<JobId>,
}

/// A request to stop that threads can wait for.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Asks everyone who waits to stop, now and later.
    pub fn stop(&self) {
        let (asked, changed) = &*self.shared;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits until asked to stop, at most `timeout`; returns whether it was.
    pub fn wait(&self, timeout: Duration) -> bool {
        let (asked, changed) = &*self.shared;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = changed
            .wait_timeout_while(asked, timeout, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner);
        *asked
    }
}

impl Engine {
    /// Looks at the schedule every few seconds until told to stop, and in a thread of its own watches that this
    /// happens. A look that fails is an alert, and the next one is made all the same.
    ///
    /// # Errors
    /// The watchdog's thread cannot be started.
    pub fn run_scheduler(&self, stop: &Stop) -> Result<(), Fault> {
        let (engine, watchdog_stop) = (self.clone(), stop.clone());
        let watchdog = std::thread::Builder::new()
            .name("dozo-watchdog".to_owned())
            .spawn(move || engine.run_watchdog(&watchdog_stop))
            .map_err(Fault::exhausted)?;
        loop {
            if let Err(fault) = self.tick(self.now()) {
                tracing::error!(%fault, "a look at the schedule failed");
            }
            if stop.wait(LOOK_EVERY) {
                break;
            }
        }
        if watchdog.join().is_err() {
            tracing::error!("the watchdog panicked");
        }
        Ok(())
    }

    /// Looks once: see the module.
    ///
    /// # Errors
    /// The catalog's or the pool's own; what was done stays done.
    pub fn tick(&self, now: Timestamp) -> Result<(), Fault> {
        self.write_unwritten();
        self.follow()?;
        self.plan_ahead(now)?;
        // What is due waits in the ledger for a pool that can be written.
        if self.read_only().is_none() {
            self.repeat_interrupted()?;
            self.mend(now)?;
            self.start_due(now)?;
        }
        self.inner.catalog.beat(PART, now)
    }

    /// Returns a source's ledger, newest first; without a source, the server's own.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`.
    pub fn ledger(&self, source: Option<&str>, limit: u32) -> Result<Vec<Entry>, Fault> {
        let source = match source {
            Some(text) => Some(self.inventory().resolve_source(text)?.id),
            None => None,
        };
        self.inner.catalog.ledger(source.as_ref(), limit)
    }

    fn plan_ahead(&self, now: Timestamp) -> Result<(), Fault> {
        let inventory = self.inventory();
        for (member, group) in inventory.active_members() {
            for duty in Duty::MEMBERS {
                self.plan_duty(Some(&member.source), duty, &group.policy, member.since, now)?;
            }
        }
        for (source, duty) in self.inner.catalog.plans()? {
            let wanted = inventory
                .member(&source)
                .filter(|(member, _)| !member.stopped)
                .and_then(|(_, group)| duty.schedule(&group.policy));
            if wanted.is_none() {
                self.inner.catalog.unplan(&source, Some(duty))?;
            }
        }
        let own = Policy {
            points: schedule::Schedule::parse(EXPIRY_SCHEDULE, self.inner.zone.clone())?,
            ..self.standard_policy()
        };
        self.plan_duty(None, Duty::Expire, &own, now, now)
    }

    fn plan_duty(
        &self,
        source: Option<&SourceId>,
        duty: Duty,
        policy: &Policy,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(schedule) = duty.schedule(policy) else {
            return Ok(());
        };
        let planned = self.inner.catalog.planned(source, duty)?;
        let (after, forget_after) = match planned {
            // It may have begun while the clock was ahead.
            None => (since.min(now), None),
            // Another schedule, or a clock that was put back: what was planned for later is planned anew.
            Some(planned) if planned.schedule != schedule || is_ahead(&planned, now) => {
                (now, Some(now))
            }
            Some(planned) if planned.until > now + HORIZON / 2 => return Ok(()),
            Some(planned) => (planned.until, None),
        };
        let after = after.max(now - MISSED_MAX);
        let until = now + HORIZON;
        let dues = match duty {
            Duty::Expire => policy.points.occurrences(after, until).collect(),
            duty => duty.occurrences(policy, after, until),
        };
        self.inner.catalog.plan(&LedgerEntry {
            source,
            duty,
            schedule: &schedule,
            dues: &dues,
            planned_until: until,
            forget_after,
        })
    }

    /// Repeats, once each, the jobs a kill or a stop cut off, unless somebody has asked for the same since.
    fn repeat_interrupted(&self) -> Result<(), Fault> {
        for old in self.inner.catalog.jobs_to_retry()? {
            let deciding = self.deciding();
            let again = match &old.source {
                Some(source) => self.replica_job(source, old.kind, Cause::Retry),
                None => Ok(self.new_job(old.kind, None, old.spec.clone(), Cause::Retry)),
            };
            let job = match again {
                Ok(job) => job,
                // It is not protected any more, or there is nothing to check.
                Err(fault) => {
                    tracing::debug!(job = %old.id, %fault, "an interrupted job is not repeated");
                    continue;
                }
            };
            let job = Job {
                retry_of: Some(old.id),
                ..job
            };
            let owner = &self.inner.owner;
            let inserted = self.inner.catalog.insert_retry(&job, &old.id, owner)?;
            drop(deciding);
            if inserted.is_ok() {
                self.launch(job);
            }
        }
        Ok(())
    }

    /// Starts a consistency check of every replica in doubt whose policy says so.
    fn mend(&self, now: Timestamp) -> Result<(), Fault> {
        let inventory = self.inventory();
        for (member, group) in inventory.active_members() {
            let source = &member.source;
            if !group.policy.check_on_inconsistency
                || self.replica_state(source)?.0.doubt().is_none()
                || self.inner.catalog.job_on_replica(source)?.is_some()
            {
                continue;
            }
            let last = self.inner.catalog.last_replica_job(source)?;
            let failed_lately = last.is_some_and(|job| {
                job.kind == JobKind::Check
                    && !job.state.is_success()
                    && job
                        .ended_at
                        .is_some_and(|at| at <= now && at + MEND_AGAIN_AFTER > now)
            });
            if failed_lately {
                continue;
            }
            if let Err(fault) = self.submit_replica(source, JobKind::Check, Cause::SelfHeal) {
                tracing::error!(%source, %fault, "a replica in doubt could not be checked");
            }
        }
        Ok(())
    }

    fn start_due(&self, now: Timestamp) -> Result<(), Fault> {
        let dues = self.inner.catalog.due(now)?;
        let mut members: Vec<SourceId> = dues.iter().filter_map(|due| due.source).collect();
        members.dedup();
        for source in &members {
            // One member's trouble is not the others'.
            if let Err(fault) = self.start_member(source, &dues, now) {
                tracing::error!(%source, %fault, "what is due could not be started");
            }
        }
        if dues.iter().any(|due| due.source.is_none()) {
            self.start_expiry(now)?;
        }
        Ok(())
    }

    /// Starts one job for everything of a member that is due; a check waits until there is nothing else.
    fn start_member(&self, source: &SourceId, dues: &[Due], now: Timestamp) -> Result<(), Fault> {
        let is_due = |duty| {
            let mut of_member = dues.iter().filter(|due| due.source == Some(*source));
            of_member.any(|due| due.duty == duty)
        };
        let (kind, duties): (_, &[Duty]) = match () {
            () if is_due(Duty::Point) => (JobKind::CreatePoint, &[Duty::Point, Duty::Sync]),
            () if is_due(Duty::Sync) => (JobKind::Synchronize, &[Duty::Sync]),
            () => (JobKind::Check, &[Duty::Check]),
        };
        let deciding = self.deciding();
        let job = match self.replica_job(source, kind, Cause::Schedule) {
            Ok(job) => job,
            // There is nothing to check yet: the point that comes first is as good.
            Err(fault) if kind == JobKind::Check => {
                tracing::debug!(%source, %fault, "a scheduled check has nothing to check");
                self.replica_job(source, JobKind::CreatePoint, Cause::Schedule)?
            }
            Err(fault) => return Err(fault),
        };
        let owner = &self.inner.owner;
        let claimed = self.inner.catalog.claim(&job, duties, now, owner)?;
        drop(deciding);
        match claimed {
            Claim::Taken => drop(self.launch(job)),
            Claim::Busy(busy) => {
                tracing::debug!(%source, %busy, "what is due waits for another job")
            }
            Claim::Nothing => tracing::debug!(%source, "what is due was taken by somebody else"),
        }
        Ok(())
    }

    fn start_expiry(&self, now: Timestamp) -> Result<(), Fault> {
        let job = self.new_job(JobKind::Expire, None, JobSpec::Expire, Cause::Schedule);
        let owner = &self.inner.owner;
        if self
            .inner
            .catalog
            .claim(&job, &[Duty::Expire], now, owner)?
            == Claim::Taken
        {
            self.launch(job);
        }
        self.inner.catalog.forget(now - HISTORY)
    }
}

/// Returns whether a duty was planned, or given to a job, by a clock that has been put back since: what was taken from the
/// time ahead would be missing when that time comes.
fn is_ahead(planned: &Planned, now: Timestamp) -> bool {
    let taken = planned.taken.is_some_and(|due| due > now + PUT_BACK_MIN);
    taken || planned.until > now + HORIZON * 2
}
