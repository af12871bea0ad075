//! Trees through their public door: a shelf of nodes in memory that counts, and entries to fill trees with.

mod cost;
mod damage;
mod entries;
mod laws;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base::{ChunkId, Code, Fault};
use format::entry::{Content, FileEntry, Node};
use format::replica::ChunkReader;
use format::tree::{Boundary, Cursor, Editor, NodeSink, TreeError, Value};

/// Nodes by id, with the number of reads and saves.
#[derive(Default)]
struct Shelf {
    nodes: Mutex<HashMap<ChunkId, Arc<Vec<u8>>>>,
    loads: AtomicUsize,
    saves: AtomicUsize,
}

impl NodeSink for Shelf {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        let id = ChunkId(*blake3::hash(plain).as_bytes());
        let mut nodes = self.nodes.lock().expect("no test panics holding it");
        if nodes.insert(id, Arc::new(plain.to_vec())).is_none() {
            self.saves.fetch_add(1, Ordering::Relaxed);
        }
        Ok(id)
    }
}

impl ChunkReader for Shelf {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let nodes = self.nodes.lock().expect("no test panics holding it");
        let node = nodes.get(id).cloned();
        node.ok_or_else(|| Fault::new(Code::ChunkMissing).with("chunk", id))
    }
}

impl Shelf {
    /// Returns the loads and the new nodes saved since it was last asked.
    fn cost(&self) -> (usize, usize) {
        (
            self.loads.swap(0, Ordering::Relaxed),
            self.saves.swap(0, Ordering::Relaxed),
        )
    }

    fn plain(&self, id: &ChunkId) -> Vec<u8> {
        self.read_chunk(id).expect("a node that was saved").to_vec()
    }
}

fn boundary() -> Boundary {
    Boundary::new(&[7; 32])
}

/// Applies changes in key order.
fn edit<'k, V: Value>(
    shelf: &Shelf,
    base: Option<ChunkId>,
    changes: impl IntoIterator<Item = (&'k [u8], Option<&'k V>)>,
) -> ChunkId {
    let mut editor = Editor::new(shelf, shelf, &boundary(), base);
    for (key, value) in changes {
        match value {
            Some(value) => editor.put(key, value).expect("a sound entry"),
            None => editor.delete(key).expect("an ascending key"),
        }
    }
    editor.finish().expect("nothing fails in memory")
}

fn build<V: Value>(shelf: &Shelf, content: &BTreeMap<Vec<u8>, V>) -> ChunkId {
    edit(
        shelf,
        None,
        content
            .iter()
            .map(|(key, value)| (key.as_slice(), Some(value))),
    )
}

fn content<V: Value>(shelf: &Shelf, root: &ChunkId) -> BTreeMap<Vec<u8>, V> {
    Cursor::new(shelf, root)
        .expect("a root that was saved")
        .collect::<Result<_, TreeError>>()
        .expect("nodes that were saved")
}

/// A small file; `version` tells two apart.
fn file(version: u64) -> FileEntry {
    let bytes = version.to_le_bytes()[..(version % 9) as usize].to_vec();
    FileEntry {
        size: bytes.len() as u64,
        node: Node::File(Content::Inline(bytes)),
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        user: b"mika".to_vec(),
        group: b"users".to_vec(),
        mtime_ns: 1_790_000_000_123_456_789 + version as i64,
        ctime_ns: 1_790_000_000_123_456_789 + version as i64,
        inode: 4_000_000 + version,
        device: 8 << 32 | 1,
        links: 1,
        xattrs: Vec::new(),
    }
}

/// The key of file number `i`, a hundred a directory.
fn key(i: usize) -> Vec<u8> {
    format!(
        "d{:05}\0f{:03}-{:08x}.dat",
        i / 100,
        i % 100,
        i.wrapping_mul(2_654_435_761) as u32
    )
    .into_bytes()
}
