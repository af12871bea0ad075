//! Looks for names in many trees at once: every version of every entry that matches, and which trees hold it.
//!
//! The newest tree is gone through; of every older one only what differs from its successor is read. So the cost is
//! one walk plus the changes between trees, however many of them there are, and what they share is read once.
//!
//! Answers come in pages, in key order: memory is bounded by a page of entries, each with at most one version a tree.
//! It looks at names alone, never at content.

use std::collections::BTreeMap;

use base::{ChunkId, Fault};
use format::entry::{FileEntry, FileKey};
use format::replica::ChunkReader;
use format::tree::{Cursor, diff};

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

/// Entries found so far, each with its versions; the last one is open while `oldest` may still grow.
struct Versions {
    versions: Vec<Version>,
    is_open: bool,
}

/// Looks for one page.
///
/// # Errors
/// A tree cannot be read.
pub fn find(reader: &dyn ChunkReader, find: &Find<'_>) -> Result<FoundPage, Fault> {
    let Some(newest) = find.trees.first() else {
        return Ok(FoundPage::default());
    };
    let start = find.after.map_or_else(Vec::new, just_behind);
    let mut found = BTreeMap::new();
    let mut end = first_tree(reader, find, newest, &start, &mut found)?;
    for (index, pair) in find.trees.windows(2).enumerate() {
        older_tree(reader, find, (index + 1, pair), (&start, &end), &mut found)?;
        if let Some((beyond, _)) = found.iter().nth(find.limit) {
            let beyond: FileKey = FileKey::clone(beyond);
            found.split_off(&beyond);
            end = Some(beyond.0);
        }
    }
    let last = find.trees.len() - 1;
    let found: Vec<Found> = found
        .into_iter()
        .map(|(key, versions)| Found {
            key,
            versions: versions.closed(last),
        })
        .collect();
    let next = end.and_then(|_| found.last().map(|last| last.key.clone()));
    Ok(FoundPage { found, next })
}

/// Goes through the newest tree, and returns where the page ends if not at the tree's end.
fn first_tree(
    reader: &dyn ChunkReader,
    find: &Find<'_>,
    root: &ChunkId,
    start: &[u8],
    found: &mut BTreeMap<FileKey, Versions>,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut cursor = Cursor::<FileEntry>::range(reader, root, start, None)?;
    let mut key = FileKey(Vec::new());
    while let Some((bytes, entry)) = cursor.next_ref()? {
        key.0.clear();
        key.0.extend_from_slice(bytes);
        if !(find.wanted)(&key) {
            continue;
        }
        if found.len() >= find.limit.max(1) {
            return Ok(Some(key.0));
        }
        let entry = <FileEntry as format::tree::Value>::from_view(entry);
        found.insert(key.clone(), Versions::begin(entry, 0));
    }
    Ok(None)
}

/// Goes through what an older tree has differently from the one after it, within the page.
fn older_tree(
    reader: &dyn ChunkReader,
    find: &Find<'_>,
    (index, pair): (usize, &[ChunkId]),
    (start, end): (&[u8], &Option<Vec<u8>>),
    found: &mut BTreeMap<FileKey, Versions>,
) -> Result<(), Fault> {
    let changes = diff::<FileEntry>(reader, Some(&pair[0]), Some(&pair[1]))?;
    for change in changes.within(start, end.as_deref()) {
        let change = change?;
        let key = FileKey(change.key);
        if !(find.wanted)(&key) {
            continue;
        }
        match found.get_mut(&key) {
            Some(versions) => versions.turn(change.new, index),
            None => {
                // Gone since then: the newer trees never had it.
                if let Some(entry) = change.new {
                    found.insert(key, Versions::begin(entry, index));
                }
            }
        }
    }
    Ok(())
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
