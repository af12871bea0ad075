//! The end of a pack: sealed table of contents, sector hashes, fixed tail. A pack with parity has the same bytes once more,
//! between its body and its parity.
//!
//! [`read_trailer`] needs the last few KiB of an object, and a second read only for packs with very many chunks.
//! The table of contents is bound to the sector hashes beside it, so neither can be exchanged alone even
//! by someone who may choose the name.

use std::ops::Range;

use base::limits::{PACK_BYTES_MAX, PACK_RECORDS_MAX};
use base::{ChunkId, Env, PackName};

use super::sectors::{Parity, Sectors};
use super::{Class, HEADER_BYTES, PackError, TocEntry, parity, u32_len};
use crate::VERSION;
use crate::aead::OVERHEAD_BYTES;
use crate::seal::{Kind, SEALED_BYTES_MAX, SEALED_BYTES_MIN, Sealer};
use crate::wire::{Reader, WireError, Writer};

pub(super) const MAGIC: &[u8; 8] = b"DOZOTAIL";
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

/// The last bytes of a pack, which say where the rest of the trailer is. Not authentic by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    toc_bytes: u32,
    sectors: u32,
    pub(super) body_bytes: u32,
    domain: u32,
    generation: u32,
    class: Class,
    parity: Parity,
    pub(super) trailer_bytes: u32,
}

impl Tail {
    /// Parses a tail and checks that its numbers fit each other and an object of `pack_bytes`.
    pub(super) fn parse(tail: &[u8], pack_bytes: u64) -> Result<Self, PackError> {
        let tail = Self::parse_alone(tail)?;
        let expected = tail.pack_bytes();
        if expected != pack_bytes {
            return Err(PackError::Length {
                expected,
                found: pack_bytes,
            });
        }
        Ok(tail)
    }

    /// Parses a tail and checks that its numbers fit each other.
    pub(super) fn parse_alone(tail: &[u8]) -> Result<Self, PackError> {
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
        let parity = Parity::from_code(parity)
            .filter(|_| reserved == [0; 8])
            .ok_or(WireError::BadValue("parity"))?;
        let class = Class::from_code(class).ok_or(WireError::BadValue("pack class"))?;
        let body = body_bytes as usize;
        let toc = toc_bytes as usize;
        let all = Sectors::of(parity, body);
        let fits = (HEADER_BYTES..PACK_BYTES_MAX).contains(&body)
            && (OVERHEAD_BYTES..=TOC_BYTES_MAX).contains(&toc)
            && sectors as usize == all.in_body()
            && trailer_bytes as usize == toc + all.count() * HASH_BYTES + TAIL_BYTES
            && (parity == Parity::None || all.pack_bytes(trailer_bytes as usize) <= PACK_BYTES_MAX);
        if !fits {
            return Err(WireError::BadValue("pack lengths").into());
        }
        Ok(Self {
            toc_bytes,
            sectors,
            body_bytes,
            domain,
            generation,
            class,
            parity,
            trailer_bytes,
        })
    }

    pub(super) fn sectors(&self) -> Sectors {
        Sectors::of(self.parity, self.body_bytes as usize)
    }

    pub(super) fn pack_bytes(&self) -> u64 {
        self.sectors().pack_bytes(self.trailer_bytes as usize) as u64
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
        self.tail.pack_bytes()
    }

    /// Returns what the pack has to mend itself with.
    pub fn parity(&self) -> Parity {
        self.tail.parity
    }

    /// Returns how many sectors there are: those of the body, of which the last may be short, then those of parity.
    pub fn sectors(&self) -> u32 {
        u32_len(self.tail.sectors().count())
    }

    /// Returns the sectors of the body and those of parity: within either they stand back to back.
    pub fn sector_runs(&self) -> [Range<u32>; 2] {
        [0..self.tail.sectors, self.tail.sectors..self.sectors()]
    }

    /// Returns the length of every sector but the body's last.
    pub fn sector_bytes(&self) -> usize {
        self.tail.sectors().sector_bytes()
    }

