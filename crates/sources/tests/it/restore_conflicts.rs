//! What becomes of what stands in the way.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use format::entry::{FileEntry, Node};
use sources::Reason;
use sources::files::restore::{Begun, Conflict, Made, Preview, Would};

use crate::target::{Restored, entry, file, key, put};
use crate::tree::make;

fn content(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join(name)).unwrap()
}

#[test]
fn a_file_in_the_way_stays_or_is_replaced_or_gets_a_neighbour() {
    let dir = tempfile::tempdir().unwrap();
    let check = |conflict, made: Made| {
        make(dir.path(), &["f"]);
        let restored = Restored::open(dir.path(), conflict);
        assert_eq!(put(&restored.target, "f", "restored"), made);
        assert_eq!(restored.finish(), []);
    };
    check(Conflict::Skip, Made::Kept);
    assert_eq!(content(dir.path(), "f"), "f");
    check(Conflict::Rename, Made::Renamed(b"f.restored".to_vec()));
    assert_eq!(
        (content(dir.path(), "f"), content(dir.path(), "f.restored")),
        ("f".into(), "restored".into())
    );
    // Again: it is already there.
    check(Conflict::Rename, Made::Same);
    std::fs::write(dir.path().join("f.restored"), "other").unwrap();
    check(Conflict::Rename, Made::Renamed(b"f.restored-2".to_vec()));
    check(Conflict::Overwrite, Made::Replaced);
    assert_eq!(content(dir.path(), "f"), "restored");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn a_long_name_is_cut_to_make_room_for_its_ending() {
    let dir = tempfile::tempdir().unwrap();
    let name = "x".repeat(255);
    make(dir.path(), &[&name]);
    let restored = Restored::open(dir.path(), Conflict::Rename);
    let Made::Renamed(new) = put(&restored.target, &name, "r") else {
        panic!()
    };
    assert_eq!(new, format!("{}.restored", "x".repeat(246)).into_bytes());
}

#[test]
fn a_file_found_to_differ_follows_the_conflict_rule() {
    let dir = tempfile::tempdir().unwrap();
    for (conflict, kept) in [(Conflict::Skip, true), (Conflict::Overwrite, false)] {
        let restored = Restored::open(dir.path(), Conflict::Overwrite);
        put(&restored.target, "f", "one content");
        assert_eq!(restored.finish(), []);
        let restored = Restored::open(dir.path(), conflict);
        let Begun::Same(existing) = restored.target.begin_file(&key("f"), &file(11)).unwrap()
        else {
            panic!()
        };
        let mut found = Vec::new();
        assert_eq!(
            (existing.read_at(4, 100, &mut found).unwrap(), &found[..]),
            (7, &b"content"[..])
        );
        match existing.differs().unwrap() {
            Begun::Kept => assert!(kept),
            Begun::Write(writer) => {
                writer.write_at(0, b"TWO content").unwrap();
                assert_eq!((writer.finish().unwrap(), kept), (Made::Replaced, false));
            }
            Begun::Same(_) => panic!(),
        }
    }
    assert_eq!(content(dir.path(), "f"), "TWO content");
}

#[test]
fn a_file_that_stands_there_tells_where_its_data_is() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    let size = 1 << 40;
    let Begun::Write(writer) = restored.target.begin_file(&key("f"), &file(size)).unwrap() else {
        panic!()
    };
    writer.write_at(1 << 30, b"data").unwrap();
    writer.finish().unwrap();
    assert_eq!(restored.finish(), []);
    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    let Begun::Same(existing) = restored.target.begin_file(&key("f"), &file(size)).unwrap() else {
        panic!()
    };
    let next = |at| existing.next_data(at).unwrap();
    assert_eq!(next(0), Some(1 << 30));
    assert_eq!(next((1 << 30) + 1), Some((1 << 30) + 1));
    assert_eq!(next(2 << 30), None);
}

#[test]
fn directories_become_one_and_keep_their_metadata_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["d/here"]);
    let before = std::fs::metadata(dir.path().join("d")).unwrap().mode();
    for conflict in [Conflict::Skip, Conflict::Rename] {
        let restored = Restored::open(dir.path(), conflict);
        assert_eq!(
            restored
                .target
                .directory(&key("d"), &entry(Node::Directory))
                .unwrap(),
            Made::Kept
        );
        assert_eq!(restored.finish(), []);
        assert_eq!(
            std::fs::metadata(dir.path().join("d")).unwrap().mode(),
            before
        );
    }
    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    restored
        .target
        .directory(&key("d"), &entry(Node::Directory))
        .unwrap();
    put(&restored.target, "d/new", "x");
    assert_eq!(restored.finish(), []);
    assert_eq!(
        std::fs::metadata(dir.path().join("d")).unwrap().mode() & 0o7777,
        0o750
    );
    assert_eq!(content(dir.path(), "d/here"), "d/here");
}

