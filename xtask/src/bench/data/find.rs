//! The real files of the machine, always in the same order.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Calls `see` with everything below `root`, a directory before what it holds, sorted by name within it,
/// until `see` has enough and returns false. What cannot be read is left out.
///
/// Returns whether the walk came to its end.
pub(super) fn walk(root: &Path, see: &mut dyn FnMut(&Path, &Metadata) -> bool) -> bool {
    let Ok(entries) = fs::read_dir(root) else {
        return true;
    };
    let mut names: Vec<OsString> = entries.flatten().map(|e| e.file_name()).collect();
    names.sort();
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    for path in &paths {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if !see(path, &metadata) || (metadata.is_dir() && !walk(path, see)) {
            return false;
        }
    }
    true
}
