//! Everything a command may know of the process it runs in.
//!
//! Made once from the real process by `main`, and from plain values by the tests, so that what a command prints
//! is a function of its arguments, the clock and the data directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base::Env;
use base::fault::Lang;
use jiff::tz::TimeZone;

use crate::signal::Stop;

/// The process, as far as commands care.
pub struct World {
    /// Time and chance.
    pub env: Env,
    /// Environment variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// Relative paths start here.
    pub directory: PathBuf,
    /// The time zone people here live in.
    pub zone: TimeZone,
    /// Name of this machine.
    pub machine: String,
    /// Whether it may do everything.
    pub is_root: bool,
    /// How the command was typed, for others who find the data directory busy.
    pub command_line: String,
    /// Whether progress is drawn on a terminal.
    pub draws: bool,
    /// Whether data goes to a terminal.
    pub shows: bool,
    /// Answers to questions come from here, if somebody is there who sees them.
    pub answers: Option<Box<dyn BufRead + Send>>,
    /// Data goes here.
    pub out: Box<dyn Write + Send>,
    /// Talk goes here.
    pub err: Talk,
    /// Says that a person wants the command to end.
    pub stop: Arc<Stop>,
}

impl World {
    /// Returns the real one.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn real(args: &[OsString]) -> io::Result<Self> {
        let uname = rustix::system::uname();
        let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
        let typed: Vec<_> = args.iter().map(|a| a.to_string_lossy()).collect();
        Ok(Self {
            env: Env::system(),
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir()?,
            zone: TimeZone::system(),
            machine: uname.nodename().to_string_lossy().into_owned(),
            is_root: rustix::process::geteuid().is_root(),
            command_line: typed.join(" "),
            draws: io::stderr().is_terminal(),
            shows: io::stdout().is_terminal(),
            answers: asks.then(|| Box::new(BufReader::new(io::stdin())) as Box<dyn BufRead + Send>),
            out: Box::new(io::stdout()),
            err: Talk::new(io::stderr()),
            stop: Stop::on_signals()?,
        })
    }

    /// Returns a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables
            .get(std::ffi::OsStr::new(name))
            .filter(|value| !value.is_empty())
    }

    /// Returns the language the locale asks for.
    pub fn language(&self) -> Lang {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| self.variable(name))
            .map_or_else(Lang::default, |locale| {
                Lang::from_locale(&locale.to_string_lossy())
            })
    }

    /// Returns `path` with its beginning, without `.` and `..`, and with its symbolic links as they are.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let mut out = PathBuf::new();
        for part in self.directory.join(path).components() {
            match part {
                std::path::Component::ParentDir => {
                    out.pop();
                }
                std::path::Component::CurDir => {}
                other => out.push(other),
            }
        }
        out
    }

    /// Returns where the server keeps everything, as options and environment say.
    pub fn data_dir(&self, option: Option<&Path>) -> PathBuf {
        if let Some(path) = option {
            return self.absolute(path);
        }
        if let Some(path) = self.variable("DOZO_DATA_DIR") {
            return self.absolute(Path::new(path));
        }
        if self.is_root {
            return PathBuf::from("/var/lib/dozo");
        }
        if let Some(path) = self.variable("XDG_DATA_HOME") {
            return self.absolute(&Path::new(path).join("dozo"));
        }
        let home = self.variable("HOME").map_or("/".into(), PathBuf::from);
        home.join(".local/share/dozo")
    }
}

/// Where talk goes, for every thread that has something to say.
#[derive(Clone)]
pub struct Talk(Arc<Mutex<dyn Write + Send>>);

impl Talk {
    /// Returns one that writes there.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }
}

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        to.flush()
    }
}
