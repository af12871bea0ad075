//! A disk that records every operation and can forget what was not synced.
//!
//! The model is RELIABILITY.md's: each write to a file and each change of a directory entry is an operation of its
//! own that stays *pending* until a sync of that file or that directory; nothing else makes it durable. At a
//! crash any subset of the pending operations may have reached the disk, and of each write any of its 512-byte
//! sectors. [`SimDisk::crash_states`] enumerates what a machine may find after a power cut,
//! [`SimDisk::killed_at`] is what a process finds after another was killed: everything visible, nothing more
//! durable than before.
//!
//! A sync of a file that has no name yet may be without effect, as on file systems that log nothing of such a file: a sync
//! of the directory that names it then brings an empty file there. A name that reaches the disk without such a sync
//! comes together with the file's bytes.
//!
//! A failed sync makes nothing durable, and later syncs do not either: the kernel has marked the pages clean. It takes nothing
//! back that an earlier one made durable. The
//! only files are immutable ones as [`Disk`] makes them; there are no permissions and no symbolic links.
//!
//! A `SimDisk` is a handle: clones see the same disk.

mod beside;
mod crash;
mod knobs;
mod print;
mod state;

pub use crash::{CrashState, CrashStates};
pub use knobs::{Call, Injection, Knobs, Misdeed, Times};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use objects::Space;
use objects::disk::{DirEntry, Disk, Errno, Node, TMP_DIR};

use crate::Dice;
use knobs::Switchboard;
use print::Contents;
use state::{Entry, FileId, Op, State, split_path};

/// What a disk loses or puts elsewhere at once.
const BLOCK_BYTES: usize = 4096;

/// A simulated disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    unlocked: Condvar,
}

struct Inner {
    /// What was durable when recording began.
    base: State,
    /// Everything since.
    ops: Vec<Op>,
    /// What a reader sees: the base and all operations.
    live: State,
    /// Files being written: alive without a name.
    open: BTreeSet<FileId>,
    drafts: u64,
    switches: Switchboard,
    locks: BTreeMap<String, Holders>,
    origin: String,
    contents: Contents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holders {
    Alone,
    Shared(usize),
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        writeln!(f, "SimDisk {}", inner.origin)?;
        for (i, op) in inner.ops.iter().enumerate() {
            writeln!(f, "{i:5} {op}")?;
        }
        Ok(())
    }
}

impl SimDisk {
    /// Returns an empty disk.
    pub fn new() -> Self {
        Self::from_state(State::default(), Vec::new(), String::new())
    }

    fn from_state(base: State, ops: Vec<Op>, origin: String) -> Self {
        let mut live = base.clone();
        for op in &ops {
            live.apply(op);
        }
        Self(Arc::new(Shared {
            inner: Mutex::new(Inner {
                base,
                ops,
                live,
                open: BTreeSet::new(),
                drafts: 0,
                switches: Switchboard::default(),
                locks: BTreeMap::new(),
                origin,
                contents: Contents::default(),
            }),
            unlocked: Condvar::new(),
        }))
    }

    /// Returns how many operations were recorded: the crash points are 0 to this.
    pub fn ops(&self) -> usize {
        self.inner().ops.len()
    }

    /// Makes everything durable and forgets how it came about: crash points before it are of no interest.
    pub fn checkpoint(&self) {
        let inner = &mut *self.inner();
        inner.base = inner.live.clone();
        inner.ops.clear();
    }

    /// Returns the disks a machine may find after losing power when the first `k` operations were done; every
    /// write may be torn. All subsets of up to ten pending operations; of more: none, all, each one, each
    /// prefix, and 200 random ones that `seed` determines. Each with writes whole, and once more with them torn.
    ///
    /// # Panics
    /// If there are fewer than `k` operations.
    pub fn crash_states(&self, k: usize, seed: u64) -> CrashStates {
        let inner = self.inner();
        CrashStates::new(&inner.base, &inner.ops, k, seed, &inner.contents)
    }

    /// Returns the disk as a new process finds it after the writer was killed when the first `k` operations were
    /// done: all are visible, those not synced are still pending.
    ///
    /// # Panics
    /// If there are fewer than `k` operations.
    pub fn killed_at(&self, k: usize) -> SimDisk {
        let inner = self.inner();
        Self::from_state(
            inner.base.clone(),
            inner.ops[..k].to_vec(),
            format!("killed after operation {k}"),
        )
    }

