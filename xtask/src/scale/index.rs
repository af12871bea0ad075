//! A made-up index: packs of 16 chunks, as content that hardly compresses makes them.
//!
//! A hundred million chunks that come in the order of packs, each somewhere else in the index, would take most of a day. So
//! the index is filled in the order of ids, in two passes: after the first its nodes are half full, and after the second
//! [`FIRST_PASS`] makes them as full as chance leaves them (ln 2). The last packs are added as sessions add them.

use std::path::Path;

use anyhow::{Result, bail};
use base::PackName;
use base::limits::{CHUNK_BYTES_AVG, PACK_BYTES};
use format::pack::TocEntry;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use store::IndexProbe;

use super::figures::{IndexFigures, Rate, Rates};
use super::ids::{Ids, missing_id};
use super::memory::{forget_peak, make_cold, peak_bytes};
use crate::bench::data::chance::Chance;
use crate::bench::environment::monotonic_s;
use crate::bench::place::amount;

const PACK_CHUNKS: u64 = (PACK_BYTES / CHUNK_BYTES_AVG) as u64;
/// Rows of one transaction while the index is filled, which is not what is measured.
const FILLED_AT_ONCE: usize = 1 << 18;
/// How many of a hundred chunks are filled in first.
const FIRST_PASS: u64 = 72;
/// Packs added as a session adds them.
const ADDED: u64 = 256;
const COLD_LOOKUPS: u64 = 200_000;
const WARM_LOOKUPS: u64 = 500_000;
/// Neighbours that a source asks for before it goes on elsewhere: 4 GiB of a tree.
const RUN: u64 = 4096;

/// Fills an index with `chunks` chunks and asks it.
///
/// # Errors
/// The index cannot be made, or does not know what was put into it.
pub(super) fn measure(dir: &Path, chunks: u64) -> Result<IndexFigures> {
    let packs = chunks / PACK_CHUNKS;
    if packs <= 2 * ADDED {
        bail!("fewer than {} chunks tell nothing", 2 * ADDED * PACK_CHUNKS);
    }
    let ids = Ids::new(packs * PACK_CHUNKS);
    forget_peak()?;
    let probe = IndexProbe::open(dir)?;
    let began = monotonic_s();
    fill(&probe, packs - ADDED, ids)?;
    probe.sync()?;
    let filled = monotonic_s();
    for number in packs - ADDED..packs {
        probe.add(pack_name(number), entries(number, ids))?;
    }
    let adds_per_s = (ADDED * PACK_CHUNKS) as f64 / (monotonic_s() - filled);
    probe.sync()?;
    drop(probe);
    let fill_peak_bytes = peak_bytes()?;
    make_cold()?;
    forget_peak()?;
    let began_open = monotonic_s();
    let probe = IndexProbe::open(dir)?;
    let open_s = monotonic_s() - began_open;
    let cold = rates(&probe, ids, COLD_LOOKUPS)?;
    read_all(dir)?;
    rates(&probe, ids, COLD_LOOKUPS)?;
    let warm = rates(&probe, ids, WARM_LOOKUPS)?;
    Ok(IndexFigures {
        chunks,
        fill_s: filled - began,
        adds_per_s,
        fill_peak_bytes,
        file_bytes: amount(dir)?.bytes,
        open_s,
        cold,
        warm,
        look_peak_bytes: peak_bytes()?,
    })
}

/// Fills the index with this many packs.
fn fill(probe: &IndexProbe, packs: u64, ids: Ids) -> Result<()> {
    for first in (0..packs).step_by(FILLED_AT_ONCE) {
        let these = first..packs.min(first + FILLED_AT_ONCE as u64);
        probe.fill_packs(these.map(|pack| (pack_name(pack), entries(pack, ids))))?;
    }
    probe.sync()?;
    for is_first in [true, false] {
        for first in (0..ids.count).step_by(FILLED_AT_ONCE) {
            let ranks = first..ids.count.min(first + FILLED_AT_ONCE as u64);
            let numbers = ranks
                .filter(|rank| (rank % 100 < FIRST_PASS) == is_first)
                .map(|rank| ids.number(rank))
                .filter(|number| *number < packs * PACK_CHUNKS);
            probe.fill_chunks(numbers.map(|n| ((n / PACK_CHUNKS) as u32, ids.id(n))))?;
        }
    }
    Ok(())
}

fn entries(pack: u64, ids: Ids) -> Vec<TocEntry> {
    let chunks = pack * PACK_CHUNKS..(pack + 1) * PACK_CHUNKS;
    chunks.map(|n| ids.entry(n)).collect()
}

fn pack_name(number: u64) -> PackName {
    let mut name = [0; 32];
    Chance::new(number ^ 0x9ac4 << 40).fill(&mut name);
    PackName(name)
}

fn rates(probe: &IndexProbe, ids: Ids, count: u64) -> Result<Rates> {
    let mut chance = Chance::new(count);
    let misses = rate(count, |n| match probe.knows(&missing_id(n))? {
        false => Ok(()),
        true => bail!("the index knows what it was never told"),
    })?;
    let logged = ids.count / PACK_CHUNKS - ADDED;
    let mut at = 0;
    let hits = rate(count, |n| {
        if n % RUN == 0 {
            at = chance.below(logged) * PACK_CHUNKS;
        }
        let number = at % (logged * PACK_CHUNKS);
        at += 1;
        match probe.knows(&ids.id(number))? {
            true => Ok(()),
            false => bail!("the index does not know what it was told"),
        }
    })?;
    Ok(Rates { misses, hits })
}

fn rate(count: u64, mut look: impl FnMut(u64) -> Result<()>) -> Result<Rate> {
    let (began, cpu) = (monotonic_s(), cpu_s()?);
    for n in 0..count {
        look(n)?;
    }
    Ok(Rate {
        per_wall_s: count as f64 / (monotonic_s() - began),
        per_cpu_s: count as f64 / (cpu_s()? - cpu).max(1e-6),
    })
}

fn cpu_s() -> Result<f64> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    let time = used.user_time() + used.system_time();
    Ok(time.num_microseconds() as f64 / 1e6)
}

/// Brings the index into the page cache.
fn read_all(dir: &Path) -> Result<()> {
    for file in std::fs::read_dir(dir)? {
        let mut file = std::fs::File::open(file?.path())?;
        std::io::copy(&mut file, &mut std::io::sink())?;
    }
    Ok(())
}
