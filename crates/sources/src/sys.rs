//! What the safe wrappers of `rustix` do not offer: account names, btrfs subvolumes, reading a given number of
//! bytes to the end of a vector without zeroing them first, and how the C library keeps freed memory.
//!
//! The only module with `unsafe`. Every function here is one system or library call made safe.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use base::limits;
use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl, opcode};

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

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolumeArgs {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2`, its unions as the bytes they take.
#[repr(C)]
struct VolumeArgsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

const _: () = assert!(size_of::<VolumeArgs>() == 4096 && size_of::<VolumeArgsV2>() == 4096);

const BTRFS: u8 = 0x94;
const SNAP_DESTROY: rustix::ioctl::Opcode = opcode::write::<VolumeArgs>(BTRFS, 15);
const SNAP_CREATE_V2: rustix::ioctl::Opcode = opcode::write::<VolumeArgsV2>(BTRFS, 23);
const SUBVOL_RDONLY: u64 = 1 << 1;

/// Copies `name` into a zeroed field that ends with at least one zero.
fn fixed_name<const N: usize>(name: &[u8]) -> Result<[u8; N], Errno> {
    let mut field = [0; N];
    // The kernel takes at most 255 bytes (BTRFS_VOL_NAME_MAX).
    if name.is_empty() || name.len() > 255 || name.contains(&0) || name.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    field[..name.len()].copy_from_slice(name);
    Ok(field)
}

/// Makes a read-only snapshot of the subvolume `source` called `name` in the directory `parent`.
pub(crate) fn btrfs_snapshot(
    parent: BorrowedFd<'_>,
    name: &[u8],
    source: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let args = VolumeArgsV2 {
        fd: i64::from(source.as_fd().as_raw_fd()),
        transid: 0,
        flags: SUBVOL_RDONLY,
        unused: [0; 4],
        name: fixed_name(name)?,
    };
    // SAFETY: the opcode takes a pointer to this structure, reads it, and writes at most `transid` in it: the
    // setter holds its own copy for the call.
    unsafe { ioctl(parent, Setter::<SNAP_CREATE_V2, _>::new(args)) }
}

/// Drops the subvolume or snapshot `name` in the directory `parent`.
pub(crate) fn btrfs_drop(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let args = VolumeArgs {
        fd: 0,
        name: fixed_name(name)?,
    };
    // SAFETY: the opcode takes a pointer to this structure and only reads it.
    unsafe { ioctl(parent, Setter::<SNAP_DESTROY, _>::new(args)) }
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
