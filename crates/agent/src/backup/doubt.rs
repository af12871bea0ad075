//! Entries whose times are too young to be believed.
//!
//! File systems keep times in ticks: of a few milliseconds, a second, two on FAT. What is changed again in the
//! tick in which it was read keeps its change time, and would pass for unchanged for ever. So an entry that
//! changed in the last tick before the run began, or later, is stored under a change time that no entry has,
//! and the next run looks at it again: if it is what the replica has, it is stored once more with its real
//! change time, and counts as unchanged.
//!
//! Times that lie ahead because the clock was set back are doubted by every run until the clock has passed them:
//! until then nothing tells a new change from an old one. Times set by a file server whose clock is behind this
//! machine's by more than a tick are not covered; a consistency check reads everything.

use base::limits;
use format::entry::{FileEntry, NEVER_THE_SAME};

/// What a run does not believe.
pub(crate) struct Doubt {
    /// Times from here on.
    from_ns: i64,
}

impl Doubt {
    /// Returns what a run that began then does not believe.
    pub(crate) fn of_run(began_ns: i64) -> Self {
        Self {
            from_ns: began_ns.saturating_sub(limits::TIMES_DOUBTED_NS),
        }
    }

    /// Gives an entry a change time that no entry has, if its times are too young.
    pub(crate) fn mark(&self, entry: &mut FileEntry) {
        if self.holds(entry) {
            entry.ctime_ns = NEVER_THE_SAME;
        }
    }

    /// Asks the modification time as well, for file systems whose change time is something else. It may be set to
    /// any year, and one set far ahead says nothing: such files are not to be read by every run.
    fn holds(&self, entry: &FileEntry) -> bool {
        let written = self.from_ns..self.from_ns.saturating_add(limits::MTIMES_DOUBTED_AHEAD_NS);
        entry.ctime_ns >= self.from_ns || written.contains(&entry.mtime_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::entry::Node;

    const SECOND: i64 = 1_000_000_000;

    fn entry(ctime_ns: i64, mtime_ns: i64) -> FileEntry {
        FileEntry {
            node: Node::Fifo,
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            size: 0,
            mtime_ns,
            ctime_ns,
            inode: 1,
            device: 1,
            links: 1,
            xattrs: Vec::new(),
        }
    }

    fn is_doubted(ctime_ns: i64, mtime_ns: i64) -> bool {
        let mut entry = entry(ctime_ns, mtime_ns);
        Doubt::of_run(1000 * SECOND).mark(&mut entry);
        entry.ctime_ns == NEVER_THE_SAME
    }

    #[test]
    fn a_change_in_the_last_tick_or_later_is_doubted() {
        let long_ago = 10 * SECOND;
        assert!(!is_doubted(998 * SECOND - 1, long_ago));
        assert!(is_doubted(998 * SECOND, long_ago));
        assert!(is_doubted(1000 * SECOND, long_ago));
        assert!(is_doubted(i64::MAX, long_ago), "the clock was set back");
    }

    #[test]
    fn a_modification_in_the_last_tick_is_doubted_and_one_set_years_ahead_is_not() {
        let long_ago = 10 * SECOND;
        assert!(!is_doubted(long_ago, 998 * SECOND - 1));
        assert!(is_doubted(long_ago, 998 * SECOND));
        assert!(is_doubted(long_ago, 1500 * SECOND));
        assert!(!is_doubted(long_ago, 1_000_000 * SECOND));
    }

    #[test]
    fn a_run_at_the_beginning_of_time_doubts_everything_later() {
        let mut entry = entry(i64::MIN, i64::MIN);
        Doubt::of_run(i64::MIN).mark(&mut entry);
        assert_eq!(entry.ctime_ns, NEVER_THE_SAME);
    }
}
