//! Data sources: what can be read from a protected computer and put back on it.
//!
//! [`files`] walks and reads directory trees and restores them; [`snapshot`] makes a view that stands still
//! while it is read; [`changes`] hears what happens meanwhile; a [`place`] is on one file system and no other. Everything goes by file descriptor, component by component: no path is resolved twice,
//! no symbolic link is followed, and no name leads out of the tree that was opened.
//!
//! What fails for one entry is a [`Problem`], not the end of the run.
//!
//! Nothing here knows chunks, stores or the network. `unsafe` stands in `sys` alone.

pub mod changes;
pub mod files;
pub mod place;
pub mod problem;
pub mod snapshot;

mod filesystems;
mod mounts;
mod sys;

pub use mounts::dead as dead_mount;
pub use problem::{Op, Problem, Reason};
pub use sys::hold_little_memory;
