//! Trees that nobody's disk ever held, made to get out of the target, restored into targets that were prepared to help them:
//! of what lies outside not a byte, not a time and not a name changes (R22).
//!
//! A tree is made from its family and a number, and is the same in every run. 504 of them run with the tests, each under every
//! rule for what stands in the way; ten thousand with `cargo test -p sources -- --ignored ten_thousand`. Everything outside is
//! compared with its status change time, which every change of anything sets, and only the system does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sources::files::restore::{Begun, Conflict};
use testkit::Dice;

use crate::target::{Restored, entry, file, settle};
use crate::tree::make;

const RULES: [Conflict; 3] = [Conflict::Skip, Conflict::Overwrite, Conflict::Rename];

/// What a tree tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `..`, `.`, empty and absolute names, at any depth.
    Dots,
    /// Names with bytes that mean something to somebody: 00, 01, 02, line ends, escapes, no UTF-8; too long ones.
    Bytes,
    /// Links that lead to links that lead outside, and entries below them.
    Chains,
    /// One name as directory, link, file and device in turn.
    Turncoats,
    /// Names of one file: of one that was never restored, of a link, below a link.
    HardLinks,
    /// Names that some file systems take for one.
    Alike,
    /// Paths longer than a system call takes.
    Deep,
    /// Devices, pipes and sockets, and files in their place.
    Nodes,
    /// Modes, capabilities, access lists, attributes of all kinds, owners.
    Privileges,
    /// Names that the restore itself uses.
    Ours,
    /// Any of these, in a target full of links and hard links to what is outside.
    Prepared,
    /// Any of these, while somebody exchanges directories of the target for links.
    Race,
}

const FAMILIES: [Family; 12] = [
    Family::Dots,
    Family::Bytes,
    Family::Chains,
    Family::Turncoats,
    Family::HardLinks,
    Family::Alike,
    Family::Deep,
    Family::Nodes,
    Family::Privileges,
    Family::Ours,
    Family::Prepared,
    Family::Race,
];

/// Names of directories and entries that trees are made of; links lead to the first of them.
const NAMES: [&[u8]; 6] = [b"a", b"b", b"d", b"precious", b"outside", b"inner"];
/// Where links lead.
const WAYS: [&str; 9] = [
    "../outside",
    "../outside/precious",
    "..",
    "../outside/inner",
    "a",
    "b",
    "../to/../outside",
    "/proc/self/cwd",
    "d",
];

/// A tree: its entries in the order in which they are given, which need not be that of keys.
type Hostile = Vec<(FileKey, FileEntry)>;

fn pick<T: Copy>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.index(of.len())]
}

/// Makes a key of parts, right or wrong, as a writer would of right ones.
fn key(parts: &[Vec<u8>]) -> FileKey {
    let Some((name, directories)) = parts.split_last() else {
        return FileKey(Vec::new());
    };
    let mut bytes = directories.join(&1);
    bytes.push(0);
    bytes.extend_from_slice(name);
    FileKey(bytes)
}

fn odd_name(dice: &mut Dice, family: Family) -> Vec<u8> {
    let odd: &[&[u8]] = match family {
        Family::Dots => &[
            b"..",
            b".",
            b"",
            b"/",
            b"../outside",
            b"/tmp",
            b"a/b",
            b"a/../..",
            b"...",
            b"..a",
        ],
        Family::Bytes => &[
            b"\n",
            b"\r\n",
            b"\x1b[2J",
            b"\xff\xfe",
            b"n\0n",
            b"\x01",
            b"\x02",
            b"\x02\x01",
            b"a\x02",
            b" ",
            b"-rf",
            b"*",
            b"\\",
            b"C:",
            b"con",
            b"a:b",
            &[b'x'; 255],
            &[b'x'; 256],
            b"\x7f",
        ],
        Family::Alike => &[
            b"A",
            b"a",
            "é".as_bytes(),
            b"e\xcc\x81",
            "ſ".as_bytes(),
            b"s",
            "K".as_bytes(),
            b"k",
            b"a.",
            b"a ",
            "ａ".as_bytes(),
            "\u{200b}a".as_bytes(),
            b"PRECIOUS",
            b"Outside",
        ],
        Family::Ours => &[
            b".dozo",
            b".dozo-7",
            b".dozo-0000000000000007",
            b"a.restored",
            b"a.restored.restored",
            b"precious.restored",
            b".a.dozo",
            b".tmp",
            b"a~",
            b".dozo-restore-7",
        ],
        _ => return pick(dice, &NAMES).to_vec(),
    };
    match dice.index(3) {
        0 => pick(dice, &NAMES).to_vec(),
        _ => pick(dice, odd).to_vec(),
    }
}

