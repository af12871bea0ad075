//! Who owns a directory: one process at a time, and others are told which.
//!
//! The kernel's lock on a file decides and dies with its process: nothing is ever stale and nothing has to be broken
//! by hand. What the file says is only for the message.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use base::fault::Code;
use base::limits::{OWNER_BYTES_MAX, OWNER_TRIED_AGAIN_AFTER, OWNER_TRIES};
use base::{Env, Fault};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// When it took the lock.
    pub since: String,
    /// What it is doing, as typed.
    pub command: String,
}

/// Ownership of a directory, until dropped.
#[derive(Debug)]
#[must_use]
pub struct Ownership {
    _file: File,
}

impl Ownership {
    /// Takes ownership through the lock file at `path`, made if missing; waits a fifth of a second at most. `command` is what others
    /// are told that the owner does.
    ///
    /// # Errors
    /// `PoolOwned` with the owner's process and command; `PoolReadOnly` or `PoolUnwritable` if the file cannot be made.
    pub fn take(path: &Path, command: &str, env: &Env) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| {
            if let Some(fault) = Fault::of_exhaustion(&error) {
                return fault.because(error);
            }
            let fault = match error.kind() {
                std::io::ErrorKind::ReadOnlyFilesystem => Fault::new(Code::PoolReadOnly),
                _ => Fault::new(Code::PoolUnwritable).with("reason", error.kind()),
            };
            fault.with("path", path.display()).because(error)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        if let Err(errno) = lock(&file) {
            if errno != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(errno.into()));
            }
            let owner = read(&mut file).unwrap_or(Owner {
                pid: 0,
                since: String::from("?"),
                command: String::from("?"),
            });
            return Err(Fault::new(Code::PoolOwned)
                .with("path", path.display())
                .with("pid", owner.pid)
                .with("since", owner.since)
                .with("command", owner.command));
        }
        let owner = Owner {
            pid: std::process::id(),
            since: env.now().to_string(),
            command: command.chars().take(1000).collect(),
        };
        // A full disk must not keep an owner out: the text is only for others to read.
        if let Err(error) = write(&mut file, &owner) {
            tracing::warn!(%error, "cannot say in the lock file who owns it");
        }
        Ok(Self { _file: file })
    }

    /// Returns who owns the lock file at `path` now, if somebody does.
    pub fn find(path: &Path) -> Option<Owner> {
        let mut file = File::open(path).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => read(&mut file),
            _ => None,
        }
    }
}

/// Locks a file. Whoever only looks who owns it ([`Ownership::find`]) and a child that has not begun its program yet hold the
/// lock for a moment: somebody who has it when [`OWNER_TRIES`] are over owns it.
fn lock(file: &File) -> Result<(), rustix::io::Errno> {
    for _ in 1..OWNER_TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(OWNER_TRIED_AGAIN_AFTER),
            other => return other,
        }
    }
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

fn read(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.take(OWNER_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, owner: &Owner) -> std::io::Result<()> {
    let text = serde_json::to_string(owner)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_looks_keeps_no_owner_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        let env = Env::system();
        drop(Ownership::take(&path, "dozo up", &env).unwrap());
        let looks = File::open(&path).unwrap();
        flock(&looks, FlockOperation::NonBlockingLockShared).unwrap();
        let looking = std::thread::spawn(move || {
            std::thread::sleep(OWNER_TRIED_AGAIN_AFTER * 2);
            drop(looks);
        });
        assert!(Ownership::take(&path, "dozo backup /home", &env).is_ok());
        looking.join().unwrap();
    }

    #[test]
    fn the_second_owner_is_told_about_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        let env = Env::system();
        assert_eq!(Ownership::find(&path), None);
        let first = Ownership::take(&path, "dozo backup /etc", &env).unwrap();
        let fault = Ownership::take(&path, "dozo backup /home", &env).unwrap_err();
        assert_eq!(fault.code, Code::PoolOwned);
        assert!(
            fault
                .params
                .contains(&("command", "dozo backup /etc".into()))
        );
        assert_eq!(Ownership::find(&path).unwrap().pid, std::process::id());
        drop(first);
        assert_eq!(Ownership::find(&path), None);
        let _second = Ownership::take(&path, "dozo backup /home", &env).unwrap();
    }
}
