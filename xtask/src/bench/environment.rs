//! What the bench asks of the world around it: environment, clock, its own file.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

#[expect(clippy::disallowed_methods, reason = "xtask is a program of its own")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Returns the directories of `PATH`.
pub(crate) fn path() -> Vec<PathBuf> {
    variable("PATH").map_or_else(Vec::new, |p| env::split_paths(&p).collect())
}

/// Returns the user's home.
pub(crate) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

/// Returns the cargo that started this.
pub(crate) fn cargo() -> OsString {
    variable("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns this program's file.
///
/// # Errors
/// The kernel does not tell.
pub(crate) fn own_program() -> Result<PathBuf> {
    env::current_exe().context("finding this program's file")
}

/// Returns cargo's target directory: this program lies in its `debug` or `release`.
///
/// # Errors
/// This program is not where cargo puts it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = own_program()?;
    let target = program.parent().and_then(Path::parent);
    Ok(target
        .context("this program does not lie in a target directory")?
        .to_path_buf())
}

/// Returns the directory of the data, the default one if none is named.
///
/// # Errors
/// None is named and there is no target directory.
pub(crate) fn data_dir(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(dir) => std::path::absolute(dir).context("the directory of the data"),
        None => Ok(target_dir()?.join("bench/data")),
    }
}

/// Returns seconds that never jump.
pub(crate) fn monotonic_s() -> f64 {
    let t = clock_gettime(ClockId::Monotonic);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

/// Returns the wall clock's time, to the second.
pub(crate) fn now() -> String {
    let t = clock_gettime(ClockId::Realtime);
    jiff::Timestamp::from_second(t.tv_sec).map_or_else(|_| "unknown".into(), |t| t.to_string())
}
