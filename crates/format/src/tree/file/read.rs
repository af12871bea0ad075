//! Columns into file entries: decoded whole and checked once, then rows are put together from what is borrowed.

use std::collections::HashSet;
use std::ops::Range;

use base::ChunkId;
use base::limits::{
    EXTENTS_PER_ENTRY_MAX, INLINE_BYTES_MAX, NODE_BYTES_MAX, NODE_ITEM_BYTES_MAX,
    SYMLINK_BYTES_MAX, XATTR_BYTES_MAX, XATTRS_PER_ENTRY_MAX,
};

use super::super::column::Column;
use super::super::error::NodeError;
use super::super::piece::{self, PieceReader};
use super::{FileRef, NodeRef, SECOND_NS, Xattrs, check_xattrs, flag, tag, xattrs_weight};
use crate::entry::Extent;

/// The decoded values of a leaf.
pub struct FileRows {
    classes: Vec<Class>,
    rows: Vec<Row>,
    extents: Vec<Extent>,
    chunks: Vec<ChunkId>,
    maps: Vec<ChunkId>,
    numbers: Vec<u64>,
}

/// What rows have in common.
struct Class {
    tag: u8,
    flags: u8,
    mode: u16,
    uid: u32,
    gid: u32,
    device: u64,
    links: u32,
    user: Vec<u8>,
    group: Vec<u8>,
    xattrs: Xattrs,
}

/// What a row has of its own.
struct Row {
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
    size: u64,
    class: u32,
    /// Where its content is: the distances of its two ends from the node's end, or indices.
    start: u32,
    end: u32,
}

/// The columns of values, being read.
struct Columns<'a> {
    classes: Column<'a>,
    mtimes: Column<'a>,
    ctimes: Column<'a>,
    inodes: Column<'a>,
    sizes: Column<'a>,
    extent_counts: Column<'a>,
    pieces: PieceReader<'a>,
    target_lengths: Column<'a>,
    bytes: Column<'a>,
}

impl FileRows {
    pub(super) fn decode(node: &mut Column<'_>, count: usize) -> Result<Self, NodeError> {
        let classes = classes(node.column()?, count)?;
        let classes_column = node.column()?;
        let (mtimes, ctimes, inodes) = (node.column()?, node.column()?, node.column()?);
        let (sizes, extent_counts) = (node.column()?, node.column()?);
        let pieces = PieceReader::new(node)?;
        let maps = piece::ids(&mut node.column()?, count)?;
        let numbers = numbers(node.column()?, count)?;
        let (target_lengths, bytes) = (node.column()?, node.column()?);
        let mut columns = Columns {
            classes: classes_column,
            mtimes,
            ctimes,
            inodes,
            sizes,
            extent_counts,
            pieces,
            target_lengths,
            bytes,
        };
        let mut out = Self {
            classes,
            rows: Vec::with_capacity(count),
            extents: Vec::with_capacity(count),
            chunks: Vec::new(),
            maps,
            numbers,
        };
        // The bytes are the last column: a distance from their end is one from the end of the node.
        columns.rows(&mut out, count)?;
        out.chunks = columns.end()?;
        Ok(out)
    }

    #[inline]
    pub(super) fn row<'a>(&'a self, plain: &'a [u8], i: usize) -> FileRef<'a> {
        let row = &self.rows[i];
        let class = &self.classes[row.class as usize];
        let (start, end) = (row.start as usize, row.end as usize);
        let bytes = || &plain[plain.len() - end..plain.len() - start];
        FileRef {
            node: match class.tag {
                tag::DIRECTORY => NodeRef::Directory,
                tag::INLINE => NodeRef::Inline(bytes()),
                tag::EXTENT | tag::EXTENTS => NodeRef::Extents(&self.extents[start..end]),
                tag::MAP => NodeRef::Map(self.maps[start]),
                tag::SYMLINK => NodeRef::Symlink(bytes()),
                tag::FIFO => NodeRef::Fifo,
                tag::SOCKET => NodeRef::Socket,
                tag::CHAR_DEVICE => NodeRef::CharDevice(self.numbers[start]),
                _ => NodeRef::BlockDevice(self.numbers[start]),
            },
            mode: class.mode,
            uid: class.uid,
            gid: class.gid,
            user: &class.user,
            group: &class.group,
            mtime_ns: row.mtime_ns,
            ctime_ns: row.ctime_ns,
            inode: row.inode,
            device: class.device,
            links: class.links,
            size: row.size,
            xattrs: &class.xattrs,
        }
    }

    pub(super) fn references(self) -> (Vec<ChunkId>, Vec<ChunkId>) {
        (self.chunks, self.maps)
    }
}

fn numbers(mut column: Column<'_>, count: usize) -> Result<Vec<u64>, NodeError> {
    let mut out = Vec::new();
    while !column.is_empty() {
        if out.len() == count {
            return Err(NodeError::Limit);
        }
        out.push(column.number()?);
    }
    Ok(out)
}

fn classes(mut column: Column<'_>, count: usize) -> Result<Vec<Class>, NodeError> {
    let mut out = Vec::new();
    let mut weight = 0;
    let mut seen = HashSet::new();
    while !column.is_empty() {
        let before = column.rest();
        let class = class(&mut column)?;
        if !seen.insert(&before[..before.len() - column.rest().len()]) {
            return Err(NodeError::Reference);
        }
        weight += xattrs_weight(&class.xattrs);
        if out.len() == count || weight > NODE_BYTES_MAX + NODE_ITEM_BYTES_MAX {
            return Err(NodeError::Limit);
        }
        out.push(class);
    }
    Ok(out)
}

