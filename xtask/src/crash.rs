//! `cargo xtask crash`: what crashes, faults, kills and power cuts leave of a store, by the thousand.
//!
//! Without a part it runs a bounded share of each, in a few minutes on two cores; with `--night`, all that a night holds.
//! What fails says which command repeats it.

use anyhow::{Result, anyhow};
use base::Env;
use clap::{Args, Subcommand};
use crash::faults;
use crash::power::{self, Omitted};
use crash::recorder::{BTRFS, EXT4, XFS};
use crash::states::{self, Effort};

/// Cores that the checks use.
const THREADS: usize = 2;

/// `cargo xtask crash`.
#[derive(Args, Debug)]
pub(crate) struct Crash {
    #[command(subcommand)]
    part: Option<Part>,
    /// Run for a night
    #[arg(long)]
    night: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Crash states of histories on a simulated disk
    T4(States),
    /// Every call of every step fails or lies
    T5(Runs),
    /// Power cuts on ext4, XFS and btrfs, as root
    T13(Images),
}

#[derive(Args, Debug)]
struct States {
    /// End when so many states were enumerated
    #[arg(long, default_value_t = 1_000_000)]
    states: u64,
    /// The first history
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args, Debug)]
struct Runs {
    /// End when there were so many runs
    #[arg(long, default_value_t = 50_000)]
    runs: u64,
    /// The first history
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args, Debug)]
struct Images {
    /// On each file system
    #[arg(long, default_value_t = 60)]
    images: usize,
    /// The first history
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Does what the command line says.
///
/// # Errors
/// Something was lost or broken.
pub(crate) fn main(args: &Crash) -> Result<()> {
    match &args.part {
        Some(part) => run(part),
        None => all(args.night),
    }
}

fn run(part: &Part) -> Result<()> {
    let clock = Env::system().clock;
    let began = clock.since_boot();
    let said = match part {
        Part::T4(args) => t4(args)?,
        Part::T5(args) => t5(args)?,
        Part::T13(args) => t13(args)?,
    };
    let seconds = (clock.since_boot() - began).as_secs_f64();
    println!("{said}, in {seconds:.0} s");
    Ok(())
}

fn all(night: bool) -> Result<()> {
    let times = if night { 100 } else { 1 };
    run(&Part::T4(States {
        states: 1_000_000 * times,
        seed: 1,
    }))?;
    run(&Part::T5(Runs {
        runs: 50_000 * times,
        seed: 1,
    }))?;
    run(&Part::T13(Images {
        images: if night { 5000 } else { 60 },
        seed: 1,
    }))
}

/// Images of one history; more only look at the same again.
const IMAGES_OF_A_HISTORY: usize = 200;

fn t13(args: &Images) -> Result<String> {
    let mut said = Vec::new();
    for kind in [EXT4, XFS, BTRFS] {
        let (mut images, mut mounted, mut points, mut seed) = (0, 0, 0, args.seed);
        while images < args.images {
            let some = (args.images - images).min(IMAGES_OF_A_HISTORY);
            let seen = power::cut(kind, Omitted::Nothing, seed, some);
            let Some(seen) = seen.map_err(|what| anyhow!("{} {seed}: {what}", kind.name))? else {
                break;
            };
            if !seen.violations.is_empty() {
                let what = seen.violations.join("\n");
                return Err(anyhow!("{}, history {seed}:\n{what}", kind.name));
            }
            images += seen.images;
            mounted += seen.mounted;
            points += seen.points;
            seed += 1;
        }
        let (name, histories) = (kind.name, seed - args.seed);
        said.push(format!(
            "{name} {images} images of {histories} histories, {mounted} of them mounted, {points} points read in full"
        ));
    }
    let (said, seed) = (said.join("; "), args.seed);
    Ok(format!("T13: {said} (from seed {seed}); 0 lost, 0 broken"))
}

fn t5(args: &Runs) -> Result<String> {
    let seen = faults::sweep(args.seed, args.runs, THREADS).map_err(|what| anyhow!(what))?;
    let failed: Vec<String> = seen
        .failed
        .iter()
        .map(|(code, count)| format!("{code:?} {count}"))
        .collect();
    Ok(format!(
        "T5, T9: {} runs (histories from seed {}): {} steps withstood it, the others failed with {}; {} disks lied, {} of those with damage, all \
         of it told, {} mended; {} disks opened again; 0 lost",
        seen.runs,
        args.seed,
        seen.withstood,
        failed.join(", "),
        seen.lies,
        seen.told,
        seen.mended,
        seen.opened,
    ))
}

fn t4(args: &States) -> Result<String> {
    let seen = states::explore(args.seed, args.states, THREADS, Effort::default());
    let seen = seen.map_err(|what| anyhow!(what))?;
    Ok(format!(
        "T4: {} states of {} crash points of {} histories (from seed {}) enumerated, {} of them distinct and looked at, {} of those in a \
         recovery; {} went on, {} kills; up to {} operations pending; 0 lost, 0 broken",
        seen.enumerated,
        seen.points,
        seen.histories,
        args.seed,
        seen.distinct,
        seen.in_recovery,
        seen.went_on,
        seen.killed,
        seen.pending_max,
    ))
}
