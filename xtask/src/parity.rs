//! `cargo xtask parity`: what parity costs when a pack is finished and stored, what it mends, and how fast.

use anyhow::{Context, Result};
use base::limits::{PACK_BYTES, PACK_SECTOR_BYTES};
use base::{Env, StoreId};
use clap::Args;
use format::keys::Keyring;
use format::pack::{self, Class, OpenPack, PackError, Parity, SealedPack, Trailer};
use format::seal::{Kind, Sealed, Sealer};

use crate::bench::data::chance::Chance;
use crate::bench::environment::monotonic_s;

/// What a disk loses at once.
const BLOCK_BYTES: usize = 4 << 10;

/// `cargo xtask parity`.
#[derive(Args, Debug)]
#[command(after_help = "Build it for release: cargo run --release -p xtask -- parity")]
pub(crate) struct Measure {
    /// Packs that are finished each way
    #[arg(long, value_name = "N", default_value_t = 40)]
    packs: u32,
    /// Packs that are damaged by chance for each number of blocks
    #[arg(long, value_name = "N", default_value_t = 500)]
    damaged: u32,
}

/// Prints the figures.
///
/// # Errors
/// A pack that was made does not verify.
pub(crate) fn main(args: &Measure) -> Result<()> {
    let bench = Bench::new();
    finishing(&bench, args.packs);
    sizes(&bench)?;
    let full = bench.pack(PACK_BYTES - (1 << 19), Parity::Double);
    let trailer = bench.trailer(&full)?;
    mending(&bench, &full, &trailer)?;
    share(&bench, &full, args.damaged)
}

/// A store's keys, and chunks of it.
struct Bench {
    env: Env,
    store: StoreId,
    sealer: Sealer,
    chunk: Sealed,
}

impl Bench {
    fn new() -> Self {
        let env = Env::system();
        let store = StoreId::random(&env);
        let sealer = Keyring::random(&env, store).first_domain().sealer();
        let mut plain = vec![0; 1 << 20];
        Chance::new(1).fill(&mut plain);
        let chunk = Self::seal(&env, &sealer, &plain);
        Self {
            env,
            store,
            sealer,
            chunk,
        }
    }

    fn seal(env: &Env, sealer: &Sealer, plain: &[u8]) -> Sealed {
        let id = sealer.id(Kind::Data, &Sealer::hash(plain));
        sealer.seal(env, Kind::Data, &id, plain)
    }

    /// Returns a pack with about so many bytes of chunks, not finished.
    fn open(&self, bytes: usize) -> OpenPack {
        let mut open = OpenPack::new(&self.env, self.store, Class::Data);
        while open.len_bytes() < bytes && !open.is_full() {
            let left = bytes - open.len_bytes();
            let pushed = match left < 1 << 20 {
                true => open.push(&Self::seal(&self.env, &self.sealer, &vec![7; left])),
                false => open.push(&self.chunk),
            };
            pushed.expect("it is not full");
            if left < 1 << 20 {
                break;
            }
        }
        open
    }

    fn pack(&self, bytes: usize, parity: Parity) -> SealedPack {
        self.open(bytes).finish(&self.env, &self.sealer, parity)
    }

    fn trailer(&self, pack: &SealedPack) -> Result<Trailer> {
        pack::verify(self.store, &pack.name, &pack.bytes).context("a pack that was just made")
    }
}

fn finishing(bench: &Bench, packs: u32) {
    let mut times = [(Parity::None, Vec::new()), (Parity::Double, Vec::new())];
    for _ in 0..packs {
        for (parity, times) in &mut times {
            let open = bench.open(PACK_BYTES);
            let began = monotonic_s();
            let pack = open.finish(&bench.env, &bench.sealer, *parity);
            times.push(monotonic_s() - began);
            drop(pack);
        }
    }
    let [without, with] = times.map(|(_, times)| median(times));
    println!(
        "| Finishing a pack of 16 MiB (hashes, table of contents), one thread | ms |\n|---|---|"
    );
    println!("| without parity | {:.2} |", without * 1e3);
    println!("| with parity | {:.2} |", with * 1e3);
    let rate = PACK_BYTES as f64 / (with - without) / 1e9;
    println!("| parity and its hashes, GB of packs a second | {rate:.1} |\n");
}

