//! The end of a pack: sealed table of contents, sector hashes, fixed tail.
//!
//! [`read_trailer`] needs the last few KiB of an object, and a second read only for packs with very many chunks.
//! The table of contents is bound to the sector hashes beside it, so neither can be exchanged alone even
//! by someone who may choose the name.

use std::ops::Range;

use base::limits::{PACK_BYTES_MAX, PACK_RECORDS_MAX, PACK_SECTOR_BYTES};
use base::{ChunkId, Env, PackName};

use super::{Class, HEADER_BYTES, PackError, TocEntry, u32_len};
use crate::VERSION;
use crate::aead::OVERHEAD_BYTES;
use crate::seal::{Kind, SEALED_BYTES_MAX, SEALED_BYTES_MIN, Sealer};
use crate::wire::{Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"DOZOTAIL";
/// Length of the fixed tail.
pub const TAIL_BYTES: usize = 44;
/// How much of a pack's end to read at first: all of the trailer of a full pack of average chunks, twice.
pub const TRAILER_GUESS_BYTES: usize = 24 << 10;
const ENTRY_BYTES: usize = 49;
/// The table of contents is padded to a multiple of this: the trailer's length does not count the chunks.
const TOC_PADDING: usize = 1 << 10;
const TOC_BYTES_MAX: usize =
    (4 + PACK_RECORDS_MAX * ENTRY_BYTES).next_multiple_of(TOC_PADDING) + OVERHEAD_BYTES;
const HASH_BYTES: usize = 32;
const NO_PARITY: u8 = 0;

/// The last bytes of a pack, which say where the rest of the trailer is. Not authentic by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    toc_bytes: u32,
    sectors: u32,
    pub(super) body_bytes: u32,
    domain: u32,
    generation: u32,
    class: Class,
    trailer_bytes: u32,
}

impl Tail {
    /// Parses a tail and checks that its numbers fit each other and an object of `pack_bytes`.
    pub(super) fn parse(tail: &[u8], pack_bytes: u64) -> Result<Self, PackError> {
        let mut fields = Reader::new(tail);
        let toc_bytes = fields.u32()?;
        let sectors = fields.u32()?;
        let body_bytes = fields.u32()?;
        let domain = fields.u32()?;
        let generation = fields.u32()?;
        let class = fields.u8()?;
        let parity = fields.u8()?;
        let reserved: [u8; 8] = fields.array()?;
        let version = fields.u16()?;
        let trailer_bytes = fields.u32()?;
        if fields.array()? != *MAGIC {
            return Err(WireError::BadValue("magic").into());
        }
        fields.finish()?;
        if version != VERSION {
            return Err(PackError::Version(version));
        }
        if parity != NO_PARITY || reserved != [0; 8] {
            return Err(WireError::BadValue("parity").into());
        }
        let class = Class::from_code(class).ok_or(WireError::BadValue("pack class"))?;
        let body = body_bytes as usize;
        let toc = toc_bytes as usize;
        let fits = (HEADER_BYTES..PACK_BYTES_MAX).contains(&body)
            && (OVERHEAD_BYTES..=TOC_BYTES_MAX).contains(&toc)
            && sectors as usize == body.div_ceil(PACK_SECTOR_BYTES)
            && trailer_bytes as usize == toc + sectors as usize * HASH_BYTES + TAIL_BYTES;
        if !fits {
            return Err(WireError::BadValue("pack lengths").into());
        }
        let expected = u64::from(body_bytes) + u64::from(trailer_bytes);
        if expected != pack_bytes {
            return Err(PackError::Length {
                expected,
                found: pack_bytes,
            });
        }
        Ok(Self {
            toc_bytes,
            sectors,
            body_bytes,
            domain,
            generation,
            class,
            trailer_bytes,
        })
    }
}

/// A trailer that is the one its pack's name stands for: what it says of the pack's bytes is true.
#[derive(Clone)]
pub struct Trailer {
    tail: Tail,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Trailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trailer({:?})", self.tail)
    }
}

impl Trailer {
    pub(super) fn parse(name: &PackName, tail: &Tail, trailer: &[u8]) -> Result<Self, PackError> {
        if trailer.len() != tail.trailer_bytes as usize || name_of(trailer) != *name {
            return Err(PackError::WrongName(*name));
        }
        Ok(Self {
            tail: *tail,
            bytes: trailer.to_vec(),
        })
    }

