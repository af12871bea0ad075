//! Looks into recovery points: one directory is one range of the tree.

use api::request;
use api::view::{EntryKind, EntryView};
use api::{PathText, Time};
use base::fault::Code;
use base::limits::PAGE_ENTRIES_MAX;
use base::{ChunkId, Fault, PointId, Timestamp};
use format::entry::{FileEntry, FileKey, Node};
use format::tree::{self, Cursor};
use server::{Browse, Page};
use store::Store;

/// A store's trees.
pub(crate) struct Look {
    pub(crate) store: Store,
}

impl Browse for Look {
    fn browse(
        &self,
        point: &PointId,
        root: &ChunkId,
        request: &request::Browse,
    ) -> Result<Page, Fault> {
        let unknown = || {
            Fault::new(Code::RestorePathUnknown)
                .with("path", &request.path)
                .with("point", point)
        };
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
                    entries: vec![view(name, &entry)],
                    next: None,
                })
            }
        }
    }
}

impl Look {
    fn list(
        &self,
        root: &ChunkId,
        directory: &FileKey,
        request: &request::Browse,
    ) -> Result<Page, Fault> {
        let prefix = directory.dir_prefix();
        let mut start = prefix.clone();
        if let Some(after) = &request.after {
            start.extend(&after.0);
            // The least key above that one.
            start.push(0);
        }
        let limit = request.limit.clamp(1, PAGE_ENTRIES_MAX) as usize;
        let mut page = Page {
            entries: Vec::new(),
            next: None,
        };
        for item in Cursor::<FileEntry>::range(&self.store, root, &start, None)? {
            let (key, entry) = item?;
            let Some(name) = key.strip_prefix(&prefix[..]) else {
                break;
            };
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|entry| entry.name.clone());
                break;
            }
            page.entries.push(view(name.to_vec(), &entry));
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
