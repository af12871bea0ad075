//! The handful of things that durable storage asks of a file system, as a trait.
//!
//! [`RealDisk`] asks the kernel; `testkit::SimDisk` records, and can stop at any operation and forget whatever
//! was not yet synced. Between them and the user's data stands the protocol of [`crate::Local`], which is the
//! same code over both. A draft is a file without its final name; publishing gives it the name unless
//! that is taken. No promise about what survives a power cut but these two: [`Disk::sync`] and [`Disk::sync_file`] make
//! a file's bytes durable, [`Disk::sync_dir`] makes the entries of one directory durable. And of a file that has no name
//! at all the first may be without effect: see [`Disk::sync`].
//!
//! Paths are relative to the disk's root, components joined by `/`; the root itself is the empty path.

mod real;

pub use real::{Publishing, RealDisk};
pub use rustix::io::Errno;

use crate::Space;

/// The directory for drafts that need a name before they get their own. No object's name begins with a dot.
pub const TMP_DIR: &str = ".tmp";

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Its length.
        bytes: u64,
    },
    /// A directory.
    Dir,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name in the directory.
    pub name: String,
    /// What it is.
    pub node: Node,
}

/// A file system beneath one root. Every method may run beside every other.
///
/// # Errors
/// All methods answer with the error number of the system call that failed.
pub trait Disk: Send + Sync {
    /// A file being written, not under its final name. Dropping it unpublished leaves nothing.
    type Draft: Send;
    /// A file opened for reading.
    type Reader: Send;
    /// A lock, held until dropped.
    type Lock: Send + Sync;

    /// Starts an empty file.
    fn draft(&self) -> Result<Self::Draft, Errno>;
    /// Appends all of `bytes`. After an error the draft is good for nothing.
    fn write(&self, draft: &mut Self::Draft, bytes: &[u8]) -> Result<(), Errno>;
    /// Makes the draft's bytes durable. After an error the draft is good for nothing: the kernel forgets
    /// which pages it could not write, so a second sync that succeeds would mean nothing.
    ///
    /// While the draft has no name of any kind the bytes have to reach the disk, but they need not outlive a power cut
    /// under the name it gets: btrfs (without Linux commit 5e85262e542d) logs nothing of a file without links, and
    /// syncing the directory logs the new name with a file of no bytes. They are durable when the draft was published
    /// and synced again.
    fn sync(&self, draft: &Self::Draft) -> Result<(), Errno>;
    /// As [`Disk::sync`], of a file that has its name.
    fn sync_file(&self, file: &Self::Reader) -> Result<(), Errno>;
    /// Gives the draft its name; `EXIST` if that is taken, `NOENT` if the directory is missing. The draft is
    /// spent only when it worked.
    fn publish(&self, draft: &mut Self::Draft, path: &str) -> Result<(), Errno>;
    /// Starts an empty file that has a name in [`TMP_DIR`] from the beginning, so that a sync of it lasts.
    fn named_draft(&self) -> Result<Self::Draft, Errno>;
    /// Gives a draft of [`Disk::named_draft`] the name of another file, which loses it: at any moment one or the other has it.
    fn replace(&self, draft: &mut Self::Draft, path: &str) -> Result<(), Errno>;
    /// Gives a file one more name; `EXIST` if that is taken, `NOENT` if there is no such file.
    fn link(&self, path: &str, new: &str) -> Result<(), Errno>;
    /// Makes the entries of a directory durable, but not the entry that names the directory itself.
    fn sync_dir(&self, dir: &str) -> Result<(), Errno>;
    /// Makes a directory.
    fn make_dir(&self, dir: &str) -> Result<(), Errno>;
    /// Opens a regular file for reading.
    fn open(&self, path: &str) -> Result<Self::Reader, Errno>;
    /// Returns its length.
    fn bytes(&self, file: &Self::Reader) -> Result<u64, Errno>;
    /// Reads into `out` from `offset` on and returns how many bytes came: fewer than asked for is no error,
    /// none is the end of the file.
    fn read_at(&self, file: &Self::Reader, offset: u64, out: &mut [u8]) -> Result<usize, Errno>;
    /// Returns the regular files and directories in a directory, in no order. What is neither, or has a name
    /// that is not text, is not ours and left out.
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, Errno>;
    /// Removes a file's name.
    fn remove(&self, path: &str) -> Result<(), Errno>;
    /// Takes a directory's lock for this process alone, if nobody has it: does not wait.
    fn lock_alone(&self, dir: &str) -> Result<Option<Self::Lock>, Errno>;
    /// Takes a share of a directory's lock: waits for one that is held alone.
    fn lock_shared(&self, dir: &str) -> Result<Self::Lock, Errno>;
    /// Returns how much can still be written.
    fn space(&self) -> Result<Space, Errno>;
}
