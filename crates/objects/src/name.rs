//! Names of objects: relative paths that every file system and every bucket can hold.
//!
//! Components are 1 to 64 of `a-z 0-9 . _ -` and do not begin with a dot, so a name never leaves its place,
//! never depends on case, and never meets what a place keeps for itself (`.tmp`).

use std::fmt;
use std::str::FromStr;

use base::limits::{OBJECT_NAME_PART_BYTES_MAX, OBJECT_NAME_PARTS_MAX};

/// The name of an object, such as `packs/ab/ab12…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(
    /// Valid: see the module.
    Box<str>,
);

/// Why a text is not an object's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an object name: {text:?}")]
pub struct NotAnObjectName {
    /// The text.
    pub text: String,
}

impl ObjectName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NotAnObjectName`]: it has another form.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAnObjectName> {
        let text = text.into();
        let valid =
            text.split('/').count() <= OBJECT_NAME_PARTS_MAX && text.split('/').all(is_part);
        if valid {
            Ok(Self(text.into_boxed_str()))
        } else {
            Err(NotAnObjectName { text })
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory part, empty for a name of one component.
    pub fn dir(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    /// Returns the last component.
    pub fn leaf(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, leaf)| leaf)
    }
}

fn is_part(part: &str) -> bool {
    (1..=OBJECT_NAME_PART_BYTES_MAX).contains(&part.len())
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// Returns the 256 directories `dir/00` to `dir/ff` over which names that begin with a hash are spread.
///
/// # Errors
/// [`NotAnObjectName`]: `dir` is not one.
pub fn fan_out(dir: &str) -> Result<Vec<ObjectName>, NotAnObjectName> {
    (0..=255_u8)
        .map(|b| ObjectName::new(format!("{dir}/{b:02x}")))
        .collect()
}

impl FromStr for ObjectName {
    type Err = NotAnObjectName;

    fn from_str(text: &str) -> Result<Self, NotAnObjectName> {
        Self::new(text)
    }
}

impl TryFrom<&str> for ObjectName {
    type Error = NotAnObjectName;

    fn try_from(text: &str) -> Result<Self, NotAnObjectName> {
        Self::new(text)
    }
}

/// Orders as the text does, so that a map of names can be searched by prefix.
impl std::borrow::Borrow<str> for ObjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ObjectName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_place() {
        let long = "a".repeat(65);
        let deep = ["a"; 9].join("/");
        for bad in [
            "", "/", "a/", "/a", "a//b", "..", "a/../b", ".", ".tmp/x", "a/.b", "A", "a b", "a\0",
            "ä", &long, &deep,
        ] {
            assert!(ObjectName::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            "a",
            "packs/ab/ab12",
            "log/00000000000000000001",
            "a.b_c-d",
            &"f".repeat(64),
        ] {
            assert!(ObjectName::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_name_divides_into_directory_and_leaf() {
        let name = ObjectName::new("packs/ab/ab12").expect("valid");
        assert_eq!((name.dir(), name.leaf()), ("packs/ab", "ab12"));
        let name = ObjectName::new("format").expect("valid");
        assert_eq!((name.dir(), name.leaf()), ("", "format"));
    }
}
