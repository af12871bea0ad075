//! Entries that changed about when the run began: their times may not tell the next change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::Ordering;

use base::{ChunkId, limits};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::replica::ReplicaWriter;
use format::tree::get;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use testkit::{TempDir, tempdir};

use crate::backup::{assert_holds, entries};
use crate::memory::{Memory, Session, back_up, back_up_at};

fn ctime_ns(path: &Path) -> i64 {
    let meta = fs::symlink_metadata(path).unwrap();
    meta.ctime() * 1_000_000_000 + meta.ctime_nsec()
}

fn set_mtime(path: &Path, seconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Returns the tree that there would be if `path` had had the change time that it has now already when it was
/// `before`: as on a file system whose clock did not tick in between.
fn without_a_tick(memory: &Memory, root: ChunkId, path: &Path, before: i64) -> ChunkId {
    let key = FileKey::from_path(path.file_name().unwrap().as_encoded_bytes()).unwrap();
    let mut entry: FileEntry = get(memory, &root, &key.0).unwrap().unwrap();
    if entry.ctime_ns == before {
        entry.ctime_ns = ctime_ns(path);
    }
    let session = Session::new(memory, Some(root));
    session.put_entry(&key, &entry).unwrap();
    session.finish()
}

#[test]
fn a_file_changed_twice_in_a_tick_around_a_run_is_read_again() {
    let source = tempdir().unwrap();
    let path = source.path().join("file");
    for size in [5, 1000, 600_000] {
        fs::write(&path, vec![1; size]).unwrap();
        set_mtime(&path, 1_000_000);
        let before = ctime_ns(&path);
        let memory = Memory::default();
        // The run begins in the tick of the change, and the file changes again in it.
        let first = back_up_at(&memory, source.path(), None, before);
        fs::write(&path, vec![2; size]).unwrap();
        set_mtime(&path, 1_000_000);
        let root = without_a_tick(&memory, first.root, &path, before);
        let second = back_up(&memory, source.path(), Some(root), false);
        assert_holds(&memory, &second.root, source.path());
        assert_eq!(second.report.changed, 1, "{size} bytes");
    }
}

/// A directory with an entry of every kind that needs no privilege, and the newest change time in it.
fn every_kind() -> (TempDir, i64) {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("directory/empty"), "").unwrap();
    fs::write(at("inline"), "inside").unwrap();
    fs::write(at("small"), vec![1; 1000]).unwrap();
    fs::hard_link(at("small"), at("small-again")).unwrap();
    fs::write(at("large"), vec![2; limits::BUNDLED_FILE_BYTES_MAX + 1]).unwrap();
    let holes = fs::File::create(at("holes")).unwrap();
    holes.set_len(1 << 20).unwrap();
    symlink("no/where", at("link")).unwrap();
    rustix::fs::mknodat(
        CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let newest = ctime_ns(dir.path()).max(ctime_ns(&at("pipe")));
    (dir, newest)
}

#[test]
fn what_was_doubted_and_is_the_same_is_settled_without_storing_anything_anew() {
    let (source, newest) = every_kind();
    let memory = Memory::default();
    let first = back_up_at(&memory, source.path(), None, newest);
    let stored = memory.stored_bytes.load(Ordering::Relaxed);
    let second = back_up(&memory, source.path(), Some(first.root), false);
    assert_eq!(second.written.len(), first.written.len(), "all are settled");
    assert_eq!((second.report.changed, second.report.differed), (0, 0));
    assert_eq!(memory.stored_bytes.load(Ordering::Relaxed), stored);
    // It is the tree of a run that had no doubts.
    let calm = back_up(&Memory::default(), source.path(), None, false);
    assert_eq!(second.root, calm.root);
    let third = back_up(&memory, source.path(), Some(second.root), false);
    assert!(third.written.is_empty());
    assert_eq!(third.report.read_bytes, 0);
}

#[test]
fn what_is_doubted_still_is_not_written_again() {
    let (source, newest) = every_kind();
    let memory = Memory::default();
    let first = back_up_at(&memory, source.path(), None, newest);
    // Soon after, or after the clock was set back.
    for began in [newest, newest - 3600 * 1_000_000_000] {
        let next = back_up_at(&memory, source.path(), Some(first.root), began);
        assert!(next.written.is_empty(), "{:?}", next.written);
        assert_eq!(next.root, first.root);
        assert_eq!(next.report.changed, 0);
        assert!(next.report.read_bytes > 0, "it is looked at each time");
    }
}

#[test]
fn what_was_doubted_and_changed_visibly_is_a_change_and_no_difference() {
    let (source, newest) = every_kind();
    let memory = Memory::default();
    let first = back_up_at(&memory, source.path(), None, newest);
    fs::set_permissions(
        source.path().join("inline"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let check = back_up(&memory, source.path(), Some(first.root), true);
    assert_eq!((check.report.changed, check.report.differed), (1, 0));
    assert_holds(&memory, &check.root, source.path());
}

#[test]
fn links_of_a_doubted_file_stay_one_file() {
    for (old, new) in [("b", "a"), ("b", "c")] {
        let source = tempdir().unwrap();
        let at = |name: &str| source.path().join(name);
        fs::write(at("other"), vec![7; 3000]).unwrap();
        fs::write(at(old), vec![1; 1000]).unwrap();
        fs::hard_link(at(old), at("bb")).unwrap();
        let newest = ctime_ns(&at(old)).max(ctime_ns(source.path()));
        let memory = Memory::default();
        let first = back_up_at(&memory, source.path(), None, newest);
        // A new name for the file, before or after the one that looks the same.
        fs::rename(at(old), at(new)).unwrap();
        let second = back_up(&memory, source.path(), Some(first.root), false);
        let entries = entries(&memory, &second.root);
        assert_eq!(
            entries[new.as_bytes()].node,
            entries[b"bb".as_slice()].node,
            "{old} became {new}"
        );
        assert_holds(&memory, &second.root, source.path());
    }
}

#[test]
fn what_was_doubted_and_the_store_has_lost_is_stored_again_as_a_difference() {
    let (source, newest) = every_kind();
    let memory = Memory::default();
    let first = back_up_at(&memory, source.path(), None, newest);
    let all = entries(&memory, &first.root);
    for name in [&b"small"[..], b"large"] {
        let Node::File(Content::Extents(extents)) = &all[name].node else {
            panic!("extents")
        };
        let Extent::Data { chunk, .. } = extents[0] else {
            panic!("data")
        };
        memory.damage(chunk);
    }
    let second = back_up(&memory, source.path(), Some(first.root), false);
    assert_eq!((second.report.changed, second.report.differed), (0, 2));
    assert_holds(&memory, &second.root, source.path());
}
