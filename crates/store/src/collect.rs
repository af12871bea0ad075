//! Collection: finds what no point, no replica and no reader needs, and gives its space back.
//!
//! # The way of it
//!
//! 1. [`Store::plan_collection`] marks what is live, following every tree from its root, each node once, and reads
//!    nothing but nodes. It changes nothing: what a preview shows is what is carried out.
//! 2. [`Collection::execute`] condemns the packs of the plan in the log: no session that begins later is told of what is in them.
//! 3. It waits until every session has ended that was open then: those may have been told.
//! 4. It marks what became live meanwhile; packs that are mostly dead have their live chunks copied into new ones, which take
//!    over.
//! 5. In the log, at one place with a last look at the roots, packs in which nothing live is found are deleted and the others
//!    spared. Then, and only then, their objects go (R10 to R14).
//!
//! # What makes it safe
//!
//! - Nothing is decided by a clock, a listing or a count of references, only by the order of the log.
//! - A chunk that was live when it was marked is found where the mark saw it, or in a pack that is no candidate: chunks move only into packs
//!   that are new or that no record names yet, and those are never candidates.
//! - A copy that no record names yet does not count, and neither does one in a pack that is doubted: as long as that is the
//!   only other place of a live chunk, its condemned pack is spared.
//! - A tree that cannot be read to its end stops everything: what hangs below the damage is not known.
//! - A kill at any moment leaves packs condemned, or deleted with their objects still there; the next collection goes
//!   on from both.
//!
//! It does not decide which points go: that is retention, and comes before. It keeps no clock and starts no thread of its own.

mod condemned;
mod copy;
mod marks;
mod stray;

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::fault::Code;
use base::limits::{COLLECT_SMALL_BYTES, COLLECT_SMALL_PACKS};
use base::{ChunkId, Fault, PackName, PointId, SourceId};
use format::pack::Class;

use crate::Store;
use crate::core::Core;
use crate::index::{PackRow, PackState};
use marks::{Marker, Ordinals};
use stray::Stray;

/// How far a collection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectProgress {
    /// Marks: so many tree nodes were read.
    Marking {
        /// Nodes so far.
        nodes: u64,
    },
    /// Waits for sessions that began before the packs were condemned.
    Waiting {
        /// How many are still open.
        sessions: u64,
    },
    /// Copies what is live out of packs that are mostly dead, and gives space back.
    Freeing {
        /// Bytes of packs that were dealt with.
        done: u64,
        /// Bytes of the packs of the plan.
        total: u64,
    },
}

/// Told after every step; breaking ends the collection with `JobCancelled`. What was condemned is spared, what was given
/// back is given back.
pub type OnCollect<'a> = &'a mut dyn FnMut(CollectProgress) -> ControlFlow<()>;

/// What a collection will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionPlan {
    /// Tree nodes that are live.
    pub nodes: u64,
    /// Chunks of content and tree nodes that are live.
    pub live_chunks: u64,
    /// Chunks that are needed and nowhere to be found: damage that a verification tells more of.
    pub missing_chunks: u64,
    /// Packs in the log.
    pub packs: u64,
    /// Bytes of all packs in the log.
    pub bytes: u64,
    /// Packs in which nothing is live: they go.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs that are copied and then go: half of them or more is dead, or they are small and many.
    pub copied_packs: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Bytes of live chunks in them, which are written anew.
    pub kept_bytes: u64,
    /// Objects that no record of the log names, left by writers that were killed.
    pub stray_objects: u64,
    /// Their bytes.
    pub stray_bytes: u64,
}

impl CollectionPlan {
    /// Returns the bytes that it gives back.
    pub fn frees(&self) -> u64 {
        (self.dead_bytes + self.copied_bytes).saturating_sub(self.kept_bytes) + self.stray_bytes
    }
}

/// What a collection did.
#[derive(Clone, Debug, Default)]
pub struct CollectionReport {
    /// Packs that went.
    pub packs: u64,
    /// Bytes of packs and stray objects that went, less those written anew.
    pub freed_bytes: u64,
    /// Packs of the plan that stay: something in them has become live, or could not be copied.
    pub spared_packs: u64,
    /// Bytes of live chunks that were written anew.
    pub copied_bytes: u64,
    /// Objects that no record named and that went.
    pub stray_objects: u64,
    /// Why some packs were not copied and stay: the pool was too full for the copies. What was given back makes room for another
    /// collection.
    pub cut_short: Option<Fault>,
}

/// A pack of the plan.
#[derive(Clone, Debug)]
struct Victim {
    ordinal: u32,
    class: Class,
    name: PackName,
    bytes: u64,
}

impl Victim {
    fn of(ordinal: u32, row: &PackRow) -> Self {
        Self {
            ordinal,
            class: row.class,
            name: row.name,
            bytes: row.bytes,
        }
    }
}

/// A collection that has been planned and not carried out.
#[must_use = "a plan that is not carried out gives nothing back"]
pub struct Collection {
    core: Arc<Core>,
    _turn: Turn,
    marker: Marker,
    plan: CollectionPlan,
    dead: Vec<Victim>,
    copied: Vec<Victim>,
    /// Condemned by a collection that did not come to its end, and not of this plan.
    spared: Vec<Victim>,
    stray: Vec<Stray>,
}

