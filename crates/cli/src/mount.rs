//! Recovery points as directories, read-only, over FUSE.
//!
//! Everything is asked of [`api::Operations`], so a mount works with a server and without, and sees what whoever mounts
//! may see. Recovery points never change: the kernel keeps what it has read until it needs the memory.
//!
//! Invariants:
//! - Memory is bounded: the table of entries that the kernel knows is trimmed at [`base::limits::MOUNT_ENTRIES_MAX`] by asking
//!   the kernel to let go of the oldest.
//! - Holes read as zeros, and are told to whoever asks where data is.
//! - A mount whose process is killed is taken away by its [`guard`], a process that does nothing else; a dead
//!   one that is left all the same is taken away by the next mount there.
//!
mod entries;
mod fs;
pub mod guard;
mod listing;
mod seek;
mod top;
mod trimmer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::Operations;
use base::limits::MOUNT_THREADS;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use jiff::tz::TimeZone;

use fs::Points;
use guard::Guard;
pub use top::Top;
use trimmer::Trimmer;

/// Who may look into a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever mounted it.
    Owner,
    /// Everybody, as far as modes of files allow.
    All,
}

/// How long an end waits for those who look into the mount, and how often it looks.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// A mount under way.
pub struct Mounted {
    directory: PathBuf,
    session: BackgroundSession,
    trimmer: Trimmer,
    guard: Guard,
}

impl Mounted {
    /// Mounts `top` at `directory`.
    ///
    /// # Errors
    /// The kernel or `fusermount3` refuses: there is no `/dev/fuse`, no permission; recovery points are mounted there.
    pub fn begin(
        operations: Arc<dyn Operations>,
        top: Top,
        zone: TimeZone,
        directory: &Path,
        audience: Audience,
    ) -> io::Result<Self> {
        let directory = guard::resolved(directory)?;
        guard::clear(&directory)?;
        if guard::is_ours(&directory)? {
            return Err(io::Error::other(
                "recovery points are mounted there already",
            ));
        }
        if std::fs::read_dir(&directory)?.next().is_some() {
            // Whoever looks there would see something else.
            return Err(io::Error::new(
                io::ErrorKind::DirectoryNotEmpty,
                "the directory is not empty",
            ));
        }
        // Before the mount: it must be there when the mount is.
        let guard = Guard::start(&directory)?;
        let (points, wanted) = Points::new(operations, top, zone);
        let entries = points.entries();
        let session = match fuser::spawn_mount(points, &directory, &config(audience)) {
            Ok(session) => session,
            Err(error) => {
                // What is mounted there is somebody else's: it must not go with this one.
                guard.dismiss();
                return Err(error);
            }
        };
        // From here on what is mounted is ours, and the guard takes it away if this fails.
        let trimmer = Trimmer::start(session.notifier(), entries, wanted)?;
        Ok(Self {
            directory,
            session,
            trimmer,
            guard,
        })
    }

    /// Returns whether somebody has unmounted it.
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Unmounts it, unless somebody has done that. Whoever has a file open in it can read on until this process ends.
    ///
    /// # Errors
    /// It cannot be unmounted; or what answered the kernel had failed.
    pub fn end(self) -> io::Result<()> {
        if !self.is_over() {
            guard::take_away(&self.directory)?;
        }
        for _ in 0..ENDS_WITHIN.as_millis() / LOOK.as_millis() {
            if self.is_over() {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let ended = if self.is_over() {
            let ended = self.session.join();
            self.trimmer.stop();
            ended
        } else {
            // Its threads go on for those who still read. Dropped, it would unmount whatever is there by now.
            std::mem::forget(self.session);
            Ok(())
        };
        self.guard.dismiss();
        ended
    }
}

fn config(audience: Audience) -> Config {
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
    config
}
