//! Recovery points: a small sealed and signed object that names a root.
//!
//! The object describes; the log record with the object's hash makes the point exist. Byte table:
//! docs/format.md, "Point".

use base::limits::{ADDRESS_BYTES_MAX, POINT_BYTES_MAX};
use base::{ChunkId, Env, PointId, SessionId, SourceId, StoreId};

use crate::VERSION;
use crate::aead::Aead;
use crate::keys::{Keyring, SIGNATURE_BYTES, verified};
use crate::wire::{Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"DOZOPNT1";
const HEADER_BYTES: usize = 62;

/// How much the content of a point agrees with itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Consistency {
    /// No moment: without a snapshot each file is as it was when it was read.
    Live,
    /// One moment, as a power failure would have left it: what was not written back yet is missing.
    Crash,
    /// One moment of the whole file system, with all that was written before it.
    FileSystem,
    /// One moment that the application agreed to.
    Application,
}

impl Consistency {
    /// Returns its byte on disk: a name, whose order says nothing.
    pub fn code(self) -> u8 {
        match self {
            Self::Live => 4,
            Self::Crash => 1,
            Self::FileSystem => 2,
            Self::Application => 3,
        }
    }

    /// Returns the level of a byte on disk.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Crash),
            2 => Some(Self::FileSystem),
            3 => Some(Self::Application),
            4 => Some(Self::Live),
            _ => None,
        }
    }
}

/// What a point's root is the root of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TreeFormat {
    /// A file tree: keys are [`crate::entry::FileKey`], values are file entries.
    Files,
}

impl TreeFormat {
    fn code(self) -> u8 {
        match self {
            Self::Files => 1,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        (code == 1).then_some(Self::Files)
    }
}

/// What a point counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct Stats {
    /// Entries of every kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of all regular files, holes included.
    pub bytes: u64,
    /// Entries that differ from the replica before.
    pub changed: u64,
    /// Bytes that the pool grew by.
    pub stored_bytes: u64,
}

impl Stats {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint(self.entries)
            .varint(self.files)
            .varint(self.bytes)
            .varint(self.changed)
            .varint(self.stored_bytes);
    }

    pub(crate) fn read(fields: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            entries: fields.varint()?,
            files: fields.varint()?,
            bytes: fields.varint()?,
            changed: fields.varint()?,
            stored_bytes: fields.varint()?,
        })
    }
}

/// A recovery point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// Its id.
    pub id: PointId,
    /// The source it is of.
    pub source: SourceId,
    /// The source's address, `machine:kind/path`, as it was.
    pub address: String,
    /// The name of the protection group, as it was.
    pub group: String,
    /// The root of its tree.
    pub root: ChunkId,
    /// When the content was as it is in the point, in nanoseconds since 1970.
    pub time_ns: i64,
    /// How much the content agrees with itself.
    pub consistency: Consistency,
    /// Entries that could not be read as they should have been: above 0 the point is partial.
    pub warnings: u64,
    /// What it counts.
    pub stats: Stats,
    /// The point of the same source before it.
    pub previous: Option<PointId>,
    /// The session that made it.
    pub session: SessionId,
    /// What its root is the root of.
    pub tree: TreeFormat,
}

/// The hash of a whole point object: what the log names it by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PointHash(pub [u8; 32]);

impl PointHash {
    /// Returns the hash of a point object.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Why a point object is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// The bytes are no point.
    #[error("not a recovery point")]
    Malformed(#[from] WireError),
    /// It was written by a newer version.
    #[error("recovery point of format version {0}")]
    Version(u16),
    /// The store did not sign these bytes.
    #[error("the recovery point is damaged or was not signed by this store")]
    BadSignature,
    /// It is the point of another store, source or name.
    #[error("the recovery point is another one than its name says")]
    WrongName,
    /// It does not open under the store's key.
    #[error("the recovery point is not authentic")]
    NotAuthentic,
}

/// Returns the name of a point's object.
pub fn object_name(source: SourceId, point: PointId) -> String {
    format!("points/{source}/{point}")
}

impl Point {
    /// Returns the name of its object.
    pub fn object_name(&self) -> String {
        object_name(self.source, self.id)
    }

