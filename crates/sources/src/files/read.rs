//! Reads a large file in pieces, leaving its holes alone.

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use base::limits;
use format::entry::FileEntry;
use rustix::fs::{Advice, SeekFrom, Statx, fadvise, seek};
use rustix::io::Errno;

use super::handle::Handle;
use super::stat::{self, Stamp};
use crate::problem::{Op, Problem, Reason};
use crate::sys;

/// A piece of a file, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// So many zero bytes that take no space.
    Hole(u64),
    /// So many bytes, appended to the caller's buffer.
    Data(usize),
}

/// A regular file opened for reading.
///
/// Reads as many bytes as it had when it was opened: what is appended meanwhile belongs to the next run.
#[derive(Debug)]
pub struct OpenFile {
    handle: Handle,
    fd: OwnedFd,
    /// As it was when it was opened.
    opened: Statx,
    position: u64,
    /// Up to here it is known to be data.
    data_end: u64,
    /// Up to here the system was asked to read ahead.
    asked_end: u64,
}

impl OpenFile {
    pub(super) fn new(handle: Handle, fd: OwnedFd, stat: &Statx) -> Self {
        // Doubles what the kernel reads ahead. Pages are not dropped afterwards: they may be somebody's cache.
        let _advice_only = fadvise(&fd, 0, None, Advice::Sequential);
        Self {
            handle,
            fd,
            opened: *stat,
            position: 0,
            data_end: 0,
            asked_end: 0,
        }
    }

    /// Returns its size when it was opened.
    pub fn size(&self) -> u64 {
        self.opened.stx_size
    }

    /// Reads on: a hole whole, or at most `limit` bytes of data, appended to `into`. `None` at the end. A `limit`
    /// of nothing is a `limit` of one byte.
    ///
    /// # Errors
    /// The system could not read; a second attempt may work or not. `into` is as it was.
    pub fn next(&mut self, into: &mut Vec<u8>, limit: usize) -> Result<Option<Segment>, Problem> {
        if self.position >= self.size() {
            return Ok(None);
        }
        if self.position >= self.data_end {
            let hole = self.find_data().map_err(|errno| self.problem(errno))?;
            if hole > 0 {
                self.position += hole;
                return Ok(Some(Segment::Hole(hole)));
            }
        }
        let left = usize::try_from(self.data_end - self.position).unwrap_or(usize::MAX);
        let limit = left.min(limit.max(1));
        self.ask_ahead(limit as u64);
        let len = self
            .read(into, limit)
            .map_err(|errno| self.problem(errno))?;
        self.position += len as u64;
        Ok((len > 0).then_some(Segment::Data(len)))
    }

    /// Finds out where data begins and ends from here on, and returns how far away it begins.
    fn find_data(&mut self) -> Result<u64, Errno> {
        let size = self.size();
        let start = match seek(&self.fd, SeekFrom::Data(self.position)) {
            Ok(start) => start.clamp(self.position, size),
            // No data up to the end, which may have come nearer.
            Err(Errno::NXIO) => stat::of(self.fd.as_fd())?
                .stx_size
                .clamp(self.position, size),
            // The file system does not tell: all is data.
            Err(Errno::INVAL | Errno::NOTSUP | Errno::SPIPE) => {
                self.data_end = size;
                return Ok(0);
            }
            Err(errno) => return Err(errno),
        };
        self.data_end = match seek(&self.fd, SeekFrom::Hole(start)) {
            Ok(end) => end.clamp(start, size),
            // Cut off meanwhile: reading finds its end.
            Err(Errno::NXIO) => size,
            Err(errno) => return Err(errno),
        };
        Ok(start - self.position)
    }

    /// Asks for what comes after the next `len` bytes, so that the disk works while they are dealt with.
    fn ask_ahead(&mut self, len: u64) {
        let wanted = (self.position + len + limits::SOURCE_AHEAD_BYTES).min(self.data_end);
        let start = self.asked_end.max(self.position);
        let len = wanted.saturating_sub(start);
        // Not for every few bytes: the kernel looks at each page.
        if len >= limits::SOURCE_AHEAD_BYTES / 2 || (len > 0 && wanted == self.data_end) {
            let _advice_only = fadvise(&self.fd, start, NonZeroU64::new(len), Advice::WillNeed);
            self.asked_end = wanted;
        }
    }

    /// Reads `len` bytes or up to the end, and returns how many there were.
    fn read(&self, into: &mut Vec<u8>, len: usize) -> Result<usize, Errno> {
        let start = into.len();
        into.reserve(len);
        while into.len() - start < len {
            let done = into.len() - start;
            let offset = self.position + done as u64;
            match sys::read_at(self.fd.as_fd(), offset, len - done, into) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    into.truncate(start);
                    return Err(errno);
                }
            }
        }
        Ok(into.len() - start)
    }

    fn stat(&self) -> Result<Statx, Problem> {
        stat::of(self.fd.as_fd()).map_err(|errno| self.handle.problem(Op::Stat, errno.into()))
    }

    fn problem(&self, errno: Errno) -> Problem {
        self.handle.problem(Op::Read, errno.into())
    }

    /// Returns the entry with its attributes, and whether the file stood still since it was opened. The entry's
    /// size is how far the file was read.
    ///
    /// # Errors
    /// The file cannot be looked at any more.
    pub fn finish(&self, problems: &mut Vec<Problem>) -> Result<(FileEntry, bool), Problem> {
        let now = self.stat()?;
        let still = Stamp::from(&now) == Stamp::from(&self.opened) && self.position == now.stx_size;
        let mut entry = self.handle.entry(self.fd.as_fd(), &now, problems);
        entry.size = self.position;
        Ok((entry, still))
    }

    /// Returns the problem to record for a file that never stood still.
    pub fn changed(&self) -> Problem {
        self.handle.problem(Op::Read, Reason::Changed)
    }
}
