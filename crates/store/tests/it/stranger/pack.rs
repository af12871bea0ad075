//! "Pack" and "Sealed chunk": where chunks are, and what is in them.

use std::ops::Range;

use super::crypt::{hash, keyed_hash, unseal};
use super::keys::{Format, Ring};
use super::parity;
use super::wire::Bytes;
use super::{Bytes32, Read};

const CHUNK_MAX: usize = 4 << 20;
const PACK_MAX: usize = 64 << 20;
const HEADER_LEN: usize = 64;
const SECTOR_LEN: usize = 64 << 10;
const TAIL_LEN: usize = 44;

/// What a pack is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class {
    Data,
    Meta,
}

impl Class {
    pub(crate) fn read(bytes: &mut Bytes<'_>) -> Read<Self> {
        match bytes.u8()? {
            1 => Ok(Self::Data),
            2 => Ok(Self::Meta),
            _ => Err(String::from("a pack of an unknown class")),
        }
    }

    /// The number of the class, and of the only kind of its chunks.
    fn number(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Meta => 2,
        }
    }

    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Data => "packs",
            Self::Meta => "meta",
        }
    }
}

/// Where a chunk is in its pack, and what opens it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) kind: u8,
    domain: u32,
    generation: u32,
    pub(crate) id: Bytes32,
    offset: u32,
    len: u32,
}

impl Place {
    pub(crate) fn range(&self) -> Range<usize> {
        let from = self.offset as usize;
        from..from + self.len as usize
    }
}

pub(super) struct Tail {
    table_len: usize,
    sector_count: usize,
    pub(super) body_len: usize,
    domain: u32,
    generation: u32,
    class: Class,
    has_parity: bool,
    pub(super) trailer_len: usize,
}

/// Verifies every byte of a pack and returns its table of contents.
pub(crate) fn read(
    object: &[u8],
    name: &Bytes32,
    class: Class,
    format: &Format,
    ring: &Ring,
) -> Read<Vec<Place>> {
    let start = object
        .len()
        .checked_sub(TAIL_LEN)
        .ok_or("shorter than a tail")?;
    let tail = Tail::parse(&object[start..])?;
    if tail.class != class {
        return Err(String::from("a pack of another class than the log's"));
    }
    if object.len() > PACK_MAX || tail.pack_len() != object.len() {
        return Err(String::from("a pack of another length"));
    }
    let trailer = &object[object.len() - tail.trailer_len..];
    if hash(trailer) != *name {
        return Err(String::from("a trailer that is not the name's"));
    }
    if let Some(sector) = tail.damaged_sectors(object, trailer).first() {
        return Err(format!("sector {sector} is damaged"));
    }
    let body = &object[..tail.body_len];
    if tail.has_parity {
        if object[tail.copy()] != *trailer {
            return Err(String::from("a copy that is not the trailer's"));
        }
        parity::check(object, &tail)?;
    }
    read_header(body, class, format)?;
    let (table, rest) = trailer.split_at(tail.table_len);
    let mut aad = b"DOZOPTOC".to_vec();
    aad.extend(1_u16.to_le_bytes());
    aad.push(class.number());
    aad.extend(tail.domain.to_le_bytes());
    aad.extend(tail.generation.to_le_bytes());
    aad.extend((tail.table_len as u32).to_le_bytes());
    aad.extend((tail.body_len as u32).to_le_bytes());
    aad.extend(hash(&rest[..rest.len() - TAIL_LEN]));
    let key = ring.chunk_key(class.number(), tail.domain, tail.generation)?;
    read_table(&unseal(key, &aad, table)?, class, body.len())
}

impl Tail {
    pub(super) fn parse(bytes: &[u8]) -> Read<Self> {
        let mut bytes = Bytes::new(bytes);
        let tail = Self {
            table_len: bytes.u32()? as usize,
            sector_count: bytes.u32()? as usize,
            body_len: bytes.u32()? as usize,
            domain: bytes.u32()?,
            generation: bytes.u32()?,
            class: Class::read(&mut bytes)?,
            has_parity: match bytes.u8()? {
                0 => false,
                1 => true,
                _ => return Err(String::from("an unknown kind of parity")),
            },
            trailer_len: {
                bytes.expect("reserved bytes", &[0; 8])?;
                bytes.expect("version", &[1, 0])?;
                bytes.u32()? as usize
            },
        };
        bytes.expect("magic than a tail's", b"DOZOTAIL")?;
        bytes.end("a tail")?;
        let hashes = 32 * (tail.sector_count + 2 * tail.stripes());
        let sector_count = tail.body_len.div_ceil(tail.sector_len());
        let trailer_len = tail.table_len + hashes + TAIL_LEN;
        if (tail.sector_count, tail.trailer_len) != (sector_count, trailer_len) {
            return Err(String::from("a tail whose lengths do not agree"));
        }
        Ok(tail)
    }

    pub(super) fn sector_len(&self) -> usize {
        let lengths = [4 << 10, 8 << 10, 16 << 10, 32 << 10];
        let fitting = lengths.into_iter().find(|len| 32 * len >= self.body_len);
        fitting.filter(|_| self.has_parity).unwrap_or(SECTOR_LEN)
    }

