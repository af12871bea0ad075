//! The log: what happened in a store, in order. A record is the commit of what it says.
//!
//! Record `seq` is the object `log/<seq>`, made once and never changed. It names the hash of the record
//! before it (the first one names the hash of the `format` object), so the newest hash stands for the whole
//! history; its body is encrypted; all of it is signed. Byte table: docs/format.md, "Log record".

mod body;

pub use body::{Body, Commit, Config, ConfigKind, PointFacts};

use base::Env;
use base::limits::LOG_RECORD_BYTES_MAX;

use crate::VERSION;
use crate::aead::{Aead, OVERHEAD_BYTES};
use crate::keys::{Keyring, SIGNATURE_BYTES, verified};
use crate::wire::{Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"DOZOLOG1";
const HEADER_BYTES: usize = 78;
/// Largest encoded body.
const BODY_BYTES_MAX: usize =
    LOG_RECORD_BYTES_MAX - HEADER_BYTES - OVERHEAD_BYTES - SIGNATURE_BYTES;

/// The hash of a whole log record as stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RecordHash(pub [u8; 32]);

impl RecordHash {
    /// Returns the hash of a stored record, or of the `format` object.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl std::fmt::Display for RecordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its place in the log, from 1.
    pub seq: u64,
    /// The hash of the record before it.
    pub previous: RecordHash,
    /// The owner's epoch: a store that is opened for writing takes the next one.
    pub epoch: u64,
    /// Random, of one process: tells whose record a slot holds when the answer to a write was lost.
    pub writer: [u8; 16],
    /// The wall clock, in nanoseconds since 1970. Information: nothing is decided by it.
    pub time_ns: i64,
    /// The retention clock, in nanoseconds since 1970.
    pub retention_now_ns: i64,
    /// What happened.
    pub body: Body,
}

/// Why a record is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The bytes are no record; or the record to be written is above a limit.
    #[error("not a log record")]
    Malformed(#[from] WireError),
    /// It was written by a newer version.
    #[error("log record of format version {0}")]
    Version(u16),
    /// The store did not sign these bytes.
    #[error("the log record is damaged or was not signed by this store")]
    BadSignature,
    /// It does not open under the store's key.
    #[error("the log record is not authentic")]
    NotAuthentic,
    /// It is not the next one: a record is missing, was exchanged, or belongs to another history.
    #[error("log record {found} does not follow: expected {expected} after {head}")]
    BrokenChain {
        /// The next place of the log.
        expected: u64,
        /// The record's place.
        found: u64,
        /// The hash it ought to name.
        head: RecordHash,
    },
}

/// Returns the name of the object that holds record `seq`.
pub fn object_name(seq: u64) -> String {
    format!("log/{seq:020}")
}

impl Record {
    /// Returns what is sealed of it.
    ///
    /// # Errors
    /// [`LogError::Malformed`] if it is above a limit.
    #[doc(hidden)]
    pub fn plain(&self) -> Result<Vec<u8>, LogError> {
        let mut body = Writer::with_capacity(1024);
        body.i64(self.time_ns).i64(self.retention_now_ns);
        self.body.write(&mut body)?;
        Ok(body.finish())
    }
}

/// Seals, signs, opens and verifies the records of one store.
pub struct LogKey {
    aead: Aead,
    signing: crate::keys::SigningKey,
    public: [u8; 32],
}

impl LogKey {
    /// Returns the log's key of a store.
    pub fn new(keys: &Keyring) -> Self {
        Self {
            aead: Aead::new(&keys.log),
            signing: keys.signing.clone(),
            public: keys.signing.public(),
        }
    }

    /// Returns the stored bytes of `record`.
    ///
    /// # Errors
    /// [`LogError::Malformed`] if it is above a limit.
    pub fn seal(&self, env: &Env, record: &Record) -> Result<Vec<u8>, LogError> {
        let body = record.plain()?;
        if body.len() > BODY_BYTES_MAX {
            let (len, limit) = (body.len() as u64, BODY_BYTES_MAX);
            return Err(WireError::TooLong { len, limit }.into());
        }
        Ok(self.seal_plain(env, record, &body))
    }

    /// As [`Self::seal`], with any bytes in the place of what `record` says: for tests of readers.
    #[doc(hidden)]
    pub fn seal_plain(&self, env: &Env, record: &Record, body: &[u8]) -> Vec<u8> {
        let sealed_len = u32::try_from(body.len() + OVERHEAD_BYTES).expect("bounded above");
        let mut out = Writer::with_capacity(HEADER_BYTES + body.len() + 128);
        out.raw(MAGIC)
            .u16(VERSION)
            .u64(record.seq)
            .raw(&record.previous.0)
            .u64(record.epoch)
            .raw(&record.writer)
            .u32(sealed_len);
        let sealed = self.aead.seal(env, out.as_slice(), body);
        let mut out = out.finish();
        out.extend_from_slice(&sealed);
        self.signing.sign(&mut out);
        out
    }

    /// Opens one record by itself. Whether it is the one that belongs there: see [`Chain::accept`].
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(&self, bytes: &[u8]) -> Result<Record, LogError> {
        let (mut fields, version) = Reader::object(bytes, MAGIC, LOG_RECORD_BYTES_MAX)?;
        if version != VERSION {
            return Err(LogError::Version(version));
        }
        let signed = verified(&self.public, bytes).ok_or(LogError::BadSignature)?;
        let (header, sealed) = signed
            .split_at_checked(HEADER_BYTES)
            .ok_or(WireError::Truncated)?;
        let seq = fields.u64()?;
        let previous = RecordHash(fields.array()?);
        let epoch = fields.u64()?;
        let writer = fields.array()?;
        if fields.u32()? as usize != sealed.len() {
            return Err(WireError::BadValue("body length").into());
        }
        let body = self
            .aead
            .open(header, sealed)
            .map_err(|_| LogError::NotAuthentic)?;
        let mut fields = Reader::new(&body);
        let record = Record {
            seq,
            previous,
            epoch,
            writer,
            time_ns: fields.i64()?,
            retention_now_ns: fields.i64()?,
            body: Body::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(record)
    }
}

/// The end of a log that has been read so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The place of the next record.
    pub next: u64,
    /// What the next record names as its predecessor.
    pub head: RecordHash,
    /// The epoch of the last record: no later one has a smaller.
    pub epoch: u64,
}

impl Chain {
    /// Returns the empty log of the store with this `format` object.
    pub fn new(format_object: &[u8]) -> Self {
        Self {
            next: 1,
            head: RecordHash::of(format_object),
            epoch: 0,
        }
    }

    /// Opens the stored bytes of the next record and moves behind it.
    ///
    /// # Errors
    /// [`LogError`]; the chain is where it was.
    pub fn accept(&mut self, key: &LogKey, bytes: &[u8]) -> Result<Record, LogError> {
        let record = key.open(bytes)?;
        let follows =
            record.seq == self.next && record.previous == self.head && record.epoch >= self.epoch;
        if !follows {
            return Err(LogError::BrokenChain {
                expected: self.next,
                found: record.seq,
                head: self.head,
            });
        }
        self.next += 1;
        self.head = RecordHash::of(bytes);
        self.epoch = record.epoch;
        Ok(record)
    }
}
