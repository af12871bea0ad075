//! How a run is watched and stopped.

use base::Fault;

/// What has been done so far. Counts only grow; reports of several threads may arrive out of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries looked at (backup) or made (restore).
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of regular files that are done, holes included: unchanged files count when they are passed.
    pub bytes: u64,
    /// Bytes that were really read (backup) or written (restore).
    pub moved_bytes: u64,
    /// The best guess of what [`Self::bytes`] will be in the end, never less than it is: what the walk has found and
    /// what the earlier tree has beyond. Unlike the counts, it may shrink. `None` if there is nothing to go by.
    pub bytes_total: Option<u64>,
}

/// Something that went wrong with one path while the run went on.
#[derive(Clone, Debug)]
pub struct Warning {
    /// The path below the source's root; empty for the root itself. Bytes as the file system has them.
    pub path: Vec<u8>,
    /// What happened.
    pub fault: Fault,
}

/// Returns a path below a source's root as people read it; the root itself is `.`.
pub(crate) fn shown(path: &[u8]) -> String {
    match path {
        [] => ".".to_owned(),
        path => String::from_utf8_lossy(path).into_owned(),
    }
}

/// Watches a run. Called from many threads, [`Monitor::is_cancelled`] for every entry: must be cheap.
pub trait Monitor: Send + Sync {
    /// Hears how far the run is.
    fn progress(&self, so_far: Progress);
    /// Hears that one path is in trouble; the run goes on and ends "with warnings".
    fn warn(&self, warning: Warning);
    /// Says whether the run should stop, soon and cleanly.
    fn is_cancelled(&self) -> bool;
}
