//! What a walk leaves out.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{FileType, OFlags};

use super::dir::open_quietly;
use super::names::Names;
use super::stat::Identity;
use super::walk::WalkOptions;
use crate::sys;

/// The name of the tag file of <https://bford.info/cachedir/>.
pub(super) const CACHEDIR_TAG: &std::ffi::CStr = c"CACHEDIR.TAG";
/// What a tag file starts with; one that does not is a file like any other.
const CACHEDIR_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// A pattern that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand the exclude pattern {pattern:?}: {reason}")]
pub struct PatternError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Decides what is left out, by pattern, by marker file, by identity.
pub(super) struct Excludes {
    patterns: Option<Gitignore>,
    if_present: Vec<Vec<u8>>,
    cachedir_tag: bool,
    left_out: Vec<Identity>,
}

impl Excludes {
    pub(super) fn new(options: &WalkOptions) -> Result<Self, PatternError> {
        let patterns = compile(&options.exclude)?;
        Ok(Self {
            patterns: (!patterns.is_empty()).then_some(patterns),
            if_present: options.exclude_if_present.clone(),
            cachedir_tag: options.cachedir_tag,
            left_out: options
                .leave_out
                .iter()
                .filter_map(|path| identity(path))
                .collect(),
        })
    }

    /// Returns whether paths matter at all.
    pub(super) fn by_path(&self) -> bool {
        self.patterns.is_some()
    }

    /// Returns whether the patterns leave `path` out, which is relative to the root.
    pub(super) fn matches(&self, path: &[u8], directory: bool) -> bool {
        self.patterns.as_ref().is_some_and(|patterns| {
            patterns
                .matched(Path::new(OsStr::from_bytes(path)), directory)
                .is_ignore()
        })
    }

    /// Returns whether it is a directory to leave out whoever refers to it.
    pub(super) fn leaves_out(&self, identity: Identity) -> bool {
        self.left_out.contains(&identity)
    }

    /// Cuts a directory's names down to its markers if it has any: they stay, so that what is restored is
    /// marked too. `has` says whether the directory has an entry of a name.
    pub(super) fn keep_markers(
        &self,
        dir: BorrowedFd<'_>,
        names: &mut Names,
        has: impl Fn(&Names, &[u8]) -> bool,
    ) {
        let mut markers: Vec<&[u8]> = Vec::new();
        for marker in &self.if_present {
            if has(names, marker) {
                markers.push(marker);
            }
        }
        let tag = CACHEDIR_TAG.to_bytes();
        if self.cachedir_tag && has(names, tag) && is_cache(dir) {
            markers.push(tag);
        }
        if !markers.is_empty() {
            names.retain(|name, _| markers.contains(&name));
        }
    }

    /// Drops the names that the patterns leave out, as far as the directory tells what they are. `path` is the
    /// directory's own, with a `/` at its end unless it is the root.
    pub(super) fn drop_matches(&self, path: &[u8], names: &mut Names) {
        let mut full = path.to_vec();
        names.retain(|name, kind| {
            full.truncate(path.len());
            full.extend_from_slice(name);
            kind == FileType::Unknown || !self.matches(&full, kind == FileType::Directory)
        });
    }
}

/// Says whether patterns can be understood.
///
/// # Errors
/// The first that cannot.
pub fn check_patterns(patterns: &[String]) -> Result<(), PatternError> {
    compile(patterns).map(drop)
}

fn compile(patterns: &[String]) -> Result<Gitignore, PatternError> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .map_err(|error| wrong(pattern, &error))?;
    }
    builder.build().map_err(|error| wrong("", &error))
}

fn wrong(pattern: &str, error: &ignore::Error) -> PatternError {
    PatternError {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    }
}

/// Returns what stands at `path`; nothing if there is nothing to leave out.
fn identity(path: &Path) -> Option<Identity> {
    let stat = rustix::fs::statx(
        rustix::fs::CWD,
        path,
        rustix::fs::AtFlags::empty(),
        rustix::fs::StatxFlags::BASIC_STATS,
    );
    stat.ok().map(|stat| Identity::from(&stat))
}

/// Returns whether the directory's tag file is one.
fn is_cache(dir: BorrowedFd<'_>) -> bool {
    let Ok(tag) = open_quietly(dir, CACHEDIR_TAG, OFlags::NONBLOCK) else {
        return false;
    };
    let mut start = Vec::new();
    let read = sys::read_at(
        std::os::fd::AsFd::as_fd(&tag),
        0,
        CACHEDIR_SIGNATURE.len(),
        &mut start,
    );
    read.is_ok() && start == CACHEDIR_SIGNATURE
}
