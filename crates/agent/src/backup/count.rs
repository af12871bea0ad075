//! What a run has counted, and how far it is.
//!
//! All threads count, without a lock; the monitor hears of it once in a while ([`limits::PROGRESS_EVERY_BYTES`]).
//! The shown part never passes the whole: an entry counts with the bytes that it was found to have, however
//! often and however much of it is read ([`Share`]), and the whole is what the walk has found plus what is left of the
//! earlier tree beyond: it grows and shrinks with the source.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use base::limits;
use format::entry::{FileEntry, Node};
use format::tree::{FileRef, Totals};

use super::Report;
use crate::flow::Flow;
use crate::monitor::Progress;

/// What the stages have counted. Sums only: nothing is decided by them, so no order between them is needed but
/// that of [`Self::progress`].
#[derive(Default)]
pub(crate) struct Counts {
    entries: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    changed: AtomicU64,
    deleted: AtomicU64,
    differed: AtomicU64,
    moved: AtomicU64,
    /// Bytes of the found entries that are dealt with.
    passed: AtomicU64,
    /// Bytes of the earlier tree, and of its entries that the walk has passed.
    earlier: Option<u64>,
    earlier_passed: AtomicU64,
    /// What has happened since the monitor was told, in bytes.
    untold: AtomicU64,
    /// What the earlier tree has, where only a part of it is compared, and what of that part was compared.
    whole: Totals,
    replaced_entries: AtomicU64,
    replaced_files: AtomicU64,
    replaced_bytes: AtomicU64,
}

impl Counts {
    /// Starts at nothing; `earlier` are the bytes of the earlier tree.
    pub(crate) fn new(earlier: Option<u64>) -> Self {
        Self {
            earlier,
            ..Self::default()
        }
    }

    /// Starts at what the earlier tree has: only a part of it is compared.
    pub(crate) fn of_changes(whole: Totals) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    /// Counts an entry that the walk found.
    pub(crate) fn entry(&self, entry: &FileEntry) {
        self.entries.fetch_add(1, Relaxed);
        if matches!(entry.node, Node::File(_)) {
            self.files.fetch_add(1, Relaxed);
        }
        add(&self.bytes, entry.size);
    }

    /// Counts the bytes of an entry of the earlier tree that the walk has come to or passed.
    pub(crate) fn earlier(&self, bytes: u64) {
        add(&self.earlier_passed, bytes);
    }

    /// Counts an entry of the earlier tree that was found, or is gone: it is counted as what was found, if anything.
    pub(crate) fn replaced(&self, entry: &FileRef<'_>) {
        self.replaced_entries.fetch_add(1, Relaxed);
        if entry.node.is_file() {
            self.replaced_files.fetch_add(1, Relaxed);
        }
        add(&self.replaced_bytes, entry.size);
    }

    pub(crate) fn unchanged(&self, entry: &FileEntry, flow: &Flow<'_>) {
        self.pass(entry.size, limits::PROGRESS_ENTRY_BYTES, flow);
    }

    pub(crate) fn changed(&self) {
        self.changed.fetch_add(1, Relaxed);
    }

    pub(crate) fn differed(&self) {
        self.differed.fetch_add(1, Relaxed);
    }

    pub(crate) fn deleted(&self) {
        self.deleted.fetch_add(1, Relaxed);
    }

    /// Counts `bytes` as dealt with, and tells the monitor if enough has happened.
    fn pass(&self, bytes: u64, weight: u64, flow: &Flow<'_>) {
        add(&self.passed, bytes);
        let untold = self.untold.fetch_add(weight, Relaxed) + weight;
        if untold >= limits::PROGRESS_EVERY_BYTES {
            self.untold.store(0, Relaxed);
            self.tell(flow);
        }
    }

    /// Tells the monitor how far the run is.
    pub(crate) fn tell(&self, flow: &Flow<'_>) {
        flow.monitor().progress(self.progress());
    }

    fn progress(&self) -> Progress {
        // In this order: what is found is counted before it is passed, so the part is never more than the whole.
        let bytes = self.passed.load(Relaxed);
        let passed = self.earlier_passed.load(Relaxed);
        let found = self.bytes.load(Relaxed).max(bytes);
        Progress {
            entries: self.entries.load(Relaxed),
            files: self.files.load(Relaxed),
            bytes,
            moved_bytes: self.moved.load(Relaxed),
            bytes_total: self
                .earlier
                .map(|earlier| found.saturating_add(earlier.saturating_sub(passed))),
        }
    }

    /// Returns what was counted; warnings, and what they are about, elsewhere.
    pub(crate) fn report(&self) -> Report {
        let looked = self.entries.load(Relaxed);
        let all = |whole: u64, replaced: &AtomicU64, found: &AtomicU64| {
            let rest = whole.saturating_sub(replaced.load(Relaxed));
            rest.saturating_add(found.load(Relaxed))
        };
        Report {
            entries: all(self.whole.entries, &self.replaced_entries, &self.entries),
            files: all(self.whole.files, &self.replaced_files, &self.files),
            bytes: all(self.whole.bytes, &self.replaced_bytes, &self.bytes),
            changed: self.changed.load(Relaxed),
            deleted: self.deleted.load(Relaxed),
            differed: self.differed.load(Relaxed),
            read_bytes: self.moved.load(Relaxed),
            looked,
            ..Report::default()
        }
    }
}

/// Adds without ever wrapping: the size of a sparse file may be anything.
fn add(sum: &AtomicU64, bytes: u64) {
    sum.fetch_update(Relaxed, Relaxed, |sum| Some(sum.saturating_add(bytes)))
        .expect("it is never refused");
}

/// How much of one entry has been counted as dealt with: never more than the bytes it was found to have.
pub(crate) struct Share {
    size: u64,
    /// How far the attempt under way is.
    at: u64,
    /// How far the one that came furthest was.
    counted: u64,
}

impl Share {
    /// Returns the share of an entry that was found and not looked at.
    pub(crate) fn of(entry: &FileEntry) -> Self {
        Self {
            size: entry.size,
            at: 0,
            counted: 0,
        }
    }

    /// Begins anew: nothing counts until it is as far as it was before.
    pub(crate) fn again(&mut self) {
        self.at = 0;
    }

    /// Counts bytes that were read.
    pub(crate) fn read(&mut self, bytes: u64, counts: &Counts, flow: &Flow<'_>) {
        counts.moved.fetch_add(bytes, Relaxed);
        self.go_on(bytes, bytes, counts, flow);
    }

    /// Counts a hole.
    pub(crate) fn hole(&mut self, bytes: u64, counts: &Counts, flow: &Flow<'_>) {
        self.go_on(bytes, 0, counts, flow);
    }

    fn go_on(&mut self, bytes: u64, weight: u64, counts: &Counts, flow: &Flow<'_>) {
        self.at = self.at.saturating_add(bytes);
        let now = self.at.min(self.size).max(self.counted);
        counts.pass(now - self.counted, weight, flow);
        self.counted = now;
    }

    /// Counts what is left: the entry is dealt with, whatever became of it.
    pub(crate) fn close(self, counts: &Counts, flow: &Flow<'_>) {
        counts.pass(self.size - self.counted, limits::PROGRESS_ENTRY_BYTES, flow);
    }
}
