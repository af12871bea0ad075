//! Giving a damaged pack its bytes back, from its parity and without a key.
//!
//! The name decides what is right: first a trailer is looked for that it stands for, of the two that there are, or put
//! together from what is left of both. That trailer's hashes tell which sectors are damaged, so each stripe is asked to
//! rebuild what it lost, two sectors at most, or more that are damaged in different places. The result is verified against the name like any pack: what comes out is
//! what was written, or an error.

use std::ops::Range;

use base::limits::PARITY_SECTORS;
use base::{PackName, StoreId};

use super::parity::Stripe;
use super::trailer::{MAGIC, TAIL_BYTES, Tail, Trailer};
use super::{PackError, part, verify};

/// Places that look like the end of a trailer and are looked at: two are, a chunk holds another by a chance of 2^-64.
const TAILS_MAX: usize = 16;
/// What of the two trailers is taken from one of them as a piece, where they differ: what disks write at once.
const PIECE_BYTES: usize = 512;
/// Pieces that are taken from one or the other each by itself; of more, those side by side are taken from the same.
const PIECES_MAX: usize = 10;
/// Bytes that are hashed to find out which of two trailers is right where they differ: a second's work.
const TRIED_BYTES_MAX: usize = 1 << 30;

/// A pack that is whole again.
#[derive(Debug)]
pub struct Repaired {
    /// Its bytes: those that were written.
    pub bytes: Vec<u8>,
    /// Its trailer.
    pub trailer: Trailer,
    /// The sectors that were damaged.
    pub sectors: Vec<u32>,
    /// Whether there was damage at all.
    pub was_damaged: bool,
}

/// Rebuilds what is damaged of pack `name`. What could not be read of it may be zeros in `bytes`, and its end may be missing.
///
/// # Errors
/// [`PackError::BeyondRepair`]: a stripe has lost more than it can rebuild; [`PackError::WrongName`]: neither trailer is
/// left; else as [`verify`].
pub fn repair(store: StoreId, name: &PackName, mut bytes: Vec<u8>) -> Result<Repaired, PackError> {
    let trailer = find(name, &bytes)?;
    let pack_bytes = usize::try_from(trailer.pack_bytes()).unwrap_or(usize::MAX);
    let mut was_damaged = bytes.len() != pack_bytes;
    bytes.resize(pack_bytes, 0);
    let copy = trailer.copy_range();
    let end = pack_bytes - trailer.bytes().len();
    for place in [copy.start as usize..copy.end as usize, end..pack_bytes] {
        let here = &mut bytes[place];
        let right = &trailer.bytes()[..here.len()];
        was_damaged |= here != right;
        here.copy_from_slice(right);
    }
    let damaged: Vec<u32> = (0..trailer.sectors())
        .filter(|index| is_damaged(&trailer, &bytes, *index))
        .collect();
    rebuild(&trailer, &mut bytes, &damaged)?;
    let trailer = verify(store, name, &bytes)?;
    Ok(Repaired {
        bytes,
        trailer,
        was_damaged: was_damaged || !damaged.is_empty(),
        sectors: damaged,
    })
}

fn rebuild(trailer: &Trailer, bytes: &mut [u8], damaged: &[u32]) -> Result<(), PackError> {
    let sectors = trailer.tail().sectors();
    let beyond = PackError::BeyondRepair(super::u32_len(damaged.len()));
    if sectors.stripes() == 0 {
        return damaged.is_empty().then_some(()).ok_or(beyond);
    }
    let stripes = super::u32_len(sectors.stripes());
    for stripe in 0..stripes {
        let of_stripe = damaged.iter().filter(|index| *index % stripes == stripe);
        let mut lost: Vec<u32> = of_stripe.copied().collect();
        // As the stripe counts them.
        let places = |lost: &[u32]| -> Vec<usize> {
            lost.iter()
                .map(|index| (index / stripes) as usize)
                .collect()
        };
        let whole = Stripe::of(&sectors, trailer.bytes().len(), stripe as usize);
        if lost.len() > PARITY_SECTORS {
            whole.mend_columns(bytes, &places(&lost));
            lost.retain(|index| is_damaged(trailer, bytes, *index));
        }
        if lost.len() > PARITY_SECTORS {
            return Err(beyond);
        }
        if !lost.is_empty() {
            whole.rebuild(bytes, &places(&lost));
        }
    }
    Ok(())
}

fn is_damaged(trailer: &Trailer, bytes: &[u8], index: u32) -> bool {
    let sector = part(bytes, trailer.sector_range(index));
    trailer.verify_sector(index, sector).is_err()
}

/// Finds the trailer that the name stands for, at the end or at another place: a pack may have lost its end.
fn find(name: &PackName, bytes: &[u8]) -> Result<Trailer, PackError> {
    let mut tails = Vec::new();
    for end in ends(bytes) {
        let tail = Tail::parse_alone(&bytes[end.saturating_sub(TAIL_BYTES)..end]);
        let Ok(tail) = tail else {
            continue;
        };
        let start = end.checked_sub(tail.trailer_bytes as usize);
        let whole = start.map(|start| Trailer::parse(name, &tail, &bytes[start..end]));
        if let Some(Ok(trailer)) = whole {
            return Ok(trailer);
        }
        tails.push(tail);
    }
    let mended = tails.iter().find_map(|tail| mend(name, tail, bytes));
    mended.ok_or(PackError::WrongName(*name))
}

/// Returns where the magic of a tail ends, last first.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let places = (0..=bytes.len().saturating_sub(MAGIC.len())).rev();
    places
        .filter(|at| bytes[*at..].starts_with(MAGIC))
        .map(|at| at + MAGIC.len())
        .take(TAILS_MAX)
}

/// Puts a trailer together from two that are damaged in different places.
fn mend(name: &PackName, tail: &Tail, bytes: &[u8]) -> Option<Trailer> {
    let len = tail.trailer_bytes as usize;
    let copy = tail.sectors().copy(len);
    let end = usize::try_from(tail.pack_bytes()).ok()?;
    let first = bytes.get(copy)?;
    let last = &mut bytes.get(end - len..).unwrap_or_default().to_vec();
    last.resize(len, 0);
    let runs = differences(first, last);
    let tries = 1_usize.checked_shl(u32::try_from(runs.len()).ok()?)?;
    if first.is_empty() || tries.checked_mul(len)? > TRIED_BYTES_MAX {
        return None;
    }
    (0..tries).find_map(|choice| {
        let mut mixed = first.to_vec();
        for (n, run) in runs.iter().enumerate() {
            if choice >> n & 1 == 1 {
                mixed[run.clone()].copy_from_slice(&last[run.clone()]);
            }
        }
        let tail = Tail::parse_alone(&mixed[len - TAIL_BYTES..]).ok()?;
        Trailer::parse(name, &tail, &mixed).ok()
    })
}

/// Returns the pieces in which two of one length differ; if there are many, those side by side as one.
fn differences(first: &[u8], last: &[u8]) -> Vec<Range<usize>> {
    let pieces = first.chunks(PIECE_BYTES).zip(last.chunks(PIECE_BYTES));
    let differ = pieces.enumerate().filter(|(_, (a, b))| a != b);
    let pieces: Vec<_> = differ
        .map(|(n, (a, _))| n * PIECE_BYTES..n * PIECE_BYTES + a.len())
        .collect();
    if pieces.len() <= PIECES_MAX {
        return pieces;
    }
    let runs = pieces.chunk_by(|a, b| a.end == b.start);
    runs.map(|run| run[0].start..run[run.len() - 1].end)
        .collect()
}
