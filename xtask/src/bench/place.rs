//! Directories of the bench: made, measured, and moved aside.
//!
//! A tree of 200,000 files takes minutes to delete on a file system that discards, and the next command would
//! be measured against that. So nothing is deleted between measurements unless the disk grows full.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::measure::sync_s;
use super::result::SetFacts;
use super::row::Set;
use super::tool::Kind;

/// The bench's own directory.
#[derive(Debug)]
pub(crate) struct WorkDir {
    root: PathBuf,
    thrown: u64,
}

/// What is in it besides results and trash.
const DIRECTORIES: [&str; 4] = ["repositories", "restored", "mutated", "log"];

/// Where one tool keeps one set.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Everything of it.
    pub(crate) root: PathBuf,
}

impl Place {
    /// Returns the directory the tool is told to make its repository in.
    pub(crate) fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    /// Returns the directory for keys and caches: the tool's home.
    pub(crate) fn local(&self) -> PathBuf {
        self.root.join("local")
    }
}

impl WorkDir {
    /// Makes the directory, or clears what an earlier run left in it. What no run of the bench made is not touched:
    /// the directory is new, empty, or carries our mark.
    ///
    /// # Errors
    /// It holds something else, or cannot be written.
    pub(crate) fn open(root: PathBuf) -> Result<Self> {
        let mut work = Self { root, thrown: 0 };
        fs::create_dir_all(&work.root)
            .with_context(|| format!("making {}", work.root.display()))?;
        work.claim()?;
        work.empty()?;
        for dir in DIRECTORIES {
            work.throw(&work.root.join(dir))?;
        }
        work.empty()?;
        for dir in DIRECTORIES {
            let dir = work.root.join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(work)
    }

    fn claim(&self) -> Result<()> {
        let mark = self.root.join(".dozo-bench");
        let context = || format!("reading {}", self.root.display());
        let is_ours = mark.try_exists().with_context(context)?;
        let is_empty = fs::read_dir(&self.root)
            .with_context(context)?
            .next()
            .is_none();
        if !is_ours && !is_empty {
            bail!(
                "{} holds something else; name an empty directory with --work",
                self.root.display()
            );
        }
        fs::write(&mark, "").with_context(|| format!("writing {}", mark.display()))
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// Returns where `tool` keeps `set`.
    pub(crate) fn place(&self, tool: Kind, set: Set) -> Place {
        let name = format!("{tool}.{}", set.name());
        Place {
            root: self.root.join("repositories").join(name),
        }
    }

    /// Returns where a command's output goes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("log").join(name).with_extension("log")
    }

    /// Returns where `tool` restores to.
    pub(crate) fn restored(&self, tool: Kind) -> PathBuf {
        self.root.join("restored").join(tool.name())
    }

    /// Returns where the copy of `set` is that is changed between backups.
    pub(crate) fn mutated(&self, set: Set) -> PathBuf {
        self.root.join("mutated").join(set.name())
    }

    fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// Moves `path` aside, if it is there.
    ///
    /// # Errors
    /// It cannot be moved.
    pub(crate) fn throw(&mut self, path: &Path) -> Result<()> {
        if !path.try_exists().context("looking for old files")? {
            return Ok(());
        }
        let trash = self.trash();
        fs::create_dir_all(&trash).with_context(|| format!("making {}", trash.display()))?;
        self.thrown += 1;
        let to = trash.join(self.thrown.to_string());
        fs::rename(path, &to).with_context(|| format!("moving {} aside", path.display()))
    }

    /// Moves `path` aside and makes it anew, empty.
    ///
    /// # Errors
    /// It cannot be moved or made.
    pub(crate) fn fresh(&mut self, path: &Path) -> Result<()> {
        self.throw(path)?;
        fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
    }

    /// Deletes what was moved aside.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub(crate) fn empty(&mut self) -> Result<()> {
        let trash = self.trash();
        if trash.try_exists().context("looking for old files")? {
            eprintln!("deleting what is no longer needed");
            fs::remove_dir_all(&trash).with_context(|| format!("deleting {}", trash.display()))?;
            sync_s();
        }
        Ok(())
    }

    /// Sees to it that another copy of the set fits, with as much again to spare.
    ///
    /// # Errors
    /// It does not fit.
    pub(crate) fn make_room(&mut self, facts: &SetFacts) -> Result<()> {
        let needed = 2 * facts.bytes.max(facts.allocated_bytes) + (1 << 30);
        if self.free_bytes()? < needed {
            self.empty()?;
        }
        let free = self.free_bytes()?;
        if free < needed {
            bail!(
                "{} needs {} MiB free, and has {}",
                self.root.display(),
                needed >> 20,
                free >> 20
            );
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.root).context("asking for free space")?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Deletes restored and changed trees, trash and, unless they are to be kept, repositories; logs and results stay.
    ///
    /// # Errors
    /// They cannot be deleted.
    pub(crate) fn clear(&mut self, keep_repositories: bool) -> Result<()> {
        self.throw(&self.root.join("restored"))?;
        self.throw(&self.root.join("mutated"))?;
        if !keep_repositories {
            self.throw(&self.root.join("repositories"))?;
        }
        self.empty()
    }
}

/// What lies below a directory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amount {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) bytes: u64,
    pub(crate) allocated_bytes: u64,
}

/// Counts what lies below `dir`; a directory that is not there holds nothing.
///
/// # Errors
/// A directory cannot be read.
pub(crate) fn amount(dir: &Path) -> Result<Amount> {
    let mut sum = Amount::default();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).with_context(|| format!("reading {}", dir.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
            let Ok(metadata) = entry.metadata() else {
                continue; // sockets and temporary files come and go in a repository
            };
            sum.allocated_bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                sum.directories += 1;
                open.push(entry.path());
            } else {
                sum.files += 1;
                sum.bytes += if metadata.is_file() {
                    metadata.len()
                } else {
                    0
                };
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_is_not_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("log");
        fs::create_dir(&theirs).unwrap();
        assert!(WorkDir::open(dir.path().to_path_buf()).is_err());
        assert!(theirs.is_dir());
    }

    #[test]
    fn what_an_earlier_run_left_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        WorkDir::open(root.clone()).unwrap();
        let old = root.join("repositories/borg.src");
        fs::create_dir(&old).unwrap();
        WorkDir::open(root).unwrap();
        assert!(!old.is_dir());
    }
}
