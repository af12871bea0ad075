//! Keys of a file tree: made from names, read back as names, and ordered as a walk.

use std::ops::Bound;

use base::limits::{NAME_BYTES_MAX, PATH_DEPTH_MAX, TREE_KEY_BYTES_MAX};

/// Before an entry's name.
const NAME: u8 = 0;
/// Between the components of a directory.
const NEXT: u8 = 1;
/// Before a byte 01 or 02 of a component.
const ESCAPE: u8 = 2;

/// Where an entry stands in a file tree. Byte order of keys is walk order.
///
/// `encode(component 1) 01 encode(component 2) ... 00 name`, where the components are those of the parent
/// directory below the root and `encode` writes byte 01 as `02 01` and byte 02 as `02 02`. Names hold no 00
/// and no `/`. The root itself has the empty key; an entry of the root has `00 name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileKey(pub Vec<u8>);

/// The bytes are not a name, a path or a key of a file tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Empty, `.`, `..`, with a 00 or a `/`, or longer than [`NAME_BYTES_MAX`].
    #[error("not a name of a directory entry")]
    Name,
    /// Longer than [`TREE_KEY_BYTES_MAX`] or deeper than [`PATH_DEPTH_MAX`].
    #[error("the path is too long or too deep")]
    TooLong,
    /// No sequence of names has this key.
    #[error("not a key of a file tree")]
    Encoding,
}

/// Checks that `name` may be one component of a path: what is restored can never leave its directory.
///
/// # Errors
/// [`BadKey::Name`].
pub fn check_name(name: &[u8]) -> Result<(), BadKey> {
    let plain = !matches!(name, b"" | b"." | b"..") && name.len() <= NAME_BYTES_MAX;
    if !plain || name.iter().any(|b| matches!(b, 0 | b'/')) {
        return Err(BadKey::Name);
    }
    Ok(())
}

fn encode(component: &[u8], out: &mut Vec<u8>) {
    for byte in component {
        if matches!(*byte, NEXT | ESCAPE) {
            out.push(ESCAPE);
        }
        out.push(*byte);
    }
}

impl FileKey {
    /// Returns the key of the root itself.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Returns whether it is the key of the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key of `name` in the directory of these components below the root.
    ///
    /// # Errors
    /// [`BadKey::Name`], [`BadKey::TooLong`].
    pub fn new(dir_components: &[&[u8]], name: &[u8]) -> Result<Self, BadKey> {
        if dir_components.len() >= PATH_DEPTH_MAX {
            return Err(BadKey::TooLong);
        }
        let mut key = Vec::new();
        for (i, component) in dir_components.iter().enumerate() {
            check_name(component)?;
            if i > 0 {
                key.push(NEXT);
            }
            encode(component, &mut key);
        }
        key.push(NAME);
        Self::in_dir(key, name)
    }

    /// Returns the key of `name` in the directory with this [`Self::dir_prefix`]. Cheap: for walks.
    ///
    /// # Errors
    /// [`BadKey::Name`], [`BadKey::TooLong`].
    pub fn in_dir(mut dir_prefix: Vec<u8>, name: &[u8]) -> Result<Self, BadKey> {
        check_name(name)?;
        dir_prefix.extend_from_slice(name);
        if dir_prefix.len() > TREE_KEY_BYTES_MAX {
            return Err(BadKey::TooLong);
        }
        Ok(Self(dir_prefix))
    }

    /// Returns the key of `name` in this directory.
    ///
    /// # Errors
    /// [`BadKey::Name`], [`BadKey::TooLong`].
    pub fn child(&self, name: &[u8]) -> Result<Self, BadKey> {
        Self::in_dir(self.dir_prefix(), name)
    }

    /// Returns the entry's name; empty for the root.
    pub fn name(&self) -> &[u8] {
        match self.split() {
            Some((_, name)) => name,
            None => &[],
        }
    }

