//! Laws: a tree behaves as an ordered map, and its root depends on its content alone.

use std::collections::BTreeMap;
use std::ops::Bound;

use base::ChunkId;
use format::entry::{Extent, FileEntry};
use format::tree::{self, Change, Cursor, Editor, TreeError, Value};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Shelf, boundary, build, content, edit, file, key};

type Model<V> = BTreeMap<Vec<u8>, V>;
type Changes<V> = BTreeMap<Vec<u8>, Option<V>>;

/// Keys come from a small space, so that changes meet what is there.
fn files() -> impl Strategy<Value = Model<FileEntry>> {
    btree_map(
        (0_usize..6000).prop_map(key),
        (0_u64..50).prop_map(file),
        0..3000,
    )
}

fn file_changes() -> impl Strategy<Value = Changes<FileEntry>> {
    let value = prop_oneof![Just(None), (50_u64..100).prop_map(|v| Some(file(v)))];
    btree_map((0_usize..6000).prop_map(key), value, 0..80)
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        (1_u64..1 << 40).prop_map(|len| Extent::Hole { len }),
        (0_u8..4, 0_u32..1 << 20, 1_u32..1 << 20).prop_map(|(chunk, offset, len)| Extent::Data {
            chunk: ChunkId([chunk; 32]),
            offset,
            len,
        }),
    ]
}

fn extents() -> impl Strategy<Value = Model<Extent>> {
    let key = prop_oneof![0_u64..9000, any::<u64>()].prop_map(|at| tree::extent_key(at).to_vec());
    btree_map(key, extent(), 0..2000)
}

fn apply<V: Value>(model: &mut Model<V>, changes: &Changes<V>) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn edit_all<V: Value>(shelf: &Shelf, base: Option<ChunkId>, changes: &Changes<V>) -> ChunkId {
    edit(
        shelf,
        base,
        changes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_ref())),
    )
}

fn expected_changes<V: Value>(old: &Model<V>, new: &Model<V>) -> Vec<Change<V>> {
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Change {
            key: key.clone(),
            old: old.get(key).cloned(),
            new: new.get(key).cloned(),
        })
        .collect()
}

