//! The crate through its public door, on real directories.

mod read;
mod tree;
mod walk;
mod walk_excludes;
