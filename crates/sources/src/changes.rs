//! Hears from the kernel what changes in a file system, while it happens.
//!
//! A [`Feed`] is a queue of fanotify(7) that follows whole file systems, whatever they are mounted as. An event names a
//! directory by its handle and an entry by its name; [`Root::locate`] finds where that is below a source's root *now*, so
//! that renamed directories need no bookkeeping. Events are a hint: what they name has to be looked at, and what it is
//! then counts.
//!
//! Invariants:
//! - As long as [`Feed::follows`] says so and no [`Event::Lost`] came, every change that was over when
//!   [`Feed::drain`] began has been told, but for what [`Root::silent`] names.
//! - Nothing here keeps a file system from being unmounted: no descriptor of it is kept. A file system that
//!   is unmounted and mounted again is followed no more.
//!
//! Not told at all, whoever asks: writes to a block device beneath the file system, to the upper directory of an overlay that
//! another mount namespace has, and by a file server to a file system that it shares with other machines: those kinds are
//! not followed.

mod event;
mod root;
mod silent;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub use event::{Event, What};
pub use root::{FileAt, Root, RootId, Untracked};

use crate::sys::{self, MarkAction};

/// Names a file system as long as it is mounted: `f_fsid` of statfs(2).
pub type Volume = u64;

/// What the kernel names a file or directory by, within its file system, until it is deleted: the type and the bytes of
/// `struct file_handle` (name_to_handle_at(2)).
pub type FileHandle = Box<[u8]>;

/// One read takes this much: some thousand events. An event has less than 1 KiB: two handles and a name.
const READ_BYTES: usize = 256 << 10;

/// What is followed: content, attributes, and names, those of directories among them.
const FOLLOWED: u64 = libc::FAN_MODIFY
    | libc::FAN_ATTRIB
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_ONDIR;

/// A queue of events. Many may follow the same file system; each hears everything.
#[derive(Debug)]
pub struct Feed(OwnedFd);

impl Feed {
    /// Opens an empty queue, which follows nothing.
    ///
    /// # Errors
    /// `PERM` without `CAP_SYS_ADMIN`; `NOSYS` or `INVAL` from kernels that do not have it (before Linux 5.9); `MFILE` at the limit of
    /// `fs.fanotify.max_user_groups`.
    pub fn open() -> Result<Self, Errno> {
        sys::fanotify().map(Self)
    }

    /// Follows the file system of a root from now on.
    ///
    /// # Errors
    /// As fanotify_mark(2): `PERM`; `XDEV` or `NODEV` where file systems cannot be told apart; `NOSPC` at the limit of marks.
    pub fn follow(&self, root: &Root) -> Result<(), Errno> {
        sys::fanotify_mark(self.0.as_fd(), MarkAction::Add, FOLLOWED, root.fd())
    }

    /// Says whether the file system of a root has been followed all the time since [`Self::follow`]: the mark is the mounted
    /// file system's own, so one that was mounted anew has none.
    pub fn follows(&self, root: &Root) -> bool {
        // What was never asked for can be taken away again, but only from a mark that is there.
        sys::fanotify_mark(
            self.0.as_fd(),
            MarkAction::Remove,
            libc::FAN_ACCESS,
            root.fd(),
        )
        .is_ok()
    }

    /// Follows the file system of a root no more.
    pub fn leave(&self, root: &Root) {
        // It may not be followed by now, which is as well.
        let _ = sys::fanotify_mark(self.0.as_fd(), MarkAction::Remove, FOLLOWED, root.fd());
    }

    /// Waits for an event, until `timeout` at most.
    pub fn wait(&self, timeout: std::time::Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // Whoever waited looks anyhow.
        let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout));
    }

    /// Tells of everything that is in the queue now.
    ///
    /// # Errors
    /// As read(2). What was in the queue may be lost then.
    pub fn drain(&self, mut each: impl FnMut(Event<'_>)) -> Result<(), Errno> {
        // What comes meanwhile stands behind: whoever writes without end must not keep the reader for ever.
        let mut left = rustix::io::ioctl_fionread(&self.0)?;
        let mut buffer = match left {
            0 => Vec::new(),
            _ => vec![0; READ_BYTES],
        };
        while left > 0 {
            match rustix::io::read(&self.0, &mut buffer[..]) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(read) => {
                    left = left.saturating_sub(read as u64);
                    event::parse(&buffer[..read], &mut each);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}
