//! Chunks as they are stored: named by a keyed hash, compressed if it pays, encrypted, position independent.
//!
//! A sealed chunk opens only as what it was sealed as: kind, id, domain, generation and length are bound to
//! it. [`Sealer::open`] gives back bytes only after the tag *and* the id have been verified, so no key
//! mix-up, no compressor bug and no bit flip can hand out wrong content. Byte table: docs/format.md, "Sealed
//! chunk".

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::limits::CHUNK_BYTES_MAX;
use base::{ChunkHash, ChunkId, Env};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::aead::{Aead, NONCE_BYTES, OVERHEAD_BYTES};
use crate::keys::{Domain, Secret};
use crate::pack::Class;
use crate::wire::Writer;
use crate::{VERSION, pack};

/// Codec byte and plain length, before the payload.
const PREFIX_BYTES: usize = 5;
/// Largest sealed chunk: what does not compress is stored as it is.
pub const SEALED_BYTES_MAX: usize = CHUNK_BYTES_MAX + PREFIX_BYTES + OVERHEAD_BYTES;
/// Smallest sealed chunk: an empty one.
pub const SEALED_BYTES_MIN: usize = PREFIX_BYTES + OVERHEAD_BYTES;
const CODEC_RAW: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// The level, and what replaces the sizes of its two tables, as powers of two: 0 is what the level says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Effort {
    level: i32,
    tables: [u32; 2],
}
/// How chunks are compressed.
const USUAL: Effort = Effort {
    level: 3,
    tables: [0, 0],
};
/// How those are that compress well. Both tables fit into the nearest cache: a third faster, and what does not
/// fit is found by neither (logs get 1 % larger, programs 3 % to 5 %: measured on a mebibyte each).
const LIGHT: Effort = Effort {
    level: 3,
    tables: [15, 14],
};
/// How a trial is done.
const TRIAL: Effort = Effort {
    level: 1,
    tables: [0, 0],
};
/// Compression is kept only if it saves at least one part in this many.
const SAVING_MIN: usize = 32;
/// Chunks below this are compressed without a trial.
const TRIAL_BYTES_MIN: usize = 128 << 10;
const TRIAL_SPOTS: usize = 16;
const TRIAL_SPOT_BYTES: usize = 2 << 10;
/// A trial that saves less than one part in this many says that the chunk does not compress.
const TRIAL_SAVING_MIN: usize = 128;
/// One that leaves less than this, in percent, says that it compresses well.
const TRIAL_WELL_PERCENT: usize = 30;

/// What a chunk holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Content of sources.
    Data,
    /// A node of a tree.
    Tree,
}

impl Kind {
    /// Returns its byte on disk.
    pub fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Tree => 2,
        }
    }

    /// Returns the kind of a byte on disk.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Data),
            2 => Some(Self::Tree),
            _ => None,
        }
    }

    /// Returns the class of packs it is stored in.
    pub fn class(self) -> Class {
        match self {
            Self::Data => Class::Data,
            Self::Tree => Class::Meta,
        }
    }
}

/// A chunk ready to be put into a pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// What it holds.
    pub kind: Kind,
    /// Domain of the key.
    pub domain: u32,
    /// Generation of the key.
    pub generation: u32,
    /// Its name.
    pub id: ChunkId,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
    /// Bytes before compression.
    pub plain_len: u32,
}

/// Why a chunk does not open. Nothing of it has been handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenChunkError {
    /// The keyring has no such key: it was destroyed, or the ring is older than the chunk.
    #[error("no key of domain {domain}, generation {generation}")]
    NoKey {
        /// Domain asked for.
        domain: u32,
        /// Generation asked for.
        generation: u32,
    },
    /// No sealed chunk has this length.
    #[error("{0} bytes cannot be a sealed chunk")]
    BadLength(usize),
    /// The bytes are not what was sealed under this name.
    #[error("chunk {0} is not authentic")]
    NotAuthentic(ChunkId),
    /// It was authentic but does not decode to what its name promises: it was damaged before it was sealed.
    #[error("chunk {id} was sealed damaged: {what}")]
    SealedDamaged {
        /// The name asked for.
        id: ChunkId,
        /// What is wrong with it.
        what: &'static str,
    },
}

