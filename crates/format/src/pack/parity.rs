//! Parity: two sectors from which any two of a stripe can be rebuilt.
//!
//! With `d0, d1, ...` for the sectors of a stripe that are in the body, and sums and products of bytes in the field of
//! 256 elements, P is `d0 + d1 + ...` and Q is `d0 + 2 d1 + 4 d2 + ...`: the Reed-Solomon code that RAID 6 uses. The field
//! is that of the polynomial `x^8 + x^4 + x^3 + x^2 + 1`. See docs/format.md, "Parity", and
//! docs/decisions/0015-packs-mend-themselves.md for why it is written here.

use super::sectors::Sectors;

/// What is worked on at once, so that sums stay in the processor.
const BLOCK_BYTES: usize = 512;

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
        let mut p_sum = [0_u8; BLOCK_BYTES];
        let mut q_sum = [0_u8; BLOCK_BYTES];
        for sector in data.iter().rev() {
            let block = sector.get(n * BLOCK_BYTES..).unwrap_or_default();
            match block.first_chunk::<BLOCK_BYTES>() {
                Some(block) => add(block, &mut p_sum, &mut q_sum),
                None => {
                    let mut padded = [0_u8; BLOCK_BYTES];
                    padded[..block.len()].copy_from_slice(block);
                    add(&padded, &mut p_sum, &mut q_sum);
                }
            }
        }
        p.copy_from_slice(&p_sum[..p.len()]);
        q.copy_from_slice(&q_sum[..q.len()]);
    }
}

/// Adds the sector before those that were added (Horner's rule). Compilers make vectors of this.
fn add(block: &[u8; BLOCK_BYTES], p: &mut [u8; BLOCK_BYTES], q: &mut [u8; BLOCK_BYTES]) {
    for ((p, q), byte) in p.iter_mut().zip(q).zip(block) {
        *p ^= byte;
        *q = twice(*q) ^ byte;
    }
}

/// Rebuilds the `lost` sectors of a stripe in place; there are two at most. What comes out is only right if all others are:
/// it is for the caller to compare it with its hash.
pub(super) fn rebuild(
    bytes: &mut [u8],
    sectors: &Sectors,
    trailer_bytes: usize,
    stripe: usize,
    lost: &[usize],
) {
    let all: Vec<_> = sectors.stripe(stripe).collect();
    let place = |index: usize| {
        let range = sectors.range(index, trailer_bytes);
        range.expect("a sector of a stripe is one of the pack")
    };
    let (data, &[p_at, q_at]) = all
        .split_last_chunk()
        .expect("a stripe has two sectors of parity");
    let sums = |bytes: &[u8]| {
        let mut p = vec![0; sectors.sector_bytes()];
        let mut q = p.clone();
        let data: Vec<&[u8]> = data.iter().map(|index| &bytes[place(*index)]).collect();
        sum(&data, &mut p, &mut q);
        (p, q)
    };
    for index in lost {
        bytes[place(*index)].fill(0);
    }
    let lost_data: Vec<usize> = (0..data.len())
        .filter(|at| lost.contains(&data[*at]))
        .collect();
    // What is missing from each sum is the sum of what is lost.
    let (mut p, mut q) = sums(bytes);
    add_to(&mut p, &bytes[place(p_at)]);
    add_to(&mut q, &bytes[place(q_at)]);
    match lost_data[..] {
        [a] if !lost.contains(&p_at) => put(bytes, place(data[a]), &p),
        [a] => {
            multiply(&mut q, inverse(power(a)));
            put(bytes, place(data[a]), &q);
        }
        [a, b] => {
            // P = a + b, Q = 2^a a + 2^b b: without a, Q + 2^a P = (2^a + 2^b) b.
            let mut second = p.clone();
            multiply(&mut second, power(a));
            add_to(&mut second, &q);
            multiply(&mut second, inverse(power(a) ^ power(b)));
            add_to(&mut p, &second);
            put(bytes, place(data[a]), &p);
            put(bytes, place(data[b]), &second);
        }
        _ => {}
    }
    if lost.contains(&p_at) || lost.contains(&q_at) {
        let (p, q) = sums(bytes);
        put(bytes, place(p_at), &p);
        put(bytes, place(q_at), &q);
    }
}

/// A short sector takes what fits: the rest is the zeros it was padded with.
fn put(bytes: &mut [u8], place: std::ops::Range<usize>, sector: &[u8]) {
    let len = place.len();
    bytes[place].copy_from_slice(&sector[..len]);
}

fn add_to(sum: &mut [u8], other: &[u8]) {
    for (byte, other) in sum.iter_mut().zip(other) {
        *byte ^= other;
    }
}

fn multiply(sector: &mut [u8], factor: u8) {
    let table: [u8; 256] = std::array::from_fn(|byte| product(byte as u8, factor));
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
            .map(|k| (0..1000_u32).map(|at| (at * 7) as u8 ^ (k * 31)).collect())
            .collect();
        let mut slices: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        slices[6] = &slices[6][..300];
        let (mut p, mut q) = (vec![0; 1000], vec![0; 1000]);
        sum(&slices, &mut p, &mut q);
        for at in 0..1000 {
            let byte = |k: usize| slices[k].get(at).copied().unwrap_or(0);
            let expected = (0..7).fold((0, 0), |(p, q), k| {
                (p ^ byte(k), q ^ product(byte(k), power(k)))
            });
            assert_eq!((p[at], q[at]), expected, "byte {at}");
        }
    }
}
