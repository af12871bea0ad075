//! Looks into recovery points: one directory is one range of the tree.

mod pattern;

use std::ops::Bound;

use api::request;
use api::view::{ChangeView, Changed, EntryKind, EntryView};
use api::{PathText, Time};
use base::fault::Code;
use base::limits::PAGE_ENTRIES_MAX;
use base::{ChunkId, Fault, PointId, Timestamp};
use format::entry::{FileEntry, FileKey, Node};
use format::tree::{self, Change, Cursor};
use server::{Match, Page};
use store::{Find, Store};

use pattern::Pattern;

/// A store's trees.
pub(crate) struct Look {
    pub(crate) store: Store,
}

impl server::Look for Look {
    fn browse(
        &self,
        point: &PointId,
        root: &ChunkId,
        request: &request::Browse,
    ) -> Result<Page<EntryView>, Fault> {
        let unknown = || no_such_path(&request.path, point);
        let directory = FileKey::from_path(&request.path.0).map_err(|_| unknown())?;
        let entry: Option<FileEntry> = tree::get(&self.store, root, &directory.0)?;
        match entry {
            None => Err(unknown()),
            Some(entry) if matches!(entry.node, Node::Directory) => {
                self.list(root, &directory, request)
            }
            Some(entry) => {
                // What is not a directory lists itself; the source itself has no name.
                let name = match directory.is_root() {
                    true => Vec::new(),
                    false => directory.name().to_vec(),
                };
                Ok(Page {
                    items: vec![view(name, &entry)],
                    next: None,
                })
            }
        }
    }

    fn diff(
        &self,
        points: [&PointId; 2],
        [old, new]: [&ChunkId; 2],
        request: &request::Diff,
    ) -> Result<Page<ChangeView>, Fault> {
        let unknown = |_| no_such_path(&request.path, points[1]);
        let top = FileKey::from_path(&request.path.0).map_err(unknown)?;
        let mut changes = Changes::new(request.limit);
        let after = match &request.after {
            Some(path) => Some(FileKey::from_path(&path.0).map_err(unknown)?),
            None => {
                let entry = |root| tree::get::<FileEntry>(&self.store, root, &top.0);
                let (old, new) = (entry(old)?, entry(new)?);
                if old.is_none() && new.is_none() {
                    return Err(no_such_path(&request.path, points[1]));
                }
                let key = top.0.clone();
                changes.add(Change { key, old, new });
                None
            }
        };
        let (start, end) = below(&top, after.as_ref());
        for change in tree::diff::<FileEntry>(&self.store, Some(old), Some(new))?
            .within(&start, end.as_deref())
        {
            if changes.add(change?) {
                break;
            }
        }
        Ok(changes.page())
    }

    fn find(
        &self,
        roots: &[ChunkId],
        pattern: &str,
        after: Option<&PathText>,
        limit: u32,
    ) -> Result<Page<Match>, Fault> {
        let pattern = Pattern::new(pattern)?;
        // A place that no tree can have lies behind nothing.
        let after = after.filter(|path| !path.0.is_empty());
        let after = after.and_then(|path| FileKey::from_path(&path.0).ok());
        let page = store::find(
            &self.store,
            &Find {
                trees: roots,
                wanted: &|key| pattern.matches(key),
                after: after.as_ref(),
                limit: entries_of_a_page(limit),
            },
        )?;
        let found = page.found.into_iter().map(|found| Match {
            path: path_of(&found.key),
            versions: found
                .versions
                .iter()
                .map(|v| {
                    (
                        view(found.key.name().to_vec(), &v.entry),
                        v.newest,
                        v.oldest,
                    )
                })
                .collect(),
        });
        Ok(Page {
            items: found.collect(),
            next: page.next.as_ref().map(path_of),
        })
    }
}

/// Differences on their way into a page.
struct Changes {
    limit: usize,
    found: Vec<ChangeView>,
    more: bool,
}

impl Changes {
    fn new(limit: u32) -> Self {
        Self {
            limit: entries_of_a_page(limit),
            found: Vec::new(),
            more: false,
        }
    }

