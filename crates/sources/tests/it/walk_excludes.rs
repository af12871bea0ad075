//! What a walk leaves out.

use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use sources::files::{Walk, WalkError, WalkOptions};

use crate::tree::{is_root, make, walk};

fn check(paths: &[&str], options: WalkOptions, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), paths);
    assert_eq!(walk(dir.path(), &options).paths(), expected);
}

fn patterns(patterns: &[&str]) -> WalkOptions {
    WalkOptions {
        exclude: patterns.iter().map(|p| (*p).to_owned()).collect(),
        ..WalkOptions::default()
    }
}

#[test]
fn patterns_are_those_of_gitignore() {
    let tree = [
        "a.o",
        "b.c",
        "sub/a.o",
        "sub/keep.o",
        "target/x",
        "sub/target/y",
        "sub/file/target",
    ];
    check(
        &tree,
        patterns(&["*.o", "!keep.o"]),
        &[
            "b.c",
            "sub",
            "target",
            "sub/file",
            "sub/keep.o",
            "sub/target",
            "sub/file/target",
            "sub/target/y",
            "target/x",
        ],
    );
    check(
        &tree,
        patterns(&["/target", "*.o"]),
        &[
            "b.c",
            "sub",
            "sub/file",
            "sub/target",
            "sub/file/target",
            "sub/target/y",
        ],
    );
    check(
        &tree,
        patterns(&["target/", "*.o"]),
        &["b.c", "sub", "sub/file", "sub/file/target"],
    );
    check(
        &tree,
        patterns(&["sub/**/target", "*.[oc]", "# nothing"]),
        &["sub", "target", "sub/file", "target/x"],
    );
    check(
        &tree,
        patterns(&["/*", "!/sub", "/sub/*", "!/sub/keep.o"]),
        &["sub", "sub/keep.o"],
    );
}

#[test]
fn a_wrong_pattern_is_refused_by_name() {
    let error = Walk::start(Path::new("/"), &patterns(&["ok", "a{"]))
        .err()
        .unwrap();
    let WalkError::Pattern(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.pattern, "a{");
}

#[test]
fn a_marked_directory_is_kept_with_its_marker_only() {
    let options = WalkOptions {
        exclude_if_present: vec![b".nobackup".to_vec()],
        ..WalkOptions::default()
    };
    let tree = ["a/.nobackup", "a/big", "a/sub/x", "b/file", ".nobackup"];
    check(
        &tree,
        options,
        &[".nobackup", "a", "b", "a/.nobackup", "b/file"],
    );
}

#[test]
fn a_cache_directory_is_known_by_its_signature() {
    let dir = tempfile::tempdir().unwrap();
    make(
        dir.path(),
        &[
            "cache/CACHEDIR.TAG",
            "cache/big",
            "not/CACHEDIR.TAG",
            "not/big",
        ],
    );
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test";
    std::fs::write(dir.path().join("cache/CACHEDIR.TAG"), tag).unwrap();
    let options = WalkOptions {
        cachedir_tag: true,
        ..WalkOptions::default()
    };
    let expected = [
        "cache",
        "not",
        "cache/CACHEDIR.TAG",
        "not/CACHEDIR.TAG",
        "not/big",
    ];
    assert_eq!(walk(dir.path(), &options).paths(), expected);
    assert_eq!(walk(dir.path(), &WalkOptions::default()).paths().len(), 6);
    // The root was named on purpose.
    assert_eq!(
        walk(&dir.path().join("cache"), &options).paths(),
        ["CACHEDIR.TAG", "big"]
    );
}

#[test]
fn dozos_own_directory_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["a/pool/packs/x", "a/y"]);
    let leave_out = vec![dir.path().join("a/pool"), dir.path().join("not there")];
    let options = WalkOptions {
        leave_out,
        ..WalkOptions::default()
    };
    assert_eq!(walk(dir.path(), &options).paths(), ["a", "a/y"]);
}

#[test]
fn one_file_system_records_mount_points_as_empty_directories() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &["bind/", "tmp/", "proc/", "real/x"]);
    if !is_root("mounts") {
        return;
    }
    let at = |name: &str| dir.path().join(name);
    let _mounts = [
        Mounted::new(at("tmp"), |to| {
            mount("none", to, "tmpfs", MountFlags::empty(), None).unwrap()
        }),
        Mounted::new(at("bind"), |to| mount_bind(at("real"), to).unwrap()),
        Mounted::new(at("proc"), |to| {
            mount("none", to, "proc", MountFlags::empty(), None).unwrap()
        }),
    ];
    make(dir.path(), &["tmp/y"]);
    let one = WalkOptions {
        one_file_system: true,
        ..WalkOptions::default()
    };
    assert_eq!(
        walk(dir.path(), &one).paths(),
        ["bind", "proc", "real", "tmp", "real/x"]
    );
    // What the kernel makes up is never entered.
    let all = walk(dir.path(), &WalkOptions::default());
    assert_eq!(
        all.paths(),
        ["bind", "proc", "real", "tmp", "bind/x", "real/x", "tmp/y"]
    );
    assert!(all.problems.is_empty());
}

/// A mount that goes away with the test.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(at: std::path::PathBuf, mount: impl FnOnce(&Path)) -> Self {
        mount(&at);
        Self(at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}
