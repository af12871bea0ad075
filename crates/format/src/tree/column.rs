//! Columns: the byte strings a node is made of, and the numbers inside them.
//!
//! A node's body is a sequence of columns, each `varint length ‖ bytes`. Numbers inside are varints (7 bits a
//! byte, least significant first, high bit set on all but the last byte, shortest form only); signed numbers
//! are zigzag (`n << 1 ^ n >> 63`). Reading is bounded by the column and never panics.

use super::error::NodeError;

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

/// What is left to read of a column.
#[derive(Clone, Copy)]
pub struct Column<'a>(&'a [u8]);

impl<'a> Column<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, NodeError> {
        match self.0 {
            [b @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(u64::from(*b))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, NodeError> {
        let mut n = 0_u64;
        for (i, b) in self.0.iter().take(10).enumerate() {
            if i == 9 && *b > 1 {
                return Err(NodeError::Number);
            }
            n |= u64::from(b & 0x7f) << (7 * i);
            if b & 0x80 == 0 {
                if *b == 0 {
                    return Err(NodeError::Number);
                }
                self.0 = &self.0[i + 1..];
                return Ok(n);
            }
        }
        Err(if self.0.len() < 10 {
            NodeError::Short
        } else {
            NodeError::Number
        })
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, NodeError> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
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
        let (head, rest) = self.0.split_at_checked(len).ok_or(NodeError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], NodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(NodeError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Reads `varint length ‖ bytes` as a column of its own.
    pub(super) fn column(&mut self) -> Result<Self, NodeError> {
        let len = self.length(self.0.len())?;
        Ok(Self(self.bytes(len)?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Checks that all was read.
    pub(super) fn end(&self) -> Result<(), NodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(NodeError::Trailing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_long_forms_are_refused() {
        for n in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            i64::MAX as u64,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put(&mut out, n);
            put_signed(&mut out, n as i64);
            let mut column = Column::new(&out);
            assert_eq!(column.number().unwrap(), n);
            assert_eq!(column.signed().unwrap(), n as i64);
            column.end().unwrap();
        }
        for bad in [&[0x80_u8, 0][..], &[0xff; 10], &[0x80; 11], &[0x80]] {
            assert!(Column::new(bad).number().is_err());
        }
    }
}
