//! Where the operations come from: the engine in this process, or the process that owns the data directory.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{Client, Operations};
use base::fault::Code;
use base::limits::{SILENCE_ENDURED, SILENCE_TOLD};
use base::{Fault, SourceId};
use engine::Home;
use engine::home::not_a_directory;
use server::{ServeError, Serving, serve};

use crate::host::Host;
use crate::session::{self, Manner};
use crate::world::World;

/// How often, and how long, a data directory is waited for whose owner does not answer: commands that only
/// look own it for a moment.
const WAIT: Duration = Duration::from_millis(50);
const WAITS_MAX: u32 = 200;

/// What a command will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Look, or change a word. A data directory that holds nothing stays as it is.
    Look,
    /// Look at what may be much, for as long as a person reads it: others may ask meanwhile.
    Read,
    /// Run a job: others may ask meanwhile how it goes.
    Work,
    /// The same, and make the data directory if it is not there.
    Begin,
}

/// The operations, from wherever they are.
pub enum Backend {
    /// The engine runs here.
    Local(Local),
    /// Another process owns the data directory, and answers.
    Remote(Client),
}

impl Backend {
    /// Returns the operations.
    pub fn operations(&self) -> &dyn Operations {
        match self {
            Self::Local(local) => local.operations(),
            Self::Remote(client) => client,
        }
    }

    /// Returns the operations, for threads of their own.
    pub fn shared(&self) -> Arc<dyn Operations> {
        match self {
            Self::Local(local) => Arc::clone(&local.operations),
            Self::Remote(client) => Arc::new(client.clone()),
        }
    }

    /// Goes on answering the commands that others have begun meanwhile, until they are over or a person wants this one to
    /// end.
    pub fn serve_on(&self, world: &mut World) {
        if let Self::Local(local) = self
            && local.guests() > 0
            && !world.stop.is_asked()
        {
            let text = "Other commands are answered until they are over. Ctrl-C ends that ...";
            session::say(world, text);
            while local.guests() > 0 && !world.stop.wait(WAIT) {}
        }
    }

    /// Ends what was opened.
    pub fn close(self, world: &mut World) {
        if let Self::Local(local) = self {
            local.close(world);
        }
    }
}

/// Opens the operations for a command.
///
/// # Errors
/// `DataDirectoryEmpty`, `DataDirectoryBusy`, `DataDirectoryUnwritable`, or what keeps the engine from opening.
pub fn open(
    world: &mut World,
    data_dir: &Path,
    purpose: Purpose,
    manner: Manner,
) -> Result<Backend, Fault> {
    if purpose != Purpose::Begin && is_new(data_dir) {
        if let Some(fault) = not_a_directory(data_dir) {
            return Err(fault);
        }
        return Err(Fault::new(Code::DataDirectoryEmpty).with("path", data_dir.display()));
    }
    let socket = Home::socket_of(data_dir);
    let mut waits = 0;
    loop {
        let busy = match Home::claim(data_dir, &world.env, &world.command_line) {
            Ok(home) => {
                // No socket can be made where nothing can be written: others look for themselves.
                let serves = purpose != Purpose::Look && home.read_only().is_none();
                let local = Local::open(world, home, manner)?;
                if serves && let Err(fault) = local.serve(None) {
                    if purpose != Purpose::Read {
                        return Err(fault);
                    }
                    tracing::warn!(%fault, "others have to wait until this has been read");
                }
                return Ok(Backend::Local(local));
            }
            Err(fault) if fault.code == Code::DataDirectoryBusy => fault,
            Err(fault) => return Err(fault),
        };
        if let Ok(client) = Client::connect(&socket, manner.language) {
            return Ok(Backend::Remote(client.patient(patience(world))));
        }
        waits += 1;
        if waits > WAITS_MAX || world.stop.wait(WAIT) {
            return Err(busy);
        }
    }
}

/// Returns what says that a server is silent, and gives up when a person does.
fn patience(world: &World) -> impl Fn(Duration) -> bool + Send + Sync + 'static {
    let (stop, talk) = (Arc::clone(&world.stop), world.err.clone());
    let told = AtomicBool::new(false);
    move |waited| {
        if waited < SILENCE_TOLD {
            told.store(false, Ordering::Relaxed);
        } else if !told.swap(true, Ordering::Relaxed) {
            let seconds = waited.as_secs();
            // Nobody listening is no failure.
            let _ = writeln!(
                talk.clone(),
                "The server has not answered for {seconds} s; still waiting (Ctrl-C ends that) ..."
            );
        }
        !stop.is_asked() || waited < SILENCE_ENDURED
    }
}

