//! A store's keys, as both readers have them, and the trees that samples are made of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::{ChunkId, Clock, Code, Env, Fault, Random, StoreId, Timestamp};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::header::Header;
use format::keys::{KeyFile, Keyring, MasterKey, NewSlot, wrap};
use format::pack::Parity;
use format::replica::ChunkReader;
use format::seal::Sealer;
use format::tree::{Boundary, Editor, NodeSink, Value};

use super::mutate::Chance;
use super::second::keys as second;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time of this age")
    }

    fn since_boot(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

struct Seeded(Mutex<Chance>);

impl Random for Seeded {
    fn fill(&self, out: &mut [u8]) {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in out.chunks_mut(8) {
            bytes.copy_from_slice(&chance.next().to_le_bytes()[..bytes.len()]);
        }
    }
}

/// A store that is nowhere.
pub(super) struct World {
    pub(super) env: Env,
    pub(super) store: StoreId,
    pub(super) key_file: KeyFile,
    pub(super) master: MasterKey,
    pub(super) ring: Keyring,
    pub(super) sealer: Sealer,
    pub(super) header: Vec<u8>,
    pub(super) slot: Vec<u8>,
    pub(super) second: Second,
}

/// The same as the second reader has it.
pub(super) struct Second {
    pub(super) secret: second::Secret,
    pub(super) format: second::Format,
    pub(super) master: [u8; 32],
    pub(super) ring: second::Ring,
}

impl World {
    pub(super) fn new() -> Self {
        let env = Env {
            clock: Arc::new(Stopped),
            random: Arc::new(Seeded(Mutex::new(Chance::new(7)))),
        };
        let store = StoreId::random(&env);
        let key_file = KeyFile::random(&env);
        let master = MasterKey::random(&env);
        let ring = Keyring::random(&env, store).next_generation(&env, 0);
        let header = Header::new(&ring, 1_700_000_000, Parity::default()).encode();
        let slot = wrap(&env, store, &master, &NewSlot::KeyFile(key_file.clone()));
        let slot = slot.expect("a key file needs no stretching");
        let object = ring.seal(&env, &master).expect("a small ring");
        let second = Second::open(&key_file.to_text(), &header, &slot, &object, ring.number);
        Self {
            sealer: ring.first_domain().sealer(),
            env,
            store,
            key_file,
            master,
            ring,
            header,
            slot,
            second: second.expect("it opens what today's writer wrote"),
        }
    }
}

impl Second {
    fn open(
        text: &str,
        header: &[u8],
        slot: &[u8],
        ring: &[u8],
        number: u64,
    ) -> Result<Self, String> {
        let secret = second::Secret::from_key_file(text)?;
        let format = second::Format::parse(header)?;
        let master = second::open_slot(slot, &format, &secret)?.ok_or("another secret's slot")?;
        let ring = second::Ring::open(ring, &format, number, &master)?;
        Ok(Self {
            secret,
            format,
            master,
            ring,
        })
    }
}

/// Nodes by id.
#[derive(Default)]
pub(super) struct Shelf(pub(super) Mutex<HashMap<ChunkId, Arc<Vec<u8>>>>);

impl NodeSink for Shelf {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        let id = ChunkId(*blake3::hash(plain).as_bytes());
        self.put(id, plain);
        Ok(id)
    }
}

impl ChunkReader for Shelf {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes.get(id).cloned();
        node.ok_or_else(|| Fault::new(Code::ChunkMissing).with("chunk", id))
    }
}

impl Shelf {
    pub(super) fn put(&self, id: ChunkId, plain: &[u8]) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.insert(id, Arc::new(plain.to_vec()));
    }

    /// Makes a tree, and returns its root.
    pub(super) fn build<V: Value>(&self, items: &[(Vec<u8>, V)]) -> ChunkId {
        let mut editor = Editor::new(self, self, &Boundary::new(&[7; 32]), None);
        for (key, value) in items {
            editor.put(key, value).expect("items of a tree");
        }
        editor.finish().expect("nothing fails in memory")
    }
}

/// Returns entries of every kind, in the order of their keys.
pub(super) fn entries(count: usize) -> Vec<(Vec<u8>, FileEntry)> {
    let mut chance = Chance::new(count as u64);
    let mut items = vec![(FileKey::root().0, entry(&mut chance, Node::Directory, 0))];
    for i in 0..count {
        let path = match i % 3 {
            0 => format!("f{i:05}"),
            1 => format!("d{}/f{i:05}", i % 7),
            _ => format!("d{}/e/f{i:05}", i % 5),
        };
        let key = FileKey::from_path(path.as_bytes()).expect("a path").0;
        let (node, size) = node(&mut chance, i);
        items.push((key, entry(&mut chance, node, size)));
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items
}

fn node(chance: &mut Chance, i: usize) -> (Node, u64) {
    match i % 9 {
        0 | 1 => {
            let bytes = vec![i as u8; chance.below(60)];
            let size = bytes.len() as u64;
            (Node::File(Content::Inline(bytes)), size)
        }
        2 | 3 => {
            let extents = extents(chance, 1 + i % 4);
            let size = extents.iter().map(Extent::len).sum();
            (Node::File(Content::Extents(extents)), size)
        }
        4 => (Node::File(Content::Map(ChunkId([i as u8; 32]))), 1 << 40),
        5 => (Node::Symlink(b"../else/where".to_vec()), 0),
        6 => (Node::Fifo, 0),
        7 => (Node::CharDevice(1 << 32 | 3), 0),
        _ => (Node::BlockDevice(8 << 32), 0),
    }
}

/// Returns pieces of a file.
pub(super) fn extents(chance: &mut Chance, count: usize) -> Vec<Extent> {
    let piece = |i: usize| match i % 3 {
        2 => Extent::Hole {
            len: 1 + chance.below(1 << 30) as u64,
        },
        _ => Extent::Data {
            chunk: ChunkId([chance.below(4) as u8; 32]),
            offset: chance.below(1 << 20) as u32,
            len: 1 + chance.below(1 << 20) as u32,
        },
    };
    (0..count).map(piece).collect()
}

fn entry(chance: &mut Chance, node: Node, size: u64) -> FileEntry {
    let xattrs = match chance.below(5) {
        0 => vec![(b"user.a".to_vec(), b"b".to_vec())],
        _ => Vec::new(),
    };
    FileEntry {
        node,
        mode: [0o644, 0o755, 0o4755][chance.below(3)],
        uid: 1000 * chance.below(2) as u32,
        gid: 1000,
        user: b"user".to_vec(),
        group: b"group".to_vec(),
        mtime_ns: chance.next() as i64 / 8,
        ctime_ns: chance.next() as i64 / 8,
        inode: chance.below(1 << 30) as u64,
        device: 66 << 32,
        links: 1 + chance.below(2) as u32,
        size,
        xattrs,
    }
}
