//! Everything Dozo ever stores, and nothing that does I/O.
//!
//! Bytes in, bytes out. The normative description is docs/format.md; every structure here is a byte table
//! there. Readers bound every length before they allocate, and hand out nothing they have not verified:
//! sealed chunks against their names, packs against theirs, log records and points against the store's
//! signature. What is written is read back by every later version: `tests/golden/v1`.

pub mod chunker;
pub mod copies;
pub mod entry;
pub mod header;
pub mod keys;
pub mod log;
pub mod pack;
pub mod point;
pub mod replica;
pub mod seal;
pub mod tree;
pub mod wire;

mod aead;
mod checksum;

/// The version of the format, in every object.
pub const VERSION: u16 = 1;
