//! What a thread of a walk does: read names, look at entries.

use std::ffi::{CStr, CString};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError};

use base::limits::PATH_DEPTH_MAX;
use format::entry::FileKey;
use rustix::fs::{Statx, StatxAttributes, fstatfs};
use rustix::io::Errno;

use super::schedule::{Place, Subdirs, Task};
use super::{Event, Found, Shared, is_directory};
use crate::files::dir::Dir;
use crate::files::handle::Handle;
use crate::files::names::{Listing, Names};
use crate::files::path;
use crate::files::stat::{self, Identity};
use crate::filesystems;
use crate::problem::{Op, Problem, Reason};
use crate::snapshot::is_hidden_place;

/// Works until the walk is finished or stopped.
pub(super) fn run(shared: &Arc<Shared>) {
    let _guard = PanicGuard(shared);
    while let Some(task) = next_task(shared) {
        match task {
            Task::List(place, dir) => {
                let (listing, problem) = list(shared, dir);
                let next = {
                    let mut schedule = shared.schedule();
                    let next = schedule.listed(place, listing);
                    // Other threads can help with a large directory.
                    shared.wake_worker(&schedule);
                    next
                };
                if let Some(Task::Look(place, listing, batch, range)) = next {
                    look(shared, &place, &listing, (batch, range), problem);
                }
            }
            Task::Look(place, listing, batch, range) => {
                look(shared, &place, &listing, (batch, range), None);
            }
        }
    }
}

/// Tells the consumer that a thread died: otherwise it would wait for ever.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.schedule().fail();
            self.0.ready.notify_all();
            self.0.work.notify_all();
        }
    }
}

fn next_task(shared: &Shared) -> Option<Task> {
    let mut schedule = shared.schedule();
    loop {
        if schedule.is_finished() {
            return None;
        }
        if let Some(task) = schedule.begin() {
            shared.wake_worker(&schedule);
            return Some(task);
        }
        schedule.waits();
        schedule = shared
            .work
            .wait(schedule)
            .unwrap_or_else(PoisonError::into_inner);
        schedule.woken();
    }
}

/// Reads a directory's names and drops what is left out. What cannot be read has no names, and a problem.
fn list(shared: &Shared, dir: Arc<Dir>) -> (Arc<Listing>, Option<Problem>) {
    let (names, read) = match read_names(shared, &dir) {
        Ok((names, read)) => (names, read),
        Err(reason) => (Names::default(), Err(reason)),
    };
    let problem = read.err().map(|reason| {
        let components = dir.components();
        Problem {
            key: path::directory_key(&components).unwrap_or_else(|_| FileKey::root()),
            path: components.join(&b'/'),
            op: Op::List,
            reason,
        }
    });
    if let Some(on_listed) = &shared.on_listed {
        on_listed(&dir.components().join(&b'/'));
    }
    (Arc::new(Listing::new(dir, names)), problem)
}

fn read_names(shared: &Shared, dir: &Arc<Dir>) -> Result<(Names, Result<(), Reason>), Reason> {
    if dir.depth >= PATH_DEPTH_MAX {
        return Err(Reason::PathTooLong);
    }
    let fd = dir.fd()?;
    if dir.begins_mount() && filesystems::is_made_up(fstatfs(&*fd)?.f_type) {
        return Ok((Names::default(), Ok(())));
    }
    let (mut names, read) = match &dir.only {
        Some(only) => (Names::of(only.names())?, Ok(())),
        None => Names::read(fd.as_fd()),
    };
    if dir.depth > 0 {
        let has = |names: &Names, name: &[u8]| match dir.only {
            // The names are not all that there are.
            Some(_) => CString::new(name).is_ok_and(|name| stat::at(fd.as_fd(), &name).is_ok()),
            None => names.find(name).is_some(),
        };
        shared.excludes.keep_markers(fd.as_fd(), &mut names, has);
    }
    if shared.excludes.by_path() {
        let mut path = dir.components().join(&b'/');
        if !path.is_empty() {
            path.push(b'/');
        }
        shared.excludes.drop_matches(&path, &mut names);
    }
    Ok((names, read))
}

/// Looks at a batch of a directory's entries and hands in what was found.
fn look(
    shared: &Arc<Shared>,
    place: &Place,
    listing: &Arc<Listing>,
    (batch, range): (usize, Range<usize>),
    problem: Option<Problem>,
) {
    let mut found = Vec::with_capacity(range.len() + usize::from(problem.is_some()));
    found.extend(problem.map(Event::Problem));
    let mut subdirs = Subdirs::default();
    match listing.dir.fd() {
        Ok(fd) => {
            let looker = Looker {
                shared,
                listing,
                dir: fd.as_fd(),
            };
            looker.look(range, &mut found, &mut subdirs);
        }
        // Listed a moment ago, and gone now.
        Err(reason) => {
            found.extend(range.map(|i| Event::Problem(listing.problem(i, Op::Stat, reason))))
        }
    }
    let mut schedule = shared.schedule();
    if schedule.looked(place, batch, found, subdirs) {
        shared.ready.notify_all();
    }
    // Subdirectories may have become known. This thread takes the first itself, and wakes another for the next.
}

