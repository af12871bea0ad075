//! Extents as columns, for a file's own and for an extent map's.
//!
//! Chunk ids stand once per node, in the order of first use; an extent that goes on where the one before ended
//! in the same chunk (files bundled as neighbours) is one byte.

use std::collections::HashMap;

use base::ChunkId;
use base::limits::{CHUNK_BYTES_MAX, EXTENTS_PER_ENTRY_MAX, NODE_ITEMS_MAX};

use super::column::{Column, put, put_column};
use super::error::NodeError;
use crate::entry::Extent;

const HOLE: u64 = 0;
const CONTINUED: u64 = 1;
const NEW_CHUNK: u64 = 2;
const KNOWN_CHUNK: u64 = 3;

/// Most distinct chunks one leaf can name.
const TABLE_MAX: usize = NODE_ITEMS_MAX * EXTENTS_PER_ENTRY_MAX;

/// Returns what is wrong with an extent.
pub(super) fn check(extent: Extent) -> Result<(), &'static str> {
    match extent {
        Extent::Data { offset, len, .. }
            if u64::from(offset) + u64::from(len) > CHUNK_BYTES_MAX as u64 =>
        {
            Err("an extent reaches past the largest chunk")
        }
        _ if extent.is_empty() => Err("an extent is empty"),
        _ => Ok(()),
    }
}

/// Where the last data extent ended.
#[derive(Clone, Copy)]
struct End {
    chunk: usize,
    offset: u64,
}

/// Writes extents.
#[derive(Default)]
pub(super) struct PieceBuilder {
    table: Vec<u8>,
    known: HashMap<ChunkId, usize>,
    references: Vec<u8>,
    offsets: Vec<u8>,
    lengths: Vec<u8>,
    end: Option<End>,
}

impl PieceBuilder {
    /// Appends `extent`. Its length is left out if the reader will know it from elsewhere.
    pub(super) fn push(&mut self, extent: Extent, length_known: bool) {
        if !length_known {
            put(&mut self.lengths, extent.len());
        }
        let Extent::Data { chunk, offset, len } = extent else {
            put(&mut self.references, HOLE);
            return;
        };
        let next = self.known.len();
        let index = *self.known.entry(chunk).or_insert(next);
        let offset = u64::from(offset);
        if self
            .end
            .is_some_and(|e| e.chunk == index && e.offset == offset)
        {
            put(&mut self.references, CONTINUED);
        } else {
            if index == next {
                self.table.extend_from_slice(&chunk.0);
                put(&mut self.references, NEW_CHUNK);
            } else {
                put(&mut self.references, KNOWN_CHUNK + index as u64);
            }
            put(&mut self.offsets, offset);
        }
        self.end = Some(End {
            chunk: index,
            offset: offset + u64::from(len),
        });
    }

    /// Appends the columns to `out` and starts anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        for column in [
            &mut self.table,
            &mut self.references,
            &mut self.offsets,
            &mut self.lengths,
        ] {
            put_column(out, column);
            column.clear();
        }
        self.known.clear();
        self.end = None;
    }
}

/// Reads extents.
pub(super) struct PieceReader<'a> {
    table: Vec<ChunkId>,
    used: usize,
    references: Column<'a>,
    offsets: Column<'a>,
    lengths: Column<'a>,
    end: Option<End>,
}

impl<'a> PieceReader<'a> {
    pub(super) fn new(node: &mut Column<'a>) -> Result<Self, NodeError> {
        Ok(Self {
            table: ids(&mut node.column()?, TABLE_MAX)?,
            used: 0,
            references: node.column()?,
            offsets: node.column()?,
            lengths: node.column()?,
            end: None,
        })
    }

    /// Reads the next extent; `len` is its length where it is known from elsewhere.
    pub(super) fn next(&mut self, len: Option<u64>) -> Result<Extent, NodeError> {
        let len = match len {
            Some(len) => len,
            None => self.lengths.number()?,
        };
        let (index, offset) = match self.references.number()? {
            HOLE => {
                return checked(Extent::Hole { len });
            }
            CONTINUED => {
                let end = self.end.ok_or(NodeError::Reference)?;
                (end.chunk, end.offset)
            }
            NEW_CHUNK => {
                self.used += 1;
                (self.used - 1, self.offsets.number()?)
            }
            n => (
                usize::try_from(n - KNOWN_CHUNK).map_err(|_| NodeError::Reference)?,
                self.offsets.number()?,
            ),
        };
        if index >= self.used {
            return Err(NodeError::Reference);
        }
        let extent = Extent::Data {
            chunk: *self.table.get(index).ok_or(NodeError::Reference)?,
            offset: u32::try_from(offset).map_err(|_| NodeError::Limit)?,
            len: u32::try_from(len).map_err(|_| NodeError::Limit)?,
        };
        self.end = Some(End {
            chunk: index,
            offset: offset.saturating_add(len),
        });
        checked(extent)
    }

    /// Checks that all was read, and returns the distinct chunks.
    pub(super) fn finish(self) -> Result<Vec<ChunkId>, NodeError> {
        self.references.end()?;
        self.offsets.end()?;
        self.lengths.end()?;
        if self.used != self.table.len() {
            return Err(NodeError::Reference);
        }
        Ok(self.table)
    }
}

fn checked(extent: Extent) -> Result<Extent, NodeError> {
    check(extent).map_err(NodeError::Value)?;
    Ok(extent)
}

/// Reads a column of ids.
pub(super) fn ids(column: &mut Column<'_>, max: usize) -> Result<Vec<ChunkId>, NodeError> {
    let (ids, rest) = column.rest().as_chunks::<32>();
    if !rest.is_empty() {
        return Err(NodeError::Reference);
    }
    if ids.len() > max {
        return Err(NodeError::Limit);
    }
    Ok(ids.iter().copied().map(ChunkId).collect())
}
