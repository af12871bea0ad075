//! A restore: from a tree to a directory. First [`plan`], which changes nothing, then [`execute`].
//!
//! One thread goes through the selected entries in key order and makes directories; several write files. Hard
//! links are made when the files they belong to are done, at *rests*, when no file is under way. A rest also
//! hands what was restored to a thread that syncs it and then sets what may only be set when it is durable: the
//! metadata of directories, and the modes of files that carry a mark. That goes on beside the files to come; the
//! next rest waits for it, so that what waits for a sync is bounded. A file is read through the verifying reader, so no wrong
//! byte is written; one that cannot be read whole is left out, named, and the run goes on.
//!
//! Run again with the same token after a kill or a power cut, it goes on where it was: files that stand there are
//! compared with the point instead of being written, and those that were torn are replaced.

mod file;
mod select;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use base::fault::Code;
use base::{ChunkId, Fault, limits};
use crossbeam_channel::{Receiver, Sender, bounded};
use format::entry::{FileEntry, FileKey, Node};
use format::replica::ChunkReader;
use format::tree::get;
use sources::files::restore::{
    Checkpoint, Conflict, Made, Preview, RootMeta, Target, TargetError, TargetOptions, Would,
};
use sources::{Op, Problem, Reason};

use crate::flow::{Flow, Stopped};
use crate::monitor::{Monitor, Progress, Warning, shown};
use select::Selection;

/// What to restore, from where and to where.
pub struct Restore<'a> {
    /// The root of the point's tree.
    pub root: ChunkId,
    /// Reads it.
    pub reader: &'a dyn ChunkReader,
    /// The entries wanted, each with all below it; empty for everything.
    pub selection: &'a [FileKey],
    /// The directory that gets what the source's root has.
    pub target: &'a Path,
    /// What a source that is a single file is called.
    pub name: &'a [u8],
    /// The target is where the source was, which no user named: a symbolic link that stands there now is not
    /// followed. All of the source brings back that directory's own metadata too.
    pub original: bool,
    /// What happens where something stands already.
    pub conflict: Conflict,
    /// Names the work: equal when it is resumed.
    pub token: u64,
    /// Watches.
    pub monitor: &'a dyn Monitor,
}

/// What a restore would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    /// Entries that would be made, as the conflict rule has it.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that stand there already: files of the same size and time, equal special files, directories.
    pub same: u64,
    /// Entries where something else stands.
    pub conflicts: u64,
    /// The first of them, relative to the target.
    pub conflict_paths: Vec<Vec<u8>>,
    /// Entries that would not be made although what stands in their way is to be replaced: a directory never is.
    pub refused: u64,
    /// The first of them, relative to the target.
    pub refused_paths: Vec<Vec<u8>>,
}

/// What a restore did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries made.
    pub made: u64,
    /// Regular files among them, and bytes written to them, holes included.
    pub files: u64,
    /// See [`Self::files`].
    pub bytes: u64,
    /// Entries that stood there already as they should, directories among them.
    pub same: u64,
    /// Entries left alone because something else stands there.
    pub skipped: u64,
    /// Entries that were made under another name.
    pub renamed: u64,
    /// Warnings: entries or metadata that could not be restored.
    pub failed: u64,
    /// Files among them whose bytes the store could not give back.
    pub damaged: u64,
}

/// Says what [`execute`] would do.
///
/// # Errors
/// `RestorePathUnknown`; the tree cannot be read; `RestoreTargetUnwritable` if the target cannot be looked at;
/// `JobCancelled`.
pub fn plan(restore: &Restore<'_>) -> Result<Plan, Fault> {
    let selection = Selection::new(restore.reader, restore.root, restore.selection)?;
    let preview = Preview::open(restore.target, !restore.original).map_err(unwritable)?;
    let mut plan = Plan::default();
    selection.each(&mut |key, entry| {
        if restore.monitor.is_cancelled() {
            return Err(Fault::new(Code::JobCancelled));
        }
        let key = placed(restore, key, &entry);
        // What cannot be looked at will be told when it is restored.
        let would = preview.look(&key, &entry).unwrap_or(Would::Make);
        plan.add(&key, &entry, would, restore.conflict);
        Ok(())
    })?;
    Ok(plan)
}

