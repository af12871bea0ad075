//! The objects that a store begins with: `format` and `keys/`.
//!
//! The `format` object is written last: a store whose making was interrupted is none, and can be made again in the
//! same place. The keys left there by such an attempt belong to another store id and are stepped over.

use std::collections::BTreeMap;

use base::fault::Code;
use base::{Env, Fault, StoreId};
use format::copies::twin_name;
use format::header::{self, Header, HeaderError};
use format::keys::{
    Keyring, MasterKey, NewSlot, RingError, SlotError, Unlock, check_slot, ring_object_name,
    unwrap, wrap,
};
use format::pack::Parity;
use objects::{GetError, ObjectName, Objects, PutError};

use crate::copies::{Mender, put_twin};
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

impl Keys {
    /// Refuses a store that a newer version has changed so that this one may only read it.
    ///
    /// # Errors
    /// `StoreVersionUnsupported`.
    pub(crate) fn check_writable(&self, place: &str) -> Result<(), Fault> {
        let header = Header::parse(&self.format_object);
        let writable = header.and_then(|header| header.check_writable());
        writable.map_err(|error| header_fault(place, error))
    }
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
        let name = named(name);
        let done = objects.put_new(&name, bytes);
        done.map_err(|error| faults::put(place, None, error))?;
        put_twin(objects, &name, bytes);
        Ok(())
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
    let mender = Mender {
        objects,
        place,
        mode,
    };
    let (format_object, header) = mender.read_twin(&format_object(), |read| match read {
        Ok(bytes) => match Header::parse(&bytes) {
            Ok(header) => Ok((bytes, header)),
            Err(error) => Err(header_fault(place, error)),
        },
        Err(error @ GetError::Missing { .. }) => {
            let fault = Fault::new(Code::PoolNotAPool).with("path", place);
            Err(fault.because(error))
        }
        Err(error) => Err(faults::get(place, error)),
    })?;
    if mode == Mode::Write {
        let writable = header.check_writable();
        writable.map_err(|error| header_fault(place, error))?;
    }
    let master = unlocked(mender, header.store, unlock)?;
    let ring = newest_ring(mender, &header, &master)?;
    if mode == Mode::Write {
        // A killed owner may have published it without the sync that makes it stay, and chunks will be sealed with it.
        let name = named(ring_object_name(ring.number));
        objects
            .settle(&name)
            .map_err(|error| faults::put(place, None, error))?;
    }
    let keys = Keys {
        ring,
        master,
        format_object,
        parity: header.parity(),
    };
    if mode == Mode::Write {
        copy_all(objects, place, &keys)?;
    }
    Ok(keys)
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
        Ok(()) => {
            put_twin(objects, &name, &bytes);
            return Ok(next);
        }
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

/// Compares `format` and every key with its copy. Returns what is damaged, and whether it has its bytes back.
///
/// # Errors
/// The place does not answer, or does not take what is mended.
pub(crate) fn compare(mender: Mender<'_>, keys: &Keys) -> Result<Vec<(Fault, bool)>, Fault> {
    let (objects, place) = (mender.objects, mender.place);
    let repair = mender.mode == Mode::Write;
    let mut found = Vec::new();
    for name in names(objects, place)? {
        let twin = named(twin_name(name.as_str()));
        // What cannot be read is not whole, and not missing either.
        let read = |name: &ObjectName| match objects.get(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GetError::Missing { .. }) => Ok(None),
            Err(GetError::Unreadable { .. }) => Ok(Some(Vec::new())),
            Err(error) => Err(faults::get(place, error)),
        };
        let (this, other) = (read(&name)?, read(&twin)?);
        let has_twin = other.is_some();
        let are_equal = this == other;
        let this = this.filter(|bytes| is_whole(keys, &name, bytes));
        if this.is_some() && are_equal {
            continue;
        }
        let other = other.filter(|bytes| is_whole(keys, &name, bytes));
        let fault = |name: &ObjectName| {
            let reason = format!("{name}: the object is missing or damaged");
            let fault = Fault::new(Code::PoolUnreadable).with("reason", reason);
            fault.with("path", place)
        };
        match (this, other) {
            (Some(bytes), _) => {
                if repair {
                    // One that was never made is made; one that cannot go stays what it is.
                    drop(objects.delete(&twin));
                    put_twin(objects, &name, &bytes);
                }
                if has_twin {
                    found.push((fault(&twin), repair));
                }
            }
            (None, Some(bytes)) => {
                if repair {
                    mender.put_back(&name, &bytes)?;
                }
                found.push((fault(&name), repair));
            }
            (None, None) => found.push((fault(&name), false)),
        }
    }
    Ok(found)
}

/// Returns the names of all that is copied alone, of what is gone and has a copy too.
fn names(objects: &dyn Objects, place: &str) -> Result<Vec<ObjectName>, Fault> {
    let mut names = vec![format_object()];
    for kind in ["slot", "ring"] {
        let numbered = numbered(objects, kind, place)?;
        names.extend(numbered.into_iter().map(|(_, name)| name));
    }
    Ok(names)
}

