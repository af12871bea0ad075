//! From what two snapshots differ in to what is looked at.
//!
//! The kernel tells paths of some moment on the way from one snapshot to the other. They are those of the older one, and of the
//! newer, but for what is below something that was moved: so whatever was moved is looked at whole, where it was and where it is.
//!
//! Files of which only a name outside of the source is told may have others in it. As long as no directory out there was moved,
//! the path leads to the file in one of the snapshots, and its inode number to the other names. After that every
//! file with several names is looked at.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base::limits;
use format::entry::FileKey;
use sources::files::{Pick, Selection, WalkOptions};
use sources::snapshot::{Difference, Pair, Snapshot};

use super::super::Why;
use super::super::plan::{Earlier, Linked, add_marked, add_unsettled};

/// What differs, as far as it was told.
pub(super) struct Differences<'a> {
    pair: &'a Pair<'a>,
    /// The way from the top to the source's root.
    below: Vec<&'a [u8]>,
    walk: &'a WalkOptions,
    selection: Selection,
    /// How many paths, and how long, for the limits.
    count: usize,
    bytes: usize,
    /// The path before: most are told several times on end.
    last: Vec<u8>,
    inodes: HashSet<u64>,
    /// Paths outside that things made or moved have, and that are not directories of the older snapshot.
    strays: HashSet<Vec<u8>>,
    /// Whether a directory outside was moved: from then on paths there may lead elsewhere in both snapshots.
    is_shifted: bool,
    /// Whether a file in the source may have another name that was told after that.
    is_any_linked: bool,
}

/// Where a path leads.
enum Place {
    /// To something in the source.
    Inside(Vec<Vec<u8>>),
    /// To its root, or to a directory on the way there.
    Above,
    /// Elsewhere in the subvolume.
    Outside,
}

impl<'a> Differences<'a> {
    pub(super) fn new(pair: &'a Pair<'a>, below: &'a Path, walk: &'a WalkOptions) -> Self {
        Self {
            pair,
            below: below.iter().map(|name| name.as_bytes()).collect(),
            walk,
            selection: Selection::default(),
            count: 0,
            bytes: 0,
            last: Vec::new(),
            inodes: HashSet::new(),
            strays: HashSet::new(),
            is_shifted: false,
            is_any_linked: false,
        }
    }

    /// Returns what to look at: what differs, what no comparison tells, and what the run before was in trouble with.
    pub(super) fn select(
        mut self,
        earlier: Earlier<'_>,
        snapshot: &Snapshot,
        unsettled: &[FileKey],
    ) -> Result<Selection, Why> {
        let mut failed = None;
        let pair = self.pair;
        let _all = pair.differences(&mut |difference| match self.take(difference) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => {
                failed = Some(why);
                ControlFlow::Break(())
            }
        })?;
        if let Some(why) = failed {
            return Err(why);
        }
        // In a snapshot they are of the moment at which they are looked at.
        for below in snapshot.subvolumes().unwrap_or_default() {
            if let Place::Inside(path) = self.place(&below.path) {
                self.selection.add(&path, Pick::Changed);
            }
        }
        add_unsettled(&mut self.selection, unsettled)?;
        let linked = match self.is_any_linked {
            true => Linked::Any,
            false => Linked::Inodes(self.inodes),
        };
        earlier.add_links(&mut self.selection, linked)?;
        Ok(self.selection)
    }

    fn take(&mut self, difference: Difference<'_>) -> Result<(), Why> {
        match difference {
            Difference::Made(path) => {
                self.add_name(path, Pick::Whole)?;
                self.stray(path);
            }
            Difference::Moved { from, to } => {
                self.add_name(from, Pick::Whole)?;
                self.add_name(to, Pick::Whole)?;
                self.shift(from, to).map_err(Why::Lost)?;
            }
            Difference::Linked { name, other } => {
                self.add_name(name, Pick::Changed)?;
                self.add(other, Pick::Changed)?;
            }
            Difference::Gone(path) => self.add_name(path, Pick::Changed)?,
            Difference::Changed(path) => self.add(path, Pick::Changed)?,
        }
        Ok(())
    }

    /// Adds a name that came or went. If it is that of the source's root, there is another one now.
    fn add_name(&mut self, path: &[u8], pick: Pick) -> Result<(), Why> {
        match self.place(path) {
            Place::Above => Err(Why::Replaced),
            _ => self.add(path, pick),
        }
    }

    fn add(&mut self, path: &[u8], pick: Pick) -> Result<(), Why> {
        if self.last != path {
            self.last = path.to_owned();
            self.count += 1;
            self.bytes += path.len();
            if self.count > limits::DIFFERENCES_MAX || self.bytes > limits::DIFFERENCES_BYTES_MAX {
                return Err(Why::Overflow);
            }
        }
        match self.place(path) {
            Place::Inside(path) => {
                if let Some((name, dir)) = path.split_last() {
                    add_marked(self.walk, &mut self.selection, dir, name);
                }
                self.selection.add(&path, pick);
                Ok(())
            }
            // The root is always looked at.
            Place::Above => Ok(()),
            Place::Outside => self.add_outside(path).map_err(Why::Lost),
        }
    }

    fn add_outside(&mut self, path: &[u8]) -> io::Result<()> {
        if self.is_shifted {
            self.is_any_linked = true;
        }
        if !self.is_any_linked {
            let found = [self.pair.in_old(path)?, self.pair.in_new(path)?];
            let linked = found.into_iter().flatten().filter_map(|under| under.linked);
            self.inodes.extend(linked);
        }
        Ok(())
    }

    fn stray(&mut self, path: &[u8]) {
        if self.is_outside(path) && !self.is_shifted {
            self.strays.insert(path.to_owned());
        }
    }

    /// Takes note that something outside has another name.
    fn shift(&mut self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let is_known = self.is_shifted || !(self.is_outside(from) || self.is_outside(to));
        if is_known {
            return Ok(());
        }
        let is_stray = self.strays.remove(from);
        if is_stray || self.pair.in_old(from)?.is_some_and(|under| !under.is_dir) {
            self.stray(to);
        } else {
            self.is_shifted = true;
            self.strays = HashSet::new();
        }
        Ok(())
    }

    fn is_outside(&self, path: &[u8]) -> bool {
        matches!(self.place(path), Place::Outside)
    }

    fn place(&self, path: &[u8]) -> Place {
        let names = || path.split(|b| *b == b'/').filter(|name| !name.is_empty());
        let shared = names().zip(&self.below).take_while(|(a, b)| a == *b);
        let (shared, below, len) = (shared.count(), self.below.len(), names().count());
        match () {
            () if shared == len => Place::Above,
            () if shared == below => {
                Place::Inside(names().skip(below).map(<[u8]>::to_vec).collect())
            }
            () => Place::Outside,
        }
    }
}
