//! A block device that writes down what it is told: every write and every flush, in order.
//!
//! A file in memory stands behind a file system of one file (FUSE), that file behind a loop device, and on it a real file
//! system of Linux is mounted. What a power cut may leave of such a device is [`Tape::image`]: all that was written before the
//! last flush, and of what came after it any part, also parts of single writes. Nobody but root can do this.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use testkit::{Dice, TempDir, runs};

/// What every disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
/// Where files in memory are, if the system has that.
const MEMORY: &str = "/dev/shm";
const ROOT: INodeNo = INodeNo(1);
const DISK: INodeNo = INodeNo(2);

/// What a disk was told.
#[derive(Debug)]
enum Event {
    Write { offset: u64, bytes: Vec<u8> },
    Flush,
}

/// What is kept of the writes after the last flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// None of them.
    Nothing,
    /// All of them.
    All,
    /// Each or not, by chance.
    Some,
    /// As that, and of some only the first sectors.
    Torn,
}

impl Rest {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::All, Self::Some, Self::Torn];
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As `mount` calls it.
    pub name: &'static str,
    mebibytes: u64,
    mount: &'static str,
}

/// Little more than what a store wants to be free.
pub const EXT4: Kind = Kind {
    name: "ext4",
    mebibytes: 300,
    mount: "loop,nodiscard",
};
/// As [`EXT4`].
pub const XFS: Kind = Kind {
    name: "xfs",
    mebibytes: 300,
    // Images of one file system have one name.
    mount: "loop,nodiscard,nouuid",
};
/// As [`EXT4`].
pub const BTRFS: Kind = Kind {
    name: "btrfs",
    mebibytes: 400,
    mount: "loop,nodiscard",
};

/// A mounted file system, as long as this lives.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    fn new(kind: Kind, file: &Path, on: &Path) -> Option<Self> {
        let words = ["-t", kind.name, "-o", kind.mount].map(OsStr::new);
        let words = words.into_iter().chain([file.as_os_str(), on.as_os_str()]);
        runs("mount", words).then(|| Self(on.to_owned()))
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // After a panic something may still use it.
        if !runs("umount", [&self.0]) {
            runs("umount", [OsStr::new("-l"), self.0.as_os_str()]);
        }
    }
}

/// The file system of one file, as long as this lives.
#[derive(Debug)]
struct Served {
    session: Option<BackgroundSession>,
    path: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Also if, after a panic, the loop device still has the file.
        runs("umount", [OsStr::new("-l"), self.path.as_os_str()]);
        drop(self.session.take());
    }
}

/// A mounted file system on a device that writes down what it is told. Dropping it leaves nothing of it.
#[derive(Debug)]
pub struct Recorder {
    // In the order in which they have to go.
    mounted: Mounted,
    served: Served,
    events: Arc<Mutex<Vec<Event>>>,
    kind: Kind,
    dir: TempDir,
}

impl Recorder {
    /// Makes a file system and mounts it; `None`, said aloud, where that cannot be done.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn mount(kind: Kind) -> io::Result<Option<Self>> {
        let dir = match Path::new(MEMORY).is_dir() {
            true => tempfile::tempdir_in(MEMORY)?,
            false => testkit::tempdir()?,
        };
        let skipped = || {
            let name = kind.name;
            println!("SKIPPED: power cuts on {name} (needs root, FUSE, loop mounts, mkfs.{name})");
            Ok(None)
        };
        for name in ["fuse", "mnt", "look"] {
            fs::create_dir(dir.path().join(name))?;
        }
        let (now, before) = (dir.path().join("now"), dir.path().join("before"));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&now)?;
        file.set_len(kind.mebibytes << 20)?;
        if !runs(
            &format!("mkfs.{}", kind.name),
            [OsStr::new("-q"), now.as_os_str()],
        ) {
            return skipped();
        }
        copy(&now, &before)?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let bytes = kind.mebibytes << 20;
        let device = Device {
            file,
            bytes,
            events: events.clone(),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(String::from("recorder"))];
        let path = dir.path().join("fuse");
        let Ok(session) = fuser::spawn_mount(device, &path, &config) else {
            return skipped();
        };
        let session = Some(session);
        let served = Served { session, path };
        let mounted = Mounted::new(kind, &served.path.join("disk"), &dir.path().join("mnt"));
        let Some(mounted) = mounted else {
            return skipped();
        };
        Ok(Some(Self {
            mounted,
            served,
            events,
            kind,
            dir,
        }))
    }

    /// Returns where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.mounted.path().to_owned()
    }

    /// Returns how many writes and flushes there were.
    pub fn events(&self) -> usize {
        lock(&self.events).len()
    }

    /// Unmounts it, and returns what was written down up to the event `end`.
    pub fn stop(self, end: usize) -> Tape {
        let Self {
            mounted,
            served,
            events,
            kind,
            dir,
        } = self;
        drop(mounted);
        drop(served);
        let mut events = std::mem::take(&mut *lock(&events));
        events.truncate(end);
        Tape {
            dir,
            kind,
            events,
            applied: 0,
        }
    }
}

