//! What waits for a sync: the metadata of directories, and the modes of files that carry a mark.
//!
//! Both end what `mark.rs` says, that a power cut may have torn the content. So they are set in an
//! order that types hold: a [`Checkpoint`] of what was restored, then a sync that begins after it, which makes it
//! [`Synced`], and only that can be settled. A sync that failed never becomes a success later: all after it
//! fail.

use std::ffi::CString;
use std::os::fd::AsFd;

use format::entry::FileKey;
use rustix::fs::{Mode, Statx};

use super::meta::{Meta, chmod_node};
use super::{Shared, Spot, Target, lock, mark, problem};
use crate::files::path;
use crate::files::stat::Identity;
use crate::problem::{Op, Reason};

/// A file that carries its mark.
pub(super) struct Marked {
    key: FileKey,
    name: CString,
    identity: Identity,
    mode: Mode,
}

/// What was restored up to a moment.
#[must_use]
pub struct Checkpoint {
    directories: Vec<(Vec<u8>, Meta)>,
    files: Vec<Marked>,
}

/// What was restored up to a moment and is durable.
#[must_use]
pub struct Synced(Checkpoint);

impl Shared {
    /// Remembers that a file carries its mark until the next sync, and its mode after it.
    pub(super) fn set_later(&self, spot: &Spot, name: &CString, identity: Identity, mode: Mode) {
        lock(&self.marked).push(Marked {
            key: spot.key.clone(),
            name: name.clone(),
            identity,
            mode,
        });
    }

    /// Gives a file its mode, if it still stands where it was put.
    fn unmark(&self, file: &Marked) -> Result<(), Reason> {
        let (prefix, _) = path::split_key(&file.key)?.ok_or(Reason::BadName)?;
        let dir = self.dirs.find(prefix)?;
        // A number is used again when its file is gone: the mark has to be there too.
        let is_it = |standing: &Statx| {
            Identity::from(standing) == file.identity && mark::is_marked(standing)
        };
        chmod_node(dir.fd.as_fd(), &file.name, is_it, file.mode)
    }
}

impl Checkpoint {
    /// Returns whether nothing waits for its sync.
    pub fn is_empty(&self) -> bool {
        self.directories.is_empty() && self.files.is_empty()
    }
}

impl Target {
    /// Returns how many files wait for a sync: each takes memory.
    pub fn waiting(&self) -> usize {
        lock(&self.shared.marked).len()
    }

    /// Takes what was restored so far: all files, and the directories that lie, with all below them, before the
    /// key `before`; without one, all directories. Nothing of that may be under way any more.
    pub fn checkpoint(&self, before: Option<&FileKey>) -> Checkpoint {
        let mut pending = lock(&self.shared.pending);
        let directories = match before {
            None => std::mem::take(&mut *pending).into_iter().collect(),
            Some(before) => {
                // All before, without those that `before` is in: there are only as many as it has ancestors.
                let ready: Vec<_> = pending
                    .range(..before.0.clone())
                    .map(|(prefix, _)| prefix.clone())
                    .filter(|prefix| ends_before(prefix, before))
                    .collect();
                ready
                    .into_iter()
                    .filter_map(|prefix| pending.remove_entry(&prefix))
                    .collect()
            }
        };
        Checkpoint {
            directories,
            files: std::mem::take(&mut lock(&self.shared.marked)),
        }
    }

    /// Makes all that was restored durable, in one request to each file system of the target. May take long;
    /// others go on meanwhile.
    ///
    /// # Errors
    /// Something could not be written: what, nobody knows, and no later sync will tell. What was taken keeps its
    /// marks.
    pub fn sync(&self, checkpoint: Checkpoint) -> std::io::Result<Synced> {
        let failed = *lock(&self.shared.sync_failed);
        failed
            .map_or_else(|| self.shared.dirs.sync(), Err)
            .inspect_err(|errno| *lock(&self.shared.sync_failed) = Some(*errno))?;
        Ok(Synced(checkpoint))
    }

    /// Sets the modes of files, then the metadata of directories, children before parents.
    pub fn settle(&self, Synced(checkpoint): Synced) {
        let report = |key: &FileKey, op, reason| {
            (self.shared.options.on_problem)(problem(key, op, reason));
        };
        for file in checkpoint.files {
            if let Err(reason) = self.shared.unmark(&file) {
                report(&file.key, Op::SetMode, reason);
            }
        }
        for (prefix, meta) in checkpoint.directories.into_iter().rev() {
            let key = path::key_of_directory(&prefix);
            match self.shared.dirs.find(&prefix) {
                Ok(dir) => meta.set_on(dir.fd.as_fd(), &mut |op, reason| report(&key, op, reason)),
                Err(reason) => report(&key, Op::SetMode, reason),
            }
            self.shared.dirs.forget(&prefix);
        }
    }
}

/// Returns whether every key below the directory with `prefix` is smaller than `before`.
fn ends_before(prefix: &[u8], before: &FileKey) -> bool {
    // The root's entries start with 00, or with their directory's first byte: nothing ends before them.
    let inside = before.0.starts_with(prefix) && before.0.get(prefix.len()).is_none_or(|b| *b <= 1);
    !prefix.is_empty() && !inside
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::io::Errno;

    use super::*;
    use crate::files::restore::{Conflict, RootMeta, TargetOptions};

    #[test]
    fn a_sync_that_failed_never_becomes_a_success_later() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = TargetOptions {
            root: RootMeta::Never,
            follow: true,
            conflict: Conflict::Skip,
            token: 1,
            on_problem: Arc::new(|_| {}),
        };
        let target = Target::open(dir.path(), options).expect("it opens");
        let sync = || target.sync(target.checkpoint(None)).map(|_| ());
        sync().expect("the disk works");
        *lock(&target.shared.sync_failed) = Some(Errno::IO);
        for _ in 0..2 {
            let error = sync().expect_err("an earlier one failed");
            assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
        }
    }
}
