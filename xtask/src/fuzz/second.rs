//! The second reader of the format, which was written from `docs/format.md` alone: the files of the store's tests.
#![allow(
    dead_code,
    unused_imports,
    reason = "it reads whole stores, which is not asked of it here"
)]

#[path = "../../../crates/store/tests/it/stranger/class.rs"]
mod class;
#[path = "../../../crates/store/tests/it/stranger/crypt.rs"]
pub(crate) mod crypt;
#[path = "../../../crates/store/tests/it/stranger/extents.rs"]
mod extents;
#[path = "../../../crates/store/tests/it/stranger/file_key.rs"]
pub(crate) mod file_key;
#[path = "../../../crates/store/tests/it/stranger/files.rs"]
pub(crate) mod files;
#[path = "../../../crates/store/tests/it/stranger/keys.rs"]
pub(crate) mod keys;
#[path = "../../../crates/store/tests/it/stranger/log.rs"]
pub(crate) mod log;
#[path = "../../../crates/store/tests/it/stranger/pack.rs"]
pub(crate) mod pack;
#[path = "../../../crates/store/tests/it/stranger/parity.rs"]
pub(crate) mod parity;
#[path = "../../../crates/store/tests/it/stranger/point.rs"]
pub(crate) mod point;
#[path = "../../../crates/store/tests/it/stranger/tree.rs"]
pub(crate) mod tree;
#[path = "../../../crates/store/tests/it/stranger/wire.rs"]
pub(crate) mod wire;

use std::path::{Path, PathBuf};

/// The value, or what is wrong with the bytes.
pub(crate) type Read<T> = Result<T, String>;

/// A hash, a key, a chunk id.
pub(crate) type Bytes32 = [u8; 32];

/// The id of a store, source, point or session.
pub(crate) type Id = [u8; 16];

fn read(path: &Path) -> Read<Vec<u8>> {
    Err(format!("{} is not asked for", path.display()))
}

fn entries(directory: &Path) -> Read<Vec<(String, PathBuf)>> {
    Err(format!("{} is not asked for", directory.display()))
}
