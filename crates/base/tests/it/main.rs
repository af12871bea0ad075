//! Behaviour of `base` through its public door.

mod fault;
mod retention;
mod schedule;
mod units;
