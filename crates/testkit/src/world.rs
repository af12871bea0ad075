//! Time and chance under a test's control.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Clock, Env, Random, Timestamp};

/// What a test holds to move the world of an [`Env`].
#[derive(Clone, Debug)]
pub struct Handles {
    /// Its clock.
    pub clock: Arc<VirtualClock>,
    /// Its randomness.
    pub random: Arc<SeededRandom>,
}

/// Returns a world that starts at 2026-01-01 00:00 UTC, one hour after boot, with the randomness of a seed.
pub fn env(seed: u64) -> (Env, Handles) {
    let handles = Handles {
        clock: Arc::new(VirtualClock::default()),
        random: Arc::new(SeededRandom::new(seed)),
    };
    let env = Env {
        clock: handles.clock.clone(),
        random: handles.random.clone(),
    };
    (env, handles)
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct VirtualClock(Mutex<Times>);

#[derive(Clone, Copy, Debug)]
struct Times {
    wall: Timestamp,
    since_boot: Duration,
    boot: Option<[u8; 16]>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self(Mutex::new(Times {
            wall: Timestamp::from_second(1_767_225_600).expect("2026 is in range"),
            since_boot: Duration::from_secs(3600),
            boot: Some([1; 16]),
        }))
    }
}

impl VirtualClock {
    /// Lets time pass on both clocks.
    ///
    /// # Panics
    /// After the year 9999.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times();
        times.wall += by;
        times.since_boot += by;
    }

    /// Sets the wall clock, forwards or backwards, as a person or NTP would.
    pub fn set_wall(&self, wall: Timestamp) {
        self.times().wall = wall;
    }

    /// Starts the time since boot anew, under another name; the wall clock stays.
    pub fn reboot(&self) {
        let mut times = self.times();
        times.since_boot = Duration::ZERO;
        for byte in times.boot.iter_mut().flatten() {
            *byte = byte.wrapping_add(1);
        }
    }

    /// Sets what the boot is called, or that this is not known.
    pub fn set_boot(&self, boot: Option<[u8; 16]>) {
        self.times().boot = boot;
    }

    /// Sets the time since boot alone, as going back to a snapshot of a virtual machine does.
    pub fn set_since_boot(&self, since_boot: Duration) {
        self.times().since_boot = since_boot;
    }

    // Plain values: whole after any panic.
    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.times().wall
    }

    fn since_boot(&self) -> Duration {
        self.times().since_boot
    }

    fn boot(&self) -> Option<[u8; 16]> {
        self.times().boot
    }
}

/// Random bytes that a seed determines: the output of BLAKE3, keyed by its derivation, over the seed. One
/// stream is shared by all callers, so it repeats only if they ask in the same order.
#[derive(Debug)]
pub struct SeededRandom(Mutex<blake3::OutputReader>);

impl SeededRandom {
    /// Returns the stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("dozo testkit seeded random v1");
        hasher.update(&seed.to_le_bytes());
        Self(Mutex::new(hasher.finalize_xof()))
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(out);
    }
}
