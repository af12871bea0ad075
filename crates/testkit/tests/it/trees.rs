//! Trees repeat, and hold what backups stumble over.

use std::collections::BTreeMap;

use testkit::tempdir;
use testkit::trees::{Shape, build, change, describe};

#[test]
fn a_seed_determines_the_tree_and_its_changes() {
    let make = |seed| {
        let dir = tempdir().expect("a temporary directory");
        build(dir.path(), seed, Shape::default()).expect("built");
        let before = describe(dir.path()).expect("described");
        change(dir.path(), seed, 10).expect("changed");
        (before, describe(dir.path()).expect("described"))
    };
    let (before, after) = make(7);
    let (same_before, same_after) = make(7);
    same(&before, &same_before);
    same(&after, &same_after);
    assert!(before != after);
    assert!(before != make(8).0);
}

/// Prints only what differs.
fn same(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) {
    for path in a.keys().chain(b.keys()) {
        assert_eq!(a.get(path), b.get(path), "{path}");
    }
}

#[test]
fn a_tree_holds_every_kind_of_entry() {
    let dir = tempdir().expect("a temporary directory");
    build(dir.path(), 1, Shape::default()).expect("built");
    let described = describe(dir.path()).expect("described");
    for kind in ["file 0 ", "dir,", "link to", "fifo", "same file as"] {
        let some = described.values().any(|line| line.contains(kind));
        assert!(some, "{kind} in {described:#?}");
    }
    assert!(described.keys().any(|path| path.contains("\\xff")));
}

#[test]
fn an_empty_tree_can_be_changed() {
    let dir = tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("only"), b"one").expect("written");
    for seed in 0..50 {
        // Renames and removals make it empty in between.
        if describe(dir.path()).expect("described").is_empty() {
            std::fs::write(dir.path().join("only"), b"one").expect("written");
        }
        change(dir.path(), seed, 1).expect("changed");
    }
}
