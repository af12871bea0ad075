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

/// Returns what clap says is wrong, in one line, and the line that shows how it is done. Nothing is wrong where it
/// only shows what there is.
pub fn of_clap(text: &str) -> (Option<String>, String) {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().map(str::trim);
        lines.filter(|l| !l.is_empty()).collect::<Vec<_>>()
    });
    let Some(what) = paragraphs.next() else {
        return (None, String::new());
    };
    let what = what.join(" ");
    let Some(what) = what.strip_prefix("error: ") else {
        return (None, String::new());
    };
    let (mut what, mut usage) = (upper_first(what), String::new());
    for paragraph in paragraphs {
        match paragraph.first() {
            Some(line) if line.starts_with("Usage: ") => usage = (*line).to_owned(),
            Some(line) if line.starts_with("tip: ") => {
                let _ = write!(what, " ({})", paragraph.join(" "));
            }
            _ => {}
        }
    }
    (Some(what), usage)
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
