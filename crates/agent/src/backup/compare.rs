//! The comparison: one thread that walks the source beside the member's earlier tree, both in key order.
//!
//! An entry is unchanged if everything `statx` says of it is what it was, its change time among it: no byte of
//! it is read, and nothing is written for it. Everything else goes to the readers, also what differs in nothing
//! but a change time that the run before did not believe (see [`doubt`](super::doubt)).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use base::Fault;
use base::limits;
use crossbeam_channel::{Sender, bounded};
use format::entry::{FileEntry, FileKey, NEVER_THE_SAME, Node};
use format::tree::{Cursor, FileRef, NodeRef, Value as _};
use sources::files::{Event, Found, Walk};

use super::count::{Counts, Share};
use super::read::{Expected, Order, Wanted, Why, is_gone, new_link};
use super::scope::Scope;
use super::stages::{Change, Changes, Link};
use super::warn;
use crate::flow::{Flow, Stopped};

/// Which files came by in this run, by device and inode, as long as they have links that may still come.
type Links = HashMap<(u64, u64, i64), Link>;

/// What the earlier tree has under a key.
enum Earlier {
    /// An entry that looks the same.
    Same,
    /// An entry that looks the same, and is to be read all the same.
    Read(Expected),
    /// Nothing, or another entry.
    Other,
}

/// What the walk could not look at: whether it is still there nobody knows, so nothing of it is deleted.
#[derive(Default)]
struct Unseen {
    keys: BTreeSet<Vec<u8>>,
    /// Subtrees, none within another, by the first key they may have: the first key behind, if there is one.
    subtrees: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Unseen {
    fn add(&mut self, key: &FileKey) {
        self.keys.insert(key.0.clone());
        let (start, end) = key.subtree_range();
        let [start, end] = [start, end].map(|bound| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        });
        let start = start.unwrap_or_default();
        if self.is_below(&start) {
            return;
        }
        // Subtrees lie within each other or apart.
        let inside = (
            Bound::Included(&start),
            end.as_ref().map_or(Bound::Unbounded, Bound::Excluded),
        );
        let inside: Vec<_> = self
            .subtrees
            .range::<Vec<u8>, _>(inside)
            .map(|(key, _)| key.clone())
            .collect();
        for key in inside {
            self.subtrees.remove(&key);
        }
        self.subtrees.insert(start, end);
    }

    fn is_below(&self, key: &[u8]) -> bool {
        let before = (Bound::Unbounded, Bound::Included(key));
        let nearest = self.subtrees.range::<[u8], _>(before).next_back();
        nearest.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < end.as_slice()))
    }

    /// Says whether `key` is among them. Keys are asked for in ascending order: what lies before is forgotten.
    fn holds(&mut self, key: &FileKey) -> bool {
        while self.keys.first().is_some_and(|first| *first < key.0) {
            self.keys.pop_first();
        }
        while let Some(first) = self.subtrees.first_entry()
            && first.get().as_ref().is_some_and(|end| *end <= key.0)
        {
            first.remove();
        }
        self.keys.contains(&key.0) || self.is_below(&key.0)
    }
}

pub(crate) struct Compare<'a> {
    pub(crate) flow: &'a Flow<'a>,
    pub(crate) counts: &'a Counts,
    /// Whether entries that look unchanged are read all the same.
    pub(crate) read_unchanged: bool,
    pub(crate) orders: Sender<Order>,
    pub(crate) changes: Sender<Changes>,
    /// What was not sent yet.
    pub(super) batch: Batch,
    /// Which part of the earlier tree is compared.
    pub(super) scope: Scope,
    /// See [`super::Report::suspects`].
    pub(super) suspects: Vec<FileKey>,
}

