//! What is being read stays: a pin of its root, and the only way to a chunk from outside a session.
//!
//! Invariant: a root is pinned *before* it is looked whether its point or replica is still there. Neither ever comes back once it
//! is gone, so a root that was found after its pin was set is either still live, or seen by whoever collects (R14).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::fault::Code;
use base::{ChunkId, Fault, PointId, SourceId};
use format::replica::ChunkReader;

use crate::Store;
use crate::core::Core;

/// Roots that are read, and how many times each.
#[derive(Default)]
pub(crate) struct Pins(Mutex<BTreeMap<ChunkId, usize>>);

impl Pins {
    fn add(&self, root: ChunkId) {
        *self.lock().entry(root).or_insert(0) += 1;
    }

    fn remove(&self, root: &ChunkId) {
        let mut pins = self.lock();
        if let Some(count) = pins.get_mut(root) {
            *count -= 1;
            if *count == 0 {
                pins.remove(root);
            }
        }
    }

    /// Returns the roots that are read now.
    pub(crate) fn roots(&self) -> Vec<ChunkId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChunkId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tree that is read: until it is dropped, nothing beneath its root is collected, whatever is deleted meanwhile.
pub struct Reading {
    core: Arc<Core>,
    root: ChunkId,
}

impl Reading {
    /// Pins the root that `find` gives; none if it gives none.
    fn begin(
        core: &Arc<Core>,
        find: impl Fn() -> Result<Option<ChunkId>, Fault>,
    ) -> Result<Option<Self>, Fault> {
        while let Some(root) = find()? {
            core.pins.add(root);
            let reading = Self {
                core: Arc::clone(core),
                root,
            };
            // A replica may have advanced meanwhile: its next root is as good.
            if find()? == Some(root) {
                return Ok(Some(reading));
            }
        }
        Ok(None)
    }

    /// Returns the tree's root.
    pub fn root(&self) -> ChunkId {
        self.root
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.core.pins.remove(&self.root);
    }
}

impl ChunkReader for Reading {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.core.read(id)
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({})", self.root)
    }
}

impl Store {
    /// Begins to read a point.
    ///
    /// # Errors
    /// `PointUnknown`; the index failed.
    pub fn read_point(&self, id: &PointId) -> Result<Reading, Fault> {
        let find = || Ok(self.core().index.point(id)?.map(|point| point.root));
        let unknown = || Fault::new(Code::PointUnknown).with("point", id);
        Reading::begin(&self.0, find)?.ok_or_else(unknown)
    }

    /// Begins to read a source's replica; none if it has none.
    ///
    /// # Errors
    /// The index failed.
    pub fn read_replica(&self, source: &SourceId) -> Result<Option<Reading>, Fault> {
        let find = || {
            Ok(self
                .core()
                .index
                .replica(source)?
                .map(|replica| replica.root))
        };
        Reading::begin(&self.0, find)
    }
}
