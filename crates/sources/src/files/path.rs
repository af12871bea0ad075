//! Keys of entries taken apart and put together.

use format::entry::FileKey;

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
