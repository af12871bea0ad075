//! Which piece of a walk is done next, and which is handed out next.
//!
//! One list in walk order, of directories under way ([`Node`]) and of subdirectories not begun ([`Rest`]). The
//! consumer takes from its front; workers take the first piece that nobody has begun. What the consumer waits for
//! may be begun even when all room ahead is taken: so the walk never stands still, and one directory of millions is
//! held no further ahead than many small ones.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::sync::Arc;

use super::Event;
use crate::files::dir::Dir;
use crate::files::names::Listing;
use crate::files::stat::Identity;
use base::limits;

/// Names a directory under way.
pub(super) type Ticket = u64;

/// A piece of work.
pub(super) enum Task {
    /// Read the names in a directory.
    List(Ticket, Arc<Dir>),
    /// Look at some of its entries.
    Look(Ticket, Arc<Listing>, usize, Range<usize>),
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

/// Subdirectories not begun.
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
struct Node {
    ticket: Ticket,
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
    fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            listing: None,
            batches: Vec::new(),
            subdirs: Vec::new(),
            begin: 0,
            take: 0,
            done: 0,
        }
    }

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
    Begun(Box<Node>),
    Rest(Rest),
    /// The root, before anybody took it.
    Root(Arc<Dir>),
}

/// The state of a walk, guarded by one lock that is held for moments.
pub(super) struct Schedule {
    order: VecDeque<Item>,
    next_ticket: Ticket,
    begun: usize,
    begun_max: usize,
    ahead: usize,
    ahead_max: usize,
    /// Workers that wait for work.
    idle: usize,
    failed: bool,
}

impl Schedule {
    /// Starts with the root if it is a directory.
    pub(super) fn new(root: Option<Arc<Dir>>, ahead_max: usize, threads: usize) -> Self {
        Self {
            order: root.into_iter().map(Item::Root).collect(),
            next_ticket: 0,
            begun: 0,
            begun_max: limits::WALK_DIRS_AHEAD_MAX + 2 * threads,
            ahead: 0,
            ahead_max,
            idle: 0,
            failed: false,
        }
    }

    /// Ends the walk: nobody wants the rest.
    pub(super) fn stop(&mut self) {
        self.order.clear();
    }

