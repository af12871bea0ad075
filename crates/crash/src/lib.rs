//! What crashes, faults and power cuts leave of a store: made by the thousand from seeds, and each looked at by the code that users run.
//!
//! Only for tests. [`states`] is T4 of `docs/reliability.md`, [`faults`] T5 and T9, [`power`] T13. A part of it runs with the tests of
//! this crate, all of it with `cargo xtask crash`. Whatever is found is repeated by the seed it came from.

pub mod faults;
mod forgetful;
pub mod history;
pub mod power;
mod promised;
pub mod recorder;
pub mod states;
pub mod world;
