//! The words everyone uses: ids, units, limits, time and chance as parameters, faults, the calendar.
//!
//! Nothing here does I/O except [`System`], the one place where the real clock and the real randomness
//! enter the program. Everything else takes an [`Env`].

pub mod fault;
pub mod id;
pub mod limits;
pub mod retention;
pub mod schedule;
pub mod units;

mod env;
mod lang;

pub use env::{Clock, Env, Random, System};
pub use fault::{Code, Fault, Kind, Severity};
pub use id::{
    ChunkHash, ChunkId, GroupId, JobId, MachineId, PackName, PointId, SessionId, SourceId, StoreId,
};
pub use jiff::Timestamp;
pub use lang::Lang;