    pub(super) fn stripes(&self) -> usize {
        match self.has_parity {
            true => self.sector_count.div_ceil(32),
            false => 0,
        }
    }

    /// Where the copy of the trailer is.
    pub(super) fn copy(&self) -> Range<usize> {
        let len = if self.has_parity { self.trailer_len } else { 0 };
        self.body_len..self.body_len + len
    }

    /// Where the sectors are, those of parity behind the others.
    pub(super) fn sectors(&self) -> Vec<Range<usize>> {
        let len = self.sector_len();
        let in_body = (0..self.body_len).step_by(len);
        let parity = (0..2 * self.stripes()).map(|n| self.copy().end + n * len);
        in_body
            .map(|from| from..self.body_len.min(from + len))
            .chain(parity.map(|from| from..from + len))
            .collect()
    }

    pub(super) fn pack_len(&self) -> usize {
        self.copy().end + 2 * self.stripes() * self.sector_len() + self.trailer_len
    }

    /// The sectors that do not have the hash that a trailer tells.
    pub(super) fn damaged_sectors(&self, object: &[u8], trailer: &[u8]) -> Vec<usize> {
        let hashes = trailer[self.table_len..].chunks(32);
        let sectors = self.sectors().into_iter().zip(hashes).enumerate();
        sectors
            .filter(|(_, (place, expected))| hash(&object[place.clone()]) != **expected)
            .map(|(sector, _)| sector)
            .collect()
    }
}

fn read_header(body: &[u8], class: Class, format: &Format) -> Read<()> {
    let mut header = Bytes::new(body);
    header.expect("magic than a pack's", b"DOZOPACK")?;
    header.expect("version", &[1, 0])?;
    header.expect("class than the tail's", &[class.number()])?;
    header.expect("bytes than zeros", &[0; 5])?;
    header.expect("store", &format.store)?;
    let _salt: Bytes32 = header.array()?;
    Ok(())
}

fn read_table(table: &[u8], class: Class, body_len: usize) -> Read<Vec<Place>> {
    if !table.len().is_multiple_of(1024) {
        return Err(String::from("a table that is not padded"));
    }
    let mut bytes = Bytes::new(table);
    let count = bytes.u32()?;
    if count > 65_536 {
        return Err(String::from("more chunks than a pack may have"));
    }
    let mut places = Vec::new();
    let mut end = HEADER_LEN;
    for _ in 0..count {
        let place = Place {
            kind: bytes.u8()?,
            domain: bytes.u32()?,
            generation: bytes.u32()?,
            id: bytes.array()?,
            offset: bytes.u32()?,
            len: bytes.u32()?,
        };
        if place.kind != class.number() || place.offset as usize != end {
            return Err(String::from("a chunk that does not follow the one before"));
        }
        if place.len as usize > CHUNK_MAX + 33 {
            return Err(String::from("a chunk that is too long"));
        }
        end = place.range().end;
        places.push(place);
    }
    while !bytes.is_empty() {
        bytes.expect("byte than zero after a table", &[0])?;
    }
    let step = if end >= 1 << 20 { 64 << 10 } else { 4 << 10 };
    if end.next_multiple_of(step) != body_len {
        return Err(String::from("chunks and padding do not make up the body"));
    }
    Ok(places)
}

/// Opens a sealed chunk and returns its content.
pub(crate) fn open_chunk(sealed: &[u8], place: &Place, ring: &Ring) -> Read<Vec<u8>> {
    let mut aad = b"DOZOCHNK".to_vec();
    aad.extend(1_u16.to_le_bytes());
    aad.extend(place.domain.to_le_bytes());
    aad.extend(place.generation.to_le_bytes());
    aad.push(place.kind);
    aad.extend(place.id);
    aad.extend((sealed.len() as u32).to_le_bytes());
    let key = ring.chunk_key(place.kind, place.domain, place.generation)?;
    let opened = unseal(key, &aad, sealed)?;
    let mut bytes = Bytes::new(&opened);
    let (codec, len) = (bytes.u8()?, bytes.u32()? as usize);
    if len > CHUNK_MAX {
        return Err(String::from("a chunk above 4 MiB"));
    }
    let payload = bytes.take(opened.len() - 5)?;
    let content = match codec {
        0 => payload.to_vec(),
        1 => zstd::bulk::decompress(payload, len).map_err(|error| format!("zstd: {error}"))?,
        _ => return Err(String::from("an unknown codec")),
    };
    if content.len() != len {
        return Err(String::from("a chunk of another length"));
    }
    let mut named = vec![place.kind];
    named.extend(hash(&content));
    if keyed_hash(ring.id_key(place.domain)?, &named) != place.id {
        return Err(String::from("a chunk of another content"));
    }
    Ok(content)
}

/// Places a chunk that stands alone, outside any pack.
pub(crate) fn lone_place(kind: u8, domain: u32, generation: u32, id: Bytes32, len: usize) -> Place {
    Place {
        kind,
        domain,
        generation,
        id,
        offset: 0,
        len: len as u32,
    }
}
