//! Lists a tree in key order, reading ahead with many threads.
//!
//! Directories are independent pieces of work, large ones are cut into batches; threads take them in the
//! order in which they will be wanted, so that a slow disk always has many requests to sort. The consumer
//! receives a plain sequence: every directory's entries together, by name, then its subdirectories'.
//!
//! Memory is bounded: so many entries and so many directories ahead of the consumer, plus the names of the
//! directories under way. Descriptors are bounded by [`OpenDirs`]. A directory that is not wanted yet is
//! only a name.
//!
//! Not done here: comparing with what was known, reading content, following links.

mod schedule;
mod selection;
mod worker;

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use base::limits;
use format::entry::{FileEntry, FileKey};
use rustix::fs::{CWD, FileType, Mode, OFlags, Statx, fstatfs, openat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::dir::{Dir, OpenDirs};
use super::exclude::{self, Excludes, PatternError};
use super::handle::Handle;
use super::names::Listing;
use super::owners::Owners;
use super::stat::{self, Identity};
use crate::filesystems;
use crate::problem::Problem;
use schedule::{Schedule, Taken};

pub use selection::{Pick, Selection, Span};

/// Called with a directory's path.
pub type Observer = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What to walk and how.
#[derive(Clone)]
pub struct WalkOptions {
    /// Patterns in gitignore syntax, relative to the root; the last one that matches decides, `!` keeps.
    pub exclude: Vec<String>,
    /// A directory with an entry of one of these names is kept with these entries only. The root is not
    /// asked: it was named on purpose.
    pub exclude_if_present: Vec<Vec<u8>>,
    /// The same for directories with a valid `CACHEDIR.TAG`.
    pub cachedir_tag: bool,
    /// Directories that are left out wherever the walk meets them: Dozo's own.
    pub leave_out: Vec<PathBuf>,
    /// Stays on the root's file system: a mount point, bind mounts and btrfs subvolumes included, is recorded as
    /// an empty directory. File systems made by the kernel (`/proc`, `/sys`) always are, and so is
    /// what would have to be mounted first.
    pub one_file_system: bool,
    /// Records the first device number as the second: a snapshot shows another one than what it is of, but
    /// entries have to be the same from run to run.
    pub device_as: Option<(u64, u64)>,
    /// Looks only at the root and at this part of the tree; `None` at everything.
    pub only: Option<Arc<Selection>>,
    /// Threads that look ahead. Warm, two are as fast as it gets; a disk that seeks or a network wants many.
    pub threads: usize,
    /// Entries that may be listed ahead of the consumer.
    pub entries_ahead_max: usize,
    /// Hears of every directory whose names have been read and whose entries are about to be looked at.
    pub on_listed: Option<Observer>,
}

impl WalkOptions {
    /// Says whether both leave out the same of a tree, and record the rest alike.
    pub fn same_rules(&self, other: &Self) -> bool {
        self.exclude == other.exclude
            && self.exclude_if_present == other.exclude_if_present
            && self.cachedir_tag == other.cachedir_tag
            && self.leave_out == other.leave_out
            && self.one_file_system == other.one_file_system
            && self.device_as == other.device_as
    }

    /// Says whether an entry of this name may decide what else of its directory is left out.
    pub fn is_marker(&self, name: &[u8]) -> bool {
        self.exclude_if_present.iter().any(|marker| marker == name)
            || (self.cachedir_tag && name == exclude::CACHEDIR_TAG.to_bytes())
    }
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            exclude_if_present: Vec::new(),
            cachedir_tag: false,
            leave_out: Vec::new(),
            one_file_system: false,
            device_as: None,
            only: None,
            threads: limits::WALK_THREADS,
            entries_ahead_max: limits::WALK_ENTRIES_AHEAD_MAX,
            on_listed: None,
        }
    }
}

