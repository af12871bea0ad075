//! AES-256-GCM with a random nonce, in the one layout everything sealed has: nonce, ciphertext, tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base::Env;

use crate::keys::Secret;

pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
/// What sealing adds.
pub(crate) const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The bytes do not open under this key with this associated data: altered, or sealed as something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// A key ready for use. Its key schedule is wiped by aws-lc when it is dropped.
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new(key: &Secret) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key.bytes()).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts `buffer[NONCE_BYTES..]` in place, puts the nonce before it and appends the tag.
    pub(crate) fn seal_in_place(&self, env: &Env, aad: &[u8], buffer: &mut Vec<u8>) {
        let nonce: [u8; NONCE_BYTES] = env.bytes();
        let (head, body) = buffer.split_at_mut(NONCE_BYTES);
        head.copy_from_slice(&nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
            .expect("our inputs are far below the 64 GiB that GCM refuses");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Returns `plain` sealed.
    pub(crate) fn seal(&self, env: &Env, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(OVERHEAD_BYTES + plain.len());
        buffer.resize(NONCE_BYTES, 0);
        buffer.extend_from_slice(plain);
        self.seal_in_place(env, aad, &mut buffer);
        buffer
    }

    /// Decrypts `sealed` into `out`, which has exactly [`OVERHEAD_BYTES`] less. On error `out` is garbage.
    pub(crate) fn open_into(
        &self,
        aad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), NotAuthentic> {
        if sealed.len() != out.len() + OVERHEAD_BYTES {
            return Err(NotAuthentic);
        }
        let (nonce, body) = sealed.split_first_chunk().ok_or(NotAuthentic)?;
        let (cipher, tag) = body.split_at(out.len());
        self.0
            .open_separate_gather(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(aad),
                cipher,
                tag,
                out,
            )
            .map_err(|_| NotAuthentic)
    }

    /// Returns what was sealed. The caller has bounded `sealed`.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let len = sealed
            .len()
            .checked_sub(OVERHEAD_BYTES)
            .ok_or(NotAuthentic)?;
        let mut out = vec![0; len];
        self.open_into(aad, sealed, &mut out)?;
        Ok(out)
    }
}
