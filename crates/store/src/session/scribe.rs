//! What a session's writer and its trees share: it stores chunks and nodes, and reads them back even before they are durable.

use std::sync::Arc;

use base::{ChunkHash, ChunkId, Fault};
use format::replica::ChunkReader;
use format::seal::{Kind, Sealer};
use format::tree::{Editor, NodeSink, Value};

use crate::core::Core;
use crate::writer::Writer;

/// A session's way to write and read.
pub(crate) struct Scribe {
    pub(crate) core: Arc<Core>,
    pub(crate) writer: Writer,
}

impl Scribe {
    /// Stores a chunk of content.
    ///
    /// # Errors
    /// The session is lost.
    pub(crate) fn put_data(&self, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault> {
        self.writer.put(Kind::Data, hash, plain)
    }

    /// Starts a tree from `base`, or from nothing.
    pub(crate) fn editor<V: Value>(self: &Arc<Self>, base: Option<ChunkId>) -> Editor<'static, V> {
        let (reader, sink) = (Arc::clone(self), Arc::clone(self));
        Editor::new(reader, sink, &self.core.boundary, base)
    }
}

impl NodeSink for Scribe {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        self.writer.put(Kind::Tree, &Sealer::hash(plain), plain)
    }
}

impl ChunkReader for Scribe {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        if self.writer.is_pending(id) {
            // Rare: builders remember the nodes they have just made.
            self.writer.flush()?;
        }
        self.core.read(id)
    }
}
