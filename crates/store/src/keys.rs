//! The objects that a store begins with: `format` and `keys/`.
//!
//! The `format` object is written last: a store whose making was interrupted is none, and can be made again in the
//! same place. The keys left there by such an attempt belong to another store id and are stepped over.

use base::fault::Code;
use base::{Env, Fault, StoreId};
use format::header::{self, Header, HeaderError};
use format::keys::{
    Keyring, MasterKey, NewSlot, RingError, SlotError, Unlock, ring_object_name, unwrap, wrap,
};
use format::pack::Parity;
use objects::{GetError, ObjectName, Objects, PutError};

use crate::faults;
use crate::log::Mode;
use crate::open::named;

/// The keys of an open store.
pub(crate) struct Keys {
    /// The ring in force when the store was opened. Later ones differ from it in generations only, which
    /// [`crate::generation`] keeps.
    pub(crate) ring: Keyring,
    master: MasterKey,
    /// The bytes of the `format` object, with whose hash the log begins.
    pub(crate) format_object: Vec<u8>,
    /// What new packs have to mend themselves with.
    pub(crate) parity: Parity,
}

/// Returns the name of the object that says that this is a store.
pub(crate) fn format_object() -> ObjectName {
    named(header::OBJECT_NAME)
}

/// Makes the keys of a new store and, last, the object that makes it one.
///
/// # Errors
/// The place does not take them; there is no store.
pub(crate) fn make(
    objects: &dyn Objects,
    slots: &[NewSlot],
    env: &Env,
    place: &str,
    parity: Parity,
) -> Result<(), Fault> {
    let store = StoreId::random(env);
    let master = MasterKey::random(env);
    let mut ring = Keyring::random(env, store);
    ring.number = next_free(objects, "ring", place)?;
    let put = |name: String, bytes: &[u8]| {
        objects
            .put_new(&named(name), bytes)
            .map_err(|error| faults::put(place, None, error))
    };
    let free = next_free(objects, "slot", place)?;
    for (number, slot) in (free..).zip(slots) {
        let bytes = wrap(env, store, &master, slot).map_err(|error| slot_fault(place, error))?;
        put(format!("keys/slot-{number}"), &bytes)?;
    }
    let bytes = ring
        .seal(env, &master)
        .map_err(|error| ring_fault(place, error))?;
    put(format!("keys/ring-{}", ring.number), &bytes)?;
    let created_s = env.now().as_second();
    put(
        String::from(header::OBJECT_NAME),
        &Header::new(&ring, created_s, parity).encode(),
    )
}

/// Opens the keys of a store.
///
/// # Errors
/// `PoolNotAPool`, `StoreVersionUnsupported`, `StoreKeyWrong`, `PassphraseMismatch`; the place does not answer.
pub(crate) fn load(
    objects: &dyn Objects,
    unlock: &Unlock,
    place: &str,
    mode: Mode,
) -> Result<Keys, Fault> {
    let format_object = match objects.get(&format_object()) {
        Ok(bytes) => bytes,
        Err(error @ GetError::Missing { .. }) => {
            let fault = Fault::new(Code::PoolNotAPool).with("path", place);
            return Err(fault.because(error));
        }
        Err(error) => return Err(faults::get(place, error)),
    };
    let header = Header::parse(&format_object).map_err(|error| header_fault(place, error))?;
    if mode == Mode::Write {
        header
            .check_writable()
            .map_err(|error| header_fault(place, error))?;
    }
    let master = unlocked(objects, header.store, unlock, place)?;
    let ring = newest_ring(objects, &header, &master, place)?;
    if mode == Mode::Write {
        // A killed owner may have published it without the sync that makes it stay, and chunks will be sealed with it.
        let name = named(ring_object_name(ring.number));
        objects
            .settle(&name)
            .map_err(|error| faults::put(place, None, error))?;
    }
    Ok(Keys {
        ring,
        master,
        format_object,
        parity: header.parity(),
    })
}

/// Stores the next ring and returns it once it is durable; if an interrupted attempt has left one, that one.
///
/// # Errors
/// The place does not take it; what is there in its place is not a next ring of this store.
pub(crate) fn put_ring(
    objects: &dyn Objects,
    env: &Env,
    place: &str,
    keys: &Keys,
    next: Keyring,
) -> Result<Keyring, Fault> {
    let refused = |error| ring_fault(place, error);
    let bytes = next.seal(env, &keys.master).map_err(refused)?;
    // Read back what was encoded before anything depends on it (R9).
    let read = Keyring::open(next.store, &bytes, &keys.master).map_err(refused)?;
    if !follows(&read, &next) {
        let detail = "a key ring does not decode to what was encoded";
        return Err(Fault::new(Code::Internal).with("detail", detail));
    }
    let name = named(ring_object_name(next.number));
    match objects.put_new(&name, &bytes) {
        Ok(()) => return Ok(next),
        Err(PutError::Exists { .. } | PutError::Unsure { .. }) => {}
        Err(error) => return Err(faults::put(place, None, error)),
    }
    objects
        .settle(&name)
        .map_err(|error| faults::put(place, None, error))?;
    let found = objects
        .get(&name)
        .map_err(|error| faults::get(place, error))?;
    let found = Keyring::open(next.store, &found, &keys.master).map_err(refused)?;
    if follows(&found, &next) {
        Ok(found)
    } else {
        Err(refused(RingError::NotAuthentic))
    }
}

