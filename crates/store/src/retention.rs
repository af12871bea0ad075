//! The retention clock: the time by which points expire.
//!
//! It advances only with the time since boot, which nobody sets, and never past the wall clock: behind is safe, nothing
//! expires (R11, R35). While the machine is up it counts whether or not a process has the store open: the index remembers at
//! what time since boot, of which boot, the newest record was written. Across another boot, or if the boot is not known,
//! or if the index is lost, it stands still until the store is open again. The wall clock is never believed.

use std::time::Duration;

use base::Env;

use crate::log::nanoseconds;

/// What the clock showed at one moment of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The boot.
    pub(crate) boot: [u8; 16],
    /// The moment, as time since boot.
    pub(crate) since_boot: Duration,
    /// What it showed.
    pub(crate) retention_now_ns: i64,
}

/// The clock of an open store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetentionClock {
    now_ns: i64,
    /// Time since boot up to which it has advanced.
    advanced_to: Duration,
    boot: Option<[u8; 16]>,
}

impl RetentionClock {
    /// Returns the clock, which showed `logged_ns` in the newest record, and has gone on since `anchor` if that was in
    /// this boot. The record may be newer than the anchor: what the anchor says is what it alone implies.
    pub(crate) fn resume(env: &Env, logged_ns: i64, anchor: Option<Anchor>) -> Self {
        let mut clock = Self {
            now_ns: logged_ns,
            advanced_to: env.clock.since_boot(),
            boot: env.clock.boot(),
        };
        let Some(anchor) = anchor.filter(|anchor| clock.boot == Some(anchor.boot)) else {
            return clock;
        };
        let mut since = Self {
            now_ns: anchor.retention_now_ns,
            advanced_to: anchor.since_boot,
            ..clock
        };
        clock.now_ns = clock.now_ns.max(since.now_ns(env));
        clock
    }

    /// Returns what it shows now.
    pub(crate) fn now_ns(&mut self, env: &Env) -> i64 {
        let now = env.clock.since_boot();
        let passed = now.saturating_sub(self.advanced_to).as_nanos();
        self.advanced_to = now;
        let ahead = i64::try_from(passed).unwrap_or(i64::MAX);
        let advanced = self.now_ns.saturating_add(ahead).min(nanoseconds(env));
        self.now_ns = self.now_ns.max(advanced);
        self.now_ns
    }

    /// Returns what the next process of this boot can go on from, if the boot is known.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        Some(Anchor {
            boot: self.boot?,
            since_boot: self.advanced_to,
            retention_now_ns: self.now_ns,
        })
    }
}
