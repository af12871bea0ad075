//! The command line: nouns, verbs and options, and nothing else.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use api::request::OnConflict;
use base::limits::RETENTION_COUNT_MAX;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 done with warnings, 4 not found, 5 refused, 6 conflict,
            7 unreachable, 8 damaged data, 9 timed out waiting.
A SOURCE is `machine:kind/path`, any unique prefix of that, or the plain path.";

/// Protects folders: recovery points on schedule, restored when you need them.
#[derive(Debug, Parser)]
#[command(name = "dozo", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the server keeps everything [default: $DOZO_DATA_DIR, else /var/lib/dozo for root, else
    /// ~/.local/share/dozo]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// Print the answer as JSON, with its schema
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of errors and explanations [default: from LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<LangArg>,
}

/// A language to speak.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LangArg {
    /// English
    En,
    /// Japanese
    Ja,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the backup server in the foreground
    Up(Up),
    /// Protect paths, and make a recovery point of each now
    Protect(Protect),
    /// Synchronize a source's replica, without making a recovery point
    Sync {
        /// The source
        source: String,
    },
    /// Recovery points
    #[command(subcommand)]
    Point(Point),
    /// Restore a recovery point, or parts of it
    Restore(Restore),
    /// Find files by name in all recovery points
    Find(Find),
    /// Show recovery points as directories, read-only
    Mount(Mount),
    /// Watch over a mount: started by `mount` itself
    #[command(name = "mount-guard", hide = true)]
    MountGuard {
        /// Where something is mounted
        directory: PathBuf,
    },
    /// Data sources
    #[command(subcommand)]
    Source(Source),
    /// Protection groups and their policies
    #[command(subcommand)]
    Group(Group),
    /// Jobs
    #[command(subcommand)]
    Job(Job),
    /// The server at a glance
    Status,
    /// The storage pool
    #[command(subcommand)]
    Pool(Pool),
    /// This backup server
    #[command(subcommand)]
    Server(Server),
    /// Explain a code that an error ended with
    Explain {
        /// The code, or a number of the original product; without it, all codes are listed
        code: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `dozo up`.
#[derive(Args, Debug)]
pub struct Up {
    /// Also answer on this TCP address; without sign-in, only /health is served there
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Protect this path, make a recovery point, and prove it by restoring a file from it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub protect: Vec<PathBuf>,
    /// Stop when that is done, instead of staying in the foreground
    #[arg(long)]
    pub once: bool,
}

/// `dozo protect`.
#[derive(Args, Debug)]
pub struct Protect {
    /// What to protect
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The protection group; made if there is none of that name [default: the one it is in, else `default`]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// What to leave out.
    #[command(flatten)]
    pub selection: Selection,
}

/// What of a source to leave out.
#[derive(Args, Debug)]
pub struct Selection {
    /// Leave out what matches, in gitignore syntax (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Leave out directories that hold a file of this name (repeatable)
    #[arg(long, value_name = "NAME")]
    pub exclude_if_present: Vec<String>,
    /// Leave out caches: directories with a valid CACHEDIR.TAG
    #[arg(long)]
    pub exclude_caches: bool,
    /// Leave out other file systems mounted below
    #[arg(long)]
    pub one_file_system: bool,
}

/// `dozo point`.
#[derive(Debug, Subcommand)]
pub enum Point {
    /// Synchronize, then make a recovery point
    Create {
        /// The source
        source: String,
    },
    /// List recovery points, newest first
    List {
        /// Only of this source
        source: Option<String>,
    },
    /// Show one recovery point
    Show {
        /// Its id, or a unique prefix
        point: String,
    },
    /// List a directory of a recovery point
    Browse {
        /// Its id, or a unique prefix
        point: String,
        /// The directory, relative to the source [default: the source itself]
        path: Option<OsString>,
    },
    /// Show what another recovery point has differently: + came, - went, M content stored anew, m metadata
    Diff {
        /// Its id, or a unique prefix
        point: String,
        /// The other one
        with: String,
        /// Only this file or directory, relative to the source [default: everything]
        path: Option<OsString>,
    },
    /// Hold a recovery point: it neither expires nor can it be deleted
    Hold {
        /// Its id, or a unique prefix
        point: String,
        /// Why
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        reason: String,
    },
    /// Let a held recovery point go: its group's policy decides again
    Release {
        /// Its id, or a unique prefix
        point: String,
    },
    /// Delete a recovery point
    Delete {
        /// Its id, or a unique prefix
        point: String,
    },
}

/// `dozo find`.
#[derive(Args, Debug)]
pub struct Find {
    /// A part of the name, or a pattern with `*`, `?`, `[...]`, `{a,b}`; with a `/`, of the path below the source.
    /// Without a capital letter, capitals do not matter
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// Only in this source
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
}

/// `dozo mount`.
#[derive(Args, Debug)]
pub struct Mount {
    /// A recovery point, or a source for all its recovery points, each under its time
    #[arg(value_name = "POINT|SOURCE[@POINT|@TIME]")]
    pub what: String,
    /// An empty directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Let other users in, as far as modes of files allow
    #[arg(long)]
    pub allow_other: bool,
}

/// `dozo restore`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("destination").required(true))]
pub struct Restore {
    /// The source, and which recovery point: an id, or a time (`2026-11-23`, `2026-11-23 14:00`,
    /// `yesterday`, RFC 3339) for the newest one that is not younger [default: the newest]; or the id of a
    /// point alone
    #[arg(value_name = "SOURCE[@POINT|@TIME]")]
    pub source: String,
    /// What of it, relative to the source or absolute [default: everything]
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Restore into this directory
    #[arg(long, group = "destination", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: Option<PathBuf>,
    /// Write a tar archive (pax) to this file; `-` is standard output
    #[arg(long, group = "destination", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["on_conflict", "plan"])]
    pub to_tar: Option<PathBuf>,
    /// Restore to where it came from
    #[arg(long, group = "destination")]
    pub original: bool,
    /// Restore beside where it came from, into a new directory named for the time of the point
    #[arg(long, group = "destination")]
    pub beside: bool,
    /// What to do with entries whose place is taken
    #[arg(long, value_name = "WHAT", default_value = "skip")]
    pub on_conflict: ConflictArg,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub plan: bool,
}

/// What to do with entries whose place is taken.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ConflictArg {
    /// Leave what is there
    Skip,
    /// Replace what is there
    Overwrite,
    /// Restore under another name
    Rename,
}

