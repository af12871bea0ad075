//! Reading and writing stored structures: little endian, every length bounded by the reader.
//!
//! A [`Reader`] never allocates for a length it has not compared with the bytes that are there, and never
//! indexes past them, so no input makes it panic or use more memory than the input has. There is one
//! encoding of each value: varints that are longer than needed are refused, and so are trailing bytes.

/// Why bytes are not the structure they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a field.
    #[error("input ends inside a field")]
    Truncated,
    /// A length or a count is above its limit.
    #[error("length {len} is above the limit of {limit}")]
    TooLong {
        /// What the input says.
        len: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A field holds a value it never holds.
    #[error("field {0} holds a value it never holds")]
    BadValue(&'static str),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
}

/// Takes fields off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts on an object: not longer than `limit`, beginning with `magic`. Returns the version it says,
    /// which the caller judges.
    ///
    /// # Errors
    /// [`WireError::TooLong`], [`WireError::BadValue`] of the magic, [`WireError::Truncated`].
    pub fn object(
        bytes: &'a [u8],
        magic: &[u8; 8],
        limit: usize,
    ) -> Result<(Self, u16), WireError> {
        if bytes.len() > limit {
            let len = bytes.len() as u64;
            return Err(WireError::TooLong { len, limit });
        }
        let mut fields = Self::new(bytes);
        if fields.array()? != *magic {
            return Err(WireError::BadValue("magic"));
        }
        let version = fields.u16()?;
        Ok((fields, version))
    }

    /// Returns a reader of all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads exactly `len` bytes, without a copy.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Reads a fixed array.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[b]| b)
    }

    /// Reads a `u16`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads a `u32`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a `u64`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads an `i64`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads a varint: 7 bits a byte, lowest first, the top bit says that more follow; at most 10 bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`]; [`WireError::BadValue`] if it does not fit 64 bits or is longer than needed.
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::BadValue("varint"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(WireError::BadValue("varint"));
                }
                return Ok(value);
            }
        }
        Err(WireError::BadValue("varint"))
    }

    /// Reads a signed varint: zigzag (0, -1, 1, -2 ...), then as [`Self::varint`].
    ///
    /// # Errors
    /// As [`Self::varint`].
    pub fn varint_signed(&mut self) -> Result<i64, WireError> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// Reads a count or length as a varint, at most `limit`. The caller still has to compare what it will
    /// allocate with what the input can hold: see [`Self::bytes`], or allocate while reading.
    ///
    /// # Errors
    /// As [`Self::varint`]; [`WireError::TooLong`].
    pub fn len(&mut self, limit: usize) -> Result<usize, WireError> {
        let len = self.varint()?;
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= limit)
            .ok_or(WireError::TooLong { len, limit })
    }

    /// Reads bytes with their length before them, at most `limit`, without a copy.
    ///
    /// # Errors
    /// As [`Self::len`]; [`WireError::Truncated`].
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], WireError> {
        let len = self.len(limit)?;
        self.take(len)
    }

    /// Reads UTF-8 text with its length in bytes before it, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::bytes`]; [`WireError::BadValue`] if it is not UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(limit)?).map_err(|_| WireError::BadValue("text"))
    }

    /// Reads a presence byte: 0 or 1.
    ///
    /// # Errors
    /// [`WireError::Truncated`]; [`WireError::BadValue`] for anything else.
    pub fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::BadValue("flag")),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`WireError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing(left)),
        }
    }
}

/// Appends fields to a byte vector.
#[derive(Clone, Default, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Returns an empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
        }
    }

    /// Returns what has been written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Returns what has been written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    /// Appends `bytes` as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Appends a byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// Appends a `u16`.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends a `u32`.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends a `u64`.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends an `i64`.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends a varint, see [`Reader::varint`].
    pub fn varint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8)
    }

    /// Appends a signed varint, see [`Reader::varint_signed`].
    pub fn varint_signed(&mut self, value: i64) -> &mut Self {
        self.varint((value << 1 ^ value >> 63).cast_unsigned())
    }

    /// Appends a count or length as a varint.
    pub fn len(&mut self, len: usize) -> &mut Self {
        self.varint(len as u64)
    }

    /// Appends `bytes` with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.len(bytes.len()).raw(bytes)
    }

    /// Appends a presence byte.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }
}
