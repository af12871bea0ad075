//! What a collection asks of the index: what of a pack is live, and whether all of that is safe elsewhere.

use std::collections::BTreeSet;

use base::ChunkId;
use redb::ReadableDatabase;

use super::rows::{self, Location, PackRow, PackState};
use super::{CHUNKS, CONTENTS, Index, IndexError, PACKS};

/// What was marked as live.
pub(crate) trait Live {
    /// Returns whether the chunk at a position of a pack is live.
    fn is_live(&self, ordinal: u32, position: u32) -> bool;
}

impl Index {
    /// Returns the live chunks of a pack, in their order there; none if the pack is not known, or its table of contents never
    /// was.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn live_of(
        &self,
        ordinal: u32,
        live: &impl Live,
    ) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let read = self.database.begin_read()?;
        let packs = read.open_table(PACKS)?;
        let (Some(pack), Some(held)) = (
            packs.get(ordinal)?,
            read.open_table(CONTENTS)?.get(ordinal)?,
        ) else {
            return Ok(Vec::new());
        };
        let name = PackRow::decode(pack.value())?.name;
        let held = rows::decode_contents(name, held.value())?;
        let live = (0..)
            .zip(held)
            .filter(|(position, _)| live.is_live(ordinal, *position));
        Ok(live.map(|(_, chunk)| chunk).collect())
    }

    /// Returns the bytes of the live chunks of a pack, as stored.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn live_bytes(&self, ordinal: u32, live: &impl Live) -> Result<u64, IndexError> {
        let live = self.live_of(ordinal, live)?;
        Ok(live.iter().map(|(_, place)| u64::from(place.len)).sum())
    }

    /// Returns whether something live is found in a pack, or nowhere else where it would outlive everything: a copy that no
    /// record names yet does not count, nor does one in a pack that is doubted.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn is_needed(&self, ordinal: u32, live: &impl Live) -> Result<bool, IndexError> {
        let live = self.live_of(ordinal, live)?;
        if live.is_empty() {
            return Ok(false);
        }
        let read = self.database.begin_read()?;
        let (chunks, packs) = (read.open_table(CHUNKS)?, read.open_table(PACKS)?);
        for (id, _) in live {
            let found = chunks.get(id.0)?.map(|found| found.value());
            let Some(elsewhere) = found.filter(|found| *found != ordinal) else {
                return Ok(true);
            };
            let row = packs.get(elsewhere)?.ok_or(IndexError::Row)?;
            if PackRow::decode(row.value())?.state != PackState::Logged {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the place of the log record that condemned a pack, if it is condemned.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn condemned_at(&self, ordinal: u32) -> Result<Option<u64>, IndexError> {
        let read = self.database.begin_read()?;
        let Some(row) = read.open_table(PACKS)?.get(ordinal)? else {
            return Ok(None);
        };
        Ok(PackRow::decode(row.value())?.condemned)
    }

    /// Returns whether all of these packs are still there.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn has_all(&self, ordinals: &BTreeSet<u32>) -> Result<bool, IndexError> {
        let read = self.database.begin_read()?;
        let packs = read.open_table(PACKS)?;
        for ordinal in ordinals {
            if packs.get(ordinal)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
