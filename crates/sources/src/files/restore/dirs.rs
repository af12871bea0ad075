//! The directories of a target: made, found, held open by few descriptors.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base::limits;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fgetxattr, fremovexattr, mkdirat, openat,
    openat2, readlinkat, syncfs, unlinkat,
};
use rustix::io::Errno;

use super::{Conflict, Made, RootMeta, in_the_way, lock, mark, renamed};
use crate::files::path;
use crate::files::stat;
use crate::problem::Reason;

/// A directory of the target, open.
pub(super) struct TargetDir {
    pub(super) fd: OwnedFd,
    /// Made in this run: nothing can stand in it that this run has not made.
    pub(super) fresh: bool,
    /// Made by this restore, in this run or in one that ended out of order, and not yet settled.
    pub(super) ours: bool,
    /// New entries get an ACL from it, which the point may not say.
    pub(super) gives_acl: bool,
}

/// What to do about a directory on the way that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Fail,
}

/// All directories of a target.
pub(super) struct Dirs {
    root: Arc<TargetDir>,
    /// Where the root is mounted.
    root_mount: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<Vec<u8>, Arc<TargetDir>>,
    oldest: VecDeque<Vec<u8>>,
    /// Prefixes of directories made in this run.
    fresh: HashSet<Vec<u8>>,
    /// Names that directories got because theirs was taken, by prefix.
    renamed: HashMap<Vec<u8>, CString>,
    /// A directory of each other mount that was entered, by its number.
    mounts: HashMap<u64, Arc<TargetDir>>,
}

/// Opens the directory `name` in `dir`, which must be one: no link, no way out.
fn open_beneath(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(dir, name, flags, Mode::empty(), resolve) {
        // Before Linux 5.6, or forbidden by a container: one component that is no link leads nowhere else either.
        Err(Errno::NOSYS | Errno::PERM) => openat(dir, name, flags, Mode::empty()),
        other => other,
    }
}

