//! Leaves of a file tree: what a row looks like from outside, what is valid, what it weighs.
//!
//! [`write`] makes the columns, [`read`] takes them apart. What rarely differs between neighbours (type, mode,
//! owner, device, links, attributes) stands once per node as a class; what differs stands in columns of its own.

mod name;
mod read;
mod write;

use base::ChunkId;
use base::limits::{
    EXTENTS_PER_ENTRY_MAX, INLINE_BYTES_MAX, SYMLINK_BYTES_MAX, XATTR_BYTES_MAX,
    XATTRS_PER_ENTRY_MAX,
};

use super::column::Column;
use super::columnar::Columnar;
use super::error::NodeError;
use super::keys::Keys;
use super::piece;
use super::value::{Totals, Value};
use crate::entry::{Content, Extent, FileEntry, Node};

/// A [`FileEntry`] borrowed from a node or from an owned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRef<'a> {
    /// Kind and content.
    pub node: NodeRef<'a>,
    /// See [`FileEntry::mode`].
    pub mode: u16,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name.
    pub user: &'a [u8],
    /// Group's name.
    pub group: &'a [u8],
    /// See [`FileEntry::mtime_ns`].
    pub mtime_ns: i64,
    /// See [`FileEntry::ctime_ns`].
    pub ctime_ns: i64,
    /// Inode number at the source.
    pub inode: u64,
    /// Device number at the source.
    pub device: u64,
    /// Hard links at the source.
    pub links: u32,
    /// Size in bytes.
    pub size: u64,
    /// Extended attributes, sorted by name.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// A [`Node`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRef<'a> {
    /// A directory.
    Directory,
    /// A regular file whose bytes are in the entry.
    Inline(&'a [u8]),
    /// A regular file in these pieces.
    Extents(&'a [Extent]),
    /// A regular file with an extent map: the id of its root.
    Map(ChunkId),
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device and its number.
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

impl NodeRef<'_> {
    /// Says whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Inline(_) | Self::Extents(_) | Self::Map(_))
    }
}

/// What a class's first byte says. One extent alone is by far the most frequent and has no count.
mod tag {
    pub(super) const DIRECTORY: u8 = 0;
    pub(super) const INLINE: u8 = 1;
    pub(super) const EXTENT: u8 = 2;
    pub(super) const EXTENTS: u8 = 3;
    pub(super) const MAP: u8 = 4;
    pub(super) const SYMLINK: u8 = 5;
    pub(super) const FIFO: u8 = 6;
    pub(super) const SOCKET: u8 = 7;
    pub(super) const CHAR_DEVICE: u8 = 8;
    pub(super) const BLOCK_DEVICE: u8 = 9;
}

/// Bits of a class's second byte.
mod flag {
    /// The status change time is the modification time and has no number of its own.
    pub(super) const CTIME_IS_MTIME: u8 = 1;
    /// The modification time's difference counts seconds: unpacked archives have no finer times.
    pub(super) const WHOLE_SECONDS: u8 = 2;
}

/// Extended attributes: name and value.
type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

const SECOND_NS: i64 = 1_000_000_000;

impl FileRef<'_> {
    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(
            self.node,
            NodeRef::Inline(_) | NodeRef::Extents(_) | NodeRef::Map(_)
        )
    }
}

fn check_content(view: &FileRef<'_>) -> Result<(), &'static str> {
    match view.node {
        NodeRef::Inline(bytes) if bytes.len() > INLINE_BYTES_MAX => {
            Err("too many bytes in the entry")
        }
        NodeRef::Inline(bytes) if bytes.len() as u64 != view.size => {
            Err("the size is not that of the bytes")
        }
        NodeRef::Extents(extents) if extents.len() > EXTENTS_PER_ENTRY_MAX => {
            Err("too many extents in the entry")
        }
        NodeRef::Extents(extents) => {
            let mut size = 0_u64;
            for extent in extents {
                piece::check(*extent)?;
                size = size.checked_add(extent.len()).ok_or("a file too large")?;
            }
            if size == view.size {
                Ok(())
            } else {
                Err("the size is not that of the extents")
            }
        }
        NodeRef::Symlink(target) if target.len() > SYMLINK_BYTES_MAX => {
            Err("the target of a link is too long")
        }
        _ if !view.is_file() && view.size != 0 => Err("only files have a size"),
        _ => Ok(()),
    }
}

fn check_xattrs(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), &'static str> {
    if xattrs.len() > XATTRS_PER_ENTRY_MAX {
        return Err("too many extended attributes");
    }
    if xattrs
        .iter()
        .any(|(name, value)| name.is_empty() || value.len() > XATTR_BYTES_MAX)
    {
        return Err("a malformed extended attribute");
    }
    if !xattrs.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("extended attributes out of order");
    }
    Ok(())
}

