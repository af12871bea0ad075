//! Which file system a source's root is on, told apart from others also after a restart.
//!
//! Where a file system is not mounted, its mount point is an empty directory of another one. A [`Place`] has a name that
//! says which file system this is, so that whoever remembers it notices. Device numbers do not: they are given
//! anew when a machine starts.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, fstatfs, fstatvfs,
    openat, openat2, statx,
};
use rustix::io::Errno;

use crate::{filesystems, sys};

/// A directory, and which file system it is on.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    name: String,
}

impl Place {
    /// Opens a directory.
    ///
    /// # Errors
    /// As the system says: it is not there, or no directory.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, path, flags, Mode::empty())?;
        let name = name(&dir)?;
        Ok(Self { dir, name })
    }

    /// Returns a text that is the same as long as the directory is on the same file system, or the same subvolume of it,
    /// and is a mount point or none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says whether something is at a path below it that no symbolic link is part of. Where that cannot be found out,
    /// something is.
    pub fn has(&self, path: &[Vec<u8>]) -> bool {
        let path: PathBuf = path.iter().map(|name| OsStr::from_bytes(name)).collect();
        let found = openat2(
            &self.dir,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        );
        !matches!(
            found,
            // A link at the end is opened as it is; others lead elsewhere.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
        )
    }
}

fn name(dir: &OwnedFd) -> Result<String, Errno> {
    let kind = fstatfs(dir)?.f_type;
    let mut name = format!("{kind:x} ");
    // A file system has one uuid for all its subvolumes, and of each another number. With other kinds that number may be
    // the device's.
    match sys::file_system_uuid(dir.as_fd()).filter(|_| !filesystems::has_subvolumes(kind)) {
        Some(uuid) => {
            for byte in uuid {
                // Nothing fails that is written into a string.
                let _ = write!(name, "{byte:02x}");
            }
        }
        None => {
            let _ = write!(name, "{:x}", fstatvfs(dir)?.f_fsid);
        }
    }
    let stat = statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        name.push_str(" mounted");
    }
    Ok(name)
}