impl Plan {
    fn add(&mut self, key: &FileKey, entry: &FileEntry, would: Would, conflict: Conflict) {
        let is_made = match would {
            Would::Make => true,
            Would::Merge | Would::Same => {
                self.same += 1;
                false
            }
            Would::Conflict | Would::Below => conflict != Conflict::Skip,
            Would::Directory => conflict == Conflict::Rename,
        };
        if is_made {
            self.entries += 1;
            if matches!(entry.node, Node::File(_)) {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(entry.size);
            }
        }
        let (count, paths) = match would {
            Would::Directory if conflict == Conflict::Overwrite => {
                (&mut self.refused, &mut self.refused_paths)
            }
            Would::Conflict | Would::Directory => (&mut self.conflicts, &mut self.conflict_paths),
            Would::Make | Would::Merge | Would::Same | Would::Below => return,
        };
        *count += 1;
        if paths.len() < limits::CONFLICTS_SHOWN_MAX {
            paths.push(key.to_path().unwrap_or_default());
        }
    }
}

/// Restores, and returns when everything is durable.
///
/// # Errors
/// `RestorePathUnknown`; `RestoreTargetUnwritable`; `RestoreTargetFull`; `ResourcesExhausted`; the store cannot be
/// read, or the tree is damaged (a damaged *file* is a warning); `JobCancelled`. What was restored until then stays, and is not written again by the next
/// run.
pub fn execute(restore: &Restore<'_>) -> Result<Report, Fault> {
    let selection = Selection::new(restore.reader, restore.root, restore.selection)?;
    let flow = Flow::new(restore.monitor);
    let unset: Arc<Mutex<Vec<Problem>>> = Arc::default();
    let options = TargetOptions {
        conflict: restore.conflict,
        root: root_meta(restore)?,
        follow: !restore.original,
        token: restore.token,
        on_problem: {
            let unset = Arc::clone(&unset);
            Arc::new(move |problem| {
                unset
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(problem);
            })
        },
    };
    let work = Work {
        restore,
        flow: &flow,
        target: Target::open(restore.target, options).map_err(unwritable)?,
        unset,
        report: Mutex::default(),
        under_way: Mutex::new(0),
        damaged: Mutex::new(0),
        rested: Condvar::new(),
    };
    thread::scope(|scope| {
        let (files, to_writers) = bounded::<(FileKey, FileEntry)>(limits::RESTORES_QUEUED_MAX);
        for _ in 0..limits::WRITER_THREADS {
            let (work, to_writers) = (&work, to_writers.clone());
            flow.start(scope, move || {
                for (key, entry) in to_writers {
                    let _done = Done(work);
                    work.file(&key, &entry);
                }
            });
        }
        // Only the writers hold it: if all of them are gone, nobody waits for them.
        drop(to_writers);
        // Nobody waits in line: a rest waits until the sync before it is done.
        let (syncs, to_syncer) = bounded::<Checkpoint>(0);
        let syncer = &work;
        flow.start(scope, move || syncer.sync_each(to_syncer));
        // A stage that stopped has told the flow why, or has seen another stop.
        let _ = work.all(&selection, &Stages { files, syncs });
    });
    let ended = flow.outcome();
    if ended.is_err() {
        work.leave();
    }
    work.tell();
    ended?;
    work.end()?;
    // What was set last may have failed as well.
    flow.outcome()?;
    let mut report = *work.report.lock().unwrap_or_else(PoisonError::into_inner);
    report.failed = flow.warnings().saturating_sub(report.skipped);
    report.damaged = *work.damaged.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(report)
}

/// A restore under way.
struct Work<'a> {
    restore: &'a Restore<'a>,
    flow: &'a Flow<'a>,
    target: Target,
    /// Metadata that could not be set, heard from the target.
    unset: Arc<Mutex<Vec<Problem>>>,
    report: Mutex<Report>,
    /// Files given to the writers and not yet done.
    under_way: Mutex<usize>,
    rested: Condvar,
    /// Files whose bytes the store could not give back.
    damaged: Mutex<u64>,
}

/// Says that a file is done when it goes, whatever became of its thread.
struct Done<'a, 'b>(&'a Work<'b>);

impl Drop for Done<'_, '_> {
    fn drop(&mut self) {
        *self
            .0
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.rested.notify_all();
    }
}