struct Generation {
    data: Aead,
    meta: Aead,
}

struct Inner {
    domain: u32,
    id_key: Secret,
    current: u32,
    generations: BTreeMap<u32, Generation>,
}

/// Names, seals and opens the chunks of one key domain. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Scratch {
    compressor: Option<Compressor<'static>>,
    decompressor: Option<Decompressor<'static>>,
    bytes: Vec<u8>,
    /// What was opened last only to be checked.
    plain: Vec<u8>,
}

thread_local! {
    // A zstd context costs a megabyte and more to make; each of the buffers holds one chunk at most.
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch {
            compressor: None,
            decompressor: None,
            bytes: Vec::new(),
            plain: Vec::new(),
        })
    };
}

impl Sealer {
    /// Returns the sealer of `domain`; seals under its newest generation.
    pub fn new(domain: &Domain) -> Self {
        let generations: BTreeMap<_, _> = domain
            .generations
            .iter()
            .map(|g| {
                let keys = Generation {
                    data: Aead::new(&g.data),
                    meta: Aead::new(&g.meta),
                };
                (g.number, keys)
            })
            .collect();
        Self(Arc::new(Inner {
            domain: domain.id,
            id_key: domain.id_key.clone(),
            current: domain.current(),
            generations,
        }))
    }

    /// Returns the domain whose keys it holds.
    pub fn domain(&self) -> u32 {
        self.0.domain
    }

    /// Returns the generation it seals under.
    pub fn generation(&self) -> u32 {
        self.0.current
    }

    /// Returns the plain hash of a chunk, by which agents call it.
    pub fn hash(plain: &[u8]) -> ChunkHash {
        ChunkHash(*blake3::hash(plain).as_bytes())
    }

    /// Returns the name of the chunk of `kind` whose content has this hash.
    pub fn id(&self, kind: Kind, hash: &ChunkHash) -> ChunkId {
        let mut input = [0; 33];
        input[0] = kind.code();
        input[1..].copy_from_slice(&hash.0);
        ChunkId(*blake3::keyed_hash(self.0.id_key.bytes(), &input).as_bytes())
    }

    /// Returns the key of (`domain`, `generation`) for packs and chunks of `class`.
    pub(crate) fn key(&self, class: Class, domain: u32, generation: u32) -> Option<&Aead> {
        if domain != self.0.domain {
            return None;
        }
        let keys = self.0.generations.get(&generation)?;
        Some(match class {
            Class::Data => &keys.data,
            Class::Meta => &keys.meta,
        })
    }

    /// Seals `plain` under its name `id`.
    ///
    /// # Panics
    /// If `plain` is larger than [`CHUNK_BYTES_MAX`]. Whether `id` is the name of `plain` is the caller's
    /// care: [`Self::open`] refuses it otherwise.
    pub fn seal(&self, env: &Env, kind: Kind, id: &ChunkId, plain: &[u8]) -> Sealed {
        assert!(
            plain.len() <= CHUNK_BYTES_MAX,
            "a chunk is cut before it is sealed"
        );
        let plain_len = u32::try_from(plain.len()).expect("compared above");
        let mut bytes = SCRATCH.with_borrow_mut(|scratch| {
            let (codec, payload) = match scratch.compress(plain) {
                Some(compressed) => (CODEC_ZSTD, compressed),
                None => (CODEC_RAW, plain),
            };
            let mut out = Vec::with_capacity(SEALED_BYTES_MIN + payload.len());
            out.resize(NONCE_BYTES, 0);
            out.push(codec);
            out.extend_from_slice(&plain_len.to_le_bytes());
            out.extend_from_slice(payload);
            out
        });
        self.encrypt(env, kind, id, &mut bytes);
        let domain = self.0.domain;
        let generation = self.0.current;
        Sealed {
            kind,
            domain,
            generation,
            id: *id,
            bytes,
            plain_len,
        }
    }

