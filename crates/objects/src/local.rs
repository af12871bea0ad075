//! Objects as files of a disk: the protocol that makes them durable.
//!
//! `put_new` writes a draft, syncs it, publishes it under its name (which fails if that is taken), syncs it again and
//! syncs the directory, in this order; the directory's own entries are durable up to the root before. The first
//! sync brings the bytes to the disk before there is a name to find them by; the second one makes them durable
//! under it, which no sync does that came before the name ([`Disk::sync`]); and the directory comes last,
//! since its sync may bring there a name alone. A draft whose first sync fails is dropped and written once more
//! from memory into a new file, never synced again; when that fails too, or a sync fails after publishing, the
//! place takes no writes until it is opened anew.
//!
//! `mend` links the damaged file to its other name and syncs that directory before it renames a synced draft over it: in
//! between, and whatever is cut off, one of the two is there under the old name.
//!
//! What a killed writer published is durable once [`Objects::settle`] was called for it, and not before. Opening for
//! writing does that for the objects in the root, and for the root's directories; it removes the drafts of processes
//! that are gone. Opening read-only changes nothing at all.
//!
//! Two processes may write at once: only drafts of nobody are removed (a lock tells), and publishing never
//! replaces. Who may write is not decided here.

mod probe;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use base::limits::OBJECT_BYTES_MAX;

use crate::disk::{Disk, Errno, Node, RealDisk, TMP_DIR};
use crate::{
    DeleteError, GetError, ListError, Listed, ObjectName, Objects, OpenError, PutError, Space,
};

/// Objects as files of a disk.
pub struct Local<D: Disk> {
    disk: D,
    /// Set when writing is over: opened read-only, or a sync failed for good.
    closed: AtomicBool,
    /// Directories whose entries are known to be durable up to the root.
    ready: Mutex<HashSet<String>>,
    /// Tells others that drafts in `.tmp` have an owner.
    _drafts_lock: Option<D::Lock>,
}

impl Local<RealDisk> {
    /// Makes a place in a directory of this computer: see [`Local::create`].
    ///
    /// # Errors
    /// As [`Local::create`].
    pub fn create_at(root: &Path) -> Result<Self, OpenError> {
        Self::create(RealDisk::create(root)?)
    }

    /// Opens a directory of this computer for reading and writing: see [`Local::open`].
    ///
    /// # Errors
    /// As [`Local::open`], and [`OpenError::Missing`].
    pub fn open_at(root: &Path) -> Result<Self, OpenError> {
        Self::open(RealDisk::open(root)?)
    }

    /// Opens a directory of this computer without changing anything in it: see [`Local::read_only`].
    ///
    /// # Errors
    /// [`OpenError::Missing`], or [`OpenError::Failed`] as the system says.
    pub fn read_only_at(root: &Path) -> Result<Self, OpenError> {
        Ok(Self::read_only(RealDisk::open(root)?))
    }
}

impl<D: Disk> Local<D> {
    /// Opens a disk for writing that may be empty, after trying whether its file system is fit.
    ///
    /// # Errors
    /// [`OpenError::Unfit`]: it lacks something without which nothing is durable; else as [`Local::open`].
    pub fn create(disk: D) -> Result<Self, OpenError> {
        let place = Self::open(disk)?;
        place.probe()?;
        Ok(place)
    }

