//! A tree of every kind of entry goes through the program and is judged by tools that others wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::judges::{Extent, same};
use crate::program::{Place, is_root, shell};
use crate::torture;

#[test]
fn strangers_find_a_restored_tree_the_same() {
    let place = Place::new();
    let source = place.directory("source");
    torture::build(&source);
    let first = place.point("source");
    let restored = place.restore("source", &first, "first");
    if is_root("capabilities") {
        let able = shell("getcap able", &[], &restored.join("privileged"));
        assert_eq!(able, b"able cap_net_bind_service,cap_net_raw=ep\n");
    }
    same(&source, &restored, Extent::Whole);
    clear(&restored);

    // What it was, kept by a stranger who can take neither paths longer than PATH_MAX nor a terabyte.
    let copy = place.directory("copy");
    shell(
        "cp -a !(deep|huge) \"$1\"; for what in chown chmod touch; do $what --reference=. \"$1\"; done",
        &[&copy],
        &source,
    );
    torture::change(&source);
    let second = place.point("source");
    let restored = place.restore("source", &second, "second");
    same(&source, &restored, Extent::Whole);

    // The older point is what it was, and goes where it came from.
    clear(&source);
    place.dozo(
        0,
        &[
            "restore",
            &format!("{}@{first}", source.display()),
            "--original",
        ],
    );
    fs::remove_file(source.join("huge")).unwrap();
    fs::remove_dir_all(source.join("deep")).unwrap();
    shell("touch --reference=\"$1\" .", &[&copy], &source);
    same(&copy, &source, Extent::Plain);
}

/// Removes a tree; without privilege, what may not be written must become writable before.
fn clear(root: &Path) {
    shell("chmod -R u+rwX .", &[], root);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn many_large_files_need_few_descriptors() {
    let place = Place::new();
    let source = place.directory("many");
    for n in 0..600 {
        // Too large for a bundle, and as good as empty on disk.
        let file = fs::File::create(source.join(format!("file{n}"))).unwrap();
        file.set_len(600 << 10).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[1; 10], n * 100).unwrap();
    }
    let mut shell = Command::new("sh");
    let script = "ulimit -n 256; exec \"$0\" protect many";
    let answer = place
        .prepare(shell.args(["-c", script, env!("CARGO_BIN_EXE_dozo")]))
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let points = place.dozo(0, &["point", "list"]).out;
    assert!(String::from_utf8_lossy(&points).contains(" 600 "));
}
