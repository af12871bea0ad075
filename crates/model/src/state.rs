//! One state: what the log adds up to, which objects are there, and what every actor has in mind.

use crate::Rules;

/// Contents that chunks may have.
pub(crate) const CHUNKS: usize = 3;
/// Packs that can ever be made.
pub(crate) const PACKS: usize = 6;
/// Writers, each of its own source.
pub(crate) const WRITERS: usize = 3;
/// Points that can be at the same time.
const POINTS: usize = 3;
/// No pack, or nobody.
pub(crate) const NONE: u8 = u8::MAX;

/// A set of chunks, or of writers: a bit for each.
pub(crate) type Set = u8;

/// Who may do how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Sessions of each writer.
    pub sessions: [u8; WRITERS],
    /// Sessions that are fenced.
    pub fences: u8,
    /// Points that are deleted.
    pub deletions: u8,
    /// Replicas that are dropped.
    pub drops: u8,
    /// Collections.
    pub collections: u8,
    /// Packs that are condemned with something live in them, and sessions that copy it.
    pub repacks: u8,
    /// Restores.
    pub reads: u8,
    /// Losses of the index, which is then built anew.
    pub rebuilds: u8,
}

/// A pack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Pack {
    pub(crate) holds: Set,
    /// The writer whose open session made it.
    pub(crate) owner: u8,
    /// How many packs were named up to it: 0 if it is not, or if nobody can tell any more.
    order: u8,
    /// [`Pack::THERE`] and so on.
    flags: u8,
}

impl Pack {
    /// The object is there.
    pub(crate) const THERE: u8 = 1;
    /// A record names it.
    pub(crate) const NAMED: u8 = 2;
    /// A record condemns it.
    pub(crate) const CONDEMNED: u8 = 4;
    /// A record deletes it.
    pub(crate) const DELETED: u8 = 8;
    /// A request to delete it is under way.
    pub(crate) const LATE: u8 = 16;

    const UNMADE: Self = Self {
        holds: 0,
        owner: NONE,
        order: 0,
        flags: 0,
    };

    pub(crate) fn made(holds: Set, owner: u8, is_there: bool) -> Self {
        let flags = if is_there { Self::THERE } else { 0 };
        Self {
            holds,
            owner,
            order: 0,
            flags,
        }
    }

    pub(crate) fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on {
            self.flags | flag
        } else {
            self.flags & !flag
        };
    }

    pub(crate) fn is_made(self) -> bool {
        self.holds != 0
    }

    /// Returns whether what is found in it stays there when there is another copy that no record names.
    fn is_relied_upon(self, rules: &Rules) -> bool {
        let is_replaced = rules.copies_replace_condemned && self.is(Self::CONDEMNED);
        self.is(Self::NAMED) && !self.is(Self::DELETED) && !is_replaced
    }

    /// Takes the object away.
    pub(crate) fn remove(&mut self) {
        self.set(Self::THERE, false);
        if self.is(Self::DELETED) {
            self.order = 0;
        }
    }
}

/// How far a writer has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    Idle,
    /// Asks for chunks.
    Asking,
    /// Knows what is missing.
    Asked,
    /// Has stored it.
    Stored,
    /// Has named it in the log.
    Named,
    /// Has begun to copy what is live in a condemned pack.
    Copying,
    /// Has copied it.
    Copied,
    /// Has named the copy.
    CopyNamed,
    /// Is no more, and does not know what it did.
    Crashed,
}

/// What the log says of a writer's session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Session {
    None,
    Open,
    Fenced,
}

/// A writer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Writer {
    pub(crate) phase: Phase,
    pub(crate) session: Session,
    /// Sessions it may still begin.
    pub(crate) left: u8,
    /// The replica it started from.
    pub(crate) base: Set,
    /// What of it it keeps without asking.
    pub(crate) keeps: Set,
    /// What else its tree has.
    pub(crate) wants: Set,
    /// Chunks it still asks for.
    pub(crate) asks: Set,
    /// Chunks it was told are unknown.
    pub(crate) missing: Set,
    /// The pack it made.
    pub(crate) pack: u8,
}

impl Writer {
    pub(crate) fn idle(left: u8) -> Self {
        Self {
            phase: Phase::Idle,
            session: Session::None,
            left,
            base: 0,
            keeps: 0,
            wants: 0,
            asks: 0,
            missing: 0,
            pack: NONE,
        }
    }
}

/// How far a collection has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Collection {
    None,
    /// It knows what was live.
    Marked(Set),
    /// Packs are condemned, and these sessions are waited for.
    Condemned(Set),
    /// It has decided which packs go: only where it need not decide where it deletes.
    Decided(Set),
}

