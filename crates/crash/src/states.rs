//! T4: every crash point of a history, with everything a power cut may leave at each, and what a kill leaves (R2, R3, R5).
//!
//! Many of these states are equal: what differs in them is under no name, or two crash points have the same pending
//! operations, or they are equal as soon as the drafts that nobody owns have been removed, with which opening begins.
//! Equal disks of which the same was promised are looked at once: `enumerated` counts the states, `distinct` those
//! that were opened. Looking is: the real opening, which builds the index and recovers; every point that was acknowledged is
//! there and every point that is listed reads back in full as something that was backed up; every deleted one is gone; every replica
//! reads back. One in [`Effort::go_on`] also goes on: another backup, a collection that deletes what it can, a
//! verification of every byte, another opening. Of one in [`Effort::recovery`] that had something to recover the recovery is
//! cut short in every way in turn.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use objects::Local;
use testkit::SimDisk;

use crate::history::{History, go_on};
use crate::promised::Promised;
use crate::world::Files;

/// How thoroughly states are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// One distinct state in so many goes on.
    pub go_on: u64,
    /// One in so many has its recovery cut short.
    pub recovery: u64,
    /// The owner is killed at one crash point in so many.
    pub kill: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            go_on: 8,
            recovery: 8,
            kill: 16,
        }
    }
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories.
    pub histories: u64,
    /// Crash points.
    pub points: u64,
    /// States that a crash may leave, each as often as it comes about.
    pub enumerated: u64,
    /// Those that differ, or of which something else was promised: each was opened.
    pub distinct: u64,
    /// Those of them that are of a crash in the middle of a recovery.
    pub in_recovery: u64,
    /// Those that went on.
    pub went_on: u64,
    /// Crash points at which the owner was killed, and another went on.
    pub killed: u64,
    /// Most operations that were pending at one point.
    pub pending_max: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.points += other.points;
        self.enumerated += other.enumerated;
        self.distinct += other.distinct;
        self.in_recovery += other.in_recovery;
        self.went_on += other.went_on;
        self.killed += other.killed;
        self.pending_max = self.pending_max.max(other.pending_max);
    }
}

/// Explores histories from `seed` on until `states` were enumerated, on some threads. Every history is explored to its end.
///
/// # Errors
/// In words: the first violation, and what repeats it.
pub fn explore(seed: u64, states: u64, threads: usize, effort: Effort) -> Result<Tally, String> {
    let next = AtomicU64::new(seed);
    let total = Mutex::new((Tally::default(), None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    {
                        let total = total.lock().expect("nobody panics with it");
                        if total.0.enumerated >= states || total.1.is_some() {
                            return;
                        }
                    }
                    let history = History::new(next.fetch_add(1, Ordering::SeqCst));
                    let seen = Explorer::new(effort).explore(&history);
                    let mut total = total.lock().expect("nobody panics with it");
                    match seen {
                        Ok(tally) => total.0.add(&tally),
                        Err(what) => drop(total.1.get_or_insert(what)),
                    }
                }
            });
        }
    });
    let (tally, failed) = total.into_inner().expect("nobody panics with it");
    failed.map_or(Ok(tally), Err)
}

/// Explores one history.
///
/// # Errors
/// In words: the first violation, and what repeats it.
pub fn explore_one(history: &History, effort: Effort) -> Result<Tally, String> {
    Explorer::new(effort).explore(history)
}

/// Looks at what is left of histories, at what is equal once.
pub(crate) struct Explorer {
    effort: Effort,
    pub(crate) tally: Tally,
    /// What was looked at: fingerprints of disks, with what was promised of them.
    seen: HashSet<(u64, u64)>,
    /// The same of disks that were opened as a place.
    opened: HashSet<(u64, u64)>,
}

