//! Files with several names: which were met, and where they stand.
//!
//! A snapshot tree of a million files may bring all first names before the first second one. So memory holds
//! some 70 bytes a file (twice that while its table grows), and the rest, where it was restored to, lies in a file without
//! a name in the target. A file is forgotten when all its names were met.

use std::collections::HashMap;
use std::ffi::CString;
use std::hash::{Hash, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use format::entry::{FileEntry, NEVER_THE_SAME};
use format::seal::Sealer;
use rustix::io::{Errno, pwrite};

use crate::files::stat::Identity;
use crate::problem::Reason;
use crate::sys;

/// A file with several names that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Key prefix of its directory.
    pub(super) dir: Vec<u8>,
    pub(super) name: CString,
    pub(super) identity: Identity,
}

/// What is remembered of files with several names.
#[derive(Default)]
pub(super) struct Links {
    /// By inode: rarely more than one, if it was used again for another file while the source was walked.
    met: HashMap<Inode, Slot>,
    /// [`Written`] of each, one after the other.
    spilled: Option<OwnedFd>,
    end: u64,
}

/// Device and inode at the source.
type Inode = (u64, u64);

/// One file of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileId {
    inode: Inode,
    changed_ns: i64,
    /// A hash.
    content: [u8; 8],
}

struct Slot {
    id: FileId,
    /// Where in the file it is told where it stands.
    at: Option<u64>,
    /// Names met.
    names: u32,
    /// Another file that had the inode.
    other: Option<Box<Slot>>,
}

/// Collects what is hashed.
#[derive(Default)]
struct Hashed(Vec<u8>);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are hashed as a whole")
    }
}

impl FileId {
    pub(super) fn of(entry: &FileEntry) -> Self {
        let mut bytes = Hashed::default();
        entry.node.hash(&mut bytes);
        let hash = Sealer::hash(&bytes.0);
        Self {
            inode: (entry.device, entry.inode),
            changed_ns: entry.ctime_ns,
            content: *hash.0.first_chunk().expect("a hash has 32 bytes"),
        }
    }

    /// Says whether two entries with one inode are names of one file. The same bytes may stand in the store as different
    /// pieces, so content alone does not tell; and a name that was added while the source was walked changed the time.
    fn is(&self, other: &Self) -> bool {
        let unchanged = self.changed_ns == other.changed_ns && self.changed_ns != NEVER_THE_SAME;
        self.inode == other.inode && (unchanged || self.content == other.content)
    }
}

/// Bytes before the directory and the name: device, inode, and their lengths.
const HEAD: usize = 8 + 8 + 4 + 4;

impl Links {
    /// Notes a name of the file `entry`. Returns whether another was met before.
    pub(super) fn meet(&mut self, entry: &FileEntry) -> bool {
        let id = FileId::of(entry);
        if self.slot(&id).is_some() {
            return true;
        }
        let other = self.met.remove(&id.inode).map(Box::new);
        let slot = Slot {
            id,
            at: None,
            names: 1,
            other,
        };
        self.met.insert(id.inode, slot);
        false
    }

    fn slot(&mut self, id: &FileId) -> Option<&mut Slot> {
        let mut slot = self.met.get_mut(&id.inode)?;
        while !slot.id.is(id) {
            slot = slot.other.as_deref_mut()?;
        }
        Some(slot)
    }

    /// Remembers where the file `id` stands, if there are names of it to come. `spill` makes a file without a
    /// name.
    pub(super) fn remember(
        &mut self,
        id: FileId,
        written: &Written,
        spill: impl FnOnce() -> Result<OwnedFd, Reason>,
    ) -> Result<(), Reason> {
        if self.slot(&id).is_none() {
            return Ok(());
        }
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(spill()?),
        };
        let name = written.name.to_bytes();
        let mut record = Vec::with_capacity(HEAD + written.dir.len() + name.len());
        record.extend(written.identity.device.to_le_bytes());
        record.extend(written.identity.inode.to_le_bytes());
        for part in [&written.dir[..], name] {
            let len = u32::try_from(part.len()).map_err(|_| Errno::NAMETOOLONG)?;
            record.extend(len.to_le_bytes());
        }
        record.extend_from_slice(&written.dir);
        record.extend_from_slice(name);
        write_all(file.as_fd(), self.end, &record)?;
        let at = self.end;
        self.end += record.len() as u64;
        if let Some(slot) = self.slot(&id) {
            slot.at = Some(at);
        }
        Ok(())
    }

    /// Returns where the file `entry` stands, of which one more name is being made; `None` if it was not
    /// restored. With its last name it is forgotten.
    pub(super) fn next(&mut self, entry: &FileEntry) -> Result<Option<Written>, Errno> {
        let id = FileId::of(entry);
        let Some(slot) = self.slot(&id) else {
            return Ok(None);
        };
        slot.names += 1;
        let (at, is_last) = (slot.at, slot.names >= entry.links);
        if is_last {
            self.forget(&id);
        }
        match (at, &self.spilled) {
            (Some(at), Some(file)) => read(file.as_fd(), at).map(Some),
            _ => Ok(None),
        }
    }

    fn forget(&mut self, id: &FileId) {
        let Some(first) = self.met.remove(&id.inode) else {
            return;
        };
        let mut rest = Some(Box::new(first));
        let mut kept: Option<Slot> = None;
        while let Some(mut slot) = rest {
            rest = slot.other.take();
            if !slot.id.is(id) {
                slot.other = kept.take().map(Box::new);
                kept = Some(*slot);
            }
        }
        if let Some(kept) = kept {
            self.met.insert(id.inode, kept);
        }
    }
}