/// Where the entries go that others work on.
struct Stages {
    files: Sender<(FileKey, FileEntry)>,
    syncs: Sender<Checkpoint>,
}

/// What waits for a rest.
#[derive(Default)]
struct Waiting {
    directories: usize,
    links: Vec<(FileKey, FileEntry)>,
}

impl Work<'_> {
    fn all(&self, selection: &Selection<'_>, stages: &Stages) -> Result<(), Stopped> {
        let mut waiting = Waiting::default();
        let went = selection.each(&mut |key, entry| {
            self.flow.go_on().map_err(Ended::from)?;
            let key = placed(self.restore, key, &entry);
            if self.is_rest_due(&waiting) {
                self.rest(&mut waiting)?;
                let restored = self.target.checkpoint(Some(&key));
                // Of many directories side by side none is done before what is below the first.
                if !restored.is_empty() {
                    stages.syncs.send(restored).map_err(|_| Stopped)?;
                }
            }
            self.one(key, entry, stages, &mut waiting)
                .map_err(Ended::from)
        });
        match went {
            Ok(()) => self.rest(&mut waiting),
            Err(Ended::Stopped) => Err(Stopped),
            Err(Ended::Failed(fault)) => Err(self.flow.fail(fault)),
        }
    }

    fn one(
        &self,
        key: FileKey,
        entry: FileEntry,
        stages: &Stages,
        waiting: &mut Waiting,
    ) -> Result<(), Stopped> {
        self.tell();
        if entry.node == Node::Directory {
            self.count(&key, &entry, self.target.directory(&key, &entry));
            waiting.directories += 1;
            return Ok(());
        }
        if entry.links > 1 && self.target.meet(&entry) {
            waiting.links.push((key, entry));
            return Ok(());
        }
        if !matches!(entry.node, Node::File(_)) {
            self.count(&key, &entry, self.target.other(&key, &entry));
            return Ok(());
        }
        *self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        stages.files.send((key, entry)).map_err(|_| Stopped)
    }

    /// Returns whether so much waits for a rest that it has to be now.
    fn is_rest_due(&self, waiting: &Waiting) -> bool {
        waiting.directories >= limits::RESTORE_REST_DIRECTORIES
            || waiting.links.len() >= limits::RESTORE_REST_LINKS
            || self.target.waiting() >= limits::RESTORE_REST_FILES
    }

    /// Waits until no file is under way, then does what had to wait for that.
    fn rest(&self, waiting: &mut Waiting) -> Result<(), Stopped> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *under_way > 0 {
            let (again, _) = self
                .rested
                .wait_timeout(under_way, limits::STOP_NOTICED_WITHIN)
                .unwrap_or_else(PoisonError::into_inner);
            under_way = again;
            self.flow.go_on()?;
        }
        drop(under_way);
        for (key, entry) in waiting.links.drain(..) {
            self.flow.go_on()?;
            self.link(&key, &entry);
        }
        waiting.directories = 0;
        self.tell();
        Ok(())
    }

    /// Makes durable what was restored up to each rest, and sets what had to wait for that.
    fn sync_each(&self, checkpoints: Receiver<Checkpoint>) {
        for checkpoint in checkpoints {
            if let Err(fault) = self.settle(checkpoint) {
                self.flow.fail(fault);
                return;
            }
        }
    }

    fn settle(&self, checkpoint: Checkpoint) -> Result<(), Fault> {
        let synced = self.target.sync(checkpoint).map_err(|source| {
            unwritable(TargetError {
                path: self.restore.target.to_owned(),
                source,
            })
        })?;
        self.target.settle(synced);
        Ok(())
    }

    /// Ends a restore that is complete: everything is durable, and after that what was set last.
    fn end(&self) -> Result<(), Fault> {
        self.settle(self.target.checkpoint(None))?;
        self.tell();
        self.settle(self.target.checkpoint(None))
    }

    /// Leaves a restore that ended early to the next run: directories stay marked, but files in directories that
    /// stood there before get their modes, as there may be no next run.
    fn leave(&self) {
        // Why the restore ended is what is told. After a sync that failed nothing is set.
        let _ = self.settle(self.target.checkpoint(Some(&FileKey::root())));
    }

    /// Makes another name of a file. What cannot be linked is made a second time.
    fn link(&self, key: &FileKey, entry: &FileEntry) {
        match self.target.link(key, entry) {
            Err(_) if matches!(entry.node, Node::File(_)) => self.file(key, entry),
            Err(_) => self.count(key, entry, self.target.other(key, entry)),
            made => self.count(key, entry, made),
        }
    }

    /// Counts what became of an entry, or warns.
    fn count(&self, key: &FileKey, entry: &FileEntry, made: Result<Made, Problem>) {
        let made = match made {
            Ok(made) => made,
            Err(problem) => return self.warn(&problem),
        };
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Made::New | Made::Replaced | Made::Renamed(_) => {
                report.made += 1;
                report.renamed += u64::from(matches!(made, Made::Renamed(_)));
                if matches!(entry.node, Node::File(_)) {
                    report.files += 1;
                    report.bytes = report.bytes.saturating_add(entry.size);
                }
            }
            Made::Same => report.same += 1,
            // A directory that stands there takes the entries below it: nothing is left out.
            Made::Kept if entry.node == Node::Directory => report.same += 1,
            Made::Kept => report.skipped += 1,
        }
        let (report, kept) = (*report, made == Made::Kept && entry.node != Node::Directory);
        self.flow.monitor().progress(Progress {
            entries: report.made + report.same + report.skipped,
            files: report.files,
            bytes: report.bytes,
            moved_bytes: report.bytes,
            bytes_total: None,
        });
        if kept {
            let path = key.to_path().unwrap_or_default();
            self.flow.warn(Warning {
                fault: Fault::new(Code::RestoreEntryKept)
                    .with("path", String::from_utf8_lossy(&path)),
                path,
            });
        }
    }

    /// Warns of what the target could not set. Done with every entry, so that little waits to be told.
    fn tell(&self) {
        let unset = std::mem::take(&mut *self.unset.lock().unwrap_or_else(PoisonError::into_inner));
        unset.iter().for_each(|problem| self.warn(problem));
    }

    fn warn(&self, problem: &Problem) {
        let shown = shown(&problem.path);
        // A file system that has no room for attributes may have all of it for files.
        let is_full = problem.reason == Reason::Full;
        if is_full && matches!(problem.op, Op::Create | Op::Write) {
            let fault =
                Fault::new(Code::RestoreTargetFull).with("path", self.restore.target.display());
            self.flow.fail(fault);
            return;
        }
        if problem.reason.is_exhaustion() {
            self.flow
                .fail(Fault::new(Code::ResourcesExhausted).with("reason", problem.reason));
            return;
        }
        self.flow.warn(Warning {
            path: problem.path.clone(),
            fault: Fault::new(Code::RestoreEntryFailed)
                .with("path", shown)
                .with(
                    "reason",
                    format!("cannot {}: {}", problem.op, problem.reason),
                ),
        });
    }
}

