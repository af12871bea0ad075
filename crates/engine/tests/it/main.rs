//! The engine through its door, over a pool and a worker in memory and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod catalog;
mod config;
mod home;
mod jobs;
mod ledger;
mod read_only;
mod replica;
mod resolver;
mod restore;
mod retention;
mod store;
mod watchdog;
mod world;