#[test]
fn a_file_where_a_directory_goes_follows_the_rule_with_all_below() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["d"]);
    let directory = entry(Node::Directory);
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let refused = |result: Result<Made, sources::Problem>| result.unwrap_err().reason;
    assert_eq!(
        refused(restored.target.directory(&key("d"), &directory)),
        Reason::InTheWay
    );
    assert_eq!(
        restored
            .target
            .begin_file(&key("d/f"), &file(0))
            .err()
            .unwrap()
            .reason,
        Reason::InTheWay
    );

    let restored = Restored::open(dir.path(), Conflict::Rename);
    let renamed = Made::Renamed(b"d.restored".to_vec());
    assert_eq!(
        restored.target.directory(&key("d"), &directory).unwrap(),
        renamed
    );
    put(&restored.target, "d/f", "below");
    assert_eq!(restored.finish(), []);
    assert_eq!(
        (
            content(dir.path(), "d"),
            content(dir.path(), "d.restored/f")
        ),
        ("d".into(), "below".into())
    );
    assert_eq!(
        std::fs::metadata(dir.path().join("d.restored"))
            .unwrap()
            .mode()
            & 0o7777,
        0o750
    );

    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    assert_eq!(
        restored.target.directory(&key("d"), &directory).unwrap(),
        Made::Replaced
    );
    put(&restored.target, "d/f", "instead");
    assert_eq!(restored.finish(), []);
    assert_eq!(content(dir.path(), "d/f"), "instead");
}

#[test]
fn a_directory_where_a_file_goes_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["f/precious"]);
    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    assert_eq!(
        restored
            .target
            .begin_file(&key("f"), &file(0))
            .err()
            .unwrap()
            .reason,
        Reason::InTheWay
    );
    assert_eq!(
        restored
            .target
            .other(&key("f"), &entry(Node::Fifo))
            .unwrap_err()
            .reason,
        Reason::InTheWay
    );
    assert_eq!(content(dir.path(), "f/precious"), "f/precious");
}

#[test]
fn what_appears_while_a_file_is_written_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let Begun::Write(writer) = restored.target.begin_file(&key("f"), &file(0)).unwrap() else {
        panic!()
    };
    make(dir.path(), &["f"]);
    assert_eq!(writer.finish().unwrap_err().reason, Reason::InTheWay);
    assert_eq!(content(dir.path(), "f"), "f");
}

#[test]
fn links_lead_only_to_files_of_this_run() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["stranger"]);
    let restored = Restored::open(dir.path(), Conflict::Overwrite);
    let mut linked = file(0);
    linked.links = 9;
    let link = |to: &str| restored.target.link(&key(to), &linked);
    assert_eq!(link("l").unwrap_err().reason, Reason::LinkMissing);
    assert!(!restored.target.meet(&linked));
    // Its first name was met and is not yet made.
    assert_eq!(link("l").unwrap_err().reason, Reason::LinkMissing);
    let Begun::Write(writer) = restored.target.begin_file(&key("first"), &linked).unwrap() else {
        panic!()
    };
    writer.finish().unwrap();
    assert!(restored.target.meet(&linked));
    assert_eq!(link("second").unwrap(), Made::New);
    assert_eq!(link("second").unwrap(), Made::Same);
    assert_eq!(link("stranger").unwrap(), Made::Replaced);
    assert_eq!(
        std::fs::metadata(dir.path().join("first")).unwrap().nlink(),
        3
    );
    // Something else was put where the first was.
    std::fs::remove_file(dir.path().join("first")).unwrap();
    symlink("/etc/passwd", dir.path().join("first")).unwrap();
    assert_eq!(link("third").unwrap_err().reason, Reason::Replaced);
    assert!(std::fs::symlink_metadata(dir.path().join("third")).is_err());
}

#[test]
fn a_preview_tells_what_would_happen_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("to");
    let directory = entry(Node::Directory);
    let look = |path: &str, entry: &FileEntry| {
        Preview::open(&root, true)
            .unwrap()
            .look(&key(path), entry)
            .unwrap()
    };
    assert_eq!(
        (look("", &directory), look("a/b", &file(1))),
        (Would::Make, Would::Make)
    );
    assert!(!root.try_exists().unwrap());
    make(&root, &["d/other", "link-target/"]);
    symlink("link-target", root.join("link")).unwrap();
    put(
        &Restored::open(&root, Conflict::Skip).target,
        "d/same",
        "same",
    );
    assert_eq!(
        (look("", &directory), look("d", &directory)),
        (Would::Merge, Would::Merge)
    );
    assert_eq!(
        (look("d/same", &file(4)), look("d/other", &file(4))),
        (Would::Same, Would::Conflict)
    );
    assert_eq!(
        (look("d", &file(1)), look("link", &directory)),
        (Would::Directory, Would::Conflict)
    );
    assert_eq!(
        (look("d/new", &file(1)), look("link/x", &file(1))),
        (Would::Make, Would::Below)
    );
    let link = |to: &str| entry(Node::Symlink(to.into()));
    assert_eq!(
        (
            look("link", &link("link-target")),
            look("link", &link("other"))
        ),
        (Would::Same, Would::Conflict)
    );
    let fifo = entry(Node::Fifo);
    Restored::open(&root, Conflict::Skip)
        .target
        .other(&key("d/fifo"), &fifo)
        .unwrap();
    assert_eq!(
        (look("d/fifo", &fifo), look("d/other", &fifo)),
        (Would::Same, Would::Conflict)
    );
}