    /// Ends the walk because a thread panicked.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.order.clear();
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
        self.ahead <= self.ahead_max / 2 && self.begun <= self.begun_max / 2
    }

    /// Returns whether nothing is left to begin, now or later.
    pub(super) fn is_finished(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the place of the first piece of work that nobody has begun, if there is room for it.
    fn find_work(&self) -> Option<usize> {
        let room = self.ahead < self.ahead_max;
        let place = self.order.iter().position(|item| match item {
            Item::Begun(node) => node.begin < node.batches.len(),
            Item::Root(_) | Item::Rest(_) => true,
        })?;
        let (room, is_next) = match &self.order[place] {
            Item::Begun(node) => (room, node.begin == node.take),
            _ => (room && self.begun < self.begun_max, true),
        };
        (room || place == 0 && is_next).then_some(place)
    }

    /// Takes the first piece of work that nobody has begun, if there is room for it.
    pub(super) fn begin(&mut self) -> Option<Task> {
        let place = self.find_work()?;
        match &mut self.order[place] {
            Item::Begun(node) => begin_batch(node, &mut self.ahead),
            Item::Root(_) | Item::Rest(_) => Some(self.begin_directory(place)),
        }
    }

    /// Begins the next directory at place `i`, which holds some.
    fn begin_directory(&mut self, i: usize) -> Task {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.begun += 1;
        let node = Item::Begun(Box::new(Node::new(ticket)));
        let dir = match &mut self.order[i] {
            Item::Rest(rest) => {
                let dir = rest.pop().expect("a rest that is empty is dropped");
                match rest.is_empty() {
                    true => self.order[i] = node,
                    false => self.order.insert(i, node),
                }
                dir
            }
            item => match std::mem::replace(item, node) {
                Item::Root(dir) => dir,
                _ => unreachable!("only what is not begun is begun"),
            },
        };
        Task::List(ticket, dir)
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.order
            .iter()
            .position(|item| matches!(item, Item::Begun(node) if node.ticket == ticket))
    }

    /// Takes a directory's names in, and gives its first batch to whoever read them. There is always one, if
    /// only an empty one. `None` if the walk was stopped.
    pub(super) fn listed(&mut self, ticket: Ticket, listing: Arc<Listing>) -> Option<Task> {
        let i = self.find(ticket)?;
        let Item::Begun(node) = &mut self.order[i] else {
            return None;
        };
        let count = listing
            .names
            .len()
            .div_ceil(limits::WALK_BATCH_ENTRIES)
            .max(1);
        node.batches.resize_with(count, || Batch::Todo);
        node.subdirs.resize_with(count, Subdirs::default);
        node.listing = Some(listing);
        begin_batch(node, &mut self.ahead)
    }

    /// Takes in what was found in a batch. Returns whether the consumer may wait for it.
    pub(super) fn looked(
        &mut self,
        ticket: Ticket,
        batch: usize,
        events: Vec<Event>,
        subdirs: Subdirs,
    ) -> bool {
        let Some(i) = self.find(ticket) else {
            return false;
        };
        let Item::Begun(node) = &mut self.order[i] else {
            return false;
        };
        node.batches[batch] = Batch::Ready(events);
        node.subdirs[batch] = subdirs;
        node.done += 1;
        if node.done == node.batches.len()
            && let Some(rest) = node.rest()
        {
            self.order.insert(i + 1, Item::Rest(rest));
        }
        i == 0
    }

    /// Hands out what comes next.
    ///
    /// # Panics
    /// If a thread of the walk did: an early end would look like a tree with less in it.
    pub(super) fn take(&mut self) -> Taken {
        assert!(!self.failed, "a thread of the walk panicked");
        while let Some(front) = self.order.front_mut() {
            let Item::Begun(node) = front else {
                return Taken::Wait;
            };
            let events = match node.batches.get_mut(node.take) {
                Some(batch @ Batch::Ready(_)) => match std::mem::replace(batch, Batch::Gone) {
                    Batch::Ready(events) => events,
                    _ => unreachable!("just seen"),
                },
                _ => return Taken::Wait,
            };
            self.ahead -= node.range(node.take).len();
            node.take += 1;
            if node.take == node.batches.len() {
                self.order.pop_front();
                self.begun -= 1;
            }
            if !events.is_empty() {
                return Taken::Batch(events);
            }
        }
        Taken::End
    }
}

/// Takes a directory's first batch that nobody has begun.
fn begin_batch(node: &mut Node, ahead: &mut usize) -> Option<Task> {
    let listing = node.listing.clone()?;
    let batch = node.begin;
    let range = node.range(batch);
    node.begin += 1;
    node.batches[batch] = Batch::Begun;
    *ahead += range.len();
    Some(Task::Look(node.ticket, listing, batch, range))
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
        let Some(Task::List(ticket, root)) = schedule.begin() else {
            panic!("it begins with the root");
        };
        let listing = Arc::new(Listing::new(root, names));
        let mut task = schedule.listed(ticket, listing);
        let (mut begun, mut taken) = (0, 0);
        // The consumer takes one batch whenever nothing more may be begun.
        loop {
            while let Some(Task::Look(_, _, batch, range)) = task {
                begun += 1;
                assert!(begun <= taken + room, "{begun} begun, {taken} taken");
                let found = range.map(|_| Event::Problem(nothing())).collect();
                schedule.looked(ticket, batch, found, Subdirs::default());
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

    fn nothing() -> crate::problem::Problem {
        crate::problem::Problem {
            key: format::entry::FileKey::root(),
            path: Vec::new(),
            op: crate::problem::Op::Stat,
            reason: crate::problem::Reason::Vanished,
        }
    }
}
