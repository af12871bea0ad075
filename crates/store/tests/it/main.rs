//! The store through its public door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod misorder;
mod stranger;

mod clock;
mod collect;
mod crash;
mod faults;
mod find;
mod flips;
mod generations;
mod golden;
mod index;
mod mend;
mod repair;
mod sessions;
mod verify;
mod volumes;

use ::crash::world as model;
