//! How full and how whole a store is.

use base::{Fault, PackName};
use format::pack::Class;
use objects::Space;

use crate::Store;
use crate::core::Core;

/// A store in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Bytes of all packs of content.
    pub data_bytes: u64,
    /// Bytes of all packs of tree nodes.
    pub tree_bytes: u64,
    /// Packs.
    pub packs: u64,
    /// Packs found missing or damaged since the index was built, or then, that hold the only copy of something.
    pub unreadable_packs: u64,
    /// One of those.
    pub unreadable_pack: Option<PackName>,
    /// Packs found missing or damaged whose every chunk was stored anew elsewhere: they harm nothing.
    pub superseded_packs: u64,
    /// Different chunks.
    pub chunks: u64,
    /// Recovery points.
    pub points: u64,
    /// Replicas.
    pub replicas: u64,
    /// Records in the log.
    pub log_records: u64,
    /// How much room there is, if the place knows.
    pub space: Option<Space>,
}

impl Store {
    /// Returns the store in numbers. Reads the index only, and asks the place for its free space.
    ///
    /// # Errors
    /// The index failed.
    pub fn status(&self) -> Result<PoolStatus, Fault> {
        let core = self.core();
        let mut status = PoolStatus {
            chunks: core.index.chunk_count()?,
            points: core.index.points()?.len() as u64,
            replicas: core.index.replicas()?.len() as u64,
            log_records: self.log_seq(),
            space: core.objects.space().ok().flatten(),
            ..PoolStatus::default()
        };
        core.index.each_pack(|_, pack| {
            status.packs += 1;
            if pack.is_superseded() {
                status.superseded_packs += 1;
            } else if pack.is_bad() {
                status.unreadable_packs += 1;
                status.unreadable_pack.get_or_insert(pack.name);
            }
            match pack.class {
                Class::Data => status.data_bytes += pack.bytes,
                Class::Meta => status.tree_bytes += pack.bytes,
            }
        })?;
        Ok(status)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Err(error) = self.index.sync() {
            // The next opening folds in what is missing.
            tracing::warn!(%error, "the chunk index could not be kept");
        }
    }
}
