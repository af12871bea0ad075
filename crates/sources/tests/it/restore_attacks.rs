//! Nothing is written outside the target, whatever the point says and whatever stands in the target.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use format::entry::{FileKey, Node};
use proptest::prelude::*;
use sources::Reason;
use sources::files::restore::{Begun, Conflict};

use crate::target::{Restored, entry, file, key, settle};
use crate::tree::make;

const RULES: [Conflict; 3] = [Conflict::Skip, Conflict::Overwrite, Conflict::Rename];

/// A directory with a target in it and something precious beside it.
struct Arena {
    dir: tempfile::TempDir,
}

impl Arena {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["outside/precious", "to/"]);
        Self { dir }
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("to")
    }

    /// Asserts that nothing but the target has changed.
    fn check(&self) {
        let names = |path: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(self.dir.path()), ["outside", "to"]);
        assert_eq!(names(&self.dir.path().join("outside")), ["precious"]);
        let precious = self.dir.path().join("outside/precious");
        assert_eq!(std::fs::read(&precious).unwrap(), b"outside/precious");
        let metadata = std::fs::symlink_metadata(precious).unwrap();
        assert_eq!(metadata.nlink(), 1);
        assert_ne!(metadata.mtime(), 1_000_000_000);
    }
}

/// Tries to make an entry of every kind under `key`, and returns why each was refused.
fn attack(root: &Path, conflict: Conflict, key: &FileKey) -> Vec<Option<Reason>> {
    let restored = Restored::open(root, conflict);
    let target = &restored.target;
    let mut reasons = vec![target.directory(key, &entry(Node::Directory)).err()];
    for node in [
        Node::Symlink(b"/etc".to_vec()),
        Node::Fifo,
        Node::Socket,
        Node::CharDevice(1 << 32 | 3),
    ] {
        reasons.push(target.other(key, &entry(node)).err());
    }
    reasons.push(match target.begin_file(key, &file(3)) {
        Ok(Begun::Write(writer)) => writer
            .write_at(0, b"bad")
            .and_then(|()| writer.finish())
            .err(),
        Ok(_) => None,
        Err(problem) => Some(problem),
    });
    settle(&restored.target, None);
    reasons
        .into_iter()
        .map(|problem| problem.map(|problem| problem.reason))
        .collect()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let absolute = |path: &str| FileKey(format!("\0{path}").into_bytes());
    let keys = [
        absolute(""),
        absolute("."),
        absolute(".."),
        absolute("../outside/x"),
        absolute("/tmp/x"),
        absolute("a/b"),
        absolute("nul\0nul"),
        key("../x"),
        key("a/../../outside/x"),
        key("./x"),
        key("a//x"),
        FileKey(b"../outside\0x".to_vec()),
        FileKey(b"a/b\0x".to_vec()),
        FileKey(b"a\x01\0x".to_vec()),
        FileKey(b"\x01a\0x".to_vec()),
        FileKey(b"a\x02\0x".to_vec()),
        FileKey(b"a\x02b\0x".to_vec()),
        FileKey(b"no zero".to_vec()),
    ];
    let arena = Arena::new();
    for conflict in RULES {
        for key in &keys {
            let reasons = attack(&arena.target(), conflict, key);
            assert!(
                reasons
                    .iter()
                    .all(|reason| *reason == Some(Reason::BadName)),
                "{key:?} {reasons:?}"
            );
        }
        assert_eq!(std::fs::read_dir(arena.target()).unwrap().count(), 0);
        arena.check();
    }
}

#[test]
fn the_root_is_only_ever_a_directory() {
    let arena = Arena::new();
    for conflict in RULES {
        let reasons = attack(&arena.target(), conflict, &key(""));
        assert_eq!(reasons[0], None);
        assert!(
            reasons[1..]
                .iter()
                .all(|reason| *reason == Some(Reason::BadName))
        );
        arena.check();
    }
}

#[test]
fn links_in_the_target_are_not_followed() {
    for conflict in RULES {
        for (link, path) in [
            ("../outside", "l/precious"),
            ("../outside", "l/d/new"),
            ("../outside/precious", "l"),
            ("..", "l/outside/precious"),
        ] {
            let arena = Arena::new();
            symlink(link, arena.target().join("l")).unwrap();
            attack(&arena.target(), conflict, &key(path));
            arena.check();
        }
    }
}

#[test]
fn a_link_that_the_point_itself_brings_is_not_followed() {
    for conflict in RULES {
        let arena = Arena::new();
        let restored = Restored::open(&arena.target(), conflict);
        let link = entry(Node::Symlink(b"../outside".to_vec()));
        restored.target.other(&key("l"), &link).unwrap();
        drop(
            restored
                .target
                .directory(&key("l"), &entry(Node::Directory)),
        );
        drop(restored.target.begin_file(&key("l/precious"), &file(0)));
        restored.finish();
        attack(&arena.target(), conflict, &key("l/precious"));
        arena.check();
    }
}

#[test]
fn a_directory_swapped_for_a_link_while_restoring_is_not_followed() {
    let arena = Arena::new();
    let restored = Restored::open(&arena.target(), Conflict::Overwrite);
    restored
        .target
        .directory(&key("d"), &entry(Node::Directory))
        .unwrap();
    std::fs::remove_dir(arena.target().join("d")).unwrap();
    symlink("../outside", arena.target().join("d")).unwrap();
    let refused = restored
        .target
        .begin_file(&key("d/precious"), &file(0))
        .err()
        .unwrap();
    assert_eq!(refused.reason, Reason::InTheWay);
    assert_eq!(restored.finish()[0].reason, Reason::InTheWay);
    arena.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes a key is made of, nothing outside the target changes.
    #[test]
    fn no_key_leads_outside(bytes in prop::collection::vec(prop::sample::select(&b"\x00\x01\x02../outprecious"[..]), 0..24)) {
        let arena = Arena::new();
        symlink("../outside", arena.target().join("o")).unwrap();
        for conflict in RULES {
            attack(&arena.target(), conflict, &FileKey(bytes.clone()));
            arena.check();
        }
    }
}
