//! What one size of a part comes to.

use serde::{Deserialize, Serialize};

/// A tree.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct TreeFigures {
    pub(super) entries: u64,
    /// From the first entry to the commit.
    pub(super) build_s: f64,
    pub(super) build_peak_bytes: u64,
    /// Packs of tree nodes.
    pub(super) node_bytes: u64,
    /// What a second tree added that differs in 100 files.
    pub(super) update_bytes: u64,
    /// Opening the store.
    pub(super) open_s: f64,
    /// Listing one directory of 100 files, nothing in memory.
    pub(super) list_cold_s: f64,
    /// All differences of the two trees, nothing in memory.
    pub(super) diff_cold_s: f64,
    pub(super) log_bytes: u64,
    pub(super) index_bytes: u64,
    /// Of opening, listing and comparing.
    pub(super) look_peak_bytes: u64,
}

/// Garbage collection.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct GarbageFigures {
    pub(super) chunks: u64,
    pub(super) live: u64,
    pub(super) packs: u64,
    /// Planning: everything live is marked, nothing in memory.
    pub(super) mark_s: f64,
    pub(super) mark_peak_bytes: u64,
    pub(super) pool_bytes: u64,
    pub(super) freed_bytes: u64,
    pub(super) copied_bytes: u64,
    /// Condemning, copying, deleting, removing.
    pub(super) execute_s: f64,
    pub(super) execute_peak_bytes: u64,
}

/// An index.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct IndexFigures {
    pub(super) chunks: u64,
    /// Adding all but the last packs, many in a transaction.
    pub(super) fill_s: f64,
    /// Chunks a second, added pack by pack at the end, as a session does.
    pub(super) adds_per_s: f64,
    pub(super) fill_peak_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) open_s: f64,
    pub(super) cold: Rates,
    pub(super) warm: Rates,
    pub(super) look_peak_bytes: u64,
}

/// Lookups.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Rates {
    pub(super) misses: Rate,
    /// In the order in which they lie in packs.
    pub(super) hits: Rate,
}

/// Lookups of one kind, by one thread.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Rate {
    pub(super) per_wall_s: f64,
    pub(super) per_cpu_s: f64,
}
