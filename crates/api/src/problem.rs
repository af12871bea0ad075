//! A failure on the wire: RFC 9457, with our code, its parameters and what to do about it.

use std::collections::BTreeMap;
use std::error::Error;

use base::Fault;
use base::fault::{Code, Lang};
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One failure, in words and as data. Its texts are in the language that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem; `urn:dozo:fault:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in one line.
    pub title: String,
    /// HTTP status it goes with.
    pub status: u16,
    /// Why it happens.
    pub detail: String,
    /// Stable name in the catalogue of faults.
    pub code: String,
    /// How much it matters: `information`, `warning` or `critical`.
    pub severity: String,
    /// Exit code of a command that failed with it: never 0 or 3.
    pub exit: u8,
    /// What to do, the best first.
    pub actions: Vec<String>,
    /// The values its texts speak of.
    pub params: BTreeMap<String, String>,
    /// The errors below, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
}

impl Problem {
    /// Returns `fault` in words.
    pub fn of(fault: &Fault, language: Lang) -> Self {
        let text = fault.render(language);
        Self {
            kind: format!("urn:dozo:fault:{}", fault.code.name()),
            title: text.what,
            status: http_status(fault.code),
            detail: text.why,
            code: fault.code.name().to_owned(),
            severity: fault.severity().name().to_owned(),
            exit: fault.exit(),
            actions: text.actions,
            params: fault
                .params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            causes: causes(fault),
        }
    }

    /// Returns its code, if this program knows it: a newer server may know more.
    pub fn code(&self) -> Option<Code> {
        Code::all().iter().copied().find(|c| c.name() == self.code)
    }
}

fn causes(fault: &Fault) -> Vec<String> {
    let mut next = fault.source();
    let mut out = Vec::new();
    while let Some(error) = next {
        out.push(error.to_string());
        next = error.source();
    }
    out
}

/// Returns the HTTP status that says what the exit code says.
fn http_status(code: Code) -> u16 {
    match code.exit_failed() {
        2 => 400,
        4 => 404,
        5 => 403,
        6 => 409,
        7 => 503,
        9 => 504,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_the_wire_and_says_what_to_do() {
        let fault = Fault::new(Code::SourceUnknown)
            .with("source", "/srv")
            .because(std::io::Error::other("below"));
        for language in Lang::ALL {
            let problem = Problem::of(&fault, language);
            let json = serde_json::to_string(&problem).unwrap();
            assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
            assert_eq!(
                (problem.status, problem.exit, problem.code()),
                (404, 4, Some(Code::SourceUnknown))
            );
            assert_eq!(problem.causes, ["below"]);
            assert!(!problem.actions.is_empty());
        }
    }
}
