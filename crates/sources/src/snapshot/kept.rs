//! Snapshots that stay from one run to the next, and what has changed since.
//!
//! A [`Kept`] says where a snapshot is and what it has to be. Opened beside a new one it makes a [`Pair`], which the kernel
//! compares: the work grows with what differs, not with what there is. A kept snapshot that is gone, was
//! written to, or is of another subvolume than the new one makes none.

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use base::limits;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::btrfs::{HIDDEN, Snapshot, lock_hidden, open_dir, open_top, remove_hidden};
use super::stream::{self, Difference, StreamError};
use crate::files::stat;
use crate::sys;

/// What tells a snapshot from all others, and from itself if it was written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotId {
    /// Its own uuid; zero if it is not known.
    pub uuid: [u8; 16],
    /// The uuid of the subvolume that it is of.
    pub of: [u8; 16],
    /// Grows with every change.
    pub generation: u64,
}

impl SnapshotId {
    pub(super) fn of(snapshot: BorrowedFd<'_>) -> Result<Self, Errno> {
        let info = sys::btrfs::info(snapshot)?;
        Ok(Self {
            uuid: info.uuid,
            of: info.parent,
            generation: info.generation,
        })
    }
}

/// A subvolume that stands in another one: a snapshot of that has an empty directory in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubvolumeBelow {
    /// Its number, which is never given to another.
    pub id: u64,
    /// The inode number of the directory that it stands in.
    pub dir: u64,
    /// The way to it from the top of the other.
    pub path: Vec<u8>,
}

impl SubvolumeBelow {
    /// Lists those below a top, but for those in the directory with inode number `but`.
    ///
    /// # Errors
    /// As the system says; `TOOBIG` if there are more than [`limits::SUBVOLUMES_BELOW_MAX`].
    pub(super) fn list(top: BorrowedFd<'_>, but: u64) -> Result<Vec<Self>, Errno> {
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            let (some, more) = sys::btrfs::subvolumes(top, from)?;
            let last = some.last().map(|(id, _)| *id);
            for (id, dir) in some.into_iter().filter(|(_, dir)| *dir != but) {
                match sys::btrfs::subvolume_path(top, id, dir) {
                    Ok(path) => found.push(Self { id, dir, path }),
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
            if found.len() > limits::SUBVOLUMES_BELOW_MAX {
                return Err(Errno::TOOBIG);
            }
            match last {
                Some(last) if more => from = last + 1,
                _ => return Ok(found),
            }
        }
    }
}

/// A snapshot that stays until it is dropped by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The top of its subvolume.
    pub top: PathBuf,
    /// Its name in the hidden directory there.
    pub name: String,
    /// What it has to be.
    pub id: SnapshotId,
}

impl Kept {
    /// Returns the first letters of its uuid, which are enough to tell it from the one before.
    pub fn short_name(&self) -> String {
        let start = self.id.uuid.iter().take(4);
        start.map(|byte| format!("{byte:02x}")).collect()
    }

