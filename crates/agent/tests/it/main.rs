//! The pipelines through their public doors, over a store in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod journal;
mod kept;
mod memory;
mod place;
mod power_cut;
mod restore;
mod young;
