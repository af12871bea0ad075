//! Which piece of a walk is done next, and which is handed out next.
//!
//! One map in walk order, of directories under way ([`Node`]) and of subdirectories not begun ([`Rest`]). The
//! consumer takes from its front; workers take the first piece that nobody has begun. What the consumer waits for
//! may be begun even when all room ahead is taken: so the walk never stands still, and one directory of millions is
//! held no further ahead than many small ones.
//!
//! Many directories are under way at once: on a cold disk one of them may take as long as hundreds of others, and whoever
//! has no work until it is done leaves the disk idle. So whatever is done under the lock costs the logarithm of their number.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::sync::Arc;

use super::Event;
use crate::files::dir::Dir;
use crate::files::names::Listing;
use crate::files::stat::Identity;
use base::limits;

/// The place of a directory in walk order: its number among the subdirectories of each directory above it. A directory comes
/// before what is below it, and all of that before the next one beside it.
pub(super) type Place = Arc<[u32]>;

/// A piece of work.
pub(super) enum Task {
    /// Read the names in a directory.
    List(Place, Arc<Dir>),
    /// Look at some of its entries.
    Look(Place, Arc<Listing>, usize, Range<usize>),
}

/// What the consumer gets.
pub(super) enum Taken {
    /// The next entries.
    Batch(Vec<Event>),
    /// They are not ready.
    Wait,
    /// There are no more.
    End,
}

/// Subdirectories found in a directory, in order: 32 bytes and the name for each.
#[derive(Debug, Default)]
pub(super) struct Subdirs {
    names: Vec<u8>,
    subdirs: Vec<Subdir>,
}

#[derive(Debug)]
struct Subdir {
    end: usize,
    identity: Identity,
    mount: u64,
}

impl Subdirs {
    pub(super) fn push(&mut self, name: &CStr, identity: Identity, mount: u64) {
        self.names.extend_from_slice(name.to_bytes());
        self.subdirs.push(Subdir {
            end: self.names.len(),
            identity,
            mount,
        });
    }

    fn append(&mut self, other: &Self) {
        let base = self.names.len();
        self.names.extend_from_slice(&other.names);
        self.subdirs.extend(other.subdirs.iter().map(|s| Subdir {
            end: base + s.end,
            ..*s
        }));
    }
}

/// Subdirectories not begun. They stand where the first of them does.
struct Rest {
    parent: Arc<Dir>,
    subdirs: Subdirs,
    next: usize,
}

impl Rest {
    fn pop(&mut self) -> Option<Arc<Dir>> {
        let subdir = self.subdirs.subdirs.get(self.next)?;
        let start = self
            .next
            .checked_sub(1)
            .map_or(0, |i| self.subdirs.subdirs[i].end);
        let name =
            CString::new(&self.subdirs.names[start..subdir.end]).expect("a name holds no zero");
        self.next += 1;
        Some(self.parent.child(name, subdir.identity, subdir.mount))
    }

    fn is_empty(&self) -> bool {
        self.next == self.subdirs.subdirs.len()
    }
}

/// A batch of a directory's entries.
enum Batch {
    Todo,
    Begun,
    Ready(Vec<Event>),
    Gone,
}

/// A directory under way.
#[derive(Default)]
struct Node {
    listing: Option<Arc<Listing>>,
    batches: Vec<Batch>,
    subdirs: Vec<Subdirs>,
    /// First batch nobody has begun.
    begin: usize,
    /// First batch the consumer has not taken.
    take: usize,
    /// Batches looked at.
    done: usize,
}

impl Node {
    fn range(&self, batch: usize) -> Range<usize> {
        let len = self
            .listing
            .as_ref()
            .map_or(0, |listing| listing.names.len());
        batch * limits::WALK_BATCH_ENTRIES..((batch + 1) * limits::WALK_BATCH_ENTRIES).min(len)
    }

    /// Returns the subdirectories found in all batches, if there are any.
    fn rest(&mut self) -> Option<Rest> {
        let mut subdirs = Subdirs::default();
        for found in self.subdirs.drain(..) {
            subdirs.append(&found);
        }
        let parent = self.listing.as_ref()?.dir.clone();
        (!subdirs.subdirs.is_empty()).then_some(Rest {
            parent,
            subdirs,
            next: 0,
        })
    }
}

enum Item {
    Begun(Node),
    Rest(Rest),
    /// The root, before anybody took it.
    Root(Arc<Dir>),
}

/// The state of a walk, guarded by one lock that is held for moments.
pub(super) struct Schedule {
    order: BTreeMap<Place, Item>,
    /// Where there is something that nobody has begun.
    work: BTreeSet<Place>,
    begun: usize,
    begun_max: usize,
    /// Entries that are being looked at or wait for the consumer.
    ahead: usize,
    /// Names that were read, of entries that the consumer does not have.
    listed: usize,
    /// What bounds either.
    ahead_max: usize,
    /// Workers that wait for work.
    idle: usize,
    failed: bool,
}