/// Owns the data directory, for a server: no other process may have it.
///
/// # Errors
/// As [`open`]; `PoolReadOnly`, or `DataDirectoryUnwritable`: a server that can protect nothing would look as if it did.
pub fn own(world: &mut World, data_dir: &Path, manner: Manner) -> Result<Local, Fault> {
    let socket = Home::socket_of(data_dir);
    let mut waits = 0;
    loop {
        match Home::claim(data_dir, &world.env, &world.command_line) {
            Err(fault) if fault.code == Code::DataDirectoryBusy => {
                waits += 1;
                let answers = Client::connect(&socket, manner.language).is_ok();
                if answers || waits > WAITS_MAX || world.stop.wait(WAIT) {
                    return Err(fault);
                }
            }
            claimed => {
                let local = Local::open(world, claimed?, manner)?;
                let Some(fault) = local.host.read_only() else {
                    return Ok(local);
                };
                local.close(world);
                return Err(fault);
            }
        }
    }
}

/// Returns whether nothing was ever kept in `data_dir`; a pool that is gone leaves its catalog.
fn is_new(data_dir: &Path) -> bool {
    let traces = ["pool", "catalog.db", "adopting"];
    traces
        .iter()
        .all(|trace| std::fs::symlink_metadata(data_dir.join(trace)).is_err())
}

/// The engine in this process, with the data directory it owns.
pub struct Local {
    // Fields are dropped in this order: nobody is answered after the engine has gone, and nobody else may own
    // the directory before.
    serving: Mutex<Option<Serving>>,
    operations: Arc<dyn Operations>,
    host: Host,
    socket: PathBuf,
}

impl Local {
    fn open(world: &mut World, home: Home, manner: Manner) -> Result<Self, Fault> {
        let socket = home.socket();
        let host = Host::open(world, home)?;
        Ok(Self::of(host, socket, manner))
    }

    fn of(host: Host, socket: PathBuf, manner: Manner) -> Self {
        Self {
            serving: Mutex::new(None),
            operations: host.speak()(manner.language),
            host,
            socket,
        }
    }

    /// Opens a data directory whose pool is being adopted.
    ///
    /// # Errors
    /// As [`Host::open_adopting`].
    pub fn adopting(world: &World, home: Home, manner: Manner) -> Result<Self, Fault> {
        let socket = home.socket();
        Ok(Self::of(Host::open_adopting(world, home)?, socket, manner))
    }

    /// Stops the protection of everything: see [`Host::stop_all_members`].
    ///
    /// # Errors
    /// The pool cannot be written.
    pub fn stop_all_members(&self) -> Result<Vec<(SourceId, String)>, Fault> {
        self.host.stop_all_members()
    }

    /// Returns the operations.
    pub fn operations(&self) -> &dyn Operations {
        &*self.operations
    }

    /// Lets other commands, and a network if asked for, in.
    ///
    /// # Errors
    /// `ServerCannotListen`; `ResourcesExhausted`.
    pub fn serve(&self, listen: Option<SocketAddr>) -> Result<(), Fault> {
        let serving = serve(self.host.speak(), &self.socket, listen).map_err(|e| {
            let e = match e {
                ServeError::Runtime(source) => return Fault::exhausted(source),
                e => e,
            };
            if let Some(fault) = Fault::of_exhaustion(&e) {
                return fault.because(e);
            }
            let reason = std::error::Error::source(&e).map(ToString::to_string);
            let address =
                listen.map_or_else(|| self.socket.display().to_string(), |a| a.to_string());
            Fault::new(Code::ServerCannotListen)
                .with("address", address)
                .with("reason", reason.unwrap_or_default())
                .because(e)
        })?;
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
        Ok(())
    }

    /// Returns the network address that is listened on.
    pub fn address(&self) -> Option<SocketAddr> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().and_then(Serving::address)
    }

    /// Returns how many connections others have.
    fn guests(&self) -> usize {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().map_or(0, Serving::guests)
    }

    /// Follows the changes of sources from now on: for a process that stays.
    pub fn follow_changes(&self) {
        self.host.follow_changes();
    }

    /// Starts what is due, from now on.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn schedule(&self) -> Result<(), Fault> {
        self.host.schedule()
    }

    /// Ends the engine. Jobs that others have asked for meanwhile are waited for, unless a person wants the
    /// command to end: then they are stopped, and can be run again.
    pub fn close(self, world: &mut World) {
        if !world.stop.is_asked() && self.host.is_busy() {
            session::say(
                world,
                "Waiting for jobs that other commands have started ...",
            );
            while self.host.is_busy() && !world.stop.wait(WAIT) {}
        }
        drop(self.serving);
        drop(self.operations);
        self.host.close();
    }
}
