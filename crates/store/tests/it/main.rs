//! The store through its public door.

mod model;

mod crash;
mod faults;
mod index;
mod sessions;
