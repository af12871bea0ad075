//! A failure on the terminal, in four lines: what, why, what to try, and its code.

use std::fmt::Write;

use api::Problem;
use base::Lang;

/// Returns the four lines.
///
/// Causes below the fault stand behind the reason, unless its text tells them already.
pub fn lines(problem: &Problem, language: Lang) -> String {
    let [why, attempt, code] = match language {
        Lang::En => ["Why", "Try", "Code"],
        Lang::Ja => ["理由", "対処", "コード"],
    };
    let mut out = format!("{}\n{why}: {}", problem.title, problem.detail);
    let text = format!("{}\n{}", problem.title, problem.detail).to_lowercase();
    let told = |cause: &&String| !text.contains(&cause.to_lowercase());
    let causes: Vec<&str> = problem
        .causes
        .iter()
        .filter(told)
        .map(String::as_str)
        .collect();
    if !causes.is_empty() {
        let _ = write!(out, " [{}]", causes.join(": "));
    }
    let action = problem.actions.first().map_or("", String::as_str);
    let _ = write!(
        out,
        "\n{attempt}: {action}\n{code}: {0} (dozo explain {0})\n",
        problem.code
    );
    out
}
