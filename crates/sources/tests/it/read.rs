//! Reading content and attributes of what a walk found.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use format::entry::FileEntry;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};
use sources::files::{Segment, SmallRead};
use sources::{Op, Problem, Reason};

use crate::tree::{Met, is_root, make, walk_plain};

fn small(met: &Met, path: &str) -> (Vec<u8>, Option<SmallRead>, Vec<Problem>) {
    let (mut content, mut problems) = (b"before".to_vec(), Vec::new());
    let read = met
        .handle(path)
        .read_small(1000, None, &mut content, &mut problems)
        .unwrap();
    assert!(content.starts_with(b"before"));
    (content.split_off(6), read, problems)
}

/// Reads a file in pieces of at most `limit` bytes; returns the pieces and the data.
fn pieces(met: &Met, path: &str, limit: usize) -> (Vec<Segment>, Vec<u8>, FileEntry, bool) {
    let mut file = met.handle(path).open().unwrap();
    let (mut segments, mut data) = (Vec::new(), Vec::new());
    while let Some(segment) = file.next(&mut data, limit).unwrap() {
        segments.push(segment);
    }
    let (entry, still) = file.finish(&mut Vec::new()).unwrap();
    (segments, data, entry, still)
}

#[test]
fn a_small_file_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["a", "empty"]);
    std::fs::write(dir.path().join("empty"), "").unwrap();
    let met = walk_plain(dir.path());
    let (content, read, problems) = small(&met, "a");
    assert_eq!((&content[..], problems.len()), (&b"a"[..], 0));
    assert_eq!(&read.unwrap().entry, met.entry("a"));
    let (content, read, _) = small(&met, "empty");
    assert_eq!((content.len(), read.unwrap().entry.size), (0, 0));
}

#[test]
fn a_file_changed_since_the_walk_is_read_with_its_new_metadata() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["grown", "huge", "shrunk", "replaced"]);
    let met = walk_plain(dir.path());
    std::fs::write(dir.path().join("grown"), [1; 999]).unwrap();
    std::fs::write(dir.path().join("huge"), [1; 1001]).unwrap();
    std::fs::write(dir.path().join("shrunk"), "x").unwrap();
    std::fs::write(dir.path().join("new"), "something new").unwrap();
    std::fs::rename(dir.path().join("new"), dir.path().join("replaced")).unwrap();
    let again = walk_plain(dir.path());
    for (name, len) in [("grown", 999), ("shrunk", 1), ("replaced", 13)] {
        let (content, read, problems) = small(&met, name);
        let read = read.unwrap();
        assert_eq!(
            (content.len(), read.changed, problems.len()),
            (len, false, 0),
            "{name}"
        );
        assert_eq!(&read.entry, again.entry(name));
    }
    assert!(small(&met, "huge").1.is_none());
}

#[test]
fn a_file_that_vanished_or_became_something_else_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["gone", "link", "fifo", "dir"]);
    let met = walk_plain(dir.path());
    for name in ["gone", "link", "fifo", "dir"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    symlink("/etc/passwd", dir.path().join("link")).unwrap();
    mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    for (name, reason) in [
        ("gone", Reason::Vanished),
        ("link", Reason::Replaced),
        ("fifo", Reason::Replaced),
        ("dir", Reason::Replaced),
    ] {
        let mut into = Vec::new();
        let problem = met
            .handle(name)
            .read_small(100, None, &mut into, &mut Vec::new())
            .unwrap_err();
        assert_eq!(
            (problem.op, problem.reason, into.len()),
            (Op::Open, reason, 0),
            "{name}"
        );
        assert_eq!(
            met.handle(name).open().unwrap_err().reason,
            reason,
            "{name}"
        );
    }
}

#[test]
fn holes_are_told_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    file.write_all_at(&[7; 8192], 1 << 30).unwrap();
    file.write_all_at(&[8; 4096], (1 << 40) - 4096).unwrap();
    std::fs::File::create(dir.path().join("hole"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let met = walk_plain(dir.path());
    let (segments, data, entry, still) = pieces(&met, "sparse", 5000);
    assert_eq!(
        segments,
        [
            Segment::Hole(1 << 30),
            Segment::Data(5000),
            Segment::Data(3192),
            Segment::Hole((1 << 40) - 4096 - (1 << 30) - 8192),
            Segment::Data(4096),
        ]
    );
    assert_eq!(data, [vec![7; 8192], vec![8; 4096]].concat());
    assert_eq!((&entry, still), (met.entry("sparse"), true));
    assert_eq!(pieces(&met, "hole", 1 << 20).0, [Segment::Hole(1 << 40)]);
}

#[test]
fn a_small_file_with_a_hole_is_to_be_read_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("hole")).unwrap();
    file.set_len(100_000).unwrap();
    let met = walk_plain(dir.path());
    let mut content = b"before".to_vec();
    let read = met
        .handle("hole")
        .read_small(1 << 20, None, &mut content, &mut Vec::new());
    assert!(read.unwrap().is_none());
    assert_eq!(content, b"before");
}