/// Why going through the entries ended early.
enum Ended {
    Stopped,
    Failed(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Returns where an entry goes: a source that is a single file goes into the target under its name.
fn placed(restore: &Restore<'_>, key: FileKey, entry: &FileEntry) -> FileKey {
    if key.is_root() && entry.node != Node::Directory {
        return key.child(restore.name).unwrap_or(key);
    }
    key
}

/// Returns what the target itself gets: one that stood there before only what the user asked for.
fn root_meta(restore: &Restore<'_>) -> Result<RootMeta, Fault> {
    let root = get::<FileEntry>(restore.reader, &restore.root, &FileKey::root().0)?;
    if root.is_none_or(|entry| entry.node != Node::Directory) {
        return Ok(RootMeta::Never);
    }
    let whole = restore.selection.is_empty() || restore.selection.iter().any(FileKey::is_root);
    let asked = restore.original || restore.conflict == Conflict::Overwrite;
    // Also with a selection a root made here gets what the source's has: it may be what keeps others out.
    Ok(if whole && asked {
        RootMeta::Always
    } else {
        RootMeta::IfMade
    })
}

fn unwritable(error: TargetError) -> Fault {
    if let Some(place) = sources::dead_mount(&error.path) {
        return Fault::new(Code::MountDead)
            .with("path", place.display())
            .because(error);
    }
    Fault::new(Code::RestoreTargetUnwritable)
        .with("path", error.path.display())
        .with("reason", &error.source)
        .because(error)
}
