//! Made-up chunks whose ids are spread evenly, as hashes are, and can still be gone through in the order of ids.
//!
//! A chunk's number says where it lies: 16 make a pack. Its rank says where its id stands among all. Number and rank are
//! turned into one another by a Feistel network, narrowed to the count by going round again (cycle walking).

use base::ChunkId;
use base::limits::CHUNK_BYTES_AVG;
use format::pack::TocEntry;
use format::seal::Kind;

use crate::bench::data::chance::Chance;

/// Rounds of the network: enough that nothing here sees a pattern.
const ROUNDS: u64 = 4;

/// The chunks of an index.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) count: u64,
    /// Bits of half a rank.
    half: u32,
}

impl Ids {
    /// Returns `count` chunks, at least one.
    pub(super) fn new(count: u64) -> Self {
        let bits = u64::BITS - (count - 1).leading_zeros();
        Self {
            count,
            half: bits.div_ceil(2).max(1),
        }
    }

    fn mixed(&self, half: u64, round: u64) -> u64 {
        Chance::new(half << 8 | round).next() & ((1 << self.half) - 1)
    }

    fn rank(&self, number: u64) -> u64 {
        let mut n = number;
        loop {
            let (mut left, mut right) = (n >> self.half, n & ((1 << self.half) - 1));
            for round in 0..ROUNDS {
                (left, right) = (right, left ^ self.mixed(right, round));
            }
            n = left << self.half | right;
            if n < self.count {
                return n;
            }
        }
    }

    /// Returns the chunk of a rank.
    pub(super) fn number(&self, rank: u64) -> u64 {
        let mut n = rank;
        loop {
            let (mut left, mut right) = (n >> self.half, n & ((1 << self.half) - 1));
            for round in (0..ROUNDS).rev() {
                (left, right) = (right ^ self.mixed(left, round), left);
            }
            n = left << self.half | right;
            if n < self.count {
                return n;
            }
        }
    }

    /// Returns the id of a chunk.
    pub(super) fn id(&self, number: u64) -> ChunkId {
        let place = (u128::from(self.rank(number)) << 64) / u128::from(self.count);
        let mut id = [0; 32];
        Chance::new(number).fill(&mut id);
        id[..8].copy_from_slice(&(place as u64).to_le_bytes());
        id[..8].reverse(); // ids are compared from their first byte on
        ChunkId(id)
    }

    /// Returns what a pack's table of contents says of a chunk.
    pub(super) fn entry(&self, number: u64) -> TocEntry {
        let len = CHUNK_BYTES_AVG as u32 - 64;
        TocEntry {
            kind: Kind::Data,
            domain: 0,
            generation: 0,
            id: self.id(number),
            offset: 64 + (number % 16) as u32 * len,
            len,
        }
    }
}

/// Returns an id that no chunk has.
pub(super) fn missing_id(number: u64) -> ChunkId {
    let mut id = [0; 32];
    Chance::new(!number).fill(&mut id);
    ChunkId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_rank_of_its_own_and_ids_stand_in_their_order() {
        for count in [1, 2, 100, 4096, 5000] {
            let ids = Ids::new(count);
            let ranked: Vec<u64> = (0..count).map(|rank| ids.number(rank)).collect();
            for (rank, number) in ranked.iter().enumerate() {
                assert_eq!(ids.rank(*number), rank as u64);
            }
            assert!(ranked.windows(2).all(|w| ids.id(w[0]) < ids.id(w[1])));
            let mut numbers = ranked;
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..count));
        }
    }
}
