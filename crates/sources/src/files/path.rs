//! Keys of entries taken apart as the walk and the restore need them.
//!
//! A *prefix* here is what the keys of a directory's entries have before their 00: [`FileKey::dir_prefix`]
//! without its end. Its ancestors' prefixes are its beginnings, so none is ever copied.

use std::ffi::CString;

use base::limits::PATH_DEPTH_MAX;
use format::entry::{BadKey, FileKey, check_name};

use crate::problem::Reason;

impl From<BadKey> for Reason {
    fn from(bad: BadKey) -> Self {
        match bad {
            BadKey::Name | BadKey::Encoding => Self::BadName,
            BadKey::TooLong => Self::PathTooLong,
        }
    }
}

/// Returns the prefix of the directory `key`.
pub(super) fn prefix_of(key: &FileKey) -> Vec<u8> {
    let mut prefix = key.dir_prefix();
    prefix.pop();
    prefix
}

/// Returns the key of a directory that is called so from the root down; the root's for no name. Every
/// directory that a walk enters has one.
pub(super) fn directory_key(components: &[&[u8]]) -> Result<FileKey, BadKey> {
    match components.split_last() {
        None => Ok(FileKey::root()),
        Some((name, parents)) => FileKey::new(parents, name),
    }
}

/// Takes a key apart into its directory's prefix and its name; `None` for the root. The key may come from
/// anywhere: the name is checked, the prefix is by [`components`].
///
/// # Errors
/// [`Reason::BadName`] if it is no key, or the name not one that a directory can hold.
pub(super) fn split_key(key: &FileKey) -> Result<Option<(&[u8], CString)>, Reason> {
    if key.is_root() {
        return Ok(None);
    }
    let zero = key.0.iter().position(|b| *b == 0).ok_or(Reason::BadName)?;
    let name = checked(key.0[zero + 1..].to_vec())?;
    Ok(Some((&key.0[..zero], name)))
}

/// A directory on the way to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) name: CString,
    /// Where its own prefix ends in that of the last.
    pub(super) end: usize,
}

/// Takes a prefix apart into directories from the root down.
///
/// # Errors
/// [`Reason::BadName`] if a name is not one that a directory can hold, [`Reason::PathTooLong`] for too many.
pub(super) fn components(prefix: &[u8]) -> Result<Vec<Component>, Reason> {
    let mut found = Vec::new();
    if prefix.is_empty() {
        return Ok(found);
    }
    let mut name = Vec::new();
    let mut bytes = prefix.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            1 => found.push(Component {
                name: checked(std::mem::take(&mut name))?,
                end: at,
            }),
            2 => match bytes.next() {
                Some((_, &escaped @ (1 | 2))) => name.push(escaped),
                _ => return Err(Reason::BadName),
            },
            other => name.push(other),
        }
    }
    found.push(Component {
        name: checked(name)?,
        end: prefix.len(),
    });
    match found.len() > PATH_DEPTH_MAX {
        true => Err(Reason::PathTooLong),
        false => Ok(found),
    }
}

fn checked(name: Vec<u8>) -> Result<CString, Reason> {
    check_name(&name)?;
    CString::new(name).map_err(|_| Reason::BadName)
}

/// Returns the key of the directory with the prefix `prefix`, which [`prefix_of`] made.
pub(super) fn key_of_directory(prefix: &[u8]) -> FileKey {
    let components = components(prefix).unwrap_or_default();
    let names: Vec<_> = components
        .iter()
        .map(|component| component.name.to_bytes())
        .collect();
    directory_key(&names).unwrap_or_else(|_| FileKey::root())
}

/// Returns the path of a key to show to people, whatever the key holds.
pub(super) fn shown(key: &FileKey) -> Vec<u8> {
    key.to_path().unwrap_or_else(|_| key.0.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(key: &FileKey) -> Option<Vec<Vec<u8>>> {
        let Some((prefix, name)) = split_key(key).ok()? else {
            return Some(Vec::new());
        };
        let above = components(prefix).ok()?;
        for component in &above {
            let own = components(&prefix[..component.end]).ok()?;
            assert_eq!(own[..], above[..own.len()]);
        }
        let all = above
            .into_iter()
            .map(|component| component.name)
            .chain([name]);
        Some(all.map(CString::into_bytes).collect())
    }

    proptest! {
        /// Whatever the bytes, they are the names that the format reads from them, or refused.
        #[test]
        fn keys_come_apart_as_the_format_says(
            bytes in prop::collection::vec(prop::sample::select(&b"\x00\x01\x02./ab"[..]), 0..14),
        ) {
            let key = FileKey(bytes);
            prop_assert_eq!(names(&key), key.components().ok());
        }

        /// A directory's prefix leads back to its key.
        #[test]
        fn a_prefix_leads_back_to_its_key(parts in prop::collection::vec("[\u{1}-\u{3}a]{1,4}", 0..5)) {
            let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let key = directory_key(&parts).unwrap();
            prop_assert_eq!(key_of_directory(&prefix_of(&key)), key);
        }
    }
}
