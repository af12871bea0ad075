//! Owner, attributes, mode and times, set in the order in which none undoes another.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use format::entry::FileEntry;
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Statx, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmod,
    chownat, fchmod, fchown, flistxattr, fremovexattr, fsetxattr, futimens, lsetxattr, openat,
    utimensat,
};
use rustix::io::Errno;

use super::mark::{self, CAPABILITY};
use crate::files::owners::Owners;
use crate::files::stat;
use crate::files::xattr::Xattrs;
use crate::problem::{Op, Reason};

/// Hears what could not be set.
pub(super) type Report<'a> = &'a mut dyn FnMut(Op, Reason);

/// What is set on an entry beside its content.
pub(super) struct Meta {
    mode: u16,
    uid: u32,
    gid: u32,
    mtime_ns: i64,
    xattrs: Xattrs,
    /// It may have attributes that it should not have.
    clean: bool,
    /// It has its owner and group already.
    is_owned: bool,
}

impl Meta {
    /// Returns what `entry` says, with its owner's number as it is here.
    pub(super) fn new(entry: &FileEntry, owners: &Owners, clean: bool) -> Self {
        Self {
            mode: entry.mode & 0o7777,
            uid: owners.uid(&entry.user, entry.uid),
            gid: owners.gid(&entry.group, entry.gid),
            mtime_ns: entry.mtime_ns,
            xattrs: entry.xattrs.clone(),
            clean,
            is_owned: false,
        }
    }

    /// Notes whose what was just made is: it often is whose it shall be.
    pub(super) fn is_owned_as(&mut self, made: &Statx) {
        self.is_owned = (self.uid, self.gid) == (made.stx_uid, made.stx_gid);
    }

    fn times(&self) -> Timestamps {
        Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: self.mtime_ns.div_euclid(1_000_000_000),
                tv_nsec: self.mtime_ns.rem_euclid(1_000_000_000),
            },
        }
    }

    /// Returns the mode: without its privileges if they would be somebody else's.
    fn mode(&self, owner_set: bool, report: Report<'_>) -> Mode {
        let mut mode = self.mode;
        if !owner_set && mode & 0o6000 != 0 {
            mode &= !0o6000;
            report(Op::SetMode, Reason::Denied);
        }
        Mode::from_raw_mode(u32::from(mode))
    }

    /// Attributes in the order in which they are set: capabilities last.
    fn xattrs(&self) -> impl Iterator<Item = (CString, &[u8])> {
        let of = |capability: bool| {
            self.xattrs
                .iter()
                .filter(move |(name, _)| (name == CAPABILITY) == capability)
        };
        of(false).chain(of(true)).filter_map(|(name, value)| {
            Some((CString::new(name.as_slice()).ok()?, value.as_slice()))
        })
    }

    /// Sets all on an open file or directory. The mode comes last: it takes a mark away.
    pub(super) fn set_on(&self, fd: BorrowedFd<'_>, report: Report<'_>) {
        let mode = self.set_before_mode(fd, report);
        told(futimens(fd, &self.times()), Op::SetTimes, report);
        told(fchmod(fd, mode), Op::SetMode, report);
    }

    /// Sets all on an open file, but the mark in place of its mode. Returns the mode, which is due when the file
    /// is durable; `None` on a file system that takes no such mark: then it is set. Some (FAT, network shares) say
    /// that they took it and did not, so they are looked at.
    pub(super) fn set_marked(&self, fd: BorrowedFd<'_>, report: Report<'_>) -> Option<Mode> {
        let mode = self.set_before_mode(fd, report);
        let marked = fchmod(fd, mark::FILE).is_ok()
            && stat::of(fd).is_ok_and(|standing| mark::is_marked(&standing));
        if !marked {
            told(fchmod(fd, mode), Op::SetMode, report);
        }
        told(futimens(fd, &self.times()), Op::SetTimes, report);
        marked.then_some(mode)
    }

    /// Sets what has to be set before the mode, and returns the mode.
    fn set_before_mode(&self, fd: BorrowedFd<'_>, report: Report<'_>) -> Mode {
        let owner_set =
            self.is_owned || set_owner(self.uid, self.gid, report, |uid, gid| fchown(fd, uid, gid));
        if self.clean {
            self.remove_others(fd, report);
        }
        set_xattrs(self.xattrs(), report, |name, value| {
            fsetxattr(fd, name, value, XattrFlags::empty())
        });
        self.mode(owner_set, report)
    }

    /// Sets all on `name` in `dir`, which was just made there and is no regular file and no directory.
    pub(super) fn set_at(&self, dir: BorrowedFd<'_>, name: &CStr, link: bool, report: Report<'_>) {
        let owner_set = set_owner(self.uid, self.gid, report, |uid, gid| {
            chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        });
        if !self.xattrs.is_empty() {
            let path = below(dir, name);
            set_xattrs(self.xattrs(), report, |name, value| {
                lsetxattr(path.as_c_str(), name, value, XattrFlags::empty())
            });
        }
        if !link {
            let mode = self.mode(owner_set, report);
            if let Err(reason) = chmod_node(dir, name, |_| true, mode) {
                report(Op::SetMode, reason);
            }
        }
        told(
            utimensat(dir, name, &self.times(), AtFlags::SYMLINK_NOFOLLOW),
            Op::SetTimes,
            report,
        );
    }

    /// Removes attributes that the entry does not have. Those of security modules and of file
    /// systems are the system's own.
    fn remove_others(&self, fd: BorrowedFd<'_>, report: Report<'_>) {
        let mut list = vec![0; 64 << 10];
        let len = match flistxattr(fd, &mut list[..]) {
            Ok(len) => len,
            Err(Errno::NOTSUP) => return,
            Err(errno) => return report(Op::SetXattr, errno.into()),
        };
        for name in list[..len].split_inclusive(|b| *b == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else {
                continue;
            };
            let text = name.to_bytes();
            let ours = text.starts_with(b"user.")
                || text.starts_with(b"trusted.")
                || text.starts_with(b"system.posix_acl_")
                || text == CAPABILITY;
            if !ours || self.xattrs.iter().any(|(wanted, _)| wanted == text) {
                continue;
            }
            match fremovexattr(fd, name) {
                Ok(()) | Err(Errno::NODATA) => {}
                Err(errno) => report(Op::SetXattr, errno.into()),
            }
        }
    }
}

