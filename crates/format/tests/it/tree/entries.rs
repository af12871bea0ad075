//! Every kind of entry comes back as it went in, what no tree takes is refused, and the bytes stay what they are.

use std::collections::BTreeMap;

use base::ChunkId;
use base::limits::{CHUNK_BYTES_MAX, EXTENTS_PER_ENTRY_MAX, INLINE_BYTES_MAX};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::tree::{self, Boundary, Children, Editor, TreeError, Value};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Shelf, boundary, build, content, edit, file, key};

fn component() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![1_u8..4, 1_u8..=255].prop_map(|b| if b == b'/' { b'_' } else { b });
    vec(byte, 1..12).prop_filter("not a name", |name| name != b"." && name != b"..")
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    let path = (vec(component(), 0..4), component()).prop_map(|(dirs, name)| {
        let dirs: Vec<&[u8]> = dirs.iter().map(Vec::as_slice).collect();
        FileKey::new(&dirs, &name).expect("a path of names").0
    });
    prop_oneof![9 => path, 1 => Just(Vec::new())]
}

fn any_extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        (1_u64..1 << 50).prop_map(|len| Extent::Hole { len }),
        (0_u8..3, 0_u32..1 << 21, 1_u32..=1 << 21).prop_map(|(chunk, offset, len)| Extent::Data {
            chunk: ChunkId([chunk; 32]),
            offset,
            len
        }),
    ]
}

fn any_node() -> impl Strategy<Value = (Node, u64)> {
    let bytes = |max| vec(any::<u8>(), 0..=max);
    prop_oneof![
        Just((Node::Directory, 0)),
        bytes(INLINE_BYTES_MAX)
            .prop_map(|b| (b.len() as u64, b))
            .prop_map(|(n, b)| (Node::File(Content::Inline(b)), n)),
        vec(any_extent(), 0..=EXTENTS_PER_ENTRY_MAX).prop_map(|e| {
            let size = e.iter().map(Extent::len).sum();
            (Node::File(Content::Extents(e)), size)
        }),
        any_extent().prop_map(|e| (Node::File(Content::Extents(vec![e])), e.len())),
        any::<([u8; 32], u64)>()
            .prop_map(|(id, size)| (Node::File(Content::Map(ChunkId(id))), size)),
        bytes(300).prop_map(|target| (Node::Symlink(target), 0)),
        Just((Node::Fifo, 0)),
        Just((Node::Socket, 0)),
        any::<u64>().prop_map(|number| (Node::CharDevice(number), 0)),
        any::<u64>().prop_map(|number| (Node::BlockDevice(number), 0)),
    ]
}

fn any_time() -> impl Strategy<Value = i64> {
    let whole =
        (i64::MIN / 1_000_000_000..=i64::MAX / 1_000_000_000).prop_map(|s| s * 1_000_000_000);
    prop_oneof![any::<i64>(), whole, Just(0), Just(i64::MIN), Just(i64::MAX)]
}

prop_compose! {
    fn any_entry()(
        (node, size) in any_node(),
        (mode, uid, gid, links) in (0_u16..=0o7777, any::<u32>(), any::<u32>(), any::<u32>()),
        (user, group) in (vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..9)),
        (mtime_ns, ctime_ns, same_time) in (any_time(), any_time(), any::<bool>()),
        (inode, device) in any::<(u64, u64)>(),
        xattrs in btree_map(vec(any::<u8>(), 1..20), vec(any::<u8>(), 0..40), 0..3),
    ) -> FileEntry {
        let ctime_ns = if same_time { mtime_ns } else { ctime_ns };
        let xattrs = xattrs.into_iter().collect();
        FileEntry { node, mode, uid, gid, user, group, mtime_ns, ctime_ns, inode, device, links, size, xattrs }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is put is what is read, to the last bit.
    #[test]
    fn every_kind_of_entry_comes_back_as_it_was(model in btree_map(any_key(), any_entry(), 0..60)) {
        let shelf = Shelf::default();
        let root = build(&shelf, &model);
        prop_assert_eq!(&content(&shelf, &root), &model);
        let totals = tree::summary::<FileEntry>(&shelf, &root).unwrap();
        let files = model.values().filter(|entry| matches!(entry.node, Node::File(_))).count();
        prop_assert_eq!(totals.files, files as u64);
        let bytes = model.values().fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
        prop_assert_eq!(totals.bytes, bytes);
    }

    /// A view of an entry is the entry.
    #[test]
    fn an_entry_is_its_view(entry in any_entry()) {
        prop_assert_eq!(FileEntry::from_view(entry.view()), entry);
    }
}

