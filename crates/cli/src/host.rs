//! The server's parts, joined: key file, store, worker, engine, operations.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use agent::journal::kept::Keeper;
use base::fault::Code;
use base::{Env, Fault, SourceId};
use engine::scheduler::Stop;
use engine::{Engine, EngineConfig, Home};
use format::keys::{KeyFile, NewSlot, Unlock};
use server::Service;
use server::router::Speak;
use store::{Parity, Store};

use crate::adopt;
use crate::look::Look;
use crate::worker::LocalWorker;
use crate::world::World;

/// An engine over the store of a data directory, in this process.
pub struct Host {
    engine: Engine,
    worker: Arc<LocalWorker>,
    service: Service,
    schedule: Mutex<Option<JoinHandle<()>>>,
    stop: Stop,
}

impl Host {
    /// Opens everything in a data directory, and makes what is not there yet. Where nothing can be written, for looking and
    /// restoring.
    ///
    /// # Errors
    /// - `AdoptionUnfinished`: a pool was being adopted.
    /// - `PoolMissing`: there was a pool once, and its place is empty.
    /// - `StoreKeyMissing`, `StoreKeyWrong`: the key file does not open the pool.
    /// - The store's and the engine's own.
    pub fn open(world: &World, home: Home) -> Result<Self, Fault> {
        adopt::refuse_unfinished(&home)?;
        Self::open_any(world, home)
    }

    /// Opens a data directory whose pool is being adopted: for whoever adopts it, and nobody else.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_adopting(world: &World, home: Home) -> Result<Self, Fault> {
        Self::open_any(world, home)
    }

    fn open_any(world: &World, home: Home) -> Result<Self, Fault> {
        let env = world.env.clone();
        let store = open_store(&home, &env, world)?;
        let worker = Arc::new(LocalWorker {
            store: store.clone(),
            env: env.clone(),
            own: home.own(),
            mounts: home.volumes(),
            journal: OnceLock::new(),
            keeper: Keeper::new(home.cache().join("snapshots")),
        });
        let engine = Engine::open(EngineConfig {
            home,
            pool: Arc::new(store.clone()),
            worker: worker.clone(),
            env: env.clone(),
            host: world.machine.clone(),
            zone: world.zone.clone(),
            pool_warn: pool_warn(world)?,
        })?;
        let service = Service::new(engine.clone(), Arc::new(Look::new(store)), env);
        Ok(Self {
            engine,
            worker,
            service,
            schedule: Mutex::new(None),
            stop: Stop::default(),
        })
    }

    /// Returns what gives the operations in a language.
    pub fn speak(&self) -> Speak {
        let service = self.service.clone();
        Arc::new(move |language| Arc::new(service.speaking(language)))
    }

    /// Follows the changes of sources from now on: for a process that stays. What was kept for sources that are not protected
    /// any more, and could not be dropped then, is dropped.
    pub fn follow_changes(&self) {
        if self.read_only().is_none() {
            self.worker.keeper.release_all_but(&self.engine.protected());
        }
        self.worker.follow_changes();
    }

    /// Starts what is due, from now on.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn schedule(&self) -> Result<(), Fault> {
        let (engine, stop) = (self.engine.clone(), self.stop.clone());
        let thread = std::thread::Builder::new()
            .name("dozo-scheduler".to_owned())
            .spawn(move || {
                if let Err(fault) = engine.run_scheduler(&stop) {
                    tracing::error!(%fault, "the scheduler has ended");
                }
            })
            .map_err(Fault::exhausted)?;
        *self.schedule.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Stops the protection of everything: replicas and points stay as they are. Returns each source with its group.
    ///
    /// # Errors
    /// The pool cannot be written.
    pub fn stop_all_members(&self) -> Result<Vec<(SourceId, String)>, Fault> {
        self.engine.stop_all_members()
    }

    /// Returns why nothing can be changed here, if nothing can.
    pub fn read_only(&self) -> Option<Fault> {
        self.engine.read_only()
    }

    /// Returns whether jobs wait or run.
    pub fn is_busy(&self) -> bool {
        self.engine.unfinished_count().is_ok_and(|count| count > 0)
    }

    /// Stops the schedule, then every job, and closes the catalog.
    pub fn close(self) {
        self.stop.stop();
        let thread = self
            .schedule
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        if let Err(fault) = self.engine.close() {
            tracing::warn!(%fault, "the catalog was not closed in order");
        }
    }
}

