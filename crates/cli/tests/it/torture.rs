//! A tree with every kind of entry that a file system of Linux can hold, as far as this process may make it.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, makedev, mkdirat,
    mknodat, openat, setxattr, symlinkat, utimensat,
};
use testkit::Dice;

use crate::program::{is_root, shell};

/// Entries of the crowded directory.
const CROWD: usize = 50_000;
/// Depth and name length of the deep directory: together more than PATH_MAX (4096).
const DEPTH: usize = 30;
const DEEP_NAME: &str = "d";
const DEEP_NAME_LEN: usize = 200;

/// Fills an empty directory. The names at its top are tame; `deep` and `huge` are there for tools that cannot
/// take them to leave out.
pub(crate) fn build(root: &Path) {
    let mut dice = Dice::new(1);
    contents(root, &mut dice);
    sparse(root, &mut dice);
    names(root);
    links(root);
    specials(root);
    attributes(root);
    crowd(root);
    deep(root);
    modes(root);
    if is_root("devices, owners, trusted attributes, capabilities") {
        privileged(root);
    }
    // The last, because everything above changes the times of directories.
    times(root);
}

/// Lengths on both sides of every way to keep content: in the entry, in a bundle, in chunks.
fn contents(root: &Path, dice: &mut Dice) {
    let dir = root.join("contents");
    fs::create_dir(&dir).unwrap();
    for len in [
        0, 1, 100, 511, 512, 513, 4096, 20_000, 65_535, 65_536, 70_000,
    ] {
        fs::write(dir.join(format!("random{len}")), dice.bytes(len)).unwrap();
        fs::write(dir.join(format!("zeros{len}")), vec![0; len]).unwrap();
    }
    fs::write(dir.join("chunked"), dice.bytes(9 << 20)).unwrap();
    fs::write(dir.join("alike"), b"all work and no play\n".repeat(300_000)).unwrap();
}

fn sparse(root: &Path, dice: &mut Dice) {
    let dir = root.join("sparse");
    fs::create_dir(&dir).unwrap();
    let holes = |name: &str, len: u64, data: &[(u64, usize)], dice: &mut Dice| {
        let file = File::create_new(dir.join(name)).unwrap();
        for (offset, count) in data {
            file.write_all_at(&dice.bytes(*count), *offset).unwrap();
        }
        file.set_len(len).unwrap();
    };
    holes("nothing", 10 << 20, &[], dice);
    holes("end", 32 << 20, &[(0, 70_000)], dice);
    holes("begin", (32 << 20) + 5, &[(32 << 20, 5)], dice);
    let many: Vec<_> = (0..40).map(|i| (i * (3 << 20), 9000)).collect();
    holes("many", 120 << 20, &many, dice);
    let islands = [(1 << 26, 5 << 20), ((1 << 26) + (1 << 25), 1)];
    holes("islands", 1 << 28, &islands, dice);
    let huge = File::create_new(root.join("huge")).unwrap();
    huge.write_all_at(b"an island", 1 << 39).unwrap();
    huge.set_len(1 << 40).unwrap();
}

fn names(root: &Path) {
    let dir = root.join("names");
    fs::create_dir(&dir).unwrap();
    // Every byte but the two that no name can hold.
    for byte in (1..=255_u8).filter(|byte| *byte != b'/') {
        fs::write(dir.join(OsStr::from_bytes(&[b'x', byte, b'y'])), [byte]).unwrap();
    }
    for name in [
        b"-rf".as_slice(),
        b"--delete",
        b"not utf-8 \xff\xfe\x80",
        b"new\nline",
        b"\r\n",
        b"back\\slash\\012",
        b"\x1b[31m",
        b" ",
        b"...",
        b"*?[a]",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        "土蔵".as_bytes(),
        &[0xff; 255],
    ] {
        let name = OsStr::from_bytes(name);
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join(name), name.as_bytes()).unwrap();
    }
}

