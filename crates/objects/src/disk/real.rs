//! The kernel's file systems, beneath a directory opened once.
//!
//! Drafts have no name at all (`O_TMPFILE`) where the file system can do that and a sync of them lasts, so a kill leaves
//! nothing behind; elsewhere they have one in `.tmp`, and whoever opens the place next removes it. Modes are 0600 and 0700.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, FsWord, Mode, OFlags, RenameFlags, fcntl_getfl,
    fcntl_setfl, flock, fstat, fstatfs, fstatvfs, fsync, linkat, mkdirat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::{pread, retry_on_intr, write};

use super::{DirEntry, Disk, Errno, Node, TMP_DIR};
use crate::{OpenError, Space};

/// How a draft gets its final name: never over an existing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishing {
    /// `O_TMPFILE`, then `linkat` through `/proc/self/fd`.
    Unnamed,
    /// A name in `.tmp`, then `linkat` and `unlinkat`.
    Link,
    /// A name in `.tmp`, then `renameat2(RENAME_NOREPLACE)`: for file systems without hard links.
    Rename,
}

/// A directory of a real file system.
#[derive(Debug)]
pub struct RealDisk {
    root: Arc<OwnedFd>,
    publishing: OnceLock<Publishing>,
    drafts: AtomicU64,
}

/// A file being written.
#[derive(Debug)]
pub struct Draft {
    fd: OwnedFd,
    root: Arc<OwnedFd>,
    /// Its path in `.tmp`, if it has one that must not outlive it.
    tmp: Option<String>,
    /// Something was written.
    is_begun: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(tmp) = &self.tmp {
            // A file left here is removed by whoever opens the place next.
            let _ = unlinkat(&self.root, tmp, AtFlags::empty());
        }
    }
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIR_MODE: Mode = Mode::RWXU;

impl RealDisk {
    /// Opens an existing directory.
    ///
    /// # Errors
    /// [`OpenError::Missing`], or [`OpenError::Failed`] as the system says.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, root, flags, Mode::empty()) {
            Ok(fd) => Ok(Self {
                root: Arc::new(fd),
                publishing: OnceLock::new(),
                drafts: AtomicU64::new(0),
            }),
            Err(Errno::NOENT) => Err(OpenError::Missing {
                path: root.to_owned(),
            }),
            Err(errno) => Err(failed(format!("open {}", root.display()), errno.into())),
        }
    }

    /// Makes the directory and whatever is missing above it, durably, and opens it.
    ///
    /// # Errors
    /// [`OpenError::Failed`] as the system says.
    pub fn create(root: &Path) -> Result<Self, OpenError> {
        make_dirs(root)?;
        Self::open(root)
    }

    /// Publishes in the given way instead of the best that works here.
    #[must_use]
    pub fn publishing(self, how: Publishing) -> Self {
        Self {
            publishing: how.into(),
            ..self
        }
    }

    /// Finds out, once, how files can be published here. An error that tells nothing about that, such as a full
    /// disk, decides nothing.
    fn how(&self) -> Result<Publishing, Errno> {
        if let Some(how) = self.publishing.get() {
            return Ok(*how);
        }
        let mut last = Errno::OPNOTSUPP;
        for how in ways(fstatfs(&self.root)?.f_type) {
            match self.try_publishing(*how) {
                Ok(()) => return Ok(*self.publishing.get_or_init(|| *how)),
                Err(errno) if means_unsupported(errno) => last = errno,
                Err(errno) => return Err(errno),
            }
        }
        Err(last)
    }

    fn try_publishing(&self, how: Publishing) -> Result<(), Errno> {
        let mut draft = self.draft_by(how)?;
        loop {
            let path = format!("{TMP_DIR}/{}", self.tmp_name("try"));
            match self.publish_by(how, &mut draft, &path) {
                Ok(()) => return unlinkat(&self.root, path, AtFlags::empty()),
                // As in `draft_by`.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Names differ between processes by the process id and are only ever created exclusively.
    fn tmp_name(&self, what: &str) -> String {
        let n = self.drafts.fetch_add(1, Ordering::Relaxed);
        let pid = rustix::process::getpid().as_raw_nonzero();
        format!("{what}-{pid}-{n}")
    }

    fn draft_by(&self, how: Publishing) -> Result<Draft, Errno> {
        let access = OFlags::WRONLY | OFlags::CLOEXEC;
        if how == Publishing::Unnamed {
            let fd = openat(&self.root, TMP_DIR, access | OFlags::TMPFILE, FILE_MODE)?;
            return Ok(self.new_draft(fd, None));
        }
        loop {
            let path = format!("{TMP_DIR}/{}", self.tmp_name("draft"));
            match openat(
                &self.root,
                &path,
                access | OFlags::CREATE | OFlags::EXCL,
                FILE_MODE,
            ) {
                Ok(fd) => return Ok(self.new_draft(fd, Some(path))),
                // Another process of the same id, in another container or before a crash: count on.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn new_draft(&self, fd: OwnedFd, tmp: Option<String>) -> Draft {
        let root = self.root.clone();
        Draft {
            fd,
            root,
            tmp,
            is_begun: false,
        }
    }

    fn publish_by(&self, how: Publishing, draft: &mut Draft, path: &str) -> Result<(), Errno> {
        let root = &self.root;
        match (how, &draft.tmp) {
            (Publishing::Rename, Some(tmp)) => {
                renameat_with(root, tmp, root, path, RenameFlags::NOREPLACE)?;
                draft.tmp = None;
                Ok(())
            }
            // The name in `.tmp` goes when the draft is dropped.
            (_, Some(tmp)) => linkat(root, tmp, root, path, AtFlags::empty()),
            (_, None) => {
                let fd = format!("/proc/self/fd/{}", draft.fd.as_raw_fd());
                linkat(CWD, fd, root, path, AtFlags::SYMLINK_FOLLOW)
            }
        }
    }

    fn open_dir(&self, dir: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.root, at_root(dir), flags, Mode::empty())
    }
}

/// `BTRFS_SUPER_MAGIC` of linux/magic.h.
const BTRFS: FsWord = 0x9123_683e;

/// Returns how a file system may be asked to publish, the best first. On btrfs a sync of a file without a name does nothing
/// up to Linux 6.15 (`btrfs_log_inode_parent` passes by what has no links; mended by commit 5e85262e542d): after a power
/// cut the file would be there under its name, empty. [`Disk::sync`] does not promise more, so the protocol above does without
/// that promise (a btrfs beneath an overlay is not seen here); but a name from the beginning leaves no moment in
/// which syncing the directory could bring an empty file there.
fn ways(file_system: FsWord) -> &'static [Publishing] {
    const WAYS: [Publishing; 3] = [Publishing::Unnamed, Publishing::Link, Publishing::Rename];
    match file_system {
        BTRFS => &WAYS[1..],
        _ => &WAYS,
    }
}

/// What file systems and kernels say that lack `O_TMPFILE`, `/proc`, hard links or `RENAME_NOREPLACE`.
fn means_unsupported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::OPNOTSUPP
            | Errno::ISDIR
            | Errno::INVAL
            | Errno::NOENT
            | Errno::NOTDIR
            | Errno::NOSYS
            | Errno::PERM
            | Errno::XDEV
    )
}

