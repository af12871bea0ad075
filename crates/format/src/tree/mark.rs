//! What a node refers to: what a mark over all that is still needed follows.

use base::ChunkId;

use super::column::Column;
use super::columnar::Columnar;
use super::error::NodeError;
use super::node::{Header, Inner};
use crate::entry::{Extent, FileEntry};

/// What one node refers to, each kind told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// The node's level: 0 for a leaf.
    pub level: u8,
    /// Nodes one level below.
    pub nodes: Vec<ChunkId>,
    /// Data chunks, each once.
    pub chunks: Vec<ChunkId>,
    /// Roots of extent maps, which are trees of their own.
    pub maps: Vec<ChunkId>,
}

/// Returns what a node refers to, whatever its value type.
///
/// # Errors
/// The bytes are not a whole and sound node.
pub fn children(plain: &[u8]) -> Result<Children, NodeError> {
    let (header, body) = Header::decode(plain)?;
    if header.level > 0 {
        if !matches!(header.value_type, FileEntry::TYPE | Extent::TYPE) {
            return Err(NodeError::ValueType);
        }
        let inner = Inner::decode(&header, body)?;
        return Ok(Children {
            level: header.level,
            nodes: inner.children.iter().map(|child| child.id).collect(),
            ..Children::default()
        });
    }
    match header.value_type {
        FileEntry::TYPE => leaf::<FileEntry>(header.count, body),
        Extent::TYPE => leaf::<Extent>(header.count, body),
        _ => Err(NodeError::ValueType),
    }
}

fn leaf<V: Columnar>(count: usize, mut body: Column<'_>) -> Result<Children, NodeError> {
    let (_, rows) = V::decode(&mut body, count)?;
    body.end()?;
    let (chunks, maps) = V::references(rows);
    Ok(Children {
        chunks,
        maps,
        ..Children::default()
    })
}
