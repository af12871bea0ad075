//! Makes entries anew beneath a target.
