//! Makes entries anew beneath a target directory, and nowhere else.
//!
//! Invariants:
//! - No name is resolved but one component in a directory that is open, and no symbolic link is followed: what
//!   a point says, and what stands in the target, cannot lead outside.
//! - A file appears under its name complete, with all its metadata, or not at all: it is written without a
//!   name (or under one that starts with `.dozo-part-` where the file system cannot do that) and linked last.
//! - What stood there is never replaced unless [`Conflict::Overwrite`] says so, and then by what is durable and
//!   has all its metadata, unless it is a directory that takes its place; a directory that is not empty is never removed.
//! - Directories get their metadata when all below them is done and durable ([`Target::settle`]). Until then
//!   their mode is `01700`, sticky and private, which nobody uses: so a run that resumes one that was killed
//!   knows its directories. The same goes for the target itself.
//! - What a power cut tore is known by the next run, and replaced: it has its entry's time, and stands in such a
//!   directory or carries a mark of its own until it is durable (`mark.rs`).
//! - A target that stood there before keeps its own metadata unless [`RootMeta::Always`] says otherwise.
//!
//! Metadata is set in this order: owner, attributes and ACLs, capabilities, mode, times; each step can undo a
//! later one if it came after it. Only the mode may come last, where a mark has its place until then: it changes
//! neither time nor capabilities, and gives an ACL its mask again. What the system does not allow is a problem,
//! and the run goes on.
//!
//! All methods may be called from many threads at once; a directory before what is in it.

mod dirs;
mod file;
mod links;
mod mark;
mod meta;
mod other;
mod preview;
mod settle;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::limits;
use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{
    AtFlags, FileType, RenameFlags, Statx, linkat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::owners::Owners;
use super::path;
use super::stat::{self, Identity};
use crate::problem::{Op, Problem, Reason};
use dirs::{Dirs, TargetDir};
use links::{FileId, Links, Written};
use meta::Meta;

pub use file::{Begun, Existing, FileWriter};
pub use preview::{Preview, Would};
pub use settle::{Checkpoint, Synced};

/// What to do where something stands already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It stays; the entry is not restored.
    Skip,
    /// It is replaced.
    Overwrite,
    /// It stays; the entry gets another name, `NAME.restored`.
    Rename,
}

/// Whether the target itself gets metadata from its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootMeta {
    /// Never, as no entry will be given for it: if it is missing, it is made as anybody makes a directory.
    Never,
    /// If this restore made it, in this run or in one that was killed.
    IfMade,
    /// Whether it stood there before or not.
    Always,
}

/// How to restore.
#[derive(Clone)]
pub struct TargetOptions {
    /// What to do where something stands already.
    pub conflict: Conflict,
    /// What the target itself gets.
    pub root: RootMeta,
    /// Whether the target may be a symbolic link to a directory. Its parents always may.
    pub follow: bool,
    /// Names the work: the same when it is resumed, different otherwise. Leftovers under this name are ours.
    pub token: u64,
    /// Hears of what could not be set while the entry itself was restored. Called from many threads.
    pub on_problem: Arc<dyn Fn(Problem) + Send + Sync>,
}

/// Why nothing can be restored to a target.
#[derive(Debug, thiserror::Error)]
#[error("cannot restore to {}", path.display())]
pub struct TargetError {
    /// The target as given.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: std::io::Error,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made.
    New,
    /// It was made in place of something else.
    Replaced,
    /// It was made under this name, as its own was taken.
    Renamed(Vec<u8>),
    /// It stood there already as it should.
    Same,
    /// Something else stood there, and stays.
    Kept,
}

/// A directory to restore to.
pub struct Target {
    shared: Arc<Shared>,
}

/// What file writers share with their target.
struct Shared {
    options: TargetOptions,
    owners: Owners,
    dirs: Dirs,
    /// Directories whose metadata is due, by key prefix.
    pending: Mutex<BTreeMap<Vec<u8>, Meta>>,
    /// Files that carry a mark until the next sync.
    marked: Mutex<Vec<settle::Marked>>,
    /// What a sync failed with.
    sync_failed: Mutex<Option<Errno>>,
    /// Files with more than one name: what may be linked to.
    links: Mutex<Links>,
}

