//! What can go wrong with objects, told apart where a caller acts differently.

use std::io;
use std::path::PathBuf;

use crate::ObjectName;

/// Why an object was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The name is taken; nothing changed.
    #[error("object {name} exists already")]
    Exists {
        /// The object.
        name: ObjectName,
    },
    /// There is no room (bytes, inodes or quota); nothing is stored.
    #[error("no space left to store object {name}")]
    Full {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
    /// The place takes no writes: it was opened that way, its file system became so, or a sync failed twice
    /// before and nothing it says about later ones could be believed.
    #[error("cannot store object {name}: the place is read-only")]
    ReadOnly {
        /// The object.
        name: ObjectName,
    },
    /// It may be stored or not, and may vanish again: read it back after opening the place anew.
    #[error("object {name} may or may not have been stored")]
    Unsure {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
    /// The bytes are more than any object has ([`base::limits::OBJECT_BYTES_MAX`]); nothing is stored.
    #[error("object {name} of {bytes} bytes is too large to store")]
    TooLarge {
        /// The object.
        name: ObjectName,
        /// Its length.
        bytes: u64,
    },
    /// It failed in another way; nothing is stored.
    #[error("cannot store object {name}")]
    Failed {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is none of this name.
    #[error("object {name} is missing")]
    Missing {
        /// The object.
        name: ObjectName,
    },
    /// None of the places that are there has it, and one is away: it may be there.
    #[error("object {name} may be on volume {volume}, which is away")]
    Away {
        /// The object.
        name: ObjectName,
        /// The volume.
        volume: String,
    },
    /// It ends before the range does: cut off, or not what the index believes.
    #[error("object {name} has only {bytes} bytes, the range asked for ends behind them")]
    TooShort {
        /// The object.
        name: ObjectName,
        /// Its length.
        bytes: u64,
    },
    /// It is longer than any object ([`base::limits::OBJECT_BYTES_MAX`]).
    #[error("object {name} of {bytes} bytes is too large to be one")]
    TooLarge {
        /// The object.
        name: ObjectName,
        /// Its length.
        bytes: u64,
    },
    /// The medium does not give the bytes back.
    #[error("object {name} cannot be read back from its medium")]
    Unreadable {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
    /// It failed in another way and may work later.
    #[error("cannot read object {name}")]
    Failed {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
}

/// Why objects could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The listing is not complete.
    #[error("cannot list the objects beneath {prefix:?}")]
    Failed {
        /// The prefix asked for.
        prefix: String,
        /// What the place said.
        source: io::Error,
    },
}

/// Why an object was not removed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none of this name.
    #[error("object {name} is missing")]
    Missing {
        /// The object.
        name: ObjectName,
    },
    /// The place takes no writes.
    #[error("cannot delete object {name}: the place is read-only")]
    ReadOnly {
        /// The object.
        name: ObjectName,
    },
    /// It may be gone or not.
    #[error("cannot delete object {name}")]
    Failed {
        /// The object.
        name: ObjectName,
        /// What the place said.
        source: io::Error,
    },
}

/// Why a place could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no directory there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// There is no room even for what opening needs.
    #[error("no space left to {attempt}")]
    Full {
        /// What was attempted.
        attempt: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file system cannot do what durable storage needs.
    #[error("this file system is unfit for storage: {why}")]
    Unfit {
        /// What it got wrong.
        why: String,
    },
    /// It failed in another way.
    #[error("cannot {attempt}")]
    Failed {
        /// What was attempted.
        attempt: String,
        /// What the system said.
        source: io::Error,
    },
}