    /// Opens a disk for reading and writing. A full disk does not prevent it.
    ///
    /// # Errors
    /// [`OpenError::Full`]: only if it was never opened before; [`OpenError::Failed`]: as the system says.
    pub fn open(disk: D) -> Result<Self, OpenError> {
        match disk.make_dir(TMP_DIR) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(open_error("make directory .tmp", errno)),
        }
        let ready = settle_root(&disk).map_err(|e| open_error("sync the root", e))?;
        // What cannot be removed costs space and nothing else; the next open tries again.
        let _ = remove_stale_drafts(&disk);
        // Some network file systems do not lock directories; then nobody removes drafts either.
        let drafts_lock = disk.lock_shared(TMP_DIR).ok();
        Ok(Self {
            disk,
            closed: AtomicBool::new(false),
            ready: Mutex::new(ready),
            _drafts_lock: drafts_lock,
        })
    }

    /// Opens a disk for reading: nothing on it is changed, every write is refused.
    pub fn read_only(disk: D) -> Self {
        Self {
            disk,
            closed: AtomicBool::new(true),
            ready: Mutex::default(),
            _drafts_lock: None,
        }
    }

    /// Returns the disk beneath.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    fn check_open(&self, name: &ObjectName) -> Result<(), PutError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(PutError::ReadOnly { name: name.clone() });
        }
        Ok(())
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Takes no writes any more after a sync of a directory that failed; one that could not even be opened was not synced
    /// in vain, and may be later. Opening is what descriptors are missing for; of memory a sync itself may run out.
    fn close_after(&self, errno: Errno) {
        if !matches!(errno, Errno::MFILE | Errno::NFILE) {
            self.close();
        }
    }

    /// Returns a draft, made by `begin`, that holds `bytes`, synced.
    fn write_draft(
        &self,
        name: &ObjectName,
        bytes: &[u8],
        begin: impl Fn(&D) -> Result<D::Draft, Errno>,
    ) -> Result<D::Draft, PutError> {
        match self.try_draft(bytes, &begin) {
            Ok(draft) => return Ok(draft),
            Err(DraftError::Sync(errno)) if !is_full(errno) => {}
            Err(DraftError::Sync(errno) | DraftError::Write(errno)) => {
                return Err(put_error(name, errno));
            }
        }
        // The first draft is gone with whatever the kernel believes about its pages: a new one, once.
        self.try_draft(bytes, &begin).map_err(|error| match error {
            DraftError::Write(errno) => put_error(name, errno),
            DraftError::Sync(errno) => {
                if !is_full(errno) {
                    self.close();
                }
                put_error(name, errno)
            }
        })
    }

    fn try_draft(
        &self,
        bytes: &[u8],
        begin: impl Fn(&D) -> Result<D::Draft, Errno>,
    ) -> Result<D::Draft, DraftError> {
        let mut draft = begin(&self.disk).map_err(DraftError::Write)?;
        self.disk
            .write(&mut draft, bytes)
            .map_err(DraftError::Write)?;
        self.disk.sync(&draft).map_err(DraftError::Sync)?;
        Ok(draft)
    }

    /// Syncs the directory that names the object once its bytes were synced under the name, and ends writing if they were not.
    fn sync_entry(&self, name: &ObjectName, bytes: Result<(), Errno>) -> Result<(), PutError> {
        bytes
            .inspect_err(|_| self.close())
            .and_then(|()| {
                let synced = self.disk.sync_dir(name.dir());
                synced.inspect_err(|errno| self.close_after(*errno))
            })
            .map_err(|errno| unsure(name, errno))
    }

    /// Makes directories, and makes them and all above them durable, unless known to be. One at a time: a
    /// directory that another thread has made but not yet synced is not ready.
    fn make_ready(&self, dirs: &[&str]) -> Result<(), Errno> {
        // The set only grows by directories that are ready, so it is whole even after a panic.
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<&str> = dirs
            .iter()
            .flat_map(|dir| up_to_root(dir))
            .filter(|dir| !ready.contains(*dir))
            .collect();
        // Shortest first: parents before what is in them.
        new.sort_unstable_by_key(|dir| (dir.len(), *dir));
        new.dedup();
        let mut parents = BTreeSet::new();
        for dir in new {
            match self.disk.make_dir(dir) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            parents.insert(parent(dir));
        }
        let mut synced = Vec::new();
        for dir in parents {
            // What is listed before the sync is durable after it: one sync serves all siblings.
            synced.extend(dirs_in(&self.disk, dir)?);
            self.disk
                .sync_dir(dir)
                .inspect_err(|errno| self.close_after(*errno))?;
        }
        ready.extend(synced);
        Ok(())
    }

    fn open_object(&self, name: &ObjectName) -> Result<(D::Reader, u64), GetError> {
        let read = || {
            let file = self.disk.open(name.as_str())?;
            let bytes = self.disk.bytes(&file)?;
            Ok((file, bytes))
        };
        read().map_err(|errno| get_error(name, errno))
    }

    fn read(
        &self,
        file: &D::Reader,
        name: &ObjectName,
        offset: u64,
        bytes: usize,
    ) -> Result<Vec<u8>, GetError> {
        let mut out = vec![0; bytes];
        let mut done = 0;
        while done < bytes {
            let read = self
                .disk
                .read_at(file, offset + done as u64, &mut out[done..])
                .map_err(|errno| get_error(name, errno))?;
            if read == 0 {
                // It was longer a moment ago: someone cut an immutable file.
                return Err(GetError::TooShort {
                    name: name.clone(),
                    bytes: offset + done as u64,
                });
            }
            done += read;
        }
        Ok(out)
    }

    fn walk(&self, dir: &str, prefix: &str, out: &mut Vec<Listed>) -> Result<(), Errno> {
        let entries = match self.disk.list(dir) {
            Ok(entries) => entries,
            // Never made.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        for entry in entries {
            let path = join(dir, &entry.name);
            let Ok(name) = ObjectName::new(path) else {
                continue;
            };
            match entry.node {
                Node::File { bytes } if name.as_str().starts_with(prefix) => {
                    out.push(Listed { name, bytes });
                }
                Node::Dir if leads_to(name.as_str(), prefix) => {
                    self.walk(name.as_str(), prefix, out)?;
                }
                Node::File { .. } | Node::Dir => {}
            }
        }
        Ok(())
    }
}

