//! Packs: sealed chunks back to back, and a trailer that describes and authenticates them.
//!
//! ```text
//! header 64 | sealed chunk ... | random padding | copy of trailer | parity | sealed table of contents | sector hashes | tail 44
//!                                                `- if it has any -'        `-------------- trailer --------------'
//! ```
//!
//! A pack's name is the hash of its trailer. The trailer has the hash of each sector (64 KiB) of everything
//! before it, so a name authenticates every byte; any sector can be verified alone; and nobody needs a key
//! for that. Chunks' names, sizes and order are in the table of contents, which is encrypted. With [`Parity`] a few damaged
//! sectors can be rebuilt ([`repair`]), which needs no key either.
//!
//! The order of work is in the types: an [`OpenPack`] takes chunks, [`OpenPack::finish`] consumes it and gives
//! the [`SealedPack`] that can be stored. Byte tables: docs/format.md, "Pack".

mod trailer;

mod parity;
mod repair;
mod sectors;

pub use repair::{Repaired, repair};
pub use sectors::Parity;
pub use trailer::{ReadTrailerError, TAIL_BYTES, TRAILER_GUESS_BYTES, Trailer, read_trailer};
#[doc(hidden)]
pub use trailer::{plain_toc, read_plain_toc};

use std::ops::Range;

use base::limits::{PACK_BYTES, PACK_BYTES_MAX, PACK_RECORDS_MAX, PACK_SECTOR_BYTES};
use base::{ChunkId, Env, PackName, StoreId};

use crate::VERSION;
use crate::seal::{Kind, Sealed, Sealer};
use crate::wire::{Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"DOZOPACK";
/// Length of the header.
pub const HEADER_BYTES: usize = 64;
/// Bodies from this size on are padded to whole sectors, smaller ones to [`PADDING_SMALL`].
const PADDING_LARGE_FROM: usize = 1 << 20;
const PADDING_SMALL: usize = 4 << 10;

/// Which chunks a pack holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Content, in `packs/`.
    Data,
    /// Tree nodes, in `meta/`.
    Meta,
}

impl Class {
    /// Returns its byte on disk.
    pub fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Meta => 2,
        }
    }

    /// Returns the class of a byte on disk.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Data),
            2 => Some(Self::Meta),
            _ => None,
        }
    }

    /// Returns the directory that its packs are in.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Data => "packs",
            Self::Meta => "meta",
        }
    }

    /// Returns the name of the object that holds pack `name`: `packs/<xx>/<name>` or `meta/<xx>/<name>`.
    pub fn object_name(self, name: &PackName) -> String {
        let hex = name.to_string();
        format!("{}/{}/{hex}", self.directory(), &hex[..2])
    }
}

/// Where a chunk is in its pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TocEntry {
    /// What the chunk holds.
    pub kind: Kind,
    /// Domain of its key.
    pub domain: u32,
    /// Generation of its key.
    pub generation: u32,
    /// Its name.
    pub id: ChunkId,
    /// Its first byte, from the start of the pack.
    pub offset: u32,
    /// Its length, sealed.
    pub len: u32,
}

