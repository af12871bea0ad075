//! Columns: the byte strings a node is made of, and the numbers inside them.
//!
//! A node's body is a sequence of columns, each `varint length ‖ bytes`. Numbers inside are the varints of
//! [`crate::wire`]. Columns being written are plain vectors, kept from node to node.

use super::error::NodeError;
use crate::wire::Reader;

/// Appends `n` as a varint.
pub(super) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends the length of something that is in memory as a varint.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    put(out, len as u64);
}

/// Appends a signed number as a zigzag varint.
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, (n << 1 ^ n >> 63) as u64);
}

/// Appends a column: its length, then its bytes.
pub(super) fn put_column(out: &mut Vec<u8>, column: &[u8]) {
    put_len(out, column.len());
    out.extend_from_slice(column);
}

/// What is left to read of a column: a [`Reader`] that is fast where numbers are small.
#[derive(Clone)]
pub struct Column<'a>(Reader<'a>);

impl<'a> Column<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, NodeError> {
        match self.0.rest() {
            [b @ 0..0x80, rest @ ..] => {
                self.0 = Reader::new(rest);
                Ok(u64::from(*b))
            }
            _ => Ok(self.0.varint()?),
        }
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, NodeError> {
        let n = self.number()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// Reads a number that has to be at most `max`.
    #[inline]
    pub(super) fn length(&mut self, max: usize) -> Result<usize, NodeError> {
        match usize::try_from(self.number()?) {
            Ok(n) if n <= max => Ok(n),
            _ => Err(NodeError::Limit),
        }
    }

    /// Reads a number that has to fit a smaller one.
    #[inline]
    pub(super) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, NodeError> {
        T::try_from(self.number()?).map_err(|_| NodeError::Limit)
    }

    #[inline]
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], NodeError> {
        Ok(self.0.take(len)?)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], NodeError> {
        Ok(self.0.array()?)
    }

    /// Reads `varint length ‖ bytes` as a column of its own.
    pub(super) fn column(&mut self) -> Result<Self, NodeError> {
        Ok(Self::new(self.0.bytes(self.0.rest().len())?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// Checks that all was read.
    pub(super) fn end(self) -> Result<(), NodeError> {
        Ok(self.0.finish()?)
    }
}