    /// As [`Self::seal`], with any bytes in the place of codec, length and content: for tests of readers.
    #[doc(hidden)]
    pub fn seal_plain(&self, env: &Env, kind: Kind, id: &ChunkId, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; NONCE_BYTES];
        bytes.extend_from_slice(inner);
        self.encrypt(env, kind, id, &mut bytes);
        bytes
    }

    /// Encrypts what stands behind the room for a nonce.
    fn encrypt(&self, env: &Env, kind: Kind, id: &ChunkId, bytes: &mut Vec<u8>) {
        let (domain, generation) = (self.0.domain, self.0.current);
        let sealed_len = bytes.len() - NONCE_BYTES + OVERHEAD_BYTES;
        let aad = associated_data(kind, domain, generation, id, sealed_len);
        self.key(kind.class(), domain, generation)
            .expect("the current generation is one of the domain's")
            .seal_in_place(env, &aad, bytes);
    }

    /// Returns the content of a sealed chunk, verified against its name.
    ///
    /// # Errors
    /// [`OpenChunkError`]: look for another copy.
    pub fn open(
        &self,
        kind: Kind,
        domain: u32,
        generation: u32,
        id: &ChunkId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenChunkError> {
        let mut plain = Vec::new();
        self.open_into(kind, domain, generation, id, sealed, &mut plain)?;
        Ok(plain)
    }

    /// As [`Self::open`], but keeps nothing of the content: whether what was sealed opens to what its name promises.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, sealed: &Sealed) -> Result<(), OpenChunkError> {
        // As large as the largest chunk so far; nobody has to find memory for each.
        let mut plain = SCRATCH.with_borrow_mut(|scratch| std::mem::take(&mut scratch.plain));
        let opened = self.open_into(
            sealed.kind,
            sealed.domain,
            sealed.generation,
            &sealed.id,
            &sealed.bytes,
            &mut plain,
        );
        SCRATCH.with_borrow_mut(|scratch| scratch.plain = plain);
        opened
    }

    /// Puts the content of a sealed chunk in the place of what is in `plain`, verified against its name.
    fn open_into(
        &self,
        kind: Kind,
        domain: u32,
        generation: u32,
        id: &ChunkId,
        sealed: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<(), OpenChunkError> {
        if !(SEALED_BYTES_MIN..=SEALED_BYTES_MAX).contains(&sealed.len()) {
            return Err(OpenChunkError::BadLength(sealed.len()));
        }
        let key = self
            .key(kind.class(), domain, generation)
            .ok_or(OpenChunkError::NoKey { domain, generation })?;
        let aad = associated_data(kind, domain, generation, id, sealed.len());
        SCRATCH.with_borrow_mut(|scratch| {
            let inner = scratch.room(sealed.len() - OVERHEAD_BYTES);
            key.open_into(&aad, sealed, inner)
                .map_err(|_| OpenChunkError::NotAuthentic(*id))?;
            let len = sealed.len() - OVERHEAD_BYTES;
            scratch
                .decode(len, plain)
                .map_err(|what| OpenChunkError::SealedDamaged { id: *id, what })
        })?;
        if self.id(kind, &Self::hash(plain)) != *id {
            let what = "the content has another name";
            return Err(OpenChunkError::SealedDamaged { id: *id, what });
        }
        Ok(())
    }
}

