//! The golden store: read by today's store, and by the stranger.

use std::fs;
use std::path::PathBuf;

use base::ChunkId;
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::keys::{KeyFile, Passphrase, Unlock};
use format::replica::ChunkReader as _;
use format::tree::Cursor;
use store::{Place, Reading, Store};

use super::listing::{self, Head, Line};
use super::{PASSPHRASE, copy, path};
use crate::stranger::files::Kind;
use crate::stranger::keys::Secret;
use crate::stranger::{Bytes32, Stranger};

fn expected() -> String {
    fs::read_to_string(path("expected.txt")).unwrap()
}

fn key_file_text() -> String {
    fs::read_to_string(path("server.key")).unwrap()
}

pub(super) fn secrets() -> [Secret; 2] {
    [
        Secret::from_key_file(&key_file_text()).unwrap(),
        Secret::Passphrase(String::from(PASSPHRASE)),
    ]
}

fn unlocks() -> [Unlock; 2] {
    [
        Unlock::KeyFile(KeyFile::parse(&key_file_text()).unwrap()),
        Unlock::Passphrase(Passphrase::new(String::from(PASSPHRASE)).unwrap()),
    ]
}

/// Returns what today's store has to say of all points of a store.
fn as_the_store_reads(store: &Store) -> String {
    let mut out = String::new();
    for point in store.points().unwrap() {
        let mut entries = Vec::new();
        let tree = store.read_point(&point.id).unwrap();
        for item in Cursor::<FileEntry>::new(&tree, &tree.root()).unwrap() {
            let (key, entry) = item.unwrap();
            let content = content(&tree, &entry);
            entries.push((FileKey(key).to_path().unwrap(), entry, content));
        }
        let head = Head::of_store(&store.point_object(&point.id).unwrap());
        let lines = entries
            .iter()
            .map(|(path, entry, content)| (path.as_slice(), Line::of_store(entry, content)));
        out.push_str(&format!("{head}{}\n", listing::text(lines)));
    }
    out
}

fn content(tree: &Reading, entry: &FileEntry) -> Vec<u8> {
    match &entry.node {
        Node::File(Content::Inline(bytes)) | Node::Symlink(bytes) => bytes.clone(),
        Node::File(Content::Extents(extents)) => join(tree, extents),
        Node::File(Content::Map(root)) => join(tree, &map(tree, root)),
        _ => Vec::new(),
    }
}

fn map(tree: &Reading, root: &ChunkId) -> Vec<Extent> {
    let items = Cursor::<Extent>::new(tree, root).unwrap();
    items.map(|item| item.unwrap().1).collect()
}

fn join(tree: &Reading, extents: &[Extent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for extent in extents {
        match *extent {
            Extent::Hole { len } => bytes.resize(bytes.len() + len as usize, 0),
            Extent::Data { chunk, offset, len } => {
                let plain = tree.read_chunk(&chunk).unwrap();
                bytes.extend_from_slice(&plain[offset as usize..][..len as usize]);
            }
        }
    }
    bytes
}

/// Returns what the stranger has to say of all points of a store.
pub(super) fn as_the_stranger_reads(stranger: &Stranger) -> String {
    let mut out = String::new();
    for id in stranger.points() {
        let listing = stranger.read_point(&id).unwrap();
        let head = Head::of_stranger(&stranger.point(&id).unwrap());
        let lines = listing
            .iter()
            .map(|(path, (entry, content))| (path.as_slice(), Line::of_stranger(entry, content)));
        out.push_str(&format!("{head}{}\n", listing::text(lines)));
    }
    out
}

#[test]
fn todays_store_reads_the_golden_store() {
    let (env, _) = testkit::env(1);
    for unlock in unlocks() {
        let store = Store::read_at(&path("pool"), &unlock, &env, Place::Memory).unwrap();
        assert_eq!(as_the_store_reads(&store), expected());
    }
}

#[test]
fn the_stranger_reads_the_golden_store() {
    for secret in secrets() {
        let stranger = Stranger::open(&path("pool"), &secret).unwrap();
        assert_eq!(as_the_stranger_reads(&stranger), expected());
    }
}

#[test]
fn a_wrong_secret_opens_nothing_for_the_stranger() {
    let other: Bytes32 = [3; 32];
    for secret in [
        Secret::KeyFile(other),
        Secret::Passphrase(String::from("sesame sesame")),
    ] {
        let refused = Stranger::open(&path("pool"), &secret).err();
        assert_eq!(refused.unwrap(), "no slot opens with this secret");
    }
}

#[test]
fn what_todays_store_adds_the_stranger_reads_too() {
    let directory = testkit::tempdir().unwrap();
    let pool = directory.path().join("pool");
    copy(&path("pool"), &pool);
    let (env, _) = testkit::env(3);
    let [unlock, _] = unlocks();
    let store = Store::open_at(&pool, &unlock, &env, Place::Memory, "golden").unwrap();
    let source = store.points().unwrap()[0].source;
    let files = crate::model::files(&[("a", &[7; 5000]), ("b/c", b"short")]);
    let made = crate::model::backup(&store, source, &files, &files).unwrap();
    let read = as_the_store_reads(&store);
    drop(store);
    assert!(read.starts_with(&expected()));
    assert!(read.contains(&made.point.unwrap().id.to_string()));
    let [secret, _] = secrets();
    let stranger = Stranger::open(&pool, &secret).unwrap();
    assert_eq!(as_the_stranger_reads(&stranger), read);
}

#[test]
fn the_golden_trees_have_inner_nodes() {
    let level_at = 10;
    let [secret, _] = secrets();
    let stranger = Stranger::open(&path("pool"), &secret).unwrap();
    for id in stranger.points() {
        let root = stranger.point(&id).unwrap().root;
        assert!(stranger.chunk(&root, 2).unwrap()[level_at] > 0);
        let listing = stranger.read_point(&id).unwrap();
        let Kind::Map(root) = listing[&b"extent map"[..]].0.kind else {
            panic!("the extents fit into the entry");
        };
        assert!(stranger.chunk(&root, 2).unwrap()[level_at] > 0);
    }
}

#[test]
fn it_uses_nothing_of_ours() {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let modules = fs::read_dir(tests.join("stranger")).unwrap();
    let mut files: Vec<_> = modules.map(|entry| entry.unwrap().path()).collect();
    files.push(tests.join("stranger.rs"));
    assert!(files.len() > 10);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for ours in ["base", "crate", "format", "objects", "store", "testkit"] {
            let used = text.contains(&format!("{ours}::")) || text.contains(&format!("use {ours}"));
            assert!(!used, "{} uses {ours}", file.display());
        }
    }
}