    /// Returns which bytes of the pack sector `index` is, or `None` if there is no such sector.
    pub fn sector_range(&self, index: u32) -> Option<Range<u32>> {
        let trailer_bytes = self.tail.trailer_bytes as usize;
        let range = self.tail.sectors().range(index as usize, trailer_bytes)?;
        Some(u32_len(range.start)..u32_len(range.end))
    }

    /// Returns which bytes of the pack are the copy of its trailer: none without parity.
    pub fn copy_range(&self) -> Range<u32> {
        let range = self.tail.sectors().copy(self.tail.trailer_bytes as usize);
        u32_len(range.start)..u32_len(range.end)
    }

    /// Verifies the copy of the trailer.
    ///
    /// # Errors
    /// [`PackError::DamagedCopy`].
    pub fn verify_copy(&self, copy: &[u8]) -> Result<(), PackError> {
        let is_whole = copy.len() == self.copy_range().len() && self.bytes.starts_with(copy);
        is_whole.then_some(()).ok_or(PackError::DamagedCopy)
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
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

/// Appends to a body what follows it: trailer, and parity before it. Returns the pack's name.
pub(super) fn append(
    env: &Env,
    sealer: &Sealer,
    class: Class,
    parity: Parity,
    bytes: &mut Vec<u8>,
    entries: &[TocEntry],
) -> PackName {
    let body_bytes = bytes.len();
    let sectors = Sectors::of(parity, body_bytes);
    let toc = write_toc(entries);
    let toc_bytes = toc.len() + OVERHEAD_BYTES;
    let trailer_bytes = toc_bytes + sectors.count() * HASH_BYTES + TAIL_BYTES;
    let copy = sectors.copy(trailer_bytes);
    bytes.resize(copy.end + sectors.parity_bytes(), 0);
    let (body, rest) = bytes.split_at_mut(body_bytes);
    if parity == Parity::Double {
        parity::write(body, &sectors, &mut rest[copy.len()..]);
    }
    let mut hashes = Vec::with_capacity(sectors.count() * HASH_BYTES);
    for range in (0..).map_while(|index| sectors.range(index, trailer_bytes)) {
        hashes.extend_from_slice(blake3::hash(&bytes[range]).as_bytes());
    }
    let tail = Tail {
        toc_bytes: u32_len(toc_bytes),
        sectors: u32_len(sectors.in_body()),
        body_bytes: u32_len(body_bytes),
        domain: sealer.domain(),
        generation: sealer.generation(),
        class,
        parity,
        trailer_bytes: u32_len(trailer_bytes),
    };
    let trailer = write(env, sealer, &tail, &hashes, &toc);
    bytes[copy.clone()].copy_from_slice(&trailer[..copy.len()]);
    bytes.extend_from_slice(&trailer);
    name_of(&trailer)
}

fn write(env: &Env, sealer: &Sealer, tail: &Tail, hashes: &[u8], toc: &[u8]) -> Vec<u8> {
    let sealed = sealer
        .key(tail.class, tail.domain, tail.generation)
        .expect("the current generation is one of the domain's")
        .seal(env, &associated_data(tail, hashes), toc);
    let mut out = Writer::with_capacity(tail.trailer_bytes as usize);
    out.raw(&sealed)
        .raw(hashes)
        .u32(tail.toc_bytes)
        .u32(tail.sectors)
        .u32(tail.body_bytes)
        .u32(tail.domain)
        .u32(tail.generation)
        .u8(tail.class.code())
        .u8(tail.parity.code())
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

/// Returns the plain table of contents of a pack: for tests of readers.
#[doc(hidden)]
pub fn plain_toc(entries: &[TocEntry]) -> Vec<u8> {
    write_toc(entries)
}

/// Reads a plain table of contents: for tests of readers.
///
/// # Errors
/// As [`Trailer::entries`].
#[doc(hidden)]
pub fn read_plain_toc(
    toc: &[u8],
    class: Class,
    body_bytes: u32,
) -> Result<Vec<TocEntry>, PackError> {
    let tail = Tail {
        toc_bytes: 0,
        sectors: 0,
        body_bytes,
        domain: 0,
        generation: 0,
        class,
        parity: Parity::None,
        trailer_bytes: 0,
    };
    parse_toc(toc, &tail)
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