fn refused(key: &[u8], entry: &FileEntry) -> bool {
    let shelf = Shelf::default();
    let mut editor = Editor::new(&shelf, &shelf, &boundary(), None);
    let checked = tree::check(key, entry).is_err();
    let put = matches!(editor.put(key, entry), Err(TreeError::Refused { .. }));
    assert_eq!(checked, put);
    put
}

#[test]
fn keys_that_lead_elsewhere_are_refused() {
    let long = [b"\0".as_slice(), &[b'n'; 1025]].concat();
    for bad in [
        b"name".as_slice(),
        b"\0",
        b"\0.",
        b"\0..",
        b"\0a/b",
        b"\0a\0b",
        b"a\0",
        b"..\0x",
        b"a\x01..\0x",
        b"a\x01\0x",
        b"\x01a\0x",
        b"a/b\0x",
        b"a\x02\0x",
        b"a\x02b\0x",
        &long,
        &vec![b'a'; 200 << 10],
    ] {
        assert!(refused(bad, &file(1)), "{}", bad.escape_ascii());
    }
    for good in [
        b"".as_slice(),
        b"\0x",
        b"a\x01b\0x",
        b"a\x02\x01\x02\x02\0\x01\x02",
        b"...\0...",
    ] {
        assert!(!refused(good, &file(1)), "{}", good.escape_ascii());
    }
}

#[test]
fn entries_that_contradict_themselves_are_refused() {
    let data = |offset, len| Extent::Data {
        chunk: ChunkId([1; 32]),
        offset,
        len,
    };
    let extents = |extents: &[Extent]| Node::File(Content::Extents(extents.to_vec()));
    let cases = [
        (Node::File(Content::Inline(vec![0; 4])), 5),
        (Node::File(Content::Inline(vec![0; 257])), 257),
        (extents(&[data(0, 9)]), 10),
        (extents(&[Extent::Hole { len: 0 }]), 0),
        (extents(&[data(CHUNK_BYTES_MAX as u32, 1)]), 1),
        (extents(&[data(0, 1); 33]), 33),
        (extents(&[Extent::Hole { len: u64::MAX }; 2]), u64::MAX),
        (Node::Directory, 1),
        (Node::Symlink(vec![b'x'; (64 << 10) + 1]), 0),
    ];
    for (node, size) in cases {
        let entry = FileEntry {
            node,
            size,
            ..file(1)
        };
        assert!(refused(&key(1), &entry), "{:?} {size}", entry.node);
    }
    let with = |xattrs: &[(&[u8], usize)]| FileEntry {
        xattrs: xattrs
            .iter()
            .map(|(name, len)| (name.to_vec(), vec![7; *len]))
            .collect(),
        ..file(1)
    };
    assert!(refused(&key(1), &with(&[(b"b", 0), (b"a", 0)])));
    assert!(refused(&key(1), &with(&[(b"a", 0), (b"a", 0)])));
    assert!(refused(&key(1), &with(&[(b"", 0)])));
    assert!(refused(&key(1), &with(&[(b"a", (64 << 10) + 1)])));
    let mode = FileEntry {
        mode: 0o10000,
        ..file(1)
    };
    assert!(refused(&key(1), &mode));
    assert!(matches!(
        tree::check(b"1234567", &data(0, 1)),
        Err(TreeError::Refused { .. })
    ));
}

