//! Behaviour of `base` through its public door.

mod fault;
mod fault_page;
mod retention;
mod schedule;
mod units;