    /// Returns a number that is the same for disks of one history that show the same names and bytes: see
    /// [`CrashState::fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        let inner = self.inner();
        print::whole(&inner.live, &inner.contents)
    }

    /// Returns another disk with the same on it, all of it durable.
    pub fn copy(&self) -> SimDisk {
        let inner = self.inner();
        Self::from_state(inner.live.clone(), Vec::new(), inner.origin.clone())
    }

    /// Puts the operations from the `from`th on into an order that they could have had if files had been stored by threads:
    /// up to `width` at once of those that follow one another in the directories below `tops`. What is on the
    /// disk stays the same, what is pending when does not.
    pub fn store_at_once(&self, from: usize, tops: &[&str], width: usize, seed: u64) {
        let inner = &mut *self.inner();
        let dirs = inner.live.dirs_below(tops);
        beside::mix(&mut inner.ops[from..], &dirs, width, &mut Dice::new(seed));
    }

    /// Returns how this disk came about: which crash state of which point it is.
    pub fn origin(&self) -> String {
        self.inner().origin.clone()
    }

    /// Sets what this disk does wrong.
    pub fn set(&self, knobs: Knobs) {
        self.inner().switches.knobs = knobs;
    }

    /// Orders a call to fail.
    pub fn inject(&self, injection: Injection) {
        self.inner().switches.injections.push(injection);
    }

    /// Ends all that was ordered; what it has done stays.
    pub fn heal(&self) {
        self.inner().switches.injections.clear();
    }

    /// Returns how often a call was made, failed ones included.
    pub fn calls(&self, call: Call) -> u64 {
        self.inner().switches.calls(call)
    }

    /// Changes a file's bytes behind everyone's back, durably: bit rot.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let file = inner.live.file(path).expect("the file to damage exists");
        let mut bytes = inner.live.files[file].to_vec();
        change(&mut bytes);
        inner.record(Op::Damage {
            file,
            bytes: bytes.into(),
        });
    }

    /// Returns the paths and bytes of all files, drafts with a name included.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.inner().live.all_files()
    }

    // A panic inside is a bug of this module, and the test that sees it fails anyway.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_draft(&self, has_name: bool) -> Result<Draft, Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::Draft)?;
        let tmp_dir = inner.live.dir(TMP_DIR)?;
        let file = inner.live.files.len();
        inner.record(Op::NewFile { file });
        inner.open.insert(file);
        let mut tmp = None;
        if has_name {
            let name: Arc<str> = format!("draft-{}", inner.drafts).into();
            inner.drafts += 1;
            tmp = Some(format!("{TMP_DIR}/{name}"));
            let dir = tmp_dir;
            inner.record(Op::Link { dir, name, file });
        }
        Ok(Draft {
            disk: self.clone(),
            file,
            tmp,
            published: false,
        })
    }

    fn unlock(&self, dir: &str) {
        let mut inner = self.inner();
        match inner.locks.get(dir).copied() {
            Some(Holders::Shared(n)) if n > 1 => {
                inner.locks.insert(dir.to_owned(), Holders::Shared(n - 1));
            }
            _ => {
                inner.locks.remove(dir);
            }
        }
        drop(inner);
        self.0.unlocked.notify_all();
    }
}

impl Inner {
    fn record(&mut self, op: Op) {
        self.live.apply(&op);
        self.ops.push(op);
    }

    /// Syncs a file by `op`, if the disk does.
    fn sync(&mut self, op: Op) -> Result<(), Errno> {
        let ordered = self.switches.enter(Call::Sync);
        let (Op::SyncFile { file } | Op::SyncUnnamed { file }) = op else {
            panic!("{op} does not sync a file");
        };
        if ordered.is_err() {
            self.record(Op::LoseFile { file });
        } else if !self.switches.knobs.ignore_file_sync {
            self.record(op);
        }
        ordered.map(drop)
    }

    fn used_bytes(&self) -> u64 {
        let mut files = self.live.linked_files();
        files.extend(&self.open);
        files
            .into_iter()
            .map(|file| self.live.files[file].len() as u64)
            .sum()
    }

