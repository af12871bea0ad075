//! File keys: any names, and the order of a walk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds};

use base::limits::{NAME_BYTES_MAX, PATH_DEPTH_MAX};
use format::entry::{BadKey, FileKey, check_name};
use proptest::prelude::*;

/// Names as unpleasant as they come: the bytes that keys give a meaning, invalid UTF-8, newlines.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => 1_u8..5,
        2 => any::<u8>(),
        1 => Just(b'\n'),
        1 => Just(0xff),
        2 => Just(b'a'),
    ];
    prop::collection::vec(byte, 1..5).prop_filter("a name", |name| check_name(name).is_ok())
}

fn path() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(name(), 1..6)
}

fn key(path: &[Vec<u8>]) -> FileKey {
    match path.split_last() {
        None => FileKey::root(),
        Some((name, dir)) => {
            let dir: Vec<_> = dir.iter().map(Vec::as_slice).collect();
            FileKey::new(&dir, name).expect("good names")
        }
    }
}

/// A directory of the model: its entries by name, each perhaps a directory.
#[derive(Default)]
struct Dir(BTreeMap<Vec<u8>, Dir>);

impl Dir {
    fn insert(&mut self, path: &[Vec<u8>]) {
        if let Some((name, rest)) = path.split_first() {
            self.0.entry(name.clone()).or_default().insert(rest);
        }
    }

    /// All entries of a directory, then each subdirectory.
    fn walk(&self, at: &[Vec<u8>], out: &mut Vec<Vec<Vec<u8>>>) {
        out.extend(
            self.0
                .keys()
                .map(|name| [at, std::slice::from_ref(name)].concat()),
        );
        for (name, dir) in &self.0 {
            dir.walk(&[at, std::slice::from_ref(name)].concat(), out);
        }
    }
}

proptest! {
    // Names to key to names is identity, by every way of making the key.
    #[test]
    fn any_names_come_back_from_their_key(path in path()) {
        let key = key(&path);
        prop_assert_eq!(key.components(), Ok(path.clone()));
        prop_assert_eq!(key.name(), path.last().expect("it has a name").as_slice());
        prop_assert_eq!(key.depth(), path.len());
        let text = path.join(&b'/');
        prop_assert_eq!(key.to_path(), Ok(text.clone()));
        prop_assert_eq!(FileKey::from_path(&text), Ok(key.clone()));
        let made = path.iter().try_fold(FileKey::root(), |dir, name| dir.child(name));
        prop_assert_eq!(made, Ok(key.clone()));
        let above = &path[..path.len() - 1];
        prop_assert_eq!(key.parent(), Some(self::key(above)));
    }

    // Keys sorted are the walk: a directory lists all its entries, then each subdirectory is entered in turn.
    #[test]
    fn sorted_keys_are_the_walk(paths in prop::collection::vec(path(), 0..60)) {
        let mut model = Dir::default();
        paths.iter().for_each(|path| model.insert(path));
        let mut walk = Vec::new();
        model.walk(&[], &mut walk);
        let sorted: BTreeSet<_> = walk.iter().map(|path| key(path)).collect();
        let walked: Vec<_> = walk.iter().map(|path| key(path)).collect();
        prop_assert_eq!(sorted.into_iter().collect::<Vec<_>>(), walked);
    }

    // Ranges hold what their names say, and nothing else.
    #[test]
    fn ranges_are_directories_and_subtrees(dir in prop::collection::vec(name(), 0..4), other in path()) {
        let (dir_key, other_key) = (key(&dir), key(&other));
        let below = other.len() > dir.len() && other.starts_with(&dir);
        prop_assert_eq!(dir_key.subtree_range().contains(&other_key.0), below);
        let direct = below && other.len() == dir.len() + 1;
        prop_assert_eq!(dir_key.entries_range().contains(&other_key.0), direct);
        prop_assert_eq!(other_key.0.starts_with(&dir_key.dir_prefix()), direct);
        prop_assert!(!dir_key.subtree_range().contains(&dir_key.0));
    }

    // Whatever the bytes: either they are exactly the key of some names, or they are refused.
    #[test]
    fn bytes_are_the_key_of_their_names_or_refused(bytes in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..12)) {
        let read = FileKey(bytes);
        if let Ok(names) = read.components() {
            prop_assert_eq!(key(&names), read);
        }
    }
}

#[test]
fn the_root_is_above_everything() {
    let root = FileKey::root();
    assert!(root.is_root());
    assert_eq!(
        (root.components(), root.parent(), root.depth()),
        (Ok(vec![]), None, 0)
    );
    assert_eq!(FileKey::from_path(b"//"), Ok(root.clone()));
    assert_eq!(
        root.subtree_range(),
        (Bound::Included(vec![0]), Bound::Unbounded)
    );
    assert_eq!(FileKey::from_path(b"/a//b/"), FileKey::new(&[b"a"], b"b"));
}

#[test]
fn what_could_leave_its_directory_is_no_name() {
    for name in [
        &b""[..],
        b".",
        b"..",
        b"a/b",
        b"a\0b",
        &[b'x'; NAME_BYTES_MAX + 1],
    ] {
        assert_eq!(FileKey::new(&[], name), Err(BadKey::Name));
        assert_eq!(FileKey::new(&[name], b"b"), Err(BadKey::Name));
    }
    assert_eq!(FileKey::from_path(b"a/../b"), Err(BadKey::Name));
    for forged in [
        &b"\0.."[..],
        b"..\0a",
        b"a",
        b"a\x01\x01b\0c",
        b"a\x02b\0c",
        b"\0a/b",
        b"a\x01\0b",
    ] {
        assert!(FileKey(forged.to_vec()).components().is_err(), "{forged:?}");
    }
}

#[test]
fn paths_too_long_or_too_deep_are_refused() {
    let name = [2_u8; NAME_BYTES_MAX];
    let dirs = vec![&name[..]; 80];
    assert_eq!(FileKey::new(&dirs, &name), Err(BadKey::TooLong));
    let dirs = vec![&b"d"[..]; PATH_DEPTH_MAX];
    assert_eq!(FileKey::new(&dirs, b"x"), Err(BadKey::TooLong));
    assert!(FileKey::new(&dirs[1..], b"x").is_ok());
}
