//! One measured command: a process of its own inside a small process of ours.
//!
//! The kernel hands the largest resident set of a process on to what it executes next, so a command started
//! by the bench itself would begin with the bench's memory as its peak. Hence the wrapper (`bench measure`):
//! it has done nothing yet, starts one command, and asks `getrusage` what its children used. Children of
//! the command count too, as far as the command waited for them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::args::Measure;
use super::environment::{monotonic_s, own_program};
use super::result::Usage;

/// A command that sees no environment but the one stated here.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) dir: Option<PathBuf>,
    /// Whether what it prints when measured is its product, which nobody keeps, and not a log.
    pub(crate) prints_content: bool,
}

impl Invocation {
    /// Returns the same command with `args` appended.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Returns the same command with `args` appended, which are paths.
    pub(crate) fn paths<'a>(self, args: impl IntoIterator<Item = &'a Path>) -> Self {
        self.args(args.into_iter().map(Path::as_os_str))
    }

    fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
    }

    /// Runs it unmeasured and returns what it printed.
    ///
    /// # Errors
    /// It cannot be started, or says that it failed.
    pub(crate) fn output(&self) -> Result<String> {
        let mut command = Command::new(&self.program);
        self.surround(command.args(&self.args));
        let out = command
            .output()
            .with_context(|| format!("starting {}", self.program.display()))?;
        if !out.status.success() {
            bail!(
                "{} {:?} failed ({}): {}",
                self.program.display(),
                self.args.first().unwrap_or(&OsString::new()),
                out.status,
                last_line(&String::from_utf8_lossy(&out.stderr))
            );
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs it measured; what it prints goes to `log`.
    ///
    /// # Errors
    /// The wrapper cannot be started or leaves no usage. That the command failed is in the usage.
    pub(crate) fn measure(&self, log: &Path) -> Result<Usage> {
        let out = log.with_extension("usage.json");
        let output = File::create(log).with_context(|| format!("writing {}", log.display()))?;
        let mut command = Command::new(own_program()?);
        command.args(["bench", "measure", "--out"]).arg(&out);
        command.arg("--").arg(&self.program).args(&self.args);
        self.surround(&mut command);
        let printed = match self.prints_content {
            true => Stdio::null(),
            false => output.try_clone().context("the log")?.into(),
        };
        let status = command
            .stdout(printed)
            .stderr(output)
            .status()
            .context("starting the wrapper")?;
        if !status.success() {
            bail!("the wrapper failed ({status}), see {}", log.display());
        }
        let usage = fs::read(&out).with_context(|| format!("reading {}", out.display()))?;
        serde_json::from_slice(&usage).context("the wrapper's usage")
    }
}

/// Returns the last line that says something.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|l| !l.is_empty())
        .unwrap_or("it says nothing")
}

/// The wrapper: runs the command and writes down what it used.
///
/// # Errors
/// The command cannot be started, or the usage not be written.
pub(crate) fn inside(args: &Measure) -> Result<()> {
    let (program, rest) = args.command.split_first().context("a command is needed")?;
    let began = monotonic_s();
    let status = Command::new(program)
        .args(rest)
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    let wall_s = monotonic_s() - began;
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking what the command used")?;
    let usage = Usage {
        wall_s,
        user_s: used.user_time().num_microseconds() as f64 / 1e6,
        system_s: used.system_time().num_microseconds() as f64 / 1e6,
        peak_bytes: u64::try_from(used.max_rss()).unwrap_or(0) * 1024,
        exit: exit_code(status),
    };
    fs::write(&args.out, serde_json::to_vec(&usage)?)
        .with_context(|| format!("writing {}", args.out.display()))
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|s| 128 + s))
        .unwrap_or(-1)
}

/// Empties the page cache and the caches of directory entries and inodes.
///
/// # Errors
/// Only root may.
pub(crate) fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the page cache (needs root)")?;
    // Deleting and writing go on in the background for a moment; the next command is not to pay for it.
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

/// Writes everything out and returns how long that took, in seconds.
pub(crate) fn sync_s() -> f64 {
    let began = monotonic_s();
    rustix::fs::sync();
    monotonic_s() - began
}