impl Explorer {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            effort,
            tally: Tally::default(),
            seen: HashSet::new(),
            opened: HashSet::new(),
        }
    }

    fn explore(mut self, history: &History) -> Result<Tally, String> {
        self.tally.histories = 1;
        let disk = &history.disk;
        for k in 0..=disk.ops() {
            self.tally.points += 1;
            let promised = Promised::at(history, k);
            self.cut(disk, k, &promised, true)
                .and_then(|()| self.kill(k, &promised))
                .map_err(|what| {
                    let seed = history.seed;
                    let steps = history.steps.join("\n");
                    format!("{what}\nrepeat: cargo xtask crash t4 --seed {seed} --states 1\n{steps}\n{disk:?}")
                })?;
        }
        Ok(self.tally)
    }

    /// Looks at what a power cut after `k` operations leaves of a disk.
    pub(crate) fn cut(
        &mut self,
        disk: &SimDisk,
        k: usize,
        promised: &Promised<'_>,
        first: bool,
    ) -> Result<(), String> {
        let mut states = disk.crash_states(k, 1);
        self.tally.pending_max = self.tally.pending_max.max(states.pending());
        while let Some(state) = states.next_state() {
            self.tally.enumerated += 1;
            let print = state.fingerprint();
            if !self.seen.insert((print, promised.print)) {
                continue;
            }
            let disk = state.disk();
            // Drafts of nobody are gone when the place is open: what is left of them differs no more.
            let place = Local::open(disk.clone());
            place.map_err(|error| format!("{}: {error}", disk.origin()))?;
            let print = disk.fingerprint();
            if !self.opened.insert((print, promised.print)) {
                continue;
            }
            self.tally.distinct += 1;
            self.tally.in_recovery += u64::from(!first);
            self.look(&disk, print, promised, first)?;
        }
        Ok(())
    }

    /// Looks at a disk as a new process finds it.
    pub(crate) fn found(&mut self, disk: &SimDisk, promised: &Promised<'_>) -> Result<(), String> {
        let print = disk.fingerprint();
        if !self.opened.insert((print, promised.print)) {
            return Ok(());
        }
        self.tally.distinct += 1;
        self.look(disk, print, promised, true)
    }

    /// Looks at what a new process finds when the owner was killed after `k` operations; and, now and then, what a power cut
    /// leaves of what that process makes of it.
    fn kill(&mut self, k: usize, promised: &Promised<'_>) -> Result<(), String> {
        let history = promised.history;
        if !(k as u64 + history.seed).is_multiple_of(self.effort.kill) {
            return Ok(());
        }
        let killed = history.disk.killed_at(k);
        let broken = |what| format!("{}: {what}", killed.origin());
        let (env, _) = testkit::env(k as u64);
        let store = promised.history.open(&killed, &env);
        let store = store.map_err(|fault| broken(format!("the store does not open: {fault:?}")))?;
        promised.check(&store).map_err(broken)?;
        // All content that killed sessions may have brought, so that what they left is relied upon.
        let next: Files = promised
            .history
            .states
            .iter()
            .flat_map(Files::clone)
            .collect();
        let made = go_on(&store, promised.history.sources[0], &next).map_err(broken)?;
        drop(store);
        self.tally.killed += 1;
        let mut known = promised.known.clone();
        known.push((made, &next));
        let promised = Promised {
            history,
            known,
            gone: promised.gone.clone(),
            print: k as u64 + 1,
        };
        let end = killed.ops();
        self.cut(&killed, end, &promised, false).map_err(broken)
    }

    /// Opens a disk and says what is wrong with it.
    fn look(
        &mut self,
        disk: &SimDisk,
        print: u64,
        promised: &Promised<'_>,
        first: bool,
    ) -> Result<(), String> {
        // Equal disks recover alike.
        let (env, _) = testkit::env(print);
        let broken = |what| format!("{}: {what}", disk.origin());
        let began = disk.ops();
        let store = promised.history.open(disk, &env);
        let store = store.map_err(|fault| broken(format!("the store does not open: {fault:?}")))?;
        let recovered = began..=disk.ops();
        promised.check(&store).map_err(broken)?;
        if first && recovered.clone().count() > 8 && print.is_multiple_of(self.effort.recovery) {
            let cut = disk.killed_at(disk.ops());
            for k in recovered {
                self.cut(&cut, k, promised, false).map_err(broken)?;
            }
        }
        if first && (print >> 8).is_multiple_of(self.effort.go_on) {
            self.tally.went_on += 1;
            promised.goes_on(disk, store, &env).map_err(broken)?;
        }
        Ok(())
    }
}
