//! Behaviour of `base` through its public door.

mod fault;
