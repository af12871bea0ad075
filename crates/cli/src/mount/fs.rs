//! What the kernel asks, answered from recovery points.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use api::request::{self, WhichEntries};
use api::view::{EntryKind, FullEntryView};
use api::{Operations, PathText, Problem};
use base::fault::Code;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyXattr, Request,
};
use jiff::tz::TimeZone;

use super::entries::{Entries, Place};
use super::listing::{Given, Listings};
use super::top::{self, NEWEST, Shown, Top};

/// How long the kernel may believe what it was told of an entry of a point: it never changes.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);
/// How long it may believe which points there are.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Recovery points as a file system.
pub(super) struct Points {
    pub(super) operations: Arc<dyn Operations>,
    pub(super) top: Top,
    pub(super) zone: TimeZone,
    pub(super) entries: Arc<Mutex<Entries>>,
    /// Directories that are being listed.
    pub(super) listings: Mutex<Listings>,
    /// Wakes the trimmer.
    pub(super) full: SyncSender<()>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what the kernel is told of a problem; the problem itself goes to the log.
pub(super) fn errno(problem: &Problem) -> Errno {
    let is = |code: Code| problem.code == code.name();
    if is(Code::RestorePathUnknown) {
        return Errno::ENOENT;
    }
    tracing::warn!(
        code = problem.code,
        detail = problem.detail,
        "a mount cannot answer"
    );
    // Only what a point says is not there is not there: a pool that is gone must not look like an empty one.
    match () {
        () if is(Code::PermissionMissing) => Errno::EACCES,
        () if is(Code::PointUnknown) => Errno::ESTALE,
        () => Errno::EIO,
    }
}

impl Points {
    /// Returns the file system, and what is heard when the kernel knows too many entries.
    pub(super) fn new(
        operations: Arc<dyn Operations>,
        top: Top,
        zone: TimeZone,
    ) -> (Self, Receiver<()>) {
        let root = match &top {
            Top::Point {
                id, is_file: false, ..
            } => Place::Entry {
                point: Arc::from(id.as_str()),
                path: Vec::new(),
            },
            _ => Place::Top,
        };
        let (full, wanted) = sync_channel(1);
        let points = Self {
            operations,
            top,
            zone,
            entries: Arc::new(Mutex::new(Entries::new(root))),
            listings: Mutex::default(),
            full,
        };
        (points, wanted)
    }

    pub(super) fn entries(&self) -> Arc<Mutex<Entries>> {
        Arc::clone(&self.entries)
    }

    pub(super) fn place(&self, number: u64) -> Result<Arc<Place>, Errno> {
        lock(&self.entries).place(number).ok_or(Errno::ESTALE)
    }

    pub(super) fn shown(&self) -> Result<Vec<Shown>, Errno> {
        let points = self.top.points(&*self.operations, &self.zone);
        points.map_err(|problem| errno(&problem))
    }

    /// Returns the entry at a place.
    pub(super) fn entry(&self, place: &Place) -> Result<FullEntryView, Errno> {
        let (point, path) = match place {
            Place::Top => return Ok(top::directory()),
            Place::Newest => {
                let points = self.shown()?;
                let newest = points.first().ok_or(Errno::ENOENT)?;
                return Ok(top::newest(&newest.name));
            }
            Place::Entry { point, path } => (point, path),
        };
        let request = request::Entries {
            path: PathText(path.clone()),
            which: WhichEntries::Itself,
            after: None,
            limit: 1,
        };
        let answer = self.operations.entries(point, &request);
        let answer = answer.map_err(|problem| errno(&problem))?;
        answer.entries.into_iter().next().ok_or(Errno::ENOENT)
    }

    /// Returns the entry with a number, from memory if it is there.
    pub(super) fn numbered(&self, number: u64) -> Result<Arc<FullEntryView>, Errno> {
        if let Some(entry) = lock(&self.entries).details(number) {
            return Ok(entry);
        }
        let place = self.place(number)?;
        let entry = Arc::new(self.entry(&place)?);
        if matches!(*place, Place::Entry { .. }) {
            lock(&self.entries).remember(number, Arc::clone(&entry));
        }
        Ok(entry)
    }