/// Drafts from this size on are written past the page cache.
const DIRECT_FROM: usize = 1 << 20;
/// What is written at once: a buffer that stands as devices want it.
const DIRECT_BYTES: usize = 2 << 20;
/// Alignment in memory and in the file that satisfies every device of today.
const DIRECT_ALIGN: usize = 4 << 10;

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| write(fd, bytes))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Writes what it can of a large draft, from its beginning, past the page cache: nobody reads it soon, and copying it
/// there page by page costs more than copying it once (measured: a tenth of a backup of large files). Returns how much
/// that was: what it could not write goes the ordinary way, as the last piece of a block does anyway, and whatever was wrong
/// shows itself there or in the sync, where a device's failure is looked for. The sync afterwards is as due as ever.
fn write_direct(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = fcntl_getfl(fd)?;
    if fcntl_setfl(fd, flags | OFlags::DIRECT).is_err() {
        return Ok(0);
    }
    let whole = bytes.len() / DIRECT_ALIGN * DIRECT_ALIGN;
    let mut buffer = vec![0; DIRECT_BYTES + DIRECT_ALIGN];
    let start = buffer.as_ptr().align_offset(DIRECT_ALIGN);
    let mut written = 0;
    loop {
        let piece = &bytes[written..whole.min(written + DIRECT_BYTES)];
        if piece.is_empty() {
            break;
        }
        let aligned = &mut buffer[start..][..piece.len()];
        aligned.copy_from_slice(piece);
        match retry_on_intr(|| write(fd, aligned)) {
            // All of it, or a part that leaves the next one as it should be.
            Ok(count) if count > 0 && count % DIRECT_ALIGN == 0 => written += count,
            Ok(count) => {
                written += count;
                break;
            }
            Err(_) => break,
        }
    }
    fcntl_setfl(fd, flags)?;
    Ok(written)
}

fn at_root(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

fn failed(attempt: String, source: io::Error) -> OpenError {
    OpenError::Failed { attempt, source }
}

/// Makes `path` and what is missing above it; each new entry is synced in its parent. What existed before is
/// not ours to sync.
fn make_dirs(path: &Path) -> Result<(), OpenError> {
    let attempt = || format!("make directory {}", path.display());
    match mkdirat(CWD, path, DIR_MODE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOENT) => {
            let parent = path.parent().ok_or_else(|| OpenError::Missing {
                path: path.to_owned(),
            })?;
            make_dirs(parent)?;
            match mkdirat(CWD, path, DIR_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(attempt(), errno.into())),
            }
        }
        Err(errno) => return Err(failed(attempt(), errno.into())),
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, parent, flags, Mode::empty())
        .and_then(|fd| retry_on_intr(|| fsync(&fd)))
        .map_err(|errno| failed(format!("sync directory {}", parent.display()), errno.into()))
}

