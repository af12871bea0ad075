//! The engine's door: one object that the server, the console and the command line ask and tell.
//!
//! A clone is another handle on the same engine. Calls may come from any thread; those that read take a lock
//! for a moment, those that decide append to the pool's log first and then look at what it says.

mod collect;
mod groups;
mod known;
mod members;
mod points;
mod restore;
mod run;
mod status;
mod submit;
mod verify;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use base::limits::{CATALOG_ROOM_BYTES, TRY_BYTES};
use base::{Env, Fault, JobId, MachineId, PointId, fault::Code};
use jiff::tz::TimeZone;

pub use groups::{GroupChange, PolicyChange};
use known::Known;
pub use members::{ProtectRequest, Protected, StopProtection};
pub use points::{Expiring, PointView};
pub use restore::RestoreRequest;
pub use status::{Health, JobQuery, MemberStatus, Status};
pub use volumes::NewVolume;

use crate::catalog::{Catalog, Opened};
use crate::home::Home;
use crate::jobs::{Job, Runner};
use crate::model::config::{self, Document};
use crate::model::{Inventory, Machine};
use crate::pool::{Pool, PoolStatus};
use crate::replica::{Happening, State};
use crate::worker::Worker;

/// The subject of alerts about this server.
pub(crate) const SERVER: &str = "server";
/// The subject of alerts about the pool.
pub(crate) const POOL: &str = "pool";

/// What an engine is made of.
pub struct EngineConfig {
    /// The data directory, claimed.
    pub home: Home,
    /// The pool.
    pub pool: Arc<dyn Pool>,
    /// Who carries out orders.
    pub worker: Arc<dyn Worker>,
    /// Time and chance.
    pub env: Env,
    /// This computer's name.
    pub host: String,
    /// This computer's time zone: schedules of new groups are in it.
    pub zone: TimeZone,
    /// How much of the pool's file system may be used before an alert says so, in percent, 100 for never; by default as
    /// the pool says.
    pub pool_warn: Option<u8>,
}

/// See the module.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) zone: TimeZone,
    pub(crate) home: Home,
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) worker: Arc<dyn Worker>,
    pub(crate) pool_warn: Option<u8>,
    pub(crate) catalog: Catalog,
    /// Why the data directory cannot be written, if it cannot: then the catalog is in memory.
    unwritable: Option<Fault>,
    pub(crate) runner: Runner,
    /// This run of the engine, in the jobs it owns.
    pub(crate) owner: String,
    /// Jobs that stop now stop because the program does.
    pub(crate) stopping: AtomicBool,
    inventory: RwLock<Arc<Inventory>>,
    /// One follower at a time: records are applied in order.
    following: Mutex<()>,
    /// One decision at a time: what it was decided on does not change before it is written down. That a job begins to work
    /// on a replica is one. Nobody looks at a source meanwhile, which may take for ever.
    deciding: Mutex<()>,
    /// Jobs whose end could not be written into the catalog yet (its disk is full, say): they are over all the same.
    unwritten: Mutex<BTreeMap<JobId, Job>>,
    /// Points that jobs read, each with those jobs: they cannot be deleted.
    pins: Mutex<BTreeMap<PointId, Vec<JobId>>>,
    known: Known,
}

impl Engine {
    /// Opens the catalog, brings it up to the pool's log, and calls what a dead process left running interrupted. Where the
    /// pool or the data directory cannot be written, what only reads works all the same: see [`Self::read_only`].
    ///
    /// # Errors
    /// - `CatalogVersionNewer`: the catalog, or something in the pool's log, is of a newer Dozo.
    /// - The pool's own.
    pub fn open(config: EngineConfig) -> Result<Self, Fault> {
        let (catalog, opened, unwritable) = open_catalog(&config.home, &config.env)?;
        let owner = JobId::random(&config.env).to_string();
        let inner = Inner {
            env: config.env,
            zone: config.zone,
            home: config.home,
            pool: config.pool,
            worker: config.worker,
            pool_warn: config.pool_warn,
            catalog,
            unwritable,
            runner: Runner::default(),
            owner,
            stopping: AtomicBool::new(false),
            inventory: RwLock::default(),
            following: Mutex::default(),
            deciding: Mutex::default(),
            unwritten: Mutex::default(),
            pins: Mutex::default(),
            known: Known::default(),
        };
        let engine = Self {
            inner: Arc::new(inner),
        };
        engine.follow()?;
        if let Some(reason) = opened.rebuilt
            && engine.inner.pool.head() > 0
        {
            let fault = Fault::new(Code::CatalogRebuilt).with("reason", reason);
            engine.inner.catalog.inform(SERVER, &fault, engine.now())?;
        }
        engine.interrupt()?;
        engine.look_after_pool(engine.now())?;
        engine.know_this_machine(&config.host)?;
        Ok(engine)
    }

    /// Stops every job, waits for them and closes the catalog in order. Jobs that were queued or running are
    /// interrupted: a scheduler repeats them.
    ///
    /// # Errors
    /// `CatalogDamaged`: it could not be closed; nothing is lost by that.
    pub fn close(&self) -> Result<(), Fault> {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.runner.stop();
        self.write_unwritten();
        self.inner.catalog.close()
    }