fn odd_key(dice: &mut Dice, family: Family) -> FileKey {
    if family == Family::Deep {
        let depth = 1 + dice.index(40);
        let mut parts = vec![vec![b'x'; 200 + dice.index(56)]; depth];
        parts.push(pick(dice, &NAMES).to_vec());
        return key(&parts);
    }
    let depth = 1 + dice.index(3);
    let parts: Vec<_> = (0..depth).map(|_| odd_name(dice, family)).collect();
    let mut key = key(&parts);
    // A key that no writer makes: no end of the directory, two of them, an escape without anything to escape.
    if family == Family::Bytes && dice.once_in(4) {
        let at = dice.index(key.0.len() + 1);
        key.0.insert(at, pick(dice, &[0, 1, 2, b'/']));
    }
    key
}

fn odd_node(dice: &mut Dice, family: Family) -> FileEntry {
    let way = |dice: &mut Dice| Node::Symlink(pick(dice, &WAYS).as_bytes().to_vec());
    let device = |dice: &mut Dice| match dice.index(4) {
        0 => Node::Fifo,
        1 => Node::Socket,
        2 => Node::CharDevice(1 << 32 | 3),
        _ => Node::BlockDevice(7 << 32 | 255),
    };
    let directory = Node::Directory;
    let small = file(3);
    match (family, dice.index(6)) {
        (Family::Nodes, 0..=3) => entry(device(dice)),
        (Family::Chains | Family::Turncoats, 0..=2) => entry(way(dice)),
        (_, 0) => entry(way(dice)),
        (_, 1) => entry(device(dice)),
        (_, 2 | 3) => entry(directory),
        _ => small,
    }
}

fn add_privileges(dice: &mut Dice, entry: &mut FileEntry) {
    entry.mode = pick(dice, &[0o4777, 0o2777, 0o7777, 0o1777, 0, 0o6711]);
    entry.uid = pick(dice, &[0, 1, 65534, u32::MAX, entry.uid]);
    entry.gid = pick(dice, &[0, 1, 65534, u32::MAX, entry.gid]);
    entry.user = pick(
        dice,
        &[&b""[..], b"root", b"../root", b"nobody\n", &[b'u'; 300]],
    )
    .to_vec();
    let names: [&[u8]; 9] = [
        b"security.capability",
        b"system.posix_acl_access",
        b"system.posix_acl_default",
        b"trusted.overlay.redirect",
        b"user.x",
        b"security.selinux",
        b"no.such.space",
        b"user.",
        b"trusted.overlay.opaque",
    ];
    let mut xattrs = BTreeMap::new();
    for _ in 0..dice.index(4) {
        let len = dice.index(60);
        xattrs.insert(pick(dice, &names).to_vec(), dice.bytes(len));
    }
    // A capability, and an access list, that the system takes.
    if dice.once_in(3) {
        let value = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        xattrs.insert(b"security.capability".to_vec(), value.to_vec());
    }
    entry.xattrs = xattrs.into_iter().collect();
}

/// Makes tree `number` of a family.
fn tree(family: Family, number: u64) -> Hostile {
    let mut dice = Dice::new(number << 8 | family as u64);
    let mut tree = Hostile::new();
    let of = match family {
        Family::Prepared | Family::Race => pick(&mut dice, &FAMILIES[..10]),
        of => of,
    };
    if matches!(of, Family::Chains | Family::HardLinks) {
        // a leads to b leads outside.
        for (name, way) in [(b"a", "b"), (b"b", pick(&mut dice, &WAYS[..4]))] {
            let link = entry(Node::Symlink(way.as_bytes().to_vec()));
            tree.push((key(&[name.to_vec()]), link));
        }
    }
    for _ in 0..4 + dice.index(16) {
        let mut entry = odd_node(&mut dice, of);
        if of == Family::HardLinks && entry.node != Node::Directory {
            entry.links = 2 + dice.index(2) as u32;
            entry.inode = dice.below(3);
        }
        if of == Family::Privileges || dice.once_in(8) {
            add_privileges(&mut dice, &mut entry);
        }
        tree.push((odd_key(&mut dice, of), entry));
    }
    if family == Family::Race {
        let inside = |name: &[u8]| (key(&[b"d".to_vec(), name.to_vec()]), file(3));
        let directory = (key(&[b"d".to_vec()]), entry(Node::Directory));
        tree.splice(0..0, [directory, inside(b"precious"), inside(b"inner")]);
        tree.extend([inside(b"new"), inside(b"precious"), inside(b"other")]);
    }
    tree
}

/// A directory with a target in it, and things beside it.
struct Arena {
    dir: tempfile::TempDir,
}

/// What can be told of a thing without touching it.
type Seen = BTreeMap<PathBuf, (u32, u32, u32, u64, i64, i64, u64, Vec<u8>)>;

