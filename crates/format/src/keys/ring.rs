//! The ring: every key of a store but the master key, sealed under it.
//!
//! Rings are never changed: a new generation is a new ring with the next number, and the newest is in force.
//! Byte table: docs/format.md, "Key ring".

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base::limits::{KEY_DOMAINS_MAX, KEY_GENERATIONS_MAX, KEY_OBJECT_BYTES_MAX};
use base::{Env, StoreId};
use zeroize::Zeroizing;

use super::{MasterKey, Secret};
use crate::VERSION;
use crate::aead::Aead;
use crate::chunker::ChunkerKey;
use crate::seal::Sealer;
use crate::wire::{Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"DOZORING";
const HEADER_BYTES: usize = 34;

/// The keys that one generation of chunks is sealed under.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u32,
    /// Seals data chunks and the tables of data packs.
    pub data: Secret,
    /// Seals tree chunks and the tables of meta packs.
    pub meta: Secret,
}

/// A realm of deduplication with keys of its own.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its number, from 1.
    pub id: u32,
    /// Names chunks.
    pub(crate) id_key: Secret,
    /// Decides cuts.
    pub(crate) chunker_key: Secret,
    /// In ascending order; never empty.
    pub(crate) generations: Vec<Generation>,
}

impl Domain {
    fn random(env: &Env, id: u32) -> Self {
        Self {
            id,
            id_key: Secret::random(env),
            chunker_key: Secret::random(env),
            generations: vec![Generation::random(env, 1)],
        }
    }

    /// Returns the number of the generation that new chunks are sealed under.
    pub fn current(&self) -> u32 {
        let newest = self.generations.last();
        newest.expect("a domain has a generation").number
    }

    /// Returns the key for [`crate::chunker::Chunker::new`].
    pub fn chunker_key(&self) -> ChunkerKey {
        ChunkerKey(self.chunker_key.clone())
    }

    /// Returns what names, seals and opens its chunks.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(self)
    }
}

impl Generation {
    fn random(env: &Env, number: u32) -> Self {
        Self {
            number,
            data: Secret::random(env),
            meta: Secret::random(env),
        }
    }
}

/// Signs log records and points (Ed25519). The public key is in the store's `format` object.
#[derive(Clone, Debug)]
pub struct SigningKey(Secret);

impl SigningKey {
    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.0.bytes()).expect("every 32 bytes are a seed")
    }

    /// Returns the public key.
    pub fn public(&self) -> [u8; 32] {
        let pair = self.pair();
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref());
        public.expect("an Ed25519 public key has 32 bytes")
    }

    /// Appends the signature of all bytes so far.
    pub(crate) fn sign(&self, bytes: &mut Vec<u8>) {
        let signature = self.pair().sign(bytes);
        bytes.extend_from_slice(signature.as_ref());
    }
}

/// Length of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Returns the bytes before the signature, if it is that of `public`.
pub(crate) fn verified<'a>(public: &[u8; 32], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (content, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
    UnparsedPublicKey::new(&ED25519, public)
        .verify(content, signature)
        .ok()
        .map(|()| content)
}

/// Why a ring does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The bytes are no ring.
    #[error("not a key ring")]
    Malformed(#[from] WireError),
    /// It was written by a newer version.
    #[error("key ring of format version {0}")]
    Version(u16),
    /// It belongs to another store.
    #[error("the key ring belongs to store {0}")]
    OtherStore(StoreId),
    /// The bytes are not what was sealed under this master key.
    #[error("the key ring is damaged, or of another master key")]
    NotAuthentic,
    /// There is no room for more keys: generations have to be retired first.
    #[error("the key ring is full")]
    Full,
}

/// All keys of a store but the master key.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The store.
    pub store: StoreId,
    /// The ring's number, from 1: the highest is in force.
    pub number: u64,
    /// Signs log records and points.
    pub signing: SigningKey,
    pub(crate) log: Secret,
    pub(crate) point: Secret,
    /// In ascending order; never empty.
    domains: Vec<Domain>,
}

impl Keyring {
    /// Returns the first ring of a new store: one domain with one generation.
    pub fn random(env: &Env, store: StoreId) -> Self {
        Self {
            store,
            number: 1,
            signing: SigningKey(Secret::random(env)),
            log: Secret::random(env),
            point: Secret::random(env),
            domains: vec![Domain::random(env, 1)],
        }
    }

    /// Returns the domains, in ascending order of their numbers.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// Returns a domain.
    pub fn domain(&self, id: u32) -> Option<&Domain> {
        self.domains.iter().find(|d| d.id == id)
    }

    /// Returns the first domain: a store of version 1 has one.
    pub fn first_domain(&self) -> &Domain {
        self.domains.first().expect("a ring has a domain")
    }

