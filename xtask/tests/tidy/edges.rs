//! Which crate may know which, and what may come from outside.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::tree::{read, root};

/// DESIGN's table: a crate and the crates below it. `testkit` may be used by tests anywhere.
const BELOW: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("format", &["base"]),
    ("objects", &["base"]),
    ("store", &["base", "format", "objects"]),
    ("sources", &["base", "format"]),
    ("api", &["base"]),
    ("engine", &["base", "format", "objects", "store", "api"]),
    ("agent", &["base", "format", "sources", "api"]),
    ("server", &["base", "api", "engine"]),
    (
        "cli",
        &[
            "base", "format", "objects", "store", "sources", "api", "engine", "agent", "server",
        ],
    ),
    ("model", &[]),
    ("testkit", &["base", "objects", "format"]),
    ("crash", &["base", "format", "objects", "store", "testkit"]),
    ("xtask", &["base", "format", "store", "api", "crash"]),
];

/// Licences whose terms Apache-2.0 code can be shipped under.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Returns what is built here: crates for other systems were never fetched, and are not asked for.
fn metadata() -> Value {
    let host = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let host = String::from_utf8_lossy(&host.stdout);
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).expect("cargo prints JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"]
        .as_array()
        .expect("metadata lists packages")
}

/// Returns every edge of the workspace that does not point down, and every crate the table does not know.
pub(crate) fn upward() -> Vec<String> {
    let metadata = metadata();
    let ours: BTreeSet<&str> = packages(&metadata)
        .iter()
        .filter(|p| p["source"].is_null())
        .map(|p| text(p, "name"))
        .collect();
    let mut offences = Vec::new();
    for package in packages(&metadata).iter().filter(|p| p["source"].is_null()) {
        let name = text(package, "name");
        let Some((_, below)) = BELOW.iter().find(|(n, _)| *n == name) else {
            offences.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = text(dependency, "name");
            let in_tests = text(dependency, "kind") == "dev";
            if ours.contains(to) && !below.contains(&to) && !in_tests {
                offences.push(format!("{name} -> {to}"));
            }
        }
    }
    offences
}

/// Returns dependencies that name a version or features outside the workspace table.
pub(crate) fn unpooled() -> Vec<String> {
    let mut offences = Vec::new();
    for (name, _) in BELOW {
        let path = if *name == "xtask" {
            "xtask/Cargo.toml".into()
        } else {
            format!("crates/{name}/Cargo.toml")
        };
        let mut in_dependencies = false;
        for line in read(&path).lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            } else if in_dependencies
                && !line.trim().is_empty()
                && !line.contains(".workspace = true")
            {
                offences.push(format!("{path}: {line}"));
            }
        }
    }
    offences
}

/// Returns dependencies of the workspace table without a reason.
pub(crate) fn unreasoned() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let table = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the workspace has a table of dependencies");
    table
        .lines()
        .filter(|l| l.contains(" = ") && !l.contains("path = ") && !l.contains("} # "))
        .map(str::to_owned)
        .collect()
}

/// Returns packages under a licence that is not on the list; `OR` needs one that is, `AND` all.
pub(crate) fn unlicensed() -> Vec<String> {
    let metadata = metadata();
    let known = |one: &str| LICENCES.contains(&one.trim().trim_matches(['(', ')']));
    let fine = |expression: &str| {
        expression
            .replace('/', " OR ")
            .replace(") AND (", " AND ")
            .split(" AND ")
            .all(|all| all.split(" OR ").any(known))
    };
    println!("{} packages", packages(&metadata).len());
    packages(&metadata)
        .iter()
        .filter(|p| !fine(text(p, "license")))
        .map(|p| {
            format!(
                "{} {}: {}",
                text(p, "name"),
                text(p, "version"),
                p["license"]
            )
        })
        .collect()
}
