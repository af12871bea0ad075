//! A slot: the master key, wrapped under a secret that a person or a file holds.
//!
//! A slot holds a commitment to its secret, which is compared before anything is decrypted: a wrong
//! passphrase is told from damage, and no second secret can be made to open the same slot. Byte table:
//! docs/format.md, "Key slot".

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base::limits::{ARGON_LANES_MAX, ARGON_MEMORY_KIB_MAX, ARGON_PASSES_MAX, PASSPHRASE_CHARS_MIN};
use base::{Env, StoreId};
use zeroize::Zeroizing;

use super::{KeyFile, MasterKey, Secret};
use crate::aead::{Aead, OVERHEAD_BYTES};
use crate::wire::{Reader, WireError, Writer};
use crate::{VERSION, checksum};

const MAGIC: &[u8; 8] = b"DOZOSLOT";
const SALT_BYTES: usize = 32;
const WRAPPED_BYTES: usize = 32 + OVERHEAD_BYTES;

/// What opens a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotKind {
    /// The server's key file.
    KeyFile,
    /// A passphrase that a person knows.
    Passphrase,
}

impl SlotKind {
    fn code(self) -> u8 {
        match self {
            Self::KeyFile => 1,
            Self::Passphrase => 2,
        }
    }
}

/// How much work a guess at the passphrase costs (Argon2id).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassphraseCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// 256 MiB, three passes: half a second of one core, and too much memory for many guesses at once.
    fn default() -> Self {
        Self {
            memory_kib: 256 << 10,
            passes: 3,
            lanes: 1,
        }
    }
}

/// A passphrase shorter than [`PASSPHRASE_CHARS_MIN`] characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters")]
pub struct PassphraseTooShort;

/// A passphrase, byte for byte as it was typed: no normalisation, no trimming. Wiped when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    /// [`PassphraseTooShort`]: neither to be chosen nor worth trying.
    pub fn new(text: String) -> Result<Self, PassphraseTooShort> {
        let text = Zeroizing::new(text);
        if text.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(PassphraseTooShort);
        }
        Ok(Self(text))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

