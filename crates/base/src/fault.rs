//! The catalogue that every error a user can see comes from.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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

/// A stable name in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Something that has no name yet.
    Internal,
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

    /// Returns it with one parameter more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.params.push((name, value.to_string()));
        self
    }

    /// Returns it with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.code, self.params)
    }
}
