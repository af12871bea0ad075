//! `cargo xtask bench data`: data sets that are the same every time on the same machine.
//!
//! `src` and parts of `big` are copies of real files, because made-up ones compress and repeat like nothing a
//! user has; another machine holds other files and gives other figures. The rest is made from fixed seeds.

mod big;
pub(crate) mod chance;
mod find;
mod many;
pub(crate) mod mutate;
mod src;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::args::Data;
use super::environment;
use super::place::amount;
use super::row::Set;

/// Makes the sets the arguments name.
///
/// # Errors
/// A set is there already, there is nothing to copy from, or the place cannot be written.
pub(crate) fn make(args: &Data) -> Result<()> {
    let data = environment::data_dir(args.data.dir.as_deref())?;
    let roots = roots(&args.root)?;
    if let Some(root) = roots.iter().find(|root| data.starts_with(root)) {
        bail!("{} contains the data directory itself", root.display());
    }
    for set in &args.data.sets {
        let dir = data.join(set.name());
        eprintln!("making {}", dir.display());
        make_empty(&dir)?;
        match set {
            Set::Src => src::make(&dir, &roots, args.scale)?,
            Set::Big => big::make(&dir, &roots, args.scale)?,
            Set::Many => many::make(&dir, args.scale)?,
        }
        rustix::fs::sync();
        let made = amount(&dir)?;
        println!(
            "{}: {} files, {} directories, {:.2} GiB, {:.2} GiB allocated",
            set.name(),
            made.files,
            made.directories,
            made.bytes as f64 / f64::from(1 << 30),
            made.allocated_bytes as f64 / f64::from(1 << 30)
        );
    }
    Ok(())
}

/// Returns the directories to copy from, sorted as named; those that are not there are left out.
fn roots(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let roots = if named.is_empty() {
        usual_roots()
    } else {
        named.to_vec()
    };
    let roots: Vec<PathBuf> = roots.into_iter().filter(|root| root.is_dir()).collect();
    if roots.is_empty() {
        bail!("none of the directories to copy from is there; name some with --root");
    }
    roots
        .into_iter()
        .map(|root| fs::canonicalize(&root).with_context(|| format!("reading {}", root.display())))
        .collect()
}

/// What a developer's machine has much of.
fn usual_roots() -> Vec<PathBuf> {
    let home = environment::home().unwrap_or_default();
    vec![
        home.join(".pyenv"),
        "/usr/include".into(),
        "/usr/share".into(),
        "/usr/lib".into(),
        home.join(".rustup"),
        home.join(".cargo/registry/src"),
    ]
}

/// What is there already is nobody's to delete but the user's: `--data` may name any directory.
fn make_empty(dir: &Path) -> Result<()> {
    let context = || format!("making {}", dir.display());
    fs::create_dir_all(dir).with_context(context)?;
    if fs::read_dir(dir).with_context(context)?.next().is_some() {
        bail!(
            "{} is there already; delete it to make it anew",
            dir.display()
        );
    }
    Ok(())
}

/// Returns `whole` times `scale`.
fn scaled(whole: u64, scale: f64) -> u64 {
    (whole as f64 * scale) as u64
}
