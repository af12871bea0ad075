//! One node: its header, then the columns of a leaf or of an inner node.
//!
//! A decoded node has been checked whole: bounded, ascending, no reference that leads nowhere, no byte left
//! over. What only its parent can tell (level, last key, totals) is checked where it is loaded.

use std::sync::Arc;

use base::ChunkId;
use base::limits::{CHUNK_BYTES_MAX, NODE_ITEMS_MAX, TREE_DEPTH_MAX};

use super::column::{Column, put, put_column};
use super::error::NodeError;
use super::keys::{Keys, KeysBuilder};
use super::piece;
use super::value::{Totals, Value};

/// First bytes of every node.
const MAGIC: &[u8; 8] = b"DOZOTREE";
const VERSION: u16 = 1;
/// magic 8, version 2, level 1, value type 1, item count 4.
const HEADER_BYTES: usize = 16;

/// What a node's header says.
pub(super) struct Header {
    pub(super) level: u8,
    pub(super) value_type: u8,
    pub(super) count: usize,
}

impl Header {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(self.level);
        out.push(self.value_type);
        out.extend_from_slice(&(self.count as u32).to_le_bytes());
    }

    /// Reads a header and returns it with what follows.
    pub(super) fn decode(plain: &[u8]) -> Result<(Self, Column<'_>), NodeError> {
        if plain.len() > CHUNK_BYTES_MAX {
            return Err(NodeError::Limit);
        }
        let mut column = Column::new(plain);
        if plain.len() < HEADER_BYTES || &column.array::<8>()? != MAGIC {
            return Err(NodeError::Header);
        }
        if u16::from_le_bytes(column.array()?) != VERSION {
            return Err(NodeError::Version);
        }
        let [level, value_type] = column.array()?;
        let count = u32::from_le_bytes(column.array()?) as usize;
        if usize::from(level) >= TREE_DEPTH_MAX {
            return Err(NodeError::Level);
        }
        if count > NODE_ITEMS_MAX || (level > 0 && count == 0) {
            return Err(NodeError::Limit);
        }
        let header = Self {
            level,
            value_type,
            count,
        };
        Ok((header, column))
    }
}

/// A node of either kind.
pub(super) enum Node<V: Value> {
    Leaf(Leaf<V>),
    Inner(Inner),
}

impl<V: Value> Node<V> {
    pub(super) fn decode(plain: Arc<Vec<u8>>) -> Result<Self, NodeError> {
        let (header, mut body) = Header::decode(&plain)?;
        if header.value_type != V::TYPE {
            return Err(NodeError::ValueType);
        }
        if header.level > 0 {
            return Inner::decode(&header, body).map(Self::Inner);
        }
        let (keys, rows) = V::decode(&mut body, header.count)?;
        body.end()?;
        Ok(Self::Leaf(Leaf { plain, keys, rows }))
    }

    pub(super) fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner(inner) => inner.level,
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        match self {
            Self::Leaf(leaf) => &leaf.keys,
            Self::Inner(inner) => &inner.keys,
        }
    }

    pub(super) fn totals(&self) -> Totals {
        match self {
            Self::Leaf(leaf) => (0..leaf.len()).map(|i| V::totals(leaf.value(i))).sum(),
            Self::Inner(inner) => inner.children.iter().map(|c| c.totals).sum(),
        }
    }
}

/// A decoded leaf: rows are borrowed from it.
pub(super) struct Leaf<V: Value> {
    plain: Arc<Vec<u8>>,
    pub(super) keys: Keys,
    pub(super) rows: V::Rows,
}

impl<V: Value> Leaf<V> {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the value of row `i`, which has to be below [`Self::len`].
    #[inline]
    pub(super) fn value(&self, i: usize) -> V::Ref<'_> {
        V::row(&self.rows, &self.plain, i)
    }
}

/// One child of an inner node, but for its last key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) id: ChunkId,
    pub(super) totals: Totals,
}

/// A decoded inner node: each child under the last key below it.
pub(super) struct Inner {
    pub(super) level: u8,
    pub(super) keys: Keys,
    pub(super) children: Vec<Child>,
}

impl Inner {
    pub(super) fn decode(header: &Header, mut body: Column<'_>) -> Result<Self, NodeError> {
        let keys = Keys::decode(&mut body, header.count)?;
        let (mut entries, mut files, mut bytes) = (body.column()?, body.column()?, body.column()?);
        let ids = piece::ids(&mut body.column()?, header.count)?;
        body.end()?;
        if ids.len() != header.count {
            return Err(NodeError::Reference);
        }
        let mut children = Vec::with_capacity(ids.len());
        for id in ids {
            let totals = Totals {
                entries: entries.number()?,
                files: files.number()?,
                bytes: bytes.number()?,
            };
            children.push(Child { id, totals });
        }
        entries.end()?;
        files.end()?;
        bytes.end()?;
        Ok(Self {
            level: header.level,
            keys,
            children,
        })
    }
}

/// Writes the columns of an inner node.
#[derive(Default)]
pub(super) struct InnerBuilder {
    keys: KeysBuilder,
    entries: Vec<u8>,
    files: Vec<u8>,
    bytes: Vec<u8>,
    ids: Vec<u8>,
}

impl InnerBuilder {
    /// Returns what an item adds to a node's weight.
    pub(super) fn weight(key: &[u8]) -> usize {
        key.len() + 80
    }

    pub(super) fn push(&mut self, key: &[u8], child: &Child) {
        self.keys.push(key);
        put(&mut self.entries, child.totals.entries);
        put(&mut self.files, child.totals.files);
        put(&mut self.bytes, child.totals.bytes);
        self.ids.extend_from_slice(&child.id.0);
    }

    /// Appends the columns to `out` and starts anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.keys.finish(out);
        for column in [
            &mut self.entries,
            &mut self.files,
            &mut self.bytes,
            &mut self.ids,
        ] {
            put_column(out, column);
            column.clear();
        }
    }
}