    /// Returns which chunks the pack holds.
    pub fn class(&self) -> Class {
        self.tail.class
    }

    /// Returns how many bytes there are before the trailer.
    pub fn body_bytes(&self) -> u32 {
        self.tail.body_bytes
    }

    /// Returns how many bytes the pack has.
    pub fn pack_bytes(&self) -> u64 {
        u64::from(self.tail.body_bytes) + u64::from(self.tail.trailer_bytes)
    }

    /// Returns how many sectors the body has; the last may be short.
    pub fn sectors(&self) -> u32 {
        self.tail.sectors
    }

    /// Returns which bytes of the pack sector `index` is, or `None` if there is no such sector.
    pub fn sector_range(&self, index: u32) -> Option<Range<u32>> {
        let bytes = u32_len(PACK_SECTOR_BYTES);
        (index < self.tail.sectors).then(|| {
            let start = index * bytes;
            start..(start + bytes).min(self.tail.body_bytes)
        })
    }

    /// Verifies one sector, without a key.
    ///
    /// # Errors
    /// [`PackError::DamagedSector`].
    pub fn verify_sector(&self, index: u32, sector: &[u8]) -> Result<(), PackError> {
        let damaged = PackError::DamagedSector(index);
        let range = self.sector_range(index).ok_or(damaged.clone())?;
        let hash = self
            .hashes()
            .get(index as usize * HASH_BYTES..)
            .and_then(|hashes| hashes.first_chunk::<HASH_BYTES>())
            .ok_or(damaged.clone())?;
        if sector.len() != range.len() || blake3::hash(sector) != *hash {
            return Err(damaged);
        }
        Ok(())
    }

    /// Returns the table of contents.
    ///
    /// # Errors
    /// [`PackError::NoKey`], [`PackError::NotAuthentic`], [`PackError::Malformed`].
    pub fn entries(&self, sealer: &Sealer) -> Result<Vec<TocEntry>, PackError> {
        let Tail {
            domain, generation, ..
        } = self.tail;
        let key = sealer
            .key(self.tail.class, domain, generation)
            .ok_or(PackError::NoKey { domain, generation })?;
        let sealed = &self.bytes[..self.tail.toc_bytes as usize];
        let plain = key
            .open(&associated_data(&self.tail, self.hashes()), sealed)
            .map_err(|_| PackError::NotAuthentic)?;
        parse_toc(&plain, &self.tail)
    }

    fn hashes(&self) -> &[u8] {
        &self.bytes[self.tail.toc_bytes as usize..self.bytes.len() - TAIL_BYTES]
    }
}

