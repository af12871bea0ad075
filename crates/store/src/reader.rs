//! Reading chunks: index, one ranged read, verification, and a small cache, because neighbouring files share chunks.
//!
//! Nothing is handed out that has not been verified against its name. Any number of threads may read, beside any
//! writer; a chunk that several want at once is read once. Nothing is repaired here; but what is found damaged is doubted,
//! and the next session that has the content stores it anew.

use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, Fault, PackName};
use format::seal::{Kind, Sealed};
use objects::GetError;

use crate::cache::Cache;
use crate::core::Core;
use crate::durable::object_name;
use crate::faults;
use crate::index::{Asker, Found, Location};
use crate::log::{Mode, Source};
use crate::volumes::Registry;

/// Plain content kept for the next reader: bundles of small files are read once for all their files.
const DATA_CACHE_BYTES: usize = 32 << 20;
/// Tree nodes kept: browsing and comparing come back to the upper ones all the time.
const NODE_CACHE_BYTES: usize = 32 << 20;

/// What has been read lately.
pub(crate) struct Caches {
    data: Cache,
    nodes: Cache,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            data: Cache::new(DATA_CACHE_BYTES),
            nodes: Cache::new(NODE_CACHE_BYTES),
        }
    }
}

impl Caches {
    fn of(&self, kind: Kind) -> &Cache {
        match kind {
            Kind::Data => &self.data,
            Kind::Tree => &self.nodes,
        }
    }
}

impl Core {
    /// Returns a chunk's content.
    ///
    /// # Errors
    /// `ChunkMissing`, `ChunkDamaged`; `PoolUnreadable` if the place does not answer.
    pub(crate) fn read(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.where_it_is(id, |found| {
            let cache = self.caches.of(found.place.kind);
            cache.get_or(id, || self.read_at(id, &found.place))
        })
    }

    /// Returns a chunk's content as the place holds it now, past the caches, and where that is.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_stored(&self, id: &ChunkId) -> Result<(Vec<u8>, Found), Fault> {
        self.where_it_is(id, |found| Ok((self.read_at(id, &found.place)?, *found)))
    }

    /// Reads a chunk where the index has it; if that fails and it has moved meanwhile (stored anew, or copied by a collection
    /// that deleted its pack), where it is then.
    fn where_it_is<T>(
        &self,
        id: &ChunkId,
        read: impl Fn(&Found) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let find = || self.index.find_for(Asker::Reader, id);
        let mut found = match find()? {
            None if self.follow()? => find()?,
            found => found,
        }
        .ok_or_else(|| self.missing(id))?;
        loop {
            let fault = match read(&found) {
                Ok(read) => return Ok(read),
                Err(fault) => fault,
            };
            match find()? {
                Some(newer) if newer != found => found = newer,
                // Once the log has been followed to its end it says where the chunk is.
                Some(_) if self.follow()? => {}
                _ => return Err(fault),
            }
        }
    }

    /// Folds in what another process has written since, if this one only reads: its collection moves chunks, and knows nothing of
    /// who reads. Returns whether there was anything.
    fn follow(&self) -> Result<bool, Fault> {
        let mut log = self.log();
        // One look tells: loading lists and opens more than that.
        if log.mode() == Mode::Write || !log.has_more(&*self.objects, &self.place)? {
            return Ok(false);
        }
        let source = Source {
            objects: &*self.objects,
            keys: &self.keys,
            env: &self.env,
            place: &self.place,
            mode: Mode::Read,
        };
        *log = source.load(&self.index)?;
        Ok(true)
    }

    /// Returns the fault of a chunk that the index does not know: it may be on a volume that was away when the index was built.
    fn missing(&self, id: &ChunkId) -> Fault {
        let away = self.volumes.as_ref().and_then(Registry::first_away);
        away.unwrap_or_else(|| Fault::new(Code::ChunkMissing).with("chunk", id))
    }

    /// Reads and verifies a chunk where the index says it is, past the cache. What is missing or damaged there makes
    /// the pack doubted.
    pub(crate) fn read_at(&self, id: &ChunkId, place: &Location) -> Result<Vec<u8>, Fault> {
        self.open_or_doubt(id, place).map(|(_, plain)| plain)
    }

    /// Lets no writer rely on a pack any more, so that its chunks are stored anew by whoever has them. One that was deleted
    /// meanwhile is of no concern.
    pub(crate) fn doubt(&self, pack: &PackName) {
        match self.index.doubt(pack) {
            Ok(true) => tracing::error!(%pack, "a pack is missing or damaged"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%pack, "a pack is missing or damaged");
                tracing::warn!(%error, "what was found damaged could not be remembered");
            }
        }
    }

    /// Returns a chunk as it is sealed, past the cache, after opening it. What is missing or damaged makes the pack doubted.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_sealed(&self, id: &ChunkId, place: &Location) -> Result<Sealed, Fault> {
        let (bytes, plain) = self.open_or_doubt(id, place)?;
        Ok(Sealed {
            kind: place.kind,
            domain: place.domain,
            generation: place.generation,
            id: *id,
            bytes,
            plain_len: u32::try_from(plain.len()).unwrap_or(u32::MAX),
        })
    }

    fn open_or_doubt(&self, id: &ChunkId, place: &Location) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        self.open_at(id, place).inspect_err(|fault| {
            if matches!(fault.code, Code::ChunkMissing | Code::ChunkDamaged) {
                self.doubt(&place.pack);
            }
        })
    }

    /// Returns what is stored of a chunk, and its content.
    fn open_at(&self, id: &ChunkId, place: &Location) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let object = object_name(place.kind.class(), &place.pack);
        let sealed = self
            .objects
            .get_range(&object, u64::from(place.offset), place.len as usize)
            .map_err(|error| match error {
                GetError::Missing { .. } => Fault::new(Code::ChunkMissing)
                    .with("chunk", id)
                    .because(error),
                GetError::TooShort { .. }
                | GetError::TooLarge { .. }
                | GetError::Unreadable { .. } => Fault::new(Code::ChunkDamaged)
                    .with("chunk", id)
                    .with("pack", place.pack)
                    .because(error),
                GetError::Failed { .. } => faults::get(&self.place, error),
                GetError::Away { .. } => {
                    let away = self.volumes.as_ref().and_then(Registry::first_away);
                    away.unwrap_or_else(|| faults::get(&self.place, error))
                }
            })?;
        let plain = self
            .sealer()
            .open(place.kind, place.domain, place.generation, id, &sealed)
            .map_err(|error| faults::open_chunk(id, &place.pack, error))?;
        Ok((sealed, plain))
    }
}