/// A state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub(crate) packs: [Pack; PACKS],
    /// The pack where a chunk is found.
    pub(crate) places: [u8; CHUNKS],
    /// The chunks of each point, the largest first: which is which does not matter.
    points: [Set; POINTS],
    pub(crate) replicas: [Set; WRITERS],
    pub(crate) writers: [Writer; WRITERS],
    pub(crate) collection: Collection,
    /// The point that is read.
    pub(crate) reads: Set,
    pub(crate) left: Left,
}

/// What may still happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Left {
    pub(crate) fences: u8,
    pub(crate) deletions: u8,
    pub(crate) drops: u8,
    pub(crate) collections: u8,
    pub(crate) repacks: u8,
    pub(crate) copies: u8,
    pub(crate) reads: u8,
    pub(crate) rebuilds: u8,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Action {
    Begin,
    Open,
    Hit,
    Miss,
    Store,
    StoreLands,
    Name,
    NameRefused,
    Commit,
    CommitRefused,
    CommitAsksAgain,
    Crash,
    Restart,
    Fence,
    DeletePoint,
    DropReplica,
    Read,
    ReadEnds,
    Mark,
    ForgetMark,
    Condemn,
    CondemnHalfDead,
    Decide,
    Delete,
    Sweep,
    SweepOrphan,
    Adopt,
    DeletionIsLate,
    LateDeletion,
    OpenCopy,
    Copy,
    CloseCopy,
    Rebuild,
}

