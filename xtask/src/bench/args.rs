//! What can be said on the command line of `cargo xtask bench`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::row::{RowChoice, Set};
use super::tool::Kind;

/// `cargo xtask bench`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Cold rows drop the page cache and need root.\n\
    Make the data first: cargo xtask bench data --data DIR")]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What else `bench` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make the data sets
    Data(Data),
    /// Print the tables of an earlier run again
    Report(Report),
    /// Run one command and write down what it used (what the bench wraps commands in)
    #[command(hide = true)]
    Measure(Measure),
}

/// The measurement itself.
#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) data: DataSets,
    /// Where repositories, restored trees, logs and results go [default: bench/work beside the data]
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// What to measure: full, unchanged, mutated, restore, verify, or one with its set, as restore-many
    #[arg(
        long,
        value_name = "ROW,..",
        value_delimiter = ',',
        default_value = "full,unchanged,mutated,restore,verify"
    )]
    pub(crate) rows: Vec<RowChoice>,
    /// With which programs; one that is not found is left out
    #[arg(
        long,
        value_name = "TOOL,..",
        value_delimiter = ',',
        default_value = "dozo,bupstash,restic,rustic,borg"
    )]
    pub(crate) tools: Vec<Kind>,
    /// Measurements a cell; the median is shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) runs: u32,
    /// A peer is not measured again where its first run took longer than this [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) long: Option<f64>,
    /// Look for programs here before PATH
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Vec<PathBuf>,
    /// The program of a tool, as restic=/opt/restic; dozo is built (release) unless named here
    #[arg(long, value_name = "TOOL=FILE", value_parser = program)]
    pub(crate) program: Vec<(Kind, PathBuf)>,
    /// Leave the last repositories where they are
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// The data sets that are made and measured.
#[derive(Args, Debug)]
pub(crate) struct DataSets {
    /// Where the data sets are: directories src, big, many [default: bench/data in cargo's target directory]
    #[arg(long = "data", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Which of them
    #[arg(
        long,
        value_name = "SET,..",
        value_delimiter = ',',
        default_value = "src,big,many"
    )]
    pub(crate) sets: Vec<Set>,
}

/// Where the tables go.
#[derive(Args, Debug)]
pub(crate) struct Page {
    /// Replace the marked region of this page by the tables
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

/// `cargo xtask bench data`.
#[derive(Args, Debug)]
pub(crate) struct Data {
    #[command(flatten)]
    pub(crate) data: DataSets,
    /// How large: 1 is 220,000 files of src, 4 GiB of big, 1,000,000 files of many
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    pub(crate) scale: f64,
    /// Directories whose real files fill src and parts of big [default: those of a developer's machine]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Vec<PathBuf>,
}

/// `cargo xtask bench report`.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// results.json of the run, or of several that measured different sets on one machine
    #[arg(required = true)]
    pub(crate) from: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// `cargo xtask bench measure`.
#[derive(Args, Debug)]
pub(crate) struct Measure {
    /// Where the usage is written
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The command
    #[arg(required = true, last = true)]
    pub(crate) command: Vec<OsString>,
}

fn program(text: &str) -> Result<(Kind, PathBuf), String> {
    let (tool, file) = text.split_once('=').ok_or("TOOL=FILE is expected")?;
    Ok((tool.parse()?, file.into()))
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if scale > 0.0 && scale <= 100.0 => Ok(scale),
        _ => Err("a number above 0, at most 100".into()),
    }
}