/// Returns whether bytes are what `format` or a key was written as, as far as that can be told without its secret.
fn is_whole(keys: &Keys, name: &ObjectName, bytes: &[u8]) -> bool {
    let store = keys.ring.store;
    match name.as_str() {
        header::OBJECT_NAME => bytes == keys.format_object,
        slot if slot.starts_with("keys/slot-") => !matches!(
            check_slot(store, bytes),
            Err(SlotError::Malformed(_) | SlotError::Damaged)
        ),
        _ => matches!(
            Keyring::open(store, bytes, &keys.master),
            Ok(_) | Err(RingError::OtherStore(_))
        ),
    }
}

/// Gives `format` and every key a copy that has none.
fn copy_all(objects: &dyn Objects, place: &str, keys: &Keys) -> Result<(), Fault> {
    for name in names(objects, place)? {
        if let Ok(None) = objects.head(&named(twin_name(name.as_str())))
            && let Ok(bytes) = objects.get(&name)
            && is_whole(keys, &name, &bytes)
        {
            put_twin(objects, &name, &bytes);
        }
    }
    Ok(())
}

/// Returns whether a ring has the number, the signing key and the newest generation that are expected.
fn follows(ring: &Keyring, expected: &Keyring) -> bool {
    ring.number == expected.number
        && ring.signing.public() == expected.signing.public()
        && ring.first_domain().current() == expected.first_domain().current()
}

/// Returns the master key from the first slot that the secret opens.
fn unlocked(mender: Mender<'_>, store: StoreId, unlock: &Unlock) -> Result<MasterKey, Fault> {
    let place = mender.place;
    let (mut refused, mut damaged) = (None, None);
    for (_, name) in numbered(mender.objects, "slot", place)? {
        let bytes = mender.read_twin(&name, |read| {
            let bytes = read.map_err(|error| faults::get(place, error))?;
            match check_slot(store, &bytes) {
                Err(error @ (SlotError::Malformed(_) | SlotError::Damaged)) => {
                    Err(slot_fault(place, error))
                }
                // What else is wrong with it is no damage.
                _ => Ok(bytes),
            }
        });
        let bytes = match bytes {
            Ok(bytes) => bytes,
            // Another one may open.
            Err(fault) => {
                damaged.get_or_insert(fault);
                continue;
            }
        };
        match unwrap(store, &bytes, unlock) {
            Ok(master) => return Ok(master),
            // A slot of another kind or store says nothing about the secret.
            Err(SlotError::OtherKind(_) | SlotError::OtherStore(_)) => {}
            Err(error) => refused = Some(error),
        }
    }
    if let Some(fault) = damaged {
        return Err(fault);
    }
    Err(match (refused, unlock) {
        (Some(error), _) => slot_fault_of(place, unlock, error),
        (None, Unlock::KeyFile(_)) => Fault::new(Code::StoreKeyWrong).with("path", place),
        (None, Unlock::Passphrase(_)) => Fault::new(Code::PassphraseNotSet),
    })
}

/// Returns the newest ring of this store. An interrupted making may have left rings of a store that never was.
fn newest_ring(mender: Mender<'_>, header: &Header, master: &MasterKey) -> Result<Keyring, Fault> {
    let place = mender.place;
    let mut refused = None;
    for (_, name) in numbered(mender.objects, "ring", place)?.into_iter().rev() {
        let opened = mender.read_twin(&name, |read| {
            let bytes = read.map_err(|error| faults::get(place, error))?;
            match Keyring::open(header.store, &bytes, master) {
                Ok(ring) => Ok(Some(ring)),
                Err(RingError::OtherStore(_)) => Ok(None),
                Err(error) => Err(ring_fault(place, error)),
            }
        });
        // An older ring lacks the newest keys: falling back to it would damage what comes after.
        match opened? {
            Some(ring) if header.is_of(&ring) => return Ok(ring),
            Some(_) => refused = Some(RingError::NotAuthentic),
            None => {}
        }
    }
    Err(ring_fault(
        place,
        refused.unwrap_or(RingError::NotAuthentic),
    ))
}

/// Returns the objects `keys/<kind>-<n>` in the order of their numbers, those too of which only a copy is left.
fn numbered(
    objects: &dyn Objects,
    kind: &str,
    place: &str,
) -> Result<Vec<(u64, ObjectName)>, Fault> {
    let prefix = format!("keys/{kind}-");
    let mut found = BTreeMap::new();
    // One that is gone may have its copy.
    for prefix in [&twin_name(&prefix), &prefix] {
        let listed = objects.list(prefix);
        for object in listed.map_err(|error| faults::list(place, error))? {
            let number = object.name.as_str().strip_prefix(prefix);
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                found.insert(number, named(format!("keys/{kind}-{number}")));
            }
        }
    }
    Ok(found.into_iter().collect())
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
