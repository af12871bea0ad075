//! What went wrong with one entry while the run goes on.

use std::fmt;

use base::fault::is_exhaustion;
use format::entry::FileKey;
use rustix::io::Errno;

/// One entry that could not be read or made as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {op} {}", shown(path))]
pub struct Problem {
    /// The entry it is about; the root has the empty key.
    pub key: FileKey,
    /// Its path below the root, components joined by `/`; empty for the root.
    pub path: Vec<u8>,
    /// What was attempted.
    pub op: Op,
    /// Why it did not work.
    #[source]
    pub reason: Reason,
}

/// What was attempted on an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Reading its size, times and owner.
    Stat,
    /// Opening a directory or reading its names.
    List,
    /// Opening a file.
    Open,
    /// Reading a file's content.
    Read,
    /// Reading a symbolic link's target.
    ReadLink,
    /// Reading extended attributes.
    ReadXattrs,
    /// Making the entry.
    Create,
    /// Writing content.
    Write,
    /// Setting owner and group.
    SetOwner,
    /// Setting extended attributes: ACLs and capabilities too.
    SetXattr,
    /// Setting permission bits.
    SetMode,
    /// Setting times.
    SetTimes,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stat => "look at",
            Self::List => "list",
            Self::Open => "open",
            Self::Read => "read",
            Self::ReadLink => "read the link",
            Self::ReadXattrs => "read the attributes of",
            Self::Create => "make",
            Self::Write => "write",
            Self::SetOwner => "set the owner of",
            Self::SetXattr => "set the attributes of",
            Self::SetMode => "set the mode of",
            Self::SetTimes => "set the times of",
        })
    }
}

/// Why it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// It was there when its directory was listed, and gone when it was looked at.
    #[error("it vanished while it was read")]
    Vanished,
    /// The system does not allow it.
    #[error("permission denied")]
    Denied,
    /// It changed at every attempt to read it; what was read last is used.
    #[error("it changed while it was read")]
    Changed,
    /// Something of another kind stands under its name now.
    #[error("something else took its place while it was read")]
    Replaced,
    /// It lies deeper than [`base::limits::PATH_DEPTH_MAX`], or its path is longer than a tree's key may be.
    #[error("its path is too long")]
    PathTooLong,
    /// It has more of something than a tree may hold.
    #[error("it has more than the format can hold")]
    TooLarge,
    /// Something is in the way that is not overwritten.
    #[error("something else is in the way")]
    InTheWay,
    /// Its name is empty, `.`, `..`, or holds a `/` or a zero: nothing that came from a directory.
    #[error("its name is not one a directory can hold")]
    BadName,
    /// It is a subvolume of its own: the snapshot that is read has only an empty directory in its place.
    #[error("it is a subvolume of its own and not in the snapshot")]
    NotInSnapshot,
    /// It is a hard link to a file that this run did not restore.
    #[error("the file it is linked to was not restored")]
    LinkMissing,
    /// No space or no quota is left: nothing more can be written.
    #[error("no space is left")]
    Full,
    /// The file system cannot hold such a thing.
    #[error("the file system does not support it")]
    Unsupported,
    /// Any other answer of the system.
    #[error("{}", std::io::Error::from(*.0))]
    System(Errno),
}

impl Reason {
    /// Says whether it is the machine that lacks something: open files or memory. The entry has nothing to do with
    /// it, and others will meet the same.
    pub fn is_exhaustion(self) -> bool {
        matches!(self, Self::System(errno) if is_exhaustion(errno))
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::STALE => Self::Vanished,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::NOTSUP => Self::Unsupported,
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            Errno::NAMETOOLONG => Self::PathTooLong,
            other => Self::System(other),
        }
    }
}

/// Returns `path` as people may read it: not UTF-8 becomes escapes, so does a line break.
pub(crate) fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.is_control() {
                true => out.extend(c.escape_default()),
                false => out.push(c),
            }
        }
        out.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    out
}