/// Returns whether a ring has the number, the signing key and the newest generation that are expected.
fn follows(ring: &Keyring, expected: &Keyring) -> bool {
    ring.number == expected.number
        && ring.signing.public() == expected.signing.public()
        && ring.first_domain().current() == expected.first_domain().current()
}

/// Returns the master key from the first slot that the secret opens.
fn unlocked(
    objects: &dyn Objects,
    store: StoreId,
    unlock: &Unlock,
    place: &str,
) -> Result<MasterKey, Fault> {
    let mut refused = None;
    for (_, name) in numbered(objects, "slot", place)? {
        let bytes = objects
            .get(&name)
            .map_err(|error| faults::get(place, error))?;
        match unwrap(store, &bytes, unlock) {
            Ok(master) => return Ok(master),
            // A slot of another kind or store says nothing about the secret.
            Err(SlotError::OtherKind(_) | SlotError::OtherStore(_)) => {}
            Err(error) => refused = Some(error),
        }
    }
    Err(match (refused, unlock) {
        (Some(error), _) => slot_fault_of(place, unlock, error),
        (None, Unlock::KeyFile(_)) => Fault::new(Code::StoreKeyWrong).with("path", place),
        (None, Unlock::Passphrase(_)) => Fault::new(Code::PassphraseNotSet),
    })
}

/// Returns the newest ring of this store. An interrupted making may have left rings of a store that never was.
fn newest_ring(
    objects: &dyn Objects,
    header: &Header,
    master: &MasterKey,
    place: &str,
) -> Result<Keyring, Fault> {
    let mut refused = None;
    for (_, name) in numbered(objects, "ring", place)?.into_iter().rev() {
        let bytes = objects
            .get(&name)
            .map_err(|error| faults::get(place, error))?;
        match Keyring::open(header.store, &bytes, master) {
            Ok(ring) if header.is_of(&ring) => return Ok(ring),
            Ok(_) => refused = Some(RingError::NotAuthentic),
            Err(RingError::OtherStore(_)) => {}
            // An older ring lacks the newest keys: falling back to it would damage what comes after.
            Err(error) => return Err(ring_fault(place, error)),
        }
    }
    Err(ring_fault(
        place,
        refused.unwrap_or(RingError::NotAuthentic),
    ))
}

/// Returns the objects `keys/<kind>-<n>` in the order of their numbers.
fn numbered(
    objects: &dyn Objects,
    kind: &str,
    place: &str,
) -> Result<Vec<(u64, ObjectName)>, Fault> {
    let prefix = format!("keys/{kind}-");
    let found = objects
        .list(&prefix)
        .map_err(|error| faults::list(place, error))?;
    let number = |name: ObjectName| {
        let number = name.as_str().strip_prefix(&prefix)?.parse().ok()?;
        Some((number, name))
    };
    let mut found: Vec<_> = found.into_iter().filter_map(|o| number(o.name)).collect();
    found.sort();
    Ok(found)
}

fn next_free(objects: &dyn Objects, kind: &str, place: &str) -> Result<u64, Fault> {
    let last = numbered(objects, kind, place)?.pop();
    Ok(last.map_or(1, |(number, _)| number + 1))
}

fn header_fault(place: &str, error: HeaderError) -> Fault {
    let supported = format::VERSION;
    let unsupported = |found: String| {
        Fault::new(Code::StoreVersionUnsupported)
            .with("found", found)
            .with("supported", supported)
    };
    let fault = match &error {
        HeaderError::NotAStore => Fault::new(Code::PoolNotAPool),
        HeaderError::Version(found) => unsupported(found.to_string()),
        HeaderError::Features(features) => unsupported(format!("{supported}+{features:#x}")),
        HeaderError::Damaged | HeaderError::Malformed(_) => damaged("format", &error),
    };
    fault.with("path", place).because(error)
}

fn slot_fault_of(place: &str, unlock: &Unlock, error: SlotError) -> Fault {
    match (&error, unlock) {
        (SlotError::WrongSecret, Unlock::Passphrase(_)) => {
            Fault::new(Code::PassphraseMismatch).because(error)
        }
        _ => slot_fault(place, error),
    }
}

fn slot_fault(place: &str, error: SlotError) -> Fault {
    let fault = match &error {
        SlotError::WrongSecret | SlotError::OtherKind(_) | SlotError::OtherStore(_) => {
            Fault::new(Code::StoreKeyWrong)
        }
        SlotError::Version(found) => Fault::new(Code::StoreVersionUnsupported)
            .with("found", found)
            .with("supported", format::VERSION),
        SlotError::Malformed(_) | SlotError::Damaged => damaged("key slot", &error),
        SlotError::Derivation(why) => Fault::new(Code::Internal).with("detail", why),
    };
    fault.with("path", place).because(error)
}

fn ring_fault(place: &str, error: RingError) -> Fault {
    let fault = match &error {
        RingError::Version(found) => Fault::new(Code::StoreVersionUnsupported)
            .with("found", found)
            .with("supported", format::VERSION),
        RingError::Full => Fault::new(Code::Internal).with("detail", &error),
        RingError::Malformed(_) | RingError::OtherStore(_) | RingError::NotAuthentic => {
            damaged("key ring", &error)
        }
    };
    fault.with("path", place).because(error)
}

fn damaged(object: &str, error: &dyn std::error::Error) -> Fault {
    Fault::new(Code::PoolUnreadable).with("reason", format_args!("{object}: {error}"))
}