    /// Does to bytes on their way to a file what a disk does that says all is well.
    fn lie(&mut self, lie: Misdeed, file: FileId, bytes: &mut [u8]) {
        let block = bytes.len() / 2 / BLOCK_BYTES * BLOCK_BYTES;
        let block = block..bytes.len().min(block + BLOCK_BYTES);
        if lie == Misdeed::Misdirects {
            let others = self.live.linked_files().into_iter();
            let longest = others
                .filter(|other| *other != file)
                .max_by_key(|other| (self.live.files[*other].len(), *other));
            if let Some(other) = longest {
                let mut there = self.live.files[other].to_vec();
                let at = there.len() / 2 / BLOCK_BYTES * BLOCK_BYTES;
                let len = block.len().min(there.len() - at);
                there[at..at + len].copy_from_slice(&bytes[block.clone()][..len]);
                self.record(Op::Damage {
                    file: other,
                    bytes: there.into(),
                });
            }
        }
        match lie {
            Misdeed::Loses | Misdeed::Misdirects => bytes[block].fill(0),
            Misdeed::Flips => flip(bytes),
            Misdeed::Fails(_) | Misdeed::Shortens => {}
        }
    }

    /// Writes what fits, as a real disk does, and then says that it is full.
    fn write(&mut self, file: FileId, bytes: &[u8]) -> Result<(), Errno> {
        let ordered = self.switches.enter(Call::Write);
        let room = match self.switches.knobs.capacity_bytes {
            Some(capacity) => capacity.saturating_sub(self.used_bytes()),
            None => u64::MAX,
        };
        let keep = match ordered {
            Err(_) => bytes.len() / 2,
            Ok(_) => bytes.len(),
        };
        let fits = keep.min(usize::try_from(room).unwrap_or(usize::MAX));
        if fits > 0 {
            let offset = self.live.files[file].len();
            let mut bytes = bytes[..fits].to_vec();
            if let Ok(Some(lie)) = ordered {
                self.lie(lie, file, &mut bytes);
            }
            self.record(Op::Write {
                file,
                offset,
                bytes: bytes.into(),
            });
        }
        ordered?;
        if fits < bytes.len() {
            return Err(Errno::NOSPC);
        }
        Ok(())
    }
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x10;
    }
}

/// A file being written.
#[derive(Debug)]
pub struct Draft {
    disk: SimDisk,
    file: FileId,
    /// Its path in `.tmp`, if drafts have names here.
    tmp: Option<String>,
    published: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        inner.open.remove(&self.file);
        if let Some(tmp) = self.tmp.take() {
            let (dir, name) = split_path(&tmp);
            if let Ok(dir) = inner.live.dir(dir) {
                let name = name.into();
                inner.record(Op::Unlink { dir, name });
            }
        } else if !self.published {
            // Nobody can ever see its bytes: they need not be considered at a crash.
            inner.record(Op::Forget { file: self.file });
        }
    }
}

/// A lock on a directory.
#[derive(Debug)]
pub struct Lock {
    disk: SimDisk,
    dir: String,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.unlock(&self.dir);
    }
}

impl Disk for SimDisk {
    type Draft = Draft;
    type Reader = FileId;
    type Lock = Lock;

    fn draft(&self) -> Result<Draft, Errno> {
        let has_name = self.inner().switches.knobs.named_drafts;
        self.begin_draft(has_name)
    }

    fn named_draft(&self) -> Result<Draft, Errno> {
        self.begin_draft(true)
    }