fn write_all(file: BorrowedFd<'_>, mut at: u64, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwrite(file, bytes, at) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(len) => {
                at += len as u64;
                bytes = &bytes[len..];
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn read(file: BorrowedFd<'_>, at: u64) -> Result<Written, Errno> {
    let head = read_exact(file, at, HEAD)?;
    let (device, rest) = head.split_first_chunk().ok_or(Errno::IO)?;
    let (inode, rest) = rest.split_first_chunk().ok_or(Errno::IO)?;
    let (dir_len, rest) = rest.split_first_chunk().ok_or(Errno::IO)?;
    let name_len = rest.first_chunk().ok_or(Errno::IO)?;
    let dir_len = u32::from_le_bytes(*dir_len) as usize;
    let name_len = u32::from_le_bytes(*name_len) as usize;
    let mut dir = read_exact(file, at + HEAD as u64, dir_len + name_len)?;
    let name = CString::new(dir.split_off(dir_len)).map_err(|_| Errno::IO)?;
    let identity = Identity {
        device: u64::from_le_bytes(*device),
        inode: u64::from_le_bytes(*inode),
    };
    Ok(Written {
        dir,
        name,
        identity,
    })
}

fn read_exact(file: BorrowedFd<'_>, at: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match sys::read_at(file, at + bytes.len() as u64, len - bytes.len(), &mut bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use format::entry::{Content, Node};

    use super::*;

    fn entry(inode: u64, content: &[u8]) -> FileEntry {
        FileEntry {
            node: Node::File(Content::Inline(content.to_vec())),
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime_ns: 0,
            ctime_ns: 0,
            inode,
            device: 1,
            links: 2,
            size: 0,
            xattrs: Vec::new(),
        }
    }

    fn written(name: &str) -> Written {
        Written {
            dir: format!("dir of {name}").into_bytes(),
            name: CString::new(name).expect("no zero"),
            identity: Identity {
                device: 1 << 40,
                inode: name.len() as u64,
            },
        }
    }

    fn remember(links: &mut Links, entry: &FileEntry, name: &str) {
        let spill = || Ok(tempfile::tempfile().expect("there is space").into());
        links
            .remember(FileId::of(entry), &written(name), spill)
            .expect("there is space");
    }

    #[test]
    fn a_file_is_forgotten_with_its_last_name() {
        let mut links = Links::default();
        let all: Vec<_> = (0..100)
            .map(|i| (entry(i, b"x"), "n".repeat(i as usize + 1)))
            .collect();
        for (entry, name) in &all {
            assert!(!links.meet(entry));
            remember(&mut links, entry, name);
        }
        for (entry, name) in all.iter().rev() {
            assert!(links.meet(entry));
            assert_eq!(links.next(entry), Ok(Some(written(name))));
            assert_eq!(links.next(entry), Ok(None));
        }
        assert!(links.met.is_empty());
        // What is made after that is not remembered: nobody will ask.
        remember(&mut links, &all[0].0, "late");
        assert!(links.met.is_empty());
    }

    #[test]
    fn an_inode_that_was_used_again_is_another_file() {
        let mut links = Links::default();
        let (first, second) = (entry(1, b"first"), entry(1, b"second"));
        let second = FileEntry {
            ctime_ns: 1,
            ..second
        };
        for (entry, name) in [(&first, "one"), (&second, "two")] {
            assert!(!links.meet(entry));
            remember(&mut links, entry, name);
        }
        assert_eq!(links.next(&first), Ok(Some(written("one"))));
        assert_eq!(links.next(&second), Ok(Some(written("two"))));
        assert!(links.met.is_empty());
    }

    #[test]
    fn names_of_a_file_are_known_by_its_change_time_or_by_its_content() {
        let first = entry(1, b"as these pieces");
        let elsewhere = FileEntry {
            node: entry(1, b"as other pieces").node,
            ..first.clone()
        };
        let later = FileEntry {
            ctime_ns: 5,
            ..first.clone()
        };
        let doubted = |entry: &FileEntry| FileEntry {
            ctime_ns: NEVER_THE_SAME,
            ..entry.clone()
        };
        let is = |a: &FileEntry, b: &FileEntry| FileId::of(a).is(&FileId::of(b));
        assert!(is(&first, &elsewhere) && is(&first, &later));
        assert!(is(&doubted(&first), &doubted(&first)));
        assert!(!is(&doubted(&first), &doubted(&elsewhere)));
        assert!(!is(&elsewhere, &later));
        assert!(!is(&first, &entry(2, b"as these pieces")));
    }

    #[test]
    fn a_file_that_is_written_a_second_time_is_linked_to_from_then_on() {
        let mut links = Links::default();
        let entry = FileEntry {
            links: 4,
            ..entry(1, b"x")
        };
        links.meet(&entry);
        remember(&mut links, &entry, "first");
        assert_eq!(links.next(&entry), Ok(Some(written("first"))));
        remember(&mut links, &entry, "second");
        assert_eq!(links.next(&entry), Ok(Some(written("second"))));
    }
}
