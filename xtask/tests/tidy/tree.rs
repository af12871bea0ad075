//! The files of the repository as the other rules see them.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file: where it is, below the repository's root, and what it holds.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands below the root")
        .to_path_buf()
}

/// Returns one file's text.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Returns every Rust file of the workspace, sorted by path.
pub(crate) fn rust() -> Vec<Text> {
    let mut found = Vec::new();
    for top in ["crates", "xtask"] {
        collect(&root().join(top), &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the walk over the sources is broken");
    found
}

/// Returns those that are part of the product: no tests, no xtask, no testkit, no model, no crash.
pub(crate) fn product() -> Vec<Text> {
    let mut all = rust();
    all.retain(|t| {
        let is_for_tests = ["/testkit/", "/model/", "/crates/crash/"]
            .iter()
            .any(|of| t.path.contains(of));
        t.path.contains("/src/") && !t.path.starts_with("xtask") && !is_for_tests
    });
    all
}

fn collect(dir: &Path, found: &mut Vec<Text>) {
    for entry in fs::read_dir(dir).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let below = path.strip_prefix(root()).expect("below the root");
            found.push(Text {
                path: below.display().to_string(),
                text: fs::read_to_string(&path).expect("sources are text"),
            });
        }
    }
}
