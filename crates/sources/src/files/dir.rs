//! Directories held open by few descriptors.
//!
//! A directory is known by its parent and its name, so it can be closed at any time and opened again: from
//! the nearest ancestor that is open, one component at a time, and only if it is still the same directory.
//! That keeps descriptors bounded however deep or wide the tree is, and needs no path, however long.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::stat::{self, Identity};
use super::walk::Selection;
use crate::problem::Reason;

/// Opens `name` in `dir` for reading without a trace in its access time, where that is allowed.
pub(super) fn open_quietly(dir: impl AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    match openat(&dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner and root may leave the access time alone.
        Err(Errno::PERM) => openat(&dir, name, flags, Mode::empty()),
        other => other,
    }
}

/// The directories of one walk that are open. The root is not counted: it stays open.
#[derive(Debug)]
pub(super) struct OpenDirs {
    limit: usize,
    opened: Mutex<VecDeque<Weak<Dir>>>,
}

impl OpenDirs {
    /// Keeps at most about `limit` open; those in use at the moment come on top.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            opened: Mutex::default(),
        })
    }

    /// Notes that `dir` was opened and closes another one that was not used lately.
    fn add(&self, dir: &Arc<Dir>) {
        let mut opened = lock(&self.opened);
        opened.push_back(Arc::downgrade(dir));
        // Once around clears every mark, so the second time around finds one.
        for _ in 0..2 * opened.len() {
            if opened.len() <= self.limit {
                return;
            }
            let Some(oldest) = opened.pop_front() else {
                return;
            };
            let Some(oldest) = oldest.upgrade() else {
                continue;
            };
            if oldest.used.swap(false, Ordering::Relaxed) {
                opened.push_back(Arc::downgrade(&oldest));
            } else {
                *lock(&oldest.open) = None;
            }
        }
    }
}

/// A directory of the tree.
#[derive(Debug)]
pub(super) struct Dir {
    parent: Option<Arc<Dir>>,
    name: CString,
    pub(super) identity: Identity,
    pub(super) mount: u64,
    /// Components below the root.
    pub(super) depth: usize,
    /// The names that are looked at in it; `None` if all are.
    pub(super) only: Option<Arc<Selection>>,
    open: Mutex<Option<Arc<OwnedFd>>>,
    used: AtomicBool,
    dirs: Arc<OpenDirs>,
}

impl Dir {
    /// Returns the root, which stays open as long as anything below it is known.
    pub(super) fn root(
        fd: OwnedFd,
        dirs: Arc<OpenDirs>,
        only: Option<Arc<Selection>>,
    ) -> Result<Arc<Self>, Errno> {
        let stat = stat::of(fd.as_fd())?;
        Ok(Arc::new(Self {
            parent: None,
            name: CString::default(),
            identity: Identity::from(&stat),
            mount: stat.stx_mnt_id,
            depth: 0,
            only,
            open: Mutex::new(Some(Arc::new(fd))),
            used: AtomicBool::new(true),
            dirs,
        }))
    }

    /// Returns the directory `name` in this one. Opens nothing.
    pub(super) fn child(
        self: &Arc<Self>,
        name: CString,
        identity: Identity,
        mount: u64,
    ) -> Arc<Self> {
        let only = self.only.as_ref().and_then(|only| only.below(&name));
        Arc::new(Self {
            parent: Some(self.clone()),
            name,
            identity,
            mount,
            depth: self.depth + 1,
            only,
            open: Mutex::new(None),
            used: AtomicBool::new(false),
            dirs: self.dirs.clone(),
        })
    }

    /// Returns a descriptor, opening it again if need be.
    ///
    /// # Errors
    /// [`Reason::Replaced`] if another directory stands there now; others as the system says.
    pub(super) fn fd(self: &Arc<Self>) -> Result<Arc<OwnedFd>, Reason> {
        if let Some(fd) = self.held() {
            return Ok(fd);
        }
        let mut closed = vec![self];
        let mut fd = loop {
            let last = closed.last().expect("starts with one");
            let parent = last.parent.as_ref().expect("the root is always open");
            match parent.held() {
                Some(fd) => break fd,
                None => closed.push(parent),
            }
        };
        for dir in closed.into_iter().rev() {
            fd = dir.open_in(&fd)?;
        }
        Ok(fd)
    }

    /// Returns whether another file system begins here.
    pub(super) fn begins_mount(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| {
            parent.mount != self.mount || parent.identity.device != self.identity.device
        })
    }

    fn held(&self) -> Option<Arc<OwnedFd>> {
        self.used.store(true, Ordering::Relaxed);
        lock(&self.open).clone()
    }

    fn open_in(self: &Arc<Self>, parent: &OwnedFd) -> Result<Arc<OwnedFd>, Reason> {
        let fd =
            open_quietly(parent, &self.name, OFlags::DIRECTORY).map_err(|errno| match errno {
                Errno::NOTDIR | Errno::LOOP => Reason::Replaced,
                other => other.into(),
            })?;
        if Identity::from(&stat::of(fd.as_fd())?) != self.identity {
            return Err(Reason::Replaced);
        }
        let fd = Arc::new(fd);
        // Two threads may open it at once; then one descriptor lives as long as its user.
        let first = lock(&self.open).replace(fd.clone()).is_none();
        if first {
            self.dirs.add(self);
        }
        Ok(fd)
    }

    /// Returns the names from the root's child down to this directory; none for the root.
    pub(super) fn components(&self) -> Vec<&[u8]> {
        let mut names = Vec::with_capacity(self.depth);
        let mut dir = self;
        while let Some(parent) = &dir.parent {
            names.push(dir.name.to_bytes());
            dir = parent;
        }
        names.reverse();
        names
    }
}

impl Drop for Dir {
    /// Lets go of the ancestors one by one: a chain of thousands must not become as deep a recursion.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut dir) = parent.and_then(Arc::into_inner) {
            parent = dir.parent.take();
        }
    }
}

/// Locks state that every change leaves whole, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
