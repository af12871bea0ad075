//! Leaves of an extent map: file offset to extent.

use base::ChunkId;

use super::column::{Column, put_column, put_signed};
use super::columnar::Columnar;
use super::error::NodeError;
use super::extent_offset;
use super::keys::Keys;
use super::piece::{self, PieceBuilder, PieceReader};
use super::value::{Totals, Value};
use crate::entry::Extent;

/// The columns of a leaf being written.
#[derive(Default)]
pub struct ExtentBuilder {
    offsets: Vec<u8>,
    /// Where the extent before ended.
    end: u64,
    pieces: PieceBuilder,
}

/// The decoded extents of a leaf.
pub struct ExtentRows {
    extents: Vec<Extent>,
    chunks: Vec<ChunkId>,
}

impl Columnar for Extent {
    type Ref<'a> = Self;
    type Rows = ExtentRows;
    type Builder = ExtentBuilder;

    const TYPE: u8 = 2;

    fn check_key(key: &[u8]) -> Result<(), &'static str> {
        extent_offset(key)
            .map(|_| ())
            .ok_or("an offset is not 8 bytes")
    }

    fn check(view: Self) -> Result<(), &'static str> {
        piece::check(view)
    }

    fn weight(key: &[u8], _: Self) -> usize {
        key.len() + 72
    }

    fn totals(view: Self) -> Totals {
        Totals {
            entries: 1,
            files: 0,
            bytes: view.len(),
        }
    }

    fn push(builder: &mut ExtentBuilder, key: &[u8], view: Self) {
        let at = extent_offset(key).expect("the editor checked the key");
        put_signed(&mut builder.offsets, at.wrapping_sub(builder.end) as i64);
        builder.end = at.wrapping_add(view.len());
        builder.pieces.push(view, false);
    }

    fn finish(builder: &mut ExtentBuilder, out: &mut Vec<u8>) {
        put_column(out, &builder.offsets);
        builder.offsets.clear();
        builder.end = 0;
        builder.pieces.finish(out);
    }

    fn decode(node: &mut Column<'_>, count: usize) -> Result<(Keys, ExtentRows), NodeError> {
        let mut offsets = node.column()?;
        let mut pieces = PieceReader::new(node)?;
        let mut keys = Keys::with_capacity(count);
        let mut extents = Vec::with_capacity(count);
        let (mut end, mut previous) = (0_u64, None);
        for _ in 0..count {
            let at = end.wrapping_add(offsets.signed()? as u64);
            if previous.is_some_and(|p| p >= at) {
                return Err(NodeError::Order);
            }
            let extent = pieces.next(None)?;
            keys.push([&super::extent_key(at), &[]])?;
            extents.push(extent);
            end = at.wrapping_add(extent.len());
            previous = Some(at);
        }
        offsets.end()?;
        let chunks = pieces.finish()?;
        Ok((keys, ExtentRows { extents, chunks }))
    }

    fn row<'a>(rows: &'a ExtentRows, _: &'a [u8], i: usize) -> Self {
        rows.extents[i]
    }

    fn references(rows: ExtentRows) -> (Vec<ChunkId>, Vec<ChunkId>) {
        (rows.chunks, Vec::new())
    }
}

impl Value for Extent {
    fn view(&self) -> Self {
        *self
    }

    fn from_view(view: Self) -> Self {
        view
    }
}
