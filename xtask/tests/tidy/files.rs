//! Rules about files as a whole.

use super::tree::rust;

/// Returns files that do not open with a module comment.
pub(crate) fn undocumented() -> Vec<String> {
    rust()
        .into_iter()
        .filter(|t| !t.text.starts_with("//!"))
        .map(|t| t.path)
        .collect()
}

/// Returns files longer than `limit` lines.
pub(crate) fn too_long(limit: usize) -> Vec<String> {
    rust()
        .into_iter()
        .map(|t| (t.text.lines().count(), t.path))
        .filter(|(lines, _)| *lines > limit)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect()
}

/// Returns files whose name says nothing.
pub(crate) fn badly_named() -> Vec<String> {
    const SAY_NOTHING: &[&str] = &[
        "mod", "util", "utils", "common", "helpers", "manager", "types",
    ];
    rust()
        .into_iter()
        .filter(|t| {
            let stem = t
                .path
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .trim_end_matches(".rs");
            SAY_NOTHING.contains(&stem)
        })
        .map(|t| t.path)
        .collect()
}

/// Returns test files that no `mod` line compiles.
pub(crate) fn forgotten() -> Vec<String> {
    let all = rust();
    let mut offences = Vec::new();
    for test in all
        .iter()
        .filter(|t| t.path.contains("/tests/it/") && !t.path.ends_with("/main.rs"))
    {
        let (dir, file) = test.path.rsplit_once('/').expect("a path has a directory");
        let stem = file.trim_end_matches(".rs");
        let parent = if dir.ends_with("/tests/it") {
            format!("{dir}/main.rs")
        } else {
            format!("{dir}.rs")
        };
        let named = all
            .iter()
            .any(|t| t.path == parent && t.text.contains(&format!("mod {stem};")));
        if !named {
            offences.push(test.path.clone());
        }
    }
    offences
}