    /// Returns the next ring: `domain`, if there is one, has a new generation in it.
    pub fn next_generation(&self, env: &Env, domain: u32) -> Self {
        let mut next = self.clone();
        next.number += 1;
        if let Some(domain) = next.domains.iter_mut().find(|d| d.id == domain) {
            let number = domain.current() + 1;
            domain.generations.push(Generation::random(env, number));
        }
        next
    }

    /// Returns the bytes of the object `keys/ring-<number>`.
    ///
    /// # Errors
    /// [`RingError::Full`].
    pub fn seal(&self, env: &Env, master: &MasterKey) -> Result<Vec<u8>, RingError> {
        let body = self.plain()?;
        Ok(self.seal_plain(env, master, &body))
    }

    /// As [`Self::seal`], with any bytes in the place of the keys: for tests of readers.
    #[doc(hidden)]
    pub fn seal_plain(&self, env: &Env, master: &MasterKey, body: &[u8]) -> Vec<u8> {
        let mut out = Writer::with_capacity(HEADER_BYTES + body.len() + 32);
        out.raw(MAGIC)
            .u16(VERSION)
            .raw(&self.store.0)
            .u64(self.number);
        let sealed = ring_key(master).seal(env, out.as_slice(), body);
        out.raw(&sealed);
        out.finish()
    }

    /// Returns what is sealed of it.
    ///
    /// # Errors
    /// [`RingError::Full`].
    #[doc(hidden)]
    pub fn plain(&self) -> Result<Zeroizing<Vec<u8>>, RingError> {
        // All room at once: growing would leave copies of keys behind.
        let mut body = Writer::with_capacity(KEY_OBJECT_BYTES_MAX + 128);
        body.raw(self.log.bytes())
            .raw(self.point.bytes())
            .raw(self.signing.0.bytes())
            .len(self.domains.len());
        for domain in &self.domains {
            body.u32(domain.id)
                .raw(domain.id_key.bytes())
                .raw(domain.chunker_key.bytes())
                .len(domain.generations.len());
            for generation in &domain.generations {
                if body.as_slice().len() > KEY_OBJECT_BYTES_MAX - 256 {
                    return Err(RingError::Full);
                }
                body.u32(generation.number)
                    .raw(generation.data.bytes())
                    .raw(generation.meta.bytes());
            }
        }
        Ok(Zeroizing::new(body.finish()))
    }

    /// Opens a ring.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn open(store: StoreId, bytes: &[u8], master: &MasterKey) -> Result<Self, RingError> {
        let (mut fields, version) = Reader::object(bytes, MAGIC, KEY_OBJECT_BYTES_MAX)?;
        if version != VERSION {
            return Err(RingError::Version(version));
        }
        let found = StoreId(fields.array()?);
        if found != store {
            return Err(RingError::OtherStore(found));
        }
        let number = fields.u64()?;
        let header = &bytes[..HEADER_BYTES];
        let body = ring_key(master)
            .open(header, fields.rest())
            .map_err(|_| RingError::NotAuthentic)?;
        let body = Zeroizing::new(body);
        Self::parse_body(store, number, &body)
    }

    fn parse_body(store: StoreId, number: u64, body: &[u8]) -> Result<Self, RingError> {
        let mut fields = Reader::new(body);
        let log = secret(&mut fields)?;
        let point = secret(&mut fields)?;
        let signing = SigningKey(secret(&mut fields)?);
        let mut domains = Vec::new();
        for _ in 0..fields.len(KEY_DOMAINS_MAX)? {
            let mut domain = Domain {
                id: fields.u32()?,
                id_key: secret(&mut fields)?,
                chunker_key: secret(&mut fields)?,
                generations: Vec::new(),
            };
            for _ in 0..fields.len(KEY_GENERATIONS_MAX)? {
                domain.generations.push(Generation {
                    number: fields.u32()?,
                    data: secret(&mut fields)?,
                    meta: secret(&mut fields)?,
                });
            }
            domains.push(domain);
        }
        fields.finish()?;
        let ascending = domains.is_sorted_by(|a: &Domain, b| a.id < b.id)
            && domains
                .iter()
                .all(|d| d.generations.is_sorted_by(|a, b| a.number < b.number));
        if domains.is_empty() || domains.iter().any(|d| d.generations.is_empty()) || !ascending {
            return Err(WireError::BadValue("domains").into());
        }
        Ok(Self {
            store,
            number,
            signing,
            log,
            point,
            domains,
        })
    }
}

fn secret(fields: &mut Reader<'_>) -> Result<Secret, WireError> {
    fields.array().map(Secret::new)
}

fn ring_key(master: &MasterKey) -> Aead {
    Aead::new(&master.0.derive("dozo v1 ring key"))
}
