//! Read-only snapshots of btrfs subvolumes.
//!
//! A snapshot of the subvolume that holds the path is made in `.dozo-snapshots` at the subvolume's top, under
//! a name that tells boot and process. The process holds a lock on it as long as it lives, so the next run can
//! tell a leftover: one that nobody has locked. Making and sweeping exclude each other by a lock on the hidden
//! directory. The hidden directory goes away with the last snapshot, and the subvolume's own
//! modification time is put back.
//!
//! A snapshot may be [kept](Snapshot::keep) when its run is over: it gets another name, and is dropped by its name only. What
//! differs between a kept one and a new one, the kernel tells ([`super::kept`]).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base::limits;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, flock, fstatfs,
    futimens, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::kept::{Kept, SnapshotId, SubvolumeBelow};
use super::{Level, Provider, SnapshotError, View};
use crate::files::names::Names;
use crate::files::stat::{Identity, of as stat_of};
use crate::sys;

/// `BTRFS_SUPER_MAGIC`.
const BTRFS_MAGIC: i64 = 0x9123_683e;
/// The inode number of every subvolume's top directory (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUME_TOP: u64 = 256;
/// Where snapshots are made, at the top of the subvolume.
pub(super) const HIDDEN: &str = ".dozo-snapshots";
/// What the names of snapshots start with.
const PREFIX: &str = "run-";

/// Makes every name different within a process.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Snapshots of btrfs subvolumes.
#[derive(Clone, Copy, Debug)]
pub struct Btrfs;

/// A snapshot that is dropped with this, unless it is kept.
#[derive(Debug)]
pub struct Snapshot {
    top: OwnedFd,
    hidden: OwnedFd,
    name: String,
    /// Locked: says that the snapshot is in use.
    snapshot: OwnedFd,
    id: SnapshotId,
    top_path: PathBuf,
    /// From the top to the directory that it was taken for.
    below: PathBuf,
    subvolumes: Option<Vec<SubvolumeBelow>>,
    is_kept: bool,
}

/// Says whether this is where snapshots are made, or was in a snapshot: the entry `name` of the directory `dir` with inode
/// number `dir_inode`.
pub(crate) fn is_hidden_place(dir: BorrowedFd<'_>, dir_inode: u64, name: &CStr) -> bool {
    name.to_bytes() == HIDDEN.as_bytes()
        && dir_inode == SUBVOLUME_TOP
        && fstatfs(dir).is_ok_and(|fs| fs.f_type == BTRFS_MAGIC)
}

pub(super) fn open_dir(dir: impl AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(
        dir,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens the top of a subvolume.
///
/// # Errors
/// `NOTDIR` if something else is there.
pub(super) fn open_top(path: &Path) -> Result<OwnedFd, Errno> {
    let top = open_dir(CWD, path)?;
    let is_top = is_btrfs(&top) && stat_of(top.as_fd())?.stx_ino == SUBVOLUME_TOP;
    is_top.then_some(top).ok_or(Errno::NOTDIR)
}

fn is_btrfs(fd: &OwnedFd) -> bool {
    fstatfs(fd).is_ok_and(|fs| fs.f_type == BTRFS_MAGIC)
}

/// The subvolume that holds a directory.
struct Subvolume {
    top: OwnedFd,
    top_path: PathBuf,
    /// From the top to the directory.
    below: PathBuf,
}

impl Subvolume {
    /// Goes up from `path` to the top of its subvolume.
    fn of(path: &Path) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::Failed {
            path: path.to_owned(),
            source,
        };
        let unsupported = || SnapshotError::Unsupported {
            path: path.to_owned(),
        };
        let whole = std::fs::canonicalize(path).map_err(failed)?;
        let mut top_path = whole.as_path();
        loop {
            let top = open_dir(CWD, top_path).map_err(|errno| match errno {
                Errno::NOTDIR => unsupported(),
                other => failed(other.into()),
            })?;
            let stat = stat_of(top.as_fd()).map_err(|errno| failed(errno.into()))?;
            if !is_btrfs(&top) {
                return Err(unsupported());
            }
            if stat.stx_ino == SUBVOLUME_TOP {
                let below = whole
                    .strip_prefix(top_path)
                    .map_err(|_| unsupported())?
                    .to_owned();
                return Ok(Self {
                    top,
                    top_path: top_path.to_owned(),
                    below,
                });
            }
            // A part of a subvolume may be mounted without its top (bind mounts, subvol= of a directory).
            top_path = top_path.parent().ok_or_else(unsupported)?;
        }
    }

    /// Runs `change` on the top directory and puts its modification time back. That is itself a change, so it is not done for
    /// nothing.
    fn unchanged<T>(top: &OwnedFd, change: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
        let before = stat_of(top.as_fd())?.stx_mtime;
        let result = change()?;
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: before.tv_sec,
                tv_nsec: before.tv_nsec.into(),
            },
        };
        let _cosmetic = futimens(top, &times);
        Ok(result)
    }

    /// Opens the hidden directory with its lock, making it if it is missing.
    fn hidden(&self) -> Result<OwnedFd, Errno> {
        loop {
            match Self::unchanged(&self.top, || mkdirat(&self.top, HIDDEN, Mode::RWXU)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            if let Some(hidden) = lock_hidden(&self.top)? {
                return Ok(hidden);
            }
        }
    }
}

