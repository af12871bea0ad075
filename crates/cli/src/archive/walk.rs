//! Entries of a point in the order of an archive: a directory, then everything in it, then what comes after it.
//!
//! Directories come after everything else in a directory: that is how contents stand in the pool, where neighbours share
//! chunks.

use std::collections::{HashSet, VecDeque};

use api::request::{self, WhichEntries};
use api::view::{EntryKind, FullEntryView};
use api::{Operations, PathText, Problem};
use base::limits::{ARCHIVE_LEVELS_HELD, MOUNT_PAGE_ENTRIES};

use super::odd;

/// A walk under way.
pub(super) struct Walk<'a> {
    operations: &'a dyn Operations,
    point: &'a str,
    /// What is still to be walked: paths, none of them inside another.
    wanted: VecDeque<Vec<u8>>,
    /// Directories above what is wanted that were given.
    given: HashSet<Vec<u8>>,
    /// Directories on the way to the wanted path that are still to be given.
    above: VecDeque<Vec<u8>>,
    /// Directories that are being walked, from the outermost.
    levels: Vec<Level>,
}

/// A directory that is being walked, twice: for all but the directories in it, then for those.
struct Level {
    directory: Vec<u8>,
    page: VecDeque<FullEntryView>,
    /// Where to ask on; none: nothing comes behind the page.
    next: Option<request::Entries>,
    pass: Pass,
}

/// Which time a directory is walked.
enum Pass {
    /// What was found of directories: all of them as long as nothing but the first page was seen.
    Others {
        directories: Option<VecDeque<FullEntryView>>,
    },
    /// The name given last.
    Directories { last: Option<PathText> },
}

impl<'a> Walk<'a> {
    /// Begins a walk of `paths`, or of everything if there are none.
    ///
    /// # Errors
    /// The point has no such path: before anything was given. Or it cannot be read.
    pub(super) fn new(
        operations: &'a dyn Operations,
        point: &'a str,
        paths: &[PathText],
    ) -> Result<Self, Problem> {
        let mut wanted: Vec<&[u8]> = paths.iter().map(|path| path.0.as_slice()).collect();
        if wanted.is_empty() {
            wanted.push(&[]);
        }
        wanted.sort_unstable_by(|a, b| names(a).cmp(names(b)));
        // What is inside a path before it is walked with that.
        wanted.dedup_by(|path, before| is_inside(path, before));
        let walk = Self {
            operations,
            point,
            wanted: wanted.into_iter().map(<[u8]>::to_vec).collect(),
            given: HashSet::new(),
            above: VecDeque::new(),
            levels: Vec::new(),
        };
        for path in &walk.wanted {
            walk.entry(path)?;
        }
        Ok(walk)
    }

    /// Returns the next entry and its path below the source; none at the end.
    ///
    /// # Errors
    /// The point cannot be read, or has no such path.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, FullEntryView)>, Problem> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.next(self.operations, self.point)? else {
                self.levels.pop();
                continue;
            };
            let path = below(&level.directory, &entry.name.0);
            self.enter(&path, &entry);
            return Ok(Some((path, entry)));
        }
        loop {
            if let Some(directory) = self.above.pop_front() {
                if self.given.insert(directory.clone()) {
                    let entry = self.entry(&directory)?;
                    return Ok(Some((directory, entry)));
                }
                continue;
            }
            let Some(path) = self.wanted.front() else {
                return Ok(None);
            };
            let above: Vec<Vec<u8>> = directories_above(path).map(<[u8]>::to_vec).collect();
            if above
                .iter()
                .any(|directory| !self.given.contains(directory))
            {
                self.above = above.into();
                continue;
            }
            let path = self.wanted.pop_front().unwrap_or_default();
            let entry = self.entry(&path)?;
            self.enter(&path, &entry);
            return Ok(Some((path, entry)));
        }
    }

    /// Goes into an entry if it is a directory.
    fn enter(&mut self, path: &[u8], entry: &FullEntryView) {
        if entry.kind != EntryKind::Directory {
            return;
        }
        self.levels.push(Level::new(path.to_vec()));
        let outer = self.levels.len().checked_sub(ARCHIVE_LEVELS_HELD + 1);
        if let Some(level) = outer.map(|at| &mut self.levels[at]) {
            level.let_go();
        }
    }

    fn entry(&self, path: &[u8]) -> Result<FullEntryView, Problem> {
        let request = request::Entries {
            path: PathText(path.to_vec()),
            which: WhichEntries::Itself,
            after: None,
            limit: 1,
        };
        let answer = self.operations.entries(self.point, &request)?;
        let entry = answer.entries.into_iter().next();
        entry.ok_or_else(|| odd("an entry that is there is not in the answer"))
    }
}

impl Level {
    fn new(directory: Vec<u8>) -> Self {
        Self {
            next: Some(inside(&directory, None)),
            directory,
            page: VecDeque::new(),
            pass: Pass::Others {
                directories: Some(VecDeque::new()),
            },
        }
    }

    /// Returns the next entry of the directory; none at its end.
    fn next(
        &mut self,
        operations: &dyn Operations,
        point: &str,
    ) -> Result<Option<FullEntryView>, Problem> {
        loop {
            while let Some(entry) = self.page.pop_front() {
                let is_directory = entry.kind == EntryKind::Directory;
                match &mut self.pass {
                    Pass::Others { directories } if is_directory => {
                        if let Some(found) = directories {
                            found.push_back(entry);
                        }
                    }
                    Pass::Others { .. } => return Ok(Some(entry)),
                    Pass::Directories { last } if is_directory => {
                        *last = Some(entry.name.clone());
                        return Ok(Some(entry));
                    }
                    Pass::Directories { .. } => {}
                }
            }
            match (self.next.take(), &mut self.pass) {
                (Some(request), pass) => {
                    let answer = operations.entries(point, &request)?;
                    self.page = answer.entries.into();
                    self.next = answer
                        .next
                        .map(|after| inside(&self.directory, Some(after)));
                    // Of a larger directory those in it are asked for again: what is held stays a page.
                    if let (Pass::Others { directories }, Some(_)) = (pass, &self.next) {
                        *directories = None;
                    }
                }
                (None, Pass::Others { directories }) => {
                    match directories.take() {
                        Some(found) => self.page = found,
                        None => self.next = Some(inside(&self.directory, None)),
                    }
                    self.pass = Pass::Directories { last: None };
                }
                (None, Pass::Directories { .. }) => return Ok(None),
            }
        }
    }

    /// Forgets its page, to ask for it again when the walk comes back. The walk has left it for a directory in it.
    fn let_go(&mut self) {
        if let Pass::Directories { last } = &self.pass
            && !self.page.is_empty()
        {
            self.next = Some(inside(&self.directory, last.clone()));
            self.page = VecDeque::new();
        }
    }
}

/// Returns the question for what is in a directory, from behind a name.
fn inside(directory: &[u8], after: Option<PathText>) -> request::Entries {
    request::Entries {
        path: PathText(directory.to_vec()),
        which: WhichEntries::Inside,
        after,
        limit: MOUNT_PAGE_ENTRIES,
    }
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// Returns whether a path is another one or inside it.
fn is_inside(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => directory.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

/// Returns the directories above a path, from the source itself on.
fn directories_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let itself = (!path.is_empty()).then_some(&path[..0]);
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    itself.into_iter().chain(slashes.map(|(at, _)| &path[..at]))
}

fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory {
        [] => name.to_vec(),
        directory => [directory, b"/", name].concat(),
    }
}
