//! The store through its public door.

mod model;
mod repair;

mod crash;
mod faults;
mod index;
mod sessions;
