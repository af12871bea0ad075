//! Where content is cut, decided by the content and a key.
//!
//! A cut depends on the 64 bytes before it and on where the last cut was, so an insertion moves the cuts
//! near it and no others. The table is random per store: sizes and cuts tell a stranger nothing about
//! known content. The constants are frozen: changing one changes every cut, and nothing deduplicates against
//! what older versions wrote. Rules: docs/format.md, "Chunker".

use base::ChunkHash;
use base::limits::{CHUNK_BYTES_AVG, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use gearhash::{Hasher, Table};

use crate::keys::Secret;

/// Bytes that the rolling hash sees: a byte is shifted out of 64 bits after 64 more.
const WINDOW_BYTES: usize = 64;
/// Before the average a cut is four times rarer than once in [`CHUNK_BYTES_AVG`], after it four times more
/// frequent ("normalised chunking", FastCDC): sizes gather around the average.
const MASK_HARD: u64 = top_bits(CHUNK_BYTES_AVG.ilog2() + 2);
const MASK_EASY: u64 = top_bits(CHUNK_BYTES_AVG.ilog2() - 2);
/// One file in this many may end a bundle.
const BUNDLE_END_ONE_IN: u8 = 8;

/// The gear hash's upper bits depend on the whole window, the lower ones on a few bytes only.
const fn top_bits(count: u32) -> u64 {
    u64::MAX << (64 - count)
}

/// The secret that decides where content is cut. One for each key domain, and never changed.
#[derive(Clone)]
pub struct ChunkerKey(pub(crate) Secret);

impl ChunkerKey {
    /// Returns the key made of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Returns the key that decides where tree nodes end.
    pub fn node_key(&self) -> [u8; 32] {
        blake3::derive_key("dozo v1 tree node boundary", self.0.bytes())
    }
}

/// Finds cuts. Make one and share it: the table is 2 KiB.
#[derive(Clone)]
pub struct Chunker {
    table: Box<Table>,
    bundle_key: [u8; 32],
}

impl Chunker {
    /// Returns the chunker of `key`.
    pub fn new(key: &ChunkerKey) -> Self {
        let mut table = Box::new([0; 256]);
        let mut stream = blake3::Hasher::new_derive_key("dozo v1 chunker gear table")
            .update(key.0.bytes())
            .finalize_xof();
        for entry in table.iter_mut() {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            *entry = u64::from_le_bytes(bytes);
        }
        Self {
            table,
            bundle_key: blake3::derive_key("dozo v1 bundle boundary", key.0.bytes()),
        }
    }

    /// Returns how long the chunk at the start of `bytes` is, or `None` if that cannot be said before there
    /// are more bytes. `bytes` starts where the last chunk ended; `at_end` says that the content ends with
    /// them. The answer does not depend on how many bytes more there are, so a caller may fill its buffer as
    /// it likes; with [`CHUNK_BYTES_MAX`] bytes or at the end there is always one. Every call looks at all
    /// bytes again: call it with as much as there is. `None` at the end means that nothing is left.
    pub fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        let bytes = &bytes[..bytes.len().min(CHUNK_BYTES_MAX)];
        let last = (at_end && !bytes.is_empty()) || bytes.len() == CHUNK_BYTES_MAX;
        self.scan(bytes).or(last.then_some(bytes.len()))
    }

    fn scan(&self, bytes: &[u8]) -> Option<usize> {
        // A chunk of exactly the minimum is the first that may end by its content: its last byte is the
        // first that is matched, after the 63 before it have been fed.
        let first = CHUNK_BYTES_MIN - 1;
        let warm = bytes.get(CHUNK_BYTES_MIN - WINDOW_BYTES..first)?;
        let mut hasher = Hasher::new(&self.table);
        hasher.update(warm);
        let middle = bytes.len().min(CHUNK_BYTES_AVG);
        let hard = hasher.next_match(bytes.get(first..middle)?, MASK_HARD);
        hard.map(|n| first + n).or_else(|| {
            // The vectorised search leaves the hash as the scalar one would: the window carries over.
            let easy = hasher.next_match(&bytes[middle..], MASK_EASY);
            easy.map(|n| middle + n)
        })
    }

    /// Returns whether a bundle of small files that is large enough ends after the file of this content:
    /// equal runs of files give equal bundles.
    pub fn is_bundle_end(&self, file_hash: &ChunkHash) -> bool {
        let hash = blake3::keyed_hash(&self.bundle_key, &file_hash.0);
        hash.as_bytes()[0].is_multiple_of(BUNDLE_END_ONE_IN)
    }
}
