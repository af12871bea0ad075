//! Files with several names: under which one they stand in the archive.
//!
//! A million of them may come before the first second name, so their names lie in a file without a name in the directory
//! for temporary files; memory holds some 80 bytes a file, until its last name.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use api::view::{EntryKind, FullEntryView};

#[derive(Default)]
pub(super) struct Links {
    met: HashMap<FileId, Place>,
    /// There is none before the first is needed.
    names: Option<File>,
    end: u64,
}

/// One file of the source. An inode that was used again for another file while the source was read is told by its times.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
}

struct Place {
    at: u64,
    len: usize,
    /// Names that may still come.
    left: u32,
}

impl Links {
    /// Returns the name in the archive under which a file stands already, if it does.
    pub(super) fn first(&mut self, entry: &FullEntryView) -> io::Result<Option<Vec<u8>>> {
        let Some(id) = id(entry) else {
            return Ok(None);
        };
        let (Some(place), Some(names)) = (self.met.get_mut(&id), &self.names) else {
            return Ok(None);
        };
        let mut name = vec![0; place.len];
        names.read_exact_at(&mut name, place.at)?;
        place.left -= 1;
        if place.left == 0 {
            self.met.remove(&id);
        }
        Ok(Some(name))
    }

    /// Remembers under which name a file stands.
    pub(super) fn remember(&mut self, entry: &FullEntryView, name: &[u8]) -> io::Result<()> {
        let Some(id) = id(entry) else {
            return Ok(());
        };
        let names = match &mut self.names {
            Some(names) => names,
            none => none.insert(tempfile::tempfile()?),
        };
        names.write_all_at(name, self.end)?;
        let place = Place {
            at: self.end,
            len: name.len(),
            left: entry.links - 1,
        };
        self.end += name.len() as u64;
        self.met.insert(id, place);
        Ok(())
    }
}

/// Returns which file an entry with several names is.
fn id(entry: &FullEntryView) -> Option<FileId> {
    let several = entry.links > 1 && entry.kind != EntryKind::Directory;
    several.then_some(FileId {
        device: entry.device,
        inode: entry.inode,
        size: entry.size,
        modified_ns: entry.modified_ns,
        changed_ns: entry.changed_ns,
    })
}
