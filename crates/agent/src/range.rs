//! Ranges of a file, read out of a tree: for those who look into a point without restoring it.

use std::ops::Range as Span;

use base::fault::Code;
use base::limits::{CHUNK_BYTES_MAX, RANGES_LOOKS_MAX, READ_BYTES_MAX};
use base::{ChunkId, Fault};
use format::entry::{Content, Extent};
use format::replica::ChunkReader;
use format::tree::{Cursor, extent_key, extent_offset};

use crate::content::Held;

/// Returns the bytes from `offset` to before `end` of a file of `size` bytes with this content: fewer at its end, and
/// never more than [`READ_BYTES_MAX`]. Holes are zeros. Reads the chunks that the range touches, and of an extent map only the nodes on the way.
///
/// # Errors
/// A chunk or a node cannot be read, or does not hold what the tree says.
pub fn read_range(
    reader: &dyn ChunkReader,
    content: &Content,
    size: u64,
    (offset, end): (u64, u64),
) -> Result<Vec<u8>, Fault> {
    let offset = offset.min(size);
    let end = end
        .clamp(offset, size)
        .min(offset.saturating_add(READ_BYTES_MAX as u64));
    let mut range = Range {
        reader,
        offset,
        bytes: vec![0; (end - offset) as usize],
    };
    match content {
        Content::Inline(bytes) => {
            let whole = bytes.len() as u64;
            let (from, to) = (offset.min(whole) as usize, end.min(whole) as usize);
            range.bytes[..to - from].copy_from_slice(&bytes[from..to]);
        }
        Content::Extents(extents) => {
            let mut at = 0;
            for extent in extents {
                range.take(at, *extent)?;
                at += extent.len();
            }
        }
        Content::Map(root) => {
            let end = range.offset + range.bytes.len() as u64;
            for piece in mapped(reader, root, range.offset, Some(end))? {
                let (at, extent) = piece?;
                range.take(at, extent)?;
            }
        }
    }
    Ok(range.bytes)
}

/// Returns where a file of `size` bytes with this content has data from `offset` on, in order and at most `limit` ranges,
/// and where to go on if that is not all. Everything between is holes. A range may be the continuation of the one before.
/// Reads no chunk but the nodes of an extent map.
///
/// # Errors
/// A node cannot be read, or does not hold what the tree says.
pub fn data_ranges(
    reader: &dyn ChunkReader,
    content: &Content,
    size: u64,
    offset: u64,
    limit: usize,
) -> Result<(Vec<Span<u64>>, Option<u64>), Fault> {
    let mut found = DataRanges {
        wanted: offset..size,
        limit: limit.max(1),
        looks: 0,
        ranges: Vec::new(),
    };
    let mut next = None;
    match content {
        Content::Inline(_) => {
            found.take(0, size);
        }
        Content::Extents(extents) => {
            let mut at = 0;
            for extent in extents {
                if let Extent::Data { len, .. } = extent
                    && !found.take(at, u64::from(*len))
                {
                    next = Some(at);
                    break;
                }
                at += extent.len();
            }
        }
        Content::Map(root) => {
            for piece in mapped(reader, root, offset, None)? {
                let (at, extent) = piece?;
                if let Extent::Data { len, .. } = extent
                    && !found.take(at, u64::from(len))
                {
                    next = Some(at);
                    break;
                }
            }
        }
    }
    Ok((found.ranges, next))
}

/// Returns the pieces of an extent map that have something of the bytes from `offset` to before `end`, and some before.
/// What is in no piece is a hole.
fn mapped<'a>(
    reader: &'a dyn ChunkReader,
    root: &'a ChunkId,
    offset: u64,
    end: Option<u64>,
) -> Result<impl Iterator<Item = Result<(u64, Extent), Fault>> + 'a, Fault> {
    // Data that reaches into the range begins less than a largest chunk before it.
    let first = extent_key(offset.saturating_sub(CHUNK_BYTES_MAX as u64));
    let end = end.map(extent_key);
    let end = end.as_ref().map(<[u8; 8]>::as_slice);
    let pieces = Cursor::<Extent>::range(reader, root, &first, end)?;
    Ok(pieces.map(move |piece| {
        let (key, extent) = piece?;
        let at = extent_offset(&key).ok_or_else(|| {
            Fault::new(Code::TreeDamaged)
                .with("chunk", root)
                .with("reason", "an extent stands under no offset")
        })?;
        Ok((at, extent))
    }))
}

/// Data on its way into a list of ranges.
struct DataRanges {
    wanted: Span<u64>,
    limit: usize,
    looks: usize,
    ranges: Vec<Span<u64>>,
}

impl DataRanges {
    /// Takes data; says whether there was room for it.
    fn take(&mut self, at: u64, len: u64) -> bool {
        let start = at.max(self.wanted.start);
        let end = at.saturating_add(len).min(self.wanted.end);
        if start >= end {
            return true;
        }
        if self.looks == RANGES_LOOKS_MAX {
            return false;
        }
        self.looks += 1;
        let is_full = self.ranges.len() == self.limit;
        match self.ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if is_full => return false,
            _ => self.ranges.push(start..end),
        }
        true
    }
}

/// The range on its way.
struct Range<'a> {
    reader: &'a dyn ChunkReader,
    offset: u64,
    bytes: Vec<u8>,
}

impl Range<'_> {
    /// Copies what of the piece at `at` lies in the range.
    fn take(&mut self, at: u64, extent: Extent) -> Result<(), Fault> {
        let Extent::Data { chunk, offset, len } = extent else {
            return Ok(());
        };
        let from = at.max(self.offset);
        let to = at
            .saturating_add(u64::from(len))
            .min(self.offset + self.bytes.len() as u64);
        if from >= to {
            return Ok(());
        }
        let held = Held::read(self.reader, &chunk, offset, len)?;
        let source = &held.bytes()[(from - at) as usize..(to - at) as usize];
        let start = (from - self.offset) as usize;
        self.bytes[start..start + source.len()].copy_from_slice(source);
        Ok(())
    }
}
