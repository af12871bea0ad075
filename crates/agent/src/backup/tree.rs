//! The last stage: one thread that hears what changed, in key order, with chunks by name.

use base::fault::Code;
use base::{Fault, limits};
use crossbeam_channel::Receiver;
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::replica::{MapWriter, ReplicaWriter};

use super::count::Counts;
use super::doubt::{Doubt, NEVER_THE_SAME};
use super::read::Expected;
use super::stages::{ContentSlot, ToTree, internal};
use crate::flow::{Flow, Stopped};
use crate::monitor::Warning;

/// Writes the member's tree.
pub(crate) struct Tree<'a> {
    pub(crate) flow: &'a Flow<'a>,
    pub(crate) counts: &'a Counts,
    pub(crate) doubt: &'a Doubt,
    pub(crate) writer: &'a dyn ReplicaWriter,
}

impl Tree<'_> {
    /// Writes everything that arrives.
    pub(crate) fn run(&self, items: &Receiver<ToTree>) -> Result<(), Stopped> {
        let mut open = Pieces::new(self.writer);
        for item in items {
            match item {
                ToTree::Chunk(slot, name) => {
                    let name = name.recv().map_err(|_| Stopped)?;
                    slot.set(name).expect("a chunk is named once");
                    Ok(())
                }
                ToTree::Delete(key) => self.writer.delete_entry(&key),
                ToTree::Put(key, entry) => self.store(&key, entry),
                ToTree::Bundled(key, entry, piece, slot) => piece
                    .extent()
                    .and_then(|e| self.put(&key, entry, Content::Extents(vec![e]), slot.as_ref())),
                ToTree::Same(key, entry, slot, expected) => match slot.get() {
                    Some(content) => self.link(&key, entry, content.clone(), expected.as_ref()),
                    None => Err(internal("a content was used before it was written")),
                },
                ToTree::Open => {
                    open = Pieces::new(self.writer);
                    Ok(())
                }
                ToTree::Hole(len) => open.push(Extent::Hole { len }),
                ToTree::Piece(piece) => piece.extent().and_then(|e| open.push(e)),
                ToTree::Close(key, entry, slot) => {
                    std::mem::replace(&mut open, Pieces::new(self.writer))
                        .finish()
                        .and_then(|content| self.put(&key, entry, content, slot.as_ref()))
                }
            }
            .map_err(|fault| self.flow.fail(fault))?;
        }
        self.flow.go_on()
    }

    fn put(
        &self,
        key: &FileKey,
        mut entry: Box<FileEntry>,
        content: Content,
        slot: Option<&ContentSlot>,
    ) -> Result<(), Fault> {
        if let Some(slot) = slot {
            // Set already if another link of the file brought it.
            let _ = slot.set(content.clone());
        }
        entry.node = Node::File(content);
        self.store(key, entry)
    }

    /// Writes another link of a file, unless it was doubted and is what it was.
    fn link(
        &self,
        key: &FileKey,
        mut entry: Box<FileEntry>,
        content: Content,
        expected: Option<&Expected>,
    ) -> Result<(), Fault> {
        entry.node = Node::File(content);
        self.doubt.mark(&mut entry);
        match expected.map(|expected| expected.is(&entry)) {
            // As it stands in the tree.
            Some(true) if entry.ctime_ns == NEVER_THE_SAME => return Ok(()),
            Some(false) => self.counts.changed(),
            Some(true) | None => {}
        }
        self.store(key, entry)
    }

    /// Writes an entry. One that no tree takes is warned of, and is not in the replica.
    fn store(&self, key: &FileKey, mut entry: Box<FileEntry>) -> Result<(), Fault> {
        self.doubt.mark(&mut entry);
        match self.writer.put_entry(key, &entry) {
            Err(fault) if fault.code == Code::EntryRefused => {
                let path = key.to_path().unwrap_or_default();
                self.flow.warn(Warning { path, fault });
                self.writer.delete_entry(key)
            }
            other => other,
        }
    }
}

/// A file's extents: a list as long as it is short, then a map.
struct Pieces<'a> {
    writer: &'a dyn ReplicaWriter,
    list: Vec<Extent>,
    map: Option<Box<dyn MapWriter + 'a>>,
}

impl<'a> Pieces<'a> {
    fn new(writer: &'a dyn ReplicaWriter) -> Self {
        Self {
            writer,
            list: Vec::new(),
            map: None,
        }
    }

    fn push(&mut self, extent: Extent) -> Result<(), Fault> {
        if let Some(map) = &mut self.map {
            return map.push(extent);
        }
        self.list.push(extent);
        if self.list.len() > limits::EXTENTS_PER_ENTRY_MAX {
            let mut map = self.writer.begin_map()?;
            self.list.drain(..).try_for_each(|e| map.push(e))?;
            self.map = Some(map);
        }
        Ok(())
    }

    fn finish(self) -> Result<Content, Fault> {
        match self.map {
            Some(map) => map.finish().map(Content::Map),
            None => Ok(Content::Extents(self.list)),
        }
    }
}
