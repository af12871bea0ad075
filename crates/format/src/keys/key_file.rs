//! The key file: what lets the server open its store unattended.
//!
//! One line, `dozo-key-1 <64 hex digits of the key><8 hex digits of its check>`, so that a copy on paper can
//! be typed back and a slip is noticed.

use std::fmt::Write as _;

use base::Env;
use zeroize::Zeroizing;

use super::Secret;

const PREFIX: &str = "dozo-key-1 ";
const CHECK_BYTES: usize = 4;
const DIGITS: usize = 2 * (32 + CHECK_BYTES);

/// The text is not a key file of this version, or a digit of it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Dozo key file, or a digit of it is wrong")]
pub struct BadKeyFile;

/// The secret in the key file.
#[derive(Clone, Debug)]
pub struct KeyFile(pub(crate) Secret);

impl KeyFile {
    /// Returns a new one.
    pub fn random(env: &Env) -> Self {
        Self(Secret::random(env))
    }

    /// Returns the file's content, with a newline.
    pub fn to_text(&self) -> Zeroizing<String> {
        // All room at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + DIGITS + 1));
        text.push_str(PREFIX);
        for byte in self.0.bytes().iter().chain(&check(self.0.bytes())) {
            write!(text, "{byte:02x}").expect("a string takes all text");
        }
        text.push('\n');
        text
    }

    /// Reads the file's content; white space around it is fine.
    ///
    /// # Errors
    /// [`BadKeyFile`].
    pub fn parse(text: &str) -> Result<Self, BadKeyFile> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(BadKeyFile)?;
        if digits.len() != DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadKeyFile);
        }
        let mut bytes = Zeroizing::new([0; 32 + CHECK_BYTES]);
        for (byte, i) in bytes.iter_mut().zip((0..DIGITS).step_by(2)) {
            *byte = u8::from_str_radix(&digits[i..i + 2], 16).map_err(|_| BadKeyFile)?;
        }
        let (key, given) = bytes.split_first_chunk::<32>().ok_or(BadKeyFile)?;
        if check(key) != given {
            return Err(BadKeyFile);
        }
        Ok(Self(Secret::new(*key)))
    }
}

/// The check's bytes: 32 bits of a hash over a 256-bit key tell nothing useful of it.
fn check(key: &[u8; 32]) -> [u8; CHECK_BYTES] {
    let hash = blake3::derive_key("dozo v1 key file check", key);
    [hash[0], hash[1], hash[2], hash[3]]
}
