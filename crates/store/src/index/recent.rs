//! Chunks of packs that were asked for a moment ago, and of the packs after them: what lies beside one another in a source
//! lies beside one another in packs, so whoever asks for one of them asks for the others next (B. Zhu, K. Li,
//! H. Patterson, *Avoiding the Disk Bottleneck in the Data Domain Deduplication File System*, FAST 2008).
//!
//! What it says may be out of date: the row of the pack decides.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base::ChunkId;
use base::limits::INDEX_RECENT_CHUNKS;

use super::rows::Location;

/// Where a chunk is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its pack. Ordinals are never given twice.
    pub(crate) ordinal: u32,
    /// How many chunks stand before it there.
    pub(crate) position: u32,
    /// What reading it needs.
    pub(crate) place: Location,
}

/// Places of at most twice [`INDEX_RECENT_CHUNKS`] chunks and those of a few packs: the younger half, and the one before.
#[derive(Default)]
pub(super) struct Recent {
    halves: Mutex<[HashMap<ChunkId, Found>; 2]>,
}

impl Recent {
    /// Returns where a chunk was.
    pub(super) fn find(&self, id: &ChunkId) -> Option<Found> {
        let halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.iter().find_map(|half| half.get(id)).copied()
    }

    /// Takes in the chunks of packs.
    pub(super) fn add(&self, chunks: Vec<(ChunkId, Found)>) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if halves[0].len() >= INDEX_RECENT_CHUNKS {
            halves.swap(0, 1);
            halves[0].clear();
        }
        halves[0].extend(chunks);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.halves.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }
}
