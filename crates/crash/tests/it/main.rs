//! A bounded part of what `cargo xtask crash` does.

mod faults;
mod power;
mod states;
