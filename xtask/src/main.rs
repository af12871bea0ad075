//! `cargo xtask`: chores of the project that are programs, not scripts.
//!
//! `bench` measures Dozo beside its peers, `crash` tries what is left after crashes, `scale` measures what grows with what is
//! stored, `parity` what mending costs, `fuzz` gives readers what no writer wrote, `mutants` switches defences off. The style
//! guide is held by `tests/tidy.rs`, which cargo runs with all other tests.

mod bench;
mod crash;
mod fuzz;
mod mutants;
mod parity;
mod scale;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure Dozo and other backup programs side by side
    Bench(bench::args::Bench),
    /// Give every reader of stored or received bytes inputs that no writer wrote
    Fuzz(fuzz::Fuzz),
    /// Try what crashes, faults, kills and power cuts leave of a store
    Crash(crash::Crash),
    /// Switch off each defence in turn: a test must miss it
    Mutants(mutants::Mutants),
    /// Measure what trees, index and log cost at sizes that nobody stores for a try
    Scale(scale::Scale),
    /// Measure what parity costs, what it mends, and how fast
    Parity(parity::Measure),
}

fn main() -> ExitCode {
    let done = match Xtask::parse().task {
        Task::Bench(args) => bench::main(args),
        Task::Fuzz(args) => fuzz::main(&args),
        Task::Crash(args) => crash::main(&args),
        Task::Mutants(args) => mutants::main(&args),
        Task::Scale(args) => scale::main(&args),
        Task::Parity(args) => parity::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
