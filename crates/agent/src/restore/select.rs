//! Which entries of a tree a restore is about, in key order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use base::fault::Code;
use base::{ChunkId, Fault};
use format::entry::{FileEntry, FileKey, Node};
use format::replica::ChunkReader;
use format::tree::{Cursor, get};

/// The entries a restore is about.
pub(crate) struct Selection<'a> {
    reader: &'a dyn ChunkReader,
    root: ChunkId,
    /// Entries by themselves: what was named, and the directories on the way to it.
    single: BTreeSet<FileKey>,
    /// Everything below the directories that were named, by first key. They do not overlap.
    below: BTreeMap<Vec<u8>, Bound<Vec<u8>>>,
}

impl<'a> Selection<'a> {
    /// Selects `paths` and all below them; the whole tree if there are none.
    ///
    /// # Errors
    /// `RestorePathUnknown` for the first path that is not in the tree; the tree cannot be read.
    pub(crate) fn new(
        reader: &'a dyn ChunkReader,
        root: ChunkId,
        paths: &[FileKey],
    ) -> Result<Self, Fault> {
        let mut selection = Self {
            reader,
            root,
            single: BTreeSet::new(),
            below: BTreeMap::new(),
        };
        let whole = [FileKey::root()];
        for key in if paths.is_empty() { &whole } else { paths } {
            selection.add(key)?;
        }
        selection.merge();
        Ok(selection)
    }

    fn add(&mut self, key: &FileKey) -> Result<(), Fault> {
        let Some(entry) = get::<FileEntry>(self.reader, &self.root, &key.0)? else {
            let path = key.to_path().unwrap_or_default();
            return Err(Fault::new(Code::RestorePathUnknown)
                .with("path", String::from_utf8_lossy(&path))
                .with("point", self.root));
        };
        if entry.node == Node::Directory {
            let (start, end) = key.subtree_range();
            if let Bound::Included(start) = start {
                self.below.insert(start, end);
            }
        }
        let mut next = Some(key.clone());
        while let Some(key) = next {
            next = key.parent();
            self.single.insert(key);
        }
        Ok(())
    }

    /// Drops what lies in a range that is there anyway.
    fn merge(&mut self) {
        let mut kept: BTreeMap<Vec<u8>, Bound<Vec<u8>>> = BTreeMap::new();
        for (start, end) in std::mem::take(&mut self.below) {
            let inside = kept
                .last_key_value()
                .is_some_and(|(_, last)| before(&start, last));
            if !inside {
                kept.insert(start, end);
            }
        }
        self.single.retain(|key| {
            kept.range(..=key.0.clone())
                .next_back()
                .is_none_or(|(_, end)| !before(&key.0, end))
        });
        self.below = kept;
    }

    /// Calls `take` with each entry in key order until it fails.
    ///
    /// # Errors
    /// The tree cannot be read; what `take` returned.
    pub(crate) fn each<E: From<Fault>>(
        &self,
        take: &mut dyn FnMut(FileKey, FileEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut single = self.single.iter().peekable();
        for (start, end) in &self.below {
            while let Some(key) = single.next_if(|key| key.0 < *start) {
                self.one(key, take)?;
            }
            let end = match end {
                Bound::Excluded(end) | Bound::Included(end) => Some(end.as_slice()),
                Bound::Unbounded => None,
            };
            let cursor = Cursor::<FileEntry>::range(self.reader, &self.root, start, end)
                .map_err(Fault::from)?;
            for item in cursor {
                let (key, entry) = item.map_err(Fault::from)?;
                take(FileKey(key), entry)?;
            }
        }
        single.try_for_each(|key| self.one(key, take))
    }

    fn one<E: From<Fault>>(
        &self,
        key: &FileKey,
        take: &mut dyn FnMut(FileKey, FileEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        match get::<FileEntry>(self.reader, &self.root, &key.0).map_err(Fault::from)? {
            Some(entry) => take(key.clone(), entry),
            None => Ok(()),
        }
    }
}

/// Says whether `key` lies before the end of a range.
fn before(key: &[u8], end: &Bound<Vec<u8>>) -> bool {
    match end {
        Bound::Excluded(end) => key < end.as_slice(),
        Bound::Included(end) => key <= end.as_slice(),
        Bound::Unbounded => true,
    }
}
