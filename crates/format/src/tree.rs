//! The content-defined B-tree: a persistent ordered map whose nodes are chunks.
//!
//! Two types of value: file entries under their [`crate::entry::FileKey`], and extents under their file offset.
//! Invariants:
//! - Equal content gives an equal root, whatever the order and grouping of the edits that led to it (within
//!   one domain: where nodes end depends on its chunker key).
//! - A change costs about one node a level; what did not change is shared by id.
//! - A node read has been checked against its own limits and against what its parent says of it; no bytes
//!   make a reader panic or allocate more than a small multiple of the largest node.
//!
//! It does not compress, encrypt or name nodes: the [`NodeSink`] does. `docs/format.md` has the byte tables.

mod boundary;
mod column;
mod columnar;
mod cursor;
mod diff;
mod editor;
mod error;
mod extent;
mod file;
mod keys;
mod mark;
mod node;
mod output;
mod piece;
mod value;
mod walk;

pub use boundary::Boundary;
pub use cursor::Cursor;
pub use diff::{Change, Diff};
pub use editor::{Editor, NodeSink, check};
pub use error::{NodeError, TreeError};
pub use file::{FileRef, NodeRef};
pub use mark::{Children, children};
pub use value::{ItemRef, Totals, Value};

use base::ChunkId;

use crate::replica::ChunkReader;

/// Returns the value under `key`. Reads one node a level.
///
/// # Errors
/// A node cannot be read or is damaged.
pub fn get<V: Value>(
    reader: &dyn ChunkReader,
    root: &ChunkId,
    key: &[u8],
) -> Result<Option<V>, TreeError> {
    let mut walk = walk::Walk::<V>::open(reader, root)?;
    walk.seek(reader, key)?;
    Ok(walk
        .row()
        .filter(|(found, _)| *found == key)
        .map(|(_, value)| V::from_view(value)))
}

/// Returns what a tree holds in all. Reads its root only.
///
/// # Errors
/// The root cannot be read or is damaged.
pub fn summary<V: Value>(reader: &dyn ChunkReader, root: &ChunkId) -> Result<Totals, TreeError> {
    walk::load::<V>(reader, root).map(|node| node.totals())
}

/// Returns the differences between two trees in key order; see [`Diff`].
///
/// # Errors
/// A root cannot be read or is damaged.
pub fn diff<'a, V: Value>(
    reader: impl ChunkReader + 'a,
    old: Option<&ChunkId>,
    new: Option<&ChunkId>,
) -> Result<Diff<'a, V>, TreeError> {
    Diff::new(reader, old, new)
}

/// Returns the file offset that an extent stands under; `None` if the key is no extent's.
pub fn extent_offset(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// Returns the key of an extent: its file offset.
pub fn extent_key(offset: u64) -> [u8; 8] {
    #[expect(
        clippy::disallowed_methods,
        reason = "keys are compared as bytes: the order of big-endian numbers is that of the offsets"
    )]
    offset.to_be_bytes()
}
