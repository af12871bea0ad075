//! Rows of the index as bytes. Private to this program version: `SCHEMA` guards them, not the store's format.

use base::{ChunkId, PackName, SessionId};
use format::pack::{Class, TocEntry};
use format::seal::Kind;
use format::wire::{Reader, Writer};

use super::IndexError;

/// Where a sealed chunk is, and what opening it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: PackName,
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) domain: u32,
    pub(crate) generation: u32,
}

impl Location {
    /// Returns the place of an entry of a pack's table of contents.
    pub(crate) fn of(pack: PackName, entry: &TocEntry) -> Self {
        Self {
            pack,
            offset: entry.offset,
            len: entry.len,
            kind: entry.kind,
            domain: entry.domain,
            generation: entry.generation,
        }
    }
}

/// How far a pack has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackState {
    /// Durable, but no log record names it: only its own session may refer to it.
    Loose,
    /// A log record names it.
    Logged,
    /// A log record names it, and its trailer could not be read when the index was built.
    Unreadable,
    /// A read found it missing or damaged: readers may still try their luck, no writer relies on it.
    Doubted,
}

/// What the index knows of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackRow {
    pub(crate) name: PackName,
    pub(crate) class: Class,
    pub(crate) state: PackState,
    pub(crate) bytes: u64,
    pub(crate) chunks: u32,
    /// Chunks that are found here; the others have a newer copy elsewhere.
    pub(crate) current: u32,
    pub(crate) session: SessionId,
    /// The place of the log record that condemned it.
    pub(crate) condemned: Option<u64>,
    /// When it was last read in full and found whole, in seconds since 1970 by the wall clock: what is verified next is decided by it,
    /// and nothing else. 0: not yet.
    pub(crate) verified_s: u64,
}

const PACK_ROW_BYTES: usize = 32 + 1 + 1 + 8 + 4 + 4 + 16 + 8 + 8;

impl PackRow {
    /// Returns whether it was found missing or damaged, or could not be read when the index was built.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.state, PackState::Unreadable | PackState::Doubted)
    }

    /// Returns whether any session may refer to what is found in it.
    pub(crate) fn is_relied_upon(&self) -> bool {
        self.state == PackState::Logged && self.condemned.is_none()
    }

    /// Returns whether it is bad and nobody needs it: every chunk of it was stored anew elsewhere. Of a pack whose table
    /// of contents could not be read that is not known.
    pub(crate) fn is_superseded(&self) -> bool {
        self.state == PackState::Doubted && self.current == 0
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PACK_ROW_BYTES);
        out.extend_from_slice(&self.name.0);
        out.push(self.class.code());
        out.push(match self.state {
            PackState::Loose => 0,
            PackState::Logged => 1,
            PackState::Unreadable => 2,
            PackState::Doubted => 3,
        });
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.chunks.to_le_bytes());
        out.extend_from_slice(&self.current.to_le_bytes());
        out.extend_from_slice(&self.session.0);
        // No record has the place 0.
        out.extend_from_slice(&self.condemned.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&self.verified_s.to_le_bytes());
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, IndexError> {
        let row: &[u8; PACK_ROW_BYTES] = row.try_into().map_err(|_| IndexError::Row)?;
        Ok(Self {
            name: PackName(cut(row, 0)),
            class: Class::from_code(row[32]).ok_or(IndexError::Row)?,
            state: match row[33] {
                0 => PackState::Loose,
                1 => PackState::Logged,
                2 => PackState::Unreadable,
                3 => PackState::Doubted,
                _ => return Err(IndexError::Row),
            },
            bytes: u64::from_le_bytes(cut(row, 34)),
            chunks: u32::from_le_bytes(cut(row, 42)),
            current: u32::from_le_bytes(cut(row, 46)),
            session: SessionId(cut(row, 50)),
            condemned: Some(u64::from_le_bytes(cut(row, 66))).filter(|place| *place != 0),
            verified_s: u64::from_le_bytes(cut(row, 74)),
        })
    }
}

/// What a pack holds, in its order: runs of chunks without gaps that are alike in all but id and length. A run is kind
/// (u8), domain, generation, offset of its first chunk, count (u32 each), and count times id, length (u32).
pub(super) fn encode_contents(entries: &[TocEntry]) -> Vec<u8> {
    let follows = |a: &TocEntry, b: &TocEntry| {
        (a.kind, a.domain, a.generation) == (b.kind, b.domain, b.generation)
            && a.offset.checked_add(a.len) == Some(b.offset)
    };
    let mut out = Writer::with_capacity(32 + entries.len() * 36);
    for run in entries.chunk_by(follows) {
        out.u8(run[0].kind.code())
            .u32(run[0].domain)
            .u32(run[0].generation)
            .u32(run[0].offset)
            .u32(u32::try_from(run.len()).unwrap_or(u32::MAX));
        for entry in run {
            out.raw(&entry.id.0).u32(entry.len);
        }
    }
    out.finish()
}

/// Returns what a pack holds.
pub(super) fn decode_contents(
    pack: PackName,
    row: &[u8],
) -> Result<Vec<(ChunkId, Location)>, IndexError> {
    let mut fields = Reader::new(row);
    let mut chunks = Vec::with_capacity(row.len() / 36);
    while !fields.is_empty() {
        let kind = Kind::from_code(fields.u8()?).ok_or(IndexError::Row)?;
        let (domain, generation) = (fields.u32()?, fields.u32()?);
        let mut offset = fields.u32()?;
        for _ in 0..fields.u32()? {
            let entry = TocEntry {
                kind,
                domain,
                generation,
                id: ChunkId(fields.array()?),
                offset,
                len: fields.u32()?,
            };
            offset = offset.checked_add(entry.len).ok_or(IndexError::Row)?;
            chunks.push((entry.id, Location::of(pack, &entry)));
        }
    }
    Ok(chunks)
}

/// Returns `N` bytes of a row from `at` on.
fn cut<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    row[at..at + N]
        .try_into()
        .expect("a slice of N bytes is an array of N")
}
