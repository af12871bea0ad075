//! Regular files: written without a name, linked when complete. In a directory made by the same run they have their name from
//! the beginning, and the mark of a file in the making: that directory is private, and ext4 takes a fifth less time.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, SeekFrom, Statx, fsync, ftruncate, linkat, openat, seek, unlinkat,
};
use rustix::io::{Errno, pwrite};

use super::links::FileId;
use super::meta::Meta;
use super::{
    Chosen, Conflict, Made, Place, Replaces, Shared, Spot, Standing, in_the_way, is_same_file,
    mark, problem, publish,
};
use crate::files::dir::open_quietly;
use crate::files::stat::{self, Identity};
use crate::problem::{Op, Problem, Reason};
use crate::sys;

/// What [`super::Target::begin_file`] leads to.
pub enum Begun {
    /// Write the content, then finish.
    Write(FileWriter),
    /// A file of the same size and time stands there: perhaps made by a run that was killed.
    Same(Existing),
    /// Something else stands there, and stays.
    Kept,
}

/// A file under way. Dropped before it is finished, it leaves nothing.
pub struct FileWriter {
    shared: Arc<Shared>,
    spot: Spot,
    fd: OwnedFd,
    name: Name,
    place: Place,
    meta: Meta,
    guard: Guard,
    size: u64,
    /// If it has more names.
    id: Option<FileId>,
    /// How far it was written.
    end: AtomicU64,
}

/// The name of a file under way.
enum Name {
    /// None: nobody sees it, and if it is dropped it is gone.
    None,
    /// One in passing, where a file cannot be without.
    Passing(CString),
    /// Its own.
    Own,
}

/// What keeps a file that a power cut tore from being taken for somebody else's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// The mark of the directory it stands in.
    Directory,
    /// Its own mark.
    Mark,
    /// Its content is durable before it appears.
    Sync,
}

/// A file that stands where one is to be restored, with the same size and modification time.
pub struct Existing {
    shared: Arc<Shared>,
    spot: Spot,
    fd: OwnedFd,
    name: CString,
    /// How many names were tried before.
    tried: usize,
    entry: FileEntry,
}

/// Begins a file; see [`super::Target::begin_file`].
pub(super) fn begin(
    shared: &Arc<Shared>,
    key: &FileKey,
    entry: &FileEntry,
) -> Result<Begun, Problem> {
    let begun = match entry.node {
        Node::File(_) => shared
            .spot(key)
            .and_then(|spot| go_on(shared, spot, entry, None)),
        _ => Err(Reason::Unsupported),
    };
    begun.map_err(|reason| problem(key, Op::Create, reason))
}

/// Does what is to be done at a spot. `differs` is the number of a name under which a file stands that has the
/// entry's size and time and was found to have other content.
fn go_on(
    shared: &Arc<Shared>,
    spot: Spot,
    entry: &FileEntry,
    differs: Option<usize>,
) -> Result<Begun, Reason> {
    let judge = |i: usize, _: &CStr, standing: &Statx| {
        if differs != Some(i) && is_same_file(entry, standing) {
            Standing::Same
        } else if mark::is_unfinished(entry, standing, &shared.owners, spot.dir.ours) {
            Standing::Unfinished
        } else {
            Standing::Other
        }
    };
    match shared.choose(&spot, differs.unwrap_or(0), judge)? {
        Chosen::Keep => Ok(Begun::Kept),
        Chosen::Make(place) => write(shared, spot, entry, place).map(Begun::Write),
        Chosen::Same { name, tried } => {
            let fd = open_quietly(&spot.dir.fd, &name, OFlags::NONBLOCK).map_err(in_the_way)?;
            Ok(Begun::Same(Existing {
                shared: shared.clone(),
                spot,
                fd,
                name,
                tried,
                entry: entry.clone(),
            }))
        }
    }
}

