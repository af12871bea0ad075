//! Entries found in many recovery points, and differences between two.

use api::view::{ChangeView, Changed, EntryKind, EntryView, FoundView, VersionView};
use base::units::{bytes, count};

use super::short;
use super::when::Here;

/// Returns what was found: each source once, each entry with a line for everything it was. `last_source` is the source
/// that was shown last.
pub fn found(found: &[FoundView], last_source: &mut String, here: &Here) -> String {
    let mut out = String::new();
    for one in found {
        if *last_source != one.source {
            out.push_str(&format!("{}\n", one.source));
            last_source.clone_from(&one.source);
        }
        let ending = match one.versions.first().map(|version| version.entry.kind) {
            Some(EntryKind::Directory) => "/",
            _ => "",
        };
        out.push_str(&format!("  {}{ending}\n", one.path));
        for version in &one.versions {
            out.push_str(&format!("    {}\n", version_line(version, here)));
        }
    }
    out
}

fn version_line(version: &VersionView, here: &Here) -> String {
    let modified = version.entry.modified;
    let modified = modified.map_or_else(String::new, |time| here.column(time));
    let newest = format!(
        "{} {}",
        short(&version.newest.id),
        here.column(version.newest.time)
    );
    let points = match version.points {
        1 => format!("in point {newest}"),
        n => format!(
            "in {} points from {} to {newest}",
            count(n),
            here.column(version.oldest.time)
        ),
    };
    format!("{:>10}  {modified}  {points}", size(&version.entry))
}

fn size(entry: &EntryView) -> String {
    match entry.kind {
        EntryKind::File => bytes(entry.size),
        _ => "-".to_owned(),
    }
}

/// Returns differences, one a line: `+` came, `-` went, `M` content stored anew, `m` other metadata.
pub fn changes(changes: &[ChangeView]) -> String {
    changes.iter().map(change_line).collect()
}

fn change_line(change: &ChangeView) -> String {
    let sign = match change.change {
        Changed::Added => '+',
        Changed::Removed => '-',
        Changed::Content => 'M',
        Changed::Metadata => 'm',
    };
    let entry = change.to.as_ref().or(change.from.as_ref());
    let ending = match entry.map(|entry| entry.kind) {
        Some(EntryKind::Directory) => "/",
        _ => "",
    };
    let path = match change.path.0.is_empty() {
        true => ".".to_owned(),
        false => change.path.to_string(),
    };
    let about = about(change);
    let about = match about.is_empty() {
        true => String::new(),
        false => format!("  ({about})"),
    };
    format!("{sign} {path}{ending}{about}\n")
}

/// Returns what is different, in words.
fn about(change: &ChangeView) -> String {
    let (Some(from), Some(to)) = (&change.from, &change.to) else {
        let entry = change.to.as_ref().or(change.from.as_ref());
        return match entry {
            Some(entry) if entry.kind == EntryKind::File => bytes(entry.size),
            _ => String::new(),
        };
    };
    let mut words = Vec::new();
    if from.kind != to.kind {
        words.push("of another kind".to_owned());
    } else if from.size != to.size {
        words.push(format!("{} to {}", bytes(from.size), bytes(to.size)));
    }
    if from.target != to.target
        && let Some(target) = &to.target
    {
        words.push(format!("points to {target}"));
    }
    if from.mode != to.mode {
        words.push(format!("mode {:04o} to {:04o}", from.mode, to.mode));
    }
    if (&from.owner, &from.group) != (&to.owner, &to.group) {
        words.push(format!(
            "owner {}:{} to {}:{}",
            from.owner, from.group, to.owner, to.group
        ));
    }
    if change.change == Changed::Metadata && words.is_empty() {
        words.push(match from.modified != to.modified {
            true => "time".to_owned(),
            false => "attributes".to_owned(),
        });
    }
    words.join(", ")
}
