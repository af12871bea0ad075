//! Recovery points as directories, read-only, over FUSE.
//!
//! Everything is asked of [`api::Operations`], so a mount works with a server and without, and sees what whoever mounts
//! may see. Recovery points never change: the kernel keeps what it has read until it needs the memory.
//!
//! Invariants:
//! - Memory is bounded: the table of entries that the kernel knows is trimmed at [`base::limits::MOUNT_ENTRIES_MAX`] by asking
//!   the kernel to let go of the oldest.
//! - A mount whose process is killed is taken away by its [`guard`], a process that does nothing else; a dead
//!   one that is left all the same is taken away by the next mount there.
//!
//! It tells no holes in files: they read as zeros.

mod entries;
mod fs;
pub mod guard;
mod top;

use std::io;
use std::path::Path;
use std::sync::Arc;

use api::Operations;
use base::limits::MOUNT_THREADS;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use jiff::tz::TimeZone;

use fs::Points;
pub use top::Top;

/// Who may look into a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever mounted it.
    Owner,
    /// Everybody, as far as modes of files allow.
    All,
}

/// A mount under way.
pub struct Mounted {
    session: BackgroundSession,
    trimmer: fs::Trimmer,
    guard: guard::Guard,
}

impl Mounted {
    /// Mounts `top` at `directory`.
    ///
    /// # Errors
    /// The kernel or `fusermount3` refuses: there is no `/dev/fuse`, no permission, or something is mounted there.
    pub fn begin(
        operations: Arc<dyn Operations>,
        top: Top,
        zone: TimeZone,
        directory: &Path,
        audience: Audience,
    ) -> io::Result<Self> {
        guard::clear(directory)?;
        // Before the mount: it must be there when the mount is.
        let guard = guard::Guard::start(directory)?;
        let mut config = Config::default();
        config.n_threads = Some(MOUNT_THREADS);
        config.acl = match audience {
            Audience::Owner => SessionACL::Owner,
            Audience::All => SessionACL::All,
        };
        config.mount_options = vec![
            MountOption::FSName(guard::SOURCE.to_owned()),
            MountOption::RO,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoAtime,
            MountOption::DefaultPermissions,
        ];
        let (points, wanted) = Points::new(operations, top, zone);
        let entries = points.entries();
        let session = match fuser::spawn_mount(points, directory, &config) {
            Ok(session) => session,
            Err(error) => {
                // What is mounted there is somebody else's: it must not go with this one.
                guard.dismiss();
                return Err(error);
            }
        };
        let trimmer = fs::Trimmer::start(session.notifier(), entries, wanted)?;
        Ok(Self {
            session,
            trimmer,
            guard,
        })
    }

    /// Returns whether somebody has unmounted it.
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Unmounts it, unless somebody has done that.
    ///
    /// # Errors
    /// Somebody has files open in it.
    pub fn end(self) -> io::Result<()> {
        let ended = match self.is_over() {
            true => self.session.join(),
            false => self.session.umount_and_join(),
        };
        self.trimmer.stop();
        self.guard.dismiss();
        ended
    }
}
