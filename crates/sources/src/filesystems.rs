//! What is known of kinds of file system, by the numbers of linux/magic.h (`statfs.f_type`).

use rustix::fs::FsWord;

const BTRFS: FsWord = 0x9123_683e;

/// Those that this machine alone writes to: they keep files on its disks, or in its memory.
const OF_THIS_MACHINE: [FsWord; 6] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    BTRFS,
    0x0102_1994, // tmpfs
    0xf2f5_2010, // f2fs
    0xca45_1a4e, // bcachefs
];

/// Those that the kernel makes up: proc, sysfs, debugfs, tracefs, securityfs, selinuxfs, smackfs, cgroup, cgroup2, devpts,
/// pstore, efivarfs, bpf, configfs, fusectl, binfmt_misc, mqueue, nsfs, hugetlbfs, autofs, rpc_pipefs.
const MADE_UP: [FsWord; 21] = [
    0x9fa0,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xf97c_ff8c,
    0x4341_5d53,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x6165_676c,
    0xde5e_81e4,
    0xcafe_4a11,
    0x6265_6570,
    0x6573_5543,
    0x4249_4e4d,
    0x1980_0202,
    0x6e73_6673,
    0x9584_58f6,
    0x0187,
    0x6759_6969,
];

/// Returns whether a file system is written to by this machine alone, so that what it says of a file is true.
pub(crate) fn is_of_this_machine(kind: FsWord) -> bool {
    OF_THIS_MACHINE.contains(&kind)
}

/// Returns whether a file system also hands out handles and tells of every change. A subvolume of btrfs cannot be followed
/// by itself.
pub(crate) fn tells_of_everything(kind: FsWord) -> bool {
    is_of_this_machine(kind) && kind != BTRFS
}

/// Returns whether a file system has parts that can be mounted by themselves.
pub(crate) fn has_subvolumes(kind: FsWord) -> bool {
    kind == BTRFS
}

/// Returns whether a file system holds no data.
pub(crate) fn is_made_up(kind: FsWord) -> bool {
    MADE_UP.contains(&kind)
}