impl Compare<'_> {
    /// Goes through the whole walk, and returns what was not what was expected. `old` is the earlier tree, if there was one.
    pub(crate) fn run(
        mut self,
        walk: Walk,
        mut old: Option<Cursor<'_, FileEntry>>,
    ) -> Result<Vec<FileKey>, Stopped> {
        let mut links = Links::new();
        let mut unseen = Unseen::default();
        for event in walk {
            self.flow.go_on()?;
            match event {
                Event::Problem(problem) => {
                    warn(self.flow, &problem);
                    if !is_gone(&problem) {
                        unseen.add(&problem.key);
                    }
                }
                Event::Entry(found) => {
                    self.counts.entry(&found.entry);
                    match self.pass_over(old.as_mut(), Some(&found), &mut unseen)? {
                        Earlier::Same => self.counts.unchanged(&found.entry, self.flow),
                        Earlier::Read(expected) => self.put(found, Some(expected), &mut links)?,
                        Earlier::Other => self.put(found, None, &mut links)?,
                    }
                }
            }
        }
        self.pass_over(old.as_mut(), None, &mut unseen)?;
        self.send()?;
        Ok(self.suspects)
    }

    /// Deletes what the earlier tree has before `found`, and says whether `found` stands in it unchanged.
    fn pass_over(
        &mut self,
        old: Option<&mut Cursor<'_, FileEntry>>,
        found: Option<&Found>,
        unseen: &mut Unseen,
    ) -> Result<Earlier, Stopped> {
        let Some(old) = old else {
            return Ok(Earlier::Other);
        };
        let flow = self.flow;
        let failed = |error| flow.fail(Fault::from(error));
        loop {
            // It may be a long way.
            self.flow.go_on()?;
            let is_more = self.scope.advance(old).map_err(failed)?;
            let row = match is_more {
                true => old.peek_ref().map_err(failed)?,
                false => None,
            };
            let order = |key: &[u8]| found.map_or(Ordering::Less, |f| key.cmp(&f.key.0));
            match (row, found) {
                (Some((key, entry)), Some(found)) if order(key) == Ordering::Equal => {
                    self.counts.earlier(entry.size);
                    self.counts.replaced(&entry);
                    let earlier = self.beside(&entry, &found.entry);
                    let is_same = looks_alike(&entry, &found.entry);
                    let was_dir = matches!(entry.node, NodeRef::Directory).then_some(entry.inode);
                    self.next(old)?;
                    if !is_same {
                        self.found_other(found, was_dir);
                    }
                    return Ok(earlier);
                }
                (Some((key, entry)), _) if order(key) == Ordering::Less => {
                    self.counts.earlier(entry.size);
                    let gone = FileKey(key.to_vec());
                    let was_dir = matches!(entry.node, NodeRef::Directory);
                    let is_unseen = unseen.holds(&gone);
                    if !is_unseen {
                        self.counts.replaced(&entry);
                    }
                    self.next(old)?;
                    if !is_unseen {
                        self.delete(gone, was_dir)?;
                    }
                }
                _ => {
                    if let Some(found) = found {
                        self.found_other(found, None);
                    }
                    return Ok(Earlier::Other);
                }
            }
        }
    }

    fn delete(&mut self, gone: FileKey, was_dir: bool) -> Result<(), Stopped> {
        self.suspect_if_quiet(&gone);
        if was_dir && !self.scope.holds_below(&gone) {
            self.scope.add_below(&gone);
        }
        self.counts.deleted();
        self.batch.changes.push(Change::Delete(gone));
        self.send_if_full()
    }

    /// Takes note of an entry that is not as it was: `was_dir` is the inode of the directory that stood there, if one did.
    fn found_other(&mut self, found: &Found, was_dir: Option<u64>) {
        self.suspect_if_quiet(&found.key);
        let is_dir = matches!(found.entry.node, Node::Directory);
        if self.scope.holds_below(&found.key) {
            return;
        }
        if is_dir && was_dir != Some(found.entry.inode) {
            // What is in a directory that was not there before is not looked at: somebody should have said so.
            self.suspect(&found.key);
        } else if !is_dir && was_dir.is_some() {
            self.scope.add_below(&found.key);
        }
    }

    fn suspect_if_quiet(&mut self, key: &FileKey) {
        if self.scope.is_quiet(key) {
            self.suspect(key);
        }
    }

    fn suspect(&mut self, key: &FileKey) {
        if self.suspects.len() < limits::SUSPECTS_MAX {
            self.suspects.push(key.clone());
        }
    }

    fn beside(&self, old: &FileRef<'_>, new: &FileEntry) -> Earlier {
        let read = |why| {
            Earlier::Read(Expected {
                entry: Box::new(FileEntry::from_view(*old)),
                why,
            })
        };
        match looks_same(old, new) {
            true if old.ctime_ns == NEVER_THE_SAME => read(Why::Doubt),
            true if old.ctime_ns != new.ctime_ns => Earlier::Other,
            true if self.read_unchanged => read(Why::Check),
            true => Earlier::Same,
            false => Earlier::Other,
        }
    }

    fn next(&self, old: &mut Cursor<'_, FileEntry>) -> Result<(), Stopped> {
        old.next_ref().map_err(|e| self.flow.fail(Fault::from(e)))?;
        Ok(())
    }

    fn put(
        &mut self,
        found: Found,
        expected: Option<Expected>,
        links: &mut Links,
    ) -> Result<(), Stopped> {
        let key = found.key.clone();
        let (link, linked) = link_of(&found.entry, links);
        if expected.is_none() {
            self.counts.changed();
        }
        let held = held_bytes(&found.entry);
        let share = Share::of(&found.entry);
        if !self.flow.try_take(held) {
            // What is waited for may be what was not sent yet.
            self.send()?;
            self.flow.take(held)?;
        }
        self.batch.wanted.push(Wanted {
            found,
            link,
            linked,
            expected,
            share,
            ahead: None,
        });
        self.batch.changes.push(Change::Put { key, held });
        self.batch.held += held;
        self.send_if_full()
    }

    fn send_if_full(&mut self) -> Result<(), Stopped> {
        let batch = &self.batch;
        let is_full = batch.changes.len() >= limits::READ_BATCH_ENTRIES
            || batch.held >= limits::READ_BATCH_BYTES;
        match is_full {
            true => self.send(),
            false => Ok(()),
        }
    }

    /// Sends what was not sent yet: to a reader first, so that the bundler never waits for what nobody reads.
    fn send(&mut self) -> Result<(), Stopped> {
        let Batch {
            changes, wanted, ..
        } = std::mem::take(&mut self.batch);
        if changes.is_empty() {
            return Ok(());
        }
        let (answer, answered) = bounded(1);
        if !wanted.is_empty() {
            let order = Order { wanted, answer };
            self.orders.send(order).map_err(|_| Stopped)?;
        }
        let changes = Changes { changes, answered };
        self.changes.send(changes).map_err(|_| Stopped)
    }
}

