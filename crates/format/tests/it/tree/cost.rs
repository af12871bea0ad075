//! What operations cost, in nodes read and saved.

use std::collections::BTreeMap;

use base::ChunkId;
use format::entry::FileEntry;
use format::tree::{self, Cursor};

use super::{Shelf, build, edit, file, key};

const ENTRIES: usize = 100_000;

fn large(shelf: &Shelf) -> ChunkId {
    let model: BTreeMap<_, _> = (0..ENTRIES).map(|i| (key(i), file(i as u64))).collect();
    build(shelf, &model)
}

#[test]
fn one_change_among_many_entries_touches_few_nodes() {
    let shelf = Shelf::default();
    let base = large(&shelf);
    let (loads, nodes) = shelf.cost();
    assert_eq!(loads, 0, "building reads nothing");
    assert!((100..400).contains(&nodes), "{nodes} nodes");
    let changed = file(7_000_000);
    for i in [0, 17, 31_415, 50_000, ENTRIES - 1] {
        for change in [Some(&changed), None] {
            let root = edit(&shelf, Some(base), [(key(i).as_slice(), change)]);
            let (loads, saves) = shelf.cost();
            // Root and leaf; a leaf more if the deleted entry ended one.
            assert!(
                loads <= 5 && saves <= 4,
                "{loads} loads, {saves} saves at {i}"
            );
            let found = tree::diff::<FileEntry>(&shelf, Some(&base), Some(&root))
                .unwrap()
                .count();
            assert_eq!(found, 1);
            let (loads, _) = shelf.cost();
            assert!(loads <= 9, "{loads} loads to compare at {i}");
        }
    }
}

#[test]
fn many_changes_cost_in_proportion() {
    let shelf = Shelf::default();
    let base = large(&shelf);
    shelf.cost();
    let changes: Vec<_> = (0..ENTRIES).step_by(10_000).map(key).collect();
    let changed = file(8_000_000);
    let root = edit(
        &shelf,
        Some(base),
        changes.iter().map(|k| (k.as_slice(), Some(&changed))),
    );
    let (loads, saves) = shelf.cost();
    assert!(loads <= 40 && saves <= 30, "{loads} loads, {saves} saves");
    assert_eq!(
        tree::diff::<FileEntry>(&shelf, Some(&base), Some(&root))
            .unwrap()
            .count(),
        10
    );
    let (loads, _) = shelf.cost();
    assert!(loads <= 60, "{loads} loads to compare");
}

#[test]
fn a_look_up_and_a_seek_read_one_path() {
    let shelf = Shelf::default();
    let root = large(&shelf);
    shelf.cost();
    assert_eq!(
        tree::get(&shelf, &root, &key(77_777)).unwrap(),
        Some(file(77_777))
    );
    assert!(shelf.cost().0 <= 4);
    assert_eq!(
        tree::summary::<FileEntry>(&shelf, &root).unwrap().entries,
        ENTRIES as u64
    );
    assert_eq!(shelf.cost().0, 1);
    let mut cursor = Cursor::<FileEntry>::range(&shelf, &root, &key(500), None).unwrap();
    assert_eq!(
        cursor.next_ref().unwrap().map(|(k, _)| k.to_vec()),
        Some(key(500))
    );
    cursor.seek(&key(90_000)).unwrap();
    assert_eq!(
        cursor.next_ref().unwrap().map(|(k, _)| k.to_vec()),
        Some(key(90_000))
    );
    assert!(shelf.cost().0 <= 7);
}

#[test]
fn appending_in_batches_saves_about_what_building_does() {
    let shelf = Shelf::default();
    let mut root = None;
    for batch in 0..20 {
        let keys: Vec<_> = (batch * 1000..(batch + 1) * 1000).map(key).collect();
        let value = file(batch as u64);
        root = Some(edit(
            &shelf,
            root,
            keys.iter().map(|k| (k.as_slice(), Some(&value))),
        ));
    }
    let (loads, saves) = shelf.cost();
    assert!(loads <= 80 && saves <= 140, "{loads} loads, {saves} saves");
}
