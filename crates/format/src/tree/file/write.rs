//! File entries into columns.

use std::collections::HashMap;

use super::super::column::{put, put_column, put_len, put_signed};
use super::super::piece::PieceBuilder;
use super::name::NameBuilder;
use super::{FileRef, NodeRef, SECOND_NS, flag, tag};

/// The columns of a leaf being written, in the order they are stored in.
#[derive(Default)]
pub struct FileBuilder {
    names: NameBuilder,
    classes: Classes,
    mtimes: Vec<u8>,
    ctimes: Vec<u8>,
    inodes: Vec<u8>,
    sizes: Vec<u8>,
    extent_counts: Vec<u8>,
    pieces: PieceBuilder,
    maps: Vec<u8>,
    numbers: Vec<u8>,
    target_lengths: Vec<u8>,
    /// Targets of links and bytes of files, in row order. The last column: readers count from the end.
    bytes: Vec<u8>,
    /// The row before, which differences refer to.
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
}

impl FileBuilder {
    pub(super) fn push(&mut self, key: &[u8], view: &FileRef<'_>) {
        self.names.push(key);
        let flags = self.push_times(view);
        put_signed(&mut self.inodes, view.inode.wrapping_sub(self.inode) as i64);
        self.inode = view.inode;
        if view.is_file() {
            put(&mut self.sizes, view.size);
        }
        let tag = self.push_content(view.node);
        self.classes.push(tag, flags, view);
    }

    fn push_times(&mut self, view: &FileRef<'_>) -> u8 {
        let mut flags = 0;
        let step = view.mtime_ns.wrapping_sub(self.mtime_ns);
        if view.mtime_ns % SECOND_NS == 0 && self.mtime_ns % SECOND_NS == 0 {
            flags |= flag::WHOLE_SECONDS;
            let seconds = view.mtime_ns / SECOND_NS - self.mtime_ns / SECOND_NS;
            put_signed(&mut self.mtimes, seconds);
        } else {
            put_signed(&mut self.mtimes, step);
        }
        if view.ctime_ns == view.mtime_ns {
            flags |= flag::CTIME_IS_MTIME;
        } else {
            put_signed(&mut self.ctimes, view.ctime_ns.wrapping_sub(self.ctime_ns));
        }
        self.mtime_ns = view.mtime_ns;
        self.ctime_ns = view.ctime_ns;
        flags
    }

    fn push_content(&mut self, node: NodeRef<'_>) -> u8 {
        match node {
            NodeRef::Directory => tag::DIRECTORY,
            NodeRef::Inline(bytes) => {
                self.bytes.extend_from_slice(bytes);
                tag::INLINE
            }
            NodeRef::Extents([extent]) => {
                self.pieces.push(*extent, true);
                tag::EXTENT
            }
            NodeRef::Extents(extents) => {
                put_len(&mut self.extent_counts, extents.len());
                for (i, extent) in extents.iter().enumerate() {
                    self.pieces.push(*extent, i + 1 == extents.len());
                }
                tag::EXTENTS
            }
            NodeRef::Map(id) => {
                self.maps.extend_from_slice(&id.0);
                tag::MAP
            }
            NodeRef::Symlink(target) => {
                put_len(&mut self.target_lengths, target.len());
                self.bytes.extend_from_slice(target);
                tag::SYMLINK
            }
            NodeRef::Fifo => tag::FIFO,
            NodeRef::Socket => tag::SOCKET,
            NodeRef::CharDevice(number) => {
                put(&mut self.numbers, number);
                tag::CHAR_DEVICE
            }
            NodeRef::BlockDevice(number) => {
                put(&mut self.numbers, number);
                tag::BLOCK_DEVICE
            }
        }
    }

    /// Appends the columns to `out` and starts anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.names.finish(out);
        self.classes.finish(out);
        take(
            out,
            [
                &mut self.mtimes,
                &mut self.ctimes,
                &mut self.inodes,
                &mut self.sizes,
                &mut self.extent_counts,
            ],
        );
        self.pieces.finish(out);
        take(
            out,
            [
                &mut self.maps,
                &mut self.numbers,
                &mut self.target_lengths,
                &mut self.bytes,
            ],
        );
        self.mtime_ns = 0;
        self.ctime_ns = 0;
        self.inode = 0;
    }
}

fn take<const N: usize>(out: &mut Vec<u8>, columns: [&mut Vec<u8>; N]) {
    for column in columns {
        put_column(out, column);
        column.clear();
    }
}

/// What rarely differs between neighbours: each distinct combination once, then one number a row.
#[derive(Default)]
struct Classes {
    table: Vec<u8>,
    known: HashMap<Vec<u8>, usize>,
    rows: Vec<u8>,
    scratch: Vec<u8>,
    last: Vec<u8>,
    last_index: usize,
}

impl Classes {
    fn push(&mut self, tag: u8, flags: u8, view: &FileRef<'_>) {
        self.scratch.clear();
        encode_class(&mut self.scratch, tag, flags, view);
        if self.last != self.scratch {
            let next = self.known.len();
            self.last_index = match self.known.get(&self.scratch) {
                Some(index) => *index,
                None => {
                    self.known.insert(self.scratch.clone(), next);
                    self.table.extend_from_slice(&self.scratch);
                    next
                }
            };
            std::mem::swap(&mut self.last, &mut self.scratch);
        }
        put_len(&mut self.rows, self.last_index);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        take(out, [&mut self.table, &mut self.rows]);
        self.known.clear();
        self.last.clear();
    }
}

fn encode_class(out: &mut Vec<u8>, tag: u8, flags: u8, view: &FileRef<'_>) {
    out.extend_from_slice(&[tag, flags]);
    put(out, u64::from(view.mode));
    put(out, u64::from(view.uid));
    put(out, u64::from(view.gid));
    put(out, view.device);
    put(out, u64::from(view.links));
    put_column(out, view.user);
    put_column(out, view.group);
    put_len(out, view.xattrs.len());
    for (name, value) in view.xattrs {
        put_column(out, name);
        put_column(out, value);
    }
}
