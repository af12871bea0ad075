//! Restored trees are what they were, as strangers see it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use format::entry::{FileEntry, Node};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    lsetxattr, makedev, mkdirat, mknodat, openat, utimensat,
};
use sources::files::restore::{Begun, Conflict, Made};
use sources::{Op, Reason};

use crate::target::{
    Restored, assert_rsync_finds_no_difference, copy_tree, entry, file, key, put, restore, settle,
};
use crate::tree::{in_memory, is_root, make, raw, walk_plain};

fn set(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 9,
            tv_nsec: 9,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// `user::rwx,user:12:r-x,group::---,mask::r-x,other::---` as the kernel stores it.
fn acl() -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permission, id) in [
        (1_u16, 7_u16, u32::MAX),
        (2, 5, 12),
        (4, 0, u32::MAX),
        (16, 5, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        value.extend(
            tag.to_le_bytes()
                .into_iter()
                .chain(permission.to_le_bytes())
                .chain(id.to_le_bytes()),
        );
    }
    value
}

/// `cap_net_bind_service+ep` as the kernel stores it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Makes one of everything; what needs root only as root.
fn torture(tree: &Path) {
    let at = |name: &[u8]| tree.join(raw(name));
    make(
        tree,
        &[
            "plain",
            "dir/sub/deep",
            "empty/",
            "dir-x/y",
            "read-only/inside",
        ],
    );
    std::fs::write(at(b"none"), "").unwrap();
    for name in [
        &b"\xff\xfe"[..],
        b"new\nline",
        b"\x01\x02",
        b" ",
        &[b'n'; 255],
    ] {
        std::fs::write(at(name), name).unwrap();
    }
    symlink("dangling/../target", at(b"link")).unwrap();
    symlink(
        std::str::from_utf8(&[b'l'; 4000]).unwrap(),
        at(b"long link"),
    )
    .unwrap();
    contents(&at);
    if is_root("device nodes, owners, capabilities, what its owner cannot remove") {
        privileged(&at);
    }
    modes_and_times(&at);
}

