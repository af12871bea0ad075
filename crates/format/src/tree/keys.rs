//! The keys of one node: decoded, they lie one after the other; encoded, each shares what it can with the one before.

use base::limits::{NODE_BYTES_MAX, NODE_ITEM_BYTES_MAX, TREE_KEY_BYTES_MAX};

use super::column::{Column, put_column, put_len};
use super::error::NodeError;

/// Keys of a node together are smaller than this: the weight of a node counts them whole.
const KEYS_BYTES_MAX: usize = NODE_BYTES_MAX + NODE_ITEM_BYTES_MAX;

/// Decoded keys, ascending.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Keys {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(count * 32),
            ends: Vec::with_capacity(count),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns key `i`, which has to be below [`Self::len`].
    #[inline]
    pub(super) fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    pub(super) fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|i| self.get(i))
    }

    /// Appends the key made of `parts`.
    #[inline]
    pub(super) fn push(&mut self, parts: [&[u8]; 2]) -> Result<(), NodeError> {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let end = self.bytes.len();
        if end - start > TREE_KEY_BYTES_MAX || end > KEYS_BYTES_MAX {
            return Err(NodeError::Limit);
        }
        self.ends.push(end as u32);
        Ok(())
    }

    /// Returns the index of the first key from `from` on that is not below `key`.
    pub(super) fn lower_bound(&self, from: usize, key: &[u8]) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Reads the columns that [`KeysBuilder`] wrote.
    pub(super) fn decode(node: &mut Column<'_>, count: usize) -> Result<Self, NodeError> {
        let (mut shared, mut lengths, mut bytes) = (node.column()?, node.column()?, node.column()?);
        let mut keys = Self::with_capacity(count);
        let mut previous = Vec::new();
        for i in 0..count {
            let keep = shared.length(previous.len())?;
            let suffix = bytes.bytes(lengths.length(TREE_KEY_BYTES_MAX)?)?;
            keys.push([&previous[..keep], suffix])?;
            // The first byte after the shared part decides; an empty suffix would not ascend.
            if i > 0 && suffix <= &previous[keep..] {
                return Err(NodeError::Order);
            }
            previous.truncate(keep);
            previous.extend_from_slice(suffix);
        }
        shared.end()?;
        lengths.end()?;
        bytes.end()?;
        Ok(keys)
    }
}

/// Writes keys front coded: three columns, shared lengths, suffix lengths, suffixes.
#[derive(Default)]
pub(super) struct KeysBuilder {
    shared: Vec<u8>,
    lengths: Vec<u8>,
    bytes: Vec<u8>,
    previous: Vec<u8>,
}

impl KeysBuilder {
    pub(super) fn push(&mut self, key: &[u8]) {
        let shared = shared_prefix(&self.previous, key);
        put_len(&mut self.shared, shared);
        put_len(&mut self.lengths, key.len() - shared);
        self.bytes.extend_from_slice(&key[shared..]);
        self.previous.truncate(shared);
        self.previous.extend_from_slice(&key[shared..]);
    }

    /// Appends the columns to `out` and starts anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        for column in [&mut self.shared, &mut self.lengths, &mut self.bytes] {
            put_column(out, column);
            column.clear();
        }
        self.previous.clear();
    }
}

/// Returns how many bytes `a` and `b` have in common at their start.
pub(super) fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Returns how many bytes `a` and `b` have in common at their end.
pub(super) fn shared_tail(a: &[u8], b: &[u8]) -> usize {
    a.iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count()
}
