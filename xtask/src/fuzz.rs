//! `cargo xtask fuzz`: every reader of stored or received bytes, against inputs made from what the real writers write.
//!
//! In one process, from a seed: input `n` of a target is the same in every run. No input may make a reader panic, hold more
//! than [`MEMORY_MAX`] bytes or take longer than [`TIME_MAX`]; where there is a second reader, the one that was written from
//! `docs/format.md`, both say the same. What stands behind a seal or a signature is sealed and signed anew after it was
//! changed, so that inputs come further than the lock.
//!
//! A part of it runs with the tests. It measures no coverage: what is changed is what writers write, in ways that know where numbers are.

mod mutate;
mod second;
mod targets;
mod world;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base::Env;
use clap::Args;
use peak_alloc::PeakAlloc;

use mutate::Mutator;
use targets::Target;

/// Counts what is held.
#[global_allocator]
static HELD: PeakAlloc = PeakAlloc;

/// Bytes that a reader may hold for one input, beyond the input.
const MEMORY_MAX: usize = 64 << 20;
/// What one input may take, asked of long runs only: a machine that does other things as well may take longer.
const TIME_MAX: Duration = Duration::from_millis(100);

/// `cargo xtask fuzz`.
#[derive(Args, Debug)]
#[command(after_help = "Build it for release: cargo run --release -p xtask -- fuzz")]
pub(crate) struct Fuzz {
    /// Inputs for each target
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    inputs: u64,
    /// Seconds for each target at most
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Where chance starts
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where an input that fails is written
    #[arg(long, value_name = "DIR", default_value = "target/fuzz")]
    failures: PathBuf,
    /// Targets; all if none is named
    targets: Vec<String>,
}

/// What came of a target.
#[derive(Debug, Default)]
struct Figures {
    inputs: u64,
    /// Inputs that a reader took for sound.
    taken: u64,
    peak_bytes: usize,
    slowest: Duration,
}

pub(crate) fn main(args: &Fuzz) -> Result<()> {
    let env = Env::system();
    let mut all = targets::all();
    for name in &args.targets {
        if !all.iter().any(|target| target.name == name) {
            let names: Vec<_> = all.iter().map(|target| target.name).collect();
            bail!("there is no target {name}; there are {}", names.join(", "));
        }
    }
    all.retain(|target| args.targets.is_empty() || args.targets.iter().any(|n| n == target.name));
    println!("target          inputs  inputs/s   sound    peak KiB  slowest");
    for target in &mut all {
        let begun = env.clock.since_boot();
        let until = args
            .seconds
            .map(|seconds| begun + Duration::from_secs(seconds));
        let figures = run(target, args.seed, args.inputs, Some((&env, until)))
            .map_err(|failure| failure.keep(&args.failures, target.name))?;
        let took = env.clock.since_boot() - begun;
        println!(
            "{:12} {:>9} {:>9.0} {:>6.1} % {:>9} {:>7.1?}",
            target.name,
            figures.inputs,
            figures.inputs as f64 / took.as_secs_f64(),
            100.0 * figures.taken as f64 / figures.inputs.max(1) as f64,
            figures.peak_bytes >> 10,
            figures.slowest
        );
    }
    Ok(())
}

/// An input that a reader does not bear.
#[derive(Debug)]
struct Failure {
    input: Vec<u8>,
    what: String,
}

impl Failure {
    fn keep(self, directory: &Path, target: &str) -> anyhow::Error {
        let name = blake3::hash(&self.input).to_hex();
        let path = directory.join(format!("{target}-{}", &name[..16]));
        let kept = fs::create_dir_all(directory).and_then(|()| fs::write(&path, &self.input));
        match kept.with_context(|| format!("cannot write {}", path.display())) {
            Ok(()) => anyhow::anyhow!("{target}: {}; the input is {}", self.what, path.display()),
            Err(error) => error.context(self.what),
        }
    }
}

/// Gives inputs to a target. With a clock, each is timed, and there is an end.
fn run(
    target: &mut Target,
    seed: u64,
    inputs: u64,
    clock: Option<(&Env, Option<Duration>)>,
) -> std::result::Result<Figures, Failure> {
    let mut figures = Figures::default();
    let corpus = std::mem::take(&mut target.corpus);
    let mut mutator = Mutator::new(seed, target.name, &corpus);
    let env = clock.map(|(env, _)| env);
    while figures.inputs < inputs {
        let input = mutator.next();
        if let Err(what) = figures.add(target, input, env) {
            let input = input.to_vec();
            return Err(Failure { input, what });
        }
        if let Some((env, Some(until))) = clock
            && env.clock.since_boot() > until
        {
            break;
        }
    }
    target.corpus = corpus;
    Ok(figures)
}

impl Figures {
    /// Has one input read, and says what is wrong with that.
    fn add(
        &mut self,
        target: &mut Target,
        input: &[u8],
        env: Option<&Env>,
    ) -> std::result::Result<(), String> {
        let now = || env.map_or(Duration::ZERO, |env| env.clock.since_boot());
        let mut took = Duration::MAX;
        // What took long may have waited for another process.
        for _ in 0..3 {
            HELD.reset_peak_usage();
            let (held, begun) = (HELD.current_usage(), now());
            let read = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
            took = took.min(now() - begun);
            let peak = HELD.peak_usage().saturating_sub(held);
            let is_taken = read.map_err(|_| String::from("a reader panics"))??;
            if peak > MEMORY_MAX {
                return Err(format!("a reader holds {peak} bytes"));
            }
            if took > TIME_MAX {
                continue;
            }
            self.inputs += 1;
            self.taken += u64::from(is_taken);
            self.peak_bytes = self.peak_bytes.max(peak);
            self.slowest = self.slowest.max(took);
            return Ok(());
        }
        Err(format!("a reader takes {took:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// What is held is counted for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// Inputs for each target.
    const INPUTS: u64 = 20_000;

    #[test]
    fn no_reader_is_broken_by_what_it_reads() {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        for target in &mut targets::all() {
            let figures = run(target, 1, INPUTS, None)
                .unwrap_or_else(|e| panic!("{}: {} ({:02x?})", target.name, e.what, e.input));
            println!("{} {figures:?}", target.name);
            assert!(figures.taken > 0, "{} takes nothing", target.name);
            assert!(figures.taken < INPUTS, "{} takes everything", target.name);
        }
    }

    #[test]
    fn what_a_writer_wrote_is_taken() {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = Vec::new();
        for target in &mut targets::all() {
            for sample in std::mem::take(&mut target.corpus) {
                if (target.read)(&sample) != Ok(true) {
                    let sample = String::from_utf8_lossy(&sample).into_owned();
                    refused.push((target.name, sample));
                }
            }
        }
        assert_eq!(refused, []);
    }

    #[test]
    fn a_reader_that_panics_or_holds_too_much_is_found() {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let target = |read: fn(&[u8]) -> std::result::Result<bool, String>| {
            let mut target = Target {
                name: "broken",
                corpus: vec![vec![0; 16]],
                read: Box::new(read),
            };
            run(&mut target, 1, 10_000, None).expect_err("found").what
        };
        assert_eq!(
            target(|input| Ok(input[15] == 0)),
            "a reader panics",
            "of inputs that are shorter"
        );
        let holds = target(|input| Ok(vec![1_u8; MEMORY_MAX + input.len()].len() > 1));
        assert!(holds.starts_with("a reader holds"), "{holds}");
    }
}