/// Hard links, special files, holes, attributes and times.
fn contents(at: &dyn Fn(&[u8]) -> PathBuf) {
    std::fs::hard_link(at(b"plain"), at(b"dir/hard")).unwrap();
    std::fs::hard_link(at(b"plain"), at(b"zz hard")).unwrap();
    mknodat(CWD, at(b"fifo"), FileType::Fifo, Mode::RUSR | Mode::WGRP, 0).unwrap();
    std::fs::hard_link(at(b"fifo"), at(b"fifo 2")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(at(b"socket")).unwrap());
    let sparse = std::fs::File::create(at(b"sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &[5; 4096], 50 << 20).unwrap();
    sparse.set_len(100 << 20).unwrap();
    std::fs::File::create(at(b"terabyte"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    set(&at(b"plain"), "user.note", b"\0\xff");
    set(&at(b"dir"), "user.big", &[7; 1500]);
    set(&at(b"dir"), "system.posix_acl_default", &acl());
    set(&at(b"none"), "system.posix_acl_access", &acl());
    set_time(&at(b"none"), -5, 999_999_999);
    set_time(&at(b"link"), 1_234_567_890, 123_456_789);
    set_time(&at(b"fifo"), 2_000_000_000, 1);
}

/// What only root may make.
fn privileged(at: &dyn Fn(&[u8]) -> PathBuf) {
    mknodat(
        CWD,
        at(b"null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        makedev(1, 3),
    )
    .unwrap();
    mknodat(
        CWD,
        at(b"disk"),
        FileType::BlockDevice,
        Mode::RUSR,
        makedev(259, 70_000),
    )
    .unwrap();
    for (name, id) in [
        (&b"link"[..], 1),
        (b"dir/sub", 12_345),
        (b"dir/sub/deep", 2),
        (b"null", 3),
    ] {
        let (uid, gid) = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id + 1)));
        chownat(CWD, at(name), uid, gid, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    set(&at(b"link"), "trusted.on_link", b"l");
    set(&at(b"dir/sub/deep"), "security.capability", &CAPABILITY);
}

/// Modes and directories' times: last, as each change below a directory changes its times.
fn modes_and_times(at: &dyn Fn(&[u8]) -> PathBuf) {
    let root = rustix::process::geteuid().is_root();
    for (name, mode) in [
        (&b"dir/sub/deep"[..], 0o6751),
        (b"dir-x", 0o3777),
        (b"read-only", if root { 0o500 } else { 0o700 }),
        (b"plain", 0o400),
    ] {
        std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    for name in [&b"dir/sub"[..], b"dir", b"empty", b"read-only", b""] {
        set_time(&at(name), 1_000_000_000, 7);
    }
}

#[test]
fn a_torture_tree_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    torture(&from);
    copy_tree(&from, &to);
    // rsync reads a terabyte of zeros: its size and its blocks tell as much.
    for name in ["terabyte", "sparse"] {
        let (was, is) = (
            from.join(name).metadata().unwrap(),
            to.join(name).metadata().unwrap(),
        );
        assert_eq!(
            (was.size(), was.blocks(), was.mtime_nsec()),
            (is.size(), is.blocks(), is.mtime_nsec()),
            "{name}"
        );
    }
    for tree in [&from, &to] {
        let before = tree.metadata().unwrap();
        std::fs::remove_file(tree.join("terabyte")).unwrap();
        set_time(tree, before.mtime(), before.mtime_nsec());
    }
    assert_rsync_finds_no_difference(&from, &to);
    let links: Vec<_> = ["plain", "dir/hard", "zz hard"]
        .map(|name| to.join(name).metadata().unwrap().ino())
        .into();
    assert!(links.iter().all(|inode| *inode == links[0]));
    assert!(std::fs::symlink_metadata(to.join("socket")).unwrap().mode() & 0o170_000 == 0o140_000);
}

#[test]
fn a_second_restore_finds_all_the_same_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    torture(&from);
    std::fs::remove_file(from.join("terabyte")).unwrap();
    copy_tree(&from, &to);
    for conflict in [Conflict::Skip, Conflict::Rename, Conflict::Overwrite] {
        assert_eq!(restore(&walk_plain(&from), &to, conflict), []);
        assert_rsync_finds_no_difference(&from, &to);
    }
}

#[test]
fn all_comes_back_into_directories_that_stood_there() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    torture(&from);
    std::fs::remove_file(from.join("terabyte")).unwrap();
    make(&to, &["dir/sub/", "dir-x/", "empty/", "read-only/"]);
    assert_eq!(restore(&walk_plain(&from), &to, Conflict::Overwrite), []);
    set_time(
        &to,
        from.metadata().unwrap().mtime(),
        from.metadata().unwrap().mtime_nsec(),
    );
    std::fs::set_permissions(&to, from.metadata().unwrap().permissions()).unwrap();
    assert_rsync_finds_no_difference(&from, &to);
}

#[test]
fn an_acl_of_the_target_does_not_reach_what_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make(&from, &["d/e/f", "g"]);
    make(&to, &["here before"]);
    set(&to, "system.posix_acl_default", &acl());
    copy_tree(&from, &to);
    std::fs::remove_file(to.join("here before")).unwrap();
    for path in ["d", "d/e", "d/e/f", "g"] {
        let found = walk_plain(&to).handle(path).xattrs(&mut Vec::new());
        assert_eq!(found, [], "{path}");
    }
}

#[test]
fn owners_are_found_by_name_before_number() {
    let dir = tempfile::tempdir().unwrap();
    if !is_root("owners") {
        return;
    }
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let owned = |user: &[u8], group: &[u8]| FileEntry {
        uid: 77,
        gid: 78,
        user: user.to_vec(),
        group: group.to_vec(),
        ..entry(Node::Fifo)
    };
    restored
        .target
        .other(&key("named"), &owned(b"daemon", b"daemon"))
        .unwrap();
    restored
        .target
        .other(&key("unknown"), &owned(b"no such user", b"no such group"))
        .unwrap();
    restored
        .target
        .other(&key("numbered"), &owned(b"", b""))
        .unwrap();
    assert_eq!(restored.finish(), []);
    let owner = |name: &str| {
        std::fs::metadata(dir.path().join(name))
            .map(|m| (m.uid(), m.gid()))
            .unwrap()
    };
    assert_eq!(
        [owner("named"), owner("unknown"), owner("numbered")],
        [(1, 1), (77, 78), (77, 78)]
    );
}

#[test]
fn what_cannot_be_set_is_told_and_the_rest_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let mut entry = file(0);
    entry.xattrs = vec![
        (b"nonsense".to_vec(), b"x".to_vec()),
        (b"user.kept".to_vec(), b"y".to_vec()),
    ];
    let Begun::Write(writer) = restored.target.begin_file(&key("f"), &entry).unwrap() else {
        panic!()
    };
    writer.finish().unwrap();
    let problems = restored.finish();
    assert_eq!(
        problems
            .iter()
            .map(|p| (p.op, p.reason))
            .collect::<Vec<_>>(),
        [(Op::SetXattr, Reason::Unsupported)]
    );
    let found = walk_plain(dir.path()).handle("f").xattrs(&mut Vec::new());
    assert_eq!(found, [(b"user.kept".to_vec(), b"y".to_vec())]);
}