fn told(result: Result<(), Errno>, op: Op, report: Report<'_>) {
    if let Err(errno) = result {
        report(op, errno.into());
    }
}

/// Sets owner and group, or the group alone if that is all that is allowed. Returns whether both are set.
fn set_owner(
    uid: u32,
    gid: u32,
    report: Report<'_>,
    chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
) -> bool {
    // The highest number means "as it is" to the system.
    let (uid, gid) = (
        (uid != u32::MAX).then(|| Uid::from_raw(uid)),
        (gid != u32::MAX).then(|| Gid::from_raw(gid)),
    );
    match chown(uid, gid) {
        Ok(()) => true,
        Err(errno) => {
            let _group_is_better_than_nothing = chown(None, gid);
            report(Op::SetOwner, errno.into());
            false
        }
    }
}

/// Sets attributes, and reports the first that cannot be set.
fn set_xattrs<'a>(
    xattrs: impl Iterator<Item = (CString, &'a [u8])>,
    report: Report<'_>,
    set: impl Fn(&CStr, &[u8]) -> Result<(), Errno>,
) {
    let mut failed = None;
    for (name, value) in xattrs {
        if let Err(errno) = set(&name, value) {
            failed = failed.or(Some(errno));
        }
    }
    if let Some(errno) = failed {
        report(Op::SetXattr, errno.into());
    }
}

/// Returns a path to `name` in `dir` for calls that take nothing else; `name` is not followed.
fn below(dir: BorrowedFd<'_>, name: &CStr) -> CString {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).expect("a C string holds no zero")
}

/// Sets the mode of a node that may not be possible to open without effect: by a descriptor that only names it,
/// so that nothing that takes its place is changed instead; and only if `is_it` says that it is the one.
pub(super) fn chmod_node(
    dir: BorrowedFd<'_>,
    name: &CStr,
    is_it: impl Fn(&Statx) -> bool,
    mode: Mode,
) -> Result<(), Reason> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = openat(dir, name, flags, Mode::empty())?;
    if !is_it(&stat::of(node.as_fd())?) {
        return Err(Reason::Replaced);
    }
    Ok(chmod(format!("/proc/self/fd/{}", node.as_raw_fd()), mode)?)
}
