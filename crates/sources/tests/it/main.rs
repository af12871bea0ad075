//! The crate through its public door, on real directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod hostile;
mod kept;
mod power_cut;
mod read;
mod restore;
mod restore_attacks;
mod restore_conflicts;
mod snapshot;
mod target;
mod tree;
mod unprivileged;
mod walk;
mod walk_excludes;
