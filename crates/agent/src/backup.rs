//! A backup: everything between a source and a [`ReplicaWriter`], in one place.
//!
//! ```text
//! walk ─> compare ─┬─> readers (many) ─┐
//!  (key order)     └──── in order ─────┴─> bundle ─┬─> sealers (one a core) ─┐
//!                                                  └─────── in order ────────┴─> tree
//! ```
//!
//! Every arrow is a bounded channel, every box one or more threads. Order is kept by answers: an item (to readers, a few
//! together) travels the straight way at once and carries a channel on which the side way's result arrives. So readers and
//! sealers finish in any order and nobody sorts. A stage waits only for stages to its right or for answers
//! that are already being worked on, which is why it cannot lock up (see [`bundle`]).
//!
//! Memory: [`limits::READ_AHEAD_BYTES_MAX`] of small files, two bundles, two chunks of a large file,
//! [`limits::CHUNKS_QUEUED_MAX`] chunks and one a sealer; two chunks a reader where large files are compared with
//! what the replica has; the entries of the channels; contents remembered. Extended attributes are counted with the small
//! files once they are on their way into the tree; before that they are as many as entries are read ahead
//! ([`limits::READ_AHEAD_ENTRIES_MAX`]), each with [`limits::XATTRS_BYTES_MAX`] at the worst.
//!
//! A walk of everything compares the whole earlier tree; one of a selection (`WalkOptions::only`) what the selection covers,
//! and the rest stays as it is.
//!
//! An entry is read if `statx` tells a change; if the run before began when it had just changed (see [`doubt`]); or in a
//! consistency check. Of an entry that is then found to be what the replica has, no content is stored.
//!
//! What cannot be read is warned of, and the run goes on; the replica keeps what it had of it. What cannot be
//! written ends the run, and so does a machine without open files or memory.

mod bundle;
mod compare;
mod count;
mod cut;
mod doubt;
mod read;
mod scope;
mod stages;
mod tree;
mod verify;

use std::path::Path;
use std::thread;

use base::fault::Code;
use base::{ChunkId, Fault, limits};
use crossbeam_channel::bounded;
use format::chunker::Chunker;
use format::entry::{FileEntry, FileKey};
use format::replica::{ChunkReader, ReplicaWriter};
use format::seal::Sealer;
use format::tree::Cursor;
use rustix::process::geteuid;
use sources::files::{PatternError, Walk, WalkError, WalkOptions};
use sources::{Problem, Reason};

use crate::flow::Flow;
use crate::monitor::{Monitor, Warning, shown};
use count::Counts;
use doubt::Doubt;

/// What to back up, against what, and into what.
pub struct Backup<'a> {
    /// The source's root, or a snapshot of it.
    pub root: &'a Path,
    /// What of it.
    pub walk: &'a WalkOptions,
    /// The member's earlier tree; `None` reads everything.
    pub earlier: Option<ChunkId>,
    /// Whether entries that look unchanged are read all the same: a consistency check.
    pub read_unchanged: bool,
    /// The wall clock's time when the run began, before its snapshot if it has one, in nanoseconds since 1970:
    /// an entry that changed about then or later is looked at again by the next run. Later than the truth
    /// hides changes; earlier costs reading.
    pub began_ns: i64,
    /// Reads the earlier tree.
    pub reader: &'a dyn ChunkReader,
    /// Takes what changed.
    pub writer: &'a dyn ReplicaWriter,
    /// Cuts content.
    pub chunker: &'a Chunker,
    /// Watches.
    pub monitor: &'a dyn Monitor,
}

/// What a backup found and moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries of the source: those found, and those that the earlier tree has and that were not looked at.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those files, holes included.
    pub bytes: u64,
    /// Entries that were new or changed.
    pub changed: u64,
    /// Entries that were gone.
    pub deleted: u64,
    /// In a consistency check, entries that looked unchanged and were not what the replica has.
    pub differed: u64,
    /// Bytes read from the source.
    pub read_bytes: u64,
    /// Paths in trouble.
    pub warnings: u64,
    /// Entries looked at.
    pub looked: u64,
    /// What was warned of, [`limits::UNSETTLED_MAX`] and one at most: the next run has to look there whether or not anything
    /// happens.
    pub unsettled: Vec<FileKey>,
    /// What was not what the earlier tree has although nothing was known to have happened there; the first
    /// [`limits::SUSPECTS_MAX`].
    pub suspects: Vec<FileKey>,
}

