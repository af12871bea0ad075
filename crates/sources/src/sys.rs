//! What the safe wrappers of `rustix` do not offer: account names, btrfs subvolumes (in [`btrfs`]), fanotify and file handles, what a file system is called, reading a given number of
//! bytes to the end of a vector without zeroing them first, and how the C library keeps freed memory.
//!
//! The only module with `unsafe`. Every function here is one system or library call made safe.
#![allow(unsafe_code)]

pub(crate) mod btrfs;

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use base::limits;
use rustix::io::Errno;
use rustix::ioctl::{Getter, ioctl, opcode};

/// Runs one of the `get..._r` functions with a growing buffer and returns what `pick` reads from its answer.
fn account<T, R>(
    call: impl Fn(*mut T, *mut libc::c_char, usize, *mut *mut T) -> libc::c_int,
    pick: impl Fn(&T) -> R,
) -> Option<R> {
    let mut buffer = vec![0; 1 << 12];
    loop {
        let mut record = MaybeUninit::<T>::uninit();
        let mut found = std::ptr::null_mut();
        match call(
            record.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut found,
        ) {
            libc::EINTR => {}
            libc::ERANGE if buffer.len() < limits::ACCOUNT_BYTES_MAX => {
                buffer.resize(buffer.len() * 4, 0)
            }
            0 if !found.is_null() => {
                // SAFETY: the call succeeded and `found` points to `record`, which it filled; the strings it
                // points to live in `buffer`, which outlives `pick`.
                return Some(pick(unsafe { &*found }));
            }
            _ => return None,
        }
    }
}

/// Returns a copy of the name a record points to.
///
/// # Safety
/// `name` is null or a terminated string: the name field of a record that a `get..._r` call filled.
unsafe fn name_at(name: *const libc::c_char) -> Vec<u8> {
    if name.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_bytes().to_vec()
}

/// Returns a user's name, asking all name services of the system.
pub(crate) fn user_name(uid: u32) -> Option<Vec<u8>> {
    // SAFETY: all pointers are valid for the call, the length is the buffer's, and the name is the record's.
    account(
        |r, b, n, f| unsafe { libc::getpwuid_r(uid, r, b, n, f) },
        |r: &libc::passwd| unsafe { name_at(r.pw_name) },
    )
}

/// Returns a group's name.
pub(crate) fn group_name(gid: u32) -> Option<Vec<u8>> {
    // SAFETY: as in `user_name`.
    account(
        |r, b, n, f| unsafe { libc::getgrgid_r(gid, r, b, n, f) },
        |r: &libc::group| unsafe { name_at(r.gr_name) },
    )
}

/// Returns the number of the user called `name`.
pub(crate) fn user_id(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: as in `user_name`; `name` is terminated.
    account(
        |r, b, n, f| unsafe { libc::getpwnam_r(name.as_ptr(), r, b, n, f) },
        |r: &libc::passwd| r.pw_uid,
    )
}

/// Returns the number of the group called `name`.
pub(crate) fn group_id(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: as in `user_id`.
    account(
        |r, b, n, f| unsafe { libc::getgrnam_r(name.as_ptr(), r, b, n, f) },
        |r: &libc::group| r.gr_gid,
    )
}

/// Reads at most `len` bytes at `offset` to the end of `into`, in one call, and returns how many there were.
pub(crate) fn read_at(
    fd: BorrowedFd<'_>,
    offset: u64,
    len: usize,
    into: &mut Vec<u8>,
) -> Result<usize, Errno> {
    into.reserve(len);
    let (read, _) = rustix::io::pread(fd, &mut into.spare_capacity_mut()[..len], offset)?;
    let read = read.len();
    // SAFETY: the first `read` bytes of the spare capacity were just written.
    unsafe { into.set_len(into.len() + read) };
    Ok(read)
}

/// Lists the extended attributes of `name` in `dir`, which is not followed; `NOSYS` before Linux 6.13.
pub(crate) fn listxattrat(
    dir: BorrowedFd<'_>,
    name: &CStr,
    into: &mut [u8],
) -> Result<usize, Errno> {
    /// `__NR_listxattrat` (include/uapi/asm-generic/unistd.h), the same number everywhere but on alpha.
    const LISTXATTRAT: libc::c_long = 465;
    // SAFETY: the pointers are to a terminated name and to a buffer with its length, which outlive the call.
    let len = unsafe {
        libc::syscall(
            LISTXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            into.as_mut_ptr(),
            into.len(),
        )
    };
    usize::try_from(len).map_err(|_| last_errno())
}

