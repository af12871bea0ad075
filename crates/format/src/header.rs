//! The `format` object: says that a directory is a store, which one, and who may read it.
//!
//! Written once, before anything else. The log's first record has its hash as its predecessor. Byte table:
//! docs/format.md, "Format object".

use base::StoreId;

use crate::keys::Keyring;
use crate::pack::Parity;
use crate::wire::{Reader, WireError, Writer};
use crate::{VERSION, checksum};

const MAGIC: &[u8; 8] = b"DOZOSTOR";
/// Name of the object: names of objects have no capitals, so that no place can confuse two.
pub const OBJECT_NAME: &str = "format";
/// Length of the object.
pub const BYTES: usize = 114;
/// Packs may have parity.
const FLAG_PARITY: u64 = 1;
/// Features that a reader of this version understands.
const READ_FLAGS: u64 = FLAG_PARITY;
/// Features that a writer of this version understands, beside those.
const WRITE_FLAGS: u64 = 0;

/// What a store says of itself in the clear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The store.
    pub store: StoreId,
    /// When it was made, in seconds since 1970. For people: nothing is decided by it.
    pub created_s: i64,
    /// Verifies the signatures of log records and points (Ed25519).
    pub public_key: [u8; 32],
    /// Features without which it cannot be read.
    pub read_flags: u64,
    /// Features without which it cannot be written.
    pub write_flags: u64,
}

/// Why a directory is not taken for a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It is no Dozo store at all.
    #[error("not a Dozo store")]
    NotAStore,
    /// It was written by a newer version.
    #[error("store of format version {0}")]
    Version(u16),
    /// It uses features that this version does not know: what the missing ones are.
    #[error("the store uses unknown features {0:#x}")]
    Features(u64),
    /// The bytes are not what was written.
    #[error("the format object is damaged")]
    Damaged,
    /// The fields are no header.
    #[error("malformed format object")]
    Malformed(#[from] WireError),
}

impl Header {
    /// Returns the header of a new store with these keys, whose packs will have this parity.
    pub fn new(keys: &Keyring, created_s: i64, parity: Parity) -> Self {
        Self {
            store: keys.store,
            created_s,
            public_key: keys.signing.public(),
            read_flags: match parity {
                Parity::None => 0,
                Parity::Double => FLAG_PARITY,
            },
            write_flags: 0,
        }
    }

    /// Returns the parity that new packs of the store have.
    pub fn parity(&self) -> Parity {
        match self.read_flags & FLAG_PARITY {
            0 => Parity::None,
            _ => Parity::Double,
        }
    }

    /// Returns the object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(BYTES);
        out.raw(MAGIC)
            .u16(VERSION)
            .raw(&self.store.0)
            .i64(self.created_s)
            .raw(&self.public_key)
            .u64(self.read_flags)
            .u64(self.write_flags);
        let mut out = out.finish();
        checksum::append(&mut out);
        out
    }

    /// Reads the object, for reading the store.
    ///
    /// # Errors
    /// [`HeaderError`]; [`HeaderError::Features`] only for features that reading needs.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = Reader::new(bytes);
        if fields.array().ok() != Some(*MAGIC) {
            return Err(HeaderError::NotAStore);
        }
        let content = checksum::verified(bytes);
        let version = fields.u16()?;
        if version != VERSION {
            // A newer version may have another length: its checksum is not ours to verify.
            return Err(HeaderError::Version(version));
        }
        let mut fields = Reader::new(content.ok_or(HeaderError::Damaged)?);
        fields.take(MAGIC.len() + 2)?;
        let header = Self {
            store: StoreId(fields.array()?),
            created_s: fields.i64()?,
            public_key: fields.array()?,
            read_flags: fields.u64()?,
            write_flags: fields.u64()?,
        };
        fields.finish()?;
        match header.read_flags & !READ_FLAGS {
            0 => Ok(header),
            unknown => Err(HeaderError::Features(unknown)),
        }
    }

    /// Checks that this version may also write the store.
    ///
    /// # Errors
    /// [`HeaderError::Features`].
    pub fn check_writable(&self) -> Result<(), HeaderError> {
        match self.write_flags & !WRITE_FLAGS {
            0 => Ok(()),
            unknown => Err(HeaderError::Features(unknown)),
        }
    }

    /// Returns whether the ring is this store's: a ring of another signing key would make a second history.
    pub fn is_of(&self, keys: &Keyring) -> bool {
        self.store == keys.store && self.public_key == keys.signing.public()
    }
}