/// Where an entry goes.
struct Spot {
    key: FileKey,
    dir: Arc<TargetDir>,
    name: CString,
}

/// What stands at a spot, or under one of the other names that are tried there.
enum Standing {
    /// What is to be made.
    Same,
    /// What this restore began to make.
    Unfinished,
    /// Anything else.
    Other,
}

/// What to do at a spot.
enum Chosen {
    /// Make it.
    Make(Place),
    /// It stands there already, under the name that is tried after so many others.
    Same { name: CString, tried: usize },
    /// Leave alone what stands there.
    Keep,
}

/// Under which name something is made.
struct Place {
    name: CString,
    made: Made,
    /// What stands there and goes.
    replaces: Replaces,
}

/// What is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replaces {
    Nothing,
    /// Our own work, which a power cut may have torn.
    Unfinished,
    /// Something whole that is somebody's.
    Another,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    /// Opens the directory `path`, making it and its parents if they are missing. Symbolic links in `path` itself
    /// are followed: whoever named it meant it. Its last component is only with [`TargetOptions::follow`].
    ///
    /// # Errors
    /// It can be neither opened nor made; a link stands there that is not to be followed.
    pub fn open(path: &Path, options: TargetOptions) -> Result<Self, TargetError> {
        let dirs =
            Dirs::open(path, options.root, options.follow).map_err(|source| TargetError {
                path: path.to_owned(),
                source,
            })?;
        let shared = Shared {
            options,
            owners: Owners::default(),
            dirs,
            pending: Mutex::default(),
            marked: Mutex::default(),
            sync_failed: Mutex::default(),
            links: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Makes a directory, or takes the one that stands there. Its metadata is set later; that of a directory
    /// that was there before only with [`Conflict::Overwrite`]. The root is given like any other, and gets what
    /// [`RootMeta`] says.
    ///
    /// # Errors
    /// [`Reason::BadName`], [`Reason::InTheWay`]; others as the system says. What is below it will fail too.
    pub fn directory(&self, key: &FileKey, entry: &FileEntry) -> Result<Made, Problem> {
        let failed = |reason| problem(key, Op::Create, reason);
        let (made, is_set) = match path::split_key(key).map_err(failed)? {
            None => (Made::Same, self.shared.sets_root()),
            Some((parent, name)) => {
                let prefix = path::prefix_of(key);
                let conflict = self.shared.options.conflict;
                let (made, ours) = self
                    .shared
                    .dirs
                    .make(parent, &name, &prefix, conflict)
                    .map_err(failed)?;
                (made, ours || conflict == Conflict::Overwrite)
            }
        };
        if is_set {
            let meta = Meta::new(entry, &self.shared.owners, !matches!(made, Made::New));
            lock(&self.shared.pending).insert(path::prefix_of(key), meta);
        }
        Ok(made)
    }

    /// Begins a regular file. Nothing is seen of it before [`FileWriter::finish`], unless in a directory that this run made,
    /// which is private as long as it is in the making.
    ///
    /// # Errors
    /// [`Reason::BadName`], [`Reason::InTheWay`] of a directory; others as the system says.
    pub fn begin_file(&self, key: &FileKey, entry: &FileEntry) -> Result<Begun, Problem> {
        file::begin(&self.shared, key, entry)
    }

    /// Makes a symbolic link, pipe, socket or device node.
    ///
    /// # Errors
    /// As [`Self::begin_file`]; [`Reason::Denied`] for device nodes without privilege.
    pub fn other(&self, key: &FileKey, entry: &FileEntry) -> Result<Made, Problem> {
        other::make(&self.shared, key, entry)
    }

    /// Notes one of the names of a file that has several. Returns whether one was met before: then it is for
    /// [`Self::link`], when the file is done.
    pub fn meet(&self, entry: &FileEntry) -> bool {
        lock(&self.shared.links).meet(entry)
    }

    /// Makes `key` another name of the file `entry`, whose first name was met and restored in this run.
    ///
    /// # Errors
    /// [`Reason::LinkMissing`] if it was not; as [`Self::other`] otherwise. A file system that knows no hard
    /// links, or no more of them, is one of these: the file can still be written a second time.
    pub fn link(&self, key: &FileKey, entry: &FileEntry) -> Result<Made, Problem> {
        other::link(&self.shared, key, entry)
    }
}

fn problem(key: &FileKey, op: Op, reason: Reason) -> Problem {
    Problem {
        key: key.clone(),
        path: path::shown(key),
        op,
        reason,
    }
}

impl Shared {
    /// Returns whether the root gets its entry's metadata.
    fn sets_root(&self) -> bool {
        match self.options.root {
            RootMeta::Never => false,
            RootMeta::IfMade => self.dirs.root_is_ours(),
            RootMeta::Always => true,
        }
    }

    fn report(&self, key: &FileKey, op: Op, reason: Reason) {
        (self.options.on_problem)(problem(key, op, reason));
    }

    /// Opens the directory an entry goes to.
    fn spot(&self, key: &FileKey) -> Result<Spot, Reason> {
        // The root is a directory whatever the point says: a single file needs a name.
        let (prefix, name) = path::split_key(key)?.ok_or(Reason::BadName)?;
        let dir = self.dirs.get(prefix)?;
        Ok(Spot {
            key: key.clone(),
            dir,
            name,
        })
    }

    /// Decides what to do at a spot, from its `first` name on; `judge` says of each name, by its number, what stands
    /// there.
    fn choose(
        &self,
        spot: &Spot,
        first: usize,
        judge: impl Fn(usize, &CStr, &Statx) -> Standing,
    ) -> Result<Chosen, Reason> {
        let place = |i: usize, name: CString, replaces: Replaces| {
            let made = match (i, replaces) {
                (0, Replaces::Nothing) => Made::New,
                (0, _) => Made::Replaced,
                _ => Made::Renamed(name.to_bytes().to_vec()),
            };
            Chosen::Make(Place {
                name,
                made,
                replaces,
            })
        };
        if spot.dir.fresh {
            return Ok(place(0, spot.name.clone(), Replaces::Nothing));
        }
        let fd = spot.dir.fd.as_fd();
        for i in first..limits::RESTORE_NAMES_MAX {
            let name = renamed(&spot.name, i);
            let standing = match stat::at(fd, &name) {
                Ok(standing) => standing,
                Err(Errno::NOENT) => return Ok(place(i, name, Replaces::Nothing)),
                Err(errno) => return Err(errno.into()),
            };
            match judge(i, &name, &standing) {
                Standing::Same => return Ok(Chosen::Same { name, tried: i }),
                Standing::Unfinished => return Ok(place(i, name, Replaces::Unfinished)),
                Standing::Other => {}
            }
            match self.options.conflict {
                Conflict::Skip => return Ok(Chosen::Keep),
                Conflict::Overwrite if stat::kind(&standing) == FileType::Directory => {
                    return Err(Reason::InTheWay);
                }
                Conflict::Overwrite => return Ok(place(i, name, Replaces::Another)),
                Conflict::Rename => {}
            }
        }
        Err(Reason::InTheWay)
    }

    /// Returns the name something at `spot` has while it is made. The same in a run that resumes this one.
    fn part_name(&self, name: &CStr) -> CString {
        // FNV-1a: any hash that stays the same will do.
        let hash = name
            .to_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let name = format!(".dozo-part-{:016x}-{hash:016x}", self.options.token);
        CString::new(name).expect("hexadecimal holds no zero")
    }

    /// Runs `make` with the name for what is under way; a leftover of a killed run goes first.
    fn with_part<T>(
        &self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        make: impl Fn(&CStr) -> Result<T, Errno>,
    ) -> Result<(CString, T), Reason> {
        let part = self.part_name(name);
        let made = make(&part).or_else(|errno| match errno {
            Errno::EXIST => {
                unlinkat(dir, &part, AtFlags::empty())?;
                make(&part)
            }
            other => Err(other),
        })?;
        Ok((part, made))
    }

    /// Remembers where a file with several names stands.
    fn remember(&self, spot: &Spot, name: &CStr, id: FileId, identity: Identity) {
        let zero = spot.key.0.iter().position(|b| *b == 0).unwrap_or(0);
        let written = Written {
            dir: spot.key.0[..zero].to_vec(),
            name: name.to_owned(),
            identity,
        };
        let spill = || file::nameless(self, self.dirs.root_fd());
        if let Err(reason) = lock(&self.links).remember(id, &written, spill) {
            // Its other names become files of their own.
            self.report(&spot.key, Op::Write, reason);
        }
    }
}

/// Gives what is under the name `part` its name.
fn publish(dir: BorrowedFd<'_>, part: &CStr, place: &Place) -> Result<(), Reason> {
    let name = place.name.as_c_str();
    let result = if place.replaces != Replaces::Nothing {
        renameat(dir, part, dir, name)
    } else {
        renameat_with(dir, part, dir, name, RenameFlags::NOREPLACE).or_else(|errno| match errno {
            // The file system does not know the flag: linking never replaces either.
            Errno::INVAL | Errno::NOSYS => match linkat(dir, part, dir, name, AtFlags::empty()) {
                Ok(()) => unlinkat(dir, part, AtFlags::empty()),
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    rename_after_a_look(dir, part, name)
                }
                Err(errno) => Err(errno),
            },
            other => Err(other),
        })
    };
    result.map_err(|errno| {
        let _leftover_is_harmless = unlinkat(dir, part, AtFlags::empty());
        in_the_way(errno)
    })
}

