//! Walks: order, completeness, size, depth, races.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use format::entry::{FileKey, Node};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, linkat, makedev, mkdirat, mknodat,
    openat, utimensat,
};
use sources::files::{Event, Walk, WalkError, WalkOptions};
use sources::{Op, Reason};

use crate::tree::{in_memory, is_root, make, raw, walk, walk_plain};

#[test]
fn entries_come_directory_by_directory_in_byte_order() {
    let dir = tempfile::tempdir().unwrap();
    make(
        dir.path(),
        &[
            "b/x", "a/z", "a-b/q", "a/b/c/d", "a/b.txt", "a.txt", "z", "a/c/", "\u{1}k/m", "\u{2}",
        ],
    );
    let expected = [
        "\u{1}k", "\u{2}", "a", "a-b", "a.txt", "b", "z", "\u{1}k/m", "a/b", "a/b.txt", "a/c",
        "a/z", "a/b/c", "a/b/c/d", "a-b/q", "b/x",
    ];
    assert_eq!(walk_plain(dir.path()).paths(), expected);
}

#[test]
fn every_kind_of_entry_is_found_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    make(dir.path(), &["file", "dir/"]);
    symlink("any/../where", at("link")).unwrap();
    std::fs::hard_link(at("file"), at("hard")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::set_permissions(at("file"), PermissionsExt::from_mode(0o6751)).unwrap();
    let time = Timestamps {
        last_access: Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        },
        last_modification: Timespec {
            tv_sec: -1,
            tv_nsec: 7,
        },
    };
    utimensat(CWD, at("file"), &time, AtFlags::empty()).unwrap();
    let met = walk_plain(dir.path());
    assert!(met.problems.is_empty());
    for (path, (entry, handle)) in &met.entries {
        let real = std::fs::symlink_metadata(dir.path().join(raw(path))).unwrap();
        let kind = real.file_type();
        assert_eq!(
            (
                entry.uid,
                entry.gid,
                entry.inode,
                u32::from(entry.mode),
                u64::from(entry.links)
            ),
            (
                real.uid(),
                real.gid(),
                real.ino(),
                real.mode() & 0o7777,
                real.nlink()
            )
        );
        assert_eq!(
            entry.mtime_ns,
            real.mtime() * 1_000_000_000 + real.mtime_nsec()
        );
        assert_eq!(
            entry.ctime_ns,
            real.ctime() * 1_000_000_000 + real.ctime_nsec()
        );
        assert_eq!(entry.size, if kind.is_file() { real.size() } else { 0 });
        match &entry.node {
            Node::Directory => assert!(kind.is_dir()),
            Node::File(_) => assert!(kind.is_file()),
            Node::Symlink(_) => assert_eq!(handle.link_target().unwrap(), b"any/../where"),
            Node::Fifo => assert!(kind.is_fifo()),
            Node::Socket => assert!(kind.is_socket()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(met.entry("file").mtime_ns, -999_999_993);
    assert_eq!(met.entry("hard").inode, met.entry("file").inode);
    assert_eq!(met.entries.len(), 7);
}

#[test]
fn device_nodes_and_owner_names_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    if !is_root("device nodes") {
        return;
    }
    mknodat(
        CWD,
        dir.path().join("null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        makedev(1, 3),
    )
    .unwrap();
    mknodat(
        CWD,
        dir.path().join("disk"),
        FileType::BlockDevice,
        Mode::RUSR,
        makedev(259, 70_000),
    )
    .unwrap();
    let met = walk_plain(dir.path());
    assert_eq!(met.entry("null").node, Node::CharDevice(1 << 32 | 3));
    assert_eq!(
        met.entry("disk").node,
        Node::BlockDevice(259 << 32 | 70_000)
    );
    assert_eq!(
        (&met.entry("null").user[..], &met.entry("null").group[..]),
        (&b"root"[..], &b"root"[..])
    );
}

#[test]
fn names_of_any_bytes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        &b"\xff\xfe"[..],
        b"new\nline",
        b"\x01",
        b"\x02\x01",
        b"-rf",
        b" ",
        &[0xE9; 255],
    ] {
        std::fs::write(dir.path().join(raw(name)), name).unwrap();
    }
    std::fs::create_dir(dir.path().join(raw(b"d\x01\x02\xff"))).unwrap();
    std::fs::write(dir.path().join(raw(b"d\x01\x02\xff/in\x01")), "").unwrap();
    let met = walk_plain(dir.path());
    assert_eq!(met.entries.len(), 10);
    let key = met.entries[&b"d\x01\x02\xff/in\x01"[..]].1.key();
    assert_eq!(key, FileKey(b"d\x02\x01\x02\x02\xff\x00in\x01".to_vec()));
}

