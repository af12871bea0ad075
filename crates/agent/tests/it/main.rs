//! The pipelines through their public doors, over a store in memory.

mod backup;
mod memory;
