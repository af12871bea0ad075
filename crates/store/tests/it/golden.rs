//! Stored bytes of format version 1, read by today's store and by a stranger who knows `docs/format.md` only.
//!
//! `tests/golden/v1` is a whole store with the secrets that open it and `expected.txt`, which says what was written
//! into it. It is never made again: every later version of the store and of the page has to read it.

mod listing;

mod damage;
mod fold;
mod make;
mod objects;
mod sample;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};

/// The passphrase of the golden store's second slot.
const PASSPHRASE: &str = "どこにも書かない golden passphrase";

/// Returns a path in the golden store's directory.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/v1")
        .join(name)
}

/// Copies a store's directory, all files of it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
