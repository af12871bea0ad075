//! Immutable named bytes in a place: put-new, get, list, delete.
//!
//! Invariants, the same for every place ([`conformance`] checks them, also on a user's own bucket):
//! - A name is written at most once: of several writers one wins, the others are told. Its bytes change in one case
//!   only: a damaged object gets those back that it had ([`Objects::mend`]).
//! - What `put_new` reported as done survives a power cut at any later moment, whole.
//! - A reader sees an object whole or not at all, never half of it; after a power cut that goes for objects whose
//!   `put_new` or `settle` had returned, and for those that alone were being put into their directory.
//!
//! Any method may run beside any other, also on the same name. Nothing here knows what the bytes mean, keeps
//! time, or retries: a caller that gets an error knows best whether the same bytes may be sent again.

pub mod conformance;
pub mod disk;
pub mod faulty;

mod error;
mod local;
mod memory;
mod name;
mod volumes;

pub use error::{DeleteError, GetError, ListError, OpenError, PutError};

pub use faulty::Faulty;
pub use local::Local;
pub use memory::Memory;
pub use name::{NotAnObjectName, ObjectName, fan_out};
pub use volumes::{Volume, Volumes};

/// One object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Its length.
    pub bytes: u64,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be stored.
    pub free: u64,
    /// Bytes that could be if nothing were there.
    pub total: u64,
}

/// A place that keeps objects.
pub trait Objects: Send + Sync {
    /// Makes directories that many objects will go to, durably. A place without directories has nothing to
    /// do; a place with them makes missing ones on demand anyway, at the cost of one more sync each.
    ///
    /// # Errors
    /// As [`Objects::put_new`]; directories already there are not an error.
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError>;

    /// Stores a new object; on return it is durable under its name.
    ///
    /// # Errors
    /// - [`PutError::Exists`]: the name is taken, by whatever bytes; nothing changed.
    /// - [`PutError::Full`]: no room; nothing is stored, trying again at once is useless.
    /// - [`PutError::ReadOnly`]: this place takes no writes until it is opened anew.
    /// - [`PutError::Unsure`]: the object may be there, durable or not: settle it and read it back.
    /// - [`PutError::TooLarge`], [`PutError::Failed`]: nothing is stored.
    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError>;

    /// Makes an object that was found, and that this caller has not put, durable under its name: a writer
    /// killed between publishing and syncing leaves one that the next power cut may take back. To be called
    /// before anything is built on it.
    ///
    /// # Errors
    /// As [`Objects::put_new`].
    fn settle(&self, name: &ObjectName) -> Result<(), PutError>;

    /// Puts `bytes` in the place of the object `name`, which is damaged, and keeps the damaged one as `kept`: the one change that
    /// an object ever sees. It is for the bytes that it was put with, which only the caller can know; the damaged one is kept
    /// because that may be wrong, and so that a file system does not give the bad part of a disk to another object.
    ///
    /// At any moment, also after a power cut, `name` leads to what was there or to `bytes`, whole; once it leads to
    /// `bytes`, `kept` leads to what was there. On return both are durable. After a failure it can be done again, under
    /// another name for what is kept if the first is taken by then. Not to be called while `name` may be deleted: it might come back.
    ///
    /// # Errors
    /// - [`PutError::Exists`]: the name `kept` is taken; nothing changed.
    /// - [`PutError::Unsure`]: either may be there under `name`, and what was there is kept.
    /// - else as [`Objects::put_new`]: what was there is still there, and may be kept too. [`PutError::Failed`] as well
    ///   if there is no object to mend, and on file systems without hard links.
    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError>;

    /// Returns an object's bytes.
    ///
    /// # Errors
    /// - [`GetError::Missing`]: no object has this name.
    /// - [`GetError::Away`]: none is found, and a part of the place is away.
    /// - [`GetError::Unreadable`]: the medium does not give the bytes back; another copy is needed.
    /// - [`GetError::TooLarge`]: longer than any object, so not one of ours.
    /// - [`GetError::Failed`]: anything else; it may work later.
    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError>;

    /// Returns exactly `bytes` bytes from `offset` on.
    ///
    /// # Errors
    /// As [`Objects::get`], and [`GetError::TooShort`] if the object ends before.
    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError>;

    /// Returns the objects whose names begin with `prefix`, in order of their names. Everything is held in
    /// memory: a caller with millions of objects lists one fan-out directory at a time. What does not have
    /// the form of an object's name is not an object and not listed.
    ///
    /// # Errors
    /// [`ListError::Failed`]: the listing could not be completed; a partial one is never returned.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError>;

    /// Returns an object's length, or `None` if there is none of this name.
    ///
    /// # Errors
    /// As [`Objects::get`].
    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError>;

    /// Removes an object; on return it is gone for good.
    ///
    /// # Errors
    /// - [`DeleteError::Missing`]: there was none.
    /// - [`DeleteError::ReadOnly`]: this place takes no writes.
    /// - [`DeleteError::Failed`]: it may be gone or not.
    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError>;

    /// Returns how much can still be stored, if the place knows a limit.
    ///
    /// # Errors
    /// The place did not answer.
    fn space(&self) -> Result<Option<Space>, std::io::Error>;

    /// Returns whether the place takes no writes, as far as it can tell without storing anything: it was opened that way, its
    /// file system became so, or a sync failed for good. Costs about what opening a file does.
    fn is_read_only(&self) -> bool;
}

/// A handle that several owners share is as good as the thing itself.
impl<T: Objects + ?Sized> Objects for std::sync::Arc<T> {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        (**self).prepare(dirs)
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        (**self).put_new(name, bytes)
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        (**self).settle(name)
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        (**self).mend(name, bytes, kept)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        (**self).get(name)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        (**self).get_range(name, offset, bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        (**self).list(prefix)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        (**self).head(name)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        (**self).delete(name)
    }

    fn space(&self) -> Result<Option<Space>, std::io::Error> {
        (**self).space()
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }
}