/// Renames what is under the name `part` if nothing stands under `name`: for file systems that know neither a rename that
/// replaces nothing nor hard links, such as object stores that are mounted. What somebody puts there between the look and the
/// rename is replaced; there is no way not to.
fn rename_after_a_look(dir: BorrowedFd<'_>, part: &CStr, name: &CStr) -> Result<(), Errno> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(dir, part, dir, name),
        Err(errno) => Err(errno),
    }
}

/// Returns why something could not be put where it belongs.
fn in_the_way(errno: Errno) -> Reason {
    match errno {
        Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NOTEMPTY => {
            Reason::InTheWay
        }
        other => other.into(),
    }
}

/// Returns the `i`th name to try: the name itself, then with an ending, cut so that it fits.
fn renamed(name: &CStr, i: usize) -> CString {
    let ending = match i {
        0 => return name.to_owned(),
        1 => ".restored".to_owned(),
        n => format!(".restored-{n}"),
    };
    let bytes = name.to_bytes();
    let mut out = bytes[..bytes.len().min(255 - ending.len())].to_vec();
    out.extend_from_slice(ending.as_bytes());
    CString::new(out).expect("neither part holds a zero")
}

/// Returns whether a regular file of the entry's size and time stands there.
fn is_same_file(entry: &FileEntry, standing: &Statx) -> bool {
    matches!(entry.node, Node::File(_))
        && stat::kind(standing) == FileType::RegularFile
        && standing.stx_size == entry.size
        && stat::modified_ns(standing) == entry.mtime_ns
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_rename_after_a_look_replaces_nothing_that_stood_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("part"), "new").expect("written");
        std::fs::write(at("old"), "old").expect("written");
        let fd = std::fs::File::open(dir.path()).expect("opened");
        let rename = |name| rename_after_a_look(fd.as_fd(), c"part", name);
        assert_eq!(rename(c"old"), Err(Errno::EXIST));
        assert_eq!(rename(c"new"), Ok(()));
        assert_eq!(std::fs::read(at("old")).expect("read"), b"old");
        assert_eq!(std::fs::read(at("new")).expect("read"), b"new");
    }
}