/// Why a pack, or a piece of it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The bytes are no pack.
    #[error("not a pack")]
    Malformed(#[from] WireError),
    /// It was written by a newer version.
    #[error("pack of format version {0}")]
    Version(u16),
    /// The object's length is not the one its trailer tells: cut off, or grown.
    #[error("the pack has {found} bytes instead of {expected}")]
    Length {
        /// What the trailer says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The trailer is not the one that the name stands for.
    #[error("the trailer is not that of pack {0}")]
    WrongName(PackName),
    /// A sector is not what was written.
    #[error("sector {0} is damaged")]
    DamagedSector(u32),
    /// The copy of the trailer is not what was written; the trailer is.
    #[error("the copy of the trailer is damaged")]
    DamagedCopy,
    /// More is damaged than what is left tells.
    #[error("{0} sectors are damaged, and parity does not suffice to rebuild them")]
    BeyondRepair(u32),
    /// The table of contents does not open.
    #[error("the table of contents is not authentic")]
    NotAuthentic,
    /// The keyring lacks the key of the table of contents.
    #[error("no key of domain {domain}, generation {generation}")]
    NoKey {
        /// Domain asked for.
        domain: u32,
        /// Generation asked for.
        generation: u32,
    },
    /// It belongs to another store.
    #[error("the pack belongs to store {0}")]
    OtherStore(StoreId),
}

/// The chunk does not fit: finish this pack and open another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pack is full")]
pub struct PackFull;

/// A pack that takes chunks. In memory only.
pub struct OpenPack {
    class: Class,
    store: StoreId,
    bytes: Vec<u8>,
    entries: Vec<TocEntry>,
}

impl OpenPack {
    /// Starts a pack of `store`. It has room for a full pack at once; the kernel gives pages as they are used.
    pub fn new(env: &Env, store: StoreId, class: Class) -> Self {
        let mut bytes = Writer::with_capacity(PACK_BYTES + (PACK_BYTES >> 3));
        bytes
            .raw(MAGIC)
            .u16(VERSION)
            .u8(class.code())
            .raw(&[0; 5])
            .raw(&store.0)
            .raw(&env.bytes::<32>());
        Self {
            class,
            store,
            bytes: bytes.finish(),
            entries: Vec::new(),
        }
    }

    /// Returns which chunks it takes.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns the store it belongs to.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Returns how many bytes it has so far.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether no chunk is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether it is time to finish it.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= PACK_BYTES || self.entries.len() >= PACK_RECORDS_MAX
    }

    /// Returns what is in it.
    pub fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    /// Returns the sealed bytes of one of its entries.
    pub fn sealed(&self, entry: &TocEntry) -> Option<&[u8]> {
        let start = entry.offset as usize;
        self.bytes.get(start..)?.get(..entry.len as usize)
    }

    /// Puts a chunk into it and returns where it is.
    ///
    /// # Errors
    /// [`PackFull`]; never before [`Self::is_full`].
    ///
    /// # Panics
    /// If the chunk belongs into packs of the other class.
    pub fn push(&mut self, chunk: &Sealed) -> Result<TocEntry, PackFull> {
        assert_eq!(chunk.kind.class(), self.class, "a class has its own packs");
        if self.is_full() {
            return Err(PackFull);
        }
        let entry = TocEntry {
            kind: chunk.kind,
            domain: chunk.domain,
            generation: chunk.generation,
            id: chunk.id,
            offset: u32_len(self.bytes.len()),
            len: u32_len(chunk.bytes.len()),
        };
        self.bytes.extend_from_slice(&chunk.bytes);
        self.entries.push(entry);
        Ok(entry)
    }

    /// Pads it, adds parity, seals its table of contents under `sealer`'s current generation, and names it.
    pub fn finish(self, env: &Env, sealer: &Sealer, parity: Parity) -> SealedPack {
        let Self {
            class,
            mut bytes,
            entries,
            ..
        } = self;
        let unit = if bytes.len() >= PADDING_LARGE_FROM {
            PACK_SECTOR_BYTES
        } else {
            PADDING_SMALL
        };
        let content = bytes.len();
        bytes.resize(content.next_multiple_of(unit), 0);
        env.random.fill(&mut bytes[content..]);
        let name = trailer::append(env, sealer, class, parity, &mut bytes, &entries);
        assert!(
            bytes.len() <= PACK_BYTES_MAX,
            "a pack is closed long before"
        );
        SealedPack {
            name,
            class,
            bytes,
            entries,
        }
    }
}

/// A finished pack, to be stored under its name.
#[derive(Clone)]
pub struct SealedPack {
    /// The hash of its trailer.
    pub name: PackName,
    /// Which chunks it holds.
    pub class: Class,
    /// The whole object.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub entries: Vec<TocEntry>,
}

impl SealedPack {
    /// Returns the name of the object it is to be stored as.
    pub fn object_name(&self) -> String {
        self.class.object_name(&self.name)
    }
}

impl std::fmt::Debug for SealedPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chunks = self.entries.len();
        write!(
            f,
            "SealedPack({} {:?}, {chunks} chunks)",
            self.name, self.class
        )
    }
}

/// Verifies every byte of a pack against its name, without a key, and returns its trailer.
///
/// # Errors
/// [`PackError`]: the bytes are not the pack of this name and store.
pub fn verify(store: StoreId, name: &PackName, bytes: &[u8]) -> Result<Trailer, PackError> {
    let tail_from = bytes.len().saturating_sub(TAIL_BYTES);
    let tail = trailer::Tail::parse(&bytes[tail_from..], bytes.len() as u64)?;
    let end = bytes
        .get(bytes.len() - tail.trailer_bytes as usize..)
        .ok_or(WireError::Truncated)?;
    let trailer = Trailer::parse(name, &tail, end)?;
    for index in 0..trailer.sectors() {
        trailer.verify_sector(index, part(bytes, trailer.sector_range(index)))?;
    }
    trailer.verify_copy(part(bytes, Some(trailer.copy_range())))?;
    verify_header(store, trailer.class(), bytes)?;
    Ok(trailer)
}

/// Returns a part of a pack; nothing if the pack has no such part.
fn part(bytes: &[u8], range: Option<Range<u32>>) -> &[u8] {
    let range = range.map(|range| range.start as usize..range.end as usize);
    range.and_then(|range| bytes.get(range)).unwrap_or_default()
}

fn verify_header(store: StoreId, class: Class, body: &[u8]) -> Result<(), PackError> {
    let mut fields = Reader::new(body);
    if fields.array()? != *MAGIC {
        return Err(WireError::BadValue("magic").into());
    }
    let version = fields.u16()?;
    if version != VERSION {
        return Err(PackError::Version(version));
    }
    if Class::from_code(fields.u8()?) != Some(class) || fields.array()? != [0_u8; 5] {
        return Err(WireError::BadValue("pack class").into());
    }
    let found = StoreId(fields.array()?);
    if found != store {
        return Err(PackError::OtherStore(found));
    }
    Ok(())
}

/// Returns a length that is known to be bounded by a pack's as it is written.
pub(crate) fn u32_len(len: usize) -> u32 {
    u32::try_from(len).expect("everything in a pack is smaller than 4 GiB")
}