/// Why a trailer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadTrailerError<E> {
    /// The object could not be read.
    #[error("the end of the pack cannot be read")]
    Read(#[source] E),
    /// What was read is no trailer of this pack.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Reads the trailer of pack `name`, an object of `pack_bytes`, by one or two ranged reads of its end.
///
/// # Errors
/// [`ReadTrailerError::Read`] is the reader's own error; [`ReadTrailerError::Pack`] means damage.
pub fn read_trailer<E>(
    name: &PackName,
    pack_bytes: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Trailer, ReadTrailerError<E>> {
    let length = |expected: usize, found: u64| PackError::Length {
        expected: expected as u64,
        found,
    };
    let whole = usize::try_from(pack_bytes)
        .ok()
        .filter(|bytes| (HEADER_BYTES + TAIL_BYTES..=PACK_BYTES_MAX).contains(bytes))
        .ok_or_else(|| length(HEADER_BYTES + TAIL_BYTES, pack_bytes))?;
    let mut read_end = |len: usize| {
        let end = read(pack_bytes - len as u64, len).map_err(ReadTrailerError::Read)?;
        if end.len() != len {
            return Err(ReadTrailerError::Pack(length(len, end.len() as u64)));
        }
        Ok(end)
    };
    let mut end = read_end(whole.min(TRAILER_GUESS_BYTES))?;
    let tail = Tail::parse(&end[end.len() - TAIL_BYTES..], pack_bytes)?;
    let len = tail.trailer_bytes as usize;
    if len > end.len() {
        end = read_end(len)?;
    }
    Ok(Trailer::parse(name, &tail, &end[end.len() - len..])?)
}

/// A pack is named by its trailer's hash.
pub(super) fn name_of(trailer: &[u8]) -> PackName {
    PackName(*blake3::hash(trailer).as_bytes())
}

/// Returns the trailer of a pack with this body.
pub(super) fn write(
    env: &Env,
    sealer: &Sealer,
    class: Class,
    body: &[u8],
    entries: &[TocEntry],
) -> Vec<u8> {
    let mut hashes = Vec::with_capacity(body.len().div_ceil(PACK_SECTOR_BYTES) * HASH_BYTES);
    for sector in body.chunks(PACK_SECTOR_BYTES) {
        hashes.extend_from_slice(blake3::hash(sector).as_bytes());
    }
    let toc = write_toc(entries);
    let toc_bytes = toc.len() + OVERHEAD_BYTES;
    let tail = Tail {
        toc_bytes: u32_len(toc_bytes),
        sectors: u32_len(hashes.len() / HASH_BYTES),
        body_bytes: u32_len(body.len()),
        domain: sealer.domain(),
        generation: sealer.generation(),
        class,
        trailer_bytes: u32_len(toc_bytes + hashes.len() + TAIL_BYTES),
    };
    let sealed = sealer
        .key(class, tail.domain, tail.generation)
        .expect("the current generation is one of the domain's")
        .seal(env, &associated_data(&tail, &hashes), &toc);
    let mut out = Writer::with_capacity(tail.trailer_bytes as usize);
    out.raw(&sealed)
        .raw(&hashes)
        .u32(tail.toc_bytes)
        .u32(tail.sectors)
        .u32(tail.body_bytes)
        .u32(tail.domain)
        .u32(tail.generation)
        .u8(class.code())
        .u8(NO_PARITY)
        .raw(&[0; 8])
        .u16(VERSION)
        .u32(tail.trailer_bytes)
        .raw(MAGIC);
    out.finish()
}

fn write_toc(entries: &[TocEntry]) -> Vec<u8> {
    let mut toc = Writer::with_capacity(4 + entries.len() * ENTRY_BYTES + TOC_PADDING);
    toc.u32(u32_len(entries.len()));
    for entry in entries {
        toc.u8(entry.kind.code())
            .u32(entry.domain)
            .u32(entry.generation)
            .raw(&entry.id.0)
            .u32(entry.offset)
            .u32(entry.len);
    }
    let mut toc = toc.finish();
    toc.resize(toc.len().next_multiple_of(TOC_PADDING), 0);
    toc
}

/// Entries follow one another from the header on without gaps, so none can overlap another.
fn parse_toc(toc: &[u8], tail: &Tail) -> Result<Vec<TocEntry>, PackError> {
    let mut fields = Reader::new(toc);
    let count = fields.u32()? as usize;
    if count > PACK_RECORDS_MAX || count * ENTRY_BYTES > fields.rest().len() {
        return Err(WireError::BadValue("chunk count").into());
    }
    let mut entries = Vec::with_capacity(count);
    let mut next = u32_len(HEADER_BYTES);
    for _ in 0..count {
        let kind = Kind::from_code(fields.u8()?).filter(|kind| kind.class() == tail.class);
        let entry = TocEntry {
            kind: kind.ok_or(WireError::BadValue("chunk kind"))?,
            domain: fields.u32()?,
            generation: fields.u32()?,
            id: ChunkId(fields.array()?),
            offset: fields.u32()?,
            len: fields.u32()?,
        };
        let len = entry.len as usize;
        if entry.offset != next || !(SEALED_BYTES_MIN..=SEALED_BYTES_MAX).contains(&len) {
            return Err(WireError::BadValue("chunk place").into());
        }
        next = next
            .checked_add(entry.len)
            .filter(|end| *end <= tail.body_bytes)
            .ok_or(WireError::BadValue("chunk place"))?;
        entries.push(entry);
    }
    if fields.rest().len() >= TOC_PADDING || fields.rest().iter().any(|byte| *byte != 0) {
        return Err(WireError::BadValue("padding").into());
    }
    Ok(entries)
}

/// `"DOZOPTOC" | version | class | domain | generation | toc length | body length | BLAKE3(sector hashes)`
fn associated_data(tail: &Tail, hashes: &[u8]) -> Vec<u8> {
    let mut aad = Writer::with_capacity(64);
    aad.raw(b"DOZOPTOC")
        .u16(VERSION)
        .u8(tail.class.code())
        .u32(tail.domain)
        .u32(tail.generation)
        .u32(tail.toc_bytes)
        .u32(tail.body_bytes)
        .raw(blake3::hash(hashes).as_bytes());
    aad.finish()
}