impl<D: Disk> Objects for Local<D> {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        let Some(first) = dirs.first() else {
            return Ok(());
        };
        self.check_open(first)?;
        let dirs: Vec<&str> = dirs.iter().map(ObjectName::as_str).collect();
        self.make_ready(&dirs).map_err(|e| put_error(first, e))
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        self.check_open(name)?;
        check_size(name, bytes)?;
        self.make_ready(&[name.dir()])
            .map_err(|e| put_error(name, e))?;
        let mut draft = self.write_draft(name, bytes, D::draft)?;
        match self.disk.publish(&mut draft, name.as_str()) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(PutError::Exists { name: name.clone() }),
            Err(errno) => return Err(put_error(name, errno)),
        }
        let synced = self.disk.sync(&draft);
        drop(draft);
        self.sync_entry(name, synced)
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        self.check_open(name)?;
        check_size(name, bytes)?;
        let failed = |errno| put_error(name, errno);
        self.make_ready(&[name.dir(), kept.dir()]).map_err(failed)?;
        let mut draft = self.write_draft(name, bytes, D::named_draft)?;
        match self.disk.link(name.as_str(), kept.as_str()) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(PutError::Exists { name: kept.clone() }),
            Err(errno) => return Err(failed(errno)),
        }
        self.disk
            .sync_dir(kept.dir())
            .inspect_err(|errno| self.close_after(*errno))
            .map_err(failed)?;
        self.disk
            .replace(&mut draft, name.as_str())
            .map_err(failed)?;
        let synced = self.disk.sync(&draft);
        drop(draft);
        self.sync_entry(name, synced)
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        self.check_open(name)?;
        self.make_ready(&[name.dir()])
            .map_err(|e| put_error(name, e))?;
        // One that cannot be opened was not synced in vain.
        let file = self.disk.open(name.as_str());
        let file = file.map_err(|errno| unsure(name, errno))?;
        self.sync_entry(name, self.disk.sync_file(&file))
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        let (file, bytes) = self.open_object(name)?;
        match usize::try_from(bytes) {
            Ok(len) if len <= OBJECT_BYTES_MAX => self.read(&file, name, 0, len),
            _ => Err(GetError::TooLarge {
                name: name.clone(),
                bytes,
            }),
        }
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        let (file, total) = self.open_object(name)?;
        // Checked before allocation: the caller's numbers may come from a damaged index.
        match offset.checked_add(bytes as u64) {
            Some(end) if end <= total => self.read(&file, name, offset, bytes),
            _ => Err(GetError::TooShort {
                name: name.clone(),
                bytes: total,
            }),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        let dir = prefix.rsplit_once('/').map_or("", |(dir, _)| dir);
        let mut out = Vec::new();
        if !dir.is_empty() && ObjectName::new(dir).is_err() {
            return Ok(out);
        }
        self.walk(dir, prefix, &mut out)
            .map_err(|errno| ListError::Failed {
                prefix: prefix.to_owned(),
                source: errno.into(),
            })?;
        out.sort_unstable();
        Ok(out)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        match self.open_object(name) {
            Ok((_, bytes)) => Ok(Some(bytes)),
            Err(GetError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(DeleteError::ReadOnly { name: name.clone() });
        }
        let removed = self.disk.remove(name.as_str());
        let synced = removed.and_then(|()| {
            let synced = self.disk.sync_dir(name.dir());
            synced.inspect_err(|errno| self.close_after(*errno))
        });
        synced.map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => DeleteError::Missing { name: name.clone() },
            Errno::ROFS => DeleteError::ReadOnly { name: name.clone() },
            errno => DeleteError::Failed {
                name: name.clone(),
                source: errno.into(),
            },
        })
    }

    fn space(&self) -> Result<Option<Space>, io::Error> {
        Ok(Some(self.disk.space()?))
    }

    fn is_read_only(&self) -> bool {
        // An empty draft is tried, and dropped: after an error the kernel may refuse every write to a file system that is
        // still mounted writable. Other trouble will say what it is when something is stored.
        self.closed.load(Ordering::SeqCst) || matches!(self.disk.draft(), Err(Errno::ROFS))
    }
}