    fn replace(&self, draft: &mut Draft, path: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::Replace)?;
        let replaced = inner.live.file(path);
        let (dir, name) = split_path(path);
        let dir = inner.live.dir(dir)?;
        if draft.tmp.is_none() || matches!(replaced, Err(Errno::ISDIR)) {
            return Err(Errno::INVAL);
        }
        // The name in `.tmp` goes when the draft is dropped: a crash may keep either.
        let (file, name) = (draft.file, name.into());
        inner.record(Op::Link { dir, name, file });
        draft.published = true;
        Ok(())
    }

    fn link(&self, path: &str, new: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::Link)?;
        let file = inner.live.file(path)?;
        let (dir, name) = split_path(new);
        let dir = inner.live.dir(dir)?;
        if inner.live.dirs[dir].contains_key(name) {
            return Err(Errno::EXIST);
        }
        let name = name.into();
        inner.record(Op::Link { dir, name, file });
        Ok(())
    }

    fn write(&self, draft: &mut Draft, bytes: &[u8]) -> Result<(), Errno> {
        self.inner().write(draft.file, bytes)
    }

    fn sync(&self, draft: &Draft) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.sync(match draft.tmp.is_some() || draft.published {
            true => Op::SyncFile { file: draft.file },
            false => Op::SyncUnnamed { file: draft.file },
        })
    }

    fn sync_file(&self, file: &FileId) -> Result<(), Errno> {
        self.inner().sync(Op::SyncFile { file: *file })
    }

    fn publish(&self, draft: &mut Draft, path: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::Publish)?;
        let (dir, name) = split_path(path);
        let dir = inner.live.dir(dir)?;
        if inner.live.dirs[dir].contains_key(name) {
            return Err(Errno::EXIST);
        }
        let file = draft.file;
        let name = name.into();
        inner.record(Op::Link { dir, name, file });
        draft.published = true;
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        let ordered = inner.switches.enter(Call::SyncDir);
        let dir = inner.live.dir(dir)?;
        if ordered.is_err() {
            inner.record(Op::LoseDir { dir });
        } else if !inner.switches.knobs.ignore_dir_sync {
            inner.record(Op::SyncDir { dir });
        }
        ordered.map(drop)
    }

    fn make_dir(&self, dir: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::MakeDir)?;
        let (parent, name) = split_path(dir);
        let dir = inner.live.dir(parent)?;
        if inner.live.dirs[dir].contains_key(name) {
            return Err(Errno::EXIST);
        }
        let new = inner.live.dirs.len();
        let name = name.into();
        inner.record(Op::MakeDir { dir, name, new });
        Ok(())
    }

    fn open(&self, path: &str) -> Result<FileId, Errno> {
        let mut inner = self.inner();
        inner.switches.enter(Call::Open)?;
        inner.live.file(path)
    }

    fn bytes(&self, file: &FileId) -> Result<u64, Errno> {
        Ok(self.inner().live.files[*file].len() as u64)
    }

    fn read_at(&self, file: &FileId, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let inner = &mut *self.inner();
        let lie = inner.switches.enter(Call::Read)?;
        let bytes = &inner.live.files[*file];
        let start = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let most = inner.switches.knobs.read_bytes_max.unwrap_or(usize::MAX);
        let mut len = out.len().min(bytes.len() - start).min(most.max(1));
        if lie == Some(Misdeed::Shortens) {
            len = len.div_ceil(2);
        }
        out[..len].copy_from_slice(&bytes[start..start + len]);
        if lie == Some(Misdeed::Flips) {
            flip(&mut out[..len]);
        }
        Ok(len)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::List)?;
        let dir = inner.live.dir(dir)?;
        let entries = inner.live.dirs[dir].iter().map(|(name, entry)| DirEntry {
            name: name.to_string(),
            node: match entry {
                Entry::File(file) => Node::File {
                    bytes: inner.live.files[*file].len() as u64,
                },
                Entry::Dir(_) => Node::Dir,
            },
        });
        // Real directories have no order.
        Ok(entries.rev().collect())
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        let inner = &mut *self.inner();
        inner.switches.enter(Call::Remove)?;
        inner.live.file(path)?;
        let (dir, name) = split_path(path);
        let dir = inner.live.dir(dir)?;
        let name = name.into();
        inner.record(Op::Unlink { dir, name });
        Ok(())
    }

    fn lock_alone(&self, dir: &str) -> Result<Option<Lock>, Errno> {
        let inner = &mut *self.inner();
        inner.live.dir(dir)?;
        if inner.locks.contains_key(dir) {
            return Ok(None);
        }
        inner.locks.insert(dir.to_owned(), Holders::Alone);
        Ok(Some(Lock {
            disk: self.clone(),
            dir: dir.to_owned(),
        }))
    }

    fn lock_shared(&self, dir: &str) -> Result<Lock, Errno> {
        let mut inner = self.inner();
        inner.live.dir(dir)?;
        while inner.locks.get(dir) == Some(&Holders::Alone) {
            let waited = self.0.unlocked.wait(inner);
            inner = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let holders = match inner.locks.get(dir) {
            Some(Holders::Shared(n)) => n + 1,
            _ => 1,
        };
        inner.locks.insert(dir.to_owned(), Holders::Shared(holders));
        Ok(Lock {
            disk: self.clone(),
            dir: dir.to_owned(),
        })
    }

    fn space(&self) -> Result<Space, Errno> {
        let inner = self.inner();
        let total = inner.switches.knobs.capacity_bytes.unwrap_or(1 << 40);
        Ok(Space {
            free: total.saturating_sub(inner.used_bytes()),
            total,
        })
    }
}