/// Returns what a set of attributes adds to a node's weight.
fn xattrs_weight(xattrs: &[(Vec<u8>, Vec<u8>)]) -> usize {
    xattrs
        .iter()
        .map(|(name, value)| name.len() + value.len() + 16)
        .sum()
}

impl Columnar for FileEntry {
    type Ref<'a> = FileRef<'a>;
    type Rows = read::FileRows;
    type Builder = write::FileBuilder;

    const TYPE: u8 = 1;

    fn check_key(key: &[u8]) -> Result<(), &'static str> {
        let (directory, name) = name::split(key);
        if !name::is_directory(directory) {
            return Err("a malformed directory in a key");
        }
        if key.is_empty() || name::is_name(name) {
            Ok(())
        } else {
            Err("a malformed name in a key")
        }
    }

    fn check(view: FileRef<'_>) -> Result<(), &'static str> {
        if view.mode > 0o7777 {
            return Err("the mode has more than permissions");
        }
        check_content(&view)?;
        check_xattrs(view.xattrs)
    }

    fn weight(key: &[u8], view: FileRef<'_>) -> usize {
        let content = match view.node {
            NodeRef::Inline(bytes) | NodeRef::Symlink(bytes) => bytes.len(),
            NodeRef::Extents(extents) => extents.len() * 56,
            _ => 0,
        };
        key.len() + 160 + view.user.len() + view.group.len() + content + xattrs_weight(view.xattrs)
    }

    fn totals(view: FileRef<'_>) -> Totals {
        Totals {
            entries: 1,
            files: u64::from(view.is_file()),
            bytes: view.size,
        }
    }

    fn push(builder: &mut write::FileBuilder, key: &[u8], view: FileRef<'_>) {
        builder.push(key, &view);
    }

    fn finish(builder: &mut write::FileBuilder, out: &mut Vec<u8>) {
        builder.finish(out);
    }

    fn decode(node: &mut Column<'_>, count: usize) -> Result<(Keys, read::FileRows), NodeError> {
        let keys = name::decode(node, count)?;
        Ok((keys, read::FileRows::decode(node, count)?))
    }

    fn row<'a>(rows: &'a read::FileRows, plain: &'a [u8], i: usize) -> FileRef<'a> {
        rows.row(plain, i)
    }

    fn references(rows: read::FileRows) -> (Vec<ChunkId>, Vec<ChunkId>) {
        rows.references()
    }
}

impl Value for FileEntry {
    fn view(&self) -> FileRef<'_> {
        FileRef {
            node: match &self.node {
                Node::Directory => NodeRef::Directory,
                Node::File(Content::Inline(bytes)) => NodeRef::Inline(bytes),
                Node::File(Content::Extents(extents)) => NodeRef::Extents(extents),
                Node::File(Content::Map(id)) => NodeRef::Map(*id),
                Node::Symlink(target) => NodeRef::Symlink(target),
                Node::Fifo => NodeRef::Fifo,
                Node::Socket => NodeRef::Socket,
                Node::CharDevice(number) => NodeRef::CharDevice(*number),
                Node::BlockDevice(number) => NodeRef::BlockDevice(*number),
            },
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            user: &self.user,
            group: &self.group,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
            inode: self.inode,
            device: self.device,
            links: self.links,
            size: self.size,
            xattrs: &self.xattrs,
        }
    }

    fn from_view(view: FileRef<'_>) -> Self {
        Self {
            node: match view.node {
                NodeRef::Directory => Node::Directory,
                NodeRef::Inline(bytes) => Node::File(Content::Inline(bytes.to_vec())),
                NodeRef::Extents(extents) => Node::File(Content::Extents(extents.to_vec())),
                NodeRef::Map(id) => Node::File(Content::Map(id)),
                NodeRef::Symlink(target) => Node::Symlink(target.to_vec()),
                NodeRef::Fifo => Node::Fifo,
                NodeRef::Socket => Node::Socket,
                NodeRef::CharDevice(number) => Node::CharDevice(number),
                NodeRef::BlockDevice(number) => Node::BlockDevice(number),
            },
            mode: view.mode,
            uid: view.uid,
            gid: view.gid,
            user: view.user.to_vec(),
            group: view.group.to_vec(),
            mtime_ns: view.mtime_ns,
            ctime_ns: view.ctime_ns,
            inode: view.inode,
            device: view.device,
            links: view.links,
            size: view.size,
            xattrs: view.xattrs.to_vec(),
        }
    }
}
