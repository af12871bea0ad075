//! Strangers' judgement: whether two trees are the same, by tools that others wrote.

use std::path::Path;

use crate::program::{attempt, shell};

/// Whether the judged trees hold what only some tools can look at.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Extent {
    /// With `deep` and `huge`.
    Whole,
    /// Without them.
    Plain,
}

/// Fails unless all strangers find two trees the same.
pub(crate) fn same(original: &Path, restored: &Path, extent: Extent) {
    same_to_the_eye(original, restored);
    sparse(original, restored, "sparse");
    if extent == Extent::Whole {
        // The names in it are longer than most tools can take.
        agree(
            "cd deep; find . -printf '%y %m %U %G %s %T@ %l %p\\n' | grep -v '^d' | sort",
            original,
            restored,
        );
        archived(original, restored);
        sparse(original, restored, "huge");
    }
}

/// Fails unless all strangers find two trees the same, but for the space that files take, and without `deep` and `huge`.
pub(crate) fn same_to_the_eye(original: &Path, restored: &Path) {
    rsync(original, restored);
    // Everything that stat tells but inode numbers, change and access times. The size of a directory tells how it was filled,
    // and its number of links how the file system counts.
    agree(
        "find . -name deep -prune -o -type d -printf '%y %m %U %G %T@ %p\\0' \
            -o -printf '%y %m %U %G %n %s %T@ %p -> %l\\0' | sort -z",
        original,
        restored,
    );
    agree(
        &each("getfattr --no-dereference --dump --match=- --encoding=hex --"),
        original,
        restored,
    );
    agree(&each("getcap --"), original, restored);
    agree(
        "find . \\( -path ./deep -o -path ./crowd \\) -prune -o ! -type l -print0 | sort -z | xargs -0 getfacl --numeric --",
        original,
        restored,
    );
}

/// Returns a shell line that shows every entry of a tree to a program, in the order of names. The crowd is left to rsync,
/// which looks at the attributes of all.
fn each(program: &str) -> String {
    format!(
        "find . \\( -path ./deep -o -path ./crowd \\) -prune -o -print0 | sort -z | xargs -0 {program}"
    )
}

/// Leaves out `deep`, whose paths are longer than rsync can take, and `huge`, of whose terabyte of holes it would read every
/// byte twice.
fn rsync(original: &Path, restored: &Path) {
    let line = "rsync -aHAX --numeric-ids --modify-window=-1 --checksum --dry-run --itemize-changes --delete \
                --exclude=/deep --exclude=/huge \"$1/\" \"$2/\"";
    let differences = shell(line, &[original, restored], Path::new("/"));
    assert_eq!(
        differences.escape_ascii().to_string(),
        "",
        "rsync would change this"
    );
}

/// Compares what tar makes of `deep` and `huge`: it goes step by step, and knows holes.
fn archived(original: &Path, restored: &Path) {
    agree(
        "tar --create --format=posix --sort=name --sparse --sparse-version=0.0 --hole-detection=seek --numeric-owner --xattrs \
            --pax-option=exthdr.name=%f,globexthdr.name=g,delete=atime,delete=ctime deep huge | sha256sum",
        original,
        restored,
    );
}

/// Fails if a restored file takes more room than the original one; what a file system adds to find the blocks is let pass.
pub(crate) fn sparse(original: &Path, restored: &Path, path: &str) {
    let line = format!("find {path} -type f -print0 | sort -z | xargs -0 du --block-size=1 --");
    let blocks = |root: &Path| -> Vec<(u64, String)> {
        let out = String::from_utf8(shell(&line, &[], root)).unwrap();
        let rows = out.lines().map(|row| row.split_once('\t').unwrap());
        rows.map(|(size, name)| (size.parse().unwrap(), name.to_owned()))
            .collect()
    };
    let slack = 64 << 10;
    for ((before, name), (after, _)) in blocks(original).into_iter().zip(blocks(restored)) {
        assert!(
            after <= before + slack,
            "{name} takes {after} bytes of disk, not {before}"
        );
    }
}

/// Fails unless a shell line prints the same in both trees, and something at all.
fn agree(line: &str, original: &Path, restored: &Path) {
    let before = shell(line, &[], original);
    if before == shell(line, &[], restored) {
        assert!(
            !before.is_empty() || line.contains("getcap"),
            "{line} sees nothing"
        );
        return;
    }
    let show = format!(
        "diff --text <(cd \"$1\"; {line}) <(cd \"$2\"; {line}) | tr '\\0' '\\n' | head -40"
    );
    let differences = attempt(&show, &[original, restored], Path::new("/"));
    panic!(
        "{line} differs:\n{}",
        differences
            .all()
            .escape_debug()
            .to_string()
            .replace("\\n", "\n")
    );
}
