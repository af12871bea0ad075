//! Names and paths of any bytes on the wire.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A name or path: a JSON string if it is UTF-8, else an object `{"hex": "6cff"}`. Every name survives the trip.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathText(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Hex { hex: String },
}

impl PathText {
    /// Returns the bytes as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Returns the bytes as a path that owns them.
    pub fn into_path(self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.0))
    }

    /// Returns the bytes as hexadecimal digits: the form for queries.
    pub fn to_hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    /// Reads [`Self::to_hex`]'s form back; `None` if `hex` is not that.
    pub fn from_hex(hex: &str) -> Option<Self> {
        // Also keeps signs out, which `from_str_radix` would take.
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) || !hex.len().is_multiple_of(2) {
            return None;
        }
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).ok())
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// Shows it for people: printable text as it is, everything else (control characters, bytes that are not
/// UTF-8) as `\x0a`, a backslash doubled, so that a name cannot move the cursor or pass for another.
impl fmt::Display for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let mut out = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    c if c.is_control() || turns_text(c) => {
                        let mut buffer = [0; 4];
                        for byte in c.encode_utf8(&mut buffer).bytes() {
                            let _ = write!(out, "\\x{byte:02x}");
                        }
                    }
                    c => out.push(c),
                }
            }
            for byte in chunk.invalid() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
        f.pad(&out)
    }
}

/// Says whether a character turns the direction of the text after it, so that a name would look like another (Unicode TR 9,
/// explicit directional formatting).
fn turns_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

impl fmt::Debug for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&Path> for PathText {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<PathBuf> for PathText {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string().into_vec())
    }
}

impl From<&str> for PathText {
    fn from(path: &str) -> Self {
        Self(path.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for PathText {
    fn from(path: Vec<u8>) -> Self {
        Self(path)
    }
}

impl Serialize for PathText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Form::Text(text.to_owned()),
            Err(_) => Form::Hex { hex: self.to_hex() },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PathText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Hex { hex } => {
                Self::from_hex(&hex).ok_or_else(|| D::Error::custom("not hexadecimal digits"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_the_wire() {
        for bytes in [
            &b""[..],
            b"a/b c",
            b"\xff\xfe",
            b"new\nline",
            "土蔵".as_bytes(),
        ] {
            let path = PathText(bytes.to_vec());
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<PathText>(&json).unwrap(), path);
            assert_eq!(PathText::from_hex(&path.to_hex()), Some(path));
        }
        assert_eq!(
            serde_json::to_string(&PathText(b"l\xff".to_vec())).unwrap(),
            r#"{"hex":"6cff"}"#
        );
        assert!(serde_json::from_str::<PathText>(r#"{"hex":"6"}"#).is_err());
        assert_eq!(PathText::from_hex("+1"), None);
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let shown = PathText(b"a\n\x1b[2J\xff\\".to_vec()).to_string();
        assert_eq!(shown, r"a\x0a\x1b[2J\xff\\");
        let shown = PathText("\u{202e}txt.exe".as_bytes().to_vec()).to_string();
        assert_eq!(shown, r"\xe2\x80\xaetxt.exe");
    }
}
