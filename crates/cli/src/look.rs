//! Looks into recovery points: one directory is one range of the tree.

mod lately;
mod pattern;

use std::ops::Bound;

use agent::{data_ranges, read_range};
use api::request::{self, WhichEntries};
use api::view::{
    ChangeView, Changed, EntryKind, EntryView, FullEntryView, RangeListView, RangeView, XattrView,
};
use api::{PathText, Time};
use base::fault::Code;
use base::limits::{
    FIND_LOOKS_MAX, FIND_VERSIONS_MAX, PAGE_ENTRIES_MAX, PAGE_XATTR_BYTES_MAX, RANGES_LISTED_MAX,
};
use base::{ChunkId, Fault, PointId, Timestamp};
use format::entry::{Content, Extent, FileEntry, FileKey, NEVER_THE_SAME, Node};
use format::tree::{self, Change, Cursor};
use server::{Match, Page};
use store::{Find, Reading, Store};

use lately::Lately;
use pattern::Pattern;

/// A store's trees.
pub(crate) struct Look {
    store: Store,
    lately: Lately,
}

impl server::Look for Look {
    fn browse(&self, point: &PointId, request: &request::Browse) -> Result<Page<EntryView>, Fault> {
        let reading = self.store.read_point(point)?;
        let (key, entry) = entry(&reading, point, &request.path)?;
        if entry.node == Node::Directory {
            let after = request.after.as_ref();
            return list(&reading, &key, (after, request.limit), |_, name, entry| {
                view(name, entry)
            });
        }
        // What is not a directory lists itself; the source itself has no name.
        Ok(alone(view(key.name().to_vec(), &entry)))
    }

    fn entries(
        &self,
        point: &PointId,
        request: &request::Entries,
    ) -> Result<Page<FullEntryView>, Fault> {
        let reading = self.store.read_point(point)?;
        let (key, entry) = entry(&reading, point, &request.path)?;
        match request.which {
            WhichEntries::Itself => Ok(alone(full_view(key.name().to_vec(), &entry))),
            WhichEntries::Inside if entry.node == Node::Directory => {
                let after = request.after.as_ref();
                list(
                    &reading,
                    &key,
                    (after, request.limit),
                    |key, name, entry| {
                        self.lately.remember(&reading.root(), key, entry);
                        full_view(name, entry)
                    },
                )
            }
            WhichEntries::Inside => Err(no_such_path(&request.path, point)),
        }
    }

    fn read(&self, point: &PointId, request: &request::Read) -> Result<Vec<u8>, Fault> {
        let reading = self.store.read_point(point)?;
        let (content, size) = self.file(&reading, point, &request.path)?;
        let end = request.offset.saturating_add(u64::from(request.bytes));
        read_range(&reading, &content, size, (request.offset, end))
    }

    fn ranges(&self, point: &PointId, request: &request::Ranges) -> Result<RangeListView, Fault> {
        let reading = self.store.read_point(point)?;
        let (content, size) = self.file(&reading, point, &request.path)?;
        let limit = request.limit.clamp(1, RANGES_LISTED_MAX) as usize;
        let (ranges, next) = data_ranges(&reading, &content, size, request.offset, limit)?;
        let view = |range: std::ops::Range<u64>| RangeView {
            offset: range.start,
            bytes: range.end - range.start,
        };
        Ok(RangeListView {
            ranges: ranges.into_iter().map(view).collect(),
            next,
        })
    }

    fn diff(
        &self,
        [old, new]: [PointId; 2],
        request: &request::Diff,
    ) -> Result<Page<ChangeView>, Fault> {
        let unknown = |_| no_such_path(&request.path, &new);
        let top = FileKey::from_path(&request.path.0).map_err(unknown)?;
        let [old_tree, new_tree] = [self.store.read_point(&old)?, self.store.read_point(&new)?];
        let mut changes = Changes::new(request.limit);
        let after = match &request.after {
            Some(path) => Some(key_of(path)?),
            None => {
                let entry = |tree: &Reading| tree::get::<FileEntry>(tree, &tree.root(), &top.0);
                let (old, new_entry) = (entry(&old_tree)?, entry(&new_tree)?);
                if old.is_none() && new_entry.is_none() {
                    return Err(no_such_path(&request.path, &new));
                }
                let key = top.0.clone();
                changes.add(Change {
                    key,
                    old,
                    new: new_entry,
                });
                None
            }
        };
        let (start, end) = below(&top, after.as_ref());
        let roots = [old_tree.root(), new_tree.root()];
        let differences = tree::diff::<FileEntry>(&new_tree, Some(&roots[0]), Some(&roots[1]))?;
        for change in differences.within(&start, end.as_deref()) {
            if changes.add(change?) {
                break;
            }
        }
        Ok(changes.page())
    }

