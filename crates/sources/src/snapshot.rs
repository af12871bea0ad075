//! Views that stand still while they are read.
//!
//! A [`Provider`] makes a [`View`] of a directory; the view goes away when it is dropped. [`provider`] chooses
//! by the file system. A view that cannot be made is no failure: [`take`] falls back to the live tree and says
//! why, and the [`Level`] reached is stamped on the recovery point.
//!
//! A [`Snapshot`] can outlive its view: it is [`Kept`] until the next one, and a [`Pair`] tells what the two differ in.

mod btrfs;
mod kept;
mod stream;

use std::path::{Path, PathBuf};

pub(crate) use btrfs::is_hidden_place;
pub use btrfs::{Btrfs, Snapshot};
pub use kept::{CompareError, Kept, Pair, SnapshotId, SubvolumeBelow, Under};
pub use stream::{Difference, StreamError};

/// How consistent a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No moment: each file is as it was when it was read.
    Live,
    /// The whole file system at one moment, with all that was written before it.
    FileSystem,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system has none.
    #[error("the file system of {} has no snapshots that dozo can use", path.display())]
    Unsupported {
        /// What was to be looked at.
        path: PathBuf,
    },
    /// Dropping a snapshot needs root, so making one would leave it behind.
    #[error("snapshots of {} need root", path.display())]
    Denied {
        /// What was to be looked at.
        path: PathBuf,
    },
    /// Other file systems are mounted below it: a snapshot would not have what is in them.
    #[error("{} is mounted below {} and would not be in a snapshot", mount.display(), path.display())]
    Mounts {
        /// What was to be looked at.
        path: PathBuf,
        /// One of the mount points.
        mount: PathBuf,
    },
    /// It could have worked.
    #[error("cannot make a snapshot of {}", path.display())]
    Failed {
        /// What was to be looked at.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Something to read instead of the live tree.
#[derive(Debug)]
pub struct View {
    /// What to walk.
    pub path: PathBuf,
    /// What it amounts to.
    pub level: Level,
    /// The device number it shows, and the one it stands for: for [`crate::files::WalkOptions::device_as`].
    pub device_as: Option<(u64, u64)>,
    /// What the walk has to leave out: the provider's own traces.
    pub leave_out: Vec<PathBuf>,
    /// Drops the snapshot with the view.
    snapshot: Option<Snapshot>,
}

impl View {
    /// Returns the live tree as a view.
    pub fn live(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            level: Level::Live,
            device_as: None,
            leave_out: Vec::new(),
            snapshot: None,
        }
    }

    /// Returns the snapshot that it shows, if it is one.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Gives up the view for its snapshot.
    pub fn into_snapshot(self) -> Option<Snapshot> {
        self.snapshot
    }
}

/// Makes views.
pub trait Provider: Send + Sync {
    /// Returns its name, for messages.
    fn name(&self) -> &'static str;

    /// Makes a view of the directory `path`.
    ///
    /// # Errors
    /// There is none to be had; the live tree can still be read.
    fn view(&self, path: &Path) -> Result<View, SnapshotError>;

    /// Drops what killed runs left near `path`, and returns how many there were. Those of live runs stay.
    ///
    /// # Errors
    /// A leftover could not be dropped.
    fn sweep(&self, path: &Path) -> Result<usize, SnapshotError>;
}

/// Reads the live tree.
#[derive(Clone, Copy, Debug)]
pub struct Live;

impl Provider for Live {
    fn name(&self) -> &'static str {
        "none"
    }

    fn view(&self, path: &Path) -> Result<View, SnapshotError> {
        Ok(View::live(path))
    }

    fn sweep(&self, _path: &Path) -> Result<usize, SnapshotError> {
        Ok(0)
    }
}

/// Returns the provider that fits what `path` is on.
pub fn provider(path: &Path) -> &'static dyn Provider {
    if Btrfs::fits(path) { &Btrfs } else { &Live }
}

/// Sweeps and makes the best view of `path` there is: the live tree in the worst case, with the reason if more
/// should have been possible. With `one_file_system` what is mounted below `path` is not wanted; otherwise
/// it must not be missing, so there is no snapshot then.
pub fn take(path: &Path, one_file_system: bool) -> (View, Option<SnapshotError>) {
    let provider = provider(path);
    let swept = provider.sweep(path).err();
    let mount = (!one_file_system)
        .then(|| crate::mounts::first_below(path))
        .flatten();
    if let (Some(mount), "btrfs") = (mount, provider.name()) {
        return (
            View::live(path),
            Some(SnapshotError::Mounts {
                path: path.to_owned(),
                mount,
            }),
        );
    }
    match provider.view(path) {
        Ok(view) => (view, swept),
        Err(error) => (View::live(path), Some(error)),
    }
}
