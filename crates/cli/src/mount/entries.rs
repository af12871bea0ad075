//! The entries that the kernel knows, by the numbers it knows them by.
//!
//! The kernel counts how often it was told of an entry and says when it forgets it; between the two an entry keeps its
//! number. Entries that are one file (hard links) have one number.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use api::view::{EntryKind, FullEntryView};
use base::limits::{MOUNT_DETAIL_XATTR_BYTES_MAX, MOUNT_DETAILS_MAX, MOUNT_ENTRIES_MAX};

/// The number of the mount's own directory.
pub(super) const ROOT: u64 = 1;

/// Where an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The mount's own directory, where that is no point's.
    Top,
    /// The link to the newest point.
    Newest,
    /// An entry of a recovery point, by the path below its source.
    Entry { point: Arc<str>, path: Vec<u8> },
}

/// A file with several names: point, device, inode, change time, size.
type FileIdentity = (Arc<str>, u64, u64, i64, u64);

struct Known {
    place: Arc<Place>,
    /// The directory and the name under which the kernel was told of it first.
    parent: u64,
    name: Vec<u8>,
    identity: Option<FileIdentity>,
    lookups: u64,
}

/// The table.
pub(super) struct Entries {
    known: HashMap<u64, Known>,
    numbers: HashMap<Arc<Place>, u64>,
    files: HashMap<FileIdentity, u64>,
    next: u64,
    /// In the order of coming; some are gone already.
    oldest: VecDeque<u64>,
    details: HashMap<u64, Arc<FullEntryView>>,
    oldest_details: VecDeque<u64>,
}

impl Entries {
    pub(super) fn new(root: Place) -> Self {
        let place = Arc::new(root);
        let root = Known {
            place: Arc::clone(&place),
            parent: ROOT,
            name: Vec::new(),
            identity: None,
            lookups: 1,
        };
        Self {
            known: HashMap::from([(ROOT, root)]),
            numbers: HashMap::from([(place, ROOT)]),
            files: HashMap::new(),
            next: ROOT + 1,
            oldest: VecDeque::new(),
            details: HashMap::new(),
            oldest_details: VecDeque::new(),
        }
    }

    /// Returns where the entry with a number is.
    pub(super) fn place(&self, number: u64) -> Option<Arc<Place>> {
        self.known
            .get(&number)
            .map(|known| Arc::clone(&known.place))
    }

    /// Returns the number of a directory's parent, as the kernel came by it.
    pub(super) fn parent(&self, number: u64) -> u64 {
        self.known.get(&number).map_or(ROOT, |known| known.parent)
    }

    /// Returns the number of an entry, and counts that the kernel was told of it.
    pub(super) fn tell(
        &mut self,
        place: Place,
        (parent, name): (u64, &[u8]),
        entry: &FullEntryView,
    ) -> u64 {
        let identity = identity(&place, entry);
        let number = self.numbers.get(&place).copied();
        let number = number.or_else(|| self.files.get(identity.as_ref()?).copied());
        if let Some(known) = number.and_then(|number| self.known.get_mut(&number)) {
            known.lookups += 1;
            return number.unwrap_or(ROOT);
        }
        let number = self.next;
        self.next += 1;
        let place = Arc::new(place);
        self.numbers.insert(Arc::clone(&place), number);
        if let Some(identity) = &identity {
            self.files.insert(identity.clone(), number);
        }
        self.oldest.push_back(number);
        if self.oldest.len() > 2 * MOUNT_ENTRIES_MAX {
            // The kernel forgets by itself, too.
            let known = &self.known;
            self.oldest.retain(|number| known.contains_key(number));
        }
        self.known.insert(
            number,
            Known {
                place,
                parent,
                name: name.to_vec(),
                identity,
                lookups: 1,
            },
        );
        number
    }

    /// Takes back what the kernel forgets.
    pub(super) fn forget(&mut self, number: u64, lookups: u64) {
        let Some(known) = self.known.get_mut(&number) else {
            return;
        };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups > 0 || number == ROOT {
            return;
        }
        if let Some(known) = self.known.remove(&number) {
            self.numbers.remove(&known.place);
            if let Some(identity) = &known.identity {
                self.files.remove(identity);
            }
        }
        self.details.remove(&number);
    }

    /// Remembers an entry for a while: its attributes are asked for one by one.
    pub(super) fn remember(&mut self, number: u64, entry: Arc<FullEntryView>) {
        let sizes = entry.xattrs.iter().map(|xattr| xattr.value.0.len());
        if sizes.sum::<usize>() > MOUNT_DETAIL_XATTR_BYTES_MAX {
            return;
        }
        if self.details.insert(number, entry).is_none() {
            self.oldest_details.push_back(number);
        }
        while self.oldest_details.len() > MOUNT_DETAILS_MAX {
            if let Some(oldest) = self.oldest_details.pop_front() {
                self.details.remove(&oldest);
            }
        }
    }

    /// Returns an entry if it is remembered.
    pub(super) fn details(&self, number: u64) -> Option<Arc<FullEntryView>> {
        self.details.get(&number).cloned()
    }

    /// Says whether the kernel knows too many entries.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() > MOUNT_ENTRIES_MAX
    }

    /// Returns a tenth of the entries, those that were told of first, as directory and name. Those still in use come
    /// to the end of the queue.
    pub(super) fn oldest(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        for _ in 0..self.oldest.len() {
            if out.len() >= MOUNT_ENTRIES_MAX / 10 {
                break;
            }
            let Some(number) = self.oldest.pop_front() else {
                break;
            };
            if let Some(known) = self.known.get(&number) {
                out.push((known.parent, known.name.clone()));
                self.oldest.push_back(number);
            }
        }
        out
    }
}

/// Returns what tells a file with several names.
fn identity(place: &Place, entry: &FullEntryView) -> Option<FileIdentity> {
    let Place::Entry { point, .. } = place else {
        return None;
    };
    let shared = entry.links > 1 && entry.kind != EntryKind::Directory;
    shared.then(|| {
        (
            Arc::clone(point),
            entry.device,
            entry.inode,
            entry.changed_ns,
            entry.size,
        )
    })
}
