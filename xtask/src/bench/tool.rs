//! The programs that are measured, and how each is told to do the same thing.
//!
//! Every one encrypts and compresses, at its own defaults. Each has a repository and a home of its own for
//! every set, so that no cache is shared.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::environment;
use super::measure::Invocation;
use super::place::{Amount, Place, amount};

/// Which program.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Ours.
    Dozo,
    /// <https://github.com/andrewchambers/bupstash>
    Bupstash,
    /// <https://restic.net>
    Restic,
    /// <https://rustic.cli.rs>
    Rustic,
    /// <https://www.borgbackup.org>
    Borg,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Dozo,
        Self::Bupstash,
        Self::Restic,
        Self::Rustic,
        Self::Borg,
    ];

    /// Returns the program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dozo => "dozo",
            Self::Bupstash => "bupstash",
            Self::Restic => "restic",
            Self::Rustic => "rustic",
            Self::Borg => "borg",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|k| k.name() == text);
        found.ok_or_else(|| "one of dozo, bupstash, restic, rustic, borg is expected".into())
    }
}

/// A program that was found.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    program: PathBuf,
    /// What it was built from, where that is known.
    commit: Option<String>,
}

/// Finds a program: where it was said to be, else in `dirs`, else on `PATH`.
pub(crate) fn find(kind: Kind, named: &[(Kind, PathBuf)], dirs: &[PathBuf]) -> Option<Tool> {
    let named = named.iter().rev().find(|(k, _)| *k == kind);
    let program = match named {
        Some((_, file)) => Some(file.clone()).filter(|f| f.is_file()),
        None => dirs
            .iter()
            .cloned()
            .chain(environment::path())
            .map(|dir| dir.join(kind.name()))
            .find(|file| file.is_file()),
    };
    let program = std::path::absolute(program?).ok()?;
    Some(Tool {
        kind,
        program,
        commit: None,
    })
}

