//! What a machine may find on a simulated disk after a power cut.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::SimDisk;
use super::print::{Contents, Print};
use super::state::{DirId, FileId, Op, State};
use crate::Dice;

/// Up to this many pending operations every subset is tried: 1024.
const EXHAUSTIVE_MAX: usize = 10;
/// Random subsets of more.
const RANDOM_SUBSETS: usize = 200;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The crash states of one point, lazily: see [`SimDisk::crash_states`].
pub struct CrashStates {
    /// The crash point.
    k: usize,
    seed: u64,
    /// All before the first pending operation.
    head: State,
    print: Print,
    /// From the first pending operation to the crash.
    tail: Arc<[Op]>,
    /// Indexes into the tail of what may be lost.
    pending: Vec<usize>,
    /// The next subset, and whether its torn variant is next.
    next: (usize, bool),
}

/// One of them.
pub struct CrashState {
    state: State,
    print: u64,
    origin: Origin,
    contents: Contents,
}

/// How a state came about.
struct Origin {
    k: usize,
    seed: u64,
    index: usize,
    count: usize,
    subset: Vec<bool>,
    is_torn: bool,
}

impl CrashState {
    /// Returns a number that is the same for states that show the same names and the same bytes under them, and, as far as
    /// 64 bits can tell, for no others of the same history.
    pub fn fingerprint(&self) -> u64 {
        self.print
    }