/// Opens the hidden directory and locks it against other makers and sweepers; `None` if there is none.
pub(super) fn lock_hidden(top: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let hidden = match openat(top, HIDDEN, flags, Mode::empty()) {
        Ok(hidden) => hidden,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    flock(&hidden, FlockOperation::LockExclusive)?;
    // Whoever had the lock before may have removed the directory, and another have made it anew.
    let now = match openat(top, HIDDEN, flags, Mode::empty()) {
        Ok(now) => now,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let same = Identity::from(&stat_of(now.as_fd())?) == Identity::from(&stat_of(hidden.as_fd())?);
    Ok(same.then_some(hidden))
}

/// Removes the hidden directory if nothing is left in it.
pub(super) fn remove_hidden(top: &OwnedFd) {
    let _others_are_in_it = Subvolume::unchanged(top, || unlinkat(top, HIDDEN, AtFlags::REMOVEDIR));
}

impl Btrfs {
    /// Returns whether `path` is on btrfs.
    pub fn fits(path: &Path) -> bool {
        open_dir(CWD, path).is_ok_and(|fd| is_btrfs(&fd))
    }
}

impl Provider for Btrfs {
    fn name(&self) -> &'static str {
        "btrfs"
    }

    fn view(&self, path: &Path) -> Result<View, SnapshotError> {
        let failed = |errno: Errno| SnapshotError::Failed {
            path: path.to_owned(),
            source: errno.into(),
        };
        if !rustix::process::geteuid().is_root() {
            return Err(SnapshotError::Denied {
                path: path.to_owned(),
            });
        }
        let subvolume = Subvolume::of(path)?;
        let live = stat_of(subvolume.top.as_fd()).map_err(failed)?;
        let held = make(&subvolume).map_err(failed)?;
        let shown = stat_of(held.snapshot.as_fd()).map_err(failed)?;
        let snapshot = subvolume.top_path.join(HIDDEN).join(&held.name);
        Ok(View {
            leave_out: vec![snapshot.join(HIDDEN)],
            path: match subvolume.below.as_os_str().is_empty() {
                true => snapshot,
                false => snapshot.join(&subvolume.below),
            },
            level: Level::FileSystem,
            device_as: Some((Identity::from(&shown).device, Identity::from(&live).device)),
            snapshot: Some(held),
        })
    }

    fn sweep(&self, path: &Path) -> Result<usize, SnapshotError> {
        let failed = |errno: Errno| SnapshotError::Failed {
            path: path.to_owned(),
            source: errno.into(),
        };
        let subvolume = Subvolume::of(path)?;
        let Some(hidden) = lock_hidden(&subvolume.top).map_err(failed)? else {
            return Ok(0);
        };
        let (names, _) = Names::read(hidden.as_fd());
        let mut dropped = 0;
        for name in (0..names.len()).map(|i| names.get(i)) {
            if name.to_bytes().starts_with(PREFIX.as_bytes()) && is_left(&hidden, name) {
                sys::btrfs::drop_subvolume(hidden.as_fd(), name.to_bytes()).map_err(failed)?;
                dropped += 1;
            }
        }
        remove_hidden(&subvolume.top);
        Ok(dropped)
    }
}

/// Makes a snapshot and locks it.
fn make(subvolume: &Subvolume) -> Result<Snapshot, Errno> {
    let hidden = subvolume.hidden()?;
    let hidden_inode = stat_of(hidden.as_fd())?.stx_ino;
    let name = name();
    let top = open_dir(&subvolume.top, ".")?;
    let before = SubvolumeBelow::list(top.as_fd(), hidden_inode).ok();
    sys::btrfs::snapshot(hidden.as_fd(), name.as_bytes(), subvolume.top.as_fd())?;
    let snapshot = open_dir(&hidden, name.as_str())?;
    flock(&snapshot, FlockOperation::LockShared)?;
    flock(&hidden, FlockOperation::Unlock)?;
    // What came or went just now may or may not be in the snapshot.
    let subvolumes = SubvolumeBelow::list(top.as_fd(), hidden_inode)
        .ok()
        .filter(|after| before.as_ref() == Some(after));
    Ok(Snapshot {
        id: SnapshotId::of(snapshot.as_fd()).unwrap_or_default(),
        top_path: subvolume.top_path.clone(),
        below: subvolume.below.clone(),
        subvolumes,
        is_kept: false,
        top,
        hidden,
        name,
        snapshot,
    })
}

/// Returns a name that tells people whose snapshot it is.
fn name() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).collect();
    let pid = rustix::process::getpid().as_raw_nonzero();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{boot}-{pid}-{count}")
}

