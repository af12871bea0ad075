//! What a power cut leaves, and what the next run makes of it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::SystemTime;

use format::entry::{FileEntry, Node};
use sources::files::restore::{Begun, Conflict, Made, Preview, Target, Would};
use sources::{Op, Reason};

use crate::target::{Restored, entry, file, key, put, settle};
use crate::tree::{is_root, make};

const MARK: u32 = 0o1600;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Cuts or extends a file to `len`, zeros all of it, and keeps its time: what is left if its content was never
/// written and its metadata was.
fn tear(path: &Path, len: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    file.set_len(0).unwrap();
    file.set_len(len).unwrap();
    file.set_modified(time).unwrap();
}

fn touch(path: &Path, time: SystemTime) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// As [`put`], but reads and compares what stands there.
fn put_compared(target: &Target, path: &str, entry: &FileEntry, content: &str) -> Made {
    let mut begun = target.begin_file(&key(path), entry).unwrap();
    loop {
        begun = match begun {
            Begun::Kept => return Made::Kept,
            Begun::Write(writer) => {
                writer.write_at(0, content.as_bytes()).unwrap();
                return writer.finish().unwrap();
            }
            Begun::Same(existing) => {
                let mut found = Vec::new();
                existing.read_at(0, content.len(), &mut found).unwrap();
                if found == content.as_bytes() {
                    return existing.keep();
                }
                existing.differs().unwrap()
            }
        };
    }
}

#[test]
fn marks_go_after_a_sync_that_began_after_their_content() {
    let dir = tempfile::tempdir().unwrap();
    let Restored { target, .. } = &Restored::open(dir.path(), Conflict::Skip);
    let at = |path: &str| dir.path().join(path);
    target
        .directory(&key("a"), &entry(Node::Directory))
        .unwrap();
    put(target, "f", "file");
    let checkpoint = target.checkpoint(Some(&key("b")));
    target
        .directory(&key("c"), &entry(Node::Directory))
        .unwrap();
    put(target, "g", "file");
    assert_eq!((mode(&at("f")), mode(&at("a"))), (MARK, 0o1700));
    let synced = target.sync(checkpoint).unwrap();
    assert_eq!((mode(&at("f")), mode(&at("a"))), (MARK, 0o1700));
    assert_eq!(target.waiting(), 1);
    target.settle(synced);
    assert_eq!((mode(&at("f")), mode(&at("g"))), (0o640, MARK));
    settle(target, None);
    assert_eq!((mode(&at("g")), mode(&at("c"))), (0o640, 0o750));
    assert_eq!(target.waiting(), 0);
}

/// Leaves a file as a run that lost power did, torn to `len` bytes, and returns what the next run makes of it.
fn torn(root: &Path, path: &str, len: u64, conflict: Conflict) -> Made {
    let run = |conflict| {
        let restored = Restored::open(root, conflict);
        restored
            .target
            .directory(&key("d"), &entry(Node::Directory))
            .unwrap();
        restored
    };
    put(&run(conflict).target, path, "content");
    tear(&root.join(path), len);
    let next = run(conflict);
    let made = put_compared(&next.target, path, &file(7), "content");
    assert_eq!(fs::read(root.join(path)).unwrap(), b"content");
    assert_eq!(next.finish(), []);
    assert_eq!(mode(&root.join(path)), 0o640);
    made
}

#[test]
fn a_torn_file_is_replaced_whatever_the_rule() {
    for conflict in [Conflict::Skip, Conflict::Overwrite, Conflict::Rename] {
        for len in [0, 3, 7] {
            for path in ["d/in the making", "in a directory that stood there"] {
                let dir = tempfile::tempdir().unwrap();
                let made = torn(dir.path(), path, len, conflict);
                assert_eq!(made, Made::Replaced, "{path} {len} {conflict:?}");
                let names = fs::read_dir(dir.path().join(path).parent().unwrap());
                assert!(names.unwrap().count() <= 2);
            }
        }
    }
}