    /// Returns the place of a name in a directory.
    fn child(&self, directory: &Place, name: &[u8]) -> Result<Place, Errno> {
        match directory {
            Place::Entry { point, path } => Ok(below(point, path, name)),
            Place::Newest => Err(Errno::ENOTDIR),
            Place::Top => {
                let points = self.shown()?;
                if name == NEWEST && self.has_newest() && !points.is_empty() {
                    return Ok(Place::Newest);
                }
                let found = points.into_iter().find(|shown| shown.name == name);
                let found = found.ok_or(Errno::ENOENT)?;
                Ok(Place::Entry {
                    point: Arc::from(found.point),
                    path: Vec::new(),
                })
            }
        }
    }

    pub(super) fn has_newest(&self) -> bool {
        matches!(self.top, Top::Source { .. })
    }

    /// Counts that the kernel is told of an entry, and returns its number.
    fn tell(&self, place: Place, at: (u64, &[u8]), entry: FullEntryView) -> u64 {
        let mut entries = lock(&self.entries);
        let remembered = matches!(place, Place::Entry { .. });
        let number = entries.tell(place, at, &entry);
        if remembered {
            entries.remember(number, Arc::new(entry));
        }
        let is_full = entries.is_full();
        drop(entries);
        if is_full {
            // One call that waits is as good as many.
            let _ = self.full.try_send(());
        }
        number
    }
}

pub(super) fn below(point: &Arc<str>, directory: &[u8], name: &[u8]) -> Place {
    let path = match directory {
        [] => name.to_vec(),
        directory => [directory, b"/", name].concat(),
    };
    Place::Entry {
        point: Arc::clone(point),
        path,
    }
}

fn kind(entry: &FullEntryView) -> FileType {
    match entry.kind {
        EntryKind::Directory => FileType::Directory,
        EntryKind::File => FileType::RegularFile,
        EntryKind::Symlink => FileType::Symlink,
        EntryKind::Fifo => FileType::NamedPipe,
        EntryKind::Socket => FileType::Socket,
        EntryKind::CharDevice => FileType::CharDevice,
        EntryKind::BlockDevice => FileType::BlockDevice,
    }
}

fn time(ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    let moved = match ns < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Returns a device number as the kernel's protocol has it (`new_encode_dev` of linux/kdev_t.h).
fn device(number: u64) -> u32 {
    let (major, minor) = ((number >> 32) as u32, number as u32);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

fn attributes(number: u64, entry: &FullEntryView) -> FileAttr {
    let modified = time(entry.modified_ns);
    FileAttr {
        ino: INodeNo(number),
        size: match entry.kind {
            EntryKind::Symlink => entry
                .target
                .as_ref()
                .map_or(0, |target| target.0.len() as u64),
            _ => entry.size,
        },
        blocks: entry.data_bytes.div_ceil(512),
        atime: modified,
        mtime: modified,
        ctime: time(entry.changed_ns),
        crtime: modified,
        kind: kind(entry),
        perm: entry.mode,
        nlink: entry.links.max(1),
        uid: entry.uid,
        gid: entry.gid,
        rdev: entry.special.map_or(0, device),
        blksize: 4096,
        flags: 0,
    }
}

/// Answers with bytes as the kernel asks for attributes: their length first, then they themselves.
fn answer_bytes(reply: ReplyXattr, size: u32, bytes: &[u8]) {
    match (u32::try_from(bytes.len()), size) {
        (Ok(len), 0) => reply.size(len),
        (Ok(len), size) if len <= size => reply.data(bytes),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Points {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each is a kindness that old kernels do not know. The kernel must not keep targets of links: that of the
        // link to the newest point changes.
        for flag in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
        ] {
            let _ = config.add_capabilities(flag);
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.place(parent.0).and_then(|directory| {
            let place = self.child(&directory, name.as_bytes())?;
            let entry = self.entry(&place)?;
            let lives = lives(&directory);
            let shown = entry.clone();
            let number = self.tell(place, (parent.0, name.as_bytes()), entry);
            Ok((attributes(number, &shown), lives))
        });
        match found {
            Ok((attributes, lives)) => reply.entry(&lives, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn forget(&self, _request: &Request, ino: INodeNo, lookups: u64) {
        lock(&self.entries).forget(ino.0, lookups);
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let place = self.place(ino.0);
        let found = place.and_then(|place| Ok((self.numbered(ino.0)?, lives(&place))));
        match found {
            Ok((entry, lives)) => reply.attr(&lives, &attributes(ino.0, &entry)),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _request: &Request, ino: INodeNo, reply: ReplyData) {
        match self.numbered(ino.0) {
            Ok(entry) => match &entry.target {
                Some(target) => reply.data(&target.0),
                None => reply.error(Errno::EINVAL),
            },
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.place(ino.0).and_then(|place| {
            let Place::Entry { point, path } = &*place else {
                return Err(Errno::EISDIR);
            };
            let request = request::Read {
                path: PathText(path.clone()),
                offset,
                bytes: size,
            };
            let bytes = self.operations.read(point, &request);
            bytes.map_err(|problem| errno(&problem))
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn lseek(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.seek(ino.0, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let mut listings = lock(&self.listings);
        listings.next += 1;
        let handle = listings.next;
        listings.open.insert(handle, Arc::default());
        drop(listings);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.list((ino.0, handle), offset, &mut |given| match given {
            Given::Dots {
                number,
                name,
                entry,
                next,
            } => reply.add(INodeNo(number), next, kind(entry), OsStr::from_bytes(name)),
            // A number that nothing has: a lookup gives the real one.
            Given::Entry { entry, next, .. } => reply.add(
                INodeNo(u64::MAX),
                next,
                kind(entry),
                OsStr::from_bytes(&entry.name.0),
            ),
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let lives = match self.place(ino.0) {
            Ok(place) => lives(&place),
            Err(errno) => return reply.error(errno),
        };
        let listed = self.list((ino.0, handle), offset, &mut |given| match given {
            // The kernel does not count these as told.
            Given::Dots {
                number,
                name,
                entry,
                next,
            } => reply.add(
                INodeNo(number),
                next,
                OsStr::from_bytes(name),
                &lives,
                &attributes(number, entry),
                Generation(0),
            ),
            Given::Entry { place, entry, next } => {
                let name = entry.name.0.as_slice();
                let number = self.tell(place.clone(), (ino.0, name), entry.clone());
                let full = reply.add(
                    INodeNo(number),
                    next,
                    OsStr::from_bytes(name),
                    &lives,
                    &attributes(number, entry),
                    Generation(0),
                );
                if full {
                    lock(&self.entries).forget(number, 1);
                }
                full
            }
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        lock(&self.listings).open.remove(&handle.0);
        reply.ok();
    }

    fn getxattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        match self.numbered(ino.0) {
            Ok(entry) => {
                let mut xattrs = entry.xattrs.iter();
                match xattrs.find(|xattr| xattr.name.0 == name.as_bytes()) {
                    Some(xattr) => answer_bytes(reply, size, &xattr.value.0),
                    None => reply.error(Errno::ENODATA),
                }
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn listxattr(&self, _request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        match self.numbered(ino.0) {
            Ok(entry) => {
                let names = entry.xattrs.iter().map(|xattr| xattr.name.0.as_slice());
                let names: Vec<u8> = names.flat_map(|name| [name, &[0]].concat()).collect();
                answer_bytes(reply, size, &names);
            }
            Err(errno) => reply.error(errno),
        }
    }
}

/// Returns how long the kernel may believe what it was told of a directory's entries.
fn lives(directory: &Place) -> Duration {
    match directory {
        Place::Entry { .. } => FOR_EVER,
        Place::Top | Place::Newest => A_MOMENT,
    }
}
