//! Makes trees and collects what a walk says of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use format::entry::FileEntry;
use sources::Problem;
use sources::files::{Event, Found, Handle, Walk, WalkOptions};

/// Everything a walk met, by path, with the order of keys checked.
#[derive(Default)]
pub(crate) struct Met {
    pub(crate) entries: BTreeMap<Vec<u8>, (FileEntry, Handle)>,
    pub(crate) order: Vec<Vec<u8>>,
    pub(crate) problems: Vec<Problem>,
}

impl Met {
    /// Paths in the order in which they came, the root left out.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.order[1..]
            .iter()
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect()
    }

    pub(crate) fn entry(&self, path: &str) -> &FileEntry {
        &self.entries[path.as_bytes()].0
    }

    pub(crate) fn handle(&self, path: &str) -> &Handle {
        &self.entries[path.as_bytes()].1
    }
}

/// Walks `root` and checks that keys ascend and that handles know their keys.
pub(crate) fn walk(root: &Path, options: &WalkOptions) -> Met {
    let mut met = Met::default();
    let mut last = None;
    for event in Walk::start(root, options).unwrap() {
        match event {
            Event::Entry(Found { key, entry, handle }) => {
                assert!(last.as_ref() < Some(&key), "{last:?} before {key:?}");
                assert_eq!(handle.key(), key);
                met.order.push(handle.path());
                met.entries.insert(handle.path(), (entry, handle));
                last = Some(key);
            }
            Event::Problem(problem) => met.problems.push(problem),
        }
    }
    met
}

/// Walks with the options nobody set.
pub(crate) fn walk_plain(root: &Path) -> Met {
    walk(root, &WalkOptions::default())
}

/// Makes files with their path as content; a path that ends with `/` makes a directory.
pub(crate) fn make(root: &Path, paths: &[&str]) {
    for path in paths {
        let full = root.join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(full).unwrap();
        } else {
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, path).unwrap();
        }
    }
}

/// Returns a path of any bytes.
pub(crate) fn raw(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Returns whether the tests run as root; says so if a part is left out because they do not.
pub(crate) fn is_root(part: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIP (needs root): {part}");
    }
    root
}

/// Returns a directory on a file system in memory, if there is one: for very many entries.
pub(crate) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