impl Disk for RealDisk {
    type Draft = Draft;
    type Reader = OwnedFd;
    type Lock = OwnedFd;

    fn draft(&self) -> Result<Draft, Errno> {
        self.draft_by(self.how()?)
    }

    fn write(&self, draft: &mut Draft, bytes: &[u8]) -> Result<(), Errno> {
        let written = match bytes.len() >= DIRECT_FROM && !draft.is_begun {
            true => write_direct(&draft.fd, bytes)?,
            false => 0,
        };
        draft.is_begun = true;
        write_all(&draft.fd, &bytes[written..])
    }

    fn sync(&self, draft: &Draft) -> Result<(), Errno> {
        retry_on_intr(|| fsync(&draft.fd))
    }

    fn sync_file(&self, file: &OwnedFd) -> Result<(), Errno> {
        retry_on_intr(|| fsync(file))
    }

    fn publish(&self, draft: &mut Draft, path: &str) -> Result<(), Errno> {
        self.publish_by(self.how()?, draft, path)
    }

    fn named_draft(&self) -> Result<Draft, Errno> {
        self.draft_by(Publishing::Link)
    }

    fn replace(&self, draft: &mut Draft, path: &str) -> Result<(), Errno> {
        let tmp = draft.tmp.as_ref().ok_or(Errno::INVAL)?;
        renameat(&self.root, tmp, &self.root, path)?;
        draft.tmp = None;
        Ok(())
    }

    fn link(&self, path: &str, new: &str) -> Result<(), Errno> {
        linkat(&self.root, path, &self.root, new, AtFlags::empty())
    }

    fn sync_dir(&self, dir: &str) -> Result<(), Errno> {
        let fd = self.open_dir(dir)?;
        retry_on_intr(|| fsync(&fd))
    }

    fn make_dir(&self, dir: &str) -> Result<(), Errno> {
        mkdirat(&self.root, dir, DIR_MODE)
    }

    fn open(&self, path: &str) -> Result<OwnedFd, Errno> {
        // NONBLOCK: whatever stands there instead of a file must not hang us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(&self.root, path, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::RegularFile {
            Ok(fd)
        } else {
            Err(Errno::ISDIR)
        }
    }

    fn bytes(&self, file: &OwnedFd) -> Result<u64, Errno> {
        Ok(u64::try_from(fstat(file)?.st_size).unwrap_or(0))
    }

    fn read_at(&self, file: &OwnedFd, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| pread(file, &mut *out, offset))
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, Errno> {
        let mut entries = Vec::new();
        let fd = self.open_dir(dir)?;
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            if let Some(node) = node(fd.as_fd(), entry.file_name(), entry.file_type())? {
                let name = name.to_owned();
                entries.push(DirEntry { name, node });
            }
        }
        Ok(entries)
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        unlinkat(&self.root, path, AtFlags::empty())
    }

    fn lock_alone(&self, dir: &str) -> Result<Option<OwnedFd>, Errno> {
        let fd = self.open_dir(dir)?;
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(fd)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn lock_shared(&self, dir: &str) -> Result<OwnedFd, Errno> {
        let fd = self.open_dir(dir)?;
        retry_on_intr(|| flock(&fd, FlockOperation::LockShared))?;
        Ok(fd)
    }

    fn space(&self) -> Result<Space, Errno> {
        let stat = fstatvfs(&self.root)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            // What is kept for root is nobody's here.
            total: (stat.f_blocks - stat.f_bfree.min(stat.f_blocks) + stat.f_bavail)
                .saturating_mul(stat.f_frsize),
        })
    }
}

/// Returns what an entry is, or `None` if it is neither file nor directory, or gone meanwhile.
fn node(
    dir: std::os::fd::BorrowedFd<'_>,
    name: &std::ffi::CStr,
    kind: FileType,
) -> Result<Option<Node>, Errno> {
    if kind == FileType::Directory {
        return Ok(Some(Node::Dir));
    }
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Node::File {
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
        }),
        FileType::Directory => Some(Node::Dir),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_directly_is_left_to_the_ordinary_way() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "").expect("written");
        // Nothing can be written through it, for a reason that is no file system's.
        let fd = openat(CWD, &path, OFlags::RDONLY, Mode::empty()).expect("opened");
        assert_eq!(write_direct(&fd, &vec![1; 3 << 20]), Ok(0));
        assert_eq!(write_all(&fd, &[1]), Err(Errno::BADF));
    }

    #[test]
    fn drafts_have_names_where_a_sync_without_one_does_not_last() {
        assert_eq!(ways(BTRFS), [Publishing::Link, Publishing::Rename]);
        assert_eq!(ways(0xef53)[0], Publishing::Unnamed);
    }
}
