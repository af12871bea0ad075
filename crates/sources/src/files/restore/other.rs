//! Everything that is neither directory nor regular file, and further names of files.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{
    AtFlags, FileType, Mode, Statx, linkat, makedev, mknodat, readlinkat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::links::FileId;
use super::meta::Meta;
use super::{Chosen, Made, Replaces, Shared, Standing, in_the_way, lock, mark, problem, publish};
use crate::files::stat::{self, Identity};
use crate::problem::{Op, Problem, Reason};

/// Makes an entry; see [`super::Target::other`].
pub(super) fn make(shared: &Shared, key: &FileKey, entry: &FileEntry) -> Result<Made, Problem> {
    make_entry(shared, key, entry).map_err(|reason| problem(key, Op::Create, reason))
}

fn make_entry(shared: &Shared, key: &FileKey, entry: &FileEntry) -> Result<Made, Reason> {
    let spot = shared.spot(key)?;
    let dir = spot.dir.fd.as_fd();
    let judge = |_, name: &CStr, standing: &Statx| match is_same(dir, name, standing, entry) {
        true => Standing::Same,
        false => Standing::Other,
    };
    let remember = |name: &CStr| {
        if entry.links > 1 {
            let identity = Identity::from(&stat::at(dir, name)?);
            shared.remember(&spot, name, FileId::of(entry), identity);
        }
        Ok(())
    };
    let place = match shared.choose(&spot, 0, judge)? {
        Chosen::Keep => return Ok(Made::Kept),
        Chosen::Same { name, .. } => return remember(&name).map(|()| Made::Same),
        Chosen::Make(place) => place,
    };
    let (part, ()) = shared.with_part(dir, &place.name, |part| node(dir, part, &entry.node))?;
    let link = matches!(entry.node, Node::Symlink(_));
    let meta = Meta::new(entry, &shared.owners, false);
    meta.set_at(dir, &part, link, &mut |op, reason| {
        shared.report(key, op, reason)
    });
    publish(dir, &part, &place)?;
    remember(&place.name)?;
    Ok(place.made)
}

/// Returns the kind of a node and the device number to make it with, as the system has it.
fn kind_of(node: &Node) -> (FileType, u64) {
    let device = |number: u64| makedev((number >> 32) as u32, number as u32);
    match node {
        Node::Directory => (FileType::Directory, 0),
        Node::File(_) => (FileType::RegularFile, 0),
        Node::Symlink(_) => (FileType::Symlink, 0),
        Node::Fifo => (FileType::Fifo, 0),
        Node::Socket => (FileType::Socket, 0),
        Node::CharDevice(number) => (FileType::CharacterDevice, device(*number)),
        Node::BlockDevice(number) => (FileType::BlockDevice, device(*number)),
    }
}

fn node(dir: BorrowedFd<'_>, name: &CStr, node: &Node) -> Result<(), Errno> {
    match node {
        Node::Symlink(target) => symlinkat(
            CString::new(target.as_slice()).map_err(|_| Errno::INVAL)?,
            dir,
            name,
        ),
        Node::Directory | Node::File(_) => Err(Errno::NOTSUP),
        other => {
            let (kind, device) = kind_of(other);
            mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)
        }
    }
}

/// Returns whether `name` is already what `entry` says.
pub(super) fn is_same(
    dir: BorrowedFd<'_>,
    name: &CStr,
    standing: &Statx,
    entry: &FileEntry,
) -> bool {
    let (kind, device) = kind_of(&entry.node);
    if stat::kind(standing) != kind {
        return false;
    }
    match &entry.node {
        Node::Symlink(target) => {
            readlinkat(dir, name, Vec::new()).is_ok_and(|found| found.as_bytes() == target)
        }
        _ => makedev(standing.stx_rdev_major, standing.stx_rdev_minor) == device,
    }
}

/// Makes a further name of a file; see [`super::Target::link`].
pub(super) fn link(shared: &Shared, key: &FileKey, entry: &FileEntry) -> Result<Made, Problem> {
    link_entry(shared, key, entry).map_err(|reason| problem(key, Op::Create, reason))
}

fn link_entry(shared: &Shared, key: &FileKey, entry: &FileEntry) -> Result<Made, Reason> {
    let written = lock(&shared.links)
        .next(entry)?
        .ok_or(Reason::LinkMissing)?;
    let spot = shared.spot(key)?;
    let judge = |_, _: &CStr, standing: &Statx| {
        if Identity::from(standing) == written.identity {
            Standing::Same
        } else if mark::is_unfinished(entry, standing, &shared.owners, spot.dir.ours) {
            // A name that a run before gave to a file that a power cut tore.
            Standing::Unfinished
        } else {
            Standing::Other
        }
    };
    let place = match shared.choose(&spot, 0, judge)? {
        Chosen::Keep => return Ok(Made::Kept),
        Chosen::Same { .. } => return Ok(Made::Same),
        Chosen::Make(place) => place,
    };
    let from = shared.dirs.find(&written.dir)?;
    let dir = spot.dir.fd.as_fd();
    let to = |name: &CStr| linkat(&from.fd, &written.name, dir, name, AtFlags::empty());
    let check = |name: &CStr| {
        // Somebody may have put something else where the first one was.
        if Identity::from(&stat::at(dir, name)?) == written.identity {
            return Ok(());
        }
        unlinkat(dir, name, AtFlags::empty())?;
        Err(Reason::Replaced)
    };
    if place.replaces != Replaces::Nothing {
        let (part, ()) = shared.with_part(dir, &place.name, to)?;
        check(&part)?;
        publish(dir, &part, &place)?;
    } else {
        to(&place.name).map_err(in_the_way)?;
        check(&place.name)?;
    }
    Ok(place.made)
}