/// Looks at entries of one directory.
struct Looker<'a> {
    shared: &'a Arc<Shared>,
    listing: &'a Arc<Listing>,
    dir: BorrowedFd<'a>,
}

impl Looker<'_> {
    fn look(&self, range: Range<usize>, found: &mut Vec<Event>, subdirs: &mut Subdirs) {
        let names = &self.listing.names;
        let first = range.start;
        // Disks that seek like requests in the order in which inodes lie.
        let mut order: Vec<usize> = range.clone().collect();
        order.sort_unstable_by_key(|i| names.inode(*i));
        let mut stats = vec![None; range.len()];
        for i in order {
            stats[i - first] = Some(stat::at(self.dir, names.get(i)));
        }
        let mut owners = stat::Names::new(&self.shared.owners);
        for (i, stat) in range.zip(stats) {
            match stat.expect("every entry was looked at") {
                Ok(stat) => self.take(i, &stat, &mut owners, (found, subdirs)),
                // Nobody has said that it is there.
                Err(Errno::NOENT) if self.listing.dir.only.is_some() => {}
                Err(errno) => found.push(Event::Problem(self.listing.problem(
                    i,
                    Op::Stat,
                    errno.into(),
                ))),
            }
        }
    }

    fn take(
        &self,
        i: usize,
        stat: &Statx,
        owners: &mut stat::Names<'_>,
        (found, subdirs): (&mut Vec<Event>, &mut Subdirs),
    ) {
        let directory = is_directory(stat);
        if self.is_left_out(i, stat, directory) {
            return;
        }
        let Some(entry) = stat::entry(stat, self.shared.device(stat), owners) else {
            found.push(Event::Problem(self.listing.problem(
                i,
                Op::Stat,
                Reason::Unsupported,
            )));
            return;
        };
        let key = match self.listing.checked_key(i) {
            Ok(key) => key,
            Err(bad) => {
                found.push(Event::Problem(self.listing.problem(
                    i,
                    Op::Stat,
                    bad.into(),
                )));
                return;
            }
        };
        let name = self.listing.names.get(i);
        if directory && self.is_entered(name, stat) {
            subdirs.push(name, Identity::from(stat), stat.stx_mnt_id);
        }
        let handle = Handle::new(self.shared.clone(), self.listing.clone(), i, stat);
        let missing = directory && self.is_stub(stat);
        found.push(Event::Entry(Found { key, entry, handle }));
        if missing {
            let problem = self.listing.problem(i, Op::List, Reason::NotInSnapshot);
            found.push(Event::Problem(problem));
        }
    }

    /// Returns whether it stands for a subvolume that a btrfs snapshot does not have (inode 2,
    /// `BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`), and that is wanted.
    fn is_stub(&self, stat: &Statx) -> bool {
        stat.stx_ino == 2 && self.shared.device_as.is_some() && !self.shared.one_file_system
    }

    /// Returns whether it is left out after all: what the directory did not tell the kind of, and Dozo's own.
    fn is_left_out(&self, i: usize, stat: &Statx, directory: bool) -> bool {
        let excludes = &self.shared.excludes;
        (directory && self.is_own(i, stat))
            || (excludes.by_path()
                && self.listing.names.kind(i) == rustix::fs::FileType::Unknown
                && excludes.matches(&self.listing.path(i), directory))
    }

    /// Returns whether a directory is Dozo's own: one that is named in the options, or that is the same in a snapshot of it, and
    /// wherever snapshots are kept.
    fn is_own(&self, i: usize, stat: &Statx) -> bool {
        let excludes = &self.shared.excludes;
        let stands_for = Identity {
            device: self.shared.device(stat),
            inode: stat.stx_ino,
        };
        let dir = self.listing.dir.identity;
        excludes.leaves_out(Identity::from(stat))
            || excludes.leaves_out(stands_for)
            || is_hidden_place(self.dir, dir.inode, self.listing.names.get(i))
    }

    /// Returns whether the walk goes into a directory.
    fn is_entered(&self, name: &CStr, stat: &Statx) -> bool {
        let dir = &self.listing.dir;
        let is_wanted = dir.only.as_ref().is_none_or(|only| only.enters(name));
        if !is_wanted || stat.stx_attributes.contains(StatxAttributes::AUTOMOUNT) {
            return false;
        }
        !self.shared.one_file_system
            || (stat.stx_mnt_id == dir.mount && Identity::from(stat).device == dir.identity.device)
    }
}
