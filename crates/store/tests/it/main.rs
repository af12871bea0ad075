//! The store through its public door.

mod model;

mod sessions;
