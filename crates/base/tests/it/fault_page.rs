//! `docs/faults.md` is the catalogue in print: generated here, compared here, never edited by hand.
//!
//! `cargo test -p base -- --ignored write_the_page_of_faults` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base::fault::{Code, Explanation, Lang, Text};

const INTRODUCTION: &str = "\
<!-- Generated from base::fault: cargo test -p base -- --ignored write_the_page_of_faults -->

# Faults

Every error that a person can see comes from one catalogue, in English and Japanese: what happened, why, and what to do.
`dozo explain CODE` prints an entry, `dozo explain` lists them all. This page is the same catalogue, printed; words in
capitals stand for values.

- A **code** is a stable name. Once released it is neither renamed nor used for anything else.
- **Severity** is that of the alert: *critical* means that data is not protected, or not restorable, until somebody or
  something acts; *warning* that something was refused, left out, or will become critical; *information* that nothing has
  to be done.
- **Exit** is the exit code of a command that ends with the fault: 0 done, 1 failed, 2 usage, 3 done with warnings, 4 not
  found, 5 refused, 6 conflict, 7 unreachable, 8 damaged data, 9 timed out waiting. Where that is 3 or 0, other work was
  done beside it; a command that could do nothing else ends with 5 if the kind is *denied*, else with 1.
- **Kind** is what a caller can do: *retry*, *fix-input*, *not-found*, *denied*, *damaged*, or *bug*.
- **Also known as** are the error numbers that administrators of Microsoft Azure Backup Server know for the same trouble,
  and the items of its troubleshooting guide (S01 to S66). `dozo explain 33515` works. A number can belong to several codes.
";

/// Codes under one heading.
struct Section {
    title: String,
    codes: Vec<Code>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> PathBuf {
    root().join("docs/faults.md")
}

/// The catalogue in its order, under the headings of the English texts.
fn sections() -> Vec<Section> {
    let texts = include_str!("../../src/fault/texts/en.ftl");
    let mut sections: Vec<Section> = Vec::new();
    for line in texts.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section {
                title: title.to_owned(),
                codes: Vec::new(),
            });
        }
        let name = line.split_once("-what =").map(|(name, _)| name);
        if let Some(code) = name.and_then(Code::parse) {
            let section = sections.last_mut().expect("texts stand under a heading");
            section.codes.push(code);
        }
    }
    sections
}

/// Returns the product's sources but the catalogue's own, without comments and unit tests.
fn sources() -> String {
    let mut code = String::new();
    let mut waiting = vec![root().join("crates")];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            let outside = ["tests", "testkit", "fault"]
                .iter()
                .any(|d| path.ends_with(d));
            if path.is_dir() {
                waiting.extend((!outside).then_some(path));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("fault.rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                let product = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = product
                    .lines()
                    .filter(|l| !l.trim_start().starts_with("//"));
                lines.for_each(|line| code.extend([line, "\n"]));
            }
        }
    }
    code
}

/// Returns the codes that some line of the product makes a fault of, as told from its spelling: they stand after
/// `new(`, `=>` or `code =`. Elsewhere a code is only recognised or settled.
fn raised() -> BTreeSet<&'static str> {
    let code = sources();
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("Code::") {
        let before = code[..at].trim_end_matches("base::fault::").trim_end();
        let rest = &code[at + "Code::".len()..];
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next();
        if ["new(", "=>", "code ="]
            .iter()
            .any(|made| before.ends_with(made))
        {
            names.extend(name.and_then(Code::parse).map(Code::name));
        }
    }
    assert!(names.len() > 20, "the search for raised codes is broken");
    names
}

fn also_known_as(code: Code) -> String {
    let items = code.guide().iter().map(|item| format!("S{item:02}"));
    let numbers = code.compat().iter().map(|id| (*id).to_owned());
    items.chain(numbers).collect::<Vec<_>>().join(", ")
}

fn entry(out: &mut String, code: Code, raised: bool) {
    let severity = code.severity().name();
    let (kind, exit) = (code.kind().name(), code.exit());
    let _ = write!(out, "\n### {code}\n\n{severity} · exit {exit} · {kind}");
    let also = also_known_as(code);
    if !also.is_empty() {
        let _ = write!(out, " · also known as {also}");
    }
    out.push_str(if raised {
        "\n"
    } else {
        " · **not raised yet**\n"
    });
    for lang in Lang::ALL {
        let Explanation { text, .. } = code.explain(lang);
        let Text {
            what, why, actions, ..
        } = text;
        let _ = write!(out, "\n**{}**\\\n{}\n\n", plain(&what), plain(&why));
        for action in actions {
            let _ = writeln!(out, "- {}", plain(&action));
        }
    }
}

/// Keeps what Markdown would take for a mark of its own.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('`').enumerate() {
        let quoted = n % 2 == 1;
        out.push_str(if n > 0 { "`" } else { "" });
        if quoted {
            out.push_str(part);
        } else {
            out.push_str(
                &part
                    .replace('<', "&lt;")
                    .replace('*', "\\*")
                    .replace('_', "\\_"),
            );
        }
    }
    out
}

fn rendered() -> String {
    let raised = raised();
    let mut out = INTRODUCTION.to_owned();
    let waiting: Vec<&str> = Code::all()
        .iter()
        .map(|code| code.name())
        .filter(|name| !raised.contains(name))
        .collect();
    let _ = writeln!(
        out,
        "\nOf the {} codes, {} are raised by some line of today's program. The others have their place and their texts, \
         but nothing raises\nthem yet{}",
        Code::all().len(),
        raised.len(),
        if waiting.is_empty() {
            ".".to_owned()
        } else {
            format!(": {}.", waiting.join(", "))
        },
    );
    for section in sections() {
        let title = section.title;
        let _ = write!(
            out,
            "\n## {title}\n\n| code | severity | exit | also known as |\n|---|---|---|---|\n"
        );
        for code in &section.codes {
            let name = code.name();
            let anchor = name.to_lowercase();
            let (severity, exit) = (code.severity().name(), code.exit());
            let also = also_known_as(*code);
            let _ = writeln!(
                out,
                "| [{name}](#{anchor}) | {severity} | {exit} | {also} |"
            );
        }
        for code in section.codes {
            entry(&mut out, code, raised.contains(code.name()));
        }
    }
    out
}

#[test]
fn the_page_of_faults_is_the_catalogue() {
    let found = fs::read_to_string(page()).expect("docs/faults.md is there");
    let expected = rendered();
    let mut lines = found.lines().zip(expected.lines()).enumerate();
    let differs = lines.find(|(_, (found, expected))| found != expected);
    assert!(
        found == expected,
        "docs/faults.md is not what the catalogue and the sources say ({differs:?}); write it anew: \
         cargo test -p base -- --ignored write_the_page_of_faults"
    );
}

#[test]
fn every_code_stands_once_under_a_heading() {
    let mut codes: Vec<Code> = sections().into_iter().flat_map(|s| s.codes).collect();
    codes.sort();
    let mut all = Code::all().to_vec();
    all.sort();
    assert_eq!(codes, all);
}

#[test]
#[ignore = "writes docs/faults.md"]
fn write_the_page_of_faults() {
    fs::write(page(), rendered()).expect("docs/faults.md can be written");
}