/// Opens a queue of events that tells names and files instead of descriptors; see fanotify(7). A read of an empty one
/// fails with `AGAIN`.
pub(crate) fn fanotify() -> Result<OwnedFd, Errno> {
    let told = libc::FAN_REPORT_FID | libc::FAN_REPORT_DIR_FID | libc::FAN_REPORT_NAME;
    let flags = libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | told;
    let opened_as = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_LARGEFILE;
    // SAFETY: takes two numbers.
    let fd = unsafe { libc::fanotify_init(flags, opened_as.unsigned_abs()) };
    match fd {
        -1 => Err(last_errno()),
        // SAFETY: it was just opened, and nobody else knows it.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// Adds kinds of events to those that a queue hears of the whole file system that `of` is on, or takes them away.
pub(crate) fn fanotify_mark(
    queue: BorrowedFd<'_>,
    what: MarkAction,
    events: u64,
    of: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let action = match what {
        MarkAction::Add => libc::FAN_MARK_ADD,
        MarkAction::Remove => libc::FAN_MARK_REMOVE,
    };
    let flags = action | libc::FAN_MARK_FILESYSTEM;
    // SAFETY: both descriptors are open for the call; no path at all means the second itself.
    let done = unsafe {
        libc::fanotify_mark(
            queue.as_raw_fd(),
            flags,
            events,
            of.as_raw_fd(),
            std::ptr::null(),
        )
    };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// What to do with a mark.
#[derive(Clone, Copy)]
pub(crate) enum MarkAction {
    Add,
    Remove,
}

/// Most bytes of a file handle (MAX_HANDLE_SZ, linux/fcntl.h).
const HANDLE_BYTES_MAX: usize = 128;

/// `struct file_handle`, with the room that any handle needs.
#[repr(C)]
struct RawHandle {
    bytes: u32,
    kind: i32,
    handle: [u8; HANDLE_BYTES_MAX],
}

/// Returns the handle of what `path` leads to, following links at its end: what names a file as long as it exists, its
/// file system given. `NOTSUP` where there are none that files can be opened by.
pub(crate) fn handle_of(dir: BorrowedFd<'_>, path: &CStr) -> Result<(i32, Vec<u8>), Errno> {
    let mut raw = RawHandle {
        bytes: HANDLE_BYTES_MAX as u32,
        kind: 0,
        handle: [0; HANDLE_BYTES_MAX],
    };
    let mut mount: libc::c_int = 0;
    // SAFETY: the pointers are to a terminated path, to a handle that says how much room it has, and to a number; all
    // live longer than the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_raw_fd(),
            path.as_ptr(),
            &raw mut raw,
            &raw mut mount,
            libc::AT_EMPTY_PATH | libc::AT_SYMLINK_FOLLOW,
        )
    };
    if done != 0 {
        return Err(last_errno());
    }
    let len = (raw.bytes as usize).min(HANDLE_BYTES_MAX);
    Ok((raw.kind, raw.handle[..len].to_vec()))
}

/// Opens the file of a handle on the file system that `mount` is on, without access to its content. `STALE` if there
/// is none any more.
pub(crate) fn open_handle(
    mount: BorrowedFd<'_>,
    kind: i32,
    handle: &[u8],
) -> Result<OwnedFd, Errno> {
    let mut raw = RawHandle {
        bytes: u32::try_from(handle.len()).map_err(|_| Errno::INVAL)?,
        kind,
        handle: [0; HANDLE_BYTES_MAX],
    };
    let room = raw.handle.get_mut(..handle.len());
    room.ok_or(Errno::INVAL)?.copy_from_slice(handle);
    // SAFETY: the descriptor is open and the pointer is to a handle that says how long it is, which is not more than its
    // room.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            &raw mut raw,
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    match i32::try_from(fd) {
        // SAFETY: it was just opened, and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(last_errno()),
    }
}

/// `struct fsuuid2` of linux/fs.h.
#[repr(C)]
struct FileSystemUuid {
    len: u8,
    uuid: [u8; 16],
}

const _: () = assert!(size_of::<FileSystemUuid>() == 17);
/// `FS_IOC_GETFSUUID`.
const GET_FILE_SYSTEM_UUID: rustix::ioctl::Opcode = opcode::read::<FileSystemUuid>(0x15, 0);

/// Returns the uuid of the file system that is open; `None` where it has none, or before Linux 6.9.
pub(crate) fn file_system_uuid(fd: BorrowedFd<'_>) -> Option<[u8; 16]> {
    // SAFETY: the opcode takes a pointer to this structure and fills it, whatever it held before; every bit pattern is
    // one of its values.
    let found = unsafe { ioctl(fd, Getter::<GET_FILE_SYSTEM_UUID, FileSystemUuid>::new()) };
    found
        .ok()
        .filter(|found| usize::from(found.len) == found.uuid.len())
        .map(|found| found.uuid)
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Lets the C library give freed memory back instead of keeping it in case it is wanted again.
///
/// Chunks and packs are megabytes, made by one thread and freed by another. As it is by default, the library keeps
/// an arena for each thread and, once a pack was freed, carves packs out of them: twice as much is held as is used.
/// Does nothing with other C libraries. To be called before there are threads.
pub fn hold_little_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_ARENA_MAX, limits::MALLOC_ARENAS_MAX),
        (libc::M_MMAP_THRESHOLD, limits::MALLOC_MMAP_BYTES),
        (libc::M_TRIM_THRESHOLD, limits::MALLOC_KEPT_BYTES_MAX),
    ] {
        // SAFETY: takes two numbers and touches nothing but the allocator's own parameters. A value that it does
        // not take leaves things as they are.
        unsafe { libc::mallopt(parameter, value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_accounts_agree() {
        assert_eq!(user_name(0).as_deref(), Some(&b"root"[..]));
        assert_eq!(group_name(0).as_deref(), Some(&b"root"[..]));
        assert_eq!((user_id(b"root"), group_id(b"root")), (Some(0), Some(0)));
        assert_eq!(user_name(3_999_999_999), None);
        assert_eq!(user_id(b"no such user"), None);
        assert_eq!(group_id(b"nul\0"), None);
    }
}
