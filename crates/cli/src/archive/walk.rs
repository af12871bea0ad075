//! Entries of a point in the order of an archive: a directory, then everything in it, then what comes after it.

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

/// A directory that is being walked.
struct Level {
    directory: Vec<u8>,
    page: VecDeque<FullEntryView>,
    /// Where to ask on; none: nothing comes behind the page.
    next: Option<request::Entries>,
    /// The name given last.
    last: Option<PathText>,
}

impl<'a> Walk<'a> {
    /// Begins a walk of `paths`, or of everything if there are none.
    pub(super) fn new(operations: &'a dyn Operations, point: &'a str, paths: &[PathText]) -> Self {
        let mut wanted: Vec<&[u8]> = paths.iter().map(|path| path.0.as_slice()).collect();
        if wanted.is_empty() {
            wanted.push(&[]);
        }
        wanted.sort_unstable_by(|a, b| names(a).cmp(names(b)));
        // What is inside a path before it is walked with that.
        wanted.dedup_by(|path, before| is_inside(path, before));
        Self {
            operations,
            point,
            wanted: wanted.into_iter().map(<[u8]>::to_vec).collect(),
            given: HashSet::new(),
            above: VecDeque::new(),
            levels: Vec::new(),
        }
    }

    /// Returns the next entry and its path below the source; none at the end.
    ///
    /// # Errors
    /// The point cannot be read, or has no such path.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, FullEntryView)>, Problem> {
        while let Some(level) = self.levels.last_mut() {
            if level.page.is_empty() && level.next.is_some() {
                level.turn(self.operations, self.point)?;
            }
            let Some(entry) = level.page.pop_front() else {
                self.levels.pop();
                continue;
            };
            level.last = Some(entry.name.clone());
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
        self.levels.push(Level::new(path.to_vec(), None));
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
    fn new(directory: Vec<u8>, after: Option<PathText>) -> Self {
        let next = request::Entries {
            path: PathText(directory.clone()),
            which: WhichEntries::Inside,
            after,
            limit: MOUNT_PAGE_ENTRIES,
        };
        Self {
            directory,
            page: VecDeque::new(),
            next: Some(next),
            last: None,
        }
    }

    /// Asks for the next page.
    fn turn(&mut self, operations: &dyn Operations, point: &str) -> Result<(), Problem> {
        let Some(request) = self.next.take() else {
            return Ok(());
        };
        let answer = operations.entries(point, &request)?;
        self.page = answer.entries.into();
        self.next = answer.next.map(|after| request::Entries {
            after: Some(after),
            ..request
        });
        Ok(())
    }

    /// Forgets its page, to ask for it again when the walk comes back.
    fn let_go(&mut self) {
        if !self.page.is_empty() {
            let directory = std::mem::take(&mut self.directory);
            *self = Self::new(directory, self.last.take());
        }
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
