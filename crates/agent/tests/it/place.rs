//! A source that is on another file system: moved, or not mounted.

use std::fs;
use std::path::{Path, PathBuf};

use agent::place::{Before, check};
use base::fault::Code;
use base::{ChunkId, Fault, limits};
use sources::place::Place;
use testkit::{Dice, Image, tempdir, trees};

use crate::memory::{Memory, back_up};

/// Looks at a root with the eyes of someone who remembers a tree from another file system.
fn after_a_change(memory: &Memory, root: &Path, tree: ChunkId) -> Result<(), Fault> {
    check(
        &Place::open(root).unwrap(),
        &Before {
            place: "another",
            tree,
            reader: memory,
        },
    )
}

fn refused(result: Result<(), Fault>) -> bool {
    match result {
        Ok(()) => false,
        Err(fault) => {
            assert_eq!(fault.code, Code::SourceNotMounted);
            true
        }
    }
}

/// Returns everything below a directory, what a directory has after it.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(dir) = found.get(next).cloned() {
        next += 1;
        if dir.symlink_metadata().unwrap().is_dir() {
            let names = fs::read_dir(dir).unwrap();
            found.extend(names.map(|entry| entry.unwrap().path()));
        }
    }
    found.remove(0);
    found
}

fn files(root: &Path) -> u64 {
    let is_file = |path: &&PathBuf| path.symlink_metadata().unwrap().is_file();
    below(root).iter().filter(is_file).count() as u64
}

/// The law: on another file system a source is refused exactly if less than its part of the files is left.
#[test]
fn a_source_elsewhere_is_refused_if_nearly_nothing_is_left_and_only_then() {
    let (mut refusals, mut moves) = (0, 0);
    for seed in 0..60 {
        let dir = tempdir().unwrap();
        let (root, mut dice) = (dir.path().join("root"), Dice::new(seed));
        fs::create_dir(&root).unwrap();
        let shape = trees::Shape {
            large_bytes: 1 << 10,
            ..trees::Shape::default()
        };
        trees::build(&root, seed, shape).unwrap();
        let memory = Memory::default();
        let tree = back_up(&memory, &root, None, false).root;
        let before = files(&root);
        assert!(before > 0);
        // So many stay at the most, in directories that stay or go.
        let kept_one_in = [1, 8, 30, u64::MAX][dice.index(4)];
        for path in below(&root) {
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() && dice.once_in(3) && kept_one_in > 1 => {
                    fs::remove_dir_all(path).unwrap();
                }
                Ok(found) if !found.is_dir() && !dice.once_in(kept_one_in) => {
                    fs::remove_file(path).unwrap();
                }
                _ => {}
            }
        }
        let emptied = files(&root) * limits::LEFT_ONE_IN < before;
        // What is new says nothing.
        fs::write(root.join("is not mounted"), "").unwrap();
        assert_eq!(
            refused(after_a_change(&memory, &root, tree)),
            emptied,
            "{seed}"
        );
        refusals += u32::from(emptied);
        moves += u32::from(!emptied);
    }
    assert!(refusals > 10 && moves > 10, "{refusals} {moves}");
}

#[test]
fn what_cannot_be_compared_is_refused_elsewhere_and_nothing_is_where_it_was() {
    let dir = tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("file"), "content").unwrap();
    let memory = Memory::default();
    let tree = back_up(&memory, root, None, false).root;
    fs::remove_file(root.join("file")).unwrap();
    let place = Place::open(root).unwrap();
    let same = Before {
        place: place.name(),
        tree,
        reader: &memory,
    };
    check(&place, &same).unwrap();
    fs::write(root.join("file"), "content").unwrap();
    assert!(!refused(after_a_change(&memory, root, tree)));
    memory.damage(tree);
    assert!(refused(after_a_change(&memory, root, tree)));
    check(&place, &same).unwrap();
    // A source that was empty has nothing to lose, and one without files its other entries.
    let bare = dir.path().join("bare");
    fs::create_dir(&bare).unwrap();
    let tree = back_up(&memory, &bare, None, false).root;
    assert!(!refused(after_a_change(&memory, &bare, tree)));
    std::os::unix::fs::symlink("elsewhere", bare.join("link")).unwrap();
    let tree = back_up(&memory, &bare, None, false).root;
    assert!(!refused(after_a_change(&memory, &bare, tree)));
    fs::remove_file(bare.join("link")).unwrap();
    assert!(refused(after_a_change(&memory, &bare, tree)));
}

#[test]
fn a_place_is_known_again_and_told_from_what_is_under_its_mount_point() {
    for kind in ["ext4", "btrfs", "xfs"] {
        // What xfs wants at least.
        let Some(image) = Image::mount(kind, 320).unwrap() else {
            continue;
        };
        let root = image.path();
        let name = |path: &Path| Place::open(path).unwrap().name().to_owned();
        fs::create_dir(root.join("inside")).unwrap();
        let (top, inside) = (name(&root), name(&root.join("inside")));
        assert_ne!(top, inside, "{kind}");
        assert!(image.unmount());
        let under = name(&root);
        assert_ne!(top, under, "{kind}");
        fs::create_dir(root.join("inside")).unwrap();
        assert_ne!(name(&root.join("inside")), inside, "{kind}");
        fs::remove_dir(root.join("inside")).unwrap();
        // It gets another device number if another image has taken the loop device meanwhile.
        let other = Image::mount(kind, 320).unwrap().unwrap();
        assert!(image.mount_again());
        assert_eq!((name(&root), name(&root.join("inside"))), (top, inside));
        assert_ne!(name(&root), name(&other.path()), "{kind}");
    }
}