impl State {
    /// Returns the state before anything has happened.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            packs: [Pack::UNMADE; PACKS],
            places: [NONE; CHUNKS],
            points: [0; POINTS],
            replicas: [0; WRITERS],
            writers: bounds.sessions.map(Writer::idle),
            collection: Collection::None,
            reads: 0,
            left: Left {
                fences: bounds.fences,
                deletions: bounds.deletions,
                drops: bounds.drops,
                collections: bounds.collections,
                repacks: bounds.repacks,
                copies: bounds.repacks,
                reads: bounds.reads,
                rebuilds: bounds.rebuilds,
            },
        }
    }

    /// Returns a chunk that is needed and cannot be read.
    pub fn broken(&self) -> Option<usize> {
        let needed = self.points() | self.replicas() | self.reads;
        chunks(needed).find(|chunk| {
            let pack = self.packs.get(usize::from(self.places[*chunk]));
            pack.is_none_or(|pack| !pack.is(Pack::THERE) || pack.holds >> chunk & 1 == 0)
        })
    }

    /// Returns whether a pack has gone that was deleted.
    pub fn has_freed(&self) -> bool {
        let mut packs = self.packs.iter();
        packs.any(|pack| pack.is(Pack::DELETED) && !pack.is(Pack::THERE))
    }

    /// Returns what a collection must leave.
    pub(crate) fn live(&self, rules: &Rules) -> Set {
        let replicas = if rules.replicas_are_live {
            self.replicas()
        } else {
            0
        };
        let reads = if rules.readers_are_live {
            self.reads
        } else {
            0
        };
        self.points() | replicas | reads
    }

    fn points(&self) -> Set {
        self.points.iter().fold(0, |all, point| all | point)
    }

    fn replicas(&self) -> Set {
        self.replicas.iter().fold(0, |all, replica| all | replica)
    }

    /// Returns the points, those that are alike once.
    pub(crate) fn different_points(&self) -> impl Iterator<Item = Set> {
        let before = |i: usize| i.checked_sub(1).map(|i| self.points[i]);
        let points = self.points.iter().enumerate();
        points.filter_map(move |(i, point)| {
            (*point != 0 && before(i) != Some(*point)).then_some(*point)
        })
    }

    /// Makes a point, if there can be one more.
    pub(crate) fn add_point(&mut self, chunks: Set) {
        if let Some(free) = self.points.last_mut()
            && *free == 0
        {
            *free = chunks;
            self.points.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Deletes one of the points with these chunks.
    pub(crate) fn remove_point(&mut self, chunks: Set) {
        if let Some(point) = self.points.iter_mut().find(|point| **point == chunks) {
            *point = 0;
            self.points.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Returns the sessions that are open.
    pub(crate) fn open_sessions(&self) -> Set {
        let writers = self.writers.iter().enumerate();
        writers
            .filter(|(_, writer)| writer.session == Session::Open)
            .fold(0, |all, (i, _)| all | 1 << i)
    }

    /// Ends the session of a writer in the log, whatever the writer knows of it: nobody waits for it any more, and what it
    /// made and did not name is nobody's.
    pub(crate) fn end_session(&mut self, writer: usize, as_what: Session) {
        self.writers[writer].session = as_what;
        if let Collection::Condemned(waits) = &mut self.collection {
            *waits &= !(1 << writer);
        }
        for pack in &mut self.packs {
            if usize::from(pack.owner) == writer {
                pack.owner = NONE;
            }
        }
    }

    /// Ends a writer's session as the writer sees it, and in the log.
    pub(crate) fn give_up(&mut self, writer: usize) {
        self.end_session(writer, Session::None);
        self.writers[writer] = Writer::idle(self.writers[writer].left);
    }

    /// Stores a pack under a new name; `None` if there were as many as there may be.
    pub(crate) fn store(&mut self, pack: Pack, rules: &Rules) -> Option<u8> {
        let same = |old: &Pack| old.holds == pack.holds && old.is(Pack::DELETED);
        let reused = (!rules.names_are_new)
            .then(|| self.packs.iter().position(same))
            .flatten();
        let free = || self.packs.iter().position(|pack| !pack.is_made());
        let index = reused.or_else(free)?;
        let late = self.packs[index].is(Pack::LATE);
        self.packs[index] = pack;
        self.packs[index].set(Pack::LATE, late);
        if pack.is(Pack::THERE) {
            self.index(index, rules);
        }
        u8::try_from(index).ok()
    }

    /// Has the chunks of a pack that has become durable found in it, if they are nowhere where they would be relied upon.
    pub(crate) fn index(&mut self, index: usize, rules: &Rules) {
        for chunk in chunks(self.packs[index].holds) {
            let held = self.packs.get(usize::from(self.places[chunk]));
            if !held.is_some_and(|held| held.is_relied_upon(rules)) {
                self.places[chunk] = index as u8;
            }
        }
    }

    /// Names a pack in the log. From here on its chunks are found in it.
    pub(crate) fn name(&mut self, index: u8, rules: &Rules) {
        let named = self.packs.iter().map(|pack| pack.order).max();
        let pack = &mut self.packs[usize::from(index)];
        pack.set(Pack::NAMED, true);
        pack.owner = NONE;
        pack.order = 1 + named.unwrap_or(0);
        for chunk in chunks(pack.holds) {
            let held = self.packs.get(usize::from(self.places[chunk]));
            let stays = held.is_some_and(|held| {
                held.is_relied_upon(rules) || !held.is(Pack::NAMED) && !held.is(Pack::DELETED)
            });
            if rules.last_named_is_found || !stays {
                self.places[chunk] = index;
            }
        }
    }

    /// Finds chunks anew, as the log and the objects tell.
    pub(crate) fn find_anew(&mut self, of: Set) {
        for chunk in chunks(of) {
            self.places[chunk] = self.last_named(chunk);
        }
    }

    /// Returns the last pack with a chunk that was named. If that was deleted and its object has not gone yet, the chunk went
    /// with it.
    fn last_named(&self, chunk: usize) -> u8 {
        let packs = self.packs.iter().enumerate();
        let holding = packs.filter(|(_, pack)| {
            let is_known = pack.is(Pack::NAMED) && pack.is(Pack::THERE);
            is_known && pack.holds >> chunk & 1 == 1
        });
        match holding.max_by_key(|(_, pack)| pack.order) {
            Some((index, pack)) if !pack.is(Pack::DELETED) => index as u8,
            _ => NONE,
        }
    }

    /// Returns whether a chunk is where a commit may rely on it: in a pack that is named and not deleted.
    pub(crate) fn is_safe(&self, chunk: usize) -> bool {
        let found = self.packs.get(usize::from(self.places[chunk]));
        found.is_some_and(|pack| match pack.is(Pack::NAMED) {
            true => !pack.is(Pack::DELETED),
            false => self.last_named(chunk) != NONE,
        })
    }

    /// Returns whether a writer is told that a chunk is there.
    pub(crate) fn knows(&self, chunk: usize, rules: &Rules) -> bool {
        let pack = self.packs.get(usize::from(self.places[chunk]));
        pack.is_some_and(|pack| {
            pack.is(Pack::NAMED) && !(rules.condemned_is_unknown && pack.is(Pack::CONDEMNED))
        })
    }

    /// Returns the chunks of a set that a pack holds, and that are found nowhere else where they would stay.
    pub(crate) fn needed_of(&self, index: usize, of: Set, rules: &Rules) -> Set {
        let elsewhere = chunks(of & self.packs[index].holds).filter(|chunk| {
            let found = self.packs.get(usize::from(self.places[*chunk]));
            rules.unnamed_copies_do_not_count && found.is_some_and(|pack| !pack.is(Pack::NAMED))
        });
        elsewhere.fold(self.found_in(index, of), |all, chunk| all | 1 << chunk)
    }

    /// Returns the chunks of a set that are found in a pack.
    pub(crate) fn found_in(&self, index: usize, of: Set) -> Set {
        let found = chunks(of).filter(|chunk| usize::from(self.places[*chunk]) == index);
        found.fold(0, |all, chunk| all | 1 << chunk)
    }
}

/// Returns the chunks of a set.
pub(crate) fn chunks(set: Set) -> impl Iterator<Item = usize> {
    (0..CHUNKS).filter(move |chunk| set >> chunk & 1 == 1)
}