/// An entry whose attributes take `count` times 64 KiB.
fn heavy(count: usize) -> FileEntry {
    let xattrs = (0..count).map(|i| (format!("user.{i:04}").into_bytes(), vec![i as u8; 64 << 10]));
    FileEntry {
        xattrs: xattrs.collect(),
        ..file(1)
    }
}

#[test]
fn heavy_entries_fit_and_heavier_ones_are_refused() {
    assert!(refused(&key(1), &heavy(32)));
    let shelf = Shelf::default();
    let model: BTreeMap<_, _> = (0..40).map(|i| (key(i), heavy(1 + i % 31))).collect();
    let root = build(&shelf, &model);
    assert_eq!(content(&shelf, &root), model);
    let nodes = shelf.nodes.lock().unwrap();
    assert!(nodes.len() > 20, "nodes end at their weight");
    assert!(nodes.values().all(|plain| plain.len() <= CHUNK_BYTES_MAX));
}

#[test]
fn neighbours_in_a_bundle_cost_a_few_bytes_each() {
    let shelf = Shelf::default();
    let entry = |i: usize| FileEntry {
        node: Node::File(Content::Extents(vec![Extent::Data {
            chunk: ChunkId([3; 32]),
            offset: 1000 * i as u32,
            len: 1000,
        }])),
        size: 1000,
        inode: i as u64,
        ..file(0)
    };
    let sizes = [100, 200].map(|count| {
        let names = (0..count).map(|i| (format!("\0{i:04}").into_bytes(), entry(i)));
        let root = build(&shelf, &names.collect());
        shelf.plain(&root).len()
    });
    assert!(sizes[1] - sizes[0] <= 1200, "{sizes:?}");
}

#[test]
fn what_a_node_refers_to_is_told_apart() {
    let shelf = Shelf::default();
    let data = |chunk| Extent::Data {
        chunk: ChunkId([chunk; 32]),
        offset: 0,
        len: 5,
    };
    let with = |content, size| FileEntry {
        node: Node::File(content),
        size,
        ..file(0)
    };
    let model = BTreeMap::from([
        (
            key(1),
            with(
                Content::Extents(vec![data(1), Extent::Hole { len: 7 }, data(2)]),
                17,
            ),
        ),
        (key(2), with(Content::Map(ChunkId([8; 32])), 1 << 40)),
        (key(3), with(Content::Extents(vec![data(2)]), 5)),
        (key(4), file(4)),
    ]);
    let root = build(&shelf, &model);
    let found = tree::children(&shelf.plain(&root)).unwrap();
    let expected = Children {
        level: 0,
        nodes: Vec::new(),
        chunks: vec![ChunkId([1; 32]), ChunkId([2; 32])],
        maps: vec![ChunkId([8; 32])],
    };
    assert_eq!(found, expected);
    let map = BTreeMap::from([(tree::extent_key(0).to_vec(), data(9))]);
    let found = tree::children(&shelf.plain(&build(&shelf, &map))).unwrap();
    assert_eq!(found.chunks, [ChunkId([9; 32])]);
}

#[test]
fn marking_from_the_root_finds_every_node() {
    let shelf = Shelf::default();
    let model: BTreeMap<_, _> = (0..20_000).map(|i| (key(i), file(i as u64))).collect();
    let mut open = vec![build(&shelf, &model)];
    let mut count = 0;
    while let Some(id) = open.pop() {
        count += 1;
        open.extend(tree::children(&shelf.plain(&id)).unwrap().nodes);
    }
    assert_eq!(count, shelf.nodes.lock().unwrap().len());
}

#[test]
fn another_key_cuts_elsewhere() {
    let shelf = Shelf::default();
    let model: BTreeMap<_, _> = (0..5000).map(|i| (key(i), file(i as u64))).collect();
    let mut editor = Editor::new(&shelf, &shelf, &Boundary::new(&[8; 32]), None);
    for (key, value) in &model {
        editor.put(key, value).unwrap();
    }
    assert_ne!(editor.finish().unwrap(), build(&shelf, &model));
}

