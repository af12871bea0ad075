//! Extended attributes, read as they are.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use base::limits::{XATTR_BYTES_MAX, XATTRS_BYTES_MAX, XATTRS_PER_ENTRY_MAX};
use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use crate::problem::Reason;
use crate::sys;

/// Attributes as an entry has them: sorted by name.
pub(super) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Where attributes are read from.
pub(super) enum Place<'a> {
    /// Something opened for reading.
    Open(BorrowedFd<'a>),
    /// A name below a directory that is open: whatever kind of thing it is, a symbolic link included.
    Name(BorrowedFd<'a>, &'a CStr),
}

impl<'a> Place<'a> {
    /// Returns the place of `name` in `dir`.
    pub(super) fn at(dir: BorrowedFd<'a>, name: &'a CStr) -> Self {
        Self::Name(dir, name)
    }

    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => flistxattr(fd, into),
            Self::Name(dir, name) => match sys::listxattrat(*dir, name, into) {
                // A system call filter may say `PERM` of what it does not know.
                Err(Errno::NOSYS | Errno::PERM) => llistxattr(through_proc(*dir, name), into),
                listed => listed,
            },
        }
    }

    fn get(&self, attribute: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => fgetxattr(fd, attribute, into),
            Self::Name(dir, name) => lgetxattr(through_proc(*dir, name), attribute, into),
        }
    }
}

/// Returns a path to `name` in `dir`, for calls that take no directory: `/proc` leads to it, and the name is not followed. It
/// takes the kernel four times as long.
fn through_proc(dir: BorrowedFd<'_>, name: &CStr) -> CString {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).expect("a C string holds no zero")
}

/// Runs `call` with a small buffer on the stack, then with the largest there is.
fn sized(limit: usize, call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; 512];
    match call(&mut small) {
        Ok(len) => Ok(small[..len].to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; limit];
            let len = call(&mut large)?;
            large.truncate(len);
            large.shrink_to_fit();
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}

/// Reads all attributes into `into`. What cannot be read is left out, and the first reason returned.
pub(super) fn read(place: &Place<'_>, into: &mut Xattrs) -> Result<(), Reason> {
    into.clear();
    // XATTR_LIST_MAX is 64 KiB.
    let list = match sized(64 << 10, |buffer| place.list(buffer)) {
        Ok(list) => list,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    let mut trouble = Ok(());
    let mut room = XATTRS_BYTES_MAX;
    for name in list.split_inclusive(|b| *b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        match sized(XATTR_BYTES_MAX, |buffer| place.get(name, buffer)) {
            Ok(value) => {
                let bytes = name.count_bytes() + value.len();
                if into.len() == XATTRS_PER_ENTRY_MAX || bytes > room {
                    trouble = trouble.and(Err(Reason::TooLarge));
                    continue;
                }
                room -= bytes;
                into.push((name.to_bytes().to_vec(), value));
            }
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(Errno::RANGE | Errno::TOOBIG) => trouble = trouble.and(Err(Reason::TooLarge)),
            Err(errno) => trouble = trouble.and(Err(errno.into())),
        }
    }
    into.sort_unstable();
    trouble
}
