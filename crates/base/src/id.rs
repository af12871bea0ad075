//! Names of things, each its own type.
//!
//! Things that people name on a command line ([`PointId`], [`JobId`] ...) are 16 random bytes shown as 26
//! letters of Crockford's base 32, so that any unique prefix can be typed. Things that content names
//! ([`ChunkHash`], [`ChunkId`], [`PackName`]) are 32-byte BLAKE3 hashes shown as hex.

use std::fmt;
use std::str::FromStr;

use crate::Env;

/// Crockford's base 32, small letters: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

fn encode(bytes: &[u8; 16]) -> String {
    let n = u128::from_be_bytes(*bytes);
    // 26 letters hold 130 bits; the first holds the upper 3 of 128.
    (0..26)
        .rev()
        .map(|i| char::from(ALPHABET[usize::from((n >> (i * 5)) as u8 & 31)]))
        .collect()
}

fn decode(text: &str) -> Result<[u8; 16], NotAnId> {
    if text.len() != 26 || !matches!(text.as_bytes()[0], b'0'..=b'7') {
        return Err(NotAnId);
    }
    let mut n = 0_u128;
    for b in text.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == b).ok_or(NotAnId)?;
        n = n << 5 | digit as u128;
    }
    Ok(n.to_be_bytes())
}

macro_rules! random_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Returns a new one, unlike any other.
            pub fn random(env: &Env) -> Self {
                Self(env.bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                decode(text).map(Self)
            }
        }
    )*};
}

random_id! {
    /// A store: one pool or one vault copy.
    StoreId
    /// A data source: the smallest thing that can be protected.
    SourceId
    /// A protection group.
    GroupId
    /// A protected computer.
    MachineId
    /// A recovery point.
    PointId
    /// A job.
    JobId
    /// A writer's session in a store, from its opening record to its closing one.
    SessionId
}

macro_rules! hash_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let mut out = [0; 32];
                if text.len() != 64 || !text.is_ascii() {
                    return Err(NotAnId);
                }
                for (byte, i) in out.iter_mut().zip((0..64).step_by(2)) {
                    *byte = u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| NotAnId)?;
                }
                Ok(Self(out))
            }
        }
    )*};
}

hash_id! {
    /// The plain BLAKE3 hash of a chunk's content: what an agent calls it. Never stored.
    ChunkHash
    /// The keyed name of a chunk inside one store: tells a stranger nothing about its content.
    ChunkId
    /// The name of a pack: the hash of its trailer, which holds the hash of each of its sectors.
    PackName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        for bytes in [[0; 16], [255; 16], *b"0123456789abcdef"] {
            assert_eq!(PointId(bytes).to_string().parse(), Ok(PointId(bytes)));
        }
        assert_eq!(
            "8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<PointId>(),
            Err(NotAnId)
        );
        assert_eq!("".parse::<PointId>(), Err(NotAnId));
    }
}
