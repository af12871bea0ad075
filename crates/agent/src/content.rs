//! A regular file's content as its tree entry tells it.

use std::sync::{Arc, Mutex, PoisonError};

use base::fault::Code;
use base::{ChunkId, Fault};
use format::entry::{Content, Extent};
use format::replica::ChunkReader;
use format::tree::{Cursor, extent_offset};

/// The extents of a file in file order, wherever they stand, without gaps between them.
pub(crate) struct Extents<'a> {
    source: Source<'a>,
    /// Where the next one begins.
    at: u64,
}

enum Source<'a> {
    Listed(std::vec::IntoIter<Extent>),
    Mapped {
        map: ChunkId,
        cursor: Box<Cursor<'a, Extent>>,
    },
}

impl<'a> Extents<'a> {
    /// Returns the extents of `content`; content inside the entry has none.
    ///
    /// # Errors
    /// The map's root cannot be read.
    pub(crate) fn of(reader: &'a dyn ChunkReader, content: &Content) -> Result<Self, Fault> {
        let source = match content {
            Content::Inline(_) => Source::Listed(Vec::new().into_iter()),
            Content::Extents(list) => Source::Listed(list.clone().into_iter()),
            Content::Map(root) => Source::Mapped {
                map: *root,
                cursor: Box::new(Cursor::new(reader, root)?),
            },
        };
        Ok(Self { source, at: 0 })
    }

    /// Returns the next extent of a map, which says itself where it stands.
    fn mapped(&mut self) -> Option<Result<Extent, Fault>> {
        let Source::Mapped { map, cursor } = &mut self.source else {
            return None;
        };
        let (key, extent) = match cursor.next()? {
            Ok(item) => item,
            Err(error) => return Some(Err(error.into())),
        };
        if extent_offset(&key) != Some(self.at) {
            let reason = "an extent does not begin where the one before it ended";
            return Some(Err(Fault::new(Code::TreeDamaged)
                .with("chunk", *map)
                .with("reason", reason)));
        }
        Some(Ok(extent))
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Extent, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.source {
            Source::Listed(list) => list.next().map(Ok),
            Source::Mapped { .. } => self.mapped(),
        };
        if let Some(Ok(extent)) = &next {
            // No key says u64::MAX and stands for more: the next one does not begin there.
            self.at = self.at.saturating_add(extent.len());
        }
        next
    }
}

/// A reader that keeps the chunk it read last: a sparse file's pieces of one chunk come one after the other, and may be
/// thousands. Beside many other files the reader beneath would have forgotten it, and open it for each.
pub(crate) struct Lately<'a> {
    reader: &'a dyn ChunkReader,
    last: Mutex<Option<(ChunkId, Arc<Vec<u8>>)>>,
}

impl<'a> Lately<'a> {
    pub(crate) fn new(reader: &'a dyn ChunkReader) -> Self {
        Self {
            reader,
            last: Mutex::new(None),
        }
    }
}

impl ChunkReader for Lately<'_> {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chunk)) = last.as_ref().filter(|(known, _)| known == id) {
            return Ok(Arc::clone(chunk));
        }
        // Let go of one before the next is held.
        *last = None;
        let chunk = self.reader.read_chunk(id)?;
        *last = Some((*id, Arc::clone(&chunk)));
        Ok(chunk)
    }
}

/// A piece of a chunk, held.
pub(crate) struct Held {
    chunk: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Held {
    /// Reads a piece of a chunk.
    ///
    /// # Errors
    /// The chunk cannot be read, or is shorter than the tree says.
    pub(crate) fn read(
        reader: &dyn ChunkReader,
        id: &ChunkId,
        offset: u32,
        len: u32,
    ) -> Result<Self, Fault> {
        let chunk = reader.read_chunk(id)?;
        let start = offset as usize;
        let end = start + len as usize;
        if end > chunk.len() {
            return Err(Fault::new(Code::TreeDamaged)
                .with("chunk", id)
                .with("reason", "an extent reaches past the end of its chunk"));
        }
        Ok(Self { chunk, start, end })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.chunk[self.start..self.end]
    }
}
