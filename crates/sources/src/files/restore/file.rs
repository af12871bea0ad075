//! Regular files: written without a name, linked when complete.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ftruncate, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, pwrite};

use super::meta::Meta;
use super::{Chosen, Conflict, Made, Shared, Spot, in_the_way, is_same_file, problem, publish};
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
    /// The name it has meanwhile, where a file cannot be without one.
    part: Option<CString>,
    name: CString,
    made: Made,
    meta: Meta,
    size: u64,
    remember: bool,
    /// How far it was written.
    end: AtomicU64,
}

/// A file that stands where one is to be restored, with the same size and modification time.
pub struct Existing {
    shared: Arc<Shared>,
    spot: Spot,
    fd: OwnedFd,
    name: CString,
    entry: FileEntry,
}

/// Begins a file; see [`super::Target::begin_file`].
pub(super) fn begin(
    shared: &Arc<Shared>,
    key: &FileKey,
    entry: &FileEntry,
) -> Result<Begun, Problem> {
    let failed = |reason| problem(key, Op::Create, reason);
    if !matches!(entry.node, Node::File(_)) {
        return Err(failed(Reason::Unsupported));
    }
    let spot = shared.spot(key).map_err(failed)?;
    let chosen = shared
        .choose(&spot, |_, standing| is_same_file(entry, standing))
        .map_err(failed)?;
    match chosen {
        Chosen::Keep => Ok(Begun::Kept),
        Chosen::Make { name, made } => write(shared, spot, entry, (name, made))
            .map(Begun::Write)
            .map_err(failed),
        Chosen::Same(name) => {
            let fd = open_quietly(&spot.dir.fd, &name, OFlags::NONBLOCK)
                .map_err(|errno| failed(in_the_way(errno)))?;
            Ok(Begun::Same(Existing {
                shared: shared.clone(),
                spot,
                fd,
                name,
                entry: entry.clone(),
            }))
        }
    }
}

fn write(
    shared: &Arc<Shared>,
    spot: Spot,
    entry: &FileEntry,
    (name, made): (CString, Made),
) -> Result<FileWriter, Reason> {
    let (fd, part) = create(shared, spot.dir.fd.as_fd(), &name)?;
    Ok(FileWriter {
        meta: Meta::new(entry, &shared.owners, spot.dir.gives_acl),
        shared: shared.clone(),
        spot,
        fd,
        part,
        name,
        made,
        size: entry.size,
        remember: entry.links > 1,
        end: AtomicU64::new(0),
    })
}

