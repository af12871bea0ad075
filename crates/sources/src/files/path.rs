//! Keys of entries taken apart and put together.

use std::ffi::CString;

use base::limits::PATH_DEPTH_MAX;
use format::entry::FileKey;

use crate::problem::Reason;

/// Appends one directory's name to `prefix`, the key prefix of its parent: the encoding of [`FileKey`].
pub(super) fn push_component(prefix: &mut Vec<u8>, name: &[u8]) {
    if !prefix.is_empty() {
        prefix.push(1);
    }
    for &byte in name {
        if byte <= 2 {
            prefix.push(2);
        }
        prefix.push(byte);
    }
}

/// Returns the key of the entry `name` in the directory with the key prefix `prefix`.
pub(super) fn entry_key(prefix: &[u8], name: &[u8]) -> FileKey {
    let mut key = Vec::with_capacity(prefix.len() + 1 + name.len());
    key.extend_from_slice(prefix);
    key.push(0);
    key.extend_from_slice(name);
    FileKey(key)
}

/// Returns the key of a directory from its parent's components and its own name; the root's for none.
pub(super) fn directory_key(components: &[&[u8]]) -> FileKey {
    let Some((name, parents)) = components.split_last() else {
        return FileKey(Vec::new());
    };
    let mut prefix = Vec::new();
    parents.iter().for_each(|c| push_component(&mut prefix, c));
    entry_key(&prefix, name)
}

/// Returns components joined by `/`.
pub(super) fn joined(components: &[&[u8]]) -> Vec<u8> {
    components.join(&b'/')
}

/// Takes a key apart into its directory's key prefix and its name; `None` for the root. The key may come from
/// anywhere: the name is checked, the prefix is by [`components`].
///
/// # Errors
/// [`Reason::BadName`] if it is no key, or the name not one that a directory can hold.
pub(super) fn split_key(key: &FileKey) -> Result<Option<(&[u8], CString)>, Reason> {
    if key.0.is_empty() {
        return Ok(None);
    }
    let zero = key.0.iter().position(|b| *b == 0).ok_or(Reason::BadName)?;
    let name = checked(key.0[zero + 1..].to_vec())?;
    Ok(Some((&key.0[..zero], name)))
}

/// Takes a key prefix apart into the names of directories from the root down.
///
/// # Errors
/// [`Reason::BadName`] if a name is not one that a directory can hold, [`Reason::PathTooLong`] for too many.
pub(super) fn components(prefix: &[u8]) -> Result<Vec<CString>, Reason> {
    if prefix.is_empty() {
        return Ok(Vec::new());
    }
    let names = split(prefix)?
        .into_iter()
        .map(checked)
        .collect::<Result<Vec<_>, _>>()?;
    match names.len() > PATH_DEPTH_MAX {
        true => Err(Reason::PathTooLong),
        false => Ok(names),
    }
}

/// Undoes [`push_component`] for a whole prefix.
fn split(prefix: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    let mut parts = vec![Vec::new()];
    let mut bytes = prefix.iter();
    while let Some(&byte) = bytes.next() {
        let last = parts.last_mut().expect("starts with one");
        match byte {
            1 => parts.push(Vec::new()),
            2 => match bytes.next() {
                Some(&escaped @ (1 | 2)) => last.push(escaped),
                _ => return Err(Reason::BadName),
            },
            other => last.push(other),
        }
    }
    Ok(parts)
}

fn checked(name: Vec<u8>) -> Result<CString, Reason> {
    if matches!(name.as_slice(), b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Reason::BadName);
    }
    CString::new(name).map_err(|_| Reason::BadName)
}

/// Returns the key prefix of the entries of the directory `name` in the one with the prefix `parent`.
pub(super) fn child_prefix(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let mut prefix = parent.to_vec();
    push_component(&mut prefix, name);
    prefix
}

/// Returns the key of the directory with the key prefix `prefix`, which [`child_prefix`] made.
pub(super) fn key_of_directory(prefix: &[u8]) -> FileKey {
    let parts = split(prefix).unwrap_or_default();
    let parts: Vec<&[u8]> = parts
        .iter()
        .map(Vec::as_slice)
        .filter(|part| !part.is_empty())
        .collect();
    directory_key(&parts)
}

/// Returns the path of a key to show to people, whatever the key holds.
pub(super) fn shown_path(key: &FileKey) -> Vec<u8> {
    let Some(zero) = key.0.iter().position(|b| *b == 0) else {
        return key.0.clone();
    };
    let (prefix, name) = (&key.0[..zero], &key.0[zero + 1..]);
    if prefix.is_empty() {
        return name.to_vec();
    }
    let mut path = split(prefix)
        .unwrap_or_else(|_| vec![prefix.to_vec()])
        .join(&b'/');
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Putting names together and taking the key apart is identity; keys order as paths walk.
        #[test]
        fn keys_come_apart_as_they_were_put_together(names in prop::collection::vec("[\u{1}-\u{4}a./]{1,5}", 1..5)) {
            let parts: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
            let key = directory_key(&parts);
            let legal = parts.iter().all(|n| !n.contains(&b'/') && !matches!(*n, b"." | b".."));
            let found = split_key(&key).and_then(|parts| {
                let (prefix, name) = parts.expect("not the root");
                let mut found = components(prefix)?;
                found.push(name);
                Ok(found)
            });
            match found {
                Ok(found) => prop_assert_eq!(found.iter().map(|n| n.to_bytes()).collect::<Vec<_>>(), parts),
                Err(reason) => prop_assert!(!legal && reason == Reason::BadName),
            }
        }

        /// Any bytes are a key or an error, never a name that leads elsewhere.
        #[test]
        fn any_bytes_are_refused_or_harmless(bytes in prop::collection::vec(prop::sample::select(&b"\x00\x01\x02./a"[..]), 0..12)) {
            let key = FileKey(bytes);
            if let Ok(Some((prefix, name))) = split_key(&key)
                && let Ok(mut names) = components(prefix)
            {
                names.push(name);
                for name in names {
                    prop_assert!(!name.to_bytes().contains(&b'/') && !matches!(name.to_bytes(), b"" | b"." | b".."));
                }
            }
        }
    }
}
