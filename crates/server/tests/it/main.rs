//! The server as strangers and neighbours see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod doors;
