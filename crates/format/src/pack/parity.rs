//! Parity: two sectors from which any two of a stripe can be rebuilt.
//!
//! With `d0, d1, ...` for the sectors of a stripe that are in the body, and sums and products of bytes in the field of
//! 256 elements, P is `d0 + d1 + ...` and Q is `d0 + 2 d1 + 4 d2 + ...`: the Reed-Solomon code that RAID 6 uses. The field
//! is that of the polynomial `x^8 + x^4 + x^3 + x^2 + 1`. See docs/format.md, "Parity", and
//! docs/decisions/0015-packs-mend-themselves.md for why it is written here.

use std::ops::Range;

use super::sectors::Sectors;

/// What is worked on at once, so that sums stay in the processor.
const BLOCK_BYTES: usize = 4 << 10;
type Block = [u8; BLOCK_BYTES];
/// What is mended together where more than two sectors are damaged: what disks write at once.
const COLUMN_BYTES: usize = 512;

/// Writes the parity of `body` into `area`, where the sectors of parity will stand.
pub(super) fn write(body: &[u8], sectors: &Sectors, area: &mut [u8]) {
    // The first sector of parity is in the stripe after that of the body's last sector, and so on around.
    let first = sectors.in_body() % sectors.stripes().max(1);
    let (ps, qs) = area.split_at_mut(area.len() / 2);
    let pairs = ps
        .chunks_exact_mut(sectors.sector_bytes())
        .zip(qs.chunks_exact_mut(sectors.sector_bytes()));
    for (n, (p, q)) in pairs.enumerate() {
        let stripe = (first + n) % sectors.stripes();
        let body = body.chunks(sectors.sector_bytes());
        let data: Vec<&[u8]> = body.skip(stripe).step_by(sectors.stripes()).collect();
        sum(&data, p, q);
    }
}

/// Computes P and Q of the sectors of a stripe, of which the last may be short.
fn sum(data: &[&[u8]], p: &mut [u8], q: &mut [u8]) {
    let blocks = p.chunks_mut(BLOCK_BYTES).zip(q.chunks_mut(BLOCK_BYTES));
    for (n, (p, q)) in blocks.enumerate() {
        let mut p_sum = [0; BLOCK_BYTES];
        let mut q_sum = [0; BLOCK_BYTES];
        let mut pads = [[0; BLOCK_BYTES]; 2];
        let [pad, other] = &mut pads;
        for sectors in data.rchunks(2) {
            match sectors {
                [first, second] => add_two(
                    block(first, n, pad),
                    block(second, n, other),
                    &mut p_sum,
                    &mut q_sum,
                ),
                first => add(block(first[0], n, pad), &mut p_sum, &mut q_sum),
            }
        }
        p.copy_from_slice(&p_sum[..p.len()]);
        q.copy_from_slice(&q_sum[..q.len()]);
    }
}

/// Returns a block of a sector, with zeros where it has ended.
fn block<'a>(sector: &'a [u8], n: usize, pad: &'a mut Block) -> &'a Block {
    let block = sector.get(n * BLOCK_BYTES..).unwrap_or_default();
    block.first_chunk().unwrap_or_else(|| {
        pad.fill(0);
        pad[..block.len()].copy_from_slice(block);
        pad
    })
}

/// Adds the sector before those that were added (Horner's rule). Compilers make vectors of this.
fn add(block: &Block, p: &mut Block, q: &mut Block) {
    for ((p, q), byte) in p.iter_mut().zip(q).zip(block) {
        *p ^= byte;
        *q = twice(*q) ^ byte;
    }
}

/// Adds the two sectors before those that were added: the sums are taken up and put down half as often (9.4 GB/s instead
/// of 5.7).
fn add_two(first: &Block, second: &Block, p: &mut Block, q: &mut Block) {
    for (((p, q), first), second) in p.iter_mut().zip(q).zip(first).zip(second) {
        *p ^= first ^ second;
        *q = twice(twice(*q) ^ second) ^ first;
    }
}

/// A stripe of a pack: where its sectors stand, those of the body in order, then P, then Q.
pub(super) struct Stripe {
    places: Vec<Range<usize>>,
    sector_bytes: usize,
}

impl Stripe {
    pub(super) fn of(sectors: &Sectors, trailer_bytes: usize, stripe: usize) -> Self {
        let place = |index| sectors.range(index, trailer_bytes);
        Self {
            places: sectors.stripe(stripe).filter_map(place).collect(),
            sector_bytes: sectors.sector_bytes(),
        }
    }

    /// Returns the places of P and Q.
    fn parity(&self) -> [usize; 2] {
        [self.places.len() - 2, self.places.len() - 1]
    }

    fn sums(&self, bytes: &[u8]) -> [Vec<u8>; 2] {
        let [p_at, _] = self.parity();
        let data = self.places[..p_at].iter();
        let data: Vec<&[u8]> = data.map(|place| &bytes[place.clone()]).collect();
        let mut sums = [vec![0; self.sector_bytes], vec![0; self.sector_bytes]];
        let [p, q] = &mut sums;
        sum(&data, p, q);
        sums
    }

    /// Returns what P and Q lack to the sums of the sectors as they are.
    fn lacking(&self, bytes: &[u8]) -> [Vec<u8>; 2] {
        let mut sums = self.sums(bytes);
        for (sum, at) in sums.iter_mut().zip(self.parity()) {
            add_to(sum, &bytes[self.places[at].clone()]);
        }
        sums
    }

