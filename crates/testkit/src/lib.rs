//! What tests stand on: time and chance under control, a disk that forgets, file trees from a seed.
//!
//! Only for tests: no other crate depends on it except for them. Everything here is a function of a seed, so a
//! failure is repeated by its seed.

pub mod trees;

mod dice;
mod image;
mod sim_disk;
mod world;

pub use dice::Dice;
pub use image::{Image, runs};
pub use sim_disk::{Call, CrashState, CrashStates, Injection, Knobs, Misdeed, SimDisk, Times};
pub use tempfile::{TempDir, tempdir};
pub use world::{Handles, SeededRandom, VirtualClock, env};
