//! The last stage: one thread that hears what changed, in key order, with chunks by name.

use base::fault::Code;
use base::{Fault, limits};
use crossbeam_channel::Receiver;
use format::entry::{Content, Extent, FileEntry, FileKey, NEVER_THE_SAME, Node};
use format::replica::{MapWriter, ReplicaWriter};

use super::count::Counts;
use super::doubt::Doubt;
use super::read::Expected;
use super::stages::{ContentSlot, ToTree, Written, internal};
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
            let xattr_bytes = item.xattr_bytes();
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
                    Some(written) => self.link(&key, entry, written.clone(), expected.as_ref()),
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
            self.flow.give_back(xattr_bytes);
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
            let _ = slot.set(Written {
                content: content.clone(),
                size: entry.size,
            });
        }
        entry.node = Node::File(content);
        self.store(key, entry)
    }

    /// Writes another link of a file, unless it was doubted and is what it was. Of a file that changed between the
    /// walk and the reading, the entry is of before and the content of after: the size is the content's, and the
    /// next run looks again.
    fn link(
        &self,
        key: &FileKey,
        mut entry: Box<FileEntry>,
        written: Written,
        expected: Option<&Expected>,
    ) -> Result<(), Fault> {
        if entry.size != written.size {
            entry.size = written.size;
            entry.ctime_ns = NEVER_THE_SAME;
        }
        entry.node = Node::File(written.content);
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
                self.flow.leave_unsettled(key);
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use base::{ChunkHash, ChunkId};
    use crossbeam_channel::bounded;

    use super::*;
    use crate::backup::stages::Piece;
    use crate::monitor::{Monitor, Progress};

    /// Keeps entries as they are written, and fails every other call.
    #[derive(Default)]
    struct Entries(Mutex<Vec<(FileKey, FileEntry)>>);

    impl ReplicaWriter for Entries {
        fn put_chunk(&self, _: &ChunkHash, _: &[u8]) -> Result<ChunkId, Fault> {
            Err(internal("no chunk is written here"))
        }

        fn begin_map(&self) -> Result<Box<dyn MapWriter + '_>, Fault> {
            Err(internal("no map is written here"))
        }

        fn put_entry(&self, key: &FileKey, entry: &FileEntry) -> Result<(), Fault> {
            let mut entries = self.0.lock().expect("no test panics with it");
            entries.push((key.clone(), entry.clone()));
            Ok(())
        }

        fn delete_entry(&self, _: &FileKey) -> Result<(), Fault> {
            Err(internal("no entry is deleted here"))
        }
    }

    struct Nobody;

    impl Monitor for Nobody {
        fn progress(&self, _: Progress) {}
        fn warn(&self, _: Warning) {}
        fn is_cancelled(&self) -> bool {
            false
        }
    }

    /// An entry with two links, as the walk saw it.
    fn seen(size: u64) -> Box<FileEntry> {
        Box::new(FileEntry {
            node: Node::File(Content::Extents(Vec::new())),
            mode: 0o644,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime_ns: 5,
            ctime_ns: 5,
            inode: 1,
            device: 1,
            links: 2,
            size,
            xattrs: Vec::new(),
        })
    }

    #[test]
    fn a_link_of_a_file_that_grew_meanwhile_has_the_size_of_what_was_read() {
        let (send, items) = bounded(9);
        let (named, name) = bounded(1);
        let (chunk, content) = (Arc::default(), ContentSlot::default());
        let piece = Piece {
            chunk: Arc::clone(&chunk),
            offset: 0,
            len: 101,
        };
        let key = |name: &[u8]| FileKey::root().child(name).expect("a name");
        named.send(ChunkId([1; 32])).expect("there is room");
        for item in [
            ToTree::Chunk(chunk, name),
            ToTree::Bundled(key(b"a"), seen(101), piece, Some(content.clone())),
            ToTree::Same(key(b"b"), seen(100), content, None),
        ] {
            send.send(item).expect("there is room");
        }
        drop(send);
        let (entries, flow) = (Entries::default(), Flow::new(&Nobody));
        let tree = Tree {
            flow: &flow,
            counts: &Counts::new(None),
            doubt: &Doubt::of_run(1_000_000_000_000),
            writer: &entries,
        };
        assert!(tree.run(&items).is_ok());
        let entries = entries.0.into_inner().expect("nobody panicked with it");
        let facts = |(_, entry): &(FileKey, FileEntry)| (entry.size, entry.node.clone());
        assert_eq!(facts(&entries[0]), facts(&entries[1]));
        assert_eq!(entries[0].1.ctime_ns, 5);
        assert_eq!(
            entries[1].1.ctime_ns, NEVER_THE_SAME,
            "the next run looks again"
        );
    }
}
