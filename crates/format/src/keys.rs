//! The keys of a store: one master key, the slots that wrap it, the ring of everything else under it.
//!
//! ```text
//! master key (random, one per store)
//!  ├─ keys/slot-<n>: wrapped by the key file or by the passphrase (Argon2id); rewrapping re-encrypts nothing
//!  └─ keys/ring-<n>: create-once, the newest is in force
//!      ├─ log key, point key, signing seed
//!      └─ domain: id key, chunker key (both for life)
//!          └─ generation: data key, meta key
//! ```
//!
//! Every key is random, none is derived from another key that outlives it: a generation or a domain that is
//! left out of the newest ring, and whose older rings are gone, is destroyed. Secrets are wiped when they are
//! dropped and have no `Debug` of their content.

mod key_file;
mod ring;
mod slot;

pub use key_file::{BadKeyFile, KeyFile};
pub use ring::{Domain, Generation, Keyring, RingError, SigningKey};
pub(crate) use ring::{SIGNATURE_BYTES, verified};
pub use slot::{
    NewSlot, Passphrase, PassphraseCost, PassphraseTooShort, SlotError, SlotKind, Unlock,
    check_slot, unwrap, wrap,
};

use base::Env;
use zeroize::Zeroizing;

/// Returns the name of the object that holds key slot `number`, from 1.
pub fn slot_object_name(number: u64) -> String {
    format!("keys/slot-{number}")
}

/// Returns the name of the object that holds the ring `number`, from 1.
pub fn ring_object_name(number: u64) -> String {
    format!("keys/ring-{number}")
}

/// 32 secret bytes, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Returns a secret of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }

    /// Returns a new random one.
    pub fn random(env: &Env) -> Self {
        let mut secret = Self::new([0; 32]);
        env.random.fill(secret.0.as_mut_slice());
        secret
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns a secret derived for one purpose.
    pub(crate) fn derive(&self, context: &'static str) -> Self {
        Self::new(blake3::derive_key(context, self.bytes()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The key under which a store's rings are sealed.
#[derive(Clone, Debug)]
pub struct MasterKey(pub(crate) Secret);

impl MasterKey {
    /// Returns the master key of a new store.
    pub fn random(env: &Env) -> Self {
        Self(Secret::random(env))
    }
}
