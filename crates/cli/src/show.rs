//! What answers look like to people: aligned columns, times in the local zone, sentences.
//!
//! Everything here is a pure function from views to text. Nothing here is meant to be parsed: programs ask for
//! `--json`.

pub mod column;
pub mod find;
pub mod group;
pub mod job;
pub mod point;
pub mod server;
pub mod source;
pub mod status;
pub mod when;

/// Returns `count` with the word for it: `1 file`, `1,234 files`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{} {word}", base::units::count(count))
}

/// Returns `count` files as a phrase.
pub fn files(count: u64) -> String {
    counted(count, "file", "files")
}

/// Returns the beginning of an id that people type: long enough to be unique in practice.
pub fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