/// Opens the target; `None` if nothing stands there. A link in its place is not followed unless `follow` says so.
pub(super) fn open_root(path: &Path, follow: bool) -> std::io::Result<Option<OwnedFd>> {
    // A slash at its end would follow a link.
    let path: PathBuf = path.components().collect();
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    match openat(CWD, &path, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP)
            if !follow && readlinkat(CWD, &path, Vec::new()).is_ok() =>
        {
            Err(std::io::Error::new(
                std::io::ErrorKind::NotADirectory,
                "a symbolic link stands there",
            ))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Makes the target, and its parents as anybody makes directories.
fn make_root(path: &Path) -> std::io::Result<()> {
    // Without a dot or a slash at its end: such a name cannot be made.
    let path: PathBuf = path.components().collect();
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
        std::fs::create_dir_all(parent)?;
    }
    match mkdirat(CWD, &path, mark::DIRECTORY) {
        // Somebody else was faster: then it is not ours.
        Err(Errno::EXIST) => Ok(()),
        other => Ok(other?),
    }
}

fn gives_acl(fd: BorrowedFd<'_>) -> bool {
    let mut value = [0; 8];
    matches!(
        fgetxattr(fd, c"system.posix_acl_default", &mut value),
        Ok(1..) | Err(Errno::RANGE)
    )
}

impl Dirs {
    /// Opens the target, or makes it: in the making like any directory below, if it is to get metadata.
    pub(super) fn open(path: &Path, meta: RootMeta, follow: bool) -> std::io::Result<Self> {
        let fd = match open_root(path, follow)? {
            Some(fd) => fd,
            None => {
                match meta {
                    RootMeta::Never => std::fs::create_dir_all(path)?,
                    RootMeta::IfMade | RootMeta::Always => make_root(path)?,
                }
                open_root(path, follow)?.ok_or(Errno::NOENT)?
            }
        };
        let standing = stat::of(fd.as_fd())?;
        let root = TargetDir {
            gives_acl: gives_acl(fd.as_fd()),
            fd,
            fresh: false,
            ours: mark::is_our_directory(&standing),
        };
        Ok(Self {
            root: Arc::new(root),
            root_mount: standing.stx_mnt_id,
            state: Mutex::default(),
        })
    }

    /// Returns whether the root was made by this restore: in this run, or in one that was killed.
    pub(super) fn root_is_ours(&self) -> bool {
        self.root.ours
    }

    /// Makes durable what was written beneath the root, whatever is mounted there.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        let mounts: Vec<_> = lock(&self.state).mounts.values().cloned().collect();
        syncfs(&self.root.fd)?;
        mounts.iter().try_for_each(|dir| syncfs(&dir.fd))
    }

    pub(super) fn root_fd(&self) -> BorrowedFd<'_> {
        self.root.fd.as_fd()
    }

    /// Returns the directory with the prefix `prefix`, making what is missing on the way.
    pub(super) fn get(&self, prefix: &[u8]) -> Result<Arc<TargetDir>, Reason> {
        self.reach(prefix, Missing::Make)
    }

    /// Returns the directory with the prefix `prefix`, which was there before: what somebody has deleted meanwhile
    /// is not made again.
    pub(super) fn find(&self, prefix: &[u8]) -> Result<Arc<TargetDir>, Reason> {
        self.reach(prefix, Missing::Fail)
    }

    fn reach(&self, prefix: &[u8], missing: Missing) -> Result<Arc<TargetDir>, Reason> {
        if prefix.is_empty() {
            return Ok(self.root.clone());
        }
        // Only prefixes that were checked are in there.
        if let Some(dir) = lock(&self.state).open.get(prefix) {
            return Ok(dir.clone());
        }
        let components = path::components(prefix)?;
        // The nearest ancestor that is open; mostly the parent.
        let above = components.len() - 1;
        let open = components[..above]
            .iter()
            .enumerate()
            .rev()
            .find_map(|(i, component)| {
                let dir = lock(&self.state)
                    .open
                    .get(&prefix[..component.end])?
                    .clone();
                Some((i + 1, dir))
            });
        let (depth, mut dir) = open.unwrap_or_else(|| (0, self.root.clone()));
        for component in &components[depth..] {
            dir = self.enter(&dir, &component.name, &prefix[..component.end], missing)?;
        }
        Ok(dir)
    }

    /// Forgets what was known of a directory that is done.
    pub(super) fn forget(&self, prefix: &[u8]) {
        lock(&self.state).fresh.remove(prefix);
    }

    fn enter(
        &self,
        parent: &TargetDir,
        name: &CStr,
        prefix: &[u8],
        missing: Missing,
    ) -> Result<Arc<TargetDir>, Reason> {
        let (name, fresh) = {
            let state = lock(&self.state);
            let name = state
                .renamed
                .get(prefix)
                .cloned()
                .unwrap_or_else(|| name.to_owned());
            (name, state.fresh.contains(prefix))
        };
        let fd = match open_beneath(parent.fd.as_fd(), &name) {
            Err(Errno::NOENT) if missing == Missing::Make => {
                // An entry whose directory was not restored: an ordinary one takes its place.
                mkdirat(&parent.fd, &name, Mode::RWXU | Mode::RWXG | Mode::RWXO)
                    .map_err(in_the_way)?;
                open_beneath(parent.fd.as_fd(), &name)
            }
            other => other,
        };
        let fd = fd.map_err(in_the_way)?;
        if fresh {
            let dir = TargetDir {
                fd,
                fresh,
                ours: true,
                gives_acl: false,
            };
            return Ok(self.keep(prefix, Arc::new(dir)));
        }
        let standing = stat::of(fd.as_fd())?;
        let dir = Arc::new(TargetDir {
            gives_acl: gives_acl(fd.as_fd()),
            fd,
            fresh,
            ours: mark::is_our_directory(&standing),
        });
        if standing.stx_mnt_id != self.root_mount {
            let mut state = lock(&self.state);
            state
                .mounts
                .entry(standing.stx_mnt_id)
                .or_insert(dir.clone());
        }
        Ok(self.keep(prefix, dir))
    }

    /// Keeps a directory open, and lets go of the one opened longest ago.
    fn keep(&self, prefix: &[u8], dir: Arc<TargetDir>) -> Arc<TargetDir> {
        let mut state = lock(&self.state);
        if state.open.insert(prefix.to_vec(), dir.clone()).is_none() {
            state.oldest.push_back(prefix.to_vec());
        }
        if state.oldest.len() > limits::RESTORE_DIRS_OPEN_MAX
            && let Some(oldest) = state.oldest.pop_front()
        {
            state.open.remove(&oldest);
        }
        dir
    }

    /// Makes the directory `name` in the one with the prefix `parent`, or takes the one that stands there; its
    /// own prefix is `prefix`. Returns whether it is ours: made in this run, or in one that was killed.
    pub(super) fn make(
        &self,
        parent: &[u8],
        name: &CStr,
        prefix: &[u8],
        conflict: Conflict,
    ) -> Result<(Made, bool), Reason> {
        let parent = self.get(parent)?;
        for i in 0..limits::RESTORE_NAMES_MAX {
            let name = renamed(name, i);
            let (made, ours) = match self.make_one(&parent, &name, conflict)? {
                Some(result) => result,
                None => continue,
            };
            {
                let mut state = lock(&self.state);
                if matches!(made, Made::New | Made::Replaced) {
                    state.fresh.insert(prefix.to_vec());
                }
                if i > 0 {
                    state.renamed.insert(prefix.to_vec(), name.clone());
                }
            }
            let made = if i > 0 {
                Made::Renamed(name.into_bytes())
            } else {
                made
            };
            return Ok((made, ours));
        }
        Err(Reason::InTheWay)
    }

    /// Makes one directory, or says that another name is to be tried.
    fn make_one(
        &self,
        parent: &TargetDir,
        name: &CStr,
        conflict: Conflict,
    ) -> Result<Option<(Made, bool)>, Reason> {
        match mkdirat(&parent.fd, name, mark::DIRECTORY) {
            Ok(()) => {
                self.take_back_acl(parent, name)?;
                return Ok(Some((Made::New, true)));
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let standing = stat::at(parent.fd.as_fd(), name)?;
        if stat::kind(&standing) == FileType::Directory {
            let ours = mark::is_our_directory(&standing);
            return Ok(Some((if ours { Made::Same } else { Made::Kept }, ours)));
        }
        match conflict {
            Conflict::Skip => Err(Reason::InTheWay),
            Conflict::Rename => Ok(None),
            Conflict::Overwrite => {
                unlinkat(&parent.fd, name, AtFlags::empty())?;
                mkdirat(&parent.fd, name, mark::DIRECTORY).map_err(in_the_way)?;
                self.take_back_acl(parent, name)?;
                Ok(Some((Made::Replaced, true)))
            }
        }
    }

    /// Removes the ACLs that a new directory got from its parent.
    fn take_back_acl(&self, parent: &TargetDir, name: &CStr) -> Result<(), Reason> {
        if parent.gives_acl {
            let fd = open_beneath(parent.fd.as_fd(), name).map_err(in_the_way)?;
            for acl in [c"system.posix_acl_default", c"system.posix_acl_access"] {
                match fremovexattr(&fd, acl) {
                    Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}
