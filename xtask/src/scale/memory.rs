//! What this process holds in memory, and which caches it starts from.

use std::fs;

use anyhow::{Context, Result};

use crate::bench::measure::drop_caches;

/// Forgets the peak so far, so that the next one is that of what follows.
///
/// # Errors
/// The kernel does not let us.
pub(super) fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("forgetting the peak of memory")
}

/// Returns the largest resident set since [`forget_peak`], in bytes.
///
/// # Errors
/// The kernel does not tell.
pub(super) fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("the kernel tells no peak of memory")? * 1024)
}

/// Empties the page cache, if this user may.
///
/// # Errors
/// Root may not either.
pub(super) fn make_cold() -> Result<()> {
    match rustix::process::geteuid().is_root() {
        true => drop_caches(),
        false => Ok(()),
    }
}