/// Makes a file without a name, or under a passing one.
fn create(
    shared: &Shared,
    dir: BorrowedFd<'_>,
    name: &CStr,
) -> Result<(OwnedFd, Option<CString>), Reason> {
    match openat(
        dir,
        c".",
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        MODE,
    ) {
        Ok(fd) => Ok((fd, None)),
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
) -> Result<(OwnedFd, Option<CString>), Reason> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (part, fd) = shared.with_part(dir, name, |part| openat(dir, part, flags, MODE))?;
    Ok((fd, Some(part)))
}

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
    pub fn finish(self) -> Result<Made, Problem> {
        if self.end.load(Ordering::Relaxed) < self.size {
            ftruncate(&self.fd, self.size)
                .map_err(|errno| self.problem(Op::Write, errno.into()))?;
        }
        self.meta.set_on(self.fd.as_fd(), &mut |op, reason| {
            self.shared.report(&self.spot.key, op, reason)
        });
        self.appear()
            .map_err(|reason| self.problem(Op::Create, reason))?;
        if self.remember {
            let stat = stat::of(self.fd.as_fd())
                .map_err(|errno| self.problem(Op::Create, errno.into()))?;
            self.shared
                .remember(&self.spot, &self.name, Identity::from(&stat));
        }
        Ok(self.made.clone())
    }

    fn appear(&self) -> Result<(), Reason> {
        let dir = self.spot.dir.fd.as_fd();
        if let Some(part) = &self.part {
            return publish(dir, part, &self.name, &self.made);
        }
        if self.made != Made::Replaced {
            return link_unnamed(self.fd.as_fd(), dir, &self.name).map_err(in_the_way);
        }
        // Linking never replaces: a name in passing, then a rename, which does.
        let (part, ()) = self.shared.with_part(dir, &self.name, |part| {
            link_unnamed(self.fd.as_fd(), dir, part)
        })?;
        renameat(dir, &part, dir, &self.name).map_err(|errno| {
            let _leftover_is_harmless = unlinkat(dir, &part, AtFlags::empty());
            in_the_way(errno)
        })
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // After it was published there is nothing under this name.
            let _gone_already = unlinkat(&self.spot.dir.fd, part, AtFlags::empty());
        }
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

    /// Takes it for the restored file: other names may be linked to it. With [`Conflict::Overwrite`] its
    /// metadata becomes the entry's.
    pub fn keep(self) -> Made {
        if self.shared.options.conflict == Conflict::Overwrite {
            let meta = Meta::new(&self.entry, &self.shared.owners, true);
            meta.set_on(self.fd.as_fd(), &mut |op, reason| {
                self.shared.report(&self.spot.key, op, reason)
            });
        }
        if self.entry.links > 1
            && let Ok(stat) = stat::of(self.fd.as_fd())
        {
            self.shared
                .remember(&self.spot, &self.name, Identity::from(&stat));
        }
        Made::Same
    }

    /// Does what the conflict rule says of a file that differs: its content was found to be another.
    ///
    /// # Errors
    /// As [`super::Target::begin_file`].
    pub fn differs(self) -> Result<Begun, Problem> {
        let failed = |reason| problem(&self.spot.key, Op::Create, reason);
        match self.shared.choose(&self.spot, |name, standing| {
            // Under another name the same may stand in full, as left by a run before.
            name != self.name.as_c_str() && is_same_file(&self.entry, standing)
        }) {
            Err(reason) => Err(failed(reason)),
            Ok(Chosen::Keep) => Ok(Begun::Kept),
            Ok(Chosen::Make { name, made }) => {
                let key = self.spot.key.clone();
                write(&self.shared, self.spot, &self.entry, (name, made))
                    .map(Begun::Write)
                    .map_err(|reason| problem(&key, Op::Create, reason))
            }
            Ok(Chosen::Same(name)) => {
                let fd = open_quietly(&self.spot.dir.fd, &name, OFlags::NONBLOCK)
                    .map_err(|errno| failed(in_the_way(errno)))?;
                Ok(Begun::Same(Self { fd, name, ..self }))
            }
        }
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
    fn begin_named(target: &Target, size: u64, made: Made) -> FileWriter {
        let spot = target
            .shared
            .spot(&FileKey(b"\0f".to_vec()))
            .expect("the root is there");
        let name = spot.name.clone();
        let mut writer = write(&target.shared, spot, &entry(size), (name.clone(), made))
            .expect("it can be made");
        let (fd, part) = create_named(&target.shared, writer.spot.dir.fd.as_fd(), &name)
            .expect("it can be made");
        (writer.fd, writer.part) = (fd, part);
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
        std::mem::forget(begin_named(&target, 4, Made::New));
        assert!(names(dir.path())[0].starts_with(".dozo-part-0000000000000001-"));
        drop(begin_named(&target, 4, Made::New));
        assert_eq!(names(dir.path()), [""; 0]);
        for (made, content) in [(Made::New, "new!"), (Made::Replaced, "more")] {
            let writer = begin_named(&target, 4, made.clone());
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
        let refused = begin_named(&target, 0, Made::New)
            .finish()
            .expect_err("something is there");
        assert_eq!(refused.reason, Reason::InTheWay);
        assert_eq!(names(dir.path()), ["f"]);
    }
}
