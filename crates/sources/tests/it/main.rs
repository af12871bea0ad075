//! The crate through its public door, on real directories.

mod read;
mod restore;
mod restore_attacks;
mod restore_conflicts;
mod snapshot;
mod target;
mod tree;
mod walk;
mod walk_excludes;
