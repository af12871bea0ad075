//! The tests of this crate through its public door.

mod sim_disk;
mod trees;
mod world;