fn class(column: &mut Column<'_>) -> Result<Class, NodeError> {
    let [tag, flags] = column.array()?;
    if tag > tag::BLOCK_DEVICE || flags > flag::CTIME_IS_MTIME | flag::WHOLE_SECONDS {
        return Err(NodeError::Value("an unknown type of entry"));
    }
    let class = Class {
        tag,
        flags,
        mode: column.narrow()?,
        uid: column.narrow()?,
        gid: column.narrow()?,
        device: column.number()?,
        links: column.narrow()?,
        user: column.column()?.rest().to_vec(),
        group: column.column()?.rest().to_vec(),
        xattrs: xattrs(column)?,
    };
    if class.mode > 0o7777 {
        return Err(NodeError::Value("the mode has more than permissions"));
    }
    Ok(class)
}

fn xattrs(column: &mut Column<'_>) -> Result<Xattrs, NodeError> {
    let mut out = Vec::new();
    for _ in 0..column.length(XATTRS_PER_ENTRY_MAX)? {
        let (name, value) = (column.column()?.rest(), column.column()?.rest());
        if value.len() > XATTR_BYTES_MAX {
            return Err(NodeError::Limit);
        }
        out.push((name.to_vec(), value.to_vec()));
    }
    check_xattrs(&out).map_err(NodeError::Value)?;
    Ok(out)
}

impl Columns<'_> {
    fn rows(&mut self, out: &mut FileRows, count: usize) -> Result<(), NodeError> {
        let (mut mtime_ns, mut ctime_ns, mut inode) = (0_i64, 0_i64, 0_u64);
        let (mut map, mut number, mut used) = (0, 0, 0);
        for _ in 0..count {
            // In the order of first use: the next that was not used yet, or one that was.
            let index = self.classes.length(used)?;
            used = used.max(index + 1);
            let class = out.classes.get(index).ok_or(NodeError::Reference)?;
            mtime_ns = self.mtime(class.flags, mtime_ns)?;
            ctime_ns = if class.flags & flag::CTIME_IS_MTIME != 0 {
                mtime_ns
            } else {
                ctime_ns.wrapping_add(self.ctimes.signed()?)
            };
            inode = inode.wrapping_add(self.inodes.signed()? as u64);
            let is_file = matches!(class.tag, tag::INLINE..=tag::MAP);
            let size = if is_file { self.sizes.number()? } else { 0 };
            let content = match class.tag {
                tag::INLINE => self.inline(size)?,
                tag::EXTENT => self.extents(&mut out.extents, size, 1)?,
                tag::EXTENTS => {
                    let count = self.extent_counts.length(EXTENTS_PER_ENTRY_MAX)?;
                    self.extents(&mut out.extents, size, count)?
                }
                tag::MAP => next(&mut map),
                tag::SYMLINK => self.target()?,
                tag::CHAR_DEVICE | tag::BLOCK_DEVICE => next(&mut number),
                _ => 0..0,
            };
            out.rows.push(Row {
                mtime_ns,
                ctime_ns,
                inode,
                size,
                class: index as u32,
                start: content.start as u32,
                end: content.end as u32,
            });
        }
        let all = (out.maps.len(), out.numbers.len(), out.classes.len());
        if (map, number, used) == all {
            Ok(())
        } else {
            Err(NodeError::Reference)
        }
    }

    fn mtime(&mut self, flags: u8, before_ns: i64) -> Result<i64, NodeError> {
        let step = self.mtimes.signed()?;
        Ok(before_ns.wrapping_add(if flags & flag::WHOLE_SECONDS == 0 {
            step
        } else {
            step.wrapping_mul(SECOND_NS)
        }))
    }

    fn bytes(&mut self, len: usize) -> Result<Range<usize>, NodeError> {
        let start = self.bytes.rest().len();
        self.bytes.bytes(len)?;
        Ok(start - len..start)
    }

    fn inline(&mut self, size: u64) -> Result<Range<usize>, NodeError> {
        match usize::try_from(size) {
            Ok(len) if len <= INLINE_BYTES_MAX => self.bytes(len),
            _ => Err(NodeError::Limit),
        }
    }

    fn target(&mut self) -> Result<Range<usize>, NodeError> {
        let len = self.target_lengths.length(SYMLINK_BYTES_MAX)?;
        self.bytes(len)
    }

    fn extents(
        &mut self,
        out: &mut Vec<Extent>,
        size: u64,
        count: usize,
    ) -> Result<Range<usize>, NodeError> {
        const WRONG_SIZE: NodeError = NodeError::Value("the size is not that of the extents");
        let start = out.len();
        let mut left = size;
        for i in 1..=count {
            let extent = self.pieces.next((i == count).then_some(left))?;
            left = left.checked_sub(extent.len()).ok_or(WRONG_SIZE)?;
            out.push(extent);
        }
        if left != 0 {
            return Err(WRONG_SIZE);
        }
        Ok(start..out.len())
    }

    /// Checks that all was read, and returns the distinct chunks.
    fn end(self) -> Result<Vec<ChunkId>, NodeError> {
        for column in [
            self.classes,
            self.mtimes,
            self.ctimes,
            self.inodes,
            self.sizes,
            self.extent_counts,
            self.target_lengths,
            self.bytes,
        ] {
            column.end()?;
        }
        self.pieces.finish()
    }
}

fn next(index: &mut usize) -> Range<usize> {
    *index += 1;
    *index - 1..*index
}