fn sizes(bench: &Bench) -> Result<()> {
    println!(
        "| Body, KiB | sector, KiB | parity, KiB | both trailers, KiB | more than without, % |"
    );
    println!("|---|---|---|---|---|");
    for bytes in [1 << 10, 60 << 10, 500 << 10, 2 << 20, 4 << 20, PACK_BYTES] {
        let trailer = bench.trailer(&sized(bench, bytes, Parity::Double))?;
        let without = sized(bench, bytes, Parity::None).bytes.len() as f64;
        let [_, parity] = trailer.sector_runs();
        let parity = parity.len() * trailer.sector_bytes();
        println!(
            "| {} | {} | {} | {:.1} | {:.1} |",
            trailer.body_bytes() >> 10,
            trailer.sector_bytes() >> 10,
            parity >> 10,
            2.0 * trailer.copy_range().len() as f64 / 1024.0,
            (trailer.pack_bytes() as f64 / without - 1.0) * 100.0
        );
    }
    println!();
    Ok(())
}

/// Returns a pack of incompressible chunks; what is below a chunk is one chunk of that size.
fn sized(bench: &Bench, bytes: usize, parity: Parity) -> SealedPack {
    if bytes >= 1 << 20 {
        return bench.pack(bytes, parity);
    }
    let mut plain = vec![0; bytes];
    Chance::new(2).fill(&mut plain);
    let mut open = OpenPack::new(&bench.env, bench.store, Class::Data);
    open.push(&Bench::seal(&bench.env, &bench.sealer, &plain))
        .expect("it is empty");
    open.finish(&bench.env, &bench.sealer, parity)
}

fn mending(bench: &Bench, full: &SealedPack, trailer: &Trailer) -> Result<()> {
    let [_, parity] = trailer.sector_runs();
    let burst = parity.len() * PACK_SECTOR_BYTES;
    let len = full.bytes.len();
    let cases = [
        ("nothing: a pack that is whole", 0..0),
        ("a block of 4 KiB", 1 << 20..(1 << 20) + BLOCK_BYTES),
        (
            "a burst of two sectors a stripe",
            1 << 20..(1 << 20) + burst,
        ),
        ("its trailer", len - trailer.copy_range().len()..len),
    ];
    println!(
        "| Mending a pack of {} MiB, one thread: lost is | ms | MB a second |\n|---|---|---|",
        len >> 20
    );
    for (what, range) in cases {
        let mut times = Vec::new();
        for _ in 0..15 {
            let mut damaged = full.bytes.clone();
            damaged[range.clone()].fill(0);
            let began = monotonic_s();
            pack::repair(bench.store, &full.name, damaged).context(what)?;
            times.push(monotonic_s() - began);
        }
        let time = median(times);
        println!(
            "| {what} | {:.1} | {:.0} |",
            time * 1e3,
            len as f64 / time / 1e6
        );
    }
    println!();
    Ok(())
}

/// Loses blocks anywhere in a pack, and counts how often all of it comes back.
fn share(bench: &Bench, full: &SealedPack, packs: u32) -> Result<()> {
    println!("| Blocks of 4 KiB lost anywhere in a full pack | mended, % of {packs} |\n|---|---|");
    let mut chance = Chance::new(3);
    let blocks = (full.bytes.len() / BLOCK_BYTES) as u64;
    for lost in [1, 2, 3, 4, 6, 8] {
        let mut mended = 0;
        for _ in 0..packs {
            let mut damaged = full.bytes.clone();
            for _ in 0..lost {
                let at = chance.below(blocks) as usize * BLOCK_BYTES;
                chance.fill(&mut damaged[at..at + BLOCK_BYTES]);
            }
            match pack::repair(bench.store, &full.name, damaged) {
                Ok(repaired) if repaired.bytes == full.bytes => mended += 1,
                Err(PackError::BeyondRepair(_) | PackError::WrongName(_)) => {}
                other => anyhow::bail!("a repair gave {other:?}"),
            }
        }
        println!(
            "| {lost} | {:.1} |",
            f64::from(mended) * 100.0 / f64::from(packs)
        );
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
