//! Where nodes end: after an item whose key hashes to it under a secret key, or at a limit.
//!
//! The rule looks only at the items of the node itself, from its first on. So the same items give the same
//! nodes whatever was there before, and two trees fall into step again after a difference.

use base::limits::{NODE_BYTES_MAX, NODE_ITEMS_AVG, NODE_ITEMS_MAX};

/// Sets the use of the key apart from every other.
const CONTEXT: &str = "Dozo 2026-11 tree node boundary v1";

const MASK: u32 = NODE_ITEMS_AVG as u32 - 1;
const _: () = assert!(NODE_ITEMS_AVG.is_power_of_two());

/// Decides where nodes end. The key keeps the sizes of nodes from telling names.
#[derive(Clone)]
pub struct Boundary {
    key: [u8; 32],
}

impl std::fmt::Debug for Boundary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Boundary")
    }
}

impl Boundary {
    /// Returns the boundary of a domain, from its chunker key.
    pub fn new(chunker_key: &[u8; 32]) -> Self {
        Self {
            key: blake3::derive_key(CONTEXT, chunker_key),
        }
    }

    /// Returns whether a node of `level` ends after its `count`th item, which has `key`.
    pub(super) fn is_end(&self, level: u8, count: usize, weight: usize, key: &[u8]) -> bool {
        // An inner node takes at least two, so that every level has fewer nodes than the one below.
        if level > 0 && count < 2 {
            return false;
        }
        count >= NODE_ITEMS_MAX || weight >= NODE_BYTES_MAX || self.is_natural_end(level, key)
    }

    fn is_natural_end(&self, level: u8, key: &[u8]) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[level]).update(key);
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        u32::from_le_bytes([a, b, c, d]) & MASK == 0
    }
}