/// The entries of docs/format.md's example.
fn example() -> [FileEntry; 3] {
    let directory = FileEntry {
        node: Node::Directory,
        mode: 0o755,
        size: 0,
        user: Vec::new(),
        group: Vec::new(),
        uid: 0,
        gid: 0,
        mtime_ns: 2_000_000_000,
        ctime_ns: 2_000_000_000,
        inode: 2,
        device: 1,
        links: 3,
        xattrs: Vec::new(),
    };
    let small = FileEntry {
        node: Node::File(Content::Inline(b"hi".to_vec())),
        mode: 0o644,
        size: 2,
        user: b"a".to_vec(),
        mtime_ns: 2_000_000_001,
        ctime_ns: 2_000_000_005,
        inode: 5,
        links: 1,
        ..directory.clone()
    };
    let large = FileEntry {
        node: Node::File(Content::Extents(vec![Extent::Data {
            chunk: ChunkId([0xcc; 32]),
            offset: 16,
            len: 300,
        }])),
        size: 300,
        inode: 4,
        ..small.clone()
    };
    [directory, small, large]
}

/// The bytes of docs/format.md's example: a change here is a change of the format.
#[test]
fn the_bytes_of_a_leaf_are_those_of_version_1() {
    let shelf = Shelf::default();
    let [directory, small, large] = &example();
    let entries = [
        (b"".as_slice(), directory),
        (b"\0x1.txt", small),
        (b"\0x2.txt", large),
    ];
    let root = edit(&shelf, None, entries.map(|(key, entry)| (key, Some(entry))));
    let chunk = "cc".repeat(32);
    let expected = [
        "444f5a4f54524545 0100 00 01 03000000", // header: version 1, level 0, type 1, 3 items
        "07 00 00 01 00 01 00 02",              // directories: the root entry, then two in the root
        "03 00 00 01",                          // names: bytes shared at the start
        "03 00 00 04",                          // ... and at the end
        "03 00 06 01",                          // ... and between
        "07 78312e747874 32",                   // x1.txt, 2
        "23 00 03 ed03 00 00 01 03 00 00 00",   // classes: a directory, both flags
        "01 00 a403 00 00 01 01 0161 00 00",    // ... bytes in the entry, user a
        "02 00 a403 00 00 01 01 0161 00 00",    // ... one extent
        "03 00 01 02",                          // class of each row
        "03 04 02 00",                          // modification: 2 s, 1 ns later, equal
        "02 0a 00",                             // status change: 5 ns later, equal
        "03 04 06 01",                          // inodes: 2, 5, 4
        "03 02 ac02",                           // sizes: 2, 300
        "00",                                   // extent counts
        "20",                                   // chunks
        &chunk,
        "01 02",    // extents: a new chunk
        "01 10",    // at 16
        "00",       // of a length that the size tells
        "00 00 00", // maps, device numbers, lengths of targets
        "02 6869",  // hi
    ];
    let expected = expected.concat().replace(' ', "");
    let plain = shelf.plain(&root);
    let found: String = plain.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_trees_of_version_1_have_the_roots_they_always_had() {
    let shelf = Shelf::default();
    let files: BTreeMap<_, _> = (0..3000).map(|i| (key(i), file(i as u64))).collect();
    let data = |i: u64| Extent::Data {
        chunk: ChunkId([i as u8; 32]),
        offset: (i % 7) as u32,
        len: 4096,
    };
    let extents: BTreeMap<_, _> = (0..3000)
        .map(|i| (tree::extent_key(i * 4096).to_vec(), data(i)))
        .collect();
    for (root, expected) in [
        (
            build(&shelf, &files),
            "5280a6b1708ede07eaf3847b695c070318712b873252955f9c02fcbbd3cc0fe9",
        ),
        (
            build(&shelf, &extents),
            "6ce66f0a4d1dbe4e10e7e5fae5b6f0e73d457277fa4901e6fb58a1db28e0bfc0",
        ),
    ] {
        assert!(tree::children(&shelf.plain(&root)).unwrap().nodes.len() > 1);
        assert_eq!(root.to_string(), expected);
    }
}