    /// Returns the bytes of its object.
    ///
    /// # Errors
    /// [`PointError::Malformed`]: the address or the group's name is longer than [`ADDRESS_BYTES_MAX`].
    pub fn seal(&self, env: &Env, keys: &Keyring) -> Result<Vec<u8>, PointError> {
        for text in [&self.address, &self.group] {
            let (len, limit) = (text.len(), ADDRESS_BYTES_MAX);
            if len > limit {
                let len = len as u64;
                return Err(WireError::TooLong { len, limit }.into());
            }
        }
        Ok(self.seal_plain(env, keys, &self.plain()))
    }

    /// As [`Self::seal`], with any bytes in the place of what it says: for tests of readers.
    #[doc(hidden)]
    pub fn seal_plain(&self, env: &Env, keys: &Keyring, body: &[u8]) -> Vec<u8> {
        let sealed_len = body.len() + crate::aead::OVERHEAD_BYTES;
        let header = header(keys.store, self.source, self.id, sealed_len);
        let sealed = Aead::new(&keys.point).seal(env, &header, body);
        let mut out = header;
        out.extend_from_slice(&sealed);
        keys.signing.sign(&mut out);
        out
    }

    /// Opens the object of the point `id` of `source`.
    ///
    /// # Errors
    /// [`PointError`].
    pub fn open(
        keys: &Keyring,
        source: SourceId,
        id: PointId,
        bytes: &[u8],
    ) -> Result<Self, PointError> {
        let (_, version) = Reader::object(bytes, MAGIC, POINT_BYTES_MAX)?;
        if version != VERSION {
            return Err(PointError::Version(version));
        }
        let signed = verified(&keys.signing.public(), bytes).ok_or(PointError::BadSignature)?;
        let (clear, sealed) = signed
            .split_at_checked(HEADER_BYTES)
            .ok_or(WireError::Truncated)?;
        if clear != header(keys.store, source, id, sealed.len()) {
            return Err(PointError::WrongName);
        }
        let body = Aead::new(&keys.point)
            .open(clear, sealed)
            .map_err(|_| PointError::NotAuthentic)?;
        let point = Self::parse_body(&body)?;
        if (point.source, point.id) != (source, id) {
            return Err(PointError::WrongName);
        }
        Ok(point)
    }

    /// Returns what is sealed of it.
    #[doc(hidden)]
    pub fn plain(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(512);
        out.raw(&self.id.0)
            .raw(&self.source.0)
            .bytes(self.address.as_bytes())
            .bytes(self.group.as_bytes())
            .raw(&self.root.0)
            .i64(self.time_ns)
            .u8(self.consistency.code())
            .varint(self.warnings);
        self.stats.write(&mut out);
        out.flag(self.previous.is_some());
        if let Some(previous) = self.previous {
            out.raw(&previous.0);
        }
        out.raw(&self.session.0).u8(self.tree.code());
        out.finish()
    }

    fn parse_body(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(body);
        let point = Self {
            id: PointId(fields.array()?),
            source: SourceId(fields.array()?),
            address: fields.text(ADDRESS_BYTES_MAX)?.to_owned(),
            group: fields.text(ADDRESS_BYTES_MAX)?.to_owned(),
            root: ChunkId(fields.array()?),
            time_ns: fields.i64()?,
            consistency: Consistency::from_code(fields.u8()?)
                .ok_or(WireError::BadValue("consistency"))?,
            warnings: fields.varint()?,
            stats: Stats::read(&mut fields)?,
            previous: match fields.flag()? {
                true => Some(PointId(fields.array()?)),
                false => None,
            },
            session: SessionId(fields.array()?),
            tree: TreeFormat::from_code(fields.u8()?).ok_or(WireError::BadValue("tree format"))?,
        };
        fields.finish()?;
        Ok(point)
    }
}

fn header(store: StoreId, source: SourceId, id: PointId, sealed_len: usize) -> Vec<u8> {
    let mut out = Writer::with_capacity(HEADER_BYTES + sealed_len + SIGNATURE_BYTES);
    out.raw(MAGIC)
        .u16(VERSION)
        .raw(&store.0)
        .raw(&source.0)
        .raw(&id.0)
        .u32(u32::try_from(sealed_len).unwrap_or(u32::MAX));
    out.finish()
}