/// Builds Dozo as it is released and returns it.
///
/// # Errors
/// It does not build.
pub(crate) fn build_dozo() -> Result<Tool> {
    let target = environment::target_dir()?;
    let status = Command::new(environment::cargo())
        .args(["build", "--release", "--locked", "--package", "cli"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .context("starting cargo")?;
    let program = target.join("release/dozo");
    if !status.success() || !program.is_file() {
        bail!("dozo does not build; `--program dozo=FILE` measures one that is built already");
    }
    Ok(Tool {
        kind: Kind::Dozo,
        program,
        commit: commit(),
    })
}

/// The same for every tool that asks for one: figures are made, not secrets kept.
const PASSPHRASE: &str = "bench-passphrase";

impl Tool {
    /// Returns the version the program states.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn version(&self) -> Result<String> {
        let home = std::env::temp_dir();
        let version = match self.kind {
            Kind::Restic => "version",
            _ => "--version",
        };
        let out = self.bare(&home).args([version]).output()?;
        let first = out.lines().next().unwrap_or("").trim().to_owned();
        Ok(match &self.commit {
            Some(commit) => format!("{first} ({commit})"),
            None => first,
        })
    }

    fn bare(&self, home: &Path) -> Invocation {
        let path = std::env::join_paths(environment::path()).unwrap_or_default();
        Invocation {
            program: self.program.clone(),
            args: Vec::new(),
            environment: vec![
                ("HOME", home.into()),
                ("LANG", "C.UTF-8".into()),
                ("PATH", path),
            ],
            dir: None,
            prints_content: false,
        }
    }

    /// Returns the program with what it always needs to find its repository.
    fn at(&self, place: &Place) -> Invocation {
        let (local, repository) = (place.local(), place.repository());
        let mut invocation = self.bare(&local);
        let passphrase = OsString::from(PASSPHRASE);
        match self.kind {
            Kind::Dozo => {
                let data_dir = ["--data-dir".into(), local.into_os_string()];
                return invocation.args::<OsString>(data_dir);
            }
            Kind::Bupstash => invocation.environment.extend([
                ("BUPSTASH_REPOSITORY", repository.into()),
                ("BUPSTASH_KEY", local.join("key").into()),
                ("BUPSTASH_SEND_LOG", local.join("send-log").into()),
                ("BUPSTASH_QUERY_CACHE", local.join("query-cache").into()),
            ]),
            Kind::Restic => invocation.environment.extend([
                ("RESTIC_REPOSITORY", repository.into()),
                ("RESTIC_PASSWORD", passphrase),
                ("RESTIC_CACHE_DIR", local.into()),
            ]),
            Kind::Rustic => invocation.environment.extend([
                ("RUSTIC_REPOSITORY", repository.into()),
                ("RUSTIC_PASSWORD", passphrase),
                ("RUSTIC_CACHE_DIR", local.into()),
                ("RUSTIC_NO_PROGRESS", "true".into()),
                ("RUSTIC_LOG_LEVEL", "warn".into()),
            ]),
            Kind::Borg => invocation.environment.extend([
                ("BORG_REPO", repository.into()),
                ("BORG_PASSPHRASE", passphrase),
                ("BORG_BASE_DIR", local.into()),
            ]),
        }
        invocation
    }

    /// Makes the repository in an empty place. Dozo's is made by its first measured command.
    ///
    /// # Errors
    /// The tool cannot.
    pub(crate) fn init(&self, place: &Place) -> Result<()> {
        let local = place.local();
        std::fs::create_dir_all(&local).with_context(|| format!("making {}", local.display()))?;
        let at = self.at(place);
        match self.kind {
            Kind::Dozo => return Ok(()),
            Kind::Restic | Kind::Rustic => at.args(["init"]).output()?,
            Kind::Borg => at.args(["init", "-e", "repokey"]).output()?,
            Kind::Bupstash => {
                at.clone().args(["init"]).output()?;
                at.args(["new-key", "-o"])
                    .paths([local.join("key").as_path()])
                    .output()?
            }
        };
        Ok(())
    }

    /// Returns the command that backs `source` up.
    pub(crate) fn backup(&self, place: &Place, source: &Path) -> Invocation {
        let at = self.at(place);
        match self.kind {
            Kind::Dozo => at.args(["protect"]),
            Kind::Bupstash => at.args(["put", "-q", "name=bench"]),
            Kind::Restic => at.args(["-q", "backup"]),
            Kind::Rustic => at.args(["backup"]),
            Kind::Borg => at.args(["create", "::bench-{utcnow:%Y%m%d%H%M%S%f}"]),
        }
        .paths([source])
    }

    /// Returns the command that restores the newest backup of `source` below `to`.
    ///
    /// # Errors
    /// The tool has to be asked which one that is, and does not answer.
    pub(crate) fn restore(&self, place: &Place, source: &Path, to: &Path) -> Result<Invocation> {
        let at = self.at(place);
        Ok(match self.kind {
            Kind::Dozo => at.args(["restore"]).paths([source, Path::new("--to"), to]),
            Kind::Restic => at.args(["-q", "restore", "latest", "--target"]).paths([to]),
            Kind::Rustic => at.args(["restore", "latest"]).paths([to]),
            Kind::Bupstash => {
                let id = newest_bupstash(&at)?;
                at.args(["restore", "-q", "--into"])
                    .paths([to])
                    .args([format!("id={id}")])
            }
            Kind::Borg => {
                let list = at.clone().args(["list", "--last", "1", "--short"]);
                let archive = list.output()?;
                let mut restore = at.args(["extract".into(), format!("::{}", archive.trim())]);
                restore.dir = Some(to.to_path_buf());
                restore
            }
        })
    }

    /// Returns the command that reads and checks every byte of the repository. Bupstash has none: what comes nearest
    /// is to get its newest backup, whole.
    ///
    /// # Errors
    /// The tool has to be asked which one that is, and does not answer.
    pub(crate) fn verify(&self, place: &Place) -> Result<Invocation> {
        let at = self.at(place);
        Ok(match self.kind {
            Kind::Dozo => at.args(["pool", "verify"]),
            Kind::Restic => at.args(["-q", "check", "--read-data"]),
            Kind::Rustic => at.args(["check", "--read-data"]),
            Kind::Borg => at.args(["check", "--verify-data"]),
            Kind::Bupstash => {
                let id = newest_bupstash(&at)?;
                let mut get = at.args(["get".into(), "-q".into(), format!("id={id}")]);
                get.prints_content = true;
                get
            }
        })
    }

    /// Returns how much the repository holds, and how much the tool keeps beside it.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn sizes(&self, place: &Place) -> Result<(Amount, Amount)> {
        let repository = match self.kind {
            Kind::Dozo => place.local().join("pool"),
            _ => place.repository(),
        };
        let stored = amount(&repository)?;
        let mut local = amount(&place.local())?;
        if self.kind == Kind::Dozo {
            local.bytes -= stored.bytes.min(local.bytes);
        }
        Ok((stored, local))
    }
}

/// Returns the directory in which `source` came back below `to`: tools differ in how much of its path
/// they make again.
pub(crate) fn restored_root(source: &Path, to: &Path) -> PathBuf {
    let whole = to.join(source.strip_prefix("/").unwrap_or(source));
    let last = source.file_name().map(|name| to.join(name));
    [Some(whole), last]
        .into_iter()
        .flatten()
        .find(|dir| dir.is_dir())
        .unwrap_or_else(|| to.to_path_buf())
}

fn newest_bupstash(at: &Invocation) -> Result<String> {
    let list = at.clone().args(["list", "-q", "--format", "jsonl1"]);
    let list = list.output()?;
    let last = list.lines().last().context("bupstash lists nothing")?;
    let item: serde_json::Value = serde_json::from_str(last).context("bupstash's list")?;
    let id = item["id"].as_str().context("bupstash's list has no id")?;
    Ok(id.to_owned())
}

/// Returns the commit Dozo is built from; nothing outside a git checkout.
fn commit() -> Option<String> {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&git.stdout).trim().to_owned();
    (git.status.success() && !text.is_empty()).then_some(text)
}
