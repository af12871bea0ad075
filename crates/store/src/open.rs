//! Making a store, and opening one: keys, then the log, then the index, then what an unclean end left behind.
//!
//! One process owns a store that it writes to; [`Ownership`] is how it takes it. Opening for reading alone changes nothing:
//! it neither takes ownership nor recovers, and shows what the log says.

mod recover;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use base::fault::Code;
use base::{Env, Fault, StoreId};
use format::keys::{NewSlot, Unlock};
use format::pack::Parity;
use objects::{Local, ObjectName, Objects, OpenError};

use crate::Store;
use crate::core::{Core, Parts};
use crate::faults;
use crate::generation::{Generations, Limits};
use crate::index::{Index, Place};
use crate::keys;
use crate::log::{Mode, Source};
use crate::own::Ownership;
use crate::volumes::Registry;

/// The lock file of a store in a directory. No object's name begins with a dot.
const LOCK: &str = ".lock";

/// What a store is opened with.
struct Opening<'a> {
    objects: Arc<dyn Objects>,
    unlock: &'a Unlock,
    env: &'a Env,
    index: &'a Place,
    place: String,
    mode: Mode,
    ownership: Option<Ownership>,
    limits: Limits,
    volumes: Option<Registry>,
}

impl Store {
    /// Makes a store in an empty directory, which is made if missing, and opens it. `command` is what others who
    /// want the store are told that its owner does.
    ///
    /// # Errors
    /// `PoolNotEmpty`, `PoolOwned`, `PoolUnwritable`, `PoolReadOnly`, `PoolFull`.
    pub fn create_at(
        directory: &Path,
        slots: &[NewSlot],
        env: &Env,
        index: impl Into<Place>,
        command: &str,
    ) -> Result<Self, Fault> {
        Self::create_at_with(directory, slots, env, index, command, Parity::default())
    }

    /// As [`Self::create_at`], with or without parity in its packs, for good.
    ///
    /// # Errors
    /// As [`Self::create_at`].
    pub fn create_at_with(
        directory: &Path,
        slots: &[NewSlot],
        env: &Env,
        index: impl Into<Place>,
        command: &str,
        parity: Parity,
    ) -> Result<Self, Fault> {
        let place = directory.display().to_string();
        let local = Local::create_at(directory).map_err(|error| open_fault(&place, error))?;
        let ownership = Ownership::take(&directory.join(LOCK), command, env)?;
        make(&local, slots, env, &place, parity)?;
        let (objects, volumes) = Registry::open(directory, Arc::new(local), Mode::Write)?;
        open(Opening {
            objects,
            unlock: &unlock_of(slots),
            env,
            index: &index.into(),
            place,
            mode: Mode::Write,
            ownership: Some(ownership),
            limits: Limits::default(),
            volumes,
        })
    }

    /// Opens the store in a directory, for reading and writing.
    ///
    /// # Errors
    /// `PoolMissing`, `PoolNotAPool`, `PoolOwned`, `StoreKeyWrong`, `PassphraseMismatch`, `StoreVersionUnsupported`,
    /// `LogDamaged`, `PoolReadOnly`, `PoolUnwritable`.
    pub fn open_at(
        directory: &Path,
        unlock: &Unlock,
        env: &Env,
        index: impl Into<Place>,
        command: &str,
    ) -> Result<Self, Fault> {
        let place = directory.display().to_string();
        if !directory.is_dir() {
            return Err(Fault::new(Code::PoolMissing).with("path", &place));
        }
        // Before the place is touched: what another process is doing there must not be disturbed.
        let ownership = Ownership::take(&directory.join(LOCK), command, env)?;
        let local = Local::open_at(directory).map_err(|error| open_fault(&place, error))?;
        let (objects, volumes) = Registry::open(directory, Arc::new(local), Mode::Write)?;
        open(Opening {
            objects,
            unlock,
            env,
            index: &index.into(),
            place,
            mode: Mode::Write,
            ownership: Some(ownership),
            limits: Limits::default(),
            volumes,
        })
    }

    /// Opens the store in a directory for reading, beside whoever writes to it: changes nothing, not even the lock. A
    /// place for the index is only ever that of one process.
    ///
    /// # Errors
    /// As [`Self::open_at`], but not `PoolOwned`.
    pub fn read_at(
        directory: &Path,
        unlock: &Unlock,
        env: &Env,
        index: impl Into<Place>,
    ) -> Result<Self, Fault> {
        let place = directory.display().to_string();
        let local = Local::read_only_at(directory).map_err(|error| open_fault(&place, error))?;
        let (objects, volumes) = Registry::open(directory, Arc::new(local), Mode::Read)?;
        open(Opening {
            objects,
            unlock,
            env,
            index: &index.into(),
            place,
            mode: Mode::Read,
            ownership: None,
            limits: Limits::default(),
            volumes,
        })
    }

    /// Tries whether the store in a directory could be opened for reading and writing, and returns which one it is. Nothing is
    /// changed but the text of its lock.
    ///
    /// # Errors
    /// As [`Self::open_at`], but nothing of its log is looked at.
    pub fn try_at(
        directory: &Path,
        unlock: &Unlock,
        env: &Env,
        command: &str,
    ) -> Result<StoreId, Fault> {
        let place = directory.display().to_string();
        let local = Local::read_only_at(directory).map_err(|error| open_fault(&place, error))?;
        let keys = keys::load(&local, unlock, &place, Mode::Read)?;
        keys.check_writable(&place)?;
        // What is no store gets no lock.
        let _ownership = Ownership::take(&directory.join(LOCK), command, env)?;
        Ok(keys.ring.store)
    }

