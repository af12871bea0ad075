//! The calls of btrfs: making and dropping snapshots, what a subvolume is, what is below it, and the differences of two.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::ioctl::{Getter, Setter, Updater, ioctl, opcode};

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

/// `struct btrfs_ioctl_send_args`.
#[repr(C)]
struct SendArgs {
    send_fd: i64,
    clone_sources_count: u64,
    clone_sources: *const u64,
    parent_root: u64,
    flags: u64,
    version: u32,
    reserved: [u8; 28],
}

/// `struct btrfs_ioctl_get_subvol_info_args`.
#[repr(C)]
struct InfoArgs {
    treeid: u64,
    name: [u8; 256],
    parent_id: u64,
    dirid: u64,
    generation: u64,
    flags: u64,
    uuid: [u8; 16],
    parent_uuid: [u8; 16],
    received_uuid: [u8; 16],
    transids: [u64; 4],
    times: [u64; 8],
    reserved: [u64; 8],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct RootRefArgs {
    min_treeid: u64,
    refs: [[u64; 2]; 255],
    count: u8,
    align: [u8; 7],
}

/// `struct btrfs_ioctl_ino_lookup_user_args`.
#[repr(C)]
struct LookupArgs {
    dirid: u64,
    treeid: u64,
    name: [u8; 256],
    path: [u8; 3824],
}

const _: () = assert!(size_of::<VolumeArgs>() == 4096 && size_of::<VolumeArgsV2>() == 4096);
// Where pointers are shorter, so is the kernel's structure.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SendArgs>() == 72);
const _: () = assert!(size_of::<InfoArgs>() == 504);
const _: () = assert!(size_of::<RootRefArgs>() == 4096 && size_of::<LookupArgs>() == 4096);

const BTRFS: u8 = 0x94;
const SNAP_DESTROY: rustix::ioctl::Opcode = opcode::write::<VolumeArgs>(BTRFS, 15);
const SNAP_CREATE_V2: rustix::ioctl::Opcode = opcode::write::<VolumeArgsV2>(BTRFS, 23);
const SEND: rustix::ioctl::Opcode = opcode::write::<SendArgs>(BTRFS, 38);
const GET_SUBVOL_INFO: rustix::ioctl::Opcode = opcode::read::<InfoArgs>(BTRFS, 60);
const GET_SUBVOL_ROOTREF: rustix::ioctl::Opcode = opcode::read_write::<RootRefArgs>(BTRFS, 61);
const INO_LOOKUP_USER: rustix::ioctl::Opcode = opcode::read_write::<LookupArgs>(BTRFS, 62);
const SUBVOL_RDONLY: u64 = 1 << 1;
/// `BTRFS_ROOT_SUBVOL_RDONLY`.
const ROOT_RDONLY: u64 = 1;
const SEND_NO_FILE_DATA: u64 = 1;

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
pub(crate) fn snapshot(
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
pub(crate) fn drop_subvolume(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let args = VolumeArgs {
        fd: 0,
        name: fixed_name(name)?,
    };
    // SAFETY: the opcode takes a pointer to this structure and only reads it.
    unsafe { ioctl(parent, Setter::<SNAP_DESTROY, _>::new(args)) }
}

/// What the kernel says of a subvolume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Its number in its file system.
    pub(crate) id: u64,
    /// What tells it from all others, ever.
    pub(crate) uuid: [u8; 16],
    /// The subvolume that it was made of; zero if none.
    pub(crate) parent: [u8; 16],
    /// Grows with every change, also to one that was read-only for a while.
    pub(crate) generation: u64,
    /// Whether it cannot be written now.
    pub(crate) is_read_only: bool,
}

/// Returns what the subvolume is that `fd` is in. `NOTTY` before Linux 4.18.
pub(crate) fn info(fd: BorrowedFd<'_>) -> Result<Info, Errno> {
    // SAFETY: the opcode takes a pointer to this structure and fills it, whatever it held before; every bit pattern is
    // one of its values.
    let args: InfoArgs = unsafe { ioctl(fd, Getter::<GET_SUBVOL_INFO, InfoArgs>::new())? };
    Ok(Info {
        id: args.treeid,
        uuid: args.uuid,
        parent: args.parent_uuid,
        generation: args.generation,
        is_read_only: args.flags & ROOT_RDONLY != 0,
    })
}

/// Returns number and directory (by its inode) of some subvolumes that stand in the one that `fd` is in: the first from
/// number `from` on, ascending; and whether there are more.
pub(crate) fn subvolumes(fd: BorrowedFd<'_>, from: u64) -> Result<(Vec<(u64, u64)>, bool), Errno> {
    let mut args = RootRefArgs {
        min_treeid: from,
        refs: [[0; 2]; 255],
        count: 0,
        align: [0; 7],
    };
    // SAFETY: the opcode takes a pointer to this structure, reads it and writes into it; every bit pattern is one of its
    // values.
    let done = unsafe {
        ioctl(
            fd,
            Updater::<GET_SUBVOL_ROOTREF, RootRefArgs>::new(&mut args),
        )
    };
    let more = match done {
        Ok(()) => false,
        Err(Errno::OVERFLOW) => true,
        Err(errno) => return Err(errno),
    };
    let found = args.refs.iter().take(usize::from(args.count));
    Ok((found.map(|[id, dir]| (*id, *dir)).collect(), more))
}

/// Returns the path of subvolume `id`, which stands in the directory with inode `dir` of the subvolume whose top `fd` is.
/// `NOENT` if it does not.
pub(crate) fn subvolume_path(fd: BorrowedFd<'_>, id: u64, dir: u64) -> Result<Vec<u8>, Errno> {
    let mut args = LookupArgs {
        dirid: dir,
        treeid: id,
        name: [0; 256],
        path: [0; 3824],
    };
    // SAFETY: as in `subvolumes`.
    unsafe { ioctl(fd, Updater::<INO_LOOKUP_USER, LookupArgs>::new(&mut args))? };
    // The path of the directory ends with a slash, unless it is the top.
    let text = |bytes: &[u8]| bytes.split(|b| *b == 0).next().unwrap_or_default().to_vec();
    Ok([text(&args.path), text(&args.name)].concat())
}

/// Writes what has to be done to snapshot `parent`, given by its number, to get the one that `fd` is the top of, without
/// content of files, into the pipe `into`. Returns when all is written.
pub(crate) fn send(fd: BorrowedFd<'_>, parent: u64, into: BorrowedFd<'_>) -> Result<(), Errno> {
    let sources = [parent];
    let args = SendArgs {
        send_fd: i64::from(into.as_raw_fd()),
        clone_sources_count: 1,
        clone_sources: sources.as_ptr(),
        parent_root: parent,
        flags: SEND_NO_FILE_DATA,
        version: 0,
        reserved: [0; 28],
    };
    // SAFETY: the opcode takes a pointer to this structure and only reads it, and as many numbers as it says from `sources`,
    // which lives longer than the call; the descriptor is open for as long.
    unsafe { ioctl(fd, Setter::<SEND, _>::new(args)) }
}