/// Returns whether nobody holds a snapshot's lock: its run is dead.
fn is_left(hidden: &OwnedFd, name: &CStr) -> bool {
    open_dir(hidden, name)
        .is_ok_and(|snapshot| flock(&snapshot, FlockOperation::NonBlockingLockExclusive).is_ok())
}

impl Snapshot {
    /// Returns what tells it from all others.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// Returns where the top of its subvolume is.
    pub fn top(&self) -> &Path {
        &self.top_path
    }

    /// Returns the way from the top to the directory that it was taken for.
    pub fn below(&self) -> &Path {
        &self.below
    }

    /// Returns the subvolumes that stand in its own, of which it has nothing but the places; `None` if that is not known, or
    /// they are very many.
    pub fn subvolumes(&self) -> Option<&[SubvolumeBelow]> {
        self.subvolumes.as_deref()
    }

    /// Says whether its file system has room for what is deleted while it is kept.
    pub fn has_room(&self) -> bool {
        rustix::fs::fstatvfs(&self.snapshot)
            .is_ok_and(|fs| fs.f_bavail.saturating_mul(limits::KEPT_FREE_ONE_IN) >= fs.f_blocks)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.snapshot.as_fd()
    }

    /// Lets it stay, by a name that belongs to nobody else.
    ///
    /// # Errors
    /// As the system says; then it is dropped.
    pub fn keep(mut self, name: String) -> std::io::Result<Kept> {
        flock(&self.hidden, FlockOperation::LockExclusive)?;
        let renamed = renameat(
            &self.hidden,
            self.name.as_str(),
            &self.hidden,
            name.as_str(),
        );
        flock(&self.hidden, FlockOperation::Unlock)?;
        renamed?;
        self.is_kept = true;
        Ok(Kept {
            top: self.top_path.clone(),
            name,
            id: self.id,
        })
    }

    /// Returns what it will be when it is kept by a name; `None` if nothing would tell it from others then.
    pub fn kept_as(&self, name: String) -> Option<Kept> {
        (self.id.uuid != [0; 16]).then(|| Kept {
            top: self.top_path.clone(),
            name,
            id: self.id,
        })
    }

    /// Drops the kept snapshots beside it whose names begin like this, but for those of the names `except`.
    ///
    /// # Errors
    /// One of them could not be dropped.
    pub fn drop_kept(&self, prefix: &str, except: Option<&str>) -> std::io::Result<()> {
        let (names, _) = Names::read(self.hidden.as_fd());
        for name in (0..names.len()).map(|i| names.get(i).to_bytes()) {
            if name.starts_with(prefix.as_bytes()) && Some(name) != except.map(str::as_bytes) {
                sys::btrfs::drop_subvolume(self.hidden.as_fd(), name)?;
            }
        }
        Ok(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // If this fails the next sweep does it: the lock goes with this process at the latest.
        let _lock_is_advice = flock(&self.hidden, FlockOperation::LockExclusive);
        let _unlocked = flock(&self.snapshot, FlockOperation::Unlock);
        if let Err(errno) = sys::btrfs::drop_subvolume(self.hidden.as_fd(), self.name.as_bytes()) {
            tracing::warn!(snapshot = self.name, error = %std::io::Error::from(errno), "cannot drop the snapshot");
        }
        remove_hidden(&self.top);
    }
}