#[test]
fn a_single_file_is_a_tree_of_its_root_alone() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["only", "other"]);
    symlink("only", dir.path().join("link")).unwrap();
    for name in ["only", "link"] {
        let met = walk_plain(&dir.path().join(name));
        assert_eq!(met.order, [b""]);
        let mut content = Vec::new();
        let read = met
            .handle("")
            .read_small(100, None, &mut content, &mut Vec::new())
            .unwrap()
            .unwrap();
        assert_eq!((&content[..], read.changed), (&b"only"[..], false));
    }
}

#[test]
fn a_missing_root_is_an_error() {
    let error = Walk::start(Path::new("/no/such/root"), &WalkOptions::default())
        .err()
        .unwrap();
    assert!(matches!(error, WalkError::Root { .. }));
    assert_eq!(error.to_string(), "cannot open /no/such/root");
}

/// Opens the directory at the end of a chain of `depth` directories called `name`, making them.
fn chain(root: &Path, name: &str, depth: usize) {
    let mut dir = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = openat(&dir, name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        // One beside it, so that the walk comes back to every level.
        mkdirat(&dir, "~", Mode::RWXU).unwrap();
    }
    drop(openat(&dir, "end", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
}

#[test]
fn paths_longer_than_path_max_are_walked_with_few_descriptors() {
    let dir = in_memory();
    // 1000 levels of 40 bytes: ten times PATH_MAX, four times the directories kept open.
    let name = "n".repeat(40);
    chain(dir.path(), &name, 1000);
    let met = walk_plain(dir.path());
    assert!(met.problems.is_empty(), "{:?}", met.problems.first());
    assert_eq!(met.entries.len(), 2002);
    let (end, (_, handle)) = met
        .entries
        .iter()
        .find(|(path, _)| path.ends_with(b"/end"))
        .unwrap();
    assert_eq!(end.len(), 1000 * 41 + 3);
    assert!(
        handle
            .read_small(10, None, &mut Vec::new(), &mut Vec::new())
            .unwrap()
            .is_some()
    );
    remove_chain(dir.path(), &name);
}

#[test]
fn a_tree_deeper_than_the_format_is_a_problem_and_not_the_end() {
    let dir = in_memory();
    chain(dir.path(), "d", base::limits::PATH_DEPTH_MAX + 2);
    make(dir.path(), &["z"]);
    let met = walk_plain(dir.path());
    let problem = &met.problems[0];
    assert_eq!(
        (problem.op, problem.reason),
        (Op::List, Reason::PathTooLong)
    );
    assert!(
        met.entries.contains_key(&b"z"[..]) && !met.order.iter().any(|path| path.ends_with(b"end"))
    );
    remove_chain(dir.path(), "d");
}

/// Removes a chain too deep for recursive removal, which would hold a descriptor a level.
fn remove_chain(root: &Path, name: &str) {
    let up = |path: &Path| std::fs::rename(path.join(name), root.join("up"));
    while up(root).is_ok() {
        // What was below comes to the top.
        let _last = std::fs::rename(root.join("up").join(name), root.join(name));
        std::fs::remove_dir_all(root.join("up")).unwrap();
    }
}

#[test]
fn a_directory_of_a_hundred_thousand_entries_is_walked_in_order() {
    let dir = in_memory();
    let fd = openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for i in 0..100_000 {
        let kind = if i % 1000 == 0 {
            FileType::Directory
        } else {
            FileType::Fifo
        };
        let name = format!("{:x}", (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        match kind {
            FileType::Directory => mkdirat(&fd, name, Mode::RWXU).unwrap(),
            _ => mknodat(&fd, name, kind, Mode::RUSR, 0).unwrap(),
        }
    }
    let options = WalkOptions {
        threads: 4,
        entries_ahead_max: 1000,
        ..WalkOptions::default()
    };
    assert_eq!(walk(dir.path(), &options).entries.len(), 100_001);
}

#[test]
fn a_directory_of_a_million_entries_is_walked_in_order() {
    const FILES: u64 = 1000;
    let dir = in_memory();
    let fd = openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    // A thousand files of a thousand names each: names cost less than files, and the walk looks at every one.
    let name = |i: u64| format!("{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for i in 0..FILES {
        mknodat(&fd, name(i), FileType::RegularFile, Mode::RUSR, 0).unwrap();
    }
    for i in FILES..1_000_000 {
        linkat(&fd, name(i % FILES), &fd, name(i), AtFlags::empty()).unwrap();
    }
    let (mut last, mut files) = (None, 0);
    for event in Walk::start(dir.path(), &WalkOptions::default()).unwrap() {
        let Event::Entry(found) = event else {
            panic!("{event:?}")
        };
        assert!(last.as_ref() < Some(&found.key), "{:?}", found.key);
        last = Some(found.key);
        files += u64::from(found.entry.links == 1000);
    }
    assert_eq!(files, 1_000_000);
}

#[test]
fn any_number_of_threads_sees_the_same_tree() {
    let dir = tempfile::tempdir().unwrap();
    for a in 0..30 {
        for b in 0..20 {
            make(
                dir.path(),
                &[&format!("{a}/{b}/f"), &format!("{a}/{b}/g/h")],
            );
        }
    }
    let with = |threads, entries_ahead_max| {
        walk(
            dir.path(),
            &WalkOptions {
                threads,
                entries_ahead_max,
                ..WalkOptions::default()
            },
        )
        .order
    };
    let expected = with(1, 1);
    assert_eq!(expected.len(), 1 + 30 + 600 + 1200 + 600);
    for threads in [1, 2, 3, 16] {
        for ahead in [1, 7, 100_000] {
            assert_eq!(with(threads, ahead), expected);
        }
    }
}

#[test]
fn a_walk_can_be_dropped_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    for a in 0..50 {
        make(dir.path(), &[&format!("{a}/f"), &format!("{a}/g/h")]);
    }
    for taken in 0..100 {
        let options = WalkOptions {
            entries_ahead_max: 10,
            ..WalkOptions::default()
        };
        assert_eq!(
            Walk::start(dir.path(), &options)
                .unwrap()
                .take(taken)
                .count(),
            taken
        );
    }
}

#[test]
fn what_vanishes_between_name_and_look_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["a/gone", "a/stays", "b/c/d", "e/f"]);
    let root = dir.path().to_owned();
    let options = WalkOptions {
        threads: 1,
        on_listed: Some(Arc::new(move |path| match path {
            b"a" => std::fs::remove_file(root.join("a/gone")).unwrap(),
            b"b" => std::fs::remove_dir_all(root.join("b")).unwrap(),
            _ => {}
        })),
        ..WalkOptions::default()
    };
    let met = walk(dir.path(), &options);
    assert_eq!(met.paths(), ["a", "b", "e", "a/stays", "e/f"]);
    let shown: Vec<_> = met
        .problems
        .iter()
        .map(|p| (p.to_string(), p.reason))
        .collect();
    assert_eq!(
        shown,
        [
            ("cannot look at a/gone".to_owned(), Reason::Vanished),
            ("cannot look at b/c".to_owned(), Reason::Vanished)
        ]
    );
}

#[test]
fn a_directory_that_vanishes_or_turns_into_a_link_is_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["a/x", "gone/y", "swapped/z", "other/w"]);
    let root = dir.path().to_owned();
    let options = WalkOptions {
        threads: 1,
        entries_ahead_max: 1,
        on_listed: Some(Arc::new(move |path| {
            if path == b"a" {
                std::fs::remove_dir_all(root.join("gone")).unwrap();
                std::fs::remove_dir_all(root.join("swapped")).unwrap();
                symlink("/etc", root.join("swapped")).unwrap();
            }
        })),
        ..WalkOptions::default()
    };
    let met = walk(dir.path(), &options);
    assert_eq!(
        met.paths(),
        ["a", "gone", "other", "swapped", "a/x", "other/w"]
    );
    let reasons: Vec<_> = met
        .problems
        .iter()
        .map(|p| (&p.path[..], p.op, p.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            (&b"gone"[..], Op::List, Reason::Vanished),
            (&b"swapped"[..], Op::List, Reason::Replaced)
        ]
    );
    assert_eq!(met.problems[0].key, met.handle("gone").key());
}

#[test]
fn access_times_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["d/f"]);
    let old = Timestamps {
        last_access: Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        },
        last_modification: Timespec {
            tv_sec: 2,
            tv_nsec: 0,
        },
    };
    for path in ["d/f", "d", "."] {
        utimensat(CWD, dir.path().join(path), &old, AtFlags::empty()).unwrap();
    }
    let met = walk_plain(dir.path());
    met.handle("d/f")
        .read_small(10, None, &mut Vec::new(), &mut Vec::new())
        .unwrap()
        .unwrap();
    for path in ["d/f", "d", "."] {
        assert_eq!(
            std::fs::symlink_metadata(dir.path().join(path))
                .unwrap()
                .atime(),
            1,
            "{path}"
        );
    }
}
