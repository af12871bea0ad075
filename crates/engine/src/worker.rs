//! The engine's orders, and the one who carries them out.
//!
//! The engine decides what is to be done and remembers what was; a [`Worker`] does it: the command line joins
//! the agent's pipelines and the store to one. Orders are plain values, so that the same order can be sent to
//! another machine later. A worker commits before it reports: when [`Worker::backup`] returns `Ok`, the log
//! has the new replica and, if one was asked for, the point.

use std::path::PathBuf;

use base::{ChunkId, Fault, PointId, SourceId};

use crate::engine::NewVolume;
use crate::jobs::JobContext;
use crate::model::{FileOptions, SourceKind};

/// Synchronize a member's replica.
#[derive(Clone, Debug)]
pub struct BackupOrder {
    /// The member.
    pub source: SourceId,
    /// What kind of data it is.
    pub kind: SourceKind,
    /// Where it is on its machine.
    pub path: PathBuf,
    /// Its name in words, written into the point: `web01:files/etc`.
    pub address: String,
    /// What to leave out, and other choices of the member.
    pub options: FileOptions,
    /// The replica's root, to compare with; `None` at the first time.
    pub previous: Option<ChunkId>,
    /// Which file system the source was on when it was synchronized last, in the worker's own words. If it is on another one,
    /// the worker refuses what is no longer the source ([`Code::SourceNotMounted`](base::fault::Code::SourceNotMounted)).
    pub file_system: Option<String>,
    /// Whether to read also what looks unchanged, and to compare it with the replica.
    pub read_unchanged: bool,
    /// Whether to make a recovery point of it, and the group's name to write into it.
    pub point: Option<PointOrder>,
}

/// What a new recovery point says of where it comes from.
#[derive(Clone, Debug)]
pub struct PointOrder {
    /// The group whose policy keeps it.
    pub group: String,
}

/// What a synchronization did.
#[derive(Clone, Debug, Default)]
pub struct BackupReport {
    /// The recovery point, if one was asked for.
    pub point: Option<PointId>,
    /// Entries of every kind in the replica now.
    pub entries: u64,
    /// Regular files in the replica now.
    pub files: u64,
    /// Bytes of regular files in the replica now.
    pub bytes: u64,
    /// Entries that were new, different or gone.
    pub changed: u64,
    /// Entries that differed although nothing said they had changed; found only if everything was read.
    pub differences: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes the pool grew by.
    pub new_bytes: u64,
    /// Entries looked at.
    pub looked: u64,
    /// Why all of them were, if what changed was not enough to go by, in English.
    pub everything_because: Option<String>,
    /// Entries that were found to have changed although changes are followed and nothing was heard of these: more may
    /// have been missed.
    pub missed: u64,
    /// Which file system the source is on; `None` if that is not known.
    pub file_system: Option<String>,
}

/// Compare a replica with its source, every byte of both, and make the replica right.
#[derive(Clone, Debug)]
pub struct CheckOrder {
    /// What to compare and how it is read; its `previous` is the replica to check.
    pub backup: BackupOrder,
}

/// What a consistency check found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Entries compared.
    pub entries: u64,
    /// Bytes read from the source and compared.
    pub bytes: u64,
    /// Entries that differed although nothing said they had changed: what makes a replica inconsistent.
    pub differences: u64,
    /// Entries that had simply changed since the last synchronization.
    pub changed: u64,
    /// Bytes the pool grew by while it was repaired.
    pub new_bytes: u64,
    /// Which file system the source is on; `None` if that is not known.
    pub file_system: Option<String>,
}

/// Where restored data goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Where it was.
    Original,
    /// Into this directory.
    Directory(PathBuf),
}

/// What happens to a file that is in the way of a restored one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It stays; the restored one is left out and listed.
    #[default]
    Skip,
    /// It goes.
    Overwrite,
    /// It stays, and the restored one gets another name.
    Rename,
}

/// Give data back.
#[derive(Clone, Debug)]
pub struct RestoreOrder {
    /// The recovery point.
    pub point: PointId,
    /// What kind of data it is.
    pub kind: SourceKind,
    /// Where it was on its machine.
    pub path: PathBuf,
    /// Paths below the source's root; empty for everything.
    pub selection: Vec<PathBuf>,
    /// Where it goes.
    pub destination: Destination,
    /// What happens to what is in the way.
    pub on_conflict: OnConflict,
}

/// What a restore would do.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RestorePlan {
    /// The directory that would be written.
    pub target: PathBuf,
    /// Entries that would be made.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that stand there already.
    pub same: u64,
    /// Entries that are in the way.
    pub conflicts: u64,
    /// The first of them, relative to the target.
    pub conflict_paths: Vec<PathBuf>,
    /// Entries that would be left out because a directory stands in their place, which is never replaced.
    pub refused: u64,
    /// The first of them, relative to the target.
    pub refused_paths: Vec<PathBuf>,
    /// Bytes free where it would go, if that is known.
    pub free_bytes: Option<u64>,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// The directory that was written.
    pub target: PathBuf,
    /// Entries made.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Entries left alone because something was in the way.
    pub skipped: u64,
    /// Entries, or parts of their metadata, that could not be made; each is a warning of the job.
    pub failed: u64,
    /// Entries among them whose stored data is damaged or missing.
    pub damaged: u64,
}

/// Carries out orders. Called from the engine's job threads, many at once; each call blocks until it is done.
///
/// A worker asks [`JobContext::is_cancelled`] at least once a second and then returns `JobCancelled`.
pub trait Worker: Send + Sync {
    /// Says whether it understands what is to be left out, before that is decided.
    ///
    /// # Errors
    /// `ExcludePatternInvalid`.
    fn check_options(&self, options: &FileOptions) -> Result<(), Fault>;

    /// Synchronizes a replica and makes a recovery point of it if one is asked for.
    ///
    /// # Errors
    /// What kept it from being done as a whole; single entries that cannot be read are warnings. A fault of kind
    /// `Damaged` makes the engine doubt the replica.
    fn backup(&self, order: &BackupOrder, context: &JobContext) -> Result<BackupReport, Fault>;

    /// Compares a replica with its source and repairs it.
    ///
    /// # Errors
    /// As [`Self::backup`].
    fn check(&self, order: &CheckOrder, context: &JobContext) -> Result<CheckReport, Fault>;

    /// Says what [`Self::restore`] would do. Changes nothing.
    ///
    /// # Errors
    /// The point cannot be read, the target cannot be looked at, or a selected path is not in the point.
    fn restore_plan(
        &self,
        order: &RestoreOrder,
        context: &JobContext,
    ) -> Result<RestorePlan, Fault>;

    /// Restores.
    ///
    /// # Errors
    /// What kept it from being done as a whole; single entries are warnings.
    fn restore(&self, order: &RestoreOrder, context: &JobContext) -> Result<RestoreReport, Fault>;

    /// Makes a directory ready to become a volume of the pool, and returns it. A block device is formatted and mounted, if nothing
    /// uses it and nothing is on it, or what is on it may go.
    ///
    /// # Errors
    /// `DeviceUnfit`; nothing was changed.
    fn prepare_volume(&self, _name: &str, new: &NewVolume) -> Result<PathBuf, Fault> {
        Ok(new.path.clone())
    }

    /// Lets go of what it keeps for a source that is no longer protected, if anything. What cannot be done now it does another
    /// time.
    fn release(&self, _source: &SourceId) {}
}
