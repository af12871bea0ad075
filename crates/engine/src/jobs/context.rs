//! A job while it runs: what its worker says of it, and what others may say to it.
//!
//! Counting is cheap (two atomic additions and a look at the clock), so a pipeline may report every file.
//! Those who watch are woken at most ten times a second; the catalog is written every five. Reporting is also
//! the job's sign of life: a job that says nothing for a minute is called silent.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Env, Fault, fault::Code, limits::JOB_WARNINGS_MAX};

use super::{Job, JobWarning, Step, StepRun};

/// Watchers see a job move no more often.
const NOTICE_EVERY: Duration = Duration::from_millis(100);
/// The row in the catalog is written no more often.
const PERSIST_EVERY: Duration = Duration::from_secs(5);
/// A job that shows no life for so long is silent.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How much the newest measurement counts in the shown rate.
const RATE_WEIGHT: u64 = 4;

/// Writes a running job's row.
pub(crate) type Persist = Box<dyn Fn(&Job) + Send + Sync>;

/// A job in memory.
pub(crate) struct Live {
    env: Env,
    state: Mutex<State>,
    changed: Condvar,
    cancel: AtomicBool,
    bytes_done: AtomicU64,
    files_done: AtomicU64,
    /// Milliseconds since boot of the last notice and of the last write.
    noticed_ms: AtomicU64,
    persisted_ms: AtomicU64,
    persist: Option<Persist>,
}

struct State {
    version: u64,
    job: Job,
    measured: (Duration, u64),
}

impl Live {
    pub(crate) fn new(job: Job, env: Env, persist: Option<Persist>) -> Self {
        let now = env.clock.since_boot();
        Self {
            state: Mutex::new(State {
                version: 1,
                job,
                measured: (now, 0),
            }),
            changed: Condvar::new(),
            cancel: AtomicBool::new(false),
            bytes_done: AtomicU64::new(0),
            files_done: AtomicU64::new(0),
            noticed_ms: AtomicU64::new(millis(now)),
            persisted_ms: AtomicU64::new(millis(now)),
            persist,
            env,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the job and wakes those who watch.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Job)) -> Job {
        let mut state = self.lock();
        self.refresh(&mut state);
        change(&mut state.job);
        state.version += 1;
        self.changed.notify_all();
        state.job.clone()
    }

    /// Returns the job as it is and the number of this state.
    pub(crate) fn snapshot(&self) -> (u64, Job) {
        let mut state = self.lock();
        self.refresh(&mut state);
        (state.version, state.job.clone())
    }

    /// Waits until there is a state after `seen`, or the time is up; returns it.
    pub(crate) fn wait(&self, seen: u64, timeout: Duration) -> Option<(u64, Job)> {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.version <= seen)
            .unwrap_or_else(PoisonError::into_inner);
        if state.version <= seen {
            return None;
        }
        self.refresh(&mut state);
        Some((state.version, state.job.clone()))
    }

    pub(crate) fn cancel(&self) {
        self.cancel.store(true, Relaxed);
        self.update(|_| ());
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Relaxed)
    }

    fn refresh(&self, state: &mut State) {
        let progress = &mut state.job.progress;
        progress.bytes_done = self.bytes_done.load(Relaxed);
        progress.files_done = self.files_done.load(Relaxed);
    }

    /// Wakes watchers and writes the row, each if it is time to.
    fn show_life(&self) {
        let now = self.env.clock.since_boot();
        if is_time(&self.noticed_ms, now, NOTICE_EVERY) {
            let mut state = self.lock();
            measure(&mut state, now, self.bytes_done.load(Relaxed));
            self.refresh(&mut state);
            state.version += 1;
            self.changed.notify_all();
        }
        if is_time(&self.persisted_ms, now, PERSIST_EVERY)
            && let Some(persist) = &self.persist
        {
            let lease_until = self.env.now() + LEASE;
            let job = self.update(|job| job.lease_until = lease_until);
            persist(&job);
        }
    }
}

fn measure(state: &mut State, now: Duration, bytes: u64) {
    let (before, bytes_before) = state.measured;
    let elapsed_ms = millis(now.saturating_sub(before)).max(1);
    let rate = bytes.saturating_sub(bytes_before).saturating_mul(1000) / elapsed_ms;
    let shown = &mut state.job.progress.bytes_per_second;
    *shown = if bytes_before == 0 {
        rate
    } else {
        (*shown * (RATE_WEIGHT - 1)).saturating_add(rate) / RATE_WEIGHT
    };
    state.measured = (now, bytes);
}

/// Returns whether `every` has passed since `last`, for one of those who ask at the same time.
fn is_time(last: &AtomicU64, now: Duration, every: Duration) -> bool {
    let (now, before) = (millis(now), last.load(Relaxed));
    now.saturating_sub(before) >= millis(every)
        && last.compare_exchange(before, now, Relaxed, Relaxed).is_ok()
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// What a worker is given beside its order: where it reports, and learns that it should stop.
#[derive(Clone)]
pub struct JobContext {
    live: Arc<Live>,
}

impl JobContext {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self { live }
    }

    /// Changes the job and wakes those who watch.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Job)) -> Job {
        self.live.update(change)
    }

    /// Returns the job as it is.
    pub fn job(&self) -> Job {
        self.live.snapshot().1
    }

    /// Returns whether to stop. Also a sign of life: to be asked at least once a second.
    pub fn is_cancelled(&self) -> bool {
        self.live.show_life();
        self.live.is_cancelled()
    }

    /// Returns a fault if the job is to stop.
    ///
    /// # Errors
    /// `JobCancelled`.
    pub fn stop_if_cancelled(&self) -> Result<(), Fault> {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(Fault::new(Code::JobCancelled).with("job", self.job().id))
    }

    /// Begins a step; the one before is over.
    pub fn step(&self, step: Step) {
        let now = self.live.env.now();
        let job = self.live.update(|job| {
            close_step(job, now);
            job.steps.push(StepRun {
                step,
                started_at: now,
                ended_at: None,
            });
        });
        if let Some(persist) = &self.live.persist {
            persist(&job);
        }
    }

    /// Says how much there is, as far as that is known.
    pub fn totals(&self, files: Option<u64>, bytes: Option<u64>) {
        self.live.update(|job| {
            job.progress.files_total = files;
            job.progress.bytes_total = bytes;
        });
    }

    /// Says that so much more was dealt with.
    pub fn advance(&self, files: u64, bytes: u64) {
        self.live.files_done.fetch_add(files, Relaxed);
        self.live.bytes_done.fetch_add(bytes, Relaxed);
        self.live.show_life();
    }

    /// Says that an entry was not dealt with as it should have been. All are counted, the first thousand kept.
    pub fn warn(&self, path: &Path, reason: impl fmt::Display) {
        let mut state = self.live.lock();
        state.job.warning_count += 1;
        if state.job.warnings.len() < JOB_WARNINGS_MAX {
            state.job.warnings.push(JobWarning {
                path: path.to_owned(),
                reason: reason.to_string(),
            });
        }
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobContext {}", self.job().id)
    }
}

/// Ends the step that is under way.
pub(crate) fn close_step(job: &mut Job, now: base::Timestamp) {
    if let Some(last) = job.steps.last_mut() {
        last.ended_at.get_or_insert(now);
    }
}
