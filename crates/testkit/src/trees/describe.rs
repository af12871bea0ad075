//! What a tree is, in words that can be compared.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Returns one line for every entry beneath a directory, by path (escaped as in Rust): kind, mode, owner, modification time, length,
/// hash of the content, target, extended attributes, and for hard links the first path of the same file.
/// Not part of it: inode numbers, change and access times, the times of the root itself, where holes are.
///
/// # Errors
/// As the file system says.
pub fn describe(root: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut paths = Vec::new();
    collect(root, b"", &mut paths)?;
    paths.sort();
    let mut first_paths = HashMap::new();
    let mut out = BTreeMap::new();
    for path in paths {
        let line = line(root, &path, &mut first_paths)?;
        out.insert(path.escape_ascii().to_string(), line);
    }
    Ok(out)
}

fn collect(root: &Path, dir: &[u8], out: &mut Vec<Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(OsStr::from_bytes(dir)))? {
        let entry = entry?;
        let mut path = dir.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(entry.file_name().into_vec());
        if entry.file_type()?.is_dir() {
            collect(root, &path, out)?;
        }
        out.push(path);
    }
    Ok(())
}

fn line(
    root: &Path,
    path: &[u8],
    first_paths: &mut HashMap<(u64, u64), Vec<u8>>,
) -> io::Result<String> {
    let full = root.join(OsStr::from_bytes(path));
    let meta = fs::symlink_metadata(&full)?;
    let kind = meta.file_type();
    let what = if kind.is_file() {
        let hash = blake3::hash(&fs::read(&full)?);
        format!("file {} {}", meta.len(), &hash.to_hex()[..16])
    } else if kind.is_dir() {
        "dir".into()
    } else if kind.is_symlink() {
        format!("link to {:?}", fs::read_link(&full)?)
    } else if kind.is_fifo() {
        "fifo".into()
    } else if kind.is_socket() {
        "socket".into()
    } else {
        format!("device {:#x}", meta.rdev())
    };
    let mut line = format!(
        "{what}, mode {:o}, owner {}:{}, time {}.{:09}",
        meta.mode() & 0o7777,
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
    );
    if !kind.is_dir() && meta.nlink() > 1 {
        let first = first_paths
            .entry((meta.dev(), meta.ino()))
            .or_insert_with(|| path.to_vec());
        line += &format!(", same file as {}", first.escape_ascii());
    }
    for (name, value) in xattrs(&full)? {
        line += &format!(", {name} = {value:?}");
    }
    Ok(line)
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0; 64 << 10];
    let len = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(len) => len,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let mut out = BTreeMap::new();
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        value.truncate(len);
        out.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(out)
}
