//! Opens what a walk found.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use base::limits;
use format::entry::{FileEntry, FileKey};
use rustix::fs::{Advice, FileType, OFlags, SeekFrom, Statx, fadvise, readlinkat, seek};
use rustix::io::Errno;

use super::dir::open_quietly;
use super::names::Listing;
use super::read::OpenFile;
use super::stat::{self, Stamp};
use super::walk::Shared;
use super::xattr;
use crate::problem::{Op, Problem, Reason};
use crate::sys;

/// No file system has smaller holes; files up to this may be kept inside an inode and take no sectors.
const SPARSE_BYTES_MIN: u64 = 4096;

/// A way to one entry a walk found. Holds no descriptor; its directory is opened again when it was closed
/// in the meantime. Cheap to keep, but keeps its directory's names in memory.
///
/// Attributes and link targets are read on request: an entry whose ctime is what it was has the same ones.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    listing: Arc<Listing>,
    index: u32,
    seen: Stamp,
    /// It takes less space than it has bytes: it has holes, or its file system compresses.
    looks_sparse: bool,
}

/// A file that was opened before its turn, so that its content is on its way meanwhile. Holds a descriptor.
#[derive(Debug)]
pub struct Ahead(OwnedFd);

/// A file read whole.
#[derive(Debug)]
pub struct SmallRead {
    /// The entry as it was when the content was read, extended attributes included. Its size is the number
    /// of bytes read.
    pub entry: FileEntry,
    /// It changed at every attempt: the content may be a mixture. Already among the problems.
    pub changed: bool,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", crate::problem::shown(&self.path()))
    }
}

impl Handle {
    pub(super) fn new(
        shared: Arc<Shared>,
        listing: Arc<Listing>,
        index: usize,
        stat: &Statx,
    ) -> Self {
        Self {
            shared,
            listing,
            index: u32::try_from(index).expect("names are counted in 32 bits"),
            seen: Stamp::from(stat),
            // A file without holes takes at least as many sectors of 512 bytes as it has bytes.
            looks_sparse: stat.stx_size > SPARSE_BYTES_MIN && stat.stx_blocks * 512 < stat.stx_size,
        }
    }

    /// Returns the entry's key.
    pub fn key(&self) -> FileKey {
        self.listing.key(self.index as usize)
    }

    /// Returns the entry's path below the root, components joined by `/`.
    pub fn path(&self) -> Vec<u8> {
        self.listing.path(self.index as usize)
    }

    fn name(&self) -> &CStr {
        self.listing.names.get(self.index as usize)
    }

    /// Returns a problem with this entry.
    pub fn problem(&self, op: Op, reason: Reason) -> Problem {
        self.listing.problem(self.index as usize, op, reason)
    }

    /// Reads all extended attributes, sorted by name, whatever kind of entry it is. What cannot be read is
    /// missing, and added to `problems`.
    pub fn xattrs(&self, problems: &mut Vec<Problem>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        let read =
            self.listing.dir.fd().and_then(|dir| {
                xattr::read(&xattr::Place::at(dir.as_fd(), self.name()), &mut found)
            });
        if let Err(reason) = read {
            problems.push(self.problem(Op::ReadXattrs, reason));
        }
        found
    }

    /// Says whether it is a regular file without content, as far as its file system is to be believed: some that programs
    /// make up have content in files of no size.
    pub fn is_empty(&self) -> bool {
        self.seen.size == 0
            && self
                .shared
                .believes_sizes(&self.listing.dir, self.seen.identity.device)
    }

    /// Reads a symbolic link's target.
    ///
    /// # Errors
    /// [`Reason::Replaced`] if it is no link any more; others as the system says.
    pub fn link_target(&self) -> Result<Vec<u8>, Problem> {
        let target = self.listing.dir.fd().and_then(|dir| {
            readlinkat(dir.as_fd(), self.name(), Vec::new()).map_err(|errno| match errno {
                Errno::INVAL => Reason::Replaced,
                other => other.into(),
            })
        });
        match target {
            Ok(target) if target.as_bytes().len() > limits::SYMLINK_BYTES_MAX => {
                Err(self.problem(Op::ReadLink, Reason::TooLarge))
            }
            Ok(target) => Ok(target.into_bytes()),
            Err(reason) => Err(self.problem(Op::ReadLink, reason)),
        }
    }

    /// Opens a regular file for reading in pieces. Never blocks on a pipe that took its place.
    ///
    /// # Errors
    /// [`Reason::Vanished`], [`Reason::Denied`], [`Reason::Replaced`] by something that is no regular file; others
    /// as the system says.
    pub fn open(&self) -> Result<OpenFile, Problem> {
        let (fd, stat) = self
            .open_regular()
            .map_err(|reason| self.problem(Op::Open, reason))?;
        Ok(OpenFile::new(self.clone(), fd, &stat))
    }

    fn open_regular(&self) -> Result<(OwnedFd, Statx), Reason> {
        let fd = self.open_any()?;
        let stat = stat::of(fd.as_fd())?;
        match stat::kind(&stat) {
            FileType::RegularFile => Ok((fd, stat)),
            _ => Err(Reason::Replaced),
        }
    }