impl Store {
    /// Marks what is live, and says what can go. Changes nothing.
    ///
    /// # Errors
    /// `CollectionRunning`: there is one already; `CollectionBlocked`: a tree cannot be read to its end; `JobCancelled`; the place does not answer, the index failed.
    pub fn plan_collection(&self, on_progress: OnCollect<'_>) -> Result<Collection, Fault> {
        let core = &self.0;
        let turn = Turn::take(core)?;
        // Before the roots are looked at: whatever comes later is no candidate.
        let candidates = candidates(core)?;
        let mut marker = Marker::default();
        marker.mark_all(core, on_progress)?;
        let stray = stray::find(core)?;
        let mut collection = Collection {
            core: Arc::clone(core),
            _turn: turn,
            plan: CollectionPlan {
                nodes: marker.nodes(),
                live_chunks: marker.live(),
                missing_chunks: marker.missing(),
                stray_objects: stray.len() as u64,
                stray_bytes: stray.iter().map(Stray::bytes).sum(),
                ..CollectionPlan::default()
            },
            marker,
            dead: Vec::new(),
            copied: Vec::new(),
            spared: Vec::new(),
            stray,
        };
        collection.sort(&candidates)?;
        Ok(collection)
    }
}

/// The only collection or repair of a store: what a mark has seen goes by no other's hand, and is found where it was.
pub(crate) struct Turn(Arc<Core>);

impl Turn {
    /// Takes the turn.
    ///
    /// # Errors
    /// `CollectionRunning`.
    pub(crate) fn take(core: &Arc<Core>) -> Result<Self, Fault> {
        match core.is_collected.swap(true, Ordering::SeqCst) {
            true => Err(Fault::new(Code::CollectionRunning)),
            false => Ok(Self(Arc::clone(core))),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_collected.store(false, Ordering::SeqCst);
    }
}

/// Returns the ordinals of the packs that a record of the log names.
fn candidates(core: &Core) -> Result<Ordinals, Fault> {
    let mut candidates = Ordinals::default();
    core.index.each_pack(|ordinal, row| {
        if row.state != PackState::Loose {
            candidates.add(ordinal);
        }
    })?;
    Ok(candidates)
}

impl Collection {
    /// Returns what it will do.
    pub fn plan(&self) -> &CollectionPlan {
        &self.plan
    }

    /// Sorts the packs into those that go, those that are copied, and those that stay.
    fn sort(&mut self, candidates: &Ordinals) -> Result<(), Fault> {
        let core = Arc::clone(&self.core);
        let mut condemned = Vec::new();
        let mut small = BTreeMap::<Class, Vec<Victim>>::new();
        let mut partial = Vec::new();
        core.index.each_pack(|ordinal, row| {
            if row.state == PackState::Loose {
                return;
            }
            self.plan.packs += 1;
            self.plan.bytes += row.bytes;
            let victim = Victim::of(ordinal, &row);
            if row.condemned.is_some() {
                condemned.push(victim.clone());
            }
            // What cannot be read may be where the missing chunks are.
            let is_hidden = row.state == PackState::Unreadable && self.marker.missing() > 0;
            if !candidates.has(ordinal) || is_hidden {
                return;
            }
            match self.marker.live_in(ordinal) {
                0 => self.dead.push(victim),
                // Nothing is copied out of what may be damaged: whoever has its content stores it anew.
                _ if row.is_bad() => {}
                live if live < row.chunks => partial.push(victim),
                _ if row.bytes <= COLLECT_SMALL_BYTES => {
                    small.entry(row.class).or_default().push(victim);
                }
                _ => {}
            }
        })?;
        for victim in partial {
            let live = core.index.live_bytes(victim.ordinal, &self.marker)?;
            match () {
                () if live <= victim.bytes / 2 => self.copy(victim, live),
                () if victim.bytes <= COLLECT_SMALL_BYTES => {
                    small.entry(victim.class).or_default().push(victim);
                }
                () => {}
            }
        }
        for victims in small.into_values() {
            if victims.len() >= COLLECT_SMALL_PACKS {
                for victim in victims {
                    let live = core.index.live_bytes(victim.ordinal, &self.marker)?;
                    self.copy(victim, live);
                }
            }
        }
        // Neighbours stay neighbours.
        self.copied.sort_unstable_by_key(|victim| victim.ordinal);
        self.plan.dead_packs = self.dead.len() as u64;
        self.plan.dead_bytes = self.dead.iter().map(|victim| victim.bytes).sum();
        let planned = self.dead.iter().chain(&self.copied);
        let planned: HashSet<u32> = planned.map(|victim| victim.ordinal).collect();
        condemned.retain(|victim| !planned.contains(&victim.ordinal));
        self.spared = condemned;
        Ok(())
    }

    fn copy(&mut self, victim: Victim, live: u64) {
        self.plan.copied_packs += 1;
        self.plan.copied_bytes += victim.bytes;
        self.plan.kept_bytes += live;
        self.copied.push(victim);
    }
}

/// Whose tree it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Point(PointId),
    Replica(SourceId),
    /// A point or replica that is gone, and still read.
    Reader,
}

impl Core {
    /// Returns the roots of everything that is live. To be asked under the log's lock where that decides something.
    fn roots(&self) -> Result<Vec<(ChunkId, Whose)>, Fault> {
        let mut roots = Vec::new();
        for replica in self.index.replicas()? {
            roots.push((replica.root, Whose::Replica(replica.source)));
        }
        for point in self.index.points()? {
            roots.push((point.root, Whose::Point(point.id)));
        }
        // The last: a reader pins first and then looks whether its point is there.
        let pinned = self.pins.roots().into_iter();
        roots.extend(pinned.map(|root| (root, Whose::Reader)));
        Ok(roots)
    }
}

fn go_on(on_progress: OnCollect<'_>, progress: CollectProgress) -> Result<(), Fault> {
    match on_progress(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Fault::new(Code::JobCancelled)),
    }
}