#[test]
fn pieces_may_come_in_any_order_and_what_is_not_written_is_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let Begun::Write(writer) = restored
        .target
        .begin_file(&key("f"), &file(10 << 20))
        .unwrap()
    else {
        panic!()
    };
    writer.write_at(5 << 20, &[2; 4096]).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    writer.write_at(0, &[1; 4096]).unwrap();
    assert_eq!(writer.finish().unwrap(), Made::New);
    assert_eq!(restored.finish(), []);
    let metadata = std::fs::metadata(dir.path().join("f")).unwrap();
    assert_eq!(
        (metadata.size(), metadata.mode() & 0o7777),
        (10 << 20, 0o640)
    );
    assert!(metadata.blocks() <= 32);
    let content = std::fs::read(dir.path().join("f")).unwrap();
    assert_eq!((content[0], content[4096], content[5 << 20]), (1, 0, 2));
}

#[test]
fn a_file_that_is_dropped_unfinished_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let Begun::Write(writer) = restored.target.begin_file(&key("f"), &file(10)).unwrap() else {
        panic!()
    };
    writer.write_at(0, b"half").unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_was_killed_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let mut directory = entry(Node::Directory);
    directory.mode = 0o755;
    let first = Restored::open(dir.path(), Conflict::Skip);
    first.target.directory(&key("d"), &directory).unwrap();
    put(&first.target, "d/a", "complete");
    let Begun::Write(half) = first.target.begin_file(&key("d/b"), &file(9)).unwrap() else {
        panic!()
    };
    half.write_at(0, b"half").unwrap();
    // A kill runs no destructor.
    std::mem::forget((half, first));
    assert_eq!(
        std::fs::metadata(dir.path().join("d")).unwrap().mode() & 0o7777,
        0o1700
    );

    let second = Restored::open(dir.path(), Conflict::Skip);
    assert_eq!(
        second.target.directory(&key("d"), &directory).unwrap(),
        Made::Same
    );
    assert_eq!(put(&second.target, "d/a", "complete"), Made::Same);
    assert_eq!(put(&second.target, "d/b", "otherwise"), Made::Replaced);
    assert_eq!(second.finish(), []);
    let metadata = std::fs::metadata(dir.path().join("d")).unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.mtime()),
        (0o755, 1_000_000_000_000_000_001 / 1_000_000_000)
    );
    assert_eq!(std::fs::read_dir(dir.path().join("d")).unwrap().count(), 2);
}

/// Leaves a file in the making as a run does that is killed before it has given it all of this.
fn leave_in_the_making(dir: &Path, owner: Option<u32>) {
    let first = Restored::open(dir, Conflict::Skip);
    let directory = entry(Node::Directory);
    first.target.directory(&key("d"), &directory).unwrap();
    let Begun::Write(half) = first.target.begin_file(&key("d/f"), &file(7)).unwrap() else {
        panic!()
    };
    half.write_at(0, b"half").unwrap();
    if let Some(owner) = owner {
        std::os::unix::fs::chown(dir.join("d/f"), Some(owner), None).unwrap();
    }
    std::mem::forget((half, first));
}