/// Opens the store, or makes it in a data directory that never had one.
fn open_store(home: &Home, env: &Env, world: &World) -> Result<Store, Fault> {
    let command = world.command_line.as_str();
    let (pool, cache) = (home.pool(), home.cache());
    let key = read_key(&home.key_file())?;
    let is_there = is_there(&pool.join(format::header::OBJECT_NAME))?;
    match (is_there, key) {
        (true, Some(key)) => open_pool(home, &Unlock::KeyFile(key), env, command),
        (true, None) => {
            Err(Fault::new(Code::StoreKeyMissing).with("path", home.key_file().display()))
        }
        // A catalog without a pool: there was one. An empty one in its place would look like a loss.
        (false, _) if self::is_there(&home.catalog())? => {
            Err(Fault::new(Code::PoolMissing).with("path", pool.display()))
        }
        (false, key) => {
            let parity = wanted_parity(world)?;
            let key = match key {
                Some(key) => key,
                None => make_key(&home.key_file(), env)?,
            };
            let slots = [NewSlot::KeyFile(key)];
            Store::create_at_with(&pool, &slots, env, &cache, command, parity)
        }
    }
}

/// Returns whether the packs of a new pool shall have parity: they do unless `DOZO_PARITY` says `off`. A mirrored disk, or a
/// second place, makes it superfluous; it takes 7 % of the pool.
fn wanted_parity(world: &World) -> Result<Parity, Fault> {
    match world.variables.get(OsStr::new("DOZO_PARITY")) {
        None => Ok(Parity::default()),
        Some(value) if value == "on" => Ok(Parity::default()),
        Some(value) if value == "off" => Ok(Parity::None),
        Some(value) => {
            let detail = format!("DOZO_PARITY is {}, neither on nor off", value.display());
            Err(Fault::new(Code::UsageError).with("detail", detail))
        }
    }
}

/// Returns at how many percent of the pool's file system in use an alert shall say so, if `DOZO_POOL_WARN` says it: whoever
/// shares a large disk with other things knows better than the default, and 100 is never.
fn pool_warn(world: &World) -> Result<Option<u8>, Fault> {
    let Some(value) = world.variables.get(OsStr::new("DOZO_POOL_WARN")) else {
        return Ok(None);
    };
    let percent = value.to_str().and_then(|text| text.parse().ok());
    match percent.filter(|percent| (1..=100).contains(percent)) {
        Some(percent) => Ok(Some(percent)),
        None => {
            let detail = format!(
                "DOZO_POOL_WARN is {}, not a number of percent from 1 to 100",
                value.display()
            );
            Err(Fault::new(Code::UsageError).with("detail", detail))
        }
    }
}

/// Opens a pool that is there: for reading if that is all it allows, with an index in memory if there can be no other.
fn open_pool(home: &Home, unlock: &Unlock, env: &Env, command: &str) -> Result<Store, Fault> {
    let pool = home.pool();
    if home.read_only().is_some() {
        // Its pool may lie elsewhere, and be writable: whoever looks touches that no more than the rest.
        return Store::read_at(&pool, unlock, env, store::Place::Memory);
    }
    let mut index = store::Place::from(&home.cache());
    let mut opened = Store::open_at(&pool, unlock, env, index.clone(), command);
    if let Err(fault) = &opened
        && fault.code == Code::DataDirectoryUnwritable
    {
        tracing::warn!(%fault, "the chunk index is kept in memory");
        index = store::Place::Memory;
        opened = Store::open_at(&pool, unlock, env, index.clone(), command);
    }
    match opened {
        Err(fault) if fault.code == Code::PoolReadOnly => Store::read_at(&pool, unlock, env, index),
        opened => opened,
    }
}

pub(crate) fn is_there(path: &Path) -> Result<bool, Fault> {
    path.try_exists().map_err(|e| unreadable(path, e))
}

pub(crate) fn unreadable(path: &Path, error: io::Error) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error) {
        return fault.because(error);
    }
    Fault::new(Code::DataDirectoryUnwritable)
        .with("path", path.display())
        .with("reason", &error)
        .because(error)
}

fn read_key(path: &Path) -> Result<Option<KeyFile>, Fault> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(path, e)),
    };
    let key = KeyFile::parse(&text).map_err(|e| {
        Fault::new(Code::StoreKeyWrong)
            .with("path", path.display())
            .because(e)
    })?;
    Ok(Some(key))
}

/// Makes the key file, durably: what is sealed under a key that a power cut takes away is lost.
fn make_key(path: &Path, env: &Env) -> Result<KeyFile, Fault> {
    let key = KeyFile::random(env);
    let written = adopt::put_durably(path, key.to_text().as_bytes());
    written.map_err(|e| unreadable(path, e))?;
    Ok(key)
}
