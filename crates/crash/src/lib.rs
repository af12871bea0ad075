//! What crashes, faults and power cuts leave of a store: made by the thousand from seeds, and each looked at by the code that users run.
//!
//! Only for tests. [`states`] is T4 of `docs/reliability.md`, [`faults`] T5 and T9. A part of it runs with the tests of
//! this crate, all of it with `cargo xtask crash`. Whatever is found is repeated by the seed it came from.

pub mod faults;
pub mod history;
mod promised;
pub mod states;
pub mod world;
