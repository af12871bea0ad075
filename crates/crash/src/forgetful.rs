//! A directory of a real file system over which some syncs are left out: what the check of power cuts must find.

use std::path::Path;

use objects::disk::{DirEntry, Disk, Errno, RealDisk};
use objects::{OpenError, Space};

/// Syncs that are not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    /// None.
    Nothing,
    /// All those of files.
    Files,
    /// All those of directories.
    Directories,
    /// All that come when a file has its name: its own second one, and that of its directory.
    AfterPublishing,
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Forgetful {
    disk: RealDisk,
    omitted: Omitted,
}

/// A draft that knows whether it has its name.
pub(crate) struct Begun {
    draft: <RealDisk as Disk>::Draft,
    has_name: bool,
}

impl Forgetful {
    /// Opens a directory, which is made if it is missing.
    pub(crate) fn new(root: &Path, omitted: Omitted) -> Result<Self, OpenError> {
        let disk = RealDisk::create(root)?;
        Ok(Self { disk, omitted })
    }
}

fn begun(draft: <RealDisk as Disk>::Draft) -> Begun {
    let has_name = false;
    Begun { draft, has_name }
}

impl Disk for Forgetful {
    type Draft = Begun;
    type Reader = <RealDisk as Disk>::Reader;
    type Lock = <RealDisk as Disk>::Lock;

    fn draft(&self) -> Result<Begun, Errno> {
        self.disk.draft().map(begun)
    }

    fn write(&self, draft: &mut Begun, bytes: &[u8]) -> Result<(), Errno> {
        self.disk.write(&mut draft.draft, bytes)
    }

    fn sync(&self, draft: &Begun) -> Result<(), Errno> {
        match self.omitted {
            Omitted::Files => Ok(()),
            Omitted::AfterPublishing if draft.has_name => Ok(()),
            _ => self.disk.sync(&draft.draft),
        }
    }

    fn sync_file(&self, file: &Self::Reader) -> Result<(), Errno> {
        match self.omitted {
            Omitted::Files => Ok(()),
            _ => self.disk.sync_file(file),
        }
    }

    fn publish(&self, draft: &mut Begun, path: &str) -> Result<(), Errno> {
        self.disk.publish(&mut draft.draft, path)?;
        draft.has_name = true;
        Ok(())
    }

    fn named_draft(&self) -> Result<Begun, Errno> {
        self.disk.named_draft().map(begun)
    }

    fn replace(&self, draft: &mut Begun, path: &str) -> Result<(), Errno> {
        self.disk.replace(&mut draft.draft, path)?;
        draft.has_name = true;
        Ok(())
    }

    fn link(&self, path: &str, new: &str) -> Result<(), Errno> {
        self.disk.link(path, new)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), Errno> {
        match self.omitted {
            Omitted::Directories | Omitted::AfterPublishing => Ok(()),
            _ => self.disk.sync_dir(dir),
        }
    }

    fn make_dir(&self, dir: &str) -> Result<(), Errno> {
        self.disk.make_dir(dir)
    }

    fn open(&self, path: &str) -> Result<Self::Reader, Errno> {
        self.disk.open(path)
    }

    fn bytes(&self, file: &Self::Reader) -> Result<u64, Errno> {
        self.disk.bytes(file)
    }

    fn read_at(&self, file: &Self::Reader, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.disk.read_at(file, offset, out)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, Errno> {
        self.disk.list(dir)
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        self.disk.remove(path)
    }

    fn lock_alone(&self, dir: &str) -> Result<Option<Self::Lock>, Errno> {
        self.disk.lock_alone(dir)
    }

    fn lock_shared(&self, dir: &str) -> Result<Self::Lock, Errno> {
        self.disk.lock_shared(dir)
    }

    fn space(&self) -> Result<Space, Errno> {
        self.disk.space()
    }
}
