//! "Parity": two sums over the sectors of a stripe, and what is lost computed from them.

use super::crypt::hash;
use super::pack::Tail;
use super::{Bytes32, Read};

const TAIL_LEN: usize = 44;

/// Checks that the sectors of parity are the sums that the page says.
pub(super) fn check(object: &[u8], tail: &Tail) -> Read<()> {
    for stripe in 0..tail.stripes() {
        let sectors = sectors(object, tail, stripe);
        let (data, parity) = sectors.split_at(sectors.len() - 2);
        if sums(data, tail.sector_len()) != (parity[0].clone(), parity[1].clone()) {
            return Err(String::from("parity that is not the sum of its stripe"));
        }
    }
    Ok(())
}

/// Returns the bytes that a damaged pack had when it was written.
pub(crate) fn mend(object: &[u8], name: &Bytes32) -> Read<Vec<u8>> {
    let (tail, trailer) = find_trailer(object, name)?;
    let mut mended = object.to_vec();
    mended.resize(tail.pack_len(), 0);
    let end = mended.len() - trailer.len();
    mended[end..].copy_from_slice(&trailer);
    mended[tail.copy()].copy_from_slice(&trailer);
    let damaged = tail.damaged_sectors(&mended, &trailer);
    for stripe in 0..tail.stripes() {
        let of_stripe = |sector: &usize| sector % tail.stripes() == stripe;
        let lost: Vec<usize> = damaged.iter().copied().filter(of_stripe).collect();
        if lost.len() > 2 {
            return Err(String::from("a stripe has lost more than two sectors"));
        }
        let mut sectors = sectors(&mended, &tail, stripe);
        let lost_at: Vec<usize> = lost.iter().map(|sector| sector / tail.stripes()).collect();
        solve(&mut sectors, &lost_at, tail.sector_len());
        let places = tail.sectors().into_iter().skip(stripe);
        for (place, sector) in places.step_by(tail.stripes()).zip(sectors) {
            let len = place.len();
            mended[place].copy_from_slice(&sector[..len]);
        }
    }
    match tail.damaged_sectors(&mended, &trailer).is_empty() {
        true => Ok(mended),
        false => Err(String::from("what was mended is not what was written")),
    }
}

fn find_trailer(object: &[u8], name: &Bytes32) -> Read<(Tail, Vec<u8>)> {
    for end in (TAIL_LEN..=object.len()).rev() {
        if !object[..end].ends_with(b"DOZOTAIL") {
            continue;
        }
        let Ok(tail) = Tail::parse(&object[end - TAIL_LEN..end]) else {
            continue;
        };
        let start = end.saturating_sub(tail.trailer_len);
        if hash(&object[start..end]) == *name {
            return Ok((tail, object[start..end].to_vec()));
        }
    }
    Err(String::from("no trailer that is the name's"))
}

/// Returns the sectors of a stripe, all of one length, parity last.
fn sectors(object: &[u8], tail: &Tail, stripe: usize) -> Vec<Vec<u8>> {
    let places = tail.sectors().into_iter().skip(stripe);
    let padded = places.step_by(tail.stripes()).map(|place| {
        let mut sector = object[place].to_vec();
        sector.resize(tail.sector_len(), 0);
        sector
    });
    padded.collect()
}

fn sums(data: &[Vec<u8>], len: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut p, mut q) = (vec![0; len], vec![0; len]);
    for (sector, factor) in data.iter().zip(powers()) {
        for ((p, q), byte) in p.iter_mut().zip(&mut q).zip(sector) {
            *p ^= byte;
            *q ^= product(factor, *byte);
        }
    }
    (p, q)
}

/// Computes the sectors of a stripe that are at `lost` from the others.
fn solve(sectors: &mut [Vec<u8>], lost: &[usize], len: usize) {
    let (p_at, q_at) = (sectors.len() - 2, sectors.len() - 1);
    for at in lost {
        sectors[*at].fill(0);
    }
    let (p_sum, q_sum) = sums(&sectors[..p_at], len);
    let lacking = |sum: Vec<u8>, parity: &[u8]| -> Vec<u8> {
        sum.iter().zip(parity).map(|(a, b)| a ^ b).collect()
    };
    let (p, q) = (
        lacking(p_sum, &sectors[p_at]),
        lacking(q_sum, &sectors[q_at]),
    );
    let factor = |at: usize| powers().nth(at).unwrap_or(0);
    let data: Vec<usize> = lost.iter().copied().filter(|at| *at < p_at).collect();
    match data[..] {
        [a] if !lost.contains(&p_at) => sectors[a] = p,
        [a] => {
            let divide = inverse(factor(a));
            sectors[a] = q.iter().map(|q| product(divide, *q)).collect();
        }
        [a, b] => {
            let divide = inverse(factor(a) ^ factor(b));
            let both = p.iter().zip(&q);
            let second = both.map(|(p, q)| product(divide, q ^ product(factor(a), *p)));
            sectors[b] = second.collect();
            sectors[a] = p.iter().zip(&sectors[b]).map(|(p, b)| p ^ b).collect();
        }
        _ => {}
    }
    (sectors[p_at], sectors[q_at]) = sums(&sectors[..p_at], len);
}

/// 1, 2, 4 and so on.
fn powers() -> impl Iterator<Item = u8> {
    std::iter::successors(Some(1), |power| Some(product(*power, 2)))
}

fn product(a: u8, b: u8) -> u8 {
    let mut sum = 0_u16;
    for bit in 0..8 {
        if b >> bit & 1 == 1 {
            sum ^= u16::from(a) << bit;
        }
    }
    for bit in (8..16).rev() {
        if sum >> bit & 1 == 1 {
            sum ^= 0x11d << (bit - 8);
        }
    }
    sum as u8
}

/// What multiplied with a byte gives 1.
fn inverse(byte: u8) -> u8 {
    let found = (1..=255).find(|other| product(*other, byte) == 1);
    found.unwrap_or(0)
}
