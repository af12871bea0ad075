//! What joins the stages of a pipeline: a bound on bytes in flight and the first failure.
//!
//! Channels between stages are `crossbeam_channel`'s, always bounded. A stage that fails reports to [`Flow`]
//! and drops its ends of the channels; its neighbours see a closed channel and end too, so that a failure
//! anywhere stops everything and [`Flow::outcome`] says what was first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};

use base::fault::Code;
use base::{Fault, limits};
use format::entry::FileKey;

use crate::monitor::{Monitor, Warning};

/// A pipeline's common state.
pub(crate) struct Flow<'a> {
    monitor: &'a dyn Monitor,
    stopped: AtomicBool,
    first: Mutex<Option<Fault>>,
    warnings: AtomicU64,
    unsettled: Mutex<Vec<FileKey>>,
    /// Bytes read from the source that are not yet part of a chunk, or of the tree.
    in_flight: Mutex<usize>,
    released: Condvar,
}

/// The pipeline is ending: whoever sees this returns.
pub(crate) struct Stopped;

impl<'a> Flow<'a> {
    pub(crate) fn new(monitor: &'a dyn Monitor) -> Self {
        Self {
            monitor,
            stopped: AtomicBool::new(false),
            first: Mutex::new(None),
            warnings: AtomicU64::new(0),
            unsettled: Mutex::default(),
            in_flight: Mutex::new(0),
            released: Condvar::new(),
        }
    }

    pub(crate) fn monitor(&self) -> &'a dyn Monitor {
        self.monitor
    }

    /// Starts a stage in a thread of its own. Where the system has no thread left the pipeline ends; the stage goes, and
    /// its ends of the channels with it.
    pub(crate) fn start<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        stage: impl FnOnce() -> T + Send + 'scope,
    ) {
        if let Err(error) = thread::Builder::new().spawn_scoped(scope, stage) {
            self.fail(Fault::exhausted(error));
        }
    }

    /// Passes a warning on, and counts it.
    pub(crate) fn warn(&self, warning: Warning) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        self.monitor.warn(warning);
    }

    /// Returns how many warnings there were.
    pub(crate) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Remembers where the next run has to look again, up to one more than can be.
    pub(crate) fn leave_unsettled(&self, key: &FileKey) {
        let mut unsettled = self
            .unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if unsettled.len() <= limits::UNSETTLED_MAX {
            unsettled.push(key.clone());
        }
    }

    /// Returns what [`Self::leave_unsettled`] was told. Asked when all stages have ended.
    pub(crate) fn unsettled(&self) -> Vec<FileKey> {
        let mut unsettled = self
            .unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *unsettled)
    }

    /// Ends the pipeline because of `fault`, unless it is ending already.
    pub(crate) fn fail(&self, fault: Fault) -> Stopped {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(fault);
        self.stopped.store(true, Ordering::Release);
        self.released.notify_all();
        Stopped
    }

    /// Returns `Err` once the pipeline is ending, also because somebody asked for it.
    pub(crate) fn go_on(&self) -> Result<(), Stopped> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Stopped);
        }
        if self.monitor.is_cancelled() {
            return Err(self.fail(Fault::new(Code::JobCancelled)));
        }
        Ok(())
    }

    /// Waits until `bytes` more may be held. A caller must be able to give back what it took before: the
    /// earliest in walk order takes first, so that its bytes are always the next to be given back.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Stopped> {
        let bytes = bytes.min(limits::READ_AHEAD_BYTES_MAX);
        let mut held = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *held + bytes > limits::READ_AHEAD_BYTES_MAX {
            if self.stopped.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            let (again, _) = self
                .released
                .wait_timeout(held, limits::STOP_NOTICED_WITHIN)
                .unwrap_or_else(PoisonError::into_inner);
            held = again;
        }
        *held += bytes;
        Ok(())
    }

    /// Takes bytes as [`Self::take`] does, if there is no need to wait.
    pub(crate) fn try_take(&self, bytes: usize) -> bool {
        let bytes = bytes.min(limits::READ_AHEAD_BYTES_MAX);
        let mut held = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_room = *held + bytes <= limits::READ_AHEAD_BYTES_MAX;
        if is_room {
            *held += bytes;
        }
        is_room
    }

    /// Counts bytes as held that are held already: whoever takes next waits for them.
    pub(crate) fn charge(&self, bytes: usize) {
        let mut held = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *held += bytes.min(limits::READ_AHEAD_BYTES_MAX);
    }

    /// Gives back what [`Self::take`] or [`Self::charge`] counted.
    pub(crate) fn give_back(&self, bytes: usize) {
        let bytes = bytes.min(limits::READ_AHEAD_BYTES_MAX);
        let mut held = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_sub(bytes);
        self.released.notify_all();
    }

    /// Returns the first failure, if there was one. Asked when all stages have ended.
    pub(crate) fn outcome(&self) -> Result<(), Fault> {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .map_or(Ok(()), Err)
    }
}