    fn find(
        &self,
        points: &[PointId],
        pattern: &str,
        after: Option<&PathText>,
        limit: u32,
    ) -> Result<Page<Match>, Fault> {
        let pattern = Pattern::new(pattern)?;
        let after = match after {
            Some(path) if !path.0.is_empty() => Some(key_of(path)?),
            _ => None,
        };
        let readings: Vec<Reading> = points
            .iter()
            .map(|point| self.store.read_point(point))
            .collect::<Result<_, _>>()?;
        let Some(newest) = readings.first() else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let trees: Vec<ChunkId> = readings.iter().map(Reading::root).collect();
        let page = store::find(
            newest,
            &Find {
                trees: &trees,
                wanted: &|key| pattern.matches(key),
                after: after.as_ref(),
                limit: entries_of_a_page(limit),
                versions: FIND_VERSIONS_MAX,
                looks: FIND_LOOKS_MAX,
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

/// Returns the key of a path that an answer gave to go on after.
///
/// # Errors
/// `UsageError`: no answer gave that.
fn key_of(path: &PathText) -> Result<FileKey, Fault> {
    FileKey::from_path(&path.0).map_err(|_| {
        let detail = format!("nothing can be listed after the path {path}");
        Fault::new(Code::UsageError).with("detail", detail)
    })
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
    /// Returns what looks into the points of a store.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            lately: Lately::default(),
        }
    }

    /// Finds a file by its path; returns its content and its size.
    fn file(
        &self,
        tree: &Reading,
        point: &PointId,
        path: &PathText,
    ) -> Result<(Content, u64), Fault> {
        let key = FileKey::from_path(&path.0).map_err(|_| no_such_path(path, point))?;
        if let Some(found) = self.lately.get(&tree.root(), &key.0) {
            return Ok(found);
        }
        let (_, entry) = entry(tree, point, path)?;
        match entry.node {
            Node::File(content) => Ok((content, entry.size)),
            _ => Err(no_such_path(path, point)),
        }
    }
}

/// Finds an entry by its path.
fn entry(tree: &Reading, point: &PointId, path: &PathText) -> Result<(FileKey, FileEntry), Fault> {
    let unknown = || no_such_path(path, point);
    let key = FileKey::from_path(&path.0).map_err(|_| unknown())?;
    let entry = tree::get(tree, &tree.root(), &key.0)?.ok_or_else(unknown)?;
    Ok((key, entry))
}

/// Lists a directory, from behind a name.
fn list<T>(
    tree: &Reading,
    directory: &FileKey,
    (after, limit): (Option<&PathText>, u32),
    view: impl Fn(&[u8], Vec<u8>, &FileEntry) -> T,
) -> Result<Page<T>, Fault> {
    let prefix = directory.dir_prefix();
    let mut start = prefix.clone();
    if let Some(after) = after {
        start.extend(&after.0);
        // The least key above that one.
        start.push(0);
    }
    let limit = entries_of_a_page(limit);
    let mut items = Vec::new();
    let mut last = Vec::new();
    let mut xattr_bytes = 0;
    for item in Cursor::<FileEntry>::range(tree, &tree.root(), &start, None)? {
        let (key, entry) = item?;
        let Some(name) = key.strip_prefix(&prefix[..]) else {
            break;
        };
        if items.len() == limit || xattr_bytes > PAGE_XATTR_BYTES_MAX {
            let next = Some(PathText(last));
            return Ok(Page { items, next });
        }
        last = name.to_vec();
        xattr_bytes += entry.xattrs.iter().map(|(_, v)| v.len()).sum::<usize>();
        items.push(view(&key, name.to_vec(), &entry));
    }
    Ok(Page { items, next: None })
}

/// Returns a page of one item.
fn alone<T>(item: T) -> Page<T> {
    Page {
        items: vec![item],
        next: None,
    }
}

fn kind_of_node(node: &Node) -> EntryKind {
    match node {
        Node::Directory => EntryKind::Directory,
        Node::File(_) => EntryKind::File,
        Node::Symlink(_) => EntryKind::Symlink,
        Node::Fifo => EntryKind::Fifo,
        Node::Socket => EntryKind::Socket,
        Node::CharDevice(_) => EntryKind::CharDevice,
        Node::BlockDevice(_) => EntryKind::BlockDevice,
    }
}

fn target_of(node: &Node) -> Option<PathText> {
    match node {
        Node::Symlink(target) => Some(PathText(target.clone())),
        _ => None,
    }
}

fn full_view(name: Vec<u8>, entry: &FileEntry) -> FullEntryView {
    let data_bytes = match &entry.node {
        Node::File(Content::Extents(extents)) => {
            let data = extents.iter().filter(|e| matches!(e, Extent::Data { .. }));
            data.map(Extent::len).sum()
        }
        _ => entry.size,
    };
    FullEntryView {
        name: PathText(name),
        kind: kind_of_node(&entry.node),
        size: entry.size,
        data_bytes,
        modified_ns: entry.mtime_ns,
        changed_ns: match entry.ctime_ns {
            // It is there for the next synchronization alone.
            NEVER_THE_SAME => entry.mtime_ns,
            ctime_ns => ctime_ns,
        },
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        user: PathText(entry.user.clone()),
        group: PathText(entry.group.clone()),
        links: entry.links,
        inode: entry.inode,
        device: entry.device,
        special: match entry.node {
            Node::CharDevice(number) | Node::BlockDevice(number) => Some(number),
            _ => None,
        },
        target: target_of(&entry.node),
        xattrs: entry
            .xattrs
            .iter()
            .map(|(name, value)| XattrView {
                name: PathText(name.clone()),
                value: PathText(value.clone()),
            })
            .collect(),
    }
}

fn view(name: Vec<u8>, entry: &FileEntry) -> EntryView {
    let named = |name: &[u8], number: u32| match name {
        [] => number.to_string(),
        name => PathText(name.to_vec()).to_string(),
    };
    EntryView {
        name: PathText(name),
        kind: kind_of_node(&entry.node),
        size: entry.size,
        modified: Timestamp::from_nanosecond(i128::from(entry.mtime_ns))
            .ok()
            .map(Time),
        mode: entry.mode,
        owner: named(&entry.user, entry.uid),
        group: named(&entry.group, entry.gid),
        target: target_of(&entry.node),
    }
}