impl From<ConflictArg> for OnConflict {
    fn from(arg: ConflictArg) -> Self {
        match arg {
            ConflictArg::Skip => Self::Skip,
            ConflictArg::Overwrite => Self::Overwrite,
            ConflictArg::Rename => Self::Rename,
        }
    }
}

/// `dozo source`.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// List data sources
    List,
    /// Show one data source
    Show {
        /// The source
        source: String,
    },
    /// Consistency check: read everything, compare with the replica, repair the replica
    Check {
        /// The source
        source: String,
    },
    /// Take what is there now for the source, although it is on another file system and nearly nothing of what was there is
    /// left
    Accept {
        /// The source
        source: String,
    },
}

/// `dozo group`.
#[derive(Debug, Subcommand)]
pub enum Group {
    /// List protection groups
    List,
    /// Show one protection group and its policy
    Show {
        /// Its name
        group: String,
    },
    /// Make a protection group
    Create {
        /// Its name
        group: String,
        /// What differs from the defaults.
        #[command(flatten)]
        goals: Goals,
    },
    /// Change a protection group's policy; what is not named stays
    Set {
        /// Its name
        group: String,
        /// What changes.
        #[command(flatten)]
        goals: Goals,
        /// Only say which recovery points would be deleted at once
        #[arg(long)]
        dry_run: bool,
        /// Do not ask whether recovery points may be deleted at once
        #[arg(long, conflicts_with = "dry_run")]
        yes: bool,
    },
    /// Let sources join; a path that is no source yet becomes one
    Add {
        /// Its name
        group: String,
        /// Sources or paths
        #[arg(required = true)]
        sources: Vec<String>,
    },
    /// Let sources leave; their recovery points stay
    Remove {
        /// Its name
        group: String,
        /// Sources
        #[arg(required = true)]
        sources: Vec<String>,
    },
}