/// A slot to be made.
#[derive(Clone, Debug)]
pub enum NewSlot {
    /// For this key file.
    KeyFile(KeyFile),
    /// For this passphrase, at this cost.
    Passphrase(Passphrase, PassphraseCost),
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub enum Unlock {
    /// The key file.
    KeyFile(KeyFile),
    /// The passphrase.
    Passphrase(Passphrase),
}

/// Why a slot does not give the master key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// The bytes are no slot.
    #[error("not a key slot")]
    Malformed(#[from] WireError),
    /// It was written by a newer version.
    #[error("key slot of format version {0}")]
    Version(u16),
    /// The bytes are not what was written.
    #[error("the key slot is damaged")]
    Damaged,
    /// It belongs to another store.
    #[error("the key slot belongs to store {0}")]
    OtherStore(StoreId),
    /// It opens with the other kind of secret: try the next slot.
    #[error("the key slot is of the other kind")]
    OtherKind(SlotKind),
    /// The passphrase or the key file is not this slot's: try the next slot.
    #[error("the secret does not open this key slot")]
    WrongSecret,
    /// The passphrase cannot be worked out here: not enough memory.
    #[error("the passphrase cannot be worked out here: {0}")]
    Derivation(String),
}

struct Slot {
    store: StoreId,
    kind: u8,
    cost: PassphraseCost,
    salt: [u8; SALT_BYTES],
    commitment: [u8; 32],
}

impl Slot {
    /// Everything before the wrapped key: what it is bound to.
    fn header(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(256);
        out.raw(MAGIC)
            .u16(VERSION)
            .raw(&self.store.0)
            .u8(self.kind)
            .u32(self.cost.memory_kib)
            .u32(self.cost.passes)
            .u32(self.cost.lanes)
            .raw(&self.salt)
            .raw(&self.commitment);
        out.finish()
    }
}

/// Returns the bytes of a slot that gives `master` to whoever has `with`.
///
/// # Errors
/// [`SlotError::Derivation`].
pub fn wrap(
    env: &Env,
    store: StoreId,
    master: &MasterKey,
    with: &NewSlot,
) -> Result<Vec<u8>, SlotError> {
    let none = PassphraseCost {
        memory_kib: 0,
        passes: 0,
        lanes: 0,
    };
    let (kind, cost, salt, secret) = match with {
        NewSlot::KeyFile(file) => (SlotKind::KeyFile, none, [0; SALT_BYTES], file.0.clone()),
        NewSlot::Passphrase(passphrase, cost) => {
            let salt = env.bytes();
            let secret = stretch(passphrase, *cost, &salt)?;
            (SlotKind::Passphrase, *cost, salt, secret)
        }
    };
    let slot = Slot {
        store,
        kind: kind.code(),
        cost,
        salt,
        commitment: *commitment(&secret).bytes(),
    };
    let mut out = slot.header();
    let wrapped = wrapping_key(&secret).seal(env, &out, master.0.bytes());
    out.extend_from_slice(&wrapped);
    checksum::append(&mut out);
    Ok(out)
}

/// Returns the master key in a slot. Costs half a second and 256 MiB for a passphrase.
///
/// # Errors
/// [`SlotError`].
pub fn unwrap(store: StoreId, slot: &[u8], with: &Unlock) -> Result<MasterKey, SlotError> {
    let (header, wrapped, slot) = parse(store, slot)?;
    let secret = match (with, slot.kind) {
        (Unlock::KeyFile(file), 1) => file.0.clone(),
        (Unlock::Passphrase(passphrase), 2) => stretch(passphrase, slot.cost, &slot.salt)?,
        (_, 1) => return Err(SlotError::OtherKind(SlotKind::KeyFile)),
        _ => return Err(SlotError::OtherKind(SlotKind::Passphrase)),
    };
    verify_slices_are_equal(commitment(&secret).bytes(), &slot.commitment)
        .map_err(|_| SlotError::WrongSecret)?;
    let master = Zeroizing::new(
        wrapping_key(&secret)
            .open(header, wrapped)
            .map_err(|_| SlotError::Damaged)?,
    );
    let bytes = <[u8; 32]>::try_from(master.as_slice()).map_err(|_| SlotError::Damaged)?;
    Ok(MasterKey(Secret::new(bytes)))
}

/// Says what can be said of a slot without its secret.
///
/// # Errors
/// As [`unwrap`], but not that the secret is wrong or of another kind.
pub fn check_slot(store: StoreId, slot: &[u8]) -> Result<(), SlotError> {
    parse(store, slot).map(drop)
}

fn parse(store: StoreId, bytes: &[u8]) -> Result<(&[u8], &[u8], Slot), SlotError> {
    let mut fields = Reader::new(bytes);
    if fields.array()? != *MAGIC {
        return Err(WireError::BadValue("magic").into());
    }
    let version = fields.u16()?;
    if version != VERSION {
        return Err(SlotError::Version(version));
    }
    let mut fields = Reader::new(checksum::verified(bytes).ok_or(SlotError::Damaged)?);
    fields.take(MAGIC.len() + 2)?;
    let slot = Slot {
        store: StoreId(fields.array()?),
        kind: fields.u8()?,
        cost: PassphraseCost {
            memory_kib: fields.u32()?,
            passes: fields.u32()?,
            lanes: fields.u32()?,
        },
        salt: fields.array()?,
        commitment: fields.array()?,
    };
    let wrapped = fields.take(WRAPPED_BYTES)?;
    fields.finish()?;
    if slot.store != store {
        return Err(SlotError::OtherStore(slot.store));
    }
    let cost = slot.cost;
    let bounded = match slot.kind {
        1 => cost.memory_kib == 0 && cost.passes == 0 && cost.lanes == 0,
        2 => {
            cost.memory_kib <= ARGON_MEMORY_KIB_MAX
                && (1..=ARGON_PASSES_MAX).contains(&cost.passes)
                && (1..=ARGON_LANES_MAX).contains(&cost.lanes)
        }
        _ => false,
    };
    if !bounded {
        return Err(WireError::BadValue("slot kind or cost").into());
    }
    let header = &bytes[..bytes.len() - WRAPPED_BYTES - checksum::BYTES];
    Ok((header, wrapped, slot))
}

fn stretch(
    passphrase: &Passphrase,
    cost: PassphraseCost,
    salt: &[u8; SALT_BYTES],
) -> Result<Secret, SlotError> {
    let refused = |e: argon2::Error| SlotError::Derivation(e.to_string());
    let params =
        argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase.0.as_bytes(), salt, out.as_mut_slice())
        .map_err(refused)?;
    Ok(Secret::new(*out))
}

fn commitment(secret: &Secret) -> Secret {
    secret.derive("dozo v1 slot commitment")
}

fn wrapping_key(secret: &Secret) -> Aead {
    Aead::new(&secret.derive("dozo v1 slot wrapping key"))
}
