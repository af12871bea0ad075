//! The catalogue that every error a user can see comes from.
//!
//! A [`Fault`] is a [`Code`] with values for the parameters of its texts and, where there was one, the
//! error below. Texts are Fluent, English and Japanese; nothing outside writes sentences about failures of
//! its own, but for the reasons that they fill in: what the system, a library or a check says stands in a
//! text as it is, in English. Exit code, HTTP status and console text are views of the code.

mod catalogue;
mod text;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use catalogue::Code;
pub use text::{Explanation, Text};

pub use crate::lang::Lang;

/// Says whether the system refused because this process or the machine has no descriptors or no memory left. What was
/// asked for has nothing to do with it, and the next thing will meet the same.
pub fn is_exhaustion(errno: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// What a caller can do about a failure; HTTP status, exit code and console text are views of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It may work if tried again: something was busy, unreachable or full.
    Retry,
    /// The request is wrong and has to be changed.
    FixInput,
    /// The thing named does not exist.
    NotFound,
    /// It is not allowed.
    Denied,
    /// Stored bytes are not what was written.
    Damaged,
    /// The program is wrong.
    Bug,
}

/// How much an alert about a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing has to be done.
    Information,
    /// Something was refused, left out or will become critical.
    Warning,
    /// Data is not protected, or not restorable, until somebody or something acts.
    Critical,
}

impl Severity {
    /// Returns its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Kind {
    /// Returns its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::FixInput => "fix-input",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Damaged => "damaged",
            Self::Bug => "bug",
        }
    }
}

impl Code {
    /// Returns the stable name.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns how much it matters.
    pub fn severity(self) -> Severity {
        self.facts().severity
    }

    /// Returns what a caller can do about it.
    pub fn kind(self) -> Kind {
        self.facts().kind
    }

    /// Returns the exit code of a command that ends with it: 0 done, 1 failed, 2 usage, 3 done with
    /// warnings, 4 not found, 5 refused, 6 conflict, 7 unreachable, 8 damaged data, 9 timed out waiting.
    pub fn exit(self) -> u8 {
        self.facts().exit
    }

    /// Returns the exit code of a command that failed with it: that of [`Code::exit`], but what is only a warning
    /// beside other work (0, 3) is none where nothing else was done. Then the kind decides.
    pub fn exit_failed(self) -> u8 {
        match (self.exit(), self.kind()) {
            (0 | 3, Kind::Denied) => 5,
            (0 | 3, _) => 1,
            (exit, _) => exit,
        }
    }

    /// Returns the error numbers of the original product that administrators may search for; one number
    /// can belong to several codes.
    pub fn compat(self) -> &'static [&'static str] {
        self.facts().compat
    }

    /// Returns the items of the original's troubleshooting guide it answers: 18 is S18.
    pub fn guide(self) -> &'static [u8] {
        self.facts().guide
    }

    /// Returns the names of the values its texts speak of.
    pub fn params(self) -> &'static [&'static str] {
        self.facts().params
    }

    /// Finds the code of that name or, failing that, the first one that answers to that number of the
    /// original product (`33515`, `0x80070015`) or item of its guide (`S18`). Case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        Self::search(text).first().copied()
    }

    /// Finds every code that answers to a name, a number or an item of the guide; see [`Code::parse`].
    pub fn search(text: &str) -> Vec<Self> {
        let text = text.trim();
        let named = Self::all()
            .iter()
            .find(|code| code.name().eq_ignore_ascii_case(text));
        if let Some(code) = named {
            return vec![*code];
        }
        let number = text.strip_prefix("ID ").unwrap_or(text);
        let item = text
            .strip_prefix(['s', 'S'])
            .and_then(|digits| digits.parse::<u8>().ok());
        let answers = |code: &Self| {
            code.compat()
                .iter()
                .any(|id| id.eq_ignore_ascii_case(number))
                || item.is_some_and(|item| code.guide().contains(&item))
        };
        Self::all().iter().copied().filter(answers).collect()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One fault that happened: a code of the catalogue, its parameters, and what caused it.
#[derive(Clone)]
pub struct Fault {
    /// Which fault.
    pub code: Code,
    /// The values its texts speak of, by name.
    pub params: Vec<(&'static str, String)>,
    /// The error below, if there was one: printed once, at the edge.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// Returns a fault without parameters.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            params: Vec::new(),
            source: None,
        }
    }

    /// Returns it with one parameter more. Sizes (`free`, `needed`, `total`) are given in bytes and durations
    /// (`age`, `limit`, `promise`, `skew`) in seconds, as plain numbers; the texts add the units. In a debug build it panics if the code's texts have no such
    /// parameter, so that a misspelt name does not outlive its first test.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        debug_assert!(
            self.code.params().contains(&name),
            "{} has no parameter {name}, only {:?}",
            self.code,
            self.code.params()
        );
        self.params.push((name, value.to_string()));
        self
    }

    /// Returns it with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Returns the fault of a process or a machine that has nothing more to give, as the system said in `error`.
    pub fn exhausted(error: std::io::Error) -> Self {
        Self::new(Code::ResourcesExhausted)
            .with("reason", &error)
            .because(error)
    }

    /// Returns the fault of a process or a machine that may not open more files or has no more memory, if that is why
    /// something failed: neither what was worked on nor its permissions are to blame then.
    pub fn of_exhaustion(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut causes = std::iter::successors(Some(error), |error| (*error).source());
        let system = causes.find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
        let errno = rustix::io::Errno::from_io_error(system)?;
        let fault = Self::new(Code::ResourcesExhausted).with("reason", system);
        is_exhaustion(errno).then_some(fault)
    }

    /// Returns what a caller can do about it.
    pub fn kind(&self) -> Kind {
        self.code.kind()
    }

    /// Returns the exit code of a command that failed with it; see [`Code::exit_failed`].
    pub fn exit(&self) -> u8 {
        self.code.exit_failed()
    }

    /// Returns how much it matters.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Returns the value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.code, self.params)?;
        match &self.source {
            Some(source) => write!(f, " because {source:?}"),
            None => Ok(()),
        }
    }
}

/// The English sentence of what happened, without the cause.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what(Lang::En))
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