fn links(root: &Path) {
    for dir in ["links", "links/a", "links/b", "links/b/c"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    let at = |path: &str| root.join("links").join(path);
    fs::write(at("b/c/first"), "one file, three names").unwrap();
    fs::hard_link(at("b/c/first"), at("a/second")).unwrap();
    fs::hard_link(at("b/c/first"), root.join("third")).unwrap();
    fs::write(at("large"), vec![7; 2 << 20]).unwrap();
    fs::hard_link(at("large"), at("a/large")).unwrap();
    for (target, name) in [
        ("a/second", "to-file"),
        ("a", "to-directory"),
        ("nowhere/at/all", "to-nothing"),
        ("/etc/passwd", "away"),
        ("self", "self"),
        (" new\nline ", "odd"),
        (&*"l".repeat(4095), "long"),
    ] {
        symlink(target, at(name)).unwrap();
    }
    fs::hard_link(at("self"), at("a/self")).unwrap();
    symlink(OsStr::from_bytes(b"\xff\xfe"), at("bytes")).unwrap();
}

fn specials(root: &Path) {
    let dir = root.join("specials");
    fs::create_dir(&dir).unwrap();
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, dir.join("fifo"), FileType::Fifo, mode, 0).unwrap();
    mknodat(CWD, dir.join("socket"), FileType::Socket, mode, 0).unwrap();
    fs::hard_link(dir.join("fifo"), dir.join("fifo-again")).unwrap();
}

fn attributes(root: &Path) {
    let dir = root.join("attributes");
    fs::create_dir_all(dir.join("inherits/inner")).unwrap();
    fs::write(dir.join("file"), "with attributes").unwrap();
    fs::write(dir.join("listed"), "with an ACL").unwrap();
    let set = |path: &str, name: &str, value: &[u8]| {
        setxattr(dir.join(path), name, value, XattrFlags::empty()).unwrap();
    };
    set("file", "user.plain", b"value");
    set("file", "user.empty", b"");
    set("file", "user.bytes", b"\0\xff\n\\\"");
    set("file", &format!("user.{}", "n".repeat(200)), &[b'v'; 2000]);
    set("inherits", "user.on directory", b"yes");
    shell(
        "setfacl -m u:1234:rwx,u:65533:---,g:4321:r-x,m::r-x listed
         setfacl -m u:1234:rx,d:u:1234:rwx,d:g:4321:r-x,d:o::--- inherits",
        &[],
        &dir,
    );
    fs::write(
        dir.join("inherits/inner/file"),
        "has what its directory gave",
    )
    .unwrap();
}

fn crowd(root: &Path) {
    let dir = root.join("crowd");
    fs::create_dir(&dir).unwrap();
    for i in 0..CROWD {
        let file = File::create_new(dir.join(format!("{i:x}"))).unwrap();
        if i % 5 == 0 {
            file.write_all_at(&(i as u64).to_le_bytes(), 0).unwrap();
        }
    }
}

/// Makes paths longer than PATH_MAX, step by step, for no call takes them whole.
fn deep(root: &Path) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::create_dir(root.join("deep")).unwrap();
    let mut at = openat(CWD, root.join("deep"), flags, Mode::empty()).unwrap();
    let name = DEEP_NAME.repeat(DEEP_NAME_LEN);
    for level in 0..DEPTH {
        mkdirat(&at, &name, Mode::from_raw_mode(0o755)).unwrap();
        at = openat(&at, &name, flags, Mode::empty()).unwrap();
        let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&at, "file", create, Mode::from_raw_mode(0o600)).unwrap();
        rustix::io::write(&file, format!("{level} down").as_bytes()).unwrap();
        symlinkat("../file", &at, "link").unwrap();
    }
    let large = openat(
        &at,
        "large",
        OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o600),
    );
    let bytes = Dice::new(2).bytes(3 << 20);
    File::from(large.unwrap()).write_all_at(&bytes, 0).unwrap();
}