fn check_totals<V: Value>(shelf: &Shelf, root: &ChunkId, model: &Model<V>) {
    let totals = tree::summary::<V>(shelf, root).expect("a root that was saved");
    assert_eq!(totals.entries, model.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Editing a tree is editing a map, and gives the root that building the outcome anew gives.
    #[test]
    fn an_edited_tree_is_the_tree_of_the_edited_map(mut model in files(), changes in vec(file_changes(), 1..4)) {
        let shelf = Shelf::default();
        let mut root = build(&shelf, &model);
        prop_assert_eq!(&content(&shelf, &root), &model);
        for changes in &changes {
            let before = (root, model.clone());
            root = edit_all(&shelf, Some(root), changes);
            apply(&mut model, changes);
            prop_assert_eq!(&content(&shelf, &root), &model);
            prop_assert_eq!(root, build(&shelf, &model));
            check_totals(&shelf, &root, &model);
            let found: Result<Vec<_>, _> = tree::diff(&shelf, Some(&before.0), Some(&root)).unwrap().collect();
            prop_assert_eq!(found.unwrap(), expected_changes(&before.1, &model));
        }
    }

    /// A comparison within a range finds those differences of the whole that lie in it.
    #[test]
    fn a_narrowed_comparison_is_a_part_of_the_whole(
        model in files(), changes in file_changes(), a in 0_usize..6000, b in proptest::option::of(0_usize..6000)
    ) {
        let shelf = Shelf::default();
        let old = build(&shelf, &model);
        let new = edit_all(&shelf, Some(old), &changes);
        let (start, end) = (key(a), b.map(key));
        let inside = |k: &[u8]| k >= start.as_slice() && end.as_ref().is_none_or(|end| k < end.as_slice());
        for (old, new) in [(Some(&old), Some(&new)), (None, Some(&new)), (Some(&old), None)] {
            let whole: Result<Vec<_>, _> = tree::diff::<FileEntry>(&shelf, old, new).unwrap().collect();
            let mut expected = whole.unwrap();
            expected.retain(|change| inside(&change.key));
            let narrowed: Result<Vec<_>, _> = tree::diff::<FileEntry>(&shelf, old, new)
                .unwrap()
                .within(&start, end.as_deref())
                .collect();
            prop_assert_eq!(narrowed.unwrap(), expected);
        }
    }

    /// One batch, and the same changes one at a time in any order, end at one root.
    #[test]
    fn the_order_of_edits_leaves_no_trace(model in files(), changes in file_changes(), seed in any::<u64>()) {
        let shelf = Shelf::default();
        let base = build(&shelf, &model);
        let at_once = edit_all(&shelf, Some(base), &changes);
        let mut order: Vec<_> = changes.iter().collect();
        order.sort_by_key(|(key, _)| *blake3::keyed_hash(&[seed as u8; 32], key).as_bytes());
        let mut root = base;
        for (key, value) in order {
            root = edit(&shelf, Some(root), [(key.as_slice(), value.as_ref())]);
        }
        prop_assert_eq!(root, at_once);
    }

    /// Deleting a range, down to one entry or none, leaves the root of what is left.
    #[test]
    fn a_tree_shrinks_to_the_root_of_what_is_left(model in files(), from in 0_usize..6000, to in 0_usize..6000) {
        let shelf = Shelf::default();
        let base = build(&shelf, &model);
        for keep_inside in [false, true] {
            let kept = |k: &[u8]| (key(from).as_slice()..key(to).as_slice()).contains(&k) == keep_inside;
            let changes: Changes<FileEntry> = model.keys().filter(|k| !kept(k)).map(|k| (k.clone(), None)).collect();
            let left: Model<FileEntry> = model.iter().filter(|(k, _)| kept(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(edit_all(&shelf, Some(base), &changes), build(&shelf, &left));
        }
    }

    /// A range of a tree is the range of the map; so is the rest after a seek, forward or back; so is a get.
    #[test]
    fn ranges_and_seeks_are_those_of_the_map(model in files(), from in 0_usize..6100, len in 0_usize..900, back in 0_usize..6100) {
        let shelf = Shelf::default();
        let root = build(&shelf, &model);
        let (start, end) = (key(from), key(from + len));
        let mut cursor = Cursor::<FileEntry>::range(&shelf, &root, &start, Some(&end)).unwrap();
        let found: Result<Model<_>, TreeError> = cursor.by_ref().collect();
        let expected: Model<_> = model.range(start.clone()..end.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
        prop_assert_eq!(found.unwrap(), expected);
        cursor.seek(&key(back)).unwrap();
        let next = cursor.next_ref().unwrap().map(|(k, _)| k.to_vec());
        let bounds = (Bound::Included(key(back)), Bound::Excluded(end));
        let expected = if key(back) < key(from + len) { model.range(bounds).next() } else { None };
        prop_assert_eq!(next.as_ref(), expected.map(|(k, _)| k));
        prop_assert_eq!(tree::get::<FileEntry>(&shelf, &root, &start).unwrap(), model.get(&start).cloned());
    }

    /// An extent map is a map too.
    #[test]
    fn an_extent_map_is_the_map_of_its_extents(mut model in extents(), other in extents()) {
        let shelf = Shelf::default();
        let root = build(&shelf, &model);
        prop_assert_eq!(&content(&shelf, &root), &model);
        let mut changes: Changes<Extent> = other.into_iter().map(|(k, v)| (k, Some(v))).collect();
        changes.extend(model.keys().step_by(3).map(|k| (k.clone(), None)));
        let edited = edit_all(&shelf, Some(root), &changes);
        let before = model.clone();
        apply(&mut model, &changes);
        prop_assert_eq!(edited, build(&shelf, &model));
        prop_assert_eq!(&content(&shelf, &edited), &model);
        let found: Result<Vec<_>, _> = tree::diff(&shelf, Some(&root), Some(&edited)).unwrap().collect();
        prop_assert_eq!(found.unwrap(), expected_changes(&before, &model));
    }
}

#[test]
fn an_empty_tree_is_one_empty_leaf() {
    let shelf = Shelf::default();
    let root = build::<FileEntry>(&shelf, &Model::new());
    assert_eq!(content::<FileEntry>(&shelf, &root), Model::new());
    assert_eq!(
        tree::summary::<FileEntry>(&shelf, &root).unwrap(),
        tree::Totals::default()
    );
    let one = edit(&shelf, Some(root), [(key(3).as_slice(), Some(&file(3)))]);
    let none = edit::<FileEntry>(&shelf, Some(one), [(key(3).as_slice(), None)]);
    assert_eq!(none, root);
    assert_eq!(
        tree::get::<FileEntry>(&shelf, &none, &key(3)).unwrap(),
        None
    );
}

#[test]
fn a_comparison_with_nothing_lists_everything() {
    let shelf = Shelf::default();
    let model: Model<FileEntry> = (0..2000).map(|i| (key(i), file(i as u64))).collect();
    let root = build(&shelf, &model);
    for (old, new) in [(Some(&root), None), (None, Some(&root))] {
        let found = tree::diff::<FileEntry>(&shelf, old, new).unwrap().count();
        assert_eq!(found, model.len());
    }
    assert_eq!(
        tree::diff::<FileEntry>(&shelf, Some(&root), Some(&root))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn keys_that_do_not_ascend_are_refused() {
    let shelf = Shelf::default();
    let mut editor = Editor::new(&shelf, &shelf, &boundary(), None);
    editor.put(&key(5), &file(5)).unwrap();
    assert!(matches!(
        editor.put(&key(5), &file(5)),
        Err(TreeError::Unsorted)
    ));
    assert!(matches!(editor.delete(&key(4)), Err(TreeError::Unsorted)));
}

#[test]
fn an_editor_without_changes_returns_its_base_unread() {
    let shelf = Shelf::default();
    let base = ChunkId([9; 32]);
    let editor = Editor::<FileEntry>::new(&shelf, &shelf, &boundary(), Some(base));
    assert_eq!(editor.finish().unwrap(), base);
}

/// Applies `changes` one at a time and compares with a tree made of the outcome.
fn check_edits(mut model: Model<FileEntry>, changes: &Changes<FileEntry>) {
    let shelf = Shelf::default();
    let mut root = build(&shelf, &model);
    for (key, value) in changes {
        root = edit(&shelf, Some(root), [(key.as_slice(), value.as_ref())]);
        apply(&mut model, &BTreeMap::from([(key.clone(), value.clone())]));
        assert_eq!(root, build(&shelf, &model));
    }
    assert_eq!(content(&shelf, &root), model);
}

#[test]
fn nodes_cut_by_count_leave_no_trace_of_edits() {
    // A key that ends a leaf makes two of a pair; without such keys only the limit ends one.
    let ends = |key: &[u8]| {
        let shelf = Shelf::default();
        let value = file(0);
        let pair = [key, b"z\0z"].map(|key| (key, Some(&value)));
        let root = edit(&shelf, None, pair);
        tree::children(&shelf.plain(&root)).unwrap().level > 0
    };
    let model: Model<FileEntry> = (0..9500)
        .map(key)
        .filter(|k| !ends(k))
        .map(|k| (k, file(1)))
        .collect();
    let shelf = Shelf::default();
    let root = build(&shelf, &model);
    assert_eq!(tree::children(&shelf.plain(&root)).unwrap().nodes.len(), 3);
    let changes = [0, 1, 4095, 4096, 5000, 8191, 8192, 9499].map(|i| (key(i), None));
    let more = [10, 4097, 9600].map(|i| (key(i), Some(file(2))));
    check_edits(model, &changes.into_iter().chain(more).collect());
}

#[test]
fn nodes_cut_by_weight_leave_no_trace_of_edits() {
    let heavy = |i: usize| FileEntry {
        xattrs: vec![(b"user.a".to_vec(), vec![i as u8; 60 << 10])],
        ..file(i as u64)
    };
    let model: Model<FileEntry> = (0..90).map(|i| (key(i), heavy(i))).collect();
    let light = (0..90).step_by(7).map(|i| (key(i), Some(file(3))));
    let gone = (3..90).step_by(11).map(|i| (key(i), None));
    check_edits(model, &light.chain(gone).collect());
}
