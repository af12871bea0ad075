//! `cargo xtask`: chores of the project that are programs, not scripts.
//!
//! One task so far: `bench`, Dozo beside its peers. The style guide is held by `tests/tidy.rs`, which
//! cargo runs with all other tests.

mod bench;

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
}

fn main() -> ExitCode {
    let done = match Xtask::parse().task {
        Task::Bench(args) => bench::main(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