/// The goals of a policy.
#[derive(Args, Debug)]
pub struct Goals {
    /// How often to synchronize: `before-point`, or an interval such as `15m`, `4h`
    #[arg(long, value_name = "INTERVAL", allow_hyphen_values = true)]
    pub sync: Option<String>,
    /// When recovery points are made, in the server's time zone: `22:00`, `mon-fri 12:00,22:00`
    #[arg(long, value_name = "SCHEDULE", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Keep every point for so many days
    #[arg(long, value_name = "DAYS", value_parser = kept, allow_negative_numbers = true)]
    pub keep_days: Option<u32>,
    /// Keep the newest point of each of so many days
    #[arg(long, value_name = "COUNT", value_parser = kept, allow_negative_numbers = true)]
    pub keep_daily: Option<u32>,
    /// Keep the newest point of each of so many weeks
    #[arg(long, value_name = "COUNT", value_parser = kept, allow_negative_numbers = true)]
    pub keep_weekly: Option<u32>,
    /// Keep the newest point of each of so many months
    #[arg(long, value_name = "COUNT", value_parser = kept, allow_negative_numbers = true)]
    pub keep_monthly: Option<u32>,
    /// Keep the newest point of each of so many years
    #[arg(long, value_name = "COUNT", value_parser = kept, allow_negative_numbers = true)]
    pub keep_yearly: Option<u32>,
}

/// Reads how much is kept.
fn kept(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| *n <= RETENTION_COUNT_MAX);
    number.ok_or_else(|| format!("it is to be a whole number from 0 to {RETENTION_COUNT_MAX}"))
}

/// `dozo job`.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// List jobs, newest first
    List,
    /// Show one job, with its warnings
    Show {
        /// Its id, or a unique prefix
        job: String,
    },
    /// Follow a job until it is over
    Watch {
        /// Its id, or a unique prefix [default: the newest one]
        job: Option<String>,
    },
    /// Stop a job
    Cancel {
        /// Its id, or a unique prefix
        job: String,
    },
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok();
    let number = number.filter(|number| *number > 0.0 && *number <= 100.0);
    number.ok_or_else(|| String::from("a number above 0 and up to 100 is wanted"))
}

fn rate(text: &str) -> Result<u64, String> {
    let bytes = base::units::parse_bytes(text).map_err(|fault| fault.what(base::Lang::En))?;
    match bytes {
        0 => Err(String::from("at least one byte a second is wanted")),
        bytes => Ok(bytes),
    }
}

/// `dozo pool`.
#[derive(Debug, Subcommand)]
pub enum Pool {
    /// Show the storage pool
    Status,
    /// Read what is in the pool back, repair what its parity tells, and say what is damaged and whom that hurts
    Verify {
        /// Open every chunk too, not only compare what is stored with its name
        #[arg(long)]
        deep: bool,
        /// So many percent of the pool, what was not read for the longest time first [default: all, or what an interrupted
        /// verification left]
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        sample: Option<f64>,
        /// At most so much a second, such as 50M
        #[arg(long, value_name = "BYTES", value_parser = rate)]
        rate: Option<u64>,
    },
    /// Give back the space of what no recovery point and no replica needs any more
    Gc {
        /// Only say what would go and how much that gives back
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a directory, or a whole disk, into the pool as one of its volumes
    Add {
        /// A directory that is empty, or a block device that nothing uses: it gets an XFS file system and is mounted
        path: PathBuf,
        /// What to call it [default: what the path ends with]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Let go what is on the device: its serial number, or its size in bytes, as proof that it is this one
        #[arg(long, value_name = "SERIAL|BYTES")]
        wipe: Option<String>,
    },
    /// Move what a volume holds to the others, so that it can be taken out
    Drain {
        /// Its name
        volume: String,
    },
    /// Take a volume out of the pool
    Remove {
        /// Its name
        volume: String,
        /// It will never come back: what was on it is missing from now on
        #[arg(long)]
        lost: bool,
    },
}

/// `dozo server`.
#[derive(Debug, Subcommand)]
pub enum Server {
    /// Begin anew with the pool of a server that is lost: groups, members and recovery points come from the pool
    Adopt {
        /// The pool: the directory `pool` of the lost server, or a copy of it. It is used where it is
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        pool: PathBuf,
        /// The key file of the lost server, `server.key`, or a copy of it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: PathBuf,
    },
}