impl Schedule {
    /// Starts with the root if it is a directory.
    pub(super) fn new(root: Option<Arc<Dir>>, ahead_max: usize, threads: usize) -> Self {
        let place = Place::from([]);
        Self {
            work: root.iter().map(|_| place.clone()).collect(),
            order: root
                .map(|root| (place, Item::Root(root)))
                .into_iter()
                .collect(),
            begun: 0,
            begun_max: limits::WALK_DIRS_AHEAD_MAX + 2 * threads,
            ahead: 0,
            listed: 0,
            ahead_max,
            idle: 0,
            failed: false,
        }
    }

    /// Ends the walk: nobody wants the rest.
    pub(super) fn stop(&mut self) {
        self.order.clear();
        self.work.clear();
    }

    /// Ends the walk because a thread panicked.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.stop();
    }

    /// Counts a worker in that waits, until it calls [`Self::woken`].
    pub(super) fn waits(&mut self) {
        self.idle += 1;
    }

    pub(super) fn woken(&mut self) {
        self.idle -= 1;
    }

    /// Returns whether a worker waits that could begin something now. Who wakes it wakes one: each that finds
    /// work wakes the next.
    pub(super) fn wants_worker(&self) -> bool {
        self.idle > 0 && self.find_work().is_some()
    }

    /// Returns whether half of the room ahead is free: time to go on, without waking anybody for every bit.
    pub(super) fn has_room(&self) -> bool {
        self.ahead <= self.ahead_max / 2
            && self.listed <= self.ahead_max / 2
            && self.begun <= self.begun_max / 2
    }

    /// Returns whether nothing is left to begin, now or later.
    pub(super) fn is_finished(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the place of the first piece of work that nobody has begun, if there is room for it.
    fn find_work(&self) -> Option<&Place> {
        let place = self.work.first()?;
        let room = self.ahead < self.ahead_max;
        let (room, is_next) = match &self.order[place] {
            Item::Begun(node) => (room, node.begin == node.take),
            _ => {
                let names = self.listed < self.ahead_max;
                (room && names && self.begun < self.begun_max, true)
            }
        };
        let is_front = || {
            self.order
                .first_key_value()
                .is_some_and(|(front, _)| front == place)
        };
        (room || is_next && is_front()).then_some(place)
    }

    /// Takes the first piece of work that nobody has begun, if there is room for it.
    pub(super) fn begin(&mut self) -> Option<Task> {
        let place = self.find_work()?.clone();
        match self.order.get_mut(&place)? {
            Item::Begun(_) => self.begin_batch(place),
            Item::Root(_) | Item::Rest(_) => self.begin_directory(place),
        }
    }

    /// Begins the next directory at a place that holds some.
    fn begin_directory(&mut self, place: Place) -> Option<Task> {
        self.work.remove(&place);
        let item = self
            .order
            .insert(place.clone(), Item::Begun(Node::default()))?;
        self.begun += 1;
        let dir = match item {
            Item::Root(dir) => dir,
            Item::Rest(mut rest) => {
                let dir = rest.pop().expect("a rest that is empty is dropped");
                if !rest.is_empty() {
                    self.add_rest(&place[..place.len() - 1], rest);
                }
                dir
            }
            Item::Begun(_) => unreachable!("only what is not begun is begun"),
        };
        Some(Task::List(place, dir))
    }

    /// Adds subdirectories of the directory at `parent`.
    fn add_rest(&mut self, parent: &[u32], rest: Rest) {
        let number = u32::try_from(rest.next).expect("names are counted in 32 bits");
        let place: Place = parent.iter().copied().chain([number]).collect();
        self.work.insert(place.clone());
        self.order.insert(place, Item::Rest(rest));
    }

    fn node(&mut self, place: &Place) -> Option<&mut Node> {
        match self.order.get_mut(place)? {
            Item::Begun(node) => Some(node),
            Item::Root(_) | Item::Rest(_) => None,
        }
    }

    /// Takes a directory's names in, and gives its first batch to whoever read them. There is always one, if
    /// only an empty one. `None` if the walk was stopped.
    pub(super) fn listed(&mut self, place: Place, listing: Arc<Listing>) -> Option<Task> {
        let node = self.node(&place)?;
        let names = listing.names.len();
        let count = names.div_ceil(limits::WALK_BATCH_ENTRIES).max(1);
        node.batches.resize_with(count, || Batch::Todo);
        node.subdirs.resize_with(count, Subdirs::default);
        node.listing = Some(listing);
        self.listed += names;
        self.work.insert(place.clone());
        self.begin_batch(place)
    }

    /// Takes a directory's first batch that nobody has begun.
    fn begin_batch(&mut self, place: Place) -> Option<Task> {
        let node = self.node(&place)?;
        let listing = node.listing.clone()?;
        let batch = node.begin;
        let range = node.range(batch);
        node.begin += 1;
        node.batches[batch] = Batch::Begun;
        if node.begin == node.batches.len() {
            self.work.remove(&place);
        }
        self.ahead += range.len();
        Some(Task::Look(place, listing, batch, range))
    }

    /// Takes in what was found in a batch. Returns whether the consumer may wait for it.
    pub(super) fn looked(
        &mut self,
        place: &Place,
        batch: usize,
        events: Vec<Event>,
        subdirs: Subdirs,
    ) -> bool {
        let Some(node) = self.node(place) else {
            return false;
        };
        node.batches[batch] = Batch::Ready(events);
        node.subdirs[batch] = subdirs;
        node.done += 1;
        if node.done == node.batches.len()
            && let Some(rest) = node.rest()
        {
            self.add_rest(place, rest);
        }
        self.order
            .first_key_value()
            .is_some_and(|(front, _)| front == place)
    }

    /// Hands out what comes next.
    ///
    /// # Panics
    /// If a thread of the walk did: an early end would look like a tree with less in it.
    pub(super) fn take(&mut self) -> Taken {
        assert!(!self.failed, "a thread of the walk panicked");
        while let Some(mut front) = self.order.first_entry() {
            let Item::Begun(node) = front.get_mut() else {
                return Taken::Wait;
            };
            let events = match node.batches.get_mut(node.take) {
                Some(batch @ Batch::Ready(_)) => match std::mem::replace(batch, Batch::Gone) {
                    Batch::Ready(events) => events,
                    _ => unreachable!("just seen"),
                },
                _ => return Taken::Wait,
            };
            let taken = node.range(node.take).len();
            node.take += 1;
            if node.take == node.batches.len() {
                front.remove();
                self.begun -= 1;
            }
            self.ahead -= taken;
            self.listed -= taken;
            if !events.is_empty() {
                return Taken::Batch(events);
            }
        }
        Taken::End
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};

    use super::*;
    use crate::files::dir::OpenDirs;
    use crate::files::names::Names;

    #[test]
    fn a_large_directory_is_held_no_further_ahead_than_there_is_room() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let batches = 40;
        for i in 0..batches * limits::WALK_BATCH_ENTRIES {
            File::create(dir.path().join(i.to_string())).expect("it can be made");
        }
        let fd = OwnedFd::from(File::open(dir.path()).expect("it is there"));
        let (names, _) = Names::read(fd.as_fd());
        let root = Dir::root(fd, OpenDirs::new(1), None).expect("it can be looked at");
        let room = 4;
        let mut schedule = Schedule::new(
            Some(Arc::clone(&root)),
            room * limits::WALK_BATCH_ENTRIES,
            1,
        );
        let Some(Task::List(place, root)) = schedule.begin() else {
            panic!("it begins with the root");
        };
        let listing = Arc::new(Listing::new(root, names));
        let mut task = schedule.listed(place.clone(), listing);
        let (mut begun, mut taken) = (0, 0);
        // The consumer takes one batch whenever nothing more may be begun.
        loop {
            while let Some(Task::Look(_, _, batch, range)) = task {
                begun += 1;
                assert!(begun <= taken + room, "{begun} begun, {taken} taken");
                let found = range.map(|_| Event::Problem(nothing())).collect();
                schedule.looked(&place, batch, found, Subdirs::default());
                task = schedule.begin();
            }
            match schedule.take() {
                Taken::Batch(_) => taken += 1,
                Taken::Wait => panic!("the next piece was not begun"),
                Taken::End => break,
            }
            task = schedule.begin();
        }
        assert_eq!((begun, taken), (batches, batches));
    }

    #[test]
    fn many_directories_are_looked_at_while_the_first_is_waited_for() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let dirs = limits::WALK_DIRS_AHEAD_MAX / 2;
        let fd = OwnedFd::from(File::open(dir.path()).expect("it is there"));
        let root = Dir::root(fd, OpenDirs::new(1), None).expect("it can be looked at");
        let mut schedule = Schedule::new(Some(Arc::clone(&root)), 1000, 1);
        let list = |schedule: &mut Schedule| match schedule.begin() {
            Some(Task::List(place, dir)) => (place, Arc::new(Listing::new(dir, Names::default()))),
            _ => panic!("there is room"),
        };
        let (place, listing) = list(&mut schedule);
        schedule.listed(place.clone(), listing);
        let mut subdirs = Subdirs::default();
        for i in 0..dirs {
            let name = CString::new(i.to_string()).expect("digits");
            subdirs.push(&name, root.identity, root.mount);
        }
        schedule.looked(&place, 0, Vec::new(), subdirs);
        // Nobody is done with the first of them; the others are all looked at meanwhile.
        let (first, _) = list(&mut schedule);
        for _ in 1..dirs {
            let (place, listing) = list(&mut schedule);
            assert!(first < place);
            schedule.listed(place.clone(), listing);
            assert!(!schedule.looked(&place, 0, Vec::new(), Subdirs::default()));
        }
        assert!(schedule.begin().is_none());
        assert!(matches!(schedule.take(), Taken::Wait));
    }

    fn nothing() -> crate::problem::Problem {
        crate::problem::Problem {
            key: format::entry::FileKey::root(),
            path: Vec::new(),
            op: crate::problem::Op::Stat,
            reason: crate::problem::Reason::Vanished,
        }
    }
}
