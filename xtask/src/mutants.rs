//! `cargo xtask mutants`: defences of the program, switched off one at a time, each of which must make a test fail.
//!
//! A mutant is a place in the source, what stands there instead, and the tests that have to notice. It is tried in a copy of the
//! tree with a target directory of its own, so that nothing here is ever changed. That every place still exists is a test
//! of its own, which runs with all others; the tests of mutants take minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

mod table;

use self::table::{Edit, MUTANTS, Mutant};

/// `cargo xtask mutants`.
#[derive(Args, Debug)]
pub(crate) struct Mutants {
    /// Only those whose name has this in it
    filter: Option<String>,
}

/// Tries them.
///
/// # Errors
/// One of them is not noticed, or cannot be tried.
pub(crate) fn main(args: &Mutants) -> Result<()> {
    let root = root();
    let place = root.join("target/mutants");
    let chosen = MUTANTS.iter().filter(|mutant| {
        args.filter
            .as_deref()
            .is_none_or(|part| mutant.name.contains(part))
    });
    let mut survivors = Vec::new();
    let mut count = 0;
    for mutant in chosen {
        count += 1;
        copy(&root, &place)?;
        for edit in mutant.edits {
            let file = place.join(edit.file);
            let text = fs::read_to_string(&file).with_context(|| edit.file.to_owned())?;
            fs::write(&file, edit.applied(&text)?)?;
        }
        let noticed = try_one(&place, mutant)?;
        println!(
            "{}: {}",
            mutant.name,
            noticed.as_deref().unwrap_or("NOT NOTICED")
        );
        if noticed.is_none() {
            survivors.push(mutant.name);
        }
    }
    match survivors.is_empty() {
        true => {
            println!("{count} defences, each of which is missed");
            Ok(())
        }
        false => Err(anyhow!("nobody misses: {}", survivors.join(", "))),
    }
}

/// Runs a mutant's tests and returns the first that failed.
fn try_one(place: &Path, mutant: &Mutant) -> Result<Option<String>> {
    let mut command = Command::new("cargo");
    command
        .args(["test", "--quiet", "--locked", "--package", mutant.package])
        .args(["--", mutant.tests])
        .current_dir(place)
        .env("CARGO_TARGET_DIR", place.join("target"))
        .env("RUST_BACKTRACE", "0");
    let output = command.output().context("cargo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !said.contains("running") {
        bail!("{} does not build:\n{errors}", mutant.name);
    }
    if said
        .lines()
        .all(|line| !line.contains(" passed") || line.contains(" 0 passed; 0 failed"))
    {
        bail!("{}: no test is called {}", mutant.name, mutant.tests);
    }
    let mut failed = said.lines().filter_map(|line| {
        let name = line.strip_prefix("---- ")?.strip_suffix(" stdout ----")?;
        Some(format!("missed by {name}"))
    });
    match output.status.success() {
        true => Ok(None),
        false => Ok(Some(
            failed.next().unwrap_or_else(|| String::from("missed")),
        )),
    }
}

/// Makes `place` the tree as it is, and touches only what differs, so that little is built anew.
fn copy(root: &Path, place: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("git")?;
    for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let (from, to) = (root.join(name), place.join(name));
        // One that was removed and is listed still.
        let Ok(bytes) = fs::read(&from) else {
            continue;
        };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
        fs::write(&to, bytes)?;
    }
    Ok(())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

impl Edit {
    /// Returns a source without the defence.
    ///
    /// # Errors
    /// What it is to be replaced stands there never, or more than once.
    fn applied(&self, text: &str) -> Result<String> {
        let count = text.matches(self.stands).count();
        if count != 1 {
            bail!(
                "{:?} stands in {} {count} times, not once",
                self.stands,
                self.file
            );
        }
        Ok(text.replace(self.stands, self.instead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defence_stands_where_it_is_said_to_stand() {
        for mutant in MUTANTS {
            for edit in mutant.edits {
                let text = fs::read_to_string(root().join(edit.file)).expect(edit.file);
                let mutated = edit.applied(&text);
                let mutated = mutated.unwrap_or_else(|error| panic!("{}: {error}", mutant.name));
                assert_ne!(mutated, text, "{}", mutant.name);
            }
        }
    }
}