impl Scratch {
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        &mut self.bytes[..len]
    }

    /// Returns `plain` compressed, if that is worth it.
    fn compress(&mut self, plain: &[u8]) -> Option<&[u8]> {
        if plain.len() < 64 {
            return None;
        }
        let effort = self.try_sample(plain)?;
        let compressed = self.compress_at(effort, plain)?;
        (compressed <= plain.len() - plain.len() / SAVING_MIN).then(|| &self.bytes[..compressed])
    }

    /// Compresses a sample at the fastest level, and returns what the chunk is worth; `None` if it does not compress. Costs a
    /// thirtieth of a megabyte chunk.
    fn try_sample(&mut self, plain: &[u8]) -> Option<Effort> {
        if plain.len() < TRIAL_BYTES_MIN {
            return Some(USUAL);
        }
        let mut sample = [0; TRIAL_SPOTS * TRIAL_SPOT_BYTES];
        let step = (plain.len() - TRIAL_SPOT_BYTES) / (TRIAL_SPOTS - 1);
        for (i, spot) in sample.chunks_exact_mut(TRIAL_SPOT_BYTES).enumerate() {
            spot.copy_from_slice(&plain[i * step..][..TRIAL_SPOT_BYTES]);
        }
        let len = self.compress_at(TRIAL, &sample)?;
        match len {
            len if len * 100 < sample.len() * TRIAL_WELL_PERCENT => Some(LIGHT),
            len if len < sample.len() - sample.len() / TRIAL_SAVING_MIN => Some(USUAL),
            _ => None,
        }
    }

    /// Compresses into the scratch buffer. A compressor that cannot is no reason not to store.
    fn compress_at(&mut self, effort: Effort, plain: &[u8]) -> Option<usize> {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(effort.level).ok();
        }
        self.room(zstd::zstd_safe::compress_bound(plain.len()));
        let compressor = self.compressor.as_mut()?;
        let [hash, chain] = effort.tables;
        compressor.set_compression_level(effort.level).ok()?;
        compressor.set_parameter(CParameter::HashLog(hash)).ok()?;
        compressor.set_parameter(CParameter::ChainLog(chain)).ok()?;
        compressor
            .compress_to_buffer(plain, self.bytes.as_mut_slice())
            .ok()
    }

    /// Decodes the first `len` bytes of the scratch buffer: codec, plain length, payload.
    fn decode(&mut self, len: usize, plain: &mut Vec<u8>) -> Result<(), &'static str> {
        let (prefix, payload) = self.bytes[..len].split_at(PREFIX_BYTES);
        let plain_len = u32::from_le_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if plain_len > CHUNK_BYTES_MAX {
            return Err("the plain length is above the limit");
        }
        plain.clear();
        match prefix[0] {
            CODEC_RAW if payload.len() == plain_len => {
                plain.extend_from_slice(payload);
                Ok(())
            }
            CODEC_RAW => Err("the plain length is not the payload's"),
            CODEC_ZSTD => {
                if self.decompressor.is_none() {
                    self.decompressor = Decompressor::new().ok();
                }
                let decompressor = self.decompressor.as_mut().ok_or("no memory for zstd")?;
                // The capacity bounds what comes out, whatever the frame says of itself.
                plain.reserve(plain_len);
                decompressor
                    .decompress_to_buffer(payload, plain)
                    .map_err(|_| "it does not decompress")?;
                if plain.len() != plain_len {
                    return Err("it decompresses to another length");
                }
                Ok(())
            }
            _ => Err("the codec is unknown"),
        }
    }
}

/// `"DOZOCHNK" | version | domain | generation | kind | id | sealed length`
fn associated_data(
    kind: Kind,
    domain: u32,
    generation: u32,
    id: &ChunkId,
    sealed_len: usize,
) -> Vec<u8> {
    let mut aad = Writer::with_capacity(55);
    aad.raw(b"DOZOCHNK")
        .u16(VERSION)
        .u32(domain)
        .u32(generation)
        .u8(kind.code())
        .raw(&id.0)
        .u32(pack::u32_len(sealed_len));
    aad.finish()
}
