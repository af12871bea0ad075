//! A process that outlives a mount's, and takes the mount away if that one is killed.
//!
//! It waits for a word on its input. If the input ends without one, the mount's process is gone, and what it mounted
//! goes too. It has a process group of its own, so that what ends the other at a terminal does not reach it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

/// The word of the command line that makes a process a guard.
pub const WORD: &str = "mount-guard";

/// What a mount names as its source.
pub(super) const SOURCE: &str = "dozo";

/// A guard at work.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts the guard of a mount at `directory`.
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg(WORD)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }

    /// Ends the guard: the mount is gone.
    pub(super) fn dismiss(mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // If it is gone there is nothing to dismiss.
            let _ = input.write_all(b".");
        }
        let _ = self.0.wait();
    }
}

/// Does a guard's work, in its own process.
///
/// # Errors
/// What is mounted there cannot be taken away.
pub fn run(directory: &Path) -> io::Result<()> {
    let mut word = Vec::new();
    let _ = io::stdin().read_to_end(&mut word);
    if word.is_empty() && is_ours(directory)? {
        return take_away(directory);
    }
    Ok(())
}

/// Returns a directory's path as the kernel names it, without symbolic links. A dead mount cannot be asked where it is:
/// then its parent is.
///
/// # Errors
/// It is not there.
pub(super) fn resolved(directory: &Path) -> io::Result<PathBuf> {
    directory
        .canonicalize()
        .or_else(|error| match (directory.parent(), directory.file_name()) {
            (Some(parent), Some(name)) if is_dead(directory) => {
                Ok(parent.canonicalize()?.join(name))
            }
            _ => Err(error),
        })
}

/// Says whether nobody answers for what is mounted at a directory.
fn is_dead(directory: &Path) -> bool {
    sources::dead_mount(directory).is_some_and(|place| place == directory)
}

/// Says whether what is mounted at a directory, which is [`resolved`], is a mount of recovery points. Does not ask the
/// mount: it may not answer.
///
/// # Errors
/// The list of mounts cannot be read.
pub(super) fn is_ours(directory: &Path) -> io::Result<bool> {
    let mounts = fs::read("/proc/self/mounts")?;
    // Space, tab, newline and backslash are written in octal there.
    let mut wanted = Vec::new();
    for byte in directory.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => wanted.extend(format!("\\{byte:03o}").bytes()),
            byte => wanted.push(*byte),
        }
    }
    // Of several the last is on top.
    let mut found = mounts.split(|b| *b == b'\n').filter_map(|line| {
        let mut fields = line.split(|b| *b == b' ');
        let (source, place) = (fields.next()?, fields.next()?);
        (place == wanted).then_some(source)
    });
    Ok(found.next_back() == Some(SOURCE.as_bytes()))
}

/// Takes away a dead mount of recovery points; anything else stays.
///
/// # Errors
/// It cannot be taken away.
pub(super) fn clear(directory: &Path) -> io::Result<()> {
    match is_dead(directory) && is_ours(directory)? {
        true => take_away(directory),
        false => Ok(()),
    }
}

/// Takes away what is mounted at a directory: at once for whoever comes now, and for good when nobody uses it any more.
///
/// # Errors
/// It cannot be taken away.
pub(super) fn take_away(directory: &Path) -> io::Result<()> {
    match unmount(directory, UnmountFlags::DETACH) {
        Err(Errno::PERM) => {
            let status = Command::new("fusermount3")
                .args(["-u", "-z", "--"])
                .arg(directory)
                .status()?;
            match status.success() {
                true => Ok(()),
                false => Err(io::Error::other("fusermount3 could not unmount it")),
            }
        }
        other => Ok(other?),
    }
}
