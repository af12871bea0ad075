//! Time and chance as parameters.
//!
//! Every crate takes an [`Env`] and never asks the operating system: `testkit` replaces both parts, so a
//! run can be repeated to the byte. [`System`] is the real one, made once by the binaries.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time. Nothing that decides about deletion may ask it (RELIABILITY R11): see the log's
/// retention clock for that.
pub trait Clock: Send + Sync {
    /// The wall clock, as set by people and NTP: may jump.
    fn now(&self) -> Timestamp;
    /// Time since boot, suspended time included: never jumps, starts anew at every boot.
    fn since_boot(&self) -> Duration;
}

/// Gives random bytes.
pub trait Random: Send + Sync {
    /// Fills `out` with bytes nobody can guess.
    fn fill(&self, out: &mut [u8]);
}

/// What a run may know of the world around it.
#[derive(Clone)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// Returns the real world.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(System),
            random: Arc::new(System),
        }
    }

    /// Returns `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.random.fill(&mut out);
        out
    }

    /// Returns the wall clock's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}

/// The operating system's clock and randomness.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where real time enters"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn since_boot(&self) -> Duration {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            t.tv_sec.unsigned_abs(),
            u32::try_from(t.tv_nsec).unwrap_or(0),
        )
    }
}

impl Random for System {
    /// # Panics
    /// If the kernel has no randomness: no key made then would be a key.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the kernel gives random bytes");
    }
}