fn modes(root: &Path) {
    let dir = root.join("modes");
    fs::create_dir(&dir).unwrap();
    // What its owner may not read, only root can protect.
    let closed = is_root("files and directories of mode 0").then_some(0);
    let files = [
        0o400, 0o444, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777,
    ];
    for mode in files.into_iter().chain(closed) {
        let file = dir.join(format!("file{mode:o}"));
        fs::write(&file, "mode").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    }
    let dirs = [0o500, 0o555, 0o700, 0o1777, 0o2775, 0o7555];
    for mode in dirs.into_iter().chain(closed) {
        let inner = dir.join(format!("dir{mode:o}"));
        fs::create_dir_all(inner.join("inner")).unwrap();
        fs::write(inner.join("file"), "in it").unwrap();
        fs::set_permissions(inner.join("inner"), Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
    }
}

fn privileged(root: &Path) {
    let dir = root.join("privileged");
    fs::create_dir(&dir).unwrap();
    let mode = Mode::from_raw_mode(0o620);
    for (name, kind, major, minor) in [
        ("null", FileType::CharacterDevice, 1, 3),
        ("large-numbers", FileType::CharacterDevice, 4000, 1_000_000),
        ("disk", FileType::BlockDevice, 7, 200),
    ] {
        mknodat(CWD, dir.join(name), kind, mode, makedev(major, minor)).unwrap();
    }
    for (name, user, group) in [
        ("a", 1000, 1001),
        ("b", 65534, 65534),
        ("c", 4_000_000_000, 1),
    ] {
        let (file, link) = (dir.join(name), dir.join(format!("{name}-link")));
        let inner = dir.join(format!("{name}-dir"));
        fs::write(&file, name).unwrap();
        symlink(name, &link).unwrap();
        fs::create_dir(&inner).unwrap();
        for path in [&file, &link, &inner] {
            lchown(path, Some(user), Some(group)).unwrap();
        }
        // After the owner, which takes these bits away.
        fs::set_permissions(&file, Permissions::from_mode(0o6755)).unwrap();
    }
    fs::write(dir.join("able"), "#!/bin/true\n").unwrap();
    chown(dir.join("able"), Some(1000), Some(1000)).unwrap();
    shell(
        "setcap cap_net_raw,cap_net_bind_service+ep able; chmod u-w able
         setfacl -m u:1234:r able
         setfattr -n trusted.secret -v 0x00ff able
         setfattr -h -n trusted.secret -v link a-link
         setfattr -h -n trusted.secret -v device null",
        &[],
        &dir,
    );
}

/// Times before 1970, with nanoseconds, and far away; of files, links, and directories.
fn times(root: &Path) {
    let dir = root.join("times");
    fs::create_dir(&dir).unwrap();
    let times = [
        ("before", -1, 1),
        ("long-before", -2_000_000_000, 999_999_999),
        ("zero", 0, 0),
        ("one", 0, 1),
        ("now", 1_800_000_000, 123_456_789),
        ("later", 4_102_444_800, 5),
    ];
    for (name, seconds, nanoseconds) in times {
        let (link, inner) = (format!("{name}-link"), format!("{name}-dir"));
        fs::write(dir.join(name), name).unwrap();
        symlink(name, dir.join(&link)).unwrap();
        fs::create_dir(dir.join(&inner)).unwrap();
        fs::write(dir.join(&inner).join("file"), name).unwrap();
        for name in [name, &link, &inner] {
            set_time(&dir.join(name), seconds, nanoseconds);
        }
    }
    for name in ["times", "names", "crowd", "modes", "."] {
        set_time(&root.join(name), -77, 77);
    }
}

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Alters the tree as a bad day would: contents, holes, names, kinds, links, owners, attributes, times.
pub(crate) fn change(root: &Path) {
    let mut dice = Dice::new(3);
    let at = |path: &str| root.join(path);
    let chunked = File::options()
        .write(true)
        .open(at("contents/chunked"))
        .unwrap();
    chunked.write_all_at(&dice.bytes(10), 4 << 20).unwrap();
    let many = File::options().write(true).open(at("sparse/many")).unwrap();
    many.write_all_at(&dice.bytes(9000), 1 << 20).unwrap();
    fs::write(at("contents/random100"), dice.bytes(100)).unwrap();
    fs::rename(at("names/..."), at("names/....")).unwrap();
    fs::remove_file(at("links/a/second")).unwrap();
    fs::write(at("links/a/second"), "no longer the same file").unwrap();
    fs::remove_file(at("links/to-directory")).unwrap();
    fs::create_dir(at("links/to-directory")).unwrap();
    fs::remove_dir_all(at("times/now-dir")).unwrap();
    fs::write(at("times/now-dir"), "a file now").unwrap();
    fs::remove_file(at("specials/fifo")).unwrap();
    setxattr(
        at("attributes/file"),
        "user.plain",
        b"other",
        XattrFlags::empty(),
    )
    .unwrap();
    shell(
        "setfacl -b listed; setfacl -k inherits",
        &[],
        &at("attributes"),
    );
    fs::set_permissions(at("modes/file755"), Permissions::from_mode(0o700)).unwrap();
    for i in (0..CROWD).step_by(100) {
        fs::remove_file(at("crowd").join(format!("{i:x}"))).unwrap();
        fs::write(at("crowd").join(format!("new{i:x}")), [1]).unwrap();
    }
    set_time(&at("times/before"), -2, 2);
    set_time(root, -78, 78);
}
