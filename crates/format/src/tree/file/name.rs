//! Keys of a file tree: the directory once for a run of entries, the names front and tail coded.

use base::limits::{NAME_BYTES_MAX, PATH_DEPTH_MAX, TREE_KEY_BYTES_MAX};

use super::super::column::{Column, put_column, put_len};
use super::super::error::NodeError;
use super::super::keys::{Keys, shared_prefix, shared_tail};
use crate::entry::check_name;

/// Splits a key into the directory with the 00 that ends it, and the name. The root has neither.
pub(super) fn split(key: &[u8]) -> (&[u8], &[u8]) {
    let end = key
        .iter()
        .position(|b| *b == 0)
        .map_or(key.len(), |i| i + 1);
    key.split_at(end)
}

/// Returns whether bytes are one file name that is safe to make.
pub(super) fn is_name(name: &[u8]) -> bool {
    check_name(name).is_ok()
}

/// Returns whether bytes are the directory part of a key: nothing (the root entry), or escaped components
/// between 01 and a 00 at the end.
pub(super) fn is_directory(directory: &[u8]) -> bool {
    match directory {
        [] | [0] => true,
        [components @ .., 0] => are_components(components),
        _ => false,
    }
}

fn are_components(bytes: &[u8]) -> bool {
    let mut name = Vec::new();
    let mut depth = 1;
    let mut rest = bytes.iter();
    while let Some(b) = rest.next() {
        match b {
            1 if is_name(&name) => {
                name.clear();
                depth += 1;
            }
            1 => return false,
            2 => match rest.next() {
                Some(b @ (1 | 2)) => name.push(*b),
                _ => return false,
            },
            b => name.push(*b),
        }
    }
    is_name(&name) && depth < PATH_DEPTH_MAX
}

/// Writes keys: five columns.
#[derive(Default)]
pub(super) struct NameBuilder {
    /// For each directory: shared with the one before, length of the rest, the rest, entries.
    runs: Vec<u8>,
    prefixes: Vec<u8>,
    tails: Vec<u8>,
    lengths: Vec<u8>,
    bytes: Vec<u8>,
    directory: Vec<u8>,
    run: usize,
    name: Vec<u8>,
}

impl NameBuilder {
    pub(super) fn push(&mut self, key: &[u8]) {
        let (directory, name) = split(key);
        if self.run == 0 || directory != self.directory {
            self.end_run();
            let shared = shared_prefix(&self.directory, directory);
            put_len(&mut self.runs, shared);
            put_len(&mut self.runs, directory.len() - shared);
            self.runs.extend_from_slice(&directory[shared..]);
            self.directory.truncate(shared);
            self.directory.extend_from_slice(&directory[shared..]);
        }
        self.run += 1;
        let prefix = shared_prefix(&self.name, name);
        let tail = shared_tail(&self.name[prefix..], &name[prefix..]);
        let middle = &name[prefix..name.len() - tail];
        put_len(&mut self.prefixes, prefix);
        put_len(&mut self.tails, tail);
        put_len(&mut self.lengths, middle.len());
        self.bytes.extend_from_slice(middle);
        self.name.clear();
        self.name.extend_from_slice(name);
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            put_len(&mut self.runs, self.run);
            self.run = 0;
        }
    }

    /// Appends the columns to `out` and starts anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_run();
        for column in [
            &mut self.runs,
            &mut self.prefixes,
            &mut self.tails,
            &mut self.lengths,
            &mut self.bytes,
        ] {
            put_column(out, column);
            column.clear();
        }
        self.directory.clear();
        self.name.clear();
    }
}

/// The columns of names, being read.
struct Names<'a> {
    prefixes: Column<'a>,
    tails: Column<'a>,
    lengths: Column<'a>,
    bytes: Column<'a>,
}

impl<'a> Names<'a> {
    /// Returns the parts of the name after `previous`: its start, the middle, its end.
    fn next<'n>(&mut self, previous: &'n [u8]) -> Result<[&'n [u8]; 3], NodeError>
    where
        'a: 'n,
    {
        let prefix = self.prefixes.length(previous.len())?;
        let tail = self.tails.length(previous.len() - prefix)?;
        let middle = self.bytes.bytes(self.lengths.length(NAME_BYTES_MAX)?)?;
        Ok([
            &previous[..prefix],
            middle,
            &previous[previous.len() - tail..],
        ])
    }
}

/// Reads the columns that [`NameBuilder`] wrote.
pub(super) fn decode(node: &mut Column<'_>, count: usize) -> Result<Keys, NodeError> {
    let mut runs = node.column()?;
    let mut names = Names {
        prefixes: node.column()?,
        tails: node.column()?,
        lengths: node.column()?,
        bytes: node.column()?,
    };
    let mut keys = Keys::with_capacity(count);
    let mut directory: Vec<u8> = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    let mut next: Vec<u8> = Vec::new();
    while !runs.is_empty() {
        let first = keys.len() == 0;
        let shared = runs.length(directory.len())?;
        let suffix_len = runs.length(TREE_KEY_BYTES_MAX)?;
        let suffix = runs.bytes(suffix_len)?;
        if !first && suffix <= &directory[shared..] {
            return Err(NodeError::Order);
        }
        directory.truncate(shared);
        directory.extend_from_slice(suffix);
        let run = runs.length(count - keys.len())?;
        if run == 0 || !is_directory(&directory) || (directory.is_empty() && run > 1) {
            return Err(NodeError::Key);
        }
        for i in 0..run {
            let parts = names.next(&name)?;
            next.clear();
            parts.iter().for_each(|part| next.extend_from_slice(part));
            if i > 0 && next <= name {
                return Err(NodeError::Order);
            }
            if if directory.is_empty() {
                !next.is_empty()
            } else {
                !is_name(&next)
            } {
                return Err(NodeError::Key);
            }
            std::mem::swap(&mut name, &mut next);
            keys.push([&directory, &name])?;
        }
    }
    names.prefixes.end()?;
    names.tails.end()?;
    names.lengths.end()?;
    names.bytes.end()?;
    if keys.len() == count {
        Ok(keys)
    } else {
        Err(NodeError::Reference)
    }
}
