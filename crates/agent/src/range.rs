//! A range of a file's bytes, read out of a tree: for those who look into a point without restoring it.

use base::fault::Code;
use base::limits::{CHUNK_BYTES_MAX, READ_BYTES_MAX};
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
        Content::Map(root) => range.take_mapped(root)?,
    }
    Ok(range.bytes)
}

/// The range on its way.
struct Range<'a> {
    reader: &'a dyn ChunkReader,
    offset: u64,
    bytes: Vec<u8>,
}

impl Range<'_> {
    fn take_mapped(&mut self, root: &ChunkId) -> Result<(), Fault> {
        // Data that reaches into the range begins less than a largest chunk before it; what is in no such piece is
        // a hole.
        let first = self.offset.saturating_sub(CHUNK_BYTES_MAX as u64);
        let end = extent_key(self.offset + self.bytes.len() as u64);
        let pieces = Cursor::<Extent>::range(self.reader, root, &extent_key(first), Some(&end))?;
        for item in pieces {
            let (key, extent) = item?;
            let at = extent_offset(&key).ok_or_else(|| {
                Fault::new(Code::TreeDamaged)
                    .with("chunk", root)
                    .with("reason", "an extent stands under no offset")
            })?;
            self.take(at, extent)?;
        }
        Ok(())
    }

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