/// What was written down.
#[derive(Debug)]
pub struct Tape {
    dir: TempDir,
    kind: Kind,
    events: Vec<Event>,
    /// How many events the file of what is durable has seen.
    applied: usize,
}

impl Tape {
    /// Returns how many writes and how many flushes there were.
    pub fn counts(&self) -> (usize, usize) {
        let flushes = self
            .events
            .iter()
            .filter(|event| matches!(event, Event::Flush));
        let flushes = flushes.count();
        (self.events.len() - flushes, flushes)
    }

    /// Makes and mounts what a power cut after `k` events may leave; `None` if the file system cannot be mounted. No cut
    /// before one that was asked for can be asked for.
    ///
    /// # Errors
    /// There is no room for it.
    ///
    /// # Panics
    /// If it could be asked for no more.
    pub fn image(&mut self, k: usize, rest: Rest, dice: &mut Dice) -> io::Result<Option<Mounted>> {
        let flushed = self.events[..k]
            .iter()
            .rposition(|event| matches!(event, Event::Flush));
        let flushed = flushed.map_or(0, |at| at + 1);
        assert!(flushed >= self.applied, "the durable part only grows");
        let (before, image) = (
            self.dir.path().join("before"),
            self.dir.path().join("image"),
        );
        let durable = File::options().write(true).open(&before)?;
        for event in &self.events[self.applied..flushed] {
            if let Event::Write { offset, bytes } = event {
                durable.write_all_at(bytes, *offset)?;
            }
        }
        self.applied = flushed;
        // Another file each time: somebody else's mount namespace may have kept the last one's loop device, and a mount of the
        // same file would be that of before.
        match fs::remove_file(&image) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        copy(&before, &image)?;
        let file = File::options().write(true).open(&image)?;
        for event in &self.events[flushed..k] {
            if let Event::Write { offset, bytes } = event {
                file.write_all_at(&bytes[..kept(rest, bytes.len(), dice)], *offset)?;
            }
        }
        Ok(Mounted::new(
            self.kind,
            &image,
            &self.dir.path().join("look"),
        ))
    }
}

/// Returns how much is kept of a write.
fn kept(rest: Rest, len: usize, dice: &mut Dice) -> usize {
    match rest {
        Rest::Nothing => 0,
        Rest::All => len,
        Rest::Some | Rest::Torn if dice.once_in(2) => 0,
        Rest::Torn if len > SECTOR_BYTES && dice.once_in(4) => {
            dice.index(len / SECTOR_BYTES) * SECTOR_BYTES
        }
        Rest::Some | Rest::Torn => len,
    }
}

/// Copies a file with its holes.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match runs(
        "cp",
        [
            OsStr::new("--sparse=always"),
            from.as_os_str(),
            to.as_os_str(),
        ],
    ) {
        true => Ok(()),
        false => Err(io::Error::other(format!("cannot copy {}", from.display()))),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory with one file in it, which is a disk.
struct Device {
    file: File,
    bytes: u64,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Device {
    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let (kind, size) = match ino {
            DISK => (FileType::RegularFile, self.bytes),
            _ => (FileType::Directory, 0),
        };
        let then = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino,
            size,
            blocks: size / 512,
            atime: then,
            mtime: then,
            ctime: then,
            crtime: then,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// How long the kernel may believe what it is told of the file.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_i32)
}

impl Filesystem for Device {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match parent == ROOT && name == "disk" {
            true => reply.entry(&FOR_EVER, &self.attributes(DISK), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &self.attributes(ino));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Past the page cache: what the loop device writes is written down when it writes it.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let len = u64::from(size).min(self.bytes.saturating_sub(offset));
        let mut bytes = vec![0; len as usize];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => reply.data(&bytes),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if let Err(error) = self.file.write_all_at(data, offset) {
            return reply.error(errno(&error));
        }
        let bytes = data.to_vec();
        lock(&self.events).push(Event::Write { offset, bytes });
        reply.written(data.len() as u32);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        lock(&self.events).push(Event::Flush);
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
