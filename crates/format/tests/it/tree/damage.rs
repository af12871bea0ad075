//! Nodes that are not what a writer makes: refused, never a panic.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ChunkId, Code, Fault};
use format::entry::{Extent, FileEntry};
use format::replica::ChunkReader;
use format::tree::{self, Cursor, NodeError, TreeError, Value};
use proptest::prelude::*;

use super::{Shelf, build, edit, file, key};

/// Serves every id from a shelf, but one with other bytes.
struct Forged<'a> {
    shelf: &'a Shelf,
    id: ChunkId,
    bytes: Arc<Vec<u8>>,
}

impl ChunkReader for Forged<'_> {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        if *id == self.id {
            Ok(Arc::clone(&self.bytes))
        } else {
            self.shelf.read_chunk(id)
        }
    }
}

fn files(count: usize) -> BTreeMap<Vec<u8>, FileEntry> {
    (0..count).map(|i| (key(i), file(i as u64))).collect()
}

fn extents(count: u64) -> BTreeMap<Vec<u8>, Extent> {
    let data = |i: u64| Extent::Data {
        chunk: ChunkId([(i / 3) as u8; 32]),
        offset: 1000 * (i % 3) as u32,
        len: 1000,
    };
    (0..count)
        .map(|i| (tree::extent_key(i * 1000).to_vec(), data(i)))
        .collect()
}

/// Reads a tree whose root was replaced: every way to read it.
fn read_all<V: Value>(shelf: &Shelf, root: &ChunkId, bytes: Vec<u8>) -> Result<usize, TreeError> {
    let _ = tree::children(&bytes);
    let forged = Forged {
        shelf,
        id: *root,
        bytes: Arc::new(bytes),
    };
    let _ = tree::get::<V>(&forged, root, &key(5));
    let _ = tree::diff::<V>(&forged, None, Some(root)).map(Iterator::count);
    let mut count = 0;
    for item in Cursor::<V>::new(&forged, root)? {
        item?;
        count += 1;
    }
    Ok(count)
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, u8),
    Remove(usize),
    Number(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = prop_oneof![0_usize..64, any::<usize>()];
    (at, any::<u8>(), 0..5).prop_map(|(at, byte, kind)| match kind {
        0 => Damage::Cut(at),
        1 => Damage::Insert(at, byte),
        2 => Damage::Remove(at),
        3 => Damage::Number(at),
        _ => Damage::Flip(at, byte),
    })
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let len = bytes.len().max(1);
    match *damage {
        _ if bytes.is_empty() => {}
        Damage::Flip(at, byte) => bytes[at % len] ^= byte,
        Damage::Cut(at) => bytes.truncate(at % len),
        Damage::Insert(at, byte) => bytes.insert(at % len, byte),
        Damage::Remove(at) => {
            bytes.remove(at % len);
        }
        Damage::Number(at) => {
            let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
            bytes.splice(at % len..at % len + 1, largest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Any damage to any node is an error or other content, never a panic.
    #[test]
    fn damaged_nodes_never_panic(damages in prop::collection::vec(damage(), 1..4), kind in 0..4) {
        let shelf = Shelf::default();
        let files = |count| build(&shelf, &files(count));
        let root = match kind {
            0 => files(40),
            1 => files(1500),
            2 => build(&shelf, &extents(60)),
            _ => files(0),
        };
        let mut bytes = shelf.plain(&root);
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        let _ = read_all::<FileEntry>(&shelf, &root, bytes.clone());
        let _ = read_all::<Extent>(&shelf, &root, bytes);
    }

    /// Nor do bytes that never were a node, behind a header that says so.
    #[test]
    fn noise_never_panics(level in 0_u8..3, value_type in 0_u8..4, count in 0_u32..9, noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"DOZOTREE\x01\0".to_vec();
        bytes.extend_from_slice(&[level, value_type]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&noise);
        let shelf = Shelf::default();
        let _ = read_all::<FileEntry>(&shelf, &ChunkId([1; 32]), bytes.clone());
        let _ = read_all::<Extent>(&shelf, &ChunkId([1; 32]), bytes);
    }
}

fn first_error<V: Value>(shelf: &Shelf, root: &ChunkId, bytes: Vec<u8>) -> NodeError {
    match read_all::<V>(shelf, root, bytes) {
        Err(TreeError::Damaged { source, .. }) => source,
        other => panic!("damage was not seen: {other:?}"),
    }
}

#[test]
fn every_single_cut_and_every_added_byte_is_seen() {
    let shelf = Shelf::default();
    let root = build(&shelf, &files(20));
    let plain = shelf.plain(&root);
    for len in 0..plain.len() {
        assert!(read_all::<FileEntry>(&shelf, &root, plain[..len].to_vec()).is_err());
    }
    let mut more = plain.clone();
    more.push(0);
    first_error::<FileEntry>(&shelf, &root, more);
}

#[test]
fn headers_are_checked() {
    let shelf = Shelf::default();
    let root = build(&shelf, &files(20));
    let plain = shelf.plain(&root);
    let forge = |at: usize, byte: u8| {
        let mut bytes = plain.clone();
        bytes[at] = byte;
        first_error::<FileEntry>(&shelf, &root, bytes)
    };
    assert_eq!(forge(0, b'd'), NodeError::Header);
    assert_eq!(forge(8, 2), NodeError::Version);
    assert_eq!(forge(10, 16), NodeError::Level);
    assert_eq!(forge(11, 2), NodeError::ValueType);
    assert_eq!(forge(15, 1), NodeError::Limit);
    assert_eq!(
        first_error::<Extent>(&shelf, &root, plain.clone()),
        NodeError::ValueType
    );
    let fault = Fault::from(TreeError::Damaged {
        id: root,
        source: NodeError::Level,
    });
    assert_eq!(fault.code, Code::TreeDamaged);
}

#[test]
fn a_sound_node_in_the_wrong_place_is_seen() {
    let shelf = Shelf::default();
    let root = build(&shelf, &files(3000));
    let children = tree::children(&shelf.plain(&root)).unwrap().nodes;
    assert!(children.len() > 2);
    let stranger = edit(&shelf, Some(root), [(key(0).as_slice(), Some(&file(1)))]);
    let stranger = tree::children(&shelf.plain(&stranger)).unwrap().nodes[0];
    assert_ne!(stranger, children[0]);
    for (place, found, error) in [
        (children[0], children[1], NodeError::Parent),
        (children[0], stranger, NodeError::Parent),
        (children[1], root, NodeError::Level),
    ] {
        let forged = Forged {
            shelf: &shelf,
            id: place,
            bytes: Arc::new(shelf.plain(&found)),
        };
        let seen = Cursor::<FileEntry>::new(&forged, &root)
            .unwrap()
            .find_map(Result::err);
        assert!(
            matches!(seen, Some(TreeError::Damaged { id, source }) if id == place && source == error),
            "{seen:?}"
        );
    }
}

#[test]
fn a_missing_node_is_named_and_ends_the_reading() {
    let shelf = Shelf::default();
    let root = build(&shelf, &files(3000));
    let lost = tree::children(&shelf.plain(&root)).unwrap().nodes[1];
    shelf.nodes.lock().unwrap().remove(&lost);
    let mut errors = 0;
    for item in Cursor::<FileEntry>::new(&shelf, &root).unwrap() {
        if let Err(error) = item {
            assert!(matches!(&error, TreeError::Read { id, .. } if *id == lost));
            assert_eq!(Fault::from(error).code, Code::ChunkMissing);
            errors += 1;
        }
    }
    assert_eq!(errors, 1);
}
