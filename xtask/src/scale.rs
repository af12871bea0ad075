//! `cargo xtask scale`: what grows with what is stored, measured at three sizes and carried on to those of a large owner.
//!
//! Trees and indexes are made up and built through the same calls a backup makes, without files and without content. Every
//! size is a process of its own, so that its peak of memory is its own too; what it makes is deleted before the next.

mod figures;
mod garbage;
mod ids;
mod index;
mod memory;
mod report;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;

use crate::bench::environment::own_program;
use crate::bench::machine::Machine;
use figures::{GarbageFigures, IndexFigures, TreeFigures};

/// `cargo xtask scale`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Build it for release: cargo run --release -p xtask -- scale --work DIR\n\
    Cold figures drop the page cache and need root. At the largest usual size 2 GiB are needed, with --huge 20."
)]
pub(crate) struct Scale {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Args, Debug)]
struct Run {
    /// An empty directory, or one that is not there yet; it is empty again afterwards
    #[arg(long, value_name = "DIR", required = true)]
    work: Option<PathBuf>,
    /// What to measure
    #[arg(
        long,
        value_name = "PART,..",
        value_delimiter = ',',
        default_value = "tree,index,garbage"
    )]
    parts: Vec<Kind>,
    /// Entries of the trees, and chunks of the indexes
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "100000,1000000,10000000"
    )]
    sizes: Vec<u64>,
    /// An index of 100,000,000 chunks too
    #[arg(long)]
    huge: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure one size in this process and print its figures
    #[command(hide = true)]
    Part(Part),
}

#[derive(Args, Debug)]
struct Part {
    kind: Kind,
    size: u64,
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    /// Trees of files, their nodes, and the log
    Tree,
    /// The index of chunks
    Index,
    /// Garbage collection of a pool that is half dead
    Garbage,
    /// That pool
    #[value(hide = true)]
    GarbagePool,
}

const HUGE_CHUNKS: u64 = 100_000_000;
/// Chunks of content that are really stored: 1 KiB each.
const GARBAGE_MAX: u64 = 1_000_000;

/// Does what the command line says.
///
/// # Errors
/// The directory holds something, cannot be written, or a measurement failed.
pub(crate) fn main(args: &Scale) -> Result<()> {
    match &args.action {
        Some(Action::Part(part)) => inside(part),
        None => run(&args.run),
    }
}

fn inside(part: &Part) -> Result<()> {
    let figures = match part.kind {
        Kind::Tree => serde_json::to_string(&tree::measure(&part.dir, part.size)?),
        Kind::Index => serde_json::to_string(&index::measure(&part.dir, part.size)?),
        Kind::GarbagePool => serde_json::to_string(&garbage::make(&part.dir, part.size)?),
        Kind::Garbage => serde_json::to_string(&garbage::measure(&part.dir, part.size)?),
    };
    println!("{}", figures.context("figures as JSON")?);
    Ok(())
}

fn run(run: &Run) -> Result<()> {
    let work = std::path::absolute(run.work.as_deref().context("--work is needed")?)?;
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let mut sizes = run.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let mut text = report::conditions(&Machine::here(&work));
    if run.parts.contains(&Kind::Tree) {
        let measure = |size: &u64| part::<TreeFigures>(&work, [Kind::Tree], *size);
        text += &report::trees(&sizes.iter().map(measure).collect::<Result<Vec<_>>>()?);
    }
    if run.parts.contains(&Kind::Garbage) {
        let kinds = [Kind::GarbagePool, Kind::Garbage];
        let measure = |size: &u64| part::<GarbageFigures>(&work, kinds, *size);
        let sizes = sizes.iter().filter(|size| **size <= GARBAGE_MAX);
        text += &report::garbage(&sizes.map(measure).collect::<Result<Vec<_>>>()?);
    }
    if run.parts.contains(&Kind::Index) {
        if run.huge {
            sizes.push(HUGE_CHUNKS);
        }
        let measure = |size: &u64| part::<IndexFigures>(&work, [Kind::Index], *size);
        text += &report::indexes(&sizes.iter().map(measure).collect::<Result<Vec<_>>>()?);
    }
    print!("{text}");
    Ok(())
}

/// Measures one size in a directory of its own, each step in a process of its own; returns the figures of the last.
fn part<T: DeserializeOwned>(
    work: &Path,
    steps: impl IntoIterator<Item = Kind>,
    size: u64,
) -> Result<T> {
    let dir = work.join(format!("part-{size}"));
    fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    let mut figures = Ok(Vec::new());
    for kind in steps {
        if figures.is_ok() {
            figures = step(&dir, kind, size);
        }
    }
    fs::remove_dir_all(&dir).with_context(|| format!("deleting {}", dir.display()))?;
    serde_json::from_slice(&figures?).context("the figures of a part")
}

fn step(dir: &Path, kind: Kind, size: u64) -> Result<Vec<u8>> {
    let name = kind.to_possible_value().context("a part has a name")?;
    let name = name.get_name();
    eprintln!("measuring {name} at {size}");
    let out = Command::new(own_program()?)
        .args(["scale", "part", name])
        .arg(size.to_string())
        .arg(dir)
        .stderr(Stdio::inherit())
        .output()
        .context("starting a part")?;
    if !out.status.success() {
        bail!("{name} at {size} failed ({})", out.status);
    }
    eprintln!("  {}", String::from_utf8_lossy(&out.stdout).trim());
    Ok(out.stdout)
}
