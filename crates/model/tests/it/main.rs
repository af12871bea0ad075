//! The protocol is safe, and every part of it is needed.

mod mutants;
mod safe;