#[test]
fn a_file_that_takes_less_space_than_it_has_bytes_and_has_no_hole_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("compressed")).unwrap();
    file.set_len(100_000).unwrap();
    // The walk sees a file of no sectors, as on a file system that compresses. Then its hole is filled.
    let met = walk_plain(dir.path());
    file.write_all_at(&[b'a'; 100_000], 0).unwrap();
    let mut content = Vec::new();
    let read = met
        .handle("compressed")
        .read_small(1 << 20, None, &mut content, &mut Vec::new());
    assert!(!read.unwrap().unwrap().changed);
    assert_eq!(content, [b'a'; 100_000]);
}

#[test]
fn a_large_file_that_changes_is_told_and_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let met = walk_plain(dir.path());
    let mut file = met.handle("f").open().unwrap();
    let mut data = Vec::with_capacity(1 << 20);
    assert_eq!(
        file.next(&mut data, 60_000).unwrap(),
        Some(Segment::Data(60_000))
    );
    let mut writer = std::fs::File::options().write(true).open(&path).unwrap();
    writer.seek(SeekFrom::End(0)).unwrap();
    writer.write_all(&[2; 10]).unwrap();
    assert_eq!(
        file.next(&mut data, 60_000).unwrap(),
        Some(Segment::Data(40_000))
    );
    assert_eq!(file.next(&mut data, 60_000).unwrap(), None);
    let (entry, still) = file.finish(&mut Vec::new()).unwrap();
    assert_eq!((entry.size, still), (100_000, false));
    // Opened anew it is what it is now.
    let mut file = met.handle("f").open().unwrap();
    writer.set_len(50).unwrap();
    data.clear();
    assert_eq!(
        file.next(&mut data, 60_000).unwrap(),
        Some(Segment::Data(50))
    );
    assert_eq!(file.next(&mut data, 60_000).unwrap(), None);
    let (entry, still) = file.finish(&mut Vec::new()).unwrap();
    assert_eq!(
        (entry.size, still, file.changed().reason),
        (50, false, Reason::Changed)
    );
}

fn set(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

#[test]
fn attributes_of_every_kind_of_entry_are_read_verbatim() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    make(dir.path(), &["file", "dir/"]);
    set(&at("file"), "user.b", b"\0binary\xff");
    set(&at("file"), "user.a", &[9; 2000]);
    set(&at("file"), "user.empty", b"");
    set(&at("dir"), "user.d", b"dir");
    set(dir.path(), "user.root", b"r");
    let found = |met: &Met, path: &str| {
        let mut problems = Vec::new();
        let xattrs = met.handle(path).xattrs(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        xattrs
    };
    let met = walk_plain(dir.path());
    let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let expected = [
        pair("user.a", &[9; 2000]),
        pair("user.b", b"\0binary\xff"),
        pair("user.empty", b""),
    ];
    assert_eq!(found(&met, "file"), expected);
    assert_eq!(small(&met, "file").1.unwrap().entry.xattrs, expected);
    assert_eq!(pieces(&met, "file", 10).2.xattrs, expected);
    assert_eq!(found(&met, "dir"), [pair("user.d", b"dir")]);
    assert_eq!(found(&met, ""), [pair("user.root", b"r")]);
    if is_root("attributes of links and pipes") {
        symlink("nowhere", at("link")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        set(&at("link"), "trusted.l", b"link");
        set(&at("fifo"), "trusted.f", b"fifo");
        let met = walk_plain(dir.path());
        assert_eq!(found(&met, "link"), [pair("trusted.l", b"link")]);
        assert_eq!(found(&met, "fifo"), [pair("trusted.f", b"fifo")]);
    }
}

#[test]
fn attributes_beyond_what_is_held_of_one_entry_are_left_out_and_told() {
    // A file system that takes more than any tree does.
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: very many attributes (needs /dev/shm)");
        return;
    };
    make(dir.path(), &["file"]);
    let path = dir.path().join("file");
    for n in 0..20 {
        let name = format!("trusted.{n:02}");
        if lsetxattr(&path, name, &[7; 65536], XattrFlags::empty()).is_err() {
            println!("SKIPPED: very many attributes (needs root and a tmpfs)");
            return;
        }
    }
    set(&path, "trusted.small", b"small");
    let met = walk_plain(dir.path());
    let mut problems = Vec::new();
    let xattrs = met.handle("file").xattrs(&mut problems);
    // Fifteen values and their names fit into 1 MiB, and so does what is small.
    assert_eq!(xattrs.len(), 16);
    assert!(xattrs.iter().any(|(name, _)| name == b"trusted.small"));
    let reasons: Vec<_> = problems.iter().map(|problem| problem.reason).collect();
    assert_eq!(reasons, [Reason::TooLarge]);
}