#[test]
fn a_file_in_the_making_is_replaced_whatever_the_rule() {
    for conflict in [Conflict::Skip, Conflict::Overwrite, Conflict::Rename] {
        let dir = tempfile::tempdir().unwrap();
        leave_in_the_making(dir.path(), None);
        let next = Restored::open(dir.path(), conflict);
        let directory = entry(Node::Directory);
        next.target.directory(&key("d"), &directory).unwrap();
        assert_eq!(put(&next.target, "d/f", "content"), Made::Replaced);
        assert_eq!(next.finish(), []);
        assert_eq!(std::fs::read(dir.path().join("d/f")).unwrap(), b"content");
        assert_eq!(std::fs::read_dir(dir.path().join("d")).unwrap().count(), 1);
    }
}

#[test]
fn what_only_looks_like_a_file_in_the_making_is_somebody_s() {
    let foreign = |dir: &Path| {
        let chmod = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.join("d/f"), mode).unwrap();
        };
        leave_in_the_making(dir, None);
        chmod(0o600);
    };
    let longer = |dir: &Path| {
        leave_in_the_making(dir, None);
        std::fs::write(dir.join("d/f"), "longer than it will be").unwrap();
    };
    let public = |dir: &Path| {
        leave_in_the_making(dir, None);
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir.join("d"), mode).unwrap();
    };
    for leave in [&foreign as &dyn Fn(&Path), &longer, &public] {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path());
        let next = Restored::open(dir.path(), Conflict::Skip);
        let directory = entry(Node::Directory);
        next.target.directory(&key("d"), &directory).unwrap();
        let begun = next.target.begin_file(&key("d/f"), &file(7)).unwrap();
        assert!(matches!(begun, Begun::Kept));
    }
}

#[test]
fn a_file_in_the_making_that_has_its_owner_is_replaced() {
    if !is_root("a file that has its owner") {
        return;
    }
    let mut wanted = file(7);
    wanted.uid = 4242;
    for owner in [4242, 4243] {
        let dir = tempfile::tempdir().unwrap();
        leave_in_the_making(dir.path(), Some(owner));
        let next = Restored::open(dir.path(), Conflict::Skip);
        let directory = entry(Node::Directory);
        next.target.directory(&key("d"), &directory).unwrap();
        let begun = next.target.begin_file(&key("d/f"), &wanted).unwrap();
        assert_eq!(matches!(begun, Begun::Write(_)), owner == 4242);
        assert_eq!(matches!(begun, Begun::Kept), owner == 4243);
    }
}

#[test]
fn settling_finishes_exactly_the_directories_that_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let restored = Restored::open(dir.path(), Conflict::Skip);
    let all = ["a", "a-b", "b", "a/x", "a/x/y", "b/z"];
    for path in all {
        restored
            .target
            .directory(&key(path), &entry(Node::Directory))
            .unwrap();
    }
    let done = |expected: &[&str]| {
        for path in all {
            let mode = std::fs::metadata(dir.path().join(path)).unwrap().mode() & 0o7777;
            assert_eq!(mode == 0o750, expected.contains(&path), "{path} {mode:o}");
        }
    };
    settle(&restored.target, Some(&key("c")));
    done(&[]);
    settle(&restored.target, Some(&key("a/x/y/file")));
    done(&[]);
    settle(&restored.target, Some(&key("a/z/file")));
    done(&["a/x", "a/x/y"]);
    settle(&restored.target, Some(&key("a-b/file")));
    done(&["a", "a/x", "a/x/y"]);
    settle(&restored.target, Some(&key("b/z/file")));
    done(&["a", "a/x", "a/x/y", "a-b"]);
    assert_eq!(restored.finish(), []);
    done(&all);
}

#[test]
fn paths_longer_than_path_max_are_restored_with_few_descriptors() {
    let dir = in_memory();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    let name = "n".repeat(60);
    let mut level = openat(CWD, &from, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..300 {
        mkdirat(&level, &name, Mode::RWXU).unwrap();
        level = openat(&level, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        mkdirat(&level, "~", Mode::RWXU).unwrap();
    }
    copy_tree(&from, &to);
    let (was, is) = (walk_plain(&from), walk_plain(&to));
    assert_eq!(was.order, is.order);
    for path in &was.order {
        assert_eq!(was.entries[path].0.mtime_ns, is.entries[path].0.mtime_ns);
    }
}
