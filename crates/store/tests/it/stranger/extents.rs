//! "Extents" and "Extent maps": which parts of which chunks a file is made of.

use super::tree::{Columns, Value};
use super::wire::Bytes;
use super::{Bytes32, Read};

const CHUNK_MAX: u64 = 4 << 20;

/// A run of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extent {
    pub(crate) len: u64,
    /// A chunk and the first byte in it; nothing for a hole.
    pub(crate) part: Option<(Bytes32, u64)>,
}

/// The four columns of a leaf's extents.
pub(crate) struct Extents<'a> {
    chunks: Bytes<'a>,
    references: Bytes<'a>,
    offsets: Bytes<'a>,
    lens: Bytes<'a>,
    used: Vec<Bytes32>,
    /// The chunk and the byte where the last part ended.
    end: Option<(Bytes32, u64)>,
}

impl<'a> Extents<'a> {
    pub(crate) fn new(columns: &mut Columns<'a>) -> Read<Self> {
        Ok(Self {
            chunks: columns.next()?,
            references: columns.next()?,
            offsets: columns.next()?,
            lens: columns.next()?,
            used: Vec::new(),
            end: None,
        })
    }

    /// Reads the next extent with its length.
    pub(crate) fn next(&mut self) -> Read<Extent> {
        let len = self.lens.varint()?;
        self.next_of(len)
    }

    /// Reads the next extent, whose length is known from elsewhere.
    pub(crate) fn next_of(&mut self, len: u64) -> Read<Extent> {
        let part = match self.references.varint()? {
            0 => None,
            1 => Some(self.end.ok_or("nothing to go on from")?),
            2 => {
                let id = self.chunks.array()?;
                self.used.push(id);
                Some((id, self.offsets.varint()?))
            }
            index => {
                let id = usize::try_from(index - 3)
                    .ok()
                    .and_then(|index| self.used.get(index));
                let id = *id.ok_or("a chunk that was not used before")?;
                Some((id, self.offsets.varint()?))
            }
        };
        if let Some((id, offset)) = part {
            let end = offset.checked_add(len).filter(|end| *end <= CHUNK_MAX);
            self.end = Some((id, end.ok_or("a part that ends behind 4 MiB")?));
        }
        if len == 0 {
            return Err(String::from("an extent of nothing"));
        }
        Ok(Extent { len, part })
    }

    /// Reads the extents of one file, of which the last one's length is what is left of the size.
    pub(crate) fn file(&mut self, count: usize, size: u64) -> Read<Vec<Extent>> {
        let mut extents = Vec::new();
        let mut left = size;
        for index in 0..count {
            let extent = if index + 1 == count {
                self.next_of(left)
            } else {
                self.next()
            }?;
            left = left
                .checked_sub(extent.len)
                .ok_or("extents above the size of the file")?;
            extents.push(extent);
        }
        match left {
            0 => Ok(extents),
            _ => Err(String::from("extents below the size of the file")),
        }
    }

    pub(crate) fn end(self) -> Read<()> {
        for column in [self.chunks, self.references, self.offsets, self.lens] {
            column.end("a column of extents")?;
        }
        Ok(())
    }
}

impl Value for Extent {
    const TYPE: u8 = 2;

    fn leaf(columns: &mut Columns<'_>, count: usize) -> Read<Vec<(Vec<u8>, Self)>> {
        let mut offsets = columns.next()?;
        let mut extents = Extents::new(columns)?;
        let mut items = Vec::new();
        let mut end = 0_u64;
        for _ in 0..count {
            let offset = end.wrapping_add(offsets.signed()?);
            let extent = extents.next()?;
            end = offset.wrapping_add(extent.len);
            items.push((key(offset).to_vec(), extent));
        }
        offsets.end("a column of offsets")?;
        extents.end()?;
        Ok(items)
    }

    fn counted(&self) -> (bool, u64) {
        (false, self.len)
    }
}

/// Puts the items of an extent map in a row: without gaps, from 0 to the end of the file.
pub(crate) fn in_a_row(items: Vec<(Vec<u8>, Extent)>, size: u64) -> Read<Vec<Extent>> {
    let mut end = 0_u64;
    let mut extents = Vec::new();
    for (key, extent) in items {
        if key != self::key(end) {
            return Err(String::from("a gap between extents"));
        }
        end = end.checked_add(extent.len).ok_or("a file above 64 bits")?;
        extents.push(extent);
    }
    if end != size {
        return Err(String::from("an extent map of another size"));
    }
    Ok(extents)
}

/// The key of an extent: its offset, big endian.
#[expect(
    clippy::disallowed_methods,
    reason = "the keys of extents are the one thing that is big endian"
)]
fn key(offset: u64) -> [u8; 8] {
    offset.to_be_bytes()
}
