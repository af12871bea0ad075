//! Fingerprints of what is on a disk: equal disks are equal, and need to be looked at once.
//!
//! A fingerprint is the sum of one of every directory, which is made of its entries' names and the bytes they lead to. What
//! has no name leaves no trace in it. A state that is made out of another has the sum of that one but for what differs.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use super::state::{DirId, Entry, FileId, State};

/// Hashes of contents that many states share.
#[derive(Clone, Default)]
pub(super) struct Contents(Arc<Mutex<HashMap<usize, Known>>>);

/// The bytes are kept, so that nothing else gets their address.
type Known = (Arc<[u8]>, u64);

impl Contents {
    /// Returns the hash of bytes that come again.
    fn of(&self, bytes: &Arc<[u8]>) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry(bytes.as_ptr() as usize);
        found
            .or_insert_with(|| (Arc::clone(bytes), hash(&**bytes)))
            .1
    }

    /// Returns the hash of bytes that may be torn, and then nobody else's.
    fn of_any(&self, bytes: &Arc<[u8]>) -> u64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&(bytes.as_ptr() as usize)).map(|known| known.1);
        drop(known);
        found.unwrap_or_else(|| hash(&**bytes))
    }
}

/// A fast one that is the same in every run: a violation names the fingerprints it came from.
fn hasher() -> impl Hasher {
    foldhash::quality::FixedState::default().build_hasher()
}

fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = hasher();
    what.hash(&mut hasher);
    hasher.finish()
}

/// What the fingerprints of states that differ little are made from.
pub(super) struct Print {
    pub(super) contents: Contents,
    sum: u64,
    dirs: Vec<u64>,
    /// Where each file has a name.
    named: HashMap<FileId, Vec<DirId>>,
}

impl Print {
    pub(super) fn of(state: &State, contents: &Contents) -> Self {
        let mut named: HashMap<FileId, Vec<DirId>> = HashMap::new();
        let mut dirs = Vec::with_capacity(state.dirs.len());
        for (id, entries) in state.dirs.iter().enumerate() {
            for entry in entries.values() {
                if let Entry::File(file) = entry {
                    named.entry(*file).or_default().push(id);
                }
            }
            dirs.push(dir(state, id, &|file| contents.of(&state.files[file])));
        }
        Self {
            contents: contents.clone(),
            sum: dirs.iter().fold(0, |sum, one| sum.wrapping_add(*one)),
            dirs,
            named,
        }
    }

    /// Returns the fingerprint of a state that came out of the one that this is of.
    pub(super) fn after(&self, before: &State, state: &State) -> u64 {
        let mut changed = BTreeSet::new();
        for (id, entries) in state.dirs.iter().enumerate() {
            if !before
                .dirs
                .get(id)
                .is_some_and(|old| Arc::ptr_eq(old, entries))
            {
                changed.insert(id);
            }
        }
        for (id, bytes) in state.files.iter().enumerate() {
            if !before
                .files
                .get(id)
                .is_some_and(|old| Arc::ptr_eq(old, bytes))
            {
                changed.extend(self.named.get(&id).into_iter().flatten());
            }
        }
        let of_file = |file: FileId| self.contents.of_any(&state.files[file]);
        changed.into_iter().fold(self.sum, |sum, id| {
            let old = self.dirs.get(id).copied().unwrap_or(0);
            sum.wrapping_sub(old).wrapping_add(dir(state, id, &of_file))
        })
    }
}

/// Returns the fingerprint of a state that has nothing to do with another.
pub(super) fn whole(state: &State, contents: &Contents) -> u64 {
    let dirs =
        (0..state.dirs.len()).map(|id| dir(state, id, &|file| contents.of_any(&state.files[file])));
    dirs.fold(0, u64::wrapping_add)
}

/// An empty directory is nothing, so that one that was never made is as one that was made and lost.
fn dir(state: &State, id: DirId, file: &dyn Fn(FileId) -> u64) -> u64 {
    let entries = &state.dirs[id];
    if entries.is_empty() {
        return 0;
    }
    let mut hasher = hasher();
    id.hash(&mut hasher);
    for (name, entry) in entries.iter() {
        name.hash(&mut hasher);
        match entry {
            Entry::File(id) => (0, file(*id)).hash(&mut hasher),
            Entry::Dir(id) => (1, *id as u64).hash(&mut hasher),
        }
    }
    hasher.finish()
}