    fn open_any(&self) -> Result<OwnedFd, Reason> {
        let dir = self.listing.dir.fd()?;
        open_quietly(dir.as_fd(), self.name(), OFlags::NONBLOCK).map_err(|errno| match errno {
            // A link, a socket or a device without a driver stands there now.
            Errno::LOOP | Errno::NXIO | Errno::NODEV => Reason::Replaced,
            other => other.into(),
        })
    }

    /// Opens a small regular file and asks the system for its content, without waiting for it: a disk answers what is asked
    /// together in a third of the time. `None` if that is not possible; reading it will say why.
    pub fn ahead(&self) -> Option<Ahead> {
        let fd = self.open_any().ok()?;
        let _advice_only = fadvise(&fd, 0, None, Advice::WillNeed);
        Some(Ahead(fd))
    }

    /// Reads a regular file of at most `limit` bytes whole, appending it to `into`: one open, unless it was opened `ahead`,
    /// and one read. A file that changes meanwhile is read again; if it still does, what was read last is used, with a
    /// problem.
    ///
    /// Returns `None`, and `into` as it was, if the file has grown beyond `limit`, or has holes: read it in pieces
    /// then.
    ///
    /// # Errors
    /// As [`Self::open`], and whatever reading brings; `into` is as it was.
    pub fn read_small(
        &self,
        limit: usize,
        mut ahead: Option<Ahead>,
        into: &mut Vec<u8>,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<SmallRead>, Problem> {
        let start = into.len();
        let mut before = self.seen;
        for attempt in 1..=limits::READ_ATTEMPTS {
            into.truncate(start);
            if before.size > limit as u64 {
                return Ok(None);
            }
            let fd = match ahead.take() {
                Some(Ahead(fd)) => Ok(fd),
                None => self.open_any(),
            };
            let fd = fd.map_err(|reason| self.problem(Op::Open, reason))?;
            if self.looks_sparse && has_hole(fd.as_fd(), before.size) {
                return Ok(None);
            }
            let read = read_whole(fd.as_fd(), before.size, limit, into)
                .and_then(|()| Ok(stat::of(fd.as_fd())?));
            let stat = read.map_err(|reason| {
                into.truncate(start);
                self.problem(Op::Read, reason)
            })?;
            if stat::kind(&stat) != FileType::RegularFile {
                into.truncate(start);
                return Err(self.problem(Op::Open, Reason::Replaced));
            }
            let len = (into.len() - start) as u64;
            let changed = Stamp::from(&stat) != before || len != before.size;
            if changed && attempt < limits::READ_ATTEMPTS {
                before = Stamp::from(&stat);
                continue;
            }
            if changed {
                if len > limit as u64 {
                    into.truncate(start);
                    return Ok(None);
                }
                problems.push(self.problem(Op::Read, Reason::Changed));
            }
            let mut entry = self.entry(fd.as_fd(), &stat, problems);
            entry.size = len;
            return Ok(Some(SmallRead { entry, changed }));
        }
        unreachable!("the last attempt returns")
    }

    /// Returns the entry of an opened file with its attributes.
    pub(super) fn entry(
        &self,
        fd: BorrowedFd<'_>,
        stat: &Statx,
        problems: &mut Vec<Problem>,
    ) -> FileEntry {
        let mut entry = self
            .shared
            .entry(stat)
            .expect("a regular file has a place in a tree");
        if let Err(reason) = xattr::read(&xattr::Place::Open(fd), &mut entry.xattrs) {
            problems.push(self.problem(Op::ReadXattrs, reason));
        }
        entry
    }
}

/// Says whether a hole begins before `size`. A file system that compresses, or keeps small files elsewhere, has
/// none, however little space a file takes there.
fn has_hole(fd: BorrowedFd<'_>, size: u64) -> bool {
    // Where nobody tells, all is data. What is no regular file any more is noticed when it is read.
    seek(fd, SeekFrom::Hole(0)).is_ok_and(|start| start < size)
}

/// Reads to the end of the file, or to one byte past `limit`. `expected` bytes take one call.
fn read_whole(
    fd: BorrowedFd<'_>,
    expected: u64,
    limit: usize,
    into: &mut Vec<u8>,
) -> Result<(), Reason> {
    let start = into.len();
    let expected = usize::try_from(expected).unwrap_or(limit).min(limit);
    // One more than expected, so that a file that has grown shows.
    let mut ask = expected + 1;
    loop {
        let done = into.len() - start;
        let room = limit + 1 - done;
        if room == 0 {
            return Ok(());
        }
        match sys::read_at(fd, done as u64, ask.min(room), into) {
            // Nothing more; and a regular file gives less than asked for only at its end.
            Ok(0) => return Ok(()),
            Ok(_) if into.len() - start == expected => return Ok(()),
            Ok(_) => ask = READ_MORE_BYTES,
            Err(Errno::INTR) => {}
            // A pipe or the like took its place: the caller finds out.
            Err(Errno::AGAIN | Errno::SPIPE | Errno::ISDIR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A file that turns out longer than expected is read on in steps of this.
const READ_MORE_BYTES: usize = 64 << 10;
