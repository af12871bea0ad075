//! What the server decides and remembers: no HTTP, no HTML, no chunk.
//!
//! The door is [`Engine`]. It keeps a [catalog](catalog) that follows the pool's log, runs [jobs](jobs) by giving
//! orders to a [`Worker`], makes what is due happen on time ([`scheduler`]), and watches, apart from that, that
//! it does ([`watchdog`]). Everything is synchronous: callers are threads.
//!
//! Invariants:
//! - a decision is in the pool's log before the catalog, or anybody, hears of it;
//! - the catalog can be deleted at any time, which costs history, never protection;
//! - one job at a time works on a replica;
//! - what is due is written down before it is due, and runs once.

pub mod home;
pub mod jobs;
pub mod model;
pub mod pool;
pub mod replica;
pub mod scheduler;
pub mod worker;

mod catalog;
mod engine;
mod expiry;
mod growth;
mod watchdog;

pub use catalog::{Alert, Replica};
pub use engine::{
    Engine, EngineConfig, Expiring, GroupChange, Health, JobQuery, MemberStatus, NewVolume,
    PointView, PolicyChange, ProtectRequest, Protected, RestoreRequest, Status, StopProtection,
};
pub use expiry::Expiry;
pub use home::Home;
pub use jobs::{Job, JobContext, JobWatch};
pub use pool::Pool;
pub use worker::Worker;