impl Arena {
    fn new(family: Family, dice: &mut Dice) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        make(
            path,
            &[
                "outside/precious",
                "outside/inner/deep",
                "outside/suid",
                "to/",
            ],
        );
        let suid = fs::Permissions::from_mode(0o4755);
        fs::set_permissions(path.join("outside/suid"), suid).unwrap();
        symlink("precious", path.join("outside/link")).unwrap();
        let to = path.join("to");
        if family == Family::Prepared {
            for name in ["a", "b", "d", "inner"] {
                match dice.index(5) {
                    0 => symlink(pick(dice, &WAYS), to.join(name)).unwrap(),
                    1 => fs::hard_link(path.join("outside/precious"), to.join(name)).unwrap(),
                    2 => fs::hard_link(path.join("outside/suid"), to.join(name)).unwrap(),
                    3 => {
                        fs::create_dir(to.join(name)).unwrap();
                        symlink("../../outside", to.join(name).join("a")).unwrap();
                    }
                    _ => fs::write(to.join(name), b"theirs").unwrap(),
                }
            }
        }
        if family == Family::Race {
            symlink("../outside", to.join("swap")).unwrap();
        }
        Self { dir }
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("to")
    }

    /// Returns all there is outside the target. Of what has a name inside too, another name may go: that sets the status change time.
    fn outside(&self, family: Family) -> Seen {
        let mut seen = Seen::new();
        let mut ahead = vec![self.dir.path().to_owned()];
        while let Some(path) = ahead.pop() {
            let m = fs::symlink_metadata(&path).unwrap();
            let has_names = family == Family::Prepared && m.is_file();
            let changed = if has_names {
                0
            } else {
                m.ctime() * 1_000_000_000 + m.ctime_nsec()
            };
            let content = match () {
                () if m.is_file() => fs::read(&path).unwrap(),
                () if m.is_symlink() => fs::read_link(&path)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
                () => Vec::new(),
            };
            let mtime = m.mtime() * 1_000_000_000 + m.mtime_nsec();
            if m.is_dir() {
                let below = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path());
                ahead.extend(below.filter(|path| *path != self.to()));
            }
            let said = (
                m.mode(),
                m.uid(),
                m.gid(),
                m.ino(),
                mtime,
                changed,
                m.size(),
                content,
            );
            seen.insert(path, said);
        }
        seen
    }
}

/// Restores a tree as a restore does, whatever it says.
fn restore(to: &Path, tree: &Hostile, conflict: Conflict, dice: &mut Dice) {
    let restored = Restored::open(to, conflict);
    let target = &restored.target;
    for (key, entry) in tree {
        if dice.once_in(5) {
            settle(target, Some(key));
        }
        if entry.node != Node::Directory && entry.links > 1 && target.meet(entry) {
            drop(target.link(key, entry));
            continue;
        }
        match entry.node {
            Node::Directory => drop(target.directory(key, entry)),
            Node::File(_) => match target.begin_file(key, entry) {
                Ok(Begun::Write(writer)) => {
                    let written = writer.write_at(0, b"bad");
                    drop(written.and_then(|()| writer.finish()));
                }
                Ok(Begun::Same(existing)) => drop(existing.keep()),
                Ok(Begun::Kept) | Err(_) => {}
            },
            _ => drop(target.other(key, entry)),
        }
    }
    restored.finish();
}

/// Exchanges a directory of the target for a link to what is outside and back, until it is told to stop.
fn exchange(to: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (a, b) = (to.join("d"), to.join("swap"));
        let _ = renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE);
        std::thread::yield_now();
    }
}

/// Restores trees of every family under every rule, and returns how many different ones there were.
fn attack(numbers: std::ops::Range<u64>) -> usize {
    let mut different = BTreeSet::new();
    for (family, number) in numbers.flat_map(|n| FAMILIES.map(|family| (family, n))) {
        let tree = tree(family, number);
        different.insert(format!("{family:?} {tree:?}"));
        for conflict in RULES {
            let mut dice = Dice::new(number);
            let arena = Arena::new(family, &mut dice);
            let before = arena.outside(family);
            let (to, stop) = (arena.to(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                if family == Family::Race {
                    scope.spawn(|| exchange(&to, &stop));
                }
                restore(&to, &tree, conflict, &mut dice);
                stop.store(true, Ordering::Relaxed);
            });
            let after = arena.outside(family);
            let what = format!("{family:?} {number} {conflict:?}");
            for (path, was) in &before {
                assert_eq!(
                    after.get(path),
                    Some(was),
                    "{what}: {} {tree:?}",
                    path.display()
                );
            }
            assert_eq!(after.len(), before.len(), "{what}: {tree:?}");
        }
    }
    different.len()
}

#[test]
fn no_hostile_tree_changes_anything_outside_the_target() {
    let different = attack(0..42);
    println!("{different} different trees");
    assert!(different >= 500, "{different}");
}

#[test]
#[ignore = "minutes"]
fn none_of_ten_thousand_hostile_trees_changes_anything_outside() {
    let different = attack(42..876);
    println!("{different} different trees");
    assert!(different >= 9_900, "{different}");
}