#[test]
fn a_torn_file_beside_one_in_the_way_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["f"]);
    let renamed = Made::Renamed(b"f.restored".to_vec());
    let first = Restored::open(dir.path(), Conflict::Rename);
    assert_eq!(put(&first.target, "f", "content"), renamed);
    for len in [0, 7] {
        tear(&dir.path().join("f.restored"), len);
        // Also if what is in the way has the entry's size and time.
        if len == 7 {
            fs::write(dir.path().join("f"), "another").unwrap();
            touch(
                &dir.path().join("f"),
                fs::metadata(dir.path().join("f.restored"))
                    .unwrap()
                    .modified()
                    .unwrap(),
            );
        }
        let next = Restored::open(dir.path(), Conflict::Rename);
        let made = put_compared(&next.target, "f", &file(7), "content");
        assert_eq!(made, renamed);
        assert_eq!(fs::read(dir.path().join("f.restored")).unwrap(), b"content");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_whole_file_that_carries_its_mark_is_taken_and_gets_its_mode_after_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    put(
        &Restored::open(dir.path(), Conflict::Skip).target,
        "f",
        "content",
    );
    let next = Restored::open(dir.path(), Conflict::Skip);
    let made = put_compared(&next.target, "f", &file(7), "content");
    assert_eq!((made, mode(&dir.path().join("f"))), (Made::Same, MARK));
    assert_eq!(next.finish(), []);
    assert_eq!(mode(&dir.path().join("f")), 0o640);
}

#[test]
fn what_is_not_ours_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let directory = entry(Node::Directory);
    let first = Restored::open(dir.path(), Conflict::Skip);
    first.target.directory(&key("d"), &directory).unwrap();
    for path in ["d/time", "d/longer", "d/owner", "time", "unmarked", "link"] {
        put(&first.target, path, "content");
    }
    for path in ["d/time", "time"] {
        fs::write(at(path), "c").unwrap();
    }
    tear(&at("d/longer"), 8);
    fs::set_permissions(at("unmarked"), PermissionsExt::from_mode(0o600)).unwrap();
    tear(&at("unmarked"), 0);
    fs::rename(at("link"), at("elsewhere")).unwrap();
    symlink("elsewhere", at("link")).unwrap();
    let mut kept = vec!["d/time", "d/longer", "time", "unmarked", "link"];
    if is_root("a file of somebody else") {
        tear(&at("d/owner"), 0);
        chown(at("d/owner"), Some(4711), None).unwrap();
        kept.push("d/owner");
    }
    let next = Restored::open(dir.path(), Conflict::Skip);
    next.target.directory(&key("d"), &directory).unwrap();
    for path in kept {
        let made = put_compared(&next.target, path, &file(7), "content");
        assert_eq!(made, Made::Kept, "{path}");
    }
}

#[test]
fn every_name_of_a_torn_file_leads_to_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let linked = FileEntry {
        links: 3,
        ..file(7)
    };
    let names = ["d/first", "d/second", "third"];
    let run = || {
        let restored = Restored::open(dir.path(), Conflict::Skip);
        restored
            .target
            .directory(&key("d"), &entry(Node::Directory))
            .unwrap();
        restored
    };
    let all = |target: &Target, made: Made| {
        for name in names {
            let now = match target.meet(&linked) {
                false => put_compared(target, name, &linked, "content"),
                true => target.link(&key(name), &linked).unwrap(),
            };
            assert_eq!(now, made, "{name}");
        }
    };
    all(&run().target, Made::New);
    assert_eq!(mode(&at("third")), MARK);
    tear(&at("third"), 0);
    // The next run is cut off after the first name; the one after it knows the others all the same.
    let cut_off = run();
    cut_off.target.meet(&linked);
    let made = put_compared(&cut_off.target, names[0], &linked, "content");
    assert_eq!(made, Made::Replaced);
    tear(&at("d/first"), 2);
    let next = run();
    all(&next.target, Made::Replaced);
    assert_eq!(next.finish(), []);
    for name in names {
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!((metadata.nlink(), metadata.mode() & 0o7777), (3, 0o640));
        assert_eq!(fs::read(at(name)).unwrap(), b"content");
    }
}

#[test]
fn a_file_that_gives_privileges_to_another_owner_is_whole_when_it_appears() {
    if !is_root("files of others") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    for (name, uid, wanted, meanwhile) in [
        ("root", 0, 0o4755, MARK),
        ("other", 12, 0o4755, 0o4755),
        ("group", 12, 0o2755, 0o2755),
        ("shared", 12, 0o2664, MARK),
    ] {
        let entry = FileEntry {
            uid,
            mode: wanted,
            ..file(7)
        };
        assert_eq!(
            put_compared(&restored.target, name, &entry, "content"),
            Made::New
        );
        assert_eq!(mode(&dir.path().join(name)), meanwhile, "{name}");
        settle(&restored.target, None);
        assert_eq!(mode(&dir.path().join(name)), u32::from(wanted), "{name}");
    }
    assert_eq!(restored.finish(), []);
}