fn write(
    shared: &Arc<Shared>,
    spot: Spot,
    entry: &FileEntry,
    place: Place,
) -> Result<FileWriter, Reason> {
    // Another name of it may take the place of something as well.
    let overwrites = entry.links > 1 && shared.options.conflict == Conflict::Overwrite;
    let guard = if place.replaces == Replaces::Another || overwrites {
        // What stands there is whole, and somebody uses it: only what is durable and complete takes its place.
        Guard::Sync
    } else if spot.dir.ours && entry.links <= 1 {
        Guard::Directory
    } else if mark::may_mark(entry, &shared.owners) {
        Guard::Mark
    } else {
        Guard::Sync
    };
    let mut meta = Meta::new(entry, &shared.owners, spot.dir.gives_acl);
    let is_private = spot.dir.fresh && place.replaces == Replaces::Nothing;
    let in_place = match guard {
        Guard::Directory if is_private => create_in_place(spot.dir.fd.as_fd(), &place.name)?,
        Guard::Directory | Guard::Mark | Guard::Sync => None,
    };
    let (fd, name) = match in_place {
        Some((fd, made)) => {
            meta.is_owned_as(&made);
            (fd, Name::Own)
        }
        None => create(shared, spot.dir.fd.as_fd(), &place.name)?,
    };
    Ok(FileWriter {
        meta,
        shared: shared.clone(),
        spot,
        fd,
        name,
        place,
        guard,
        size: entry.size,
        id: (entry.links > 1).then(|| FileId::of(entry)),
        end: AtomicU64::new(0),
    })
}

/// Makes a file that has no name, or not for long.
pub(super) fn nameless(shared: &Shared, dir: BorrowedFd<'_>) -> Result<OwnedFd, Reason> {
    let (fd, name) = create(shared, dir, c"")?;
    if let Name::Passing(part) = name {
        unlinkat(dir, &part, AtFlags::empty())?;
    }
    Ok(fd)
}

