//! The tests of this crate through its public door.

mod backends;
mod crash;
mod errors;
mod mend;
mod real_disk;
