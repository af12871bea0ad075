//! HTTP over the engine: the routes of [`api::route`], each with the permission it needs.
//!
//! Two listeners, two doors. The unix socket in the data directory (mode 0600, directory 0700) is for commands of the user who
//! owns the directory, and grants everything. The TCP listener grants nothing yet: until people and programs can
//! sign in, it answers `/health` and refuses the rest.
//!
//! Invariants:
//! - every route names what it needs ([`Needs`]): a route without it does not compile;
//! - the refusal happens in one place, before the handler is looked at ([`router`]);
//! - the engine's types do not reach the wire: [`views`] turns them into `api`'s.
//!
//! The engine is synchronous: every call runs on a blocking thread.

mod guests;
pub mod look;
pub mod router;
pub mod serve;
pub mod service;
mod strangers;
pub mod views;

pub use look::{Look, Match, Page};
pub use router::{Needs, ROUTES, Route};
pub use serve::{ServeError, Serving, serve};
pub use service::Service;
