//! What goes over the wire: version 1 requests and views, problems, routes, and a typed blocking client.
//!
//! The wire has its own types: nothing here is a type of the engine, and the engine's types have no `Serialize`.
//! Every answer is a [`Document`]: a view with the name and version of its schema beside it, so that a program
//! reading `dozo ... --json` and the client below can tell what they hold.
//!
//! Invariants:
//! - names of any bytes survive the trip ([`PathText`]);
//! - a failure is always a [`Problem`] (RFC 9457) with a code of the catalogue in [`base::fault`];
//! - views are only added to within a version; a field that changes its meaning is a new version.

pub mod client;
pub mod document;
pub mod operations;
pub mod path;
pub mod problem;
pub mod request;
pub mod route;
pub mod time;
pub mod view;

pub use client::Client;
pub use document::{Document, View};
pub use operations::Operations;
pub use path::PathText;
pub use problem::Problem;
pub use time::Time;