    /// Returns the data directory.
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// Returns everything that is configured.
    pub fn inventory(&self) -> Arc<Inventory> {
        let inventory = self.inner.inventory.read();
        inventory.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how full the pool is and what it holds.
    ///
    /// # Errors
    /// The pool's own.
    pub fn pool_status(&self) -> Result<PoolStatus, Fault> {
        self.inner.pool.status()
    }

    /// Returns how many bytes all recovery points show, together: far more than is stored.
    ///
    /// # Errors
    /// The catalog's own.
    pub fn protected_bytes(&self) -> Result<u64, Fault> {
        self.inner.catalog.protected_bytes()
    }

    /// Returns why nothing can be changed now, if nothing can. Looking and restoring go on.
    pub fn read_only(&self) -> Option<Fault> {
        let pool = self.inner.pool.read_only();
        pool.or_else(|| self.inner.unwritable.clone())
    }

    /// Refuses what would change something if nothing can be changed: before it is begun, so that nothing is half done.
    pub(crate) fn refuse_read_only(&self) -> Result<(), Fault> {
        self.read_only().map_or(Ok(()), Err)
    }

    /// Returns what cannot be written now, with the reason: the pool, the data directory. What was writable when the engine
    /// opened is tried anew.
    pub(crate) fn refusals(&self) -> Vec<(&'static str, Fault)> {
        let pool = self.inner.pool.read_only();
        let home = match &self.inner.unwritable {
            Some(fault) => Some(fault.clone()),
            None => self.inner.home.try_writing(TRY_BYTES).err(),
        };
        let pool = pool.map(|fault| (POOL, fault));
        pool.into_iter()
            .chain(home.map(|fault| (SERVER, fault)))
            .collect()
    }

    pub(crate) fn now(&self) -> base::Timestamp {
        self.inner.env.now()
    }

    pub(crate) fn pins(&self) -> MutexGuard<'_, BTreeMap<PointId, Vec<JobId>>> {
        let pins = self.inner.pins.lock();
        pins.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unwritten(&self) -> MutexGuard<'_, BTreeMap<JobId, Job>> {
        let unwritten = self.inner.unwritten.lock();
        unwritten.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn deciding(&self) -> MutexGuard<'_, ()> {
        let deciding = self.inner.deciding.lock();
        deciding.unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings catalog and inventory up to the pool's log.
    pub(crate) fn follow(&self) -> Result<(), Fault> {
        let following = self.inner.following.lock();
        let _following = following.unwrap_or_else(PoisonError::into_inner);
        let followed = self.inner.catalog.follow(self.inner.pool.as_ref());
        self.inner.known.forget();
        if let Some(set_back) = followed? {
            // What cannot be told now is told the next time: nobody is kept from a restore by that.
            let told = self.tell_set_back(&set_back);
            let told = told.and_then(|()| self.inner.catalog.set_back_is_told());
            if let Err(fault) = told {
                tracing::error!(%fault, "that the pool was set back was not written down");
            }
        }
        let documents = self.inner.catalog.configs()?;
        let inventory = Arc::new(config::read(&documents)?);
        let mut shared = self
            .inner
            .inventory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *shared = inventory;
        Ok(())
    }

    /// Writes decisions to the log, then follows it, however far it came: what was written is decided.
    pub(crate) fn put(&self, documents: &[Document]) -> Result<(), Fault> {
        self.refuse_read_only()?;
        let written = documents.iter().try_for_each(|document| {
            let json = document.json.as_deref().map(str::as_bytes);
            let pool = &self.inner.pool;
            pool.put_config(document.kind, &document.id, json)
        });
        let followed = self.follow();
        written.and(followed)
    }

    /// Ends what a dead process left unfinished.
    fn interrupt(&self) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        for job in catalog.interrupt_jobs(&self.inner.owner, self.now())? {
            let Some(source) = job.source.filter(|_| job.kind.is_exclusive()) else {
                continue;
            };
            match self.replica_state(&source)?.0 {
                State::Creating => self.replica_happening(&source, Happening::SyncEnded)?,
                State::Checking(_) => self.replica_happening(&source, Happening::CheckEnded)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn know_this_machine(&self, host: &str) -> Result<(), Fault> {
        let _deciding = self.deciding();
        if self.inventory().local_machine().is_some() || self.read_only().is_some() {
            return Ok(());
        }
        let machine = Machine {
            id: MachineId::random(&self.inner.env),
            name: host.to_owned(),
            local: true,
        };
        self.put(&[config::machine(&machine)])
    }
}

/// Opens the catalog; where it cannot be written, one in memory, with the reason.
fn open_catalog(home: &Home, env: &Env) -> Result<(Catalog, Opened, Option<Fault>), Fault> {
    let path = home.catalog();
    let writable = match home.read_only() {
        Some(fault) => Err(fault),
        None => home.try_writing(CATALOG_ROOM_BYTES),
    };
    // A full disk, say: a restore must not need room for a catalog.
    let unwritable = match writable.and_then(|()| Catalog::open(&path, env)) {
        Ok((catalog, opened)) => return Ok((catalog, opened, None)),
        Err(fault) if fault.code == Code::DataDirectoryUnwritable => fault,
        Err(fault) => return Err(fault),
    };
    Ok((
        Catalog::in_memory(&path)?,
        Opened::default(),
        Some(unwritable),
    ))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine {}", self.inner.home.path().display())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(fault) = self.catalog.close() {
            tracing::warn!(%fault, "the catalog was not closed in order");
        }
    }
}
