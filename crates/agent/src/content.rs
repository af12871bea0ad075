//! A regular file's content as its tree entry tells it.

use std::sync::{Arc, Mutex, PoisonError};

use base::{ChunkId, Fault};
use format::entry::{Content, Extent};
use format::replica::ChunkReader;
use format::tree::Cursor;

/// The extents of a file in file order, wherever they stand.
pub(crate) enum Extents<'a> {
    Listed(std::vec::IntoIter<Extent>),
    Mapped(Box<Cursor<'a, Extent>>),
}

impl<'a> Extents<'a> {
    /// Returns the extents of `content`; content inside the entry has none.
    ///
    /// # Errors
    /// The map's root cannot be read.
    pub(crate) fn of(reader: &'a dyn ChunkReader, content: &Content) -> Result<Self, Fault> {
        Ok(match content {
            Content::Inline(_) => Self::Listed(Vec::new().into_iter()),
            Content::Extents(list) => Self::Listed(list.clone().into_iter()),
            Content::Map(root) => Self::Mapped(Box::new(Cursor::new(reader, root)?)),
        })
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Extent, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Listed(list) => list.next().map(Ok),
            Self::Mapped(cursor) => cursor.next().map(|item| Ok(item?.1)),
        }
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
            return Err(Fault::new(base::fault::Code::TreeDamaged)
                .with("chunk", id)
                .with("reason", "an extent reaches past the end of its chunk"));
        }
        Ok(Self { chunk, start, end })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.chunk[self.start..self.end]
    }
}
