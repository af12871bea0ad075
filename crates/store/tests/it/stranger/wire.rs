//! "Conventions": how numbers, bytes and ids are written.

use super::{Id, Read};

/// Bytes that are read from the front. Nothing is allocated before it is known to be there.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or("the bytes end too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| String::from("the bytes end too early"))
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// 7 bits a byte, lowest first; the shortest encoding of a u64 only.
    pub(crate) fn varint(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for index in 0..10 {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(String::from("a number above 64 bits"));
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                if byte == 0 && index > 0 {
                    return Err(String::from("a number that is longer than it need be"));
                }
                return Ok(value);
            }
        }
        Err(String::from("a number that does not end"))
    }

    /// A number of at most `limit`, for counting things.
    pub(crate) fn count(&mut self, limit: usize) -> Read<usize> {
        match usize::try_from(self.varint()?) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(format!("a count above {limit}")),
        }
    }

    /// A number that fits 32 bits.
    pub(crate) fn varint32(&mut self) -> Read<u32> {
        u32::try_from(self.varint()?).map_err(|_| String::from("a number above 32 bits"))
    }

    /// A zigzag number, as its 64 bits.
    pub(crate) fn signed(&mut self) -> Read<u64> {
        let coded = self.varint()?;
        Ok((coded >> 1) ^ (coded & 1).wrapping_neg())
    }

    /// `bytes<limit`.
    pub(crate) fn bytes(&mut self, limit: usize) -> Read<&'a [u8]> {
        let len = self.count(limit)?;
        self.take(len)
    }

    /// `text<limit`.
    pub(crate) fn text(&mut self, limit: usize) -> Read<String> {
        let bytes = self.bytes(limit)?.to_vec();
        String::from_utf8(bytes).map_err(|_| String::from("text that is not UTF-8"))
    }

    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(String::from("a flag that is neither 0 nor 1")),
        }
    }

    /// Reads fixed bytes: a magic, a version, zeros.
    pub(crate) fn expect(&mut self, what: &str, bytes: &[u8]) -> Read<()> {
        if self.take(bytes.len())? == bytes {
            return Ok(());
        }
        Err(format!("another {what}"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends a structure: bytes after its last field are an error.
    pub(crate) fn end(self, what: &str) -> Read<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(format!("{} bytes after {what}", self.0.len()))
    }
}

/// Bytes as small hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hex digits.
pub(crate) fn unhex(text: &str) -> Read<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(String::from("not a small hex digit")),
    };
    if !text.len().is_multiple_of(2) {
        return Err(String::from("half a byte in hex"));
    }
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// An id as 26 letters of Crockford's base 32.
pub(crate) fn id_text(id: &Id) -> String {
    let number = u128::from_be_bytes(*id);
    let letters = b"0123456789abcdefghjkmnpqrstvwxyz";
    let place = |place: u32| char::from(letters[(number >> (5 * place)) as usize & 31]);
    (0..26).rev().map(place).collect()
}