    /// Drops it. That it is not there is as well.
    ///
    /// # Errors
    /// As the system says: its file system may not be mounted.
    pub fn remove(&self) -> io::Result<()> {
        let top = open_top(&self.top)?;
        let Some(hidden) = lock_hidden(&top)? else {
            return Ok(());
        };
        match open_dir(&hidden, self.name.as_str()) {
            Ok(snapshot) if SnapshotId::of(snapshot.as_fd())?.uuid == self.id.uuid => {
                sys::btrfs::drop_subvolume(hidden.as_fd(), self.name.as_bytes())?;
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        remove_hidden(&top);
        Ok(())
    }

    fn open(&self) -> Result<(OwnedFd, u64), Errno> {
        let hidden = open_dir(open_top(&self.top)?, HIDDEN)?;
        let snapshot = open_dir(hidden, self.name.as_str())?;
        let info = sys::btrfs::info(snapshot.as_fd())?;
        let is_same = SnapshotId::of(snapshot.as_fd())? == self.id && info.is_read_only;
        is_same.then_some((snapshot, info.id)).ok_or(Errno::STALE)
    }
}

/// Why two snapshots cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The older one is gone, or is not what it was.
    #[error("the snapshot that was kept is not there, or not what it was")]
    Gone(#[source] io::Error),
    /// They are of different subvolumes.
    #[error("the snapshot that was kept is one of another subvolume")]
    OtherSubvolume,
    /// The kernel does not do it.
    #[error("the kernel does not compare the snapshots")]
    Refused(#[source] io::Error),
    /// What the kernel tells is not understood.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Two snapshots of one subvolume.
#[derive(Debug)]
pub struct Pair<'a> {
    old: OwnedFd,
    old_id: u64,
    uuids: stream::Pair,
    new: &'a Snapshot,
}

/// What a snapshot has under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Under {
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The inode number, if it is a file with more than one name.
    pub linked: Option<u64>,
}

impl<'a> Pair<'a> {
    /// Opens a kept snapshot to compare it with a new one.
    ///
    /// # Errors
    /// [`CompareError`]: they cannot be compared.
    pub fn open(kept: &Kept, new: &'a Snapshot) -> Result<Self, CompareError> {
        let (old, old_id) = kept.open().map_err(|e| CompareError::Gone(e.into()))?;
        let [ours, theirs] = [new.id(), kept.id];
        if ours.uuid == [0; 16] || ours.of != theirs.of {
            return Err(CompareError::OtherSubvolume);
        }
        Ok(Self {
            old,
            old_id,
            uuids: stream::Pair {
                old: theirs.uuid,
                new: ours.uuid,
            },
            new,
        })
    }

    /// Tells of everything that differs until `each` has had enough, and returns whether that was all. Paths are those of
    /// some moment while the older one is made into the newer: they lead to what is meant, in either, unless
    /// something on the way was [moved](Difference::Moved) itself.
    ///
    /// # Errors
    /// [`CompareError`]: what was told may not be all.
    pub fn differences(
        &self,
        each: &mut dyn FnMut(Difference<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, CompareError> {
        let refused = CompareError::Refused;
        let (reader, writer) = io::pipe().map_err(refused)?;
        std::thread::scope(|scope| {
            let sender = std::thread::Builder::new().name("dozo-differences".to_owned());
            let send = move || sys::btrfs::send(self.new.fd(), self.old_id, writer.as_fd());
            let sender = sender.spawn_scoped(scope, send).map_err(refused)?;
            let mut input = BufReader::with_capacity(1 << 16, File::from(OwnedFd::from(reader)));
            let read = stream::read(&mut input, self.uuids, each);
            // The kernel stops writing what nobody reads. The signal for that is ignored in every Rust program.
            drop(input);
            match (sender.join(), read) {
                (Ok(Ok(())), Ok(ControlFlow::Continue(()))) => Ok(ControlFlow::Continue(())),
                (_, Ok(ControlFlow::Break(()))) => Ok(ControlFlow::Break(())),
                (Ok(Err(errno)), _) if errno != Errno::PIPE => {
                    Err(CompareError::Refused(errno.into()))
                }
                (_, Err(error)) => Err(error.into()),
                (_, Ok(_)) => Err(CompareError::Refused(Errno::PIPE.into())),
            }
        })
    }

    /// Returns what the older one has under a path.
    ///
    /// # Errors
    /// As the system says.
    pub fn in_old(&self, path: &[u8]) -> io::Result<Option<Under>> {
        under(self.old.as_fd(), path)
    }

    /// Returns what the newer one has under a path.
    ///
    /// # Errors
    /// As the system says.
    pub fn in_new(&self, path: &[u8]) -> io::Result<Option<Under>> {
        under(self.new.fd(), path)
    }
}

fn under(top: BorrowedFd<'_>, path: &[u8]) -> io::Result<Option<Under>> {
    let found = openat2(
        top,
        Path::new(std::os::unix::ffi::OsStrExt::from_bytes(path) as &std::ffi::OsStr),
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
    );
    let found = match found {
        Ok(found) => stat::of(found.as_fd())?,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let kind = stat::kind(&found);
    let is_linked = kind == FileType::RegularFile && found.stx_nlink > 1;
    Ok(Some(Under {
        is_dir: kind == FileType::Directory,
        linked: is_linked.then_some(found.stx_ino),
    }))
}
