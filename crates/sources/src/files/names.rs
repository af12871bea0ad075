//! The names of one directory, sorted, in little memory.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use format::entry::{BadKey, FileKey};
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::dir::Dir;
use super::path;
use crate::problem::{Op, Problem, Reason};

/// One read from a directory takes this much: some thousand names.
const READ_BYTES: usize = 64 << 10;

/// What is kept of a name beside its bytes: 16 bytes, so a million names are 16 MB and their text.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    len: u16,
    kind: FileType,
    inode: u64,
}

/// Names ascending by bytes, each once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The names, each with a zero after it.
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Names {
    /// Returns the list of one name.
    pub(super) fn one(name: &CStr) -> Self {
        let mut names = Self::default();
        names
            .push(name, FileType::Unknown, 0)
            .expect("one name fits");
        names
    }

    /// Returns the list of these names, which ascend. What they are the directory was not asked.
    ///
    /// # Errors
    /// They are too many, or one is too long for any directory.
    pub(super) fn of<'a>(given: impl Iterator<Item = &'a CStr>) -> Result<Self, Reason> {
        let mut names = Self::default();
        for name in given {
            names.push(name, FileType::Unknown, 0)?;
        }
        Ok(names)
    }

    /// Reads the names in an open directory, and returns them with the reason why they may not be all.
    pub(crate) fn read(dir: BorrowedFd<'_>) -> (Self, Result<(), Reason>) {
        let mut names = Self::default();
        let mut buffer = vec![MaybeUninit::uninit(); READ_BYTES];
        let end = names.fill(RawDir::new(dir, &mut buffer));
        names.sort();
        (names, end)
    }

    fn fill(&mut self, mut dir: RawDir<'_, BorrowedFd<'_>>) -> Result<(), Reason> {
        while let Some(entry) = dir.next() {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => self.push(entry.file_name(), entry.file_type(), entry.ino())?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &CStr, kind: FileType, inode: u64) -> Result<(), Reason> {
        let start = u32::try_from(self.bytes.len()).map_err(|_| Reason::TooLarge)?;
        let len = u16::try_from(name.count_bytes()).map_err(|_| Reason::TooLarge)?;
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.slots.push(Slot {
            start,
            len,
            kind,
            inode,
        });
        Ok(())
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let name = |slot: &Slot| &bytes[slot.start as usize..][..usize::from(slot.len)];
        self.slots.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        // A name renamed away and back while it is listed can come twice.
        self.slots.dedup_by(|a, b| name(a) == name(b));
        self.slots.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns name `i`, which has to be below [`Self::len`].
    pub(crate) fn get(&self, i: usize) -> &CStr {
        let slot = self.slots[i];
        let bytes = &self.bytes[slot.start as usize..][..usize::from(slot.len) + 1];
        CStr::from_bytes_with_nul(bytes).expect("stored with its zero")
    }

    /// Returns what the directory says name `i` is; many file systems do not.
    pub(super) fn kind(&self, i: usize) -> FileType {
        self.slots[i].kind
    }

    /// Returns the inode number that the directory says name `i` has.
    pub(super) fn inode(&self, i: usize) -> u64 {
        self.slots[i].inode
    }

    /// Returns where `name` is.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let text = |slot: &Slot| &self.bytes[slot.start as usize..][..usize::from(slot.len)];
        self.slots
            .binary_search_by(|slot| text(slot).cmp(name))
            .ok()
    }

    /// Keeps the names for which `keep` says so, given each one's name and kind.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], FileType) -> bool) {
        let bytes = &self.bytes;
        self.slots.retain(|slot| {
            keep(
                &bytes[slot.start as usize..][..usize::from(slot.len)],
                slot.kind,
            )
        });
    }
}

/// A directory and the names found in it: shared by everything that came out of it.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) dir: Arc<Dir>,
    pub(super) names: Names,
    /// What all keys of the directory's entries start with.
    prefix: Vec<u8>,
    /// The one name is the root of the tree itself, not something in it.
    root: bool,
}

impl Listing {
    pub(super) fn new(dir: Arc<Dir>, names: Names) -> Self {
        let prefix = path::directory_key(&dir.components())
            .map_or_else(|_| Vec::new(), |key| key.dir_prefix());
        Self {
            dir,
            names,
            prefix,
            root: false,
        }
    }

    /// Returns the listing of the root alone: `name` in `dir`, which is `.` for a directory itself.
    pub(super) fn root(dir: Arc<Dir>, name: &CStr) -> Self {
        Self {
            dir,
            names: Names::one(name),
            prefix: Vec::new(),
            root: true,
        }
    }

    /// Returns an entry's key, or why it has none.
    pub(super) fn checked_key(&self, i: usize) -> Result<FileKey, BadKey> {
        let name = self.names.get(i).to_bytes();
        if self.root {
            return Ok(FileKey::root());
        }
        let mut prefix = Vec::with_capacity(self.prefix.len() + name.len());
        prefix.extend_from_slice(&self.prefix);
        FileKey::in_dir(prefix, name)
    }

    /// Returns an entry's key, which is too long if the entry has none.
    pub(super) fn key(&self, i: usize) -> FileKey {
        self.checked_key(i).unwrap_or_else(|_| {
            FileKey([self.prefix.as_slice(), self.names.get(i).to_bytes()].concat())
        })
    }

    pub(super) fn path(&self, i: usize) -> Vec<u8> {
        if self.root {
            return Vec::new();
        }
        let mut components = self.dir.components();
        components.push(self.names.get(i).to_bytes());
        components.join(&b'/')
    }

    pub(super) fn problem(&self, i: usize, op: Op, reason: Reason) -> Problem {
        Problem {
            key: self.key(i),
            path: self.path(i),
            op,
            reason,
        }
    }
}
