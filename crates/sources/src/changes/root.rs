//! The root of a source, as far as following its changes is concerned.

use std::ffi::{CStr, CString, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use base::limits;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, fstatfs, fstatvfs, openat, readlinkat, statx,
};
use rustix::io::Errno;

use super::{FileHandle, Volume};
use crate::files::stat::{self, Identity};
use crate::mounts::Mounts;
use crate::{filesystems, sys};

/// The inode of the first namespace of processes (`PROC_PID_INIT_INO`, linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;

/// Why changes below a root cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum Untracked {
    /// It is not a directory, or not there.
    #[error("it is not a directory that can be opened")]
    Root(#[source] std::io::Error),
    /// Its file system is shared with other machines, or tells too little.
    #[error("its file system does not tell of changes")]
    FileSystem,
    /// Processes that are not seen from here may have its files open.
    #[error("this process does not see the other processes of the machine")]
    Processes,
    /// The system does not allow it.
    #[error("the system refuses it: {0}")]
    Refused(#[source] std::io::Error),
}

/// The root of a source, opened for one run.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
    device: u64,
    id: RootId,
    mounts: Mounts,
}

/// Where a file is that is known by its handle alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAt {
    /// Its only name is not below the root, or it has none.
    Nowhere,
    /// These names lead to it, and no others do.
    Below(Vec<Vec<u8>>),
    /// It may have names below the root; this is its inode number.
    Anywhere(u64),
}

/// What a root has to be to be the same as before: the directory itself on its file system, and what is mounted below it.
#[derive(Clone, PartialEq, Eq)]
pub struct RootId {
    volume: Volume,
    handle: FileHandle,
    mounts: Vec<(u64, PathBuf)>,
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootId({:x})", self.volume)
    }
}

impl RootId {
    /// Returns the file system it is on.
    pub fn volume(&self) -> Volume {
        self.volume
    }
}

impl Root {
    /// Opens the root of a source, if changes below it can be followed.
    ///
    /// # Errors
    /// They cannot.
    pub fn open(path: &Path) -> Result<Self, Untracked> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|e| Untracked::Root(e.into()))?;
        let refused = |errno: Errno| Untracked::Refused(errno.into());
        if !filesystems::tells_of_everything(fstatfs(&fd).map_err(refused)?.f_type) {
            return Err(Untracked::FileSystem);
        }
        if !sees_all_processes() {
            return Err(Untracked::Processes);
        }
        let stat = stat::of(fd.as_fd()).map_err(refused)?;
        let path = path_of(&fd).map_err(refused)?;
        let mounts = Mounts::below(&path).map_err(Untracked::Refused)?;
        let id = RootId {
            volume: fstatvfs(&fd).map_err(refused)?.f_fsid,
            handle: handle_of(fd.as_fd(), c"").map_err(refused)?,
            mounts: mounts.points.clone(),
        };
        Ok(Self {
            fd,
            path,
            device: Identity::from(&stat).device,
            id,
            mounts,
        })
    }

    /// Returns what tells it from any other.
    pub fn id(&self) -> &RootId {
        &self.id
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Returns the names that lead from the root to what has this handle now; none for the root itself. `None` if it is
    /// gone, or not below the root.
    ///
    /// # Errors
    /// `NAMETOOLONG` if the path is longer than the kernel tells; else as the system says.
    pub fn locate(&self, handle: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Errno> {
        let Some(fd) = self.open_handle(handle)? else {
            return Ok(None);
        };
        // What is deleted may be open somewhere, and would have a path with a remark behind it.
        if stat::of(fd.as_fd())?.stx_nlink == 0 {
            return Ok(None);
        }
        Ok(self.components(&path_of(&fd)?))
    }

    /// Returns where the file is that has this handle.
    ///
    /// # Errors
    /// As the system says.
    pub fn file(&self, handle: &[u8]) -> Result<FileAt, Errno> {
        let Some(fd) = self.open_handle(handle)? else {
            return Ok(FileAt::Nowhere);
        };
        let stat = stat::of(fd.as_fd())?;
        if stat.stx_nlink != 1 {
            return Ok(match stat.stx_nlink {
                0 => FileAt::Nowhere,
                _ => FileAt::Anywhere(stat.stx_ino),
            });
        }
        // The kernel knows the name if anybody has used it lately; else it says something that leads elsewhere.
        let path = path_of(&fd)?;
        let named = statx(
            CWD,
            &path,
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::BASIC_STATS,
        );
        let is_named = named.is_ok_and(|named| Identity::from(&named) == Identity::from(&stat));
        Ok(match (is_named, self.components(&path)) {
            (true, Some(path)) => FileAt::Below(path),
            (true, None) => FileAt::Nowhere,
            (false, _) => FileAt::Anywhere(stat.stx_ino),
        })
    }

    /// Returns the inode numbers of the files with more than one name among `names` in the directory that has this handle,
    /// wherever on the file system it is.
    ///
    /// # Errors
    /// As the system says.
    pub fn linked<'a>(
        &self,
        dir: &[u8],
        names: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<u64>, Errno> {
        let Some(fd) = self.open_handle(dir)? else {
            return Ok(Vec::new());
        };
        let mut linked = Vec::new();
        for name in names {
            let Ok(name) = CString::new(name) else {
                continue;
            };
            match stat::at(fd.as_fd(), &name) {
                Ok(stat) if stat::kind(&stat) != FileType::RegularFile => {}
                Ok(stat) if stat.stx_nlink > 1 => linked.push(stat.stx_ino),
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(linked)
    }

    /// Returns the names that lead to directories of which nothing is told: what is mounted below the root, and what
    /// overlays write into.
    pub fn unfollowed(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        let points = self.mounts.points.iter().map(|(_, point)| point);
        let dirs = points.chain(&self.mounts.upper_dirs);
        dirs.filter_map(|dir| self.components(dir))
    }

    fn open_handle(&self, handle: &[u8]) -> Result<Option<OwnedFd>, Errno> {
        let (kind, bytes) = handle.split_first_chunk().ok_or(Errno::INVAL)?;
        let mut attempts = 0..limits::HANDLE_ATTEMPTS;
        loop {
            attempts.next();
            match sys::open_handle(self.fd.as_fd(), i32::from_ne_bytes(*kind), bytes) {
                Ok(fd) => return Ok(Some(fd)),
                Err(Errno::STALE | Errno::NOENT) => return Ok(None),
                // Of all that goes wrong while the kernel finds the way to a directory, this alone is told as it is; it passes.
                Err(Errno::NOMEM) if !attempts.is_empty() => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(super) fn components(&self, path: &Path) -> Option<Vec<Vec<u8>>> {
        let below = path.strip_prefix(&self.path).ok()?;
        Some(below.iter().map(|name| name.as_bytes().to_vec()).collect())
    }
}

/// Returns the handle of what is at `path`.
pub(super) fn handle_of(dir: BorrowedFd<'_>, path: &CStr) -> Result<FileHandle, Errno> {
    let (kind, bytes) = sys::handle_of(dir, path)?;
    // As the kernel has it in memory, and so in its events.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is compared with what the kernel of this machine says, and never stored"
    )]
    let kind = kind.to_ne_bytes();
    Ok([&kind, bytes.as_slice()].concat().into_boxed_slice())
}

/// Returns the path of what is open, as seen through the mount that it was opened by.
fn path_of(fd: &OwnedFd) -> Result<PathBuf, Errno> {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = readlinkat(CWD, link, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

fn sees_all_processes() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == FIRST_PID_NAMESPACE)
}
