//! An index on its own, for measurements: how large it grows and how fast it answers with more chunks than anybody
//! stores for a try.
//!
//! It is the index that stores have, asked as sessions ask it; only its packs are made up, so it must never be put in the
//! place of a store's. It belongs to a store that does not exist: a store that finds it builds its own.

use std::path::Path;

use base::limits::PACK_BYTES;
use base::{ChunkId, Fault, PackName, SessionId, StoreId};
use format::pack::{Class, TocEntry};

use crate::durable::DurablePack;
use crate::index::{Asker, Copies, Index, PackRow, PackState, Place};

/// An index of packs that do not exist.
pub struct IndexProbe {
    index: Index,
    session: SessionId,
}

impl IndexProbe {
    /// Opens the probe's index in a directory, or makes it.
    ///
    /// # Errors
    /// The directory cannot be written, or the database failed.
    pub fn open(directory: &Path) -> Result<Self, Fault> {
        let index = Index::open(&Place::from(directory), &StoreId([0; 16]))?;
        let session = SessionId([0; 16]);
        Ok(Self { index, session })
    }

    /// Adds packs as the log names them, with what they hold, in one transaction, but not as places where chunks are found. The
    /// first pack ever added has the ordinal 0, the others follow.
    ///
    /// # Errors
    /// The database failed.
    pub fn fill_packs(
        &self,
        packs: impl IntoIterator<Item = (PackName, Vec<TocEntry>)>,
    ) -> Result<(), Fault> {
        let row = |(name, entries): (PackName, Vec<TocEntry>)| {
            let chunks = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let row = PackRow {
                name,
                class: Class::Data,
                state: PackState::Logged,
                bytes: PACK_BYTES as u64,
                chunks,
                current: chunks,
                session: self.session,
                condemned: None,
                verified_s: 0,
            };
            (row, entries)
        };
        Ok(self.index.fill_packs(packs.into_iter().map(row))?)
    }

    /// Has chunks found in packs, by the packs' ordinals, in one transaction: quick if sorted by id, where a session's come
    /// in any order. They last once [`Self::sync`] has been called.
    ///
    /// # Errors
    /// The database failed.
    pub fn fill_chunks(
        &self,
        chunks: impl IntoIterator<Item = (u32, ChunkId)>,
    ) -> Result<(), Fault> {
        Ok(self.index.fill_chunks(chunks.into_iter())?)
    }

    /// Adds a pack as a session does that has just written it.
    ///
    /// # Errors
    /// The database failed.
    pub fn add(&self, name: PackName, entries: Vec<TocEntry>) -> Result<(), Fault> {
        let pack = DurablePack::made_up(name, entries);
        Ok(self.index.insert(&self.session, &pack, Copies::Stay)?)
    }

    /// Returns whether a session may refer to a chunk instead of storing it: what a backup asks of every chunk.
    ///
    /// # Errors
    /// The database failed.
    pub fn knows(&self, id: &ChunkId) -> Result<bool, Fault> {
        let asker = Asker::Writer(self.session);
        Ok(self.index.find_for(asker, id)?.is_some())
    }

    /// Makes everything so far survive the process, as a closing store does.
    ///
    /// # Errors
    /// The database failed.
    pub fn sync(&self) -> Result<(), Fault> {
        Ok(self.index.sync()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::seal::Kind;

    fn entry(number: u8) -> TocEntry {
        TocEntry {
            kind: Kind::Data,
            domain: 0,
            generation: 0,
            id: ChunkId([number; 32]),
            offset: 64,
            len: 100,
        }
    }

    #[test]
    fn a_probe_knows_what_was_filled_in_and_what_was_added() {
        let dir = tempfile::tempdir().unwrap();
        let probe = IndexProbe::open(dir.path()).unwrap();
        let packs = [
            (PackName([1; 32]), vec![entry(1), entry(2)]),
            (PackName([2; 32]), vec![entry(3), entry(4)]),
        ];
        probe.fill_packs(packs).unwrap();
        let filled = [(0, 1), (0, 2), (1, 3), (1, 4)];
        let filled = filled.map(|(pack, number)| (pack, ChunkId([number; 32])));
        probe.fill_chunks(filled).unwrap();
        probe.add(PackName([3; 32]), vec![entry(5)]).unwrap();
        drop(probe);
        let probe = IndexProbe::open(dir.path()).unwrap();
        let known = (0..7).map(|n| probe.knows(&ChunkId([n; 32])).unwrap());
        let expected = [false, true, true, true, true, true, false];
        assert!(known.eq(expected));
    }
}
