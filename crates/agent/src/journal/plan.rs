//! From what changed to what is looked at.

use std::collections::HashSet;
use std::io;

use base::{ChunkId, Fault, limits};
use format::entry::{FileEntry, FileKey};
use format::replica::ChunkReader;
use format::tree::Cursor;
use rustix::io::Errno;
use sources::changes::{FileAt, Root};
use sources::files::{Pick, Selection, WalkOptions};

use super::memory::{Changes, Named};
use super::{Basis, Why};

/// A run that is planned.
pub(super) struct Plan<'a> {
    pub(super) root: &'a Root,
    pub(super) walk: &'a WalkOptions,
    pub(super) earlier: Earlier<'a>,
}

/// The tree that the replica has.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'a> {
    pub(super) reader: &'a dyn ChunkReader,
    pub(super) tree: &'a ChunkId,
}

/// Whose other names have to be looked at, beside those of what is selected.
pub(super) enum Linked {
    /// Files with these inode numbers.
    Inodes(HashSet<u64>),
    /// Any file that has others.
    Any,
}

impl Plan<'_> {
    /// Returns what to look at, and with which entry the next run goes on looking for no reason.
    pub(super) fn select(
        &self,
        mut changes: Changes,
        basis: &Basis,
    ) -> Result<(Selection, FileKey), Why> {
        let mut selection = Selection::default();
        for path in self.root.unfollowed() {
            add_whole(&mut selection, &path)?;
        }
        add_unsettled(&mut selection, &basis.unsettled)?;
        changes.files.extend(self.root.silent().map_err(Why::Lost)?);
        self.add_changes(&mut selection, &changes)?;
        let sample_from = self
            .earlier
            .add_sample(&mut selection, &basis.sample_from)?;
        Ok((selection, sample_from))
    }

    /// Adds what changed, where it is now. What is gone with its directory is left out: the directory's own going was told.
    pub(super) fn add_changes(
        &self,
        selection: &mut Selection,
        changes: &Changes,
    ) -> Result<(), Why> {
        let mut inodes = HashSet::new();
        for (dir, names) in &changes.dirs {
            match self.root.locate(dir).map_err(lost)? {
                Some(path) => self.add_names(selection, path, names)?,
                // A name elsewhere may be another one of a file that has one here.
                None => {
                    let names = names.iter().map(|(name, _)| &**name);
                    inodes.extend(self.root.linked(dir, names).map_err(lost)?);
                }
            }
        }
        for file in &changes.files {
            match self.root.file(file).map_err(lost)? {
                FileAt::Nowhere => {}
                FileAt::Below(path) => drop(selection.add(&path, Pick::Changed)),
                FileAt::Anywhere(inode) => drop(inodes.insert(inode)),
            }
        }
        self.earlier.add_links(selection, Linked::Inodes(inodes))
    }

    fn add_names(
        &self,
        selection: &mut Selection,
        mut path: Vec<Vec<u8>>,
        names: &[Named],
    ) -> Result<(), Why> {
        for (name, what) in names {
            let is_dir_itself = **name == *b".";
            if what.names || is_dir_itself {
                // The root itself is always looked at.
                selection.add(&path, Pick::Changed);
            }
            add_marked(self.walk, selection, &path, name);
            if !is_dir_itself {
                path.push(name.to_vec());
                let pick = if what.whole {
                    Pick::Whole
                } else {
                    Pick::Changed
                };
                selection.add(&path, pick);
                path.pop();
            }
        }
        Ok(())
    }
}

impl Earlier<'_> {
    /// Adds the other names of files that changed, and all of those that are given: an event tells of one name, or of none.
    pub(super) fn add_links(&self, selection: &mut Selection, linked: Linked) -> Result<(), Why> {
        let (mut inodes, any) = match linked {
            Linked::Inodes(inodes) => (inodes, false),
            Linked::Any => (HashSet::new(), true),
        };
        let mut cursor = self.cursor()?;
        for span in selection.spans().iter().filter(|span| span.changed) {
            cursor.seek(&span.start).map_err(Fault::from)?;
            while let Some((key, entry)) = cursor.next_ref().map_err(Fault::from)?
                && span.holds(key)
            {
                if entry.links > 1 && entry.node.is_file() {
                    inodes.insert(entry.inode);
                }
            }
        }
        if inodes.is_empty() && !any {
            return Ok(());
        }
        let mut cursor = self.cursor()?;
        while let Some((key, entry)) = cursor.next_ref().map_err(Fault::from)? {
            if (inodes.contains(&entry.inode) || any && entry.links > 1 && entry.node.is_file())
                && let Ok(path) = FileKey(key.to_vec()).components()
            {
                selection.add(&path, Pick::Changed);
            }
        }
        Ok(())
    }

    /// Adds the next entries in the tree's order, and returns the one after them.
    pub(super) fn add_sample(
        &self,
        selection: &mut Selection,
        from: &FileKey,
    ) -> Result<FileKey, Why> {
        let mut cursor = self.cursor()?;
        cursor.seek(&from.0).map_err(Fault::from)?;
        for _ in 0..limits::SAMPLED_ENTRIES {
            let Some((key, _)) = cursor.next_ref().map_err(Fault::from)? else {
                // And from the start again.
                return Ok(FileKey::root());
            };
            if let Ok(path) = FileKey(key.to_vec()).components() {
                selection.add(&path, Pick::Quiet);
            }
        }
        let next = cursor.peek_ref().map_err(Fault::from)?;
        Ok(next.map_or_else(FileKey::root, |(key, _)| FileKey(key.to_vec())))
    }

    fn cursor(&self) -> Result<Cursor<'_, FileEntry>, Why> {
        Ok(Cursor::new(self.reader, self.tree).map_err(Fault::from)?)
    }
}

/// Adds what the run before was in trouble with.
pub(super) fn add_unsettled(selection: &mut Selection, keys: &[FileKey]) -> Result<(), Why> {
    for key in keys {
        let path = key.components();
        let path = path.map_err(|e| Why::Lost(io::Error::other(e)))?;
        add_whole(selection, &path)?;
    }
    Ok(())
}

/// Adds everything in a directory if the name of something in it that changed is a marker's. The root's own mean nothing.
pub(super) fn add_marked(
    walk: &WalkOptions,
    selection: &mut Selection,
    dir: &[Vec<u8>],
    name: &[u8],
) {
    if walk.is_marker(name) && !dir.is_empty() {
        selection.add(dir, Pick::Whole);
    }
}

/// Adds something with all that is below it.
fn add_whole(selection: &mut Selection, path: &[Vec<u8>]) -> Result<(), Why> {
    match path {
        [] => Err(Why::Trouble),
        path => {
            selection.add(path, Pick::Whole);
            Ok(())
        }
    }
}

fn lost(errno: Errno) -> Why {
    Why::Lost(errno.into())
}