/// Runs it, and returns when everything has been handed to the writer. Committing is the caller's.
///
/// # Errors
/// `SourcePathMissing`, `SourcePathUnreadable`, `ExcludePatternInvalid` before anything was read; `ResourcesExhausted`
/// at any time; the writer's or the reader's fault; `JobCancelled`. The writer's session is then of no use any more.
pub fn run(backup: &Backup<'_>) -> Result<Report, Fault> {
    let walk = Walk::start(backup.root, backup.walk).map_err(cannot_start)?;
    let earlier = backup
        .earlier
        .as_ref()
        .map(|root| Cursor::<FileEntry>::new(backup.reader, root))
        .transpose()?;
    let flow = Flow::new(backup.monitor);
    let counts = counts_of(backup)?;
    let doubt = Doubt::of_run(backup.began_ns);
    counts.tell(&flow);
    let suspects = thread::scope(|scope| {
        let batches = limits::READ_AHEAD_ENTRIES_MAX / limits::READ_BATCH_ENTRIES;
        let (orders, to_readers) = bounded(batches);
        let (changes, to_bundler) = bounded(batches);
        let (seal, to_sealers) = bounded(limits::CHUNKS_QUEUED_MAX);
        let (tree, to_tree) = bounded(limits::TREE_QUEUED_MAX);
        let threads = sources::files::threads_allowed(limits::READER_THREADS);
        for _ in 0..threads {
            let to_readers = to_readers.clone();
            let readers = read::Readers {
                flow: &flow,
                counts: &counts,
                doubt: &doubt,
                store: backup.reader,
                ahead: sources::files::files_ahead_allowed(threads, limits::READ_BATCH_ENTRIES),
            };
            flow.start(scope, move || readers.run(&to_readers));
        }
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (flow, to_sealers, writer) = (&flow, to_sealers.clone(), backup.writer);
            flow.start(scope, move || seal_all(flow, writer, &to_sealers));
        }
        // Only the stages hold the channels: they close when the stages end.
        drop((to_readers, to_sealers));
        let bundler = bundle::Bundler::new(&flow, &counts, backup.chunker, seal, tree);
        flow.start(scope, move || bundler.run(&to_bundler));
        let tree = tree::Tree {
            flow: &flow,
            counts: &counts,
            doubt: &doubt,
            writer: backup.writer,
        };
        flow.start(scope, move || tree.run(&to_tree));
        let compare = compare::Compare {
            flow: &flow,
            counts: &counts,
            read_unchanged: backup.read_unchanged,
            orders,
            changes,
            batch: compare::Batch::default(),
            scope: scope::Scope::of(backup.walk.only.as_deref()),
            suspects: Vec::new(),
        };
        // A stage that stopped has told the flow why, or has seen another stop.
        compare.run(walk, earlier).unwrap_or_default()
    });
    flow.outcome()?;
    counts.tell(&flow);
    Ok(Report {
        warnings: flow.warnings(),
        unsettled: flow.unsettled(),
        suspects,
        ..counts.report()
    })
}

/// Returns what a run starts to count from.
fn counts_of(backup: &Backup<'_>) -> Result<Counts, Fault> {
    let earlier = backup.earlier.as_ref();
    let earlier = earlier
        .map(|root| format::tree::summary::<FileEntry>(backup.reader, root))
        .transpose()?;
    Ok(match &backup.walk.only {
        None => Counts::new(earlier.map(|totals| totals.bytes)),
        Some(_) => Counts::of_changes(earlier.unwrap_or_default()),
    })
}

