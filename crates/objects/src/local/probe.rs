//! Tries whether a file system can keep objects, before anything is entrusted to it.
//!
//! It cannot find out whether the disk beneath lies about syncing; nothing but pulling the plug can.

use super::{Local, is_full, join, open_error};
use crate::OpenError;
use crate::disk::{Disk, Errno, TMP_DIR};

/// Names in `.tmp`, so that an interrupted probe is cleaned up like any stale draft.
const FIRST: &str = ".tmp/probe-first";
const BYTES: &[u8] = b"what is written is what is read";

impl<D: Disk> Local<D> {
    /// Tries what durable storage needs of a file system: files that appear under a name only when it
    /// is free, directories that can be synced, bytes that read back through a second handle.
    ///
    /// # Errors
    /// [`OpenError::Unfit`]: it got one of them wrong; [`OpenError::Full`]: there is no room to try.
    pub fn probe(&self) -> Result<(), OpenError> {
        let disk = self.disk();
        match disk.remove(FIRST) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(unfit("a file cannot be removed", errno)),
        }
        let tried = try_all(disk);
        // Left behind after a failure, it would be removed by the next open.
        let _ = disk.remove(FIRST);
        tried
    }
}

fn try_all(disk: &impl Disk) -> Result<(), OpenError> {
    publish(disk, FIRST).map_err(|e| unfit("a new file cannot be published under its name", e))?;
    match publish(disk, FIRST) {
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(unfit("a taken name is not refused as such", errno)),
        Ok(()) => return Err(wrong("a file replaced another of the same name")),
    }
    match disk.make_dir(TMP_DIR) {
        Err(Errno::EXIST) => {}
        Err(errno) => {
            return Err(unfit(
                "a directory that exists is not refused as such",
                errno,
            ));
        }
        Ok(()) => return Err(wrong("a directory was made twice")),
    }
    disk.sync_dir(TMP_DIR)
        .map_err(|e| unfit("directories cannot be synced", e))?;
    let listed = disk
        .list(TMP_DIR)
        .map_err(|e| unfit("directories cannot be listed", e))?;
    if !listed.iter().any(|e| join(TMP_DIR, &e.name) == FIRST) {
        return Err(wrong("a published file is not listed"));
    }
    match read(disk, FIRST) {
        Ok(bytes) if bytes == BYTES => {}
        Ok(_) => return Err(wrong("other bytes are read than were written")),
        Err(errno) => return Err(unfit("a published file cannot be read", errno)),
    }
    disk.remove(FIRST)
        .map_err(|e| unfit("a file cannot be removed", e))?;
    match disk.open(FIRST) {
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(unfit("a missing file is not reported as such", errno)),
        Ok(_) => Err(wrong("a removed file is still there")),
    }
}

fn publish(disk: &impl Disk, path: &str) -> Result<(), Errno> {
    let mut draft = disk.draft()?;
    disk.write(&mut draft, BYTES)?;
    disk.sync(&draft)?;
    disk.publish(&mut draft, path)
}

fn read(disk: &impl Disk, path: &str) -> Result<Vec<u8>, Errno> {
    let file = disk.open(path)?;
    // One more than expected, to see a file that is too long.
    let mut out = vec![0; BYTES.len() + 1];
    let mut done = 0;
    while done < out.len() {
        match disk.read_at(&file, done as u64, &mut out[done..])? {
            0 => break,
            read => done += read,
        }
    }
    out.truncate(done);
    Ok(out)
}

fn wrong(why: &str) -> OpenError {
    OpenError::Unfit {
        why: why.to_owned(),
    }
}

fn unfit(why: &str, errno: Errno) -> OpenError {
    if is_full(errno) {
        open_error("try the file system", errno)
    } else {
        wrong(&format!("{why} ({errno})"))
    }
}