    /// Returns the key of the directory that holds the entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (dir, _) = self.split()?;
        if dir.is_empty() {
            return Some(Self::root());
        }
        // An escaped 01 stands after an odd number of 02, a separator after an even one: the last separator
        // is found from the front.
        let components: Vec<_> = raw_components(dir).collect();
        let (last, above) = components.split_last()?;
        let mut key = above.join(&NEXT);
        key.push(NAME);
        key.extend_from_slice(&decode(last)?);
        Some(Self(key))
    }

    /// Returns how deep the entry is: 0 for the root, 1 for its entries.
    pub fn depth(&self) -> usize {
        match self.split() {
            None => 0,
            Some((b"", _)) => 1,
            Some((dir, _)) => 1 + raw_components(dir).count(),
        }
    }

    /// Returns what the keys of all entries directly in this directory begin with, and no other keys.
    pub fn dir_prefix(&self) -> Vec<u8> {
        let mut prefix = self.encoded_path();
        prefix.push(NAME);
        prefix
    }

    /// Returns the range of the keys of all entries directly in this directory.
    pub fn entries_range(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let start = self.dir_prefix();
        let mut end = start.clone();
        end.pop();
        end.push(NEXT);
        (Bound::Included(start), Bound::Excluded(end))
    }

    /// Returns the range of the keys of everything below this directory, itself not among it.
    pub fn subtree_range(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let start = self.dir_prefix();
        if self.is_root() {
            return (Bound::Included(start), Bound::Unbounded);
        }
        let mut end = start.clone();
        end.pop();
        end.push(ESCAPE);
        // A sibling whose name goes on with 01 or 02 has an escape here: it is above.
        (Bound::Included(start), Bound::Excluded(end))
    }

    /// Returns the names from the root to the entry; none for the root.
    ///
    /// # Errors
    /// [`BadKey`]: the key was not made by this type. To be asked of every key that is read.
    pub fn components(&self) -> Result<Vec<Vec<u8>>, BadKey> {
        if self.is_root() {
            return Ok(Vec::new());
        }
        if self.0.len() > TREE_KEY_BYTES_MAX {
            return Err(BadKey::TooLong);
        }
        let (dir, name) = self.split().ok_or(BadKey::Encoding)?;
        let mut components = Vec::new();
        if !dir.is_empty() {
            for raw in raw_components(dir) {
                components.push(decode(raw).ok_or(BadKey::Encoding)?);
            }
        }
        components.push(name.to_vec());
        if components.len() > PATH_DEPTH_MAX {
            return Err(BadKey::TooLong);
        }
        components.iter().try_for_each(|c| check_name(c))?;
        Ok(components)
    }

    /// Returns the path below the root, `a/b/c`; empty for the root.
    ///
    /// # Errors
    /// As [`Self::components`].
    pub fn to_path(&self) -> Result<Vec<u8>, BadKey> {
        Ok(self.components()?.join(&b'/'))
    }

    /// Returns the key of a path below the root. Slashes at either end and doubled ones mean nothing.
    ///
    /// # Errors
    /// [`BadKey::Name`] also for `.` and `..`; [`BadKey::TooLong`].
    pub fn from_path(path: &[u8]) -> Result<Self, BadKey> {
        let components: Vec<_> = path
            .split(|b| *b == b'/')
            .filter(|c| !c.is_empty())
            .collect();
        match components.split_last() {
            None => Ok(Self::root()),
            Some((name, dir)) => Self::new(dir, name),
        }
    }

    /// The encoded directory and the name, around the only 00.
    fn split(&self) -> Option<(&[u8], &[u8])> {
        let at = self.0.iter().position(|b| *b == NAME)?;
        Some((&self.0[..at], &self.0[at + 1..]))
    }

    /// The entry itself as an encoded directory.
    fn encoded_path(&self) -> Vec<u8> {
        let Some((dir, name)) = self.split() else {
            return Vec::new();
        };
        let mut path = Vec::with_capacity(self.0.len() + 8);
        path.extend_from_slice(dir);
        if !dir.is_empty() {
            path.push(NEXT);
        }
        encode(name, &mut path);
        path
    }
}

/// Splits an encoded directory at its separators; the pieces are still escaped.
fn raw_components(dir: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut escaped = false;
    dir.split(move |byte| {
        let separator = *byte == NEXT && !escaped;
        escaped = *byte == ESCAPE && !escaped;
        separator
    })
}

fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        out.push(match *byte {
            ESCAPE => *bytes.next().filter(|b| matches!(**b, NEXT | ESCAPE))?,
            NEXT => return None,
            byte => byte,
        });
    }
    Some(out)
}
