//! Read-only snapshots of btrfs subvolumes.
//!
//! A snapshot of the subvolume that holds the path is made in `.dozo-snapshots` at the subvolume's top, under
//! a name that tells boot and process. The process holds a lock on it as long as it lives, so the next run can
//! tell a leftover: one that nobody has locked. Making and sweeping exclude each other by a lock on the hidden
//! directory. The hidden directory goes away with the last snapshot, and the subvolume's own
//! modification time is put back.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, flock, fstatfs,
    futimens, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use super::{Level, Provider, SnapshotError, View};
use crate::files::names::Names;
use crate::files::stat::{Identity, of as stat_of};
use crate::sys;

/// `BTRFS_SUPER_MAGIC`.
const BTRFS_MAGIC: i64 = 0x9123_683e;
/// The inode number of every subvolume's top directory (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUME_TOP: u64 = 256;
/// Where snapshots are made, at the top of the subvolume.
const HIDDEN: &str = ".dozo-snapshots";
/// What the names of snapshots start with.
const PREFIX: &str = "run-";

/// Makes every name different within a process.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Snapshots of btrfs subvolumes.
#[derive(Clone, Copy, Debug)]
pub struct Btrfs;

/// A snapshot that is dropped with this.
#[derive(Debug)]
pub(super) struct Held {
    top: OwnedFd,
    hidden: OwnedFd,
    name: String,
    /// Locked: says that the snapshot is in use.
    snapshot: OwnedFd,
}

fn open_dir(dir: impl AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(
        dir,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
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

    /// Runs `change` on the top directory and puts its modification time back.
    fn unchanged<T>(top: &OwnedFd, change: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
        let before = stat_of(top.as_fd())?.stx_mtime;
        let result = change();
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
        result
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
fn lock_hidden(top: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
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
fn remove_hidden(top: &OwnedFd) {
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
            _held: Some(held),
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
                sys::btrfs_drop(hidden.as_fd(), name.to_bytes()).map_err(failed)?;
                dropped += 1;
            }
        }
        remove_hidden(&subvolume.top);
        Ok(dropped)
    }
}

/// Makes a snapshot and locks it.
fn make(subvolume: &Subvolume) -> Result<Held, Errno> {
    let hidden = subvolume.hidden()?;
    let name = name();
    sys::btrfs_snapshot(hidden.as_fd(), name.as_bytes(), subvolume.top.as_fd())?;
    let snapshot = open_dir(&hidden, name.as_str())?;
    flock(&snapshot, FlockOperation::LockShared)?;
    let top = open_dir(&subvolume.top, ".")?;
    flock(&hidden, FlockOperation::Unlock)?;
    Ok(Held {
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
fn is_left(hidden: &OwnedFd, name: &std::ffi::CStr) -> bool {
    open_dir(hidden, name)
        .is_ok_and(|snapshot| flock(&snapshot, FlockOperation::NonBlockingLockExclusive).is_ok())
}

impl Drop for Held {
    fn drop(&mut self) {
        // If this fails the next sweep does it: the lock goes with this process at the latest.
        let _lock_is_advice = flock(&self.hidden, FlockOperation::LockExclusive);
        let _unlocked = flock(&self.snapshot, FlockOperation::Unlock);
        if let Err(errno) = sys::btrfs_drop(self.hidden.as_fd(), self.name.as_bytes()) {
            tracing::warn!(snapshot = self.name, error = %std::io::Error::from(errno), "cannot drop the snapshot");
        }
        remove_hidden(&self.top);
    }
}
