//! The primitives of "Conventions": `H`, `KDF`, `SEAL`, `SIGN`, and Argon2id as "Key slot" uses it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::{Bytes32, Read};

const SIGNATURE_LEN: usize = 64;

/// `H(bytes)`.
pub(crate) fn hash(bytes: &[u8]) -> Bytes32 {
    *blake3::hash(bytes).as_bytes()
}

/// `H(key, bytes)`.
pub(crate) fn keyed_hash(key: &Bytes32, bytes: &[u8]) -> Bytes32 {
    *blake3::keyed_hash(key, bytes).as_bytes()
}

/// `KDF("context", key)`.
pub(crate) fn derive(context: &str, key: &Bytes32) -> Bytes32 {
    blake3::derive_key(context, key)
}

/// Opens `SEAL(key, aad, ..)`.
pub(crate) fn unseal(key: &Bytes32, aad: &[u8], sealed: &[u8]) -> Read<Vec<u8>> {
    let failed = |_| String::from("a seal that does not open");
    let (nonce, ciphertext) = sealed
        .split_at_checked(12)
        .ok_or("a seal that is too short")?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(failed)?);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
    let mut buffer = ciphertext.to_vec();
    let plain = key
        .open_in_place(nonce, Aad::from(aad), &mut buffer)
        .map_err(failed)?;
    Ok(plain.to_vec())
}

/// Verifies the signature at the end of an object and returns what is before it.
pub(crate) fn signed<'a>(object: &'a [u8], public_key: &Bytes32) -> Read<&'a [u8]> {
    let split = object.len().checked_sub(SIGNATURE_LEN);
    let (content, signature) = object.split_at(split.ok_or("too short for a signature")?);
    let verified = UnparsedPublicKey::new(&ED25519, public_key).verify(content, signature);
    verified.map_err(|_| String::from("a signature that is not the store's"))?;
    Ok(content)
}

/// The public key of a signing seed.
pub(crate) fn public_key(seed: &Bytes32) -> Read<Bytes32> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| error.to_string())?;
    let public = pair.public_key().as_ref().try_into();
    public.map_err(|_| String::from("a public key of another length"))
}

/// The secret of a passphrase slot.
pub(crate) fn argon2id(
    passphrase: &str,
    salt: &Bytes32,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Read<Bytes32> {
    use argon2::{Algorithm, Argon2, Params, Version};
    let failed = |error: argon2::Error| format!("argon2id: {error}");
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(failed)?;
    let mut secret = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut secret)
        .map_err(failed)?;
    Ok(secret)
}