/// Why a walk cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The root cannot be opened: missing, not readable.
    #[error("cannot open {}", path.display())]
    Root {
        /// The root as given.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The root is a kind of thing that has no place in a tree.
    #[error("{} is neither a directory nor a file", path.display())]
    Kind {
        /// The root as given.
        path: PathBuf,
    },
    /// The system has no threads left to walk with.
    #[error("cannot start a thread")]
    Threads(#[source] std::io::Error),
    /// A pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// What a walk meets.
#[derive(Debug)]
pub enum Event {
    /// An entry. Keys ascend strictly; the root comes first.
    Entry(Found),
    /// Something that could not be read, where it would have come. A problem of listing a directory comes
    /// where its entries would start.
    Problem(Problem),
}

/// An entry that was found.
#[derive(Debug)]
pub struct Found {
    /// Where it stands.
    pub key: FileKey,
    /// What it is, without content, link target and extended attributes: the handle reads them.
    pub entry: FileEntry,
    /// The way to it.
    pub handle: Handle,
}

/// What all parts of a walk share.
pub(super) struct Shared {
    excludes: Excludes,
    one_file_system: bool,
    device_as: Option<(u64, u64)>,
    on_listed: Option<Observer>,
    owners: Owners,
    /// File systems by device: whether the sizes they tell are those of the content.
    sizes: Mutex<HashMap<u64, bool>>,
    schedule: Mutex<Schedule>,
    /// There is work, or the walk has ended.
    work: Condvar,
    /// There is something for the consumer.
    ready: Condvar,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a worker if one waits and there is work it may begin.
    fn wake_worker(&self, schedule: &Schedule) {
        if schedule.wants_worker() {
            self.work.notify_one();
        }
    }

    /// Returns the device number to record for an entry.
    fn device(&self, stat: &Statx) -> u64 {
        let device = Identity::from(stat).device;
        match self.device_as {
            Some((from, to)) if from == device => to,
            _ => device,
        }
    }

    /// Says whether the file system of `device`, which `dir` is on, tells sizes that are those of the content.
    pub(super) fn believes_sizes(&self, dir: &Arc<Dir>, device: u64) -> bool {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sizes.get(&device) {
            return *known;
        }
        // What is mounted on a name in the directory is another one.
        if dir.identity.device != device {
            return false;
        }
        let kind = dir.fd().ok().and_then(|fd| fstatfs(&*fd).ok());
        let is_believed = kind.is_some_and(|kind| filesystems::is_of_this_machine(kind.f_type));
        sizes.insert(device, is_believed);
        is_believed
    }

    /// Returns the entry made from `stat`; see [`stat::entry`].
    pub(super) fn entry(&self, stat: &Statx) -> Option<FileEntry> {
        stat::entry(stat, self.device(stat), &mut stat::Names::new(&self.owners))
    }
}

/// A walk under way: an iterator over what it meets. Dropping it ends it.
pub struct Walk {
    shared: Arc<Shared>,
    batch: std::vec::IntoIter<Event>,
    threads: Vec<JoinHandle<()>>,
}

impl Walk {
    /// Starts at `root`: a directory, or any single entry. If `root` itself is a symbolic link, what it points to
    /// is walked.
    ///
    /// # Errors
    /// [`WalkError`]: there is nothing to start from, or nothing to walk with.
    pub fn start(root: &Path, options: &WalkOptions) -> Result<Self, WalkError> {
        let failed = |errno: Errno| WalkError::Root {
            path: root.to_owned(),
            source: errno.into(),
        };
        let excludes = Excludes::new(options)?;
        let dirs = OpenDirs::new(Room::of_process().directories());
        let (dir, name, directory) = open_root(root, dirs, options.only.clone()).map_err(failed)?;
        let fd = dir.fd().map_err(|_| failed(Errno::NOENT))?;
        let stat = stat::at(fd.as_fd(), &name).map_err(failed)?;
        let threads = threads_allowed(options.threads);
        let shared = Arc::new(Shared {
            excludes,
            one_file_system: options.one_file_system,
            device_as: options.device_as,
            on_listed: options.on_listed.clone(),
            owners: Owners::default(),
            sizes: Mutex::default(),
            schedule: Mutex::new(Schedule::new(
                directory.then(|| dir.clone()),
                options.entries_ahead_max,
                threads,
            )),
            work: Condvar::new(),
            ready: Condvar::new(),
        });
        let entry = shared.entry(&stat).ok_or(WalkError::Kind {
            path: root.to_owned(),
        })?;
        let listing = Arc::new(Listing::root(dir, &name));
        let handle = Handle::new(shared.clone(), listing, 0, &stat);
        let first = Event::Entry(Found {
            key: FileKey(Vec::new()),
            entry,
            handle,
        });
        let mut walk = Self {
            shared,
            batch: vec![first].into_iter(),
            threads: Vec::with_capacity(threads),
        };
        for i in 0..threads {
            let shared = walk.shared.clone();
            let thread = std::thread::Builder::new().name(format!("walk-{i}"));
            let started = thread.spawn(move || worker::run(&shared));
            walk.threads.push(started.map_err(WalkError::Threads)?);
        }
        Ok(walk)
    }

    /// Waits for the next batch; `None` at the end.
    fn next_batch(&mut self) -> Option<Vec<Event>> {
        let mut schedule = self.shared.schedule();
        loop {
            match schedule.take() {
                Taken::Batch(batch) => {
                    if schedule.has_room() {
                        self.shared.wake_worker(&schedule);
                    }
                    return Some(batch);
                }
                Taken::End => return None,
                Taken::Wait => {
                    // Moving on may have made room, or made the next piece the first: which always has room.
                    self.shared.wake_worker(&schedule);
                    schedule = self
                        .shared
                        .ready
                        .wait(schedule)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.batch.next() {
                return Some(event);
            }
            self.batch = self.next_batch()?.into_iter();
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.shared.schedule().stop();
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that panicked has already said so; there is nobody left to tell.
            let _panicked = thread.join();
        }
    }
}

/// Returns how many threads may open files at the same time, if so many are `wanted` and the process may not open so
/// many files: each holds a directory and a file.
pub fn threads_allowed(wanted: usize) -> usize {
    Room::of_process().threads(wanted)
}

/// Returns how many files each of `threads` may hold open ahead of its turn, if so many are `wanted`.
pub fn files_ahead_allowed(threads: usize, wanted: usize) -> usize {
    Room::of_process().ahead(threads, wanted)
}

/// Open files beside those that are no walk's. Two jobs of walkers, readers, what these hold ahead, and directories stay
/// within it.
#[derive(Clone, Copy)]
struct Room(u64);

impl Room {
    fn of_process() -> Self {
        Self::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    fn of(files_allowed: u64) -> Self {
        Self(files_allowed.saturating_sub(limits::FILES_OF_OTHERS))
    }

    /// Returns how many directories a walk may hold open: a quarter.
    fn directories(self) -> usize {
        usize::try_from((self.0 / 4).clamp(8, limits::WALK_DIRS_OPEN_MAX as u64))
            .expect("a small number")
    }

    /// Returns how many of the wanted files each of `threads` may hold open ahead: what is left.
    fn ahead(self, threads: usize, wanted: usize) -> usize {
        let job = (self.directories() + 4 * threads) as u64;
        let allowed = usize::try_from((self.0 / 2).saturating_sub(job)).unwrap_or(usize::MAX);
        wanted.min(allowed / threads.max(1))
    }

    /// Returns how many of the wanted threads there may be of a kind.
    fn threads(self, wanted: usize) -> usize {
        let allowed = usize::try_from(self.0 / 16).unwrap_or(usize::MAX);
        wanted.min(allowed.max(2)).max(1)
    }
}

/// Opens the root: a directory itself, or the directory that holds it, with the name to find it by there.
fn open_root(
    root: &Path,
    dirs: Arc<OpenDirs>,
    only: Option<Arc<Selection>>,
) -> Result<(Arc<Dir>, CString, bool), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(CWD, root, flags, Mode::empty()) {
        Ok(fd) => Ok((Dir::root(quiet(fd), dirs, only)?, c".".to_owned(), true)),
        Err(Errno::NOTDIR) => {
            let whole = std::fs::canonicalize(root)
                .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
            let parent = whole.parent().ok_or(Errno::NOTDIR)?;
            let name = whole
                .file_name()
                .map(OsStr::as_bytes)
                .ok_or(Errno::NOTDIR)?;
            let fd = openat(
                CWD,
                parent,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            Ok((Dir::root(fd, dirs, None)?, name, false))
        }
        Err(errno) => Err(errno),
    }
}

/// Opens a directory again without a trace in its access time, where that is allowed.
fn quiet(dir: OwnedFd) -> OwnedFd {
    super::dir::open_quietly(&dir, c".", OFlags::DIRECTORY).unwrap_or(dir)
}

/// Returns whether `stat` is of a directory.
fn is_directory(stat: &Statx) -> bool {
    stat::kind(stat) == FileType::Directory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_jobs_stay_within_the_files_a_process_may_open() {
        for files in (64..5000).chain([1 << 20, u64::MAX]) {
            let room = Room::of(files);
            let walkers = room.threads(limits::WALK_THREADS);
            let readers = room.threads(limits::READER_THREADS);
            let ahead = readers * room.ahead(readers, limits::READ_BATCH_ENTRIES);
            let job = room.directories() + 2 * (walkers + readers) + ahead;
            assert!(
                2 * job as u64 + limits::FILES_OF_OTHERS <= files,
                "{job} of {files}"
            );
        }
    }

    #[test]
    fn where_files_are_plenty_all_threads_work() {
        let room = Room::of(1024);
        assert_eq!(room.threads(limits::READER_THREADS), limits::READER_THREADS);
        assert_eq!(room.threads(1), 1);
    }
}
