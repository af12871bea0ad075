//! `cargo xtask bench`: Dozo and other backup programs on the same data, in turn, in the same minutes.
//!
//! Every measured command is a process of its own, wrapped in a small one of ours ([`measure`]) that reads
//! what the kernel counted for it. Tools take turns within a run, so that a slow minute of the machine
//! hits all of them. Nothing here looks inside Dozo: it is measured as its users run it.

pub(crate) mod args;
mod compare;
pub(crate) mod data;
pub(crate) mod environment;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod place;
mod report;
mod result;
mod row;
mod session;
mod tool;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use args::{Action, Bench, Report, Run};
use result::Results;

/// Does what the command line says.
///
/// # Errors
/// The arguments make no sense here, or the bench itself cannot work. A tool that fails is a result.
pub(crate) fn main(args: Bench) -> Result<()> {
    match args.action {
        None => run(&args.run),
        Some(Action::Data(data)) => data::make(&data),
        Some(Action::Report(report)) => report_again(&report),
        Some(Action::Measure(measure)) => measure::inside(&measure),
    }
}

fn run(args: &Run) -> Result<()> {
    let results = session::run(args)?;
    publish(&results, args.page.write.as_deref())
}

fn report_again(args: &Report) -> Result<()> {
    let mut whole: Option<Results> = None;
    for from in &args.from {
        let results = load(from)?;
        match &mut whole {
            None => whole = Some(results),
            Some(whole) => whole
                .join(results)
                .with_context(|| format!("{} cannot stand in one report", from.display()))?,
        }
    }
    publish(
        &whole.context("no file of results")?,
        args.page.write.as_deref(),
    )
}

fn load(from: &Path) -> Result<Results> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a file of results", from.display()))
}

fn publish(results: &Results, write: Option<&Path>) -> Result<()> {
    if results.samples.is_empty() {
        bail!("nothing was measured");
    }
    let text = report::markdown(results);
    print!("{text}");
    if let Some(page) = write {
        let old =
            fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
        let new = report::replace_region(&old, &text)
            .with_context(|| format!("{} has no marked region", page.display()))?;
        fs::write(page, new).with_context(|| format!("writing {}", page.display()))?;
    }
    Ok(())
}
