//! The words everyone uses: ids, units, limits, time and chance as parameters, faults, the calendar.
//!
//! Nothing here does I/O except [`System`], the one place where the real clock and the real randomness
//! enter the program. Everything else takes an [`Env`].

pub mod fault;
pub mod id;
pub mod limits;

mod env;

pub use env::{Clock, Env, Random, System};
pub use fault::{Fault, Kind};
pub use id::{
    ChunkHash, ChunkId, GroupId, JobId, MachineId, PackName, PointId, SessionId, SourceId, StoreId,
};
pub use jiff::Timestamp;