fn seal_all(
    flow: &Flow<'_>,
    writer: &dyn ReplicaWriter,
    chunks: &crossbeam_channel::Receiver<stages::ToSeal>,
) {
    for chunk in chunks {
        let hash = Sealer::hash(&chunk.plain);
        match writer.put_chunk(&hash, &chunk.plain) {
            // The tree stage has gone if this fails, and has said why.
            Ok(id) => drop(chunk.named.send(id)),
            Err(fault) => {
                flow.fail(fault);
                return;
            }
        }
    }
}

fn cannot_start(error: WalkError) -> Fault {
    match error {
        WalkError::Root { source, .. } if is_exhaustion(&source) => Fault::exhausted(source),
        WalkError::Threads(source) => Fault::exhausted(source),
        WalkError::Root { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            Fault::new(Code::SourcePathMissing)
                .with("path", path.display())
                .because(source)
        }
        WalkError::Root { path, source } => Fault::new(Code::SourcePathUnreadable)
            .with("path", path.display())
            .with("reason", &source)
            .because(source),
        WalkError::Kind { path } => Fault::new(Code::SourcePathUnreadable)
            .with("path", path.display())
            .with("reason", "it is neither a directory nor a file"),
        WalkError::Pattern(error) => misunderstood(&error),
    }
}

fn misunderstood(error: &PatternError) -> Fault {
    Fault::new(Code::ExcludePatternInvalid)
        .with("pattern", &error.pattern)
        .with("reason", &error.reason)
}

/// Says whether exclude patterns can be understood.
///
/// # Errors
/// `ExcludePatternInvalid`.
pub fn check_patterns(patterns: &[String]) -> Result<(), Fault> {
    sources::files::check_patterns(patterns).map_err(|error| misunderstood(&error))
}

fn is_exhaustion(error: &std::io::Error) -> bool {
    rustix::io::Errno::from_io_error(error).is_some_and(|errno| Reason::from(errno).is_exhaustion())
}

/// Tells the monitor of a problem with one entry. One that is the machine's ends the run: it would hit entry after entry,
/// whichever are being read.
pub(crate) fn warn(flow: &Flow<'_>, problem: &Problem) {
    if problem.reason.is_exhaustion() {
        flow.fail(Fault::new(Code::ResourcesExhausted).with("reason", problem.reason));
        return;
    }
    flow.leave_unsettled(&problem.key);
    let code = match problem.reason {
        Reason::Vanished => Code::FileVanished,
        Reason::Changed => Code::FileChangedWhileRead,
        // Root is refused by a scanner or a policy only; others lack permission.
        Reason::Denied if geteuid().is_root() => Code::FileAccessBlocked,
        _ => Code::FileUnreadable,
    };
    let mut fault = Fault::new(code).with("path", shown(&problem.path));
    if matches!(code, Code::FileAccessBlocked | Code::FileUnreadable) {
        fault = fault.with("reason", problem.reason);
    }
    flow.warn(Warning {
        path: problem.path.clone(),
        fault,
    });
}

#[cfg(test)]
mod tests {
    use format::entry::FileKey;
    use rustix::io::Errno;
    use sources::Op;

    use super::*;
    use crate::monitor::Progress;

    struct Deaf;

    impl Monitor for Deaf {
        fn progress(&self, _: Progress) {}

        fn warn(&self, warning: Warning) {
            assert_eq!(warning.fault.code, Code::FileUnreadable);
        }

        fn is_cancelled(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_machine_without_open_files_ends_the_run_and_a_bad_sector_does_not() {
        for (errno, ends) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOMEM, true),
            (Errno::IO, false),
        ] {
            let flow = Flow::new(&Deaf);
            let problem = Problem {
                key: FileKey::root(),
                path: b"some/file".to_vec(),
                op: Op::Open,
                reason: errno.into(),
            };
            warn(&flow, &problem);
            assert_eq!(flow.go_on().is_err(), ends, "{errno}");
            assert_eq!(flow.warnings(), u64::from(!ends), "{errno}");
            let code = flow.outcome().err().map(|fault| fault.code);
            assert_eq!(code, ends.then_some(Code::ResourcesExhausted), "{errno}");
        }
    }
}
