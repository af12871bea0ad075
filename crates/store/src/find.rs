//! Looks for names in many trees at once: every version of every entry that matches, and which trees hold it.
//!
//! The newest tree is gone through; of every older one only what differs from its successor is read. So the cost is
//! one walk plus the changes between trees, however many of them there are, and what they share is read once.
//!
//! Answers come in pages, in key order: at most a page of entries is held and so many versions, of one entry at most one a
//! tree, and a page ends after so much work. It looks at names alone, never at content.

use std::collections::BTreeMap;

use base::{ChunkId, Fault};
use format::entry::{FileEntry, FileKey};
use format::replica::ChunkReader;
use format::tree::{Cursor, Value as _, diff};

/// What to look for, and where.
pub struct Find<'a> {
    /// Roots of the trees of one source, newest first.
    pub trees: &'a [ChunkId],
    /// Says whether an entry is wanted.
    pub wanted: &'a dyn Fn(&FileKey) -> bool,
    /// Only entries behind this one: where the page before ended.
    pub after: Option<&'a FileKey>,
    /// At most so many entries: at least one.
    pub limit: usize,
    /// At most so many versions of them, unless it is one entry.
    pub versions: usize,
    /// A page ends after so many entries of the newest tree, or differences of an older one, were looked at, whatever was
    /// found.
    pub looks: usize,
}

/// A part of what was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundPage {
    /// In key order.
    pub found: Vec<Found>,
    /// The key to go on after; `None` if this is all.
    pub next: Option<FileKey>,
}

/// An entry that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where it is.
    pub key: FileKey,
    /// What it was, newest first. At least one.
    pub versions: Vec<Version>,
}

/// What an entry was for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The entry as the newest of its trees has it.
    pub entry: FileEntry,
    /// The first tree that has it: an index into [`Find::trees`].
    pub newest: usize,
    /// The last one: every tree between the two has it as well.
    pub oldest: usize,
}

/// What one entry was, as far as trees were gone through; the last version is open while `oldest` may still grow.
struct Versions {
    versions: Vec<Version>,
    is_open: bool,
}

/// The page that is being filled: never more entries than it may have.
struct Page<'a> {
    find: &'a Find<'a>,
    found: BTreeMap<FileKey, Versions>,
    limit: usize,
    /// Versions of all entries found.
    versions: usize,
    /// Entries or differences of one tree looked at.
    looked: usize,
    /// The first key that may be in it.
    start: Vec<u8>,
    /// Where it ends, if before the end of all trees.
    end: Option<End>,
}

/// Where a page ends.
struct End {
    /// The first key that is beyond it: what lies there is of no interest any more.
    beyond: FileKey,
    /// A key before it that was looked at.
    seen: FileKey,
}

/// Looks for one page.
///
/// # Errors
/// A tree cannot be read.
pub fn find(reader: &dyn ChunkReader, find: &Find<'_>) -> Result<FoundPage, Fault> {
    let mut page = Page {
        find,
        found: BTreeMap::new(),
        limit: find.limit.max(1),
        versions: 0,
        looked: 0,
        start: find.after.map_or_else(Vec::new, just_behind),
        end: None,
    };
    if let Some(newest) = find.trees.first() {
        page.newest(reader, newest)?;
    }
    for (index, pair) in find.trees.windows(2).enumerate() {
        page.older(reader, [&pair[0], &pair[1]], index + 1)?;
    }
    Ok(page.into_page())
}

