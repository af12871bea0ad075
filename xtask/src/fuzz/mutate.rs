//! Inputs: what a writer wrote, changed where it hurts.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Longest input.
const BYTES_MAX: usize = 1 << 20;
/// Numbers at the edges of what fields hold.
const EDGES: [u64; 22] = [
    0,
    1,
    2,
    7,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    1 << 15,
    (1 << 16) - 1,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    (1 << 63) - 1,
    u64::MAX,
];

/// Numbers that look like chance, the same for the same seed (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Makes inputs of a target.
pub(super) struct Mutator<'a> {
    chance: Chance,
    corpus: &'a [Vec<u8>],
    input: Vec<u8>,
}

impl<'a> Mutator<'a> {
    pub(super) fn new(seed: u64, target: &str, corpus: &'a [Vec<u8>]) -> Self {
        // Not of the same seed in the same way for each target. Hashing without a key is the same in every run.
        let mut hasher = DefaultHasher::new();
        (seed, target).hash(&mut hasher);
        Self {
            chance: Chance::new(hasher.finish()),
            corpus,
            input: Vec::new(),
        }
    }

    /// Returns the next input. Of those made from one sample half have one change.
    pub(super) fn next(&mut self) -> &[u8] {
        let sample = self.chance.below(self.corpus.len());
        self.input.clone_from(&self.corpus[sample]);
        let mut changes = 1 + (self.chance.next().trailing_ones() as usize).min(8);
        if self.chance.below(64) == 0 {
            changes = 0;
        }
        for _ in 0..changes {
            self.change();
            self.input.truncate(BYTES_MAX);
        }
        &self.input
    }

    fn change(&mut self) {
        let len = self.input.len();
        if len == 0 {
            let byte = self.chance.next() as u8;
            self.input.push(byte);
            return;
        }
        let at = self.place();
        match self.chance.below(14) {
            0..=2 => self.input[at] ^= 1 << self.chance.below(8),
            3 => self.input[at] = self.chance.next() as u8,
            4 => {
                let by = [1, 0xff, 2, 0x80][self.chance.below(4)];
                self.input[at] = self.input[at].wrapping_add(by);
            }
            5 | 6 => self.number(at),
            7 => {
                let edge = EDGES[self.chance.below(EDGES.len())];
                let number = varint(edge);
                self.splice(at, number.len().min(len - at), &number);
            }
            8 => self.input.truncate(at),
            9 => {
                let end = at + self.span(len - at);
                self.input.drain(at..end);
            }
            10 => {
                let end = at + self.span(len - at);
                let again = self.input[at..end].to_vec();
                let to = self.chance.below(len + 1);
                self.splice(to, 0, &again);
            }
            11 => {
                let more = self.chance.below(33);
                let byte = self.chance.next() as u8;
                self.splice(at, 0, &vec![byte; more]);
            }
            12 => {
                let end = at + self.span(len - at);
                self.input[at..end].fill(0);
            }
            _ => self.cross(at),
        }
    }

    /// Returns a place: any, or near the beginning or the end, where heads and tails are.
    fn place(&mut self) -> usize {
        let len = self.input.len();
        match self.chance.below(4) {
            0 => self.chance.below(len.min(64)),
            1 => len - 1 - self.chance.below(len.min(64)),
            _ => self.chance.below(len),
        }
    }

    /// Returns a length of at least 1 and at most `most`, mostly a short one.
    fn span(&mut self, most: usize) -> usize {
        let short = self.chance.below(4) > 0;
        1 + self.chance.below(if short { most.min(40) } else { most })
    }

    fn splice(&mut self, at: usize, instead_of: usize, bytes: &[u8]) {
        self.input
            .splice(at..at + instead_of, bytes.iter().copied());
    }

    /// Puts a number at an edge in the place of one.
    fn number(&mut self, at: usize) {
        let edge = EDGES[self.chance.below(EDGES.len())];
        let less = self.chance.below(3) as u64;
        let number = edge.wrapping_sub(less).to_le_bytes();
        let width = [1, 2, 4, 8][self.chance.below(4)];
        let end = (at + width).min(self.input.len());
        self.input[at..end].copy_from_slice(&number[..end - at]);
    }

    /// Goes on with another sample.
    fn cross(&mut self, at: usize) {
        let other = &self.corpus[self.chance.below(self.corpus.len())];
        if other.is_empty() {
            return;
        }
        let from = match self.chance.below(2) {
            0 => at.min(other.len() - 1),
            _ => self.chance.below(other.len()),
        };
        self.input.truncate(at);
        self.input.extend_from_slice(&other[from..]);
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
