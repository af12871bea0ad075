//! The data directory: where everything of one server lies, and who works on it.
//!
//! ```text
//! server.key      the key file that opens the pool unattended
//! catalog.db      the catalog
//! cache/          the chunk index
//! run/            the socket of a running server
//! pool/           the store
//! adopting        only while a pool is being adopted: where it is
//! lock            held (flock) by the one process that works here; its text says who
//! ```
//!
//! The lock is the kernel's: it ends with its process, however that ends, so a dead owner is never in the way.
//!
//! A directory where nothing can be written (a rescue disk, a snapshot of the server) can still be looked at. Any number of
//! processes may, side by side, as long as nobody owns it: whoever mounted it elsewhere, writable, is respected.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base::limits::OWNER_BYTES_MAX;
use base::{Env, Fault, Timestamp, fault::Code};
use serde::{Deserialize, Serialize};

/// Who works on a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// What it was started as.
    pub command: String,
}

#[derive(Serialize, Deserialize)]
struct OwnerForm {
    pid: u32,
    since: String,
    command: String,
}

/// A data directory that this process works on, and nobody else, until it is dropped; one that is read-only it shares with
/// others who look.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    /// Held locked; none where nobody can make one.
    _lock: Option<File>,
    read_only: bool,
}

impl Home {
    /// Makes the directory if need be and takes it. One on a read-only file system is opened for looking:
    /// [`Self::read_only`].
    ///
    /// # Errors
    /// - `DataDirectoryBusy`: another process works on it; says which.
    /// - `DataDirectoryUnwritable`.
    pub fn claim(path: &Path, env: &Env, command: &str) -> Result<Self, Fault> {
        let unwritable = |e| unwritable(path, e);
        let mut lock = match make(path) {
            Ok(lock) => lock,
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && path.is_dir() => {
                return Self::look(path);
            }
            Err(e) => return Err(unwritable(e)),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(path, read_owner(&mut lock))),
            Err(TryLockError::Error(e)) => return Err(unwritable(e)),
        }
        let owner = OwnerForm {
            pid: std::process::id(),
            since: env.now().to_string(),
            command: command.to_owned(),
        };
        let text = serde_json::to_vec(&owner).expect("a plain structure is JSON");
        let written = lock
            .set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| lock.write_all(&text));
        // A full disk must not keep an owner out: the text is only for others to read.
        if let Err(error) = written {
            tracing::warn!(%error, "cannot say in the lock file who works here");
        }
        Ok(Self {
            path: path.canonicalize().map_err(unwritable)?,
            _lock: Some(lock),
            read_only: false,
        })
    }

    /// Opens a directory where nothing can be written. The lock is shared with others who look, and refused by an owner who
    /// can write: the same directory may be mounted a second time.
    fn look(path: &Path) -> Result<Self, Fault> {
        let lock = match File::open(path.join("lock")) {
            Ok(mut lock) => match lock.try_lock_shared() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => return Err(busy(path, read_owner(&mut lock))),
                Err(TryLockError::Error(e)) => return Err(unwritable(path, e)),
            },
            // Nobody has ever worked here under a lock, and nobody can begin to.
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(unwritable(path, e)),
        };
        Ok(Self {
            path: path.canonicalize().map_err(|e| unwritable(path, e))?,
            _lock: lock,
            read_only: true,
        })
    }

    /// Returns why nothing can be written here, if nothing can.
    pub fn read_only(&self) -> Option<Fault> {
        let reason = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        self.read_only.then(|| unwritable(&self.path, reason))
    }

    /// Returns who works on a data directory, if anybody does.
    pub fn owner(path: &Path) -> Option<Owner> {
        let mut lock = File::open(path.join("lock")).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_owner(&mut lock),
            _ => None,
        }
    }

    /// Tries whether that many bytes can be written here, so that a command does not come to its end half way; and what
    /// the system says is plainer than what a database makes of it.
    ///
    /// # Errors
    /// `DataDirectoryUnwritable`.
    pub(crate) fn try_writing(&self, bytes: usize) -> Result<(), Fault> {
        let path = self.cache().join("try");
        let written = std::fs::write(&path, vec![0; bytes]);
        // It may be there although it could not be filled.
        let _ = std::fs::remove_file(&path);
        written.map_err(|e| unwritable(&self.path, e))
    }

    /// Returns the directory, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the pool is.
    pub fn pool(&self) -> PathBuf {
        self.path.join("pool")
    }

    /// Returns the directories that are Dozo's own, absolute and without symbolic links: this one, and the pool, which may be
    /// on another disk, or mounted in another place as well. They are left out of every source, and nothing is restored into them.
    pub fn own(&self) -> Vec<PathBuf> {
        let mut own = vec![self.path.clone()];
        // Whoever opens one has made the pool by then.
        own.extend(self.pool().canonicalize());
        own
    }

    /// Returns where the key file is.
    pub fn key_file(&self) -> PathBuf {
        self.path.join("server.key")
    }

    /// Returns where it is said that a pool is being adopted, from the first step of that to after the last one.
    pub fn adoption(&self) -> PathBuf {
        self.path.join("adopting")
    }

    /// Returns the directory where disks of the pool are mounted.
    pub fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// Returns where caches are.
    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// Returns where the catalog is.
    pub fn catalog(&self) -> PathBuf {
        self.path.join("catalog.db")
    }

    /// Returns where a running server listens for the command line.
    pub fn socket(&self) -> PathBuf {
        Self::socket_of(&self.path)
    }

    /// Returns where a server running on that data directory listens for the command line.
    pub fn socket_of(path: &Path) -> PathBuf {
        path.join("run").join("dozo.sock")
    }
}

/// Makes the directory, as far as it is not there, and opens its lock file.
fn make(path: &Path) -> io::Result<File> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path)?;
    for part in ["cache", "run"] {
        builder.create(path.join(part))?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path.join("lock"))
}

/// Returns the fault of a data directory that is something else, or lies below something else.
pub fn not_a_directory(path: &Path) -> Option<Fault> {
    let standing = path.ancestors().find(|p| p.symlink_metadata().is_ok())?;
    let fault = Fault::new(Code::DataDirectoryNotADirectory).with("path", standing.display());
    (!standing.is_dir()).then_some(fault)
}

fn unwritable(path: &Path, error: io::Error) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error).or_else(|| not_a_directory(path)) {
        return fault.because(error);
    }
    Fault::new(Code::DataDirectoryUnwritable)
        .with("path", path.display())
        .with("reason", &error)
        .because(error)
}

fn read_owner(lock: &mut File) -> Option<Owner> {
    let mut text = Vec::new();
    lock.seek(SeekFrom::Start(0)).ok()?;
    lock.take(OWNER_BYTES_MAX).read_to_end(&mut text).ok()?;
    let form: OwnerForm = serde_json::from_slice(&text).ok()?;
    Some(Owner {
        pid: form.pid,
        since: form.since.parse().ok()?,
        command: form.command,
    })
}

fn busy(path: &Path, owner: Option<Owner>) -> Fault {
    let fault = Fault::new(Code::DataDirectoryBusy).with("path", path.display());
    match owner {
        Some(owner) => fault
            .with("pid", owner.pid)
            .with("since", owner.since)
            .with("command", owner.command),
        None => fault,
    }
}
