//! What the server knows of: machines, data sources, groups with their policies, and members.
//!
//! These are the words of the domain, without a stored or a sent form: [`config`] has the form that goes into
//! the log, `api` the one that goes over the wire. Everything is named by id; names are for people and may
//! change.

pub(crate) mod config;
mod inventory;
mod name;
mod policy;

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use base::{GroupId, MachineId, SourceId, Timestamp};

pub use inventory::Inventory;
pub(crate) use name::check_group_name;
pub(crate) use policy::between;
pub use policy::{Policy, SyncFrequency};

/// A computer whose data is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its identity.
    pub id: MachineId,
    /// Its name: the first part of its sources' addresses.
    pub name: String,
    /// Whether it is the one this server runs on.
    pub local: bool,
}

/// What kind of data a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A directory with everything below it, or one file.
    Files,
}

impl SourceKind {
    /// Returns its word in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
        }
    }

    /// Finds the kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        (name == "files").then_some(Self::Files)
    }
}

/// The smallest thing that can be protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its identity.
    pub id: SourceId,
    /// The machine it is on.
    pub machine: MachineId,
    /// What kind of data it is.
    pub kind: SourceKind,
    /// Where it is there: absolute, any bytes.
    pub path: PathBuf,
    /// Which file system it was on when its replica was last made equal to it, in the worker's words; `None` if nobody knows,
    /// or whatever is there shall be taken for it.
    pub file_system: Option<String>,
}

/// A source's name in words. Shows as `web01:/etc`; [`Address::full`] is `web01:files/etc`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The machine's name.
    pub machine: String,
    /// The kind's word.
    pub kind: &'static str,
    /// The path, with bytes that are not text as `\xff`.
    pub path: String,
}

impl Address {
    /// Returns the address with the kind spelt out.
    pub fn full(&self) -> String {
        format!("{}:{}{}", self.machine, self.kind, self.path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.machine, self.path))
    }
}

/// Returns the path as one line of text: what is not UTF-8, and what would break the line, as `\xff`.
pub fn path_text(path: &std::path::Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// What to leave out of a file source, and other choices that are a member's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Patterns in gitignore syntax, relative to the source's root.
    pub excludes: Vec<String>,
    /// Directories that hold an entry of one of these names are left out.
    pub exclude_if_present: Vec<String>,
    /// Whether directories with a valid `CACHEDIR.TAG` are left out.
    pub exclude_caches: bool,
    /// Whether other file systems mounted below are left out.
    pub one_file_system: bool,
}

/// A set of members sharing one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its identity.
    pub id: GroupId,
    /// Its name, unique.
    pub name: String,
    /// What is promised to its members.
    pub policy: Policy,
}

/// A source inside a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The source; it is a member of one group only.
    pub source: SourceId,
    /// The group.
    pub group: GroupId,
    /// What is its own.
    pub options: FileOptions,
    /// Since when it is protected, or protected again: nothing was due before.
    pub since: Timestamp,
    /// Whether protection was stopped and its points are retained.
    pub stopped: bool,
}
