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
    /// What names the boot that [`Self::since_boot`] counts from: two readings under the same name may be compared,
    /// across processes too. `None` if that is not known.
    fn boot(&self) -> Option<[u8; 16]> {
        None
    }
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

    fn boot(&self) -> Option<[u8; 16]> {
        // A shifted clock is named by no boot: the next process may have another shift. A kernel without time
        // namespaces has no such file.
        if std::fs::read_to_string(OFFSETS).is_ok_and(|text| is_shifted(&text)) {
            return None;
        }
        parse_uuid(&std::fs::read_to_string(BOOT_ID).ok()?)
    }
}

/// The kernel's name for this boot: a UUID.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// By how much this process's clocks are shifted against the kernel's (time namespaces).
const OFFSETS: &str = "/proc/self/timens_offsets";

/// Returns the 16 bytes of a UUID in its usual form.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u32> = text
        .trim()
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    if digits.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] << 4 | pair[1]).ok()?;
    }
    Some(out)
}

/// Returns whether the time since boot is shifted, by the text of [`OFFSETS`].
fn is_shifted(offsets: &str) -> bool {
    offsets
        .lines()
        .filter_map(|line| line.trim().strip_prefix("boottime"))
        .any(|shift| shift.split_whitespace().any(|part| part != "0"))
}

impl Random for System {
    /// # Panics
    /// If the kernel has no randomness: no key made then would be a key.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the kernel gives random bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_named_by_16_bytes_or_not_at_all() {
        let id = parse_uuid("00112233-4455-6677-8899-aabbccddeeff\n");
        let expected = [
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        assert_eq!(id, Some(expected));
        for text in [
            "",
            "0011",
            "not a uuid",
            "00112233-4455-6677-8899-aabbccddeeff00",
        ] {
            assert_eq!(parse_uuid(text), None);
        }
        assert_eq!(System.boot(), System.boot());
    }

    #[test]
    fn a_shifted_clock_is_noticed() {
        assert!(!is_shifted(
            "monotonic           0         0\nboottime            0         0\n"
        ));
        assert!(!is_shifted(
            "monotonic          60         0\nboottime            0         0\n"
        ));
        assert!(is_shifted(
            "monotonic           0         0\nboottime         3600         0\n"
        ));
        assert!(is_shifted(
            "monotonic           0         0\nboottime           -1 500000000\n"
        ));
    }
}
