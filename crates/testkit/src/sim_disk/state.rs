//! What is on a simulated disk, and the operations that change it.
//!
//! Directories and file contents are shared between states until one changes them, so that a crash state costs
//! little more than what differs in it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use objects::disk::Errno;

pub(super) type FileId = usize;
pub(super) type DirId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    File(FileId),
    Dir(DirId),
}

type Entries = BTreeMap<Arc<str>, Entry>;

/// One recorded operation.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Makes an empty file without a name. Needs no sync: an entry that names it is enough.
    NewFile {
        file: FileId,
    },
    Write {
        file: FileId,
        offset: usize,
        bytes: Arc<[u8]>,
    },
    Link {
        dir: DirId,
        name: Arc<str>,
        file: FileId,
    },
    Unlink {
        dir: DirId,
        name: Arc<str>,
    },
    MakeDir {
        dir: DirId,
        name: Arc<str>,
        new: DirId,
    },
    /// Makes the file's writes so far durable.
    SyncFile {
        file: FileId,
    },
    /// The same of a file without a name: they are kept with a name that reaches the disk by itself, and may be lost under
    /// one that a sync of its directory brought there.
    SyncUnnamed {
        file: FileId,
    },
    /// Makes the directory's entries so far durable.
    SyncDir {
        dir: DirId,
    },
    /// A sync failed: the file's pending writes stay pending whatever is synced later.
    LoseFile {
        file: FileId,
    },
    /// A sync failed: the same for a directory's entries.
    LoseDir {
        dir: DirId,
    },
    /// The file has no name and nobody can give it one any more.
    Forget {
        file: FileId,
    },
    /// Replaces a file's bytes, durably.
    Damage {
        file: FileId,
        bytes: Arc<[u8]>,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewFile { file } => write!(f, "new file {file}"),
            Self::Write {
                file,
                offset,
                bytes,
            } => write!(f, "write file {file} at {offset}, {} bytes", bytes.len()),
            Self::Link { dir, name, file } => write!(f, "link {name} in dir {dir} to file {file}"),
            Self::Unlink { dir, name } => write!(f, "unlink {name} in dir {dir}"),
            Self::MakeDir { dir, name, new } => write!(f, "make dir {new} as {name} in dir {dir}"),
            Self::SyncFile { file } => write!(f, "sync file {file}"),
            Self::SyncUnnamed { file } => write!(f, "sync file {file} without a name"),
            Self::SyncDir { dir } => write!(f, "sync dir {dir}"),
            Self::LoseFile { file } => write!(f, "sync file {file} FAILED"),
            Self::LoseDir { dir } => write!(f, "sync dir {dir} FAILED"),
            Self::Forget { file } => write!(f, "forget file {file}"),
            Self::Damage { file, bytes } => write!(f, "damage file {file}, {} bytes", bytes.len()),
        }
    }
}

/// Everything on a disk.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// By id; the root is the first. One that no entry names is unreachable, not gone.
    pub(super) dirs: Vec<Arc<Entries>>,
    /// By id.
    pub(super) files: Vec<Arc<[u8]>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            dirs: vec![Arc::default()],
            files: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn dir(&self, path: &str) -> Result<DirId, Errno> {
        let mut dir = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.dirs[dir].get(name) {
                Some(Entry::Dir(id)) => dir = *id,
                Some(Entry::File(_)) => return Err(Errno::NOTDIR),
                None => return Err(Errno::NOENT),
            }
        }
        Ok(dir)
    }

    pub(super) fn file(&self, path: &str) -> Result<FileId, Errno> {
        let (dir, name) = split_path(path);
        match self.dirs[self.dir(dir)?].get(name) {
            Some(Entry::File(id)) => Ok(*id),
            Some(Entry::Dir(_)) => Err(Errno::ISDIR),
            None => Err(Errno::NOENT),
        }
    }

    /// Returns the directories in those of some names in the root.
    pub(super) fn dirs_below(&self, tops: &[&str]) -> HashSet<DirId> {
        let tops = tops.iter().filter_map(|top| self.dir(top).ok());
        let entries = tops.flat_map(|top| self.dirs[top].values());
        entries
            .filter_map(|entry| match entry {
                Entry::Dir(dir) => Some(*dir),
                Entry::File(_) => None,
            })
            .collect()
    }

    pub(super) fn linked_files(&self) -> BTreeSet<FileId> {
        let entries = self.dirs.iter().flat_map(|dir| dir.values());
        entries
            .filter_map(|entry| match entry {
                Entry::File(file) => Some(*file),
                Entry::Dir(_) => None,
            })
            .collect()
    }

    pub(super) fn all_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut out = BTreeMap::new();
        let mut todo = vec![(String::new(), 0)];
        while let Some((prefix, dir)) = todo.pop() {
            for (name, entry) in self.dirs[dir].iter() {
                let path = format!("{prefix}{name}");
                match entry {
                    Entry::File(file) => drop(out.insert(path, self.files[*file].to_vec())),
                    Entry::Dir(dir) => todo.push((format!("{path}/"), *dir)),
                }
            }
        }
        out
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::NewFile { file } => self.need_file(*file),
            Op::Write {
                file,
                offset,
                bytes,
            } => self.write(*file, *offset, bytes),
            Op::Link { dir, name, file } => {
                self.need_file(*file);
                self.entries(*dir).insert(name.clone(), Entry::File(*file));
            }
            Op::Unlink { dir, name } => {
                self.entries(*dir).remove(name);
            }
            Op::MakeDir { dir, name, new } => {
                self.need_dir(*new);
                self.entries(*dir).insert(name.clone(), Entry::Dir(*new));
            }
            Op::Damage { file, bytes } => {
                self.need_file(*file);
                self.files[*file] = bytes.clone();
            }
            Op::SyncFile { .. }
            | Op::SyncUnnamed { .. }
            | Op::SyncDir { .. }
            | Op::LoseFile { .. }
            | Op::LoseDir { .. }
            | Op::Forget { .. } => {}
        }
    }

    /// Writes, with zeros up to `offset` if the file is shorter.
    pub(super) fn write(&mut self, file: FileId, offset: usize, bytes: &Arc<[u8]>) {
        self.need_file(file);
        let old = &self.files[file];
        if offset == 0 && bytes.len() >= old.len() {
            self.files[file] = bytes.clone();
            return;
        }
        let mut new = old.to_vec();
        new.resize(new.len().max(offset + bytes.len()), 0);
        new[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.files[file] = new.into();
    }

    fn entries(&mut self, dir: DirId) -> &mut Entries {
        self.need_dir(dir);
        Arc::make_mut(&mut self.dirs[dir])
    }

    // A crash may keep an operation on something whose making it did not keep.
    fn need_dir(&mut self, dir: DirId) {
        while self.dirs.len() <= dir {
            self.dirs.push(Arc::default());
        }
    }

    fn need_file(&mut self, file: FileId) {
        while self.files.len() <= file {
            self.files.push(Arc::default());
        }
    }
}

pub(super) fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
