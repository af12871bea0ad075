//! How what is in the making tells itself: by modes that nobody uses.
//!
//! A directory in the making is sticky and private (`01700`) until all below it is durable and it gets its
//! metadata. So whatever a power cut tore stands in such a directory, and there a file that has its entry's
//! time is this restore's work, whole or torn. A file that has no time yet, because it is being written, carries the mark
//! of files.
//!
//! A file in a directory that stood there before, and a file with several names, which may lie in both kinds of
//! directories, is marked itself (`01600`) until its content is durable. It has all other metadata already.
//!
//! A file that replaces another is durable before it takes its place, and so is one on a file system that keeps no
//! such mark. Where directories keep none either (FAT), a file that was torn in one is taken for somebody else's.
//!
//! Symbolic links, pipes, sockets and devices need no mark: what they are is metadata, which file systems
//! journal with the name, so that a power cut leaves them whole or not at all.

use format::entry::{FileEntry, Node};
use rustix::fs::{FileType, Mode, Statx};

use crate::files::owners::Owners;
use crate::files::stat;

/// The mode of a directory in the making.
pub(super) const DIRECTORY: Mode = Mode::SVTX.union(Mode::RWXU);

/// The mode of a file whose content may not be durable yet.
pub(super) const FILE: Mode = Mode::SVTX.union(Mode::RUSR).union(Mode::WUSR);

/// The attribute that holds a file's capabilities.
pub(super) const CAPABILITY: &[u8] = b"security.capability";

fn is_us(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw()
}

/// Returns whether a directory was made by us, now or in a run that was killed, and has no metadata yet. The
/// set-group-ID bit may be its parent's doing and does not count.
pub(super) fn is_our_directory(directory: &Statx) -> bool {
    let mode = Mode::from_raw_mode(u32::from(directory.stx_mode)) - Mode::SGID;
    mode == DIRECTORY && is_us(directory.stx_uid)
}

/// Returns whether it is a regular file that carries the mark.
pub(super) fn is_marked(standing: &Statx) -> bool {
    stat::kind(standing) == FileType::RegularFile
        && Mode::from_raw_mode(u32::from(standing.stx_mode)) == FILE
}

/// Returns whether what stands there is a file of ours that still carries its mark.
pub(super) fn is_our_file(entry: &FileEntry, standing: &Statx, owners: &Owners) -> bool {
    is_marked(standing) && is_mine(entry, standing, owners) && may_mark(entry, owners)
}

/// Returns whether what stands there is this restore's work on `entry`, and replaced if it is not whole,
/// whatever the conflict rule says. `dir_is_ours`: it stands in a directory in the making, where a file that carries the mark
/// may be without its time and owner yet.
pub(super) fn is_unfinished(
    entry: &FileEntry,
    standing: &Statx,
    owners: &Owners,
    dir_is_ours: bool,
) -> bool {
    let is_begun = || is_marked(standing) && is_owned(entry, standing, owners);
    dir_is_ours && (is_mine(entry, standing, owners) || is_begun())
        || is_our_file(entry, standing, owners)
}

/// Returns whether a file has what every restored file has from the moment it is complete: its time to the
/// nanosecond, its owner (or us, where that cannot be set), and never more bytes than it should.
fn is_mine(entry: &FileEntry, standing: &Statx, owners: &Owners) -> bool {
    is_owned(entry, standing, owners) && stat::modified_ns(standing) == entry.mtime_ns
}

fn is_owned(entry: &FileEntry, standing: &Statx, owners: &Owners) -> bool {
    matches!(entry.node, Node::File(_))
        && stat::kind(standing) == FileType::RegularFile
        && standing.stx_size <= entry.size
        && (is_us(standing.stx_uid) || standing.stx_uid == owners.uid(&entry.user, entry.uid))
}

/// Returns whether a file may stand under its name before it has its mode. Who owns it can open it for writing
/// meanwhile, and would hold in hand what gets privileges later: so not if it will have any, unless it is ours.
pub(super) fn may_mark(entry: &FileEntry, owners: &Owners) -> bool {
    let privileged = entry.mode & 0o4000 != 0
        // Without the group's right to execute, the bit gives nobody anything.
        || entry.mode & 0o2010 == 0o2010
        || entry.xattrs.iter().any(|(name, _)| name == CAPABILITY);
    !privileged || is_us(owners.uid(&entry.user, entry.uid))
}
