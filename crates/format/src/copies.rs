//! Second copies of small objects: many of them in one object.
//!
//! A pack mends itself; records of the log and descriptions of points are smaller than what a disk loses at once, so
//! what they are is stored a second time elsewhere. Nothing vouches for an entry but the checks that its own object has to
//! pass: a damaged entry is no copy, and takes only itself and those behind it with it. Byte table: docs/format.md, "Copies".

use base::limits::{
    COPIES_RECORDS_MAX, LOG_RECORD_BYTES_MAX, OBJECT_NAME_PART_BYTES_MAX, OBJECT_NAME_PARTS_MAX,
};

use crate::VERSION;
use crate::wire::{Reader, Writer};

const MAGIC: &[u8; 8] = b"DOZOCOPY";
/// Most bytes of a copied object's name.
const NAME_BYTES_MAX: usize = (OBJECT_NAME_PART_BYTES_MAX + 1) * OBJECT_NAME_PARTS_MAX;

/// Returns the name of the object with the copies of the records from `first` to `last`.
pub fn object_name(first: u64, last: u64) -> String {
    format!("copies/log/{first:020}-{last:020}")
}

/// Returns which records an object of this name has copies of: the first and the last.
pub fn range_of(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_prefix("copies/log/")?.split_once('-')?;
    let number = |text: &str| match text.len() {
        20 => text.parse::<u64>().ok(),
        _ => None,
    };
    let (first, last) = (number(first)?, number(last)?);
    let count = last.checked_sub(first)?;
    (1 <= first && count < COPIES_RECORDS_MAX).then_some((first, last))
}

/// Returns the name of the copy of an object that is copied alone.
pub fn twin_name(name: &str) -> String {
    format!("copies/{name}")
}

/// Returns the bytes of an object with copies: names and bytes of objects, each at most [`LOG_RECORD_BYTES_MAX`].
pub fn encode<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(4096);
    writer.raw(MAGIC).u16(VERSION);
    for (name, bytes) in entries {
        writer.bytes(name.as_bytes()).bytes(bytes);
    }
    writer.finish()
}

/// Returns the names and bytes that an object has copies of, as far as they can be told.
pub fn decode(bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut entries = Vec::new();
    let mut reader = Reader::new(bytes);
    let head = reader.array::<8>().ok().zip(reader.u16().ok());
    if head != Some((*MAGIC, VERSION)) {
        return entries;
    }
    while let Ok(name) = reader.text(NAME_BYTES_MAX)
        && let Ok(bytes) = reader.bytes(LOG_RECORD_BYTES_MAX)
    {
        entries.push((name, bytes));
    }
    entries
}