/// Makes a file under its own name, with the mark, and tells what was made; `None` on a file system that takes no such mark.
fn create_in_place(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<(OwnedFd, Statx)>, Reason> {
    let fd = openat(dir, name, NEW, mark::FILE).map_err(in_the_way)?;
    let made = stat::of(fd.as_fd());
    if made.as_ref().is_ok_and(mark::is_marked) {
        return Ok(made.ok().map(|made| (fd, made)));
    }
    unlinkat(dir, name, AtFlags::empty())?;
    Ok(None)
}

/// Makes a file without a name, or under a passing one.
fn create(shared: &Shared, dir: BorrowedFd<'_>, name: &CStr) -> Result<(OwnedFd, Name), Reason> {
    match openat(
        dir,
        c".",
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        MODE,
    ) {
        Ok(fd) => Ok((fd, Name::None)),
        Err(Errno::NOTSUP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::NOSYS) => {
            create_named(shared, dir, name)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a file under a passing name: for file systems where none can be without.
fn create_named(
    shared: &Shared,
    dir: BorrowedFd<'_>,
    name: &CStr,
) -> Result<(OwnedFd, Name), Reason> {
    let (part, fd) = shared.with_part(dir, name, |part| openat(dir, part, NEW, MODE))?;
    Ok((fd, Name::Passing(part)))
}

/// How a file is made that has a name.
const NEW: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The mode of a file in the making: nobody else's.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl FileWriter {
    fn problem(&self, op: Op, reason: Reason) -> Problem {
        problem(&self.spot.key, op, reason)
    }

    /// Writes `bytes` at `offset`. What is never written is a hole. Pieces may come in any order, from any thread.
    ///
    /// # Errors
    /// [`Reason::Full`], or what else the system says; the file will not appear.
    pub fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() {
            match pwrite(&self.fd, bytes, offset) {
                Ok(0) => return Err(self.problem(Op::Write, Reason::Full)),
                Ok(len) => {
                    offset += len as u64;
                    bytes = &bytes[len..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.problem(Op::Write, errno.into())),
            }
        }
        self.end.fetch_max(offset, Ordering::Relaxed);
        Ok(())
    }

    /// Sets the size and all metadata and makes the file appear.
    ///
    /// # Errors
    /// [`Reason::InTheWay`] if something appeared under its name meanwhile; others as the system says.
    pub fn finish(mut self) -> Result<Made, Problem> {
        if self.end.load(Ordering::Relaxed) < self.size {
            ftruncate(&self.fd, self.size)
                .map_err(|errno| self.problem(Op::Write, errno.into()))?;
        }
        let (mode, sync) = self.dress();
        self.appear(sync)?;
        if mode.is_some() || self.id.is_some() {
            let stat = stat::of(self.fd.as_fd())
                .map_err(|errno| self.problem(Op::Create, errno.into()))?;
            let (spot, name, identity) = (&self.spot, &self.place.name, Identity::from(&stat));
            if let Some(mode) = mode {
                self.shared.set_later(spot, name, identity, mode);
            }
            if let Some(id) = self.id {
                self.shared.remember(spot, name, id, identity);
            }
        }
        self.name = Name::None;
        Ok(self.place.made.clone())
    }

    /// Sets all metadata. Returns the mode if the mark has its place, and whether no mark tells if it is whole: then it has
    /// to be when it appears.
    fn dress(&self) -> (Option<Mode>, bool) {
        let report = &mut |op, reason| self.shared.report(&self.spot.key, op, reason);
        let fd = self.fd.as_fd();
        match self.guard {
            Guard::Mark => {
                let mode = self.meta.set_marked(fd, report);
                (mode, mode.is_none())
            }
            Guard::Directory => {
                self.meta.set_on(fd, report);
                (None, false)
            }
            Guard::Sync => {
                self.meta.set_on(fd, report);
                (None, true)
            }
        }
    }

    fn appear(&self, sync: bool) -> Result<(), Problem> {
        let create = |reason| self.problem(Op::Create, reason);
        let (dir, name) = (self.spot.dir.fd.as_fd(), self.place.name.as_c_str());
        let linked;
        let part = match &self.name {
            Name::Own => return Ok(()),
            Name::Passing(part) => part,
            Name::None if self.place.replaces == Replaces::Nothing && !sync => {
                let linked = link_unnamed(self.fd.as_fd(), dir, name);
                return linked.map_err(|errno| create(in_the_way(errno)));
            }
            // Linking never replaces: a name in passing, then a rename, which does.
            Name::None => {
                let link = |part: &CStr| link_unnamed(self.fd.as_fd(), dir, part);
                linked = self.shared.with_part(dir, name, link).map_err(create)?.0;
                &linked
            }
        };
        if sync {
            // Not before it has a name: a sync of a file without one is without effect on btrfs up to Linux 6.15.
            fsync(&self.fd).map_err(|errno| {
                let _leftover_is_harmless = unlinkat(dir, part, AtFlags::empty());
                self.problem(Op::Write, errno.into())
            })?;
        }
        publish(dir, part, &self.place).map_err(create)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let name = match &self.name {
            Name::None => return,
            Name::Passing(part) => part,
            Name::Own => &self.place.name,
        };
        // After a file was published there is nothing under its passing name.
        let _gone_already = unlinkat(&self.spot.dir.fd, name, AtFlags::empty());
    }
}

/// Gives a file without a name the name `name`.
fn link_unnamed(fd: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match linkat(fd, c"", dir, name, AtFlags::EMPTY_PATH) {
        // Only root may do that, before Linux 6.10; everybody may go by /proc.
        Err(Errno::NOENT | Errno::PERM) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
        }
        other => other,
    }
}

impl Existing {
    /// Reads its content at `offset`, at most `len` bytes, to the end of `into`: to compare it with what it
    /// should be. Returns how many bytes there were.
    ///
    /// # Errors
    /// As the system says.
    pub fn read_at(&self, offset: u64, len: usize, into: &mut Vec<u8>) -> Result<usize, Problem> {
        sys::read_at(self.fd.as_fd(), offset, len, into)
            .map_err(|errno| problem(&self.spot.key, Op::Read, errno.into()))
    }

    /// Returns where its next data is, at `offset` or after it; `None` if only zeros follow. Where the file system does not
    /// tell holes, all is data.
    ///
    /// # Errors
    /// As the system says.
    pub fn next_data(&self, offset: u64) -> Result<Option<u64>, Problem> {
        match seek(&self.fd, SeekFrom::Data(offset)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::NOTSUP | Errno::SPIPE) => Ok(Some(offset)),
            Err(errno) => Err(problem(&self.spot.key, Op::Read, errno.into())),
        }
    }

    /// Takes it for the restored file: other names may be linked to it. If it carries the mark of a run that
    /// ended out of order, it gets its mode as if it had been written; with [`Conflict::Overwrite`] its metadata
    /// becomes the entry's.
    pub fn keep(self) -> Made {
        let (shared, fd) = (&self.shared, self.fd.as_fd());
        let report = &mut |op, reason| shared.report(&self.spot.key, op, reason);
        let standing = match stat::of(fd) {
            Ok(standing) => standing,
            Err(errno) => {
                report(Op::Stat, errno.into());
                return Made::Same;
            }
        };
        let identity = Identity::from(&standing);
        let is_marked = mark::is_our_file(&self.entry, &standing, &shared.owners);
        let overwrites = shared.options.conflict == Conflict::Overwrite;
        if is_marked || overwrites {
            let meta = Meta::new(&self.entry, &shared.owners, true);
            if !is_marked {
                meta.set_on(fd, report);
            } else if overwrites && self.entry.links > 1 {
                // Another name of it may take the place of something: it has to be whole before.
                meta.set_on(fd, report);
                if let Err(errno) = fsync(fd) {
                    report(Op::Write, errno.into());
                    return Made::Same;
                }
            } else if let Some(mode) = meta.set_marked(fd, report) {
                shared.set_later(&self.spot, &self.name, identity, mode);
            }
        }
        if self.entry.links > 1 {
            shared.remember(&self.spot, &self.name, FileId::of(&self.entry), identity);
        }
        Made::Same
    }

    /// Does what is due to a file whose content was found to be another: one that a power cut tore is replaced,
    /// of any other the conflict rule decides.
    ///
    /// # Errors
    /// As [`super::Target::begin_file`].
    pub fn differs(self) -> Result<Begun, Problem> {
        let key = self.spot.key.clone();
        go_on(&self.shared, self.spot, &self.entry, Some(self.tried))
            .map_err(|reason| problem(&key, Op::Create, reason))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use format::entry::Content;

    use super::*;
    use crate::files::restore::{Target, TargetOptions};

    fn entry(size: u64) -> FileEntry {
        FileEntry {
            node: Node::File(Content::Extents(Vec::new())),
            mode: 0o600,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            user: Vec::new(),
            group: Vec::new(),
            mtime_ns: 0,
            ctime_ns: 0,
            inode: 1,
            device: 1,
            links: 1,
            size,
            xattrs: Vec::new(),
        }
    }

    /// Begins a file as on a file system that knows no files without a name.
    fn begin_named(target: &Target, size: u64, replaces: Replaces) -> FileWriter {
        let spot = target
            .shared
            .spot(&FileKey(b"\0f".to_vec()))
            .expect("the root is there");
        let name = spot.name.clone();
        let place = Place {
            name: name.clone(),
            made: match replaces {
                Replaces::Nothing => Made::New,
                _ => Made::Replaced,
            },
            replaces,
        };
        let mut writer = write(&target.shared, spot, &entry(size), place).expect("it can be made");
        (writer.fd, writer.name) = create_named(&target.shared, writer.spot.dir.fd.as_fd(), &name)
            .expect("it can be made");
        writer
    }

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(root)
            .expect("it can be listed")
            .map(|entry| {
                entry
                    .expect("it can be read")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_system_without_nameless_files_shows_a_passing_name_only() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = TargetOptions {
            root: crate::files::restore::RootMeta::IfMade,
            follow: true,
            conflict: Conflict::Overwrite,
            token: 1,
            on_problem: Arc::new(|_| {}),
        };
        let target = Target::open(dir.path(), options).expect("it opens");
        // A run that was killed leaves its part; the next one takes it over.
        std::mem::forget(begin_named(&target, 4, Replaces::Nothing));
        assert!(names(dir.path())[0].starts_with(".dozo-part-0000000000000001-"));
        drop(begin_named(&target, 4, Replaces::Nothing));
        assert_eq!(names(dir.path()), [""; 0]);
        for (replaces, made, content) in [
            (Replaces::Nothing, Made::New, "new!"),
            (Replaces::Another, Made::Replaced, "more"),
        ] {
            let writer = begin_named(&target, 4, replaces);
            writer
                .write_at(0, content.as_bytes())
                .expect("there is space");
            assert_eq!(writer.finish(), Ok(made));
            assert_eq!(names(dir.path()), ["f"]);
            assert_eq!(
                std::fs::read_to_string(dir.path().join("f")).expect("it is there"),
                content
            );
        }
        let refused = begin_named(&target, 0, Replaces::Nothing)
            .finish()
            .expect_err("something is there");
        assert_eq!(refused.reason, Reason::InTheWay);
        assert_eq!(names(dir.path()), ["f"]);
    }
}
