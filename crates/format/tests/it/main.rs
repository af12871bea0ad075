//! What the format promises, through its public door.

mod chunker;
mod keys;
mod pack;
mod seal;
mod tree;
mod wire;
mod world;
