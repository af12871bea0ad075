//! A file system of its own in a file, mounted as long as a test runs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use tempfile::{TempDir, tempdir};

/// A mounted image.
#[derive(Debug)]
pub struct Image {
    dir: TempDir,
}

/// Runs a program to its end, without its output, and returns whether it succeeded.
pub fn runs<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

impl Image {
    /// Makes a file system of a kind and of so many MiB and mounts it; `None`, said aloud, where that is not possible.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn mount(kind: &str, mebibytes: u64) -> std::io::Result<Option<Self>> {
        let image = Self { dir: tempdir()? };
        let file = image.dir.path().join("image");
        File::create(&file)?.set_len(mebibytes << 20)?;
        std::fs::create_dir(image.path())?;
        let made = runs(&format!("mkfs.{kind}"), ["-q".as_ref(), file.as_os_str()]);
        if made && image.mount_again() {
            return Ok(Some(image));
        }
        eprintln!("SKIP (not root, no mkfs.{kind}, or no loop mounts): {kind}");
        Ok(None)
    }

    /// Returns where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    /// Mounts it after [`Self::unmount`], and returns whether that could be done.
    pub fn mount_again(&self) -> bool {
        let (file, path) = (self.dir.path().join("image"), self.path());
        let arguments = ["-o".as_ref(), "loop".as_ref()];
        runs(
            "mount",
            arguments
                .into_iter()
                .chain([file.as_os_str(), path.as_os_str()]),
        )
    }

    /// Unmounts it, and returns whether nothing kept it busy.
    pub fn unmount(&self) -> bool {
        runs("umount", [self.path()])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        runs("umount", ["-l".as_ref(), self.path().as_os_str()]);
    }
}
