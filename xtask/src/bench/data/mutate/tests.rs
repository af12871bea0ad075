//! Rounds of changes on small sets.

use std::collections::BTreeMap;

use super::*;

type State = (Vec<u8>, SystemTime);
type Tree = BTreeMap<PathBuf, State>;

fn tree(dir: &Path) -> Tree {
    let entry = |(path, metadata): (PathBuf, Metadata)| {
        let below = path.strip_prefix(dir).unwrap().to_path_buf();
        (
            below,
            (fs::read(&path).unwrap(), metadata.modified().unwrap()),
        )
    };
    files(dir).into_iter().map(entry).collect()
}

fn bytes(tree: &Tree) -> Vec<(&PathBuf, &Vec<u8>)> {
    tree.iter()
        .map(|(path, (content, _))| (path, content))
        .collect()
}

/// Returns a set before and after a round on a copy of it, having checked that the set itself is as it was and that
/// another copy changes in the same way.
fn check(set: Set, make: impl Fn(&Path)) -> (Tree, Tree) {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    make(&original);
    let before = tree(&original);
    let [one, other] = ["one/set", "other/set"].map(|name| {
        let to = dir.path().join(name);
        copy(&original, &to).unwrap();
        assert_eq!(tree(&to), before);
        round(&to, set, 1).unwrap();
        tree(&to)
    });
    assert_eq!(tree(&original), before);
    assert_eq!(bytes(&one), bytes(&other));
    (before, one)
}

#[test]
fn a_round_of_src_changes_one_file_in_fifty_and_names_of_300() {
    let (before, after) = check(Set::Src, |dir| {
        for number in 0..1000 {
            let sub = dir.join(format!("d{}", number % 7));
            fs::create_dir_all(&sub).unwrap();
            fs::write(sub.join(format!("f{number}")), number.to_string()).unwrap();
        }
    });
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    assert_eq!(gone.count(), 200, "100 renamed and 100 deleted");
    let new = after.keys().filter(|path| !before.contains_key(*path));
    assert_eq!(new.count(), 200, "100 renamed and 100 new");
    let kept = || {
        before
            .iter()
            .filter_map(|(path, old)| Some((old, after.get(path)?)))
    };
    assert_eq!(kept().filter(|(old, new)| old.0 != new.0).count(), 10);
    let touched = |(old, new): &(&State, &State)| old.0 == new.0 && old.1 != new.1;
    assert_eq!(kept().filter(touched).count(), 10);
}

#[test]
fn a_round_of_big_inserts_overwrites_and_appends() {
    let (before, after) = check(Set::Big, |dir| {
        for sub in ["logs", "bin"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        for name in ["random.bin", "vm.img", "logs/app0.log", "bin/000-x"] {
            fs::write(dir.join(name), vec![7; 8 << 20]).unwrap();
        }
    });
    let grown = |name: &str| after[Path::new(name)].0.len() - before[Path::new(name)].0.len();
    assert_eq!(grown("random.bin"), 4 * 4096);
    assert_eq!(grown("vm.img"), 0);
    assert_ne!(after[Path::new("vm.img")].0, before[Path::new("vm.img")].0);
    assert_eq!(grown("logs/app0.log"), 1 << 20);
    assert!(after.contains_key(Path::new("bin/000-x.r1")));
}

#[test]
fn rounds_differ() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        fs::write(dir.path().join(format!("f{number}")), "x").unwrap();
    }
    round(dir.path(), Set::Src, 1).unwrap();
    let first = files(dir.path()).len();
    round(dir.path(), Set::Src, 2).unwrap();
    assert_eq!(files(dir.path()).len(), first);
    let second = |(path, _): &(PathBuf, Metadata)| path.to_string_lossy().ends_with(".r2");
    assert_eq!(files(dir.path()).iter().filter(|f| second(f)).count(), 100);
}
