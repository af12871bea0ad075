//! The store's protocol of log, commit and collection as a machine so small that every state of it can be visited.
//!
//! Writers, a reader, a collector and sessions that repack take turns in any order, stop for as long as they like, crash and are
//! fenced, and the index is lost and built anew; after each step every chunk that a point, a replica or the reader needs has to be
//! there, and found ([`State::broken`]). What the protocol rests on is switched off defence by defence ([`Rules`]): each has to be
//! missed.
//!
//! Invariants: a step is one thing that others can see, a log record or a change of the objects; between two steps of one
//! actor any number of others' may lie. Records are appended by those who know the whole log, as the store's owner does.
//!
//! Deliberately without time, bytes, names and crashes of the disk: what is durable and in which order is the business of
//! the simulated disk (`testkit`). Bounds are small: three chunks, six packs of two chunks, three points.

mod collect;
mod repack;
mod rules;
mod search;
mod state;
mod writers;

pub use rules::Rules;
pub use search::{Outcome, search};
pub use state::{Action, Bounds, State};

/// Adds every state that one step leads to.
fn steps(state: &State, rules: &Rules, to: &mut Vec<(Action, State)>) {
    writers::steps(state, rules, to);
    repack::steps(state, rules, to);
    collect::steps(state, rules, to);
}
