//! What the format promises, through its public door.

mod chunker;
mod copies;
mod entry;
mod golden;
mod header;
mod keys;
mod log;
mod pack;
mod parity;
mod point;
mod seal;
mod tree;
mod wire;
mod world;