/// Changes that belong together, and what of them is to be read.
#[derive(Default)]
pub(super) struct Batch {
    changes: Vec<Change>,
    wanted: Vec<Wanted>,
    /// Bytes that a reader will hold for them.
    held: usize,
}

/// Returns how many bytes a reader will hold for the entry.
fn held_bytes(entry: &FileEntry) -> usize {
    match entry.node {
        Node::File(_) => usize::try_from(entry.size)
            .ok()
            .filter(|size| *size <= limits::BUNDLED_FILE_BYTES_MAX)
            .unwrap_or(0),
        _ => 0,
    }
}

/// Returns where the links of the entry's file meet, and whether one came before. Very small files live in
/// their entries and are read again instead.
fn link_of(entry: &FileEntry, links: &mut Links) -> (Option<Link>, bool) {
    let shared = matches!(entry.node, Node::File(_))
        && entry.links > 1
        && entry.size > limits::INLINE_BYTES_MAX as u64;
    if !shared {
        return (None, false);
    }
    let file = (entry.device, entry.inode, entry.ctime_ns);
    if let Some(link) = links.get(&file) {
        return (Some(link.clone()), true);
    }
    let link = new_link();
    if links.len() < limits::CONTENTS_REMEMBERED_MAX {
        links.insert(file, link.clone());
    }
    (Some(link), false)
}

/// Says whether nothing but perhaps the change time speaks for a change. The device counts only where it tells
/// which entries are one file: it may be numbered anew at every boot.
fn looks_same(old: &FileRef<'_>, new: &FileEntry) -> bool {
    looks_alike(old, new)
        && (new.links < 2 || old.device == new.device)
        && old.user == new.user.as_slice()
        && old.group == new.group.as_slice()
}

/// Says whether nothing is different that only an event would have told: names of accounts belong to the machine, and the
/// change time moves by itself when a file system is tended to.
fn looks_alike(old: &FileRef<'_>, new: &FileEntry) -> bool {
    same_kind(&old.node, &new.node)
        && old.size == new.size
        && old.mtime_ns == new.mtime_ns
        && old.inode == new.inode
        && old.links == new.links
        && old.mode == new.mode
        && (old.uid, old.gid) == (new.uid, new.gid)
}

fn same_kind(old: &NodeRef<'_>, new: &Node) -> bool {
    match (old, new) {
        (NodeRef::Directory, Node::Directory)
        | (NodeRef::Symlink(_), Node::Symlink(_))
        | (NodeRef::Fifo, Node::Fifo)
        | (NodeRef::Socket, Node::Socket) => true,
        (NodeRef::CharDevice(a), Node::CharDevice(b))
        | (NodeRef::BlockDevice(a), Node::BlockDevice(b)) => a == b,
        (NodeRef::Inline(_) | NodeRef::Extents(_) | NodeRef::Map(_), Node::File(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`Unseen`] says, found the slow way.
    fn is_unseen(added: &[FileKey], key: &FileKey) -> bool {
        use std::ops::RangeBounds;
        added
            .iter()
            .any(|seen| seen == key || seen.subtree_range().contains(&key.0))
    }

    #[test]
    fn what_was_not_seen_is_known_with_all_that_is_below() {
        let mut dice = testkit::Dice::new(8);
        for _ in 0..300 {
            let mut path = || {
                let names = ["a", "b", "a.b", "\u{1}", "b\u{2}"];
                let depth = dice.below(5) as usize;
                let path: Vec<&str> = (0..depth).map(|_| names[dice.index(5)]).collect();
                FileKey::from_path(path.join("/").as_bytes()).expect("a path")
            };
            let mut added: Vec<FileKey> = (0..4).map(|_| path()).collect();
            if added.iter().any(FileKey::is_root) {
                added.truncate(3);
            }
            let mut asked: Vec<FileKey> = (0..40).map(|_| path()).collect();
            asked.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let mut unseen = Unseen::default();
            added.iter().for_each(|key| unseen.add(key));
            for key in &asked {
                assert_eq!(
                    unseen.holds(key),
                    is_unseen(&added, key),
                    "{added:?} {key:?}"
                );
            }
        }
    }

    #[test]
    fn very_much_that_was_not_seen_is_asked_for_in_no_time() {
        let mut unseen = Unseen::default();
        let key = |n: u32| FileKey::from_path(format!("d/{n:07}").as_bytes()).expect("a path");
        (0..200_000).for_each(|n| unseen.add(&key(n)));
        assert!((0..200_000).all(|n| unseen.holds(&key(n))));
        assert!(!unseen.holds(&key(200_000)));
    }
}
