//! What `statx` says of an entry, and the entry made from it.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use format::entry::{Content, FileEntry, Node};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use super::owners::Owners;

/// Looks at `name` in `dir`, following nothing and mounting nothing.
pub(crate) fn at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(
        dir,
        name,
        flags,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )
}

/// Looks at what is open.
pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Statx, Errno> {
    statx(
        fd,
        c"",
        AtFlags::EMPTY_PATH,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )
}

/// Which file it is, as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl From<&Statx> for Identity {
    fn from(stat: &Statx) -> Self {
        Self {
            device: number(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
        }
    }
}

/// What changes whenever a file's content or attributes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
}

impl From<&Statx> for Stamp {
    fn from(stat: &Statx) -> Self {
        Self {
            identity: stat.into(),
            size: stat.stx_size,
            mtime_ns: modified_ns(stat),
            ctime_ns: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        }
    }
}

/// Returns a device number as the format has it.
pub(super) fn number(major: u32, minor: u32) -> u64 {
    u64::from(major) << 32 | u64::from(minor)
}

/// Returns a time in nanoseconds, clamped to the years 1677 to 2262.
pub(super) fn nanoseconds(seconds: i64, nanoseconds: u32) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanoseconds))
}

/// Returns when it was modified, in nanoseconds.
pub(super) fn modified_ns(stat: &Statx) -> i64 {
    nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)
}

/// Returns which kind of thing it is.
pub(crate) fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// A run's account names, and the last ones used: neighbours mostly have one owner.
pub(crate) struct Names<'a> {
    owners: &'a Owners,
    user: Option<(u32, Vec<u8>)>,
    group: Option<(u32, Vec<u8>)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(owners: &'a Owners) -> Self {
        Self {
            owners,
            user: None,
            group: None,
        }
    }

    fn user(&mut self, uid: u32) -> Vec<u8> {
        match &self.user {
            Some((last, name)) if *last == uid => name.clone(),
            _ => self.user.insert((uid, self.owners.user(uid))).1.clone(),
        }
    }

    fn group(&mut self, gid: u32) -> Vec<u8> {
        match &self.group {
            Some((last, name)) if *last == gid => name.clone(),
            _ => self.group.insert((gid, self.owners.group(gid))).1.clone(),
        }
    }
}

/// Returns the entry without what costs more calls: content, link target and extended attributes are empty.
/// `None` for a kind of thing that has no place in a tree.
pub(super) fn entry(stat: &Statx, device: u64, names: &mut Names<'_>) -> Option<FileEntry> {
    let rdev = number(stat.stx_rdev_major, stat.stx_rdev_minor);
    let node = match kind(stat) {
        FileType::Directory => Node::Directory,
        FileType::RegularFile => Node::File(Content::Extents(Vec::new())),
        FileType::Symlink => Node::Symlink(Vec::new()),
        FileType::Fifo => Node::Fifo,
        FileType::Socket => Node::Socket,
        FileType::CharacterDevice => Node::CharDevice(rdev),
        FileType::BlockDevice => Node::BlockDevice(rdev),
        _ => return None,
    };
    let stamp = Stamp::from(stat);
    Some(FileEntry {
        size: match node {
            Node::File(_) => stat.stx_size,
            _ => 0,
        },
        node,
        mode: stat.stx_mode & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        user: names.user(stat.stx_uid),
        group: names.group(stat.stx_gid),
        mtime_ns: stamp.mtime_ns,
        ctime_ns: stamp.ctime_ns,
        inode: stat.stx_ino,
        device,
        links: stat.stx_nlink,
        xattrs: Vec::new(),
    })
}