/// Where making a draft failed.
enum DraftError {
    Write(Errno),
    Sync(Errno),
}

/// Syncs the objects in the root and then the root, and returns the directories whose entries are durable now.
fn settle_root(disk: &impl Disk) -> Result<HashSet<String>, Errno> {
    let mut ready = HashSet::from([String::new()]);
    for entry in disk.list("")? {
        match entry.node {
            _ if ObjectName::new(entry.name.as_str()).is_err() => {}
            Node::Dir => drop(ready.insert(entry.name)),
            Node::File { .. } => match disk.open(&entry.name) {
                Ok(file) => disk.sync_file(&file)?,
                // Gone, or not ours: nobody builds on it.
                Err(Errno::NOENT | Errno::ACCESS) => {}
                Err(errno) => return Err(errno),
            },
        }
    }
    // What was listed before is durable after it.
    disk.sync_dir("")?;
    Ok(ready)
}

fn dirs_in(disk: &impl Disk, dir: &str) -> Result<Vec<String>, Errno> {
    let entries = disk.list(dir)?;
    Ok(entries
        .into_iter()
        .filter(|entry| entry.node == Node::Dir)
        .map(|entry| join(dir, &entry.name))
        .filter(|path| ObjectName::new(path.as_str()).is_ok())
        .collect())
}

/// Removes drafts left behind by processes that are gone; if any writer is alive, all stay.
fn remove_stale_drafts(disk: &impl Disk) -> Result<(), Errno> {
    let Some(_alone) = disk.lock_alone(TMP_DIR)? else {
        return Ok(());
    };
    for entry in disk.list(TMP_DIR)? {
        if matches!(entry.node, Node::File { .. }) {
            disk.remove(&join(TMP_DIR, &entry.name))?;
        }
    }
    Ok(())
}

/// Returns `dir` and what is above it, the root left out.
fn up_to_root(dir: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(dir), |dir| Some(parent(dir))).take_while(|dir| !dir.is_empty())
}

fn parent(dir: &str) -> &str {
    dir.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// Whether names beneath the directory can begin with `prefix`.
fn leads_to(dir: &str, prefix: &str) -> bool {
    dir.starts_with(prefix)
        || prefix
            .strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn check_size(name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
    if bytes.len() <= OBJECT_BYTES_MAX {
        return Ok(());
    }
    Err(PutError::TooLarge {
        name: name.clone(),
        bytes: bytes.len() as u64,
    })
}

fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::DQUOT)
}

fn put_error(name: &ObjectName, errno: Errno) -> PutError {
    let name = name.clone();
    let source = errno.into();
    match errno {
        Errno::NOSPC | Errno::DQUOT => PutError::Full { name, source },
        Errno::ROFS => PutError::ReadOnly { name },
        _ => PutError::Failed { name, source },
    }
}

fn unsure(name: &ObjectName, errno: Errno) -> PutError {
    PutError::Unsure {
        name: name.clone(),
        source: errno.into(),
    }
}

fn get_error(name: &ObjectName, errno: Errno) -> GetError {
    let name = name.clone();
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR => GetError::Missing { name },
        // What disks (EIO), checksumming file systems (EBADMSG, EUCLEAN) and ZFS (EBADE) say of rotten bytes.
        Errno::IO | Errno::BADMSG | Errno::UCLEAN | Errno::BADE => GetError::Unreadable {
            name,
            source: errno.into(),
        },
        _ => GetError::Failed {
            name,
            source: errno.into(),
        },
    }
}

fn open_error(attempt: &str, errno: Errno) -> OpenError {
    let attempt = attempt.to_owned();
    let source = errno.into();
    if is_full(errno) {
        OpenError::Full { attempt, source }
    } else {
        OpenError::Failed { attempt, source }
    }
}
