//! Words that belong to one place only.

use super::tree::{product, read, rust};

fn uses(text: &str, word: &str) -> Vec<usize> {
    text.lines()
        .enumerate()
        .filter(|(_, l)| l.contains(word) && !l.trim_start().starts_with("//"))
        .map(|(n, _)| n + 1)
        .collect()
}

fn outside(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for file in product().iter().filter(|t| !allowed(&t.path)) {
        for word in words {
            offences.extend(
                uses(&file.text, word)
                    .iter()
                    .map(|n| format!("{}:{n}: {word}", file.path)),
            );
        }
    }
    offences
}

/// Returns uses of SQL outside the catalogs.
pub(crate) fn sql() -> Vec<String> {
    outside(&["sqlx::", "SELECT ", "INSERT INTO"], |path| {
        path.starts_with("crates/engine/src/catalog") || path.starts_with("crates/vault/")
    })
}

/// Returns reads of the environment outside the binaries.
pub(crate) fn environment() -> Vec<String> {
    outside(&["std::env", "env::var", "process::exit"], |path| {
        path.starts_with("crates/cli/")
    })
}

/// Returns unsafe code outside `sources::sys`.
pub(crate) fn unsafe_code() -> Vec<String> {
    outside(&["unsafe {", "unsafe fn", "unsafe impl"], |path| {
        path.starts_with("crates/sources/src/sys")
    })
}

/// Returns what was left for later without saying where it is kept.
pub(crate) fn leftovers() -> Vec<String> {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut offences = Vec::new();
    for file in rust() {
        for (n, line) in file.text.lines().enumerate() {
            let left = marks
                .iter()
                .any(|m| line.contains(m) && !line.contains(&format!("{m}(#")));
            let dead = line.trim_start().starts_with("// let ") && line.ends_with(';');
            if left || dead {
                offences.push(format!("{}:{}: {}", file.path, n + 1, line.trim()));
            }
        }
    }
    offences
}

/// Returns invariants of ARCHITECTURE.md that name no test, or one that does not exist.
///
/// An invariant is a line that starts with `- **A<number>**`; a test is named in backquotes as
/// `crate::function`, its last part being the function's name.
pub(crate) fn unheld() -> Vec<String> {
    let all = rust();
    let exists = |name: &str| {
        let function = format!("fn {}(", name.rsplit("::").next().unwrap_or_default());
        all.iter().any(|t| t.text.contains(&function))
    };
    let mut offences = Vec::new();
    let architecture = read("ARCHITECTURE.md");
    let invariants: Vec<&str> = architecture
        .lines()
        .filter(|l| l.starts_with("- **A"))
        .collect();
    assert!(invariants.len() > 5, "ARCHITECTURE.md lists the invariants");
    for line in invariants {
        let tests: Vec<&str> = line
            .rsplit("Held by")
            .next()
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        if !line.contains("Held by") || tests.is_empty() {
            offences.push(format!("no test: {line}"));
        }
        offences.extend(
            tests
                .iter()
                .filter(|t| !exists(t))
                .map(|t| format!("no such test: {t}")),
        );
    }
    offences
}

/// Returns what docs/reliability.md calls a test and is none.
///
/// A test is named in backquotes as `module::function`: the file that has it is called like the module.
pub(crate) fn unproved() -> Vec<String> {
    let all = rust();
    let is_test = |module: &str, function: &str| {
        let function = format!("fn {function}(");
        let file = format!("/{module}.rs");
        all.iter().filter(|t| t.path.ends_with(&file)).any(|t| {
            let found = t.text.split_once(&function);
            found.is_some_and(|(before, _)| ends_in_a_test_mark(before))
        })
    };
    let page = read("docs/reliability.md");
    let named: Vec<(&str, &str)> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .collect();
    assert!(named.len() > 50, "docs/reliability.md names its tests");
    named
        .into_iter()
        .filter(|(module, function)| !is_test(module, function))
        .map(|(module, function)| format!("no such test: {module}::{function}"))
        .collect()
}

/// Returns whether the text before a function says that it is a test: `#[test]` is among its attributes.
fn ends_in_a_test_mark(before: &str) -> bool {
    before
        .lines()
        .rev()
        .map(str::trim)
        .skip_while(|line| line.is_empty())
        .take_while(|line| line.starts_with("#["))
        .any(|line| line == "#[test]")
}