#[test]
fn a_file_that_replaces_another_is_as_it_shall_be_when_it_appears() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in use");
    fs::write(&path, "what somebody works with").unwrap();
    let Restored { target, .. } = &Restored::open(dir.path(), Conflict::Overwrite);
    let Begun::Write(writer) = target.begin_file(&key("in use"), &file(7)).unwrap() else {
        panic!("another file stands there")
    };
    writer.write_at(0, b"content").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"what somebody works with");
    assert_eq!(writer.finish(), Ok(Made::Replaced));
    assert_eq!(mode(&path), 0o640);
    assert_eq!(target.waiting(), 0);
}

#[test]
fn a_name_that_replaces_another_file_leads_to_one_that_is_as_it_shall_be() {
    let linked = FileEntry {
        links: 2,
        ..file(7)
    };
    for killed_before in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        if killed_before {
            let Restored { target, .. } = &Restored::open(dir.path(), Conflict::Skip);
            put_compared(target, "first", &linked, "content");
            assert_eq!(mode(&at("first")), MARK);
        }
        fs::write(at("second"), "what somebody works with").unwrap();
        let Restored { target, .. } = &Restored::open(dir.path(), Conflict::Overwrite);
        assert!(!target.meet(&linked));
        put_compared(target, "first", &linked, "content");
        // From here on the second name may lead to it.
        assert_eq!(mode(&at("first")), 0o640, "{killed_before}");
        assert_eq!(target.waiting(), 0);
        assert!(target.meet(&linked));
        let made = target.link(&key("second"), &linked);
        assert_eq!(made, Ok(Made::Replaced));
        assert_eq!(fs::read(at("second")).unwrap(), b"content");
    }
}

#[test]
fn what_was_deleted_meanwhile_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let target = &restored.target;
    target
        .directory(&key("d"), &entry(Node::Directory))
        .unwrap();
    target
        .directory(&key("made"), &entry(Node::Directory))
        .unwrap();
    put(target, "d/f", "file");
    for path in ["d", "made"] {
        fs::remove_dir_all(dir.path().join(path)).unwrap();
    }
    // Few directories are held open, so that these are looked for by name.
    for i in 0..base::limits::RESTORE_DIRS_OPEN_MAX {
        let name = format!("other{i}");
        target
            .directory(&key(&name), &entry(Node::Directory))
            .unwrap();
        put(target, &format!("{name}/f"), "file");
    }
    let problems = restored.finish();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for path in ["d", "made"] {
        assert!(!dir.path().join(path).try_exists().unwrap(), "{path}");
    }
}

#[test]
fn what_took_the_place_of_a_marked_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    make(dir.path(), &["outside"]);
    let before = mode(&at("outside"));
    let restored = Restored::open(dir.path(), Conflict::Skip);
    for path in ["gone", "link", "other"] {
        put(&restored.target, path, "content");
        fs::remove_file(at(path)).unwrap();
    }
    symlink("outside", at("link")).unwrap();
    make(dir.path(), &["other"]);
    let problems: Vec<_> = restored
        .finish()
        .into_iter()
        .map(|problem| (problem.op, problem.reason))
        .collect();
    let not_set = |reason| (Op::SetMode, reason);
    assert_eq!(
        problems,
        [Reason::Vanished, Reason::Replaced, Reason::Replaced].map(not_set)
    );
    assert_eq!((mode(&at("outside")), mode(&at("other"))), (before, before));
}

#[test]
fn a_preview_counts_what_was_torn_as_to_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let first = Restored::open(dir.path(), Conflict::Skip);
    first
        .target
        .directory(&key("d"), &entry(Node::Directory))
        .unwrap();
    for path in ["d/f", "f"] {
        put(&first.target, path, "content");
        tear(&dir.path().join(path), 0);
        let preview = Preview::open(dir.path(), true).unwrap();
        assert_eq!(preview.look(&key(path), &file(7)).unwrap(), Would::Make);
        assert_eq!(preview.look(&key(path), &file(0)).unwrap(), Would::Same);
        fs::write(dir.path().join(path), "").unwrap();
        assert_eq!(preview.look(&key(path), &file(7)).unwrap(), Would::Conflict);
    }
}
