//! Everything Dozo ever stores, and nothing that does I/O.

pub mod entry;
pub mod replica;
