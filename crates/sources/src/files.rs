//! The source that is a directory tree.
//!
//! [`Walk`] lists it in key order, [`Handle`] opens what it found, [`read`] reads content, [`restore`] makes
//! entries anew beneath a target.

pub mod owners;
pub mod read;
pub mod restore;
pub mod walk;

mod dir;
mod exclude;
mod handle;
pub(crate) mod names;
mod path;
pub(crate) mod stat;
mod xattr;

pub use exclude::{PatternError, check_patterns};
pub use handle::{Ahead, Handle, SmallRead};
pub use owners::Owners;
pub use read::{OpenFile, Segment};
pub use walk::{
    Event, Found, Pick, Selection, Span, Walk, WalkError, WalkOptions, files_ahead_allowed,
    threads_allowed,
};
