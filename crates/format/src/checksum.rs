//! A BLAKE3 hash at the end of small clear objects: damage is told from a wrong key or a forgery. It proves
//! nothing against an attacker; tags and signatures do.

pub(crate) const BYTES: usize = 32;

/// Appends the hash of all bytes so far.
pub(crate) fn append(bytes: &mut Vec<u8>) {
    let hash = blake3::hash(bytes);
    bytes.extend_from_slice(hash.as_bytes());
}

/// Returns the bytes before the hash, if it is theirs.
pub(crate) fn verified(bytes: &[u8]) -> Option<&[u8]> {
    let (content, hash) = bytes.split_last_chunk::<BYTES>()?;
    (blake3::hash(content) == *hash).then_some(content)
}