impl Page<'_> {
    /// Goes through the newest tree.
    fn newest(&mut self, reader: &dyn ChunkReader, root: &ChunkId) -> Result<(), Fault> {
        let mut cursor = Cursor::<FileEntry>::range(reader, root, &self.start, None)?;
        let mut key = FileKey(Vec::new());
        let mut before = FileKey(Vec::new());
        while let Some((bytes, entry)) = cursor.next_ref()? {
            std::mem::swap(&mut before, &mut key);
            key.0.clear();
            key.0.extend_from_slice(bytes);
            if self.is_over(&before, &key) {
                return Ok(());
            }
            if !(self.find.wanted)(&key) {
                continue;
            }
            self.begin(key.clone(), FileEntry::from_view(entry), 0);
            if self.keep_within() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Goes through what the older of two neighbouring trees, the one with this index, has differently. The page's
    /// end comes nearer when there is more than fits.
    fn older(
        &mut self,
        reader: &dyn ChunkReader,
        [newer, older]: [&ChunkId; 2],
        index: usize,
    ) -> Result<(), Fault> {
        self.looked = 0;
        let end = self.end.as_ref().map(|end| end.beyond.0.clone());
        let changes = diff::<FileEntry>(reader, Some(newer), Some(older))?;
        let mut before = FileKey(Vec::new());
        for change in changes.within(&self.start, end.as_deref()) {
            let change = change?;
            let key = FileKey(change.key);
            if self.end.as_ref().is_some_and(|end| key >= end.beyond) || self.is_over(&before, &key)
            {
                return Ok(());
            }
            before.clone_from(&key);
            if !(self.find.wanted)(&key) {
                continue;
            }
            match (self.found.get_mut(&key), change.new) {
                (Some(versions), entry) => {
                    let before = versions.versions.len();
                    versions.turn(entry, index);
                    self.versions += versions.versions.len() - before;
                }
                // Gone since then: no newer tree has it.
                (None, Some(entry)) => self.begin(key, entry, index),
                (None, None) => {}
            }
            self.keep_within();
        }
        Ok(())
    }

    /// Counts a look at `key`, which follows `before`. If there were enough for one page, it ends before `key`,
    /// but never without a step forward.
    fn is_over(&mut self, before: &FileKey, key: &FileKey) -> bool {
        self.looked += 1;
        if self.looked <= self.find.looks || before.0.is_empty() {
            return false;
        }
        let beyond = self.found.split_off(key);
        self.versions -= beyond.values().map(|v| v.versions.len()).sum::<usize>();
        self.end = Some(End {
            beyond: key.clone(),
            seen: before.clone(),
        });
        true
    }

    fn begin(&mut self, key: FileKey, entry: FileEntry, index: usize) {
        self.found.insert(key, Versions::begin(entry, index));
        self.versions += 1;
    }

    /// Lets go of the last entries if there are too many, or too many versions of them. Returns whether there were.
    fn keep_within(&mut self) -> bool {
        let mut is_full = false;
        while self.found.len() > self.limit
            || self.found.len() > 1 && self.versions > self.find.versions
        {
            let Some((beyond, gone)) = self.found.pop_last() else {
                break;
            };
            self.versions -= gone.versions.len();
            let seen = self.found.last_key_value().map(|(key, _)| key.clone());
            self.end = seen.map(|seen| End { beyond, seen });
            is_full = true;
        }
        is_full
    }

    fn into_page(self) -> FoundPage {
        let trees = self.find.trees.len();
        // What one tree has may lie behind the last that another was asked for.
        let last = self.found.last_key_value().map(|(key, _)| key.clone());
        let next = self
            .end
            .and_then(|end| last.into_iter().chain([end.seen]).max());
        FoundPage {
            found: self
                .found
                .into_iter()
                .map(|(key, versions)| Found {
                    key,
                    versions: versions.closed(trees - 1),
                })
                .collect(),
            next,
        }
    }
}

impl Versions {
    fn begin(entry: FileEntry, index: usize) -> Self {
        Self {
            versions: vec![Version {
                entry,
                newest: index,
                oldest: index,
            }],
            is_open: true,
        }
    }

    /// Takes what the tree `index` has, which is not what the one before it has.
    fn turn(&mut self, entry: Option<FileEntry>, index: usize) {
        let last = self.versions.last_mut().expect("there is at least one");
        match entry {
            Some(entry) if self.is_open && is_same_version(&last.entry, &entry) => {}
            Some(entry) => {
                self.close(index - 1);
                self.versions.push(Version {
                    entry,
                    newest: index,
                    oldest: index,
                });
                self.is_open = true;
            }
            None => self.close(index - 1),
        }
    }

    fn close(&mut self, oldest: usize) {
        if std::mem::take(&mut self.is_open)
            && let Some(last) = self.versions.last_mut()
        {
            last.oldest = oldest;
        }
    }

    fn closed(mut self, last: usize) -> Vec<Version> {
        self.close(last);
        self.versions
    }
}

/// Says whether two entries are one version to a person: nobody asks for a change of an inode number.
fn is_same_version(a: &FileEntry, b: &FileEntry) -> bool {
    let visible = |e: &FileEntry| (e.mode, e.uid, e.gid, e.mtime_ns, e.size);
    visible(a) == visible(b) && a.node == b.node && a.xattrs == b.xattrs
}

/// Returns the least key that is greater.
fn just_behind(key: &FileKey) -> Vec<u8> {
    let mut out = key.0.clone();
    out.push(0);
    out
}