    /// Makes a store in any place and opens it. Who may write is the caller's care.
    ///
    /// # Errors
    /// As [`Self::create_at`].
    pub fn create(
        objects: Arc<dyn Objects>,
        slots: &[NewSlot],
        env: &Env,
        index: impl Into<Place>,
    ) -> Result<Self, Fault> {
        Self::create_with(objects, slots, env, index, Parity::default())
    }

    /// As [`Self::create`], with or without parity in its packs, for good.
    ///
    /// # Errors
    /// As [`Self::create_at`].
    pub fn create_with(
        objects: Arc<dyn Objects>,
        slots: &[NewSlot],
        env: &Env,
        index: impl Into<Place>,
        parity: Parity,
    ) -> Result<Self, Fault> {
        make(&*objects, slots, env, "pool", parity)?;
        Self::open(objects, &unlock_of(slots), env, index)
    }

    /// Opens the store in any place. Who may write is the caller's care: of two that do, one gets `LogConflict`.
    ///
    /// # Errors
    /// As [`Self::open_at`].
    pub fn open(
        objects: Arc<dyn Objects>,
        unlock: &Unlock,
        env: &Env,
        index: impl Into<Place>,
    ) -> Result<Self, Fault> {
        Self::open_with(objects, unlock, env, index, Limits::default())
    }

    /// As [`Self::open`], with limits that are reached earlier.
    ///
    /// # Errors
    /// As [`Self::open_at`].
    pub fn open_with(
        objects: Arc<dyn Objects>,
        unlock: &Unlock,
        env: &Env,
        index: impl Into<Place>,
        limits: Limits,
    ) -> Result<Self, Fault> {
        open(Opening {
            objects,
            unlock,
            env,
            index: &index.into(),
            place: String::from("pool"),
            mode: Mode::Write,
            ownership: None,
            limits,
            volumes: None,
        })
    }
}

fn open(opening: Opening<'_>) -> Result<Store, Fault> {
    let Opening { objects, env, .. } = opening;
    let mode = opening.mode;
    let keys = keys::load(&*objects, opening.unlock, &opening.place, mode)?;
    let index = Index::open(opening.index, &keys.ring.store)?;
    let source = Source {
        objects: &*objects,
        keys: &keys,
        env,
        place: &opening.place,
        mode,
    };
    let mut log = source.load(&index)?;
    if !recover::loose_packs_hold(&source, &index)? {
        index.reset()?;
        log = source.load(&index)?;
    }
    let domain = keys.ring.first_domain();
    let sealed = index.sealed_under(domain.id, domain.current())?;
    let core = Arc::new(Core::new(Parts {
        generations: Generations::new(&keys.ring, sealed, opening.limits),
        packs_in_flight: opening.limits.packs_in_flight,
        objects,
        env: env.clone(),
        keys,
        index,
        log,
        place: opening.place,
        ownership: opening.ownership,
        volumes: opening.volumes,
    }));
    core.retry_unreadable()?;
    if mode == Mode::Write {
        recover::recover(&core)?;
    }
    Ok(Store::of(core))
}

/// Writes what a store begins with.
fn make(
    objects: &dyn Objects,
    slots: &[NewSlot],
    env: &Env,
    place: &str,
    parity: Parity,
) -> Result<(), Fault> {
    let format = keys::format_object();
    for prefix in [format.as_str(), "log/", "packs/", "meta/", "points/"] {
        let found = objects.list(prefix).map_err(|e| faults::list(place, e))?;
        if !found.is_empty() {
            return Err(Fault::new(Code::PoolNotEmpty).with("path", place));
        }
    }
    let mut directories = vec![named("keys"), named("log"), named("points")];
    for class in ["packs", "meta"] {
        directories.extend(objects::fan_out(class).expect("a class is an object's name"));
    }
    objects
        .prepare(&directories)
        .map_err(|error| faults::put(place, None, error))?;
    keys::make(objects, slots, env, place, parity)
}

/// Returns the name of an object that is known to have the right form.
pub(crate) fn named(name: impl Into<String>) -> ObjectName {
    ObjectName::new(name).expect("names are made of what names may hold")
}

/// Returns what opens a store just made with these slots.
fn unlock_of(slots: &[NewSlot]) -> Unlock {
    match slots.first().expect("a store has a way to be opened") {
        NewSlot::KeyFile(file) => Unlock::KeyFile(file.clone()),
        NewSlot::Passphrase(passphrase, _) => Unlock::Passphrase(passphrase.clone()),
    }
}

fn open_fault(place: &str, error: OpenError) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error) {
        return fault.because(error);
    }
    let fault = match &error {
        OpenError::Missing { .. } => Fault::new(Code::PoolMissing),
        OpenError::Full { .. } => Fault::new(Code::PoolFull).with("free", 0),
        OpenError::Failed { source, .. } if source.kind() == ErrorKind::ReadOnlyFilesystem => {
            Fault::new(Code::PoolReadOnly)
        }
        OpenError::Unfit { why } => Fault::new(Code::PoolUnwritable).with("reason", why),
        OpenError::Failed { .. } => {
            Fault::new(Code::PoolUnwritable).with("reason", faults::reason(&error))
        }
    };
    fault.with("path", place).because(error)
}
