//! Files that may be written without an event.
//!
//! A store into shared memory of a file is none, nor are writes by `io_submit` (libaio) and by the kernel's own loop
//! devices. When the last one closes such a file it is told; so those are meant that somebody has open for writing, or
//! has mapped, right now.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};

use super::FileHandle;
use super::root::{Root, handle_of};
use crate::files::stat::{self, Identity};

impl Root {
    /// Returns the handles of the files on the root's file system that may be written without an event.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn silent(&self) -> io::Result<Vec<FileHandle>> {
        let mut found = Found {
            root: self,
            inodes: HashSet::new(),
            handles: Vec::new(),
        };
        for process in fs::read_dir("/proc")? {
            let process = process?;
            let is_process = process
                .file_name()
                .as_bytes()
                .iter()
                .all(u8::is_ascii_digit);
            if is_process {
                // Whoever has gone meanwhile has closed what it had, which was told.
                let _ = found.opened_by(&process.path());
                let _ = found.mapped_by(&process.path());
            }
        }
        found.behind_loops();
        Ok(found.handles)
    }
}

struct Found<'a> {
    root: &'a Root,
    inodes: HashSet<u64>,
    handles: Vec<FileHandle>,
}

impl Found<'_> {
    fn opened_by(&mut self, process: &Path) -> io::Result<()> {
        for fd in fs::read_dir(process.join("fd"))? {
            let fd = fd?;
            if let Some(inode) = self.wanted(&fd.path()) {
                let info = process.join("fdinfo").join(fd.file_name());
                // One that is gone meanwhile was closed, which is told.
                if fs::read(info).is_ok_and(|info| is_for_writing(&info)) {
                    self.take(&fd.path(), inode);
                }
            }
        }
        Ok(())
    }

    /// What is mapped for reading only may have been for writing a moment ago.
    fn mapped_by(&mut self, process: &Path) -> io::Result<()> {
        for line in fs::read(process.join("maps"))?.split(|b| *b == b'\n') {
            if let Some(range) = shared_file(line) {
                let file = process.join("map_files").join(range);
                if let Some(inode) = self.wanted(&file) {
                    self.take(&file, inode);
                }
            }
        }
        Ok(())
    }

    fn behind_loops(&mut self) {
        // No such directory, no loop devices.
        for device in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
            let Ok(path) = fs::read(device.path().join("loop/backing_file")) else {
                continue;
            };
            let path = path.strip_suffix(b"\n").unwrap_or(&path);
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
            if let Some(inode) = self.wanted(&path) {
                self.take(&path, inode);
            }
        }
    }

    /// Returns the inode of what a link leads to, if it is a file with a name, on the root's file system, that was not
    /// taken before.
    fn wanted(&self, link: &Path) -> Option<u64> {
        // Nothing is asked of a server that may not answer.
        let flags = AtFlags::STATX_DONT_SYNC;
        let stat = statx(CWD, link, flags, StatxFlags::BASIC_STATS).ok()?;
        let is_wanted = Identity::from(&stat).device == self.root.device()
            && stat::kind(&stat) == FileType::RegularFile
            && stat.stx_nlink > 0
            && !self.inodes.contains(&stat.stx_ino);
        is_wanted.then_some(stat.stx_ino)
    }

    fn take(&mut self, link: &Path, inode: u64) {
        let path = CString::new(link.as_os_str().as_bytes()).ok();
        if let Some(handle) = path.and_then(|path| handle_of(CWD, &path).ok()) {
            self.inodes.insert(inode);
            self.handles.push(handle);
        }
    }
}

/// Reads `flags` of a descriptor's `fdinfo`: octal, as open(2) takes them.
fn is_for_writing(info: &[u8]) -> bool {
    let mut lines = info.split(|b| *b == b'\n');
    let flags = lines.find_map(|line| line.strip_prefix(b"flags:"));
    let flags = flags.and_then(|text| std::str::from_utf8(text).ok());
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
    // What cannot be told may be.
    flags.is_none_or(|flags| flags & libc::O_ACCMODE.unsigned_abs() != 0)
}

/// Returns the addresses of a line of `maps` if it is memory that is shared with a file, as `map_files` calls it.
fn shared_file(line: &[u8]) -> Option<&str> {
    let mut fields = line
        .split(|b| b.is_ascii_whitespace())
        .filter(|f| !f.is_empty());
    let (range, mode) = (fields.next()?, fields.next()?);
    let inode = fields.nth(2)?;
    let is_shared = mode.ends_with(b"s") && inode != b"0";
    std::str::from_utf8(range).ok().filter(|_| is_shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_for_writing_and_shared_memory_are_told_from_others() {
        assert!(is_for_writing(b"pos:\t0\nflags:\t0100002\nmnt_id:\t29\n"));
        assert!(is_for_writing(b"flags:\t02100001\n"));
        assert!(!is_for_writing(b"pos:\t0\nflags:\t0100000\n"));
        assert!(is_for_writing(b""));
        let shared =
            b"7f1c40000000-7f1c40021000 rw-s 00000000 08:01 131073                     /srv/db";
        assert_eq!(shared_file(shared), Some("7f1c40000000-7f1c40021000"));
        let odd = [&shared[..], b"\xff\xfe"].concat();
        assert_eq!(shared_file(&odd), Some("7f1c40000000-7f1c40021000"));
        let private = b"7f1c40000000-7f1c40021000 rw-p 00000000 08:01 131073   /usr/lib/x";
        assert_eq!(shared_file(private), None);
        assert_eq!(
            shared_file(b"7f1c40000000-7f1c40021000 rw-s 00000000 00:01 0 "),
            None
        );
        assert_eq!(shared_file(b""), None);
    }
}