    /// Takes a change if it is one to a person, and says whether the page is full.
    fn add(&mut self, change: Change<FileEntry>) -> bool {
        let Some(kind) = kind_of(&change) else {
            return false;
        };
        if self.found.len() == self.limit {
            self.more = true;
            return true;
        }
        let key = FileKey(change.key);
        let shown = |entry: FileEntry| view(key.name().to_vec(), &entry);
        self.found.push(ChangeView {
            path: path_of(&key),
            change: kind,
            from: change.old.map(shown),
            to: change.new.map(shown),
        });
        false
    }

    fn page(self) -> Page<ChangeView> {
        let last = self.found.last().filter(|_| self.more);
        Page {
            next: last.map(|change| change.path.clone()),
            items: self.found,
        }
    }
}

/// Returns what kind of change it is; none if only numbers differ that mean nothing elsewhere (inode, change time).
fn kind_of(change: &Change<FileEntry>) -> Option<Changed> {
    let (old, new) = match (&change.old, &change.new) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Changed::Added),
        (Some(_), None) => return Some(Changed::Removed),
        (Some(old), Some(new)) => (old, new),
    };
    if old.node != new.node || old.size != new.size {
        return Some(Changed::Content);
    }
    let visible = |e: &FileEntry| (e.mode, e.uid, e.gid, e.mtime_ns);
    let same = visible(old) == visible(new) && old.xattrs == new.xattrs;
    (!same).then_some(Changed::Metadata)
}

/// Returns the keys below `top` and behind `after`.
fn below(top: &FileKey, after: Option<&FileKey>) -> (Vec<u8>, Option<Vec<u8>>) {
    let (start, end) = top.subtree_range();
    let bytes = |bound| match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    };
    let mut start = bytes(start).unwrap_or_default();
    if let Some(after) = after {
        // The least key above that one.
        let behind = [after.0.as_slice(), &[0]].concat();
        start = start.max(behind);
    }
    (start, bytes(end))
}

fn path_of(key: &FileKey) -> PathText {
    PathText(key.to_path().unwrap_or_default())
}

fn no_such_path(path: &PathText, point: &PointId) -> Fault {
    Fault::new(Code::RestorePathUnknown)
        .with("path", path)
        .with("point", point)
}

fn entries_of_a_page(asked: u32) -> usize {
    asked.clamp(1, PAGE_ENTRIES_MAX) as usize
}

impl Look {
    fn list(
        &self,
        root: &ChunkId,
        directory: &FileKey,
        request: &request::Browse,
    ) -> Result<Page<EntryView>, Fault> {
        let prefix = directory.dir_prefix();
        let mut start = prefix.clone();
        if let Some(after) = &request.after {
            start.extend(&after.0);
            // The least key above that one.
            start.push(0);
        }
        let limit = entries_of_a_page(request.limit);
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        for item in Cursor::<FileEntry>::range(&self.store, root, &start, None)? {
            let (key, entry) = item?;
            let Some(name) = key.strip_prefix(&prefix[..]) else {
                break;
            };
            if page.items.len() == limit {
                page.next = page
                    .items
                    .last()
                    .map(|entry: &EntryView| entry.name.clone());
                break;
            }
            page.items.push(view(name.to_vec(), &entry));
        }
        Ok(page)
    }
}

fn view(name: Vec<u8>, entry: &FileEntry) -> EntryView {
    let (kind, target) = match &entry.node {
        Node::Directory => (EntryKind::Directory, None),
        Node::File(_) => (EntryKind::File, None),
        Node::Symlink(target) => (EntryKind::Symlink, Some(PathText(target.clone()))),
        Node::Fifo => (EntryKind::Fifo, None),
        Node::Socket => (EntryKind::Socket, None),
        Node::CharDevice(_) => (EntryKind::CharDevice, None),
        Node::BlockDevice(_) => (EntryKind::BlockDevice, None),
    };
    let named = |name: &[u8], number: u32| match name {
        [] => number.to_string(),
        name => PathText(name.to_vec()).to_string(),
    };
    EntryView {
        name: PathText(name),
        kind,
        size: entry.size,
        modified: Timestamp::from_nanosecond(i128::from(entry.mtime_ns))
            .ok()
            .map(Time),
        mode: entry.mode,
        owner: named(&entry.user, entry.uid),
        group: named(&entry.group, entry.gid),
        target,
    }
}
