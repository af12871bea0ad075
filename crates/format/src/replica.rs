//! The door through which a backup pipeline writes a replica, in one process or over the wire.
//!
//! The caller hashes, the writer decides: what is known, what is sealed, where it goes, how the tree is built.
//! Entries arrive in ascending key order, and only those that differ from the base the session started from:
//! what is not spoken of stays as it was.

use base::{ChunkHash, ChunkId, Fault};

use crate::entry::{Extent, FileEntry, FileKey};

/// Takes what changed in one member.
///
/// `put_chunk` may be called from many threads at once. `put_entry` and `delete_entry` are
/// called from one, in strictly ascending key order over both.
pub trait ReplicaWriter: Send + Sync {
    /// Takes a chunk's bytes and returns its name. Costs a look-up if it is known, else compression,
    /// encryption and a place in a pack. Blocks while too much is in flight.
    ///
    /// # Errors
    /// The store cannot take it: full, read-only, gone. The session is lost, the replica is as it was.
    fn put_chunk(&self, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault>;

    /// Starts an extent map for a file with more extents than an entry holds.
    ///
    /// # Errors
    /// As [`Self::put_chunk`].
    fn begin_map(&self) -> Result<Box<dyn MapWriter + '_>, Fault>;

    /// Writes or replaces the entry under `key`.
    ///
    /// # Errors
    /// As [`Self::put_chunk`].
    fn put_entry(&self, key: &FileKey, entry: &FileEntry) -> Result<(), Fault>;

    /// Removes the entry under `key`; nothing happens if there is none.
    ///
    /// # Errors
    /// As [`Self::put_chunk`].
    fn delete_entry(&self, key: &FileKey) -> Result<(), Fault>;
}

/// Takes one file's extents in file order.
pub trait MapWriter {
    /// Appends `extent`.
    ///
    /// # Errors
    /// As [`ReplicaWriter::put_chunk`].
    fn push(&mut self, extent: Extent) -> Result<(), Fault>;

    /// Returns the id of the map's root.
    ///
    /// # Errors
    /// As [`ReplicaWriter::put_chunk`].
    fn finish(self: Box<Self>) -> Result<ChunkId, Fault>;
}

/// Gives chunks back: content and tree nodes, decrypted and verified.
pub trait ChunkReader: Send + Sync {
    /// Reads one chunk whole. Neighbouring reads are cheap: the reader may fetch ahead.
    ///
    /// # Errors
    /// `ChunkMissing` if no pack holds it, `ChunkDamaged` if the bytes read are not what was written.
    fn read_chunk(&self, id: &ChunkId) -> Result<std::sync::Arc<Vec<u8>>, Fault>;
}

impl<T: ChunkReader + ?Sized> ChunkReader for &T {
    fn read_chunk(&self, id: &ChunkId) -> Result<std::sync::Arc<Vec<u8>>, Fault> {
        (**self).read_chunk(id)
    }
}

impl<T: ChunkReader + ?Sized> ChunkReader for std::sync::Arc<T> {
    fn read_chunk(&self, id: &ChunkId) -> Result<std::sync::Arc<Vec<u8>>, Fault> {
        (**self).read_chunk(id)
    }
}