    /// Returns the disk as the machine finds it.
    pub fn disk(self) -> SimDisk {
        let origin = self.origin.to_string();
        let disk = SimDisk::from_state(self.state, Vec::new(), origin);
        disk.inner().contents = self.contents;
        disk
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.subset.iter().map(|k| if *k { '1' } else { '0' });
        let kept: String = bits.collect();
        let (k, index, count) = (self.k, self.index, self.count);
        let (torn, seed) = (self.is_torn, self.seed);
        write!(
            f,
            "power cut after operation {k}, subset {index} of {count} (kept {kept}), torn: {torn}, seed {seed}"
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Durable,
    Pending,
    /// Nobody will ever see it.
    Invisible,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    File(FileId),
    Dir(DirId),
}

/// Decides for each operation whether a crash after the last can lose it.
fn fates(ops: &[Op]) -> Vec<Fate> {
    let mut fates = vec![Fate::Durable; ops.len()];
    let mut waiting: HashMap<Target, Vec<usize>> = HashMap::new();
    let mut unnamed: HashMap<FileId, Vec<usize>> = HashMap::new();
    for (i, op) in ops.iter().enumerate() {
        let (target, settled) = match op {
            Op::Write { file, .. } => {
                fates[i] = Fate::Pending;
                waiting.entry(Target::File(*file)).or_default().push(i);
                continue;
            }
            Op::Link { dir, .. } | Op::Unlink { dir, .. } | Op::MakeDir { dir, .. } => {
                fates[i] = Fate::Pending;
                waiting.entry(Target::Dir(*dir)).or_default().push(i);
                continue;
            }
            Op::NewFile { .. } | Op::Damage { .. } => continue,
            Op::SyncFile { file } => (Target::File(*file), Fate::Durable),
            Op::SyncUnnamed { file } => {
                let synced = waiting.get(&Target::File(*file)).cloned();
                unnamed.insert(*file, synced.unwrap_or_default());
                continue;
            }
            Op::SyncDir { dir } => (Target::Dir(*dir), Fate::Durable),
            // What an earlier sync without a name has done stays done.
            Op::LoseFile { file } => (Target::File(*file), Fate::Pending),
            Op::LoseDir { dir } => (Target::Dir(*dir), Fate::Pending),
            Op::Forget { file } => {
                forget(&mut fates, &ops[..i], *file);
                (Target::File(*file), Fate::Invisible)
            }
        };
        for waited in waiting.remove(&target).unwrap_or_default() {
            fates[waited] = settled;
        }
    }
    keep_with_name(&mut fates, ops, &unnamed);
    fates
}

/// What was synced without a name is there wherever a name came to it by itself: both are in one transaction of the
/// file system, or the name is in a later one. Not so under a name that was brought there alone.
fn keep_with_name(fates: &mut [Fate], ops: &[Op], unnamed: &HashMap<FileId, Vec<usize>>) {
    let mut alone = HashSet::new();
    for (op, fate) in ops.iter().zip(&*fates) {
        if let (Op::Link { file, .. }, Fate::Durable) = (op, fate) {
            alone.insert(*file);
        }
    }
    for (file, writes) in unnamed {
        if alone.contains(file) {
            continue;
        }
        for write in writes {
            if fates[*write] == Fate::Pending {
                fates[*write] = Fate::Durable;
            }
        }
    }
}

/// Also writes whose sync failed need not be considered any more.
fn forget(fates: &mut [Fate], ops: &[Op], forgotten: FileId) {
    for (fate, op) in fates.iter_mut().zip(ops) {
        if matches!(op, Op::Write { file, .. } if *file == forgotten) {
            *fate = Fate::Invisible;
        }
    }
}

impl CrashStates {
    pub(super) fn new(base: &State, ops: &[Op], k: usize, seed: u64, contents: &Contents) -> Self {
        let ops = &ops[..k];
        let fates = fates(ops);
        let first = fates
            .iter()
            .position(|fate| *fate == Fate::Pending)
            .unwrap_or(k);
        let mut head = base.clone();
        for (op, fate) in ops[..first].iter().zip(&fates) {
            if *fate == Fate::Durable {
                head.apply(op);
            }
        }
        // Invisible writes are left out of the tail; their files stay empty and nameless.
        let (tail, fates): (Vec<Op>, Vec<Fate>) = ops[first..]
            .iter()
            .zip(&fates[first..])
            .filter(|(_, fate)| **fate != Fate::Invisible)
            .map(|(op, fate)| (op.clone(), *fate))
            .unzip();
        let pending = fates.iter().enumerate();
        let pending = pending.filter(|(_, fate)| **fate == Fate::Pending);
        Self {
            k,
            seed,
            print: Print::of(&head, contents),
            head,
            pending: pending.map(|(i, _)| i).collect(),
            tail: tail.into(),
            next: (0, false),
        }
    }

    /// Returns how many operations are pending at this point.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    fn subset_count(&self) -> usize {
        match self.pending.len() {
            n if n <= EXHAUSTIVE_MAX => 1 << n,
            // None, all, each one, each prefix that is not one of these.
            n => 2 + n + (n - 2) + RANDOM_SUBSETS,
        }
    }

    /// Returns for each pending operation whether the subset keeps it.
    fn subset(&self, index: usize) -> Vec<bool> {
        let n = self.pending.len();
        let keep = |chosen: &dyn Fn(usize) -> bool| (0..n).map(chosen).collect();
        if n <= EXHAUSTIVE_MAX {
            return keep(&|i| index >> i & 1 == 1);
        }
        match index {
            0 => keep(&|_| false),
            1 => keep(&|_| true),
            _ if index < 2 + n => keep(&|i| i == index - 2),
            // Prefixes of 2 to n - 1.
            _ if index < 2 * n => keep(&|i| i < index - n),
            _ => {
                let mut dice = self.dice(index);
                (0..n).map(|_| dice.once_in(2)).collect()
            }
        }
    }

    fn dice(&self, index: usize) -> Dice {
        let mut dice = Dice::new(self.seed);
        let mixed = dice.roll() ^ (self.k as u64) << 32 ^ index as u64;
        Dice::new(mixed)
    }

    /// Returns the state with the operations kept, or `None` if it should be torn and no kept write can be.
    fn state(&self, index: usize, torn: bool) -> Option<CrashState> {
        let subset = self.subset(index);
        let mut kept = vec![true; self.tail.len()];
        for (i, keep) in self.pending.iter().zip(&subset) {
            kept[*i] = *keep;
        }
        let can_tear = |i: usize| {
            kept[i]
                && self.pending.binary_search(&i).is_ok()
                && matches!(&self.tail[i], Op::Write { bytes, .. } if bytes.len() > SECTOR_BYTES)
        };
        if torn && !(0..self.tail.len()).any(can_tear) {
            return None;
        }
        let mut dice = self.dice(index ^ 1 << 31);
        let mut state = self.head.clone();
        for (i, op) in self.tail.iter().enumerate() {
            match op {
                _ if !kept[i] => {}
                Op::Write {
                    file,
                    offset,
                    bytes,
                } if torn && can_tear(i) => tear(&mut state, *file, *offset, bytes, &mut dice),
                op => state.apply(op),
            }
        }
        Some(CrashState {
            print: self.print.after(&self.head, &state),
            contents: self.print.contents.clone(),
            state,
            origin: Origin {
                k: self.k,
                seed: self.seed,
                index,
                count: self.subset_count(),
                subset,
                is_torn: torn,
            },
        })
    }

    /// Returns the next state, which costs less than the disk that shows it.
    pub fn next_state(&mut self) -> Option<CrashState> {
        while self.next.0 < self.subset_count() {
            let (index, torn) = self.next;
            self.next = if torn {
                (index + 1, false)
            } else {
                (index, true)
            };
            if let Some(state) = self.state(index, torn) {
                return Some(state);
            }
        }
        None
    }
}

/// Keeps some sectors of a write: half the time a prefix, half the time any; the others are as before, or
/// zeros, or beyond the end.
fn tear(state: &mut State, file: FileId, offset: usize, bytes: &[u8], dice: &mut Dice) {
    // Sectors are counted from the start of the file.
    let first_len = SECTOR_BYTES - offset % SECTOR_BYTES;
    let (first, rest) = bytes.split_at(first_len.min(bytes.len()));
    let mut at = offset;
    let mut sectors = Vec::new();
    for sector in std::iter::once(first).chain(rest.chunks(SECTOR_BYTES)) {
        sectors.push((at, sector));
        at += sector.len();
    }
    let prefix = dice.once_in(2).then(|| dice.index(sectors.len()));
    // A file system may have grown the file before its bytes arrived.
    let grown = dice.once_in(2);
    let mut new = state.files.get(file).map_or(Vec::new(), |old| old.to_vec());
    for (i, (at, sector)) in sectors.iter().enumerate() {
        if prefix.map_or_else(|| dice.once_in(2), |prefix| i < prefix) {
            let end = at + sector.len();
            new.resize(new.len().max(end), 0);
            new[*at..end].copy_from_slice(sector);
        }
    }
    if grown {
        new.resize(new.len().max(at), 0);
    }
    state.apply(&Op::Damage {
        file,
        bytes: new.into(),
    });
}

impl Iterator for CrashStates {
    type Item = SimDisk;

    fn next(&mut self) -> Option<SimDisk> {
        self.next_state().map(CrashState::disk)
    }
}
