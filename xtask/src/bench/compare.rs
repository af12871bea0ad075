//! Whether a restored tree is the tree that was backed up.
//!
//! Names, kinds, modes, owners, modification times of files, targets of links and every byte are compared. Not
//! compared: times of directories and links, extended attributes, holes; `rsync` and friends do that for Dozo
//! in its own tests, and here it would only say that some peer does not keep them.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How two trees differ.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) count: u64,
    /// The first of them, a sentence each.
    pub(crate) examples: Vec<String>,
}

impl Differences {
    fn add(&mut self, what: &str, path: &Path) {
        self.count += 1;
        if self.examples.len() < 5 {
            self.examples.push(format!("{what}: {}", path.display()));
        }
    }
}

/// Compares the tree at `copy` with the one at `original`.
///
/// # Errors
/// One of them cannot be read.
pub(crate) fn trees(original: &Path, copy: &Path) -> Result<Differences> {
    let mut differences = Differences::default();
    let mut buffers = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        let wanted = names(&original.join(&dir))?;
        let found = names(&copy.join(&dir))?;
        for name in found.difference(&wanted) {
            differences.add("was not there", &dir.join(name));
        }
        for name in &wanted {
            let path = dir.join(name);
            if !found.contains(name) {
                differences.add("is missing", &path);
                continue;
            }
            let (a, b) = (original.join(&path), copy.join(&path));
            let of = metadata(&a)?;
            if let Some(what) = difference(&a, &of, &b, &mut buffers)? {
                differences.add(what, &path);
            } else if of.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(differences)
}

fn names(dir: &Path) -> Result<BTreeSet<std::ffi::OsString>> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect())
        .with_context(|| format!("reading {}", dir.display()))
}

fn metadata(path: &Path) -> Result<Metadata> {
    path.symlink_metadata()
        .with_context(|| format!("reading {}", path.display()))
}

fn difference(
    a: &Path,
    of: &Metadata,
    b: &Path,
    buffers: &mut (Vec<u8>, Vec<u8>),
) -> Result<Option<&'static str>> {
    let copy = metadata(b)?;
    if of.file_type() != copy.file_type() {
        return Ok(Some("is of another kind"));
    }
    if (of.uid(), of.gid()) != (copy.uid(), copy.gid()) {
        return Ok(Some("has another owner"));
    }
    if of.is_symlink() {
        let same = fs::read_link(a)? == fs::read_link(b)?;
        return Ok((!same).then_some("points elsewhere"));
    }
    if of.mode() != copy.mode() {
        return Ok(Some("has another mode"));
    }
    if !of.is_file() {
        return Ok(None);
    }
    if (of.mtime(), of.mtime_nsec()) != (copy.mtime(), copy.mtime_nsec()) {
        return Ok(Some("has another time"));
    }
    let same = of.len() == copy.len() && same_bytes(a, b, buffers)?;
    Ok((!same).then_some("has other content"))
}

fn same_bytes(a: &Path, b: &Path, buffers: &mut (Vec<u8>, Vec<u8>)) -> Result<bool> {
    let open =
        |path: &Path| File::open(path).with_context(|| format!("reading {}", path.display()));
    let (mut a, mut b) = (open(a)?, open(b)?);
    loop {
        let read = fill(&mut a, &mut buffers.0)?;
        if read != fill(&mut b, &mut buffers.1)? || buffers.0[..read] != buffers.1[..read] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn check(change: impl Fn(&Path), expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for root in [&a, &b] {
            fs::create_dir_all(root.join("dir")).unwrap();
            fs::write(root.join("dir/file"), "content").unwrap();
            symlink("dir/file", root.join("link")).unwrap();
            let file = File::options().write(true).open(root.join("dir/file"));
            file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        change(&b);
        let found = trees(&a, &b).unwrap();
        assert_eq!(found.examples, expected);
        assert_eq!(found.count, expected.len() as u64);
    }

    #[test]
    fn equal_trees_do_not_differ() {
        check(|_| {}, &[]);
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        check(
            |b| fs::remove_file(b.join("link")).unwrap(),
            &["is missing: link"],
        );
        check(
            |b| fs::write(b.join("x"), "").unwrap(),
            &["was not there: x"],
        );
        check(
            |b| fs::write(b.join("dir/file"), "Content").unwrap(),
            &["has another time: dir/file"],
        );
        check(
            |b| {
                fs::write(b.join("dir/file"), "Content").unwrap();
                let file = File::options().write(true).open(b.join("dir/file"));
                file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            },
            &["has other content: dir/file"],
        );
        check(
            |b| fs::set_permissions(b.join("dir"), fs::Permissions::from_mode(0o700)).unwrap(),
            &["has another mode: dir"],
        );
        check(
            |b| {
                fs::remove_file(b.join("link")).unwrap();
                symlink("dir", b.join("link")).unwrap();
            },
            &["points elsewhere: link"],
        );
    }
}
