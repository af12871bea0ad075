//! What a restore would meet, without touching anything.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use format::entry::{FileEntry, FileKey, Node};
use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::dirs::open_root;
use super::{TargetError, is_same_file, mark, other, problem};
use crate::files::dir::open_quietly;
use crate::files::owners::Owners;
use crate::files::path::{self, Component};
use crate::files::stat;
use crate::problem::{Op, Problem, Reason};

/// What stands where an entry would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Would {
    /// Nothing, or a file that a restore before this one did not finish: it would be made.
    Make,
    /// A directory, where a directory would go: they would become one.
    Merge,
    /// The same: a file of the same size and time, or a special file that is equal.
    Same,
    /// Something else: the conflict rule decides.
    Conflict,
    /// A directory, where something else would go. It is in the way as above, but never replaced.
    Directory,
    /// Nothing, but what should be a directory above it is something else: the rule that decides there decides
    /// here too.
    Below,
}

/// The directory an entry would go to.
enum Above {
    /// It stands there; whether it is in the making.
    Open(OwnedFd, bool),
    /// Nothing does, there or above.
    Missing,
    /// Something else does, there or above.
    InTheWay,
}

/// A look at a target before it is restored to. Makes nothing.
pub struct Preview {
    /// The root, and the directory looked into last: entries come directory by directory.
    root: Option<OwnedFd>,
    last: std::cell::RefCell<Option<(Vec<u8>, Above)>>,
    owners: Owners,
}

impl Preview {
    /// Looks at the target `path`, which need not exist; `follow` as in [`super::TargetOptions`].
    ///
    /// # Errors
    /// It exists and cannot be opened.
    pub fn open(path: &Path, follow: bool) -> Result<Self, TargetError> {
        let root = open_root(path, follow).map_err(|source| TargetError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            root,
            last: std::cell::RefCell::default(),
            owners: Owners::default(),
        })
    }

    /// Says what stands where `entry` would go.
    ///
    /// # Errors
    /// [`Reason::BadName`]; others as the system says.
    pub fn look(&self, key: &FileKey, entry: &FileEntry) -> Result<Would, Problem> {
        self.find(key, entry)
            .map_err(|reason| problem(key, Op::Stat, reason))
    }

    fn find(&self, key: &FileKey, entry: &FileEntry) -> Result<Would, Reason> {
        let Some((prefix, name)) = path::split_key(key)? else {
            return Ok(if self.root.is_some() {
                Would::Merge
            } else {
                Would::Make
            });
        };
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(of, _)| *of != prefix) {
            *last = Some((prefix.to_vec(), self.enter(&path::components(prefix)?)?));
        }
        let (dir, is_ours) = match &*last {
            Some((_, Above::Open(dir, is_ours))) => (dir, *is_ours),
            Some((_, Above::InTheWay)) => return Ok(Would::Below),
            Some((_, Above::Missing)) | None => return Ok(Would::Make),
        };
        Ok(match stat::at(dir.as_fd(), &name) {
            Err(Errno::NOENT) => Would::Make,
            Err(errno) => return Err(errno.into()),
            Ok(standing) if is_same_file(entry, &standing) => Would::Same,
            Ok(standing) if mark::is_unfinished(entry, &standing, &self.owners, is_ours) => {
                Would::Make
            }
            Ok(standing)
                if !matches!(entry.node, Node::File(_) | Node::Directory)
                    && other::is_same(dir.as_fd(), &name, &standing, entry) =>
            {
                Would::Same
            }
            Ok(standing)
                if entry.node == Node::Directory
                    && stat::kind(&standing) == FileType::Directory =>
            {
                Would::Merge
            }
            Ok(standing) if stat::kind(&standing) == FileType::Directory => Would::Directory,
            Ok(_) => Would::Conflict,
        })
    }

    /// Opens a directory, if it is one all the way.
    fn enter(&self, components: &[Component]) -> Result<Above, Reason> {
        let Some(root) = &self.root else {
            return Ok(Above::Missing);
        };
        let mut dir = openat(
            root,
            c".",
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        for Component { name, .. } in components {
            dir = match open_quietly(&dir, name, OFlags::DIRECTORY) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => return Ok(Above::Missing),
                Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Above::InTheWay),
                Err(errno) => return Err(errno.into()),
            };
        }
        let is_ours = mark::is_our_directory(&stat::of(dir.as_fd())?);
        Ok(Above::Open(dir, is_ours))
    }
}