    /// A short sector takes what fits: the rest is the zeros it was padded with.
    fn put(&self, bytes: &mut [u8], at: usize, sector: &[u8]) {
        let place = self.places[at].clone();
        let len = place.len();
        bytes[place].copy_from_slice(&sector[..len]);
    }

    /// Rebuilds the sectors at `lost`, of which there are two at most. What comes out is only right if all others are: it is for
    /// the caller to compare it with its hash.
    pub(super) fn rebuild(&self, bytes: &mut [u8], lost: &[usize]) {
        let [p_at, q_at] = self.parity();
        for at in lost {
            bytes[self.places[*at].clone()].fill(0);
        }
        let [mut p, mut q] = self.lacking(bytes);
        let lost_data: Vec<usize> = lost.iter().copied().filter(|at| *at < p_at).collect();
        match lost_data[..] {
            [a] if !lost.contains(&p_at) => self.put(bytes, a, &p),
            [a] => {
                multiply(&mut q, inverse(power(a)));
                self.put(bytes, a, &q);
            }
            [a, b] => {
                // P lacks a + b, Q lacks 2^a a + 2^b b: q + 2^a p = (2^a + 2^b) b.
                let mut second = p.clone();
                multiply(&mut second, power(a));
                add_to(&mut second, &q);
                multiply(&mut second, inverse(power(a) ^ power(b)));
                add_to(&mut p, &second);
                self.put(bytes, a, &p);
                self.put(bytes, b, &second);
            }
            _ => {}
        }
        if lost.iter().any(|at| *at >= p_at) {
            let [p, q] = self.sums(bytes);
            self.put(bytes, p_at, &p);
            self.put(bytes, q_at, &q);
        }
    }

    /// Mends what can be mended if more than two sectors are damaged, each in a few places: where only one of the `suspects`
    /// can be wrong, what P and Q lack tells which, and by how much. It is for the caller to see whose hash is right now.
    pub(super) fn mend_columns(&self, bytes: &mut [u8], suspects: &[usize]) {
        let [p_at, q_at] = self.parity();
        let [p, q] = self.lacking(bytes);
        let factors: Vec<_> = suspects.iter().map(|at| table(power(*at))).collect();
        let columns = p.chunks(COLUMN_BYTES).zip(q.chunks(COLUMN_BYTES));
        for (n, (p, q)) in columns.enumerate() {
            if is_zero(p) && is_zero(q) {
                continue;
            }
            let is_wrong = |(at, factor): (&usize, &[u8; 256])| match *at {
                at if at == p_at => is_zero(q),
                at if at == q_at => is_zero(p),
                _ => q.iter().zip(p).all(|(q, p)| *q == factor[usize::from(*p)]),
            };
            let mut all = suspects.iter().zip(&factors);
            let Some((at, _)) = all.find(|suspect| is_wrong(*suspect)) else {
                continue;
            };
            let error = if *at == q_at { q } else { p };
            let sector = &mut bytes[self.places[*at].clone()];
            add_to(
                sector.get_mut(n * COLUMN_BYTES..).unwrap_or_default(),
                error,
            );
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn add_to(sum: &mut [u8], other: &[u8]) {
    for (byte, other) in sum.iter_mut().zip(other) {
        *byte ^= other;
    }
}

fn table(factor: u8) -> [u8; 256] {
    std::array::from_fn(|byte| product(byte as u8, factor))
}

fn multiply(sector: &mut [u8], factor: u8) {
    let table = table(factor);
    for byte in sector {
        *byte = table[usize::from(*byte)];
    }
}

fn twice(byte: u8) -> u8 {
    (byte << 1) ^ ((byte >> 7) * 0x1d)
}

fn product(a: u8, b: u8) -> u8 {
    let (mut sum, mut a) = (0, a);
    for bit in 0..8 {
        sum ^= (b >> bit & 1) * a;
        a = twice(a);
    }
    sum
}

/// Returns 2 to the power of `exponent`.
fn power(exponent: usize) -> u8 {
    (0..exponent).fold(1, |byte, _| twice(byte))
}

/// Returns what multiplied with it gives 1: there are 255 elements beside 0.
fn inverse(byte: u8) -> u8 {
    (0..254).fold(1, |power, _| product(power, byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_one() {
        for byte in 1..=255 {
            assert_eq!(product(byte, inverse(byte)), 1);
            assert_eq!(product(byte, 2), twice(byte));
        }
        // 2 generates it: the factors of a stripe are all different, and so are their differences from 0.
        let mut powers: Vec<_> = (0..255).map(power).collect();
        powers.sort_unstable();
        assert!(powers.into_iter().eq(1..=255));
    }

    #[test]
    fn sums_are_those_of_the_definition() {
        let data: Vec<Vec<u8>> = (0..7_u8)
            .map(|k| (0..5000_u32).map(|at| (at * 7) as u8 ^ (k * 31)).collect())
            .collect();
        let mut slices: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        slices[6] = &slices[6][..300];
        let (mut p, mut q) = (vec![0; 5000], vec![0; 5000]);
        sum(&slices, &mut p, &mut q);
        for at in 0..5000 {
            let byte = |k: usize| slices[k].get(at).copied().unwrap_or(0);
            let expected = (0..7).fold((0, 0), |(p, q), k| {
                (p ^ byte(k), q ^ product(byte(k), power(k)))
            });
            assert_eq!((p[at], q[at]), expected, "byte {at}");
        }
    }
}
