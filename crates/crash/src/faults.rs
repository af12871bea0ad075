//! T5 and T9: every call of every step fails or lies in turn, in every way, once and for good (R4, R8, R9, R20, R44).
//!
//! The loop is SQLite's: the first call of a kind, then the second, until the step makes no more of them. Each run begins with
//! a copy of the same store.
//!
//! - A disk that says what it did not do loses nothing: the step fails with a fault that names the disk's trouble, or succeeds;
//!   the same process reads everything that was acknowledged, and as soon as the trouble is over it backs up, collects and
//!   verifies; so does the next process, and so does one that comes after a power cut, whatever that left.
//! - A disk that lies cannot be kept from losing what it was given. But nothing else is lost, nothing reads back as other
//!   bytes than were stored, and whatever does not read back is told by a verification.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use base::Fault;
use base::fault::Code;
use objects::disk::Errno;
use store::{Store, VerifyReport, VerifySpec};
use testkit::{Call, Injection, Knobs, Misdeed, Times};

use crate::history::{Maker, Step};
use crate::promised::Promised;
use crate::states::{Effort, Explorer, Tally};
use crate::world::read;

/// Places of a history at which steps are swept.
const PLACES: usize = 4;

/// Calls, and what they do.
const MISDEEDS: [(&[Call], &[Misdeed]); 6] = [
    (
        &[
            Call::Draft,
            Call::Write,
            Call::Publish,
            Call::Replace,
            Call::Link,
            Call::MakeDir,
        ],
        &[
            Misdeed::Fails(Errno::IO),
            Misdeed::Fails(Errno::NOSPC),
            Misdeed::Fails(Errno::DQUOT),
            Misdeed::Fails(Errno::ROFS),
        ],
    ),
    (
        &[Call::Sync, Call::SyncDir],
        &[
            Misdeed::Fails(Errno::IO),
            Misdeed::Fails(Errno::NOSPC),
            Misdeed::Fails(Errno::DQUOT),
        ],
    ),
    (
        &[Call::Draft, Call::Open, Call::List],
        &[Misdeed::Fails(Errno::MFILE), Misdeed::Fails(Errno::IO)],
    ),
    (
        &[Call::Read],
        &[Misdeed::Fails(Errno::IO), Misdeed::Flips, Misdeed::Shortens],
    ),
    (
        &[Call::Remove],
        &[Misdeed::Fails(Errno::IO), Misdeed::Fails(Errno::ROFS)],
    ),
    (
        &[Call::Write],
        &[Misdeed::Loses, Misdeed::Misdirects, Misdeed::Flips],
    ),
];

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Runs: a step with one call that failed or lied, or all from there on.
    pub runs: u64,
    /// Those whose step succeeded all the same.
    pub withstood: u64,
    /// Those whose step failed, by the code that it failed with.
    pub failed: BTreeMap<Code, u64>,
    /// Runs of a disk that lied.
    pub lies: u64,
    /// Those after which something was damaged, and told.
    pub told: u64,
    /// Those of them after which a verification gave everything back.
    pub mended: u64,
    /// Disks that were opened again afterwards, equal ones once.
    pub opened: u64,
}

impl Swept {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.withstood += other.withstood;
        for (code, count) in other.failed {
            *self.failed.entry(code).or_default() += count;
        }
        self.lies += other.lies;
        self.told += other.told;
        self.mended += other.mended;
        self.opened += other.opened;
    }
}

/// Sweeps the steps of histories from `seed` on until there were `runs`, on some threads. Every history that was begun is swept
/// to its end.
///
/// # Errors
/// In words: the first violation, and what repeats it.
pub fn sweep(seed: u64, runs: u64, threads: usize) -> Result<Swept, String> {
    let next = AtomicU64::new(seed);
    let total = Mutex::new((Swept::default(), None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    {
                        let total = total.lock().expect("nobody panics with it");
                        if total.0.runs >= runs || total.1.is_some() {
                            return;
                        }
                    }
                    let swept = sweep_one(next.fetch_add(1, Ordering::SeqCst));
                    let mut total = total.lock().expect("nobody panics with it");
                    match swept {
                        Ok(swept) => total.0.add(swept),
                        Err(what) => drop(total.1.get_or_insert(what)),
                    }
                }
            });
        }
    });
    let (swept, failed) = total.into_inner().expect("nobody panics with it");
    failed.map_or(Ok(swept), Err)
}

/// Sweeps a history. At each of its places a third of the steps are swept: each comes at each place of some history.
fn sweep_one(seed: u64) -> Result<Swept, String> {
    let mut swept = Swept::default();
    let mut maker = Maker::new(seed, Knobs::default());
    for place in 0..PLACES {
        for (i, step) in Step::ALL.into_iter().enumerate() {
            if !(i as u64 + place as u64 + seed).is_multiple_of(3) {
                continue;
            }
            Sweep::new(&maker, step).all(&mut swept).map_err(|what| {
                let steps = maker.history.steps.join("\n");
                format!("{what}\nrepeat: cargo xtask crash t5 --seed {seed} --runs 1\n{steps}")
            })?;
        }
        maker.step(place).map_err(|fault| format!("{fault:?}"))?;
    }
    Ok(swept)
}

/// One step of one history.
struct Sweep<'a> {
    from: &'a Maker,
    step: Step,
    explorer: Explorer,
}

impl<'a> Sweep<'a> {
    fn new(from: &'a Maker, step: Step) -> Self {
        let explorer = Explorer::new(Effort {
            go_on: 1,
            recovery: u64::MAX,
            kill: u64::MAX,
        });
        Self {
            from,
            step,
            explorer,
        }
    }

    fn all(&mut self, swept: &mut Swept) -> Result<(), String> {
        let mut sound = self.fork()?;
        let before = |call| sound.history.disk.calls(call);
        let kinds = MISDEEDS.iter().flat_map(|(calls, misdeeds)| {
            calls
                .iter()
                .flat_map(|call| misdeeds.iter().map(|misdeed| (*call, *misdeed)))
        });
        let mut counted: Vec<(Call, Misdeed, u64)> = kinds
            .map(|(call, misdeed)| (call, misdeed, before(call)))
            .collect();
        let done = sound.act(self.step);
        done.map_err(|fault| format!("{:?} on a sound disk: {fault:?}", self.step))?;
        for (call, _, count) in &mut counted {
            *count = sound.history.disk.calls(*call) - *count;
        }
        for (call, misdeed, count) in counted {
            for passes in (0..count).step_by(stride(call, count)) {
                for times in times_of(call, misdeed) {
                    let injection = Injection {
                        call,
                        passes,
                        misdeed,
                        times: *times,
                    };
                    swept.runs += 1;
                    self.run(injection, swept)
                        .map_err(|what| format!("{:?} with {injection:?}: {what}", self.step))?;
                }
            }
        }
        swept.opened += self.explorer.tally.distinct;
        self.explorer.tally = Tally::default();
        Ok(())
    }

    fn fork(&self) -> Result<Maker, String> {
        let fork = self.from.fork();
        fork.map_err(|fault| format!("a sound disk cannot be opened: {fault:?}"))
    }

    fn run(&mut self, injection: Injection, swept: &mut Swept) -> Result<(), String> {
        let mut maker = self.fork()?;
        let disk = maker.history.disk.clone();
        disk.inject(injection);
        let done = maker.act(self.step);
        disk.heal();
        match &done {
            Ok(()) => swept.withstood += 1,
            Err(fault) => *swept.failed.entry(fault.code).or_default() += 1,
        }
        match injection.misdeed {
            Misdeed::Fails(errno) => {
                if let Err(fault) = &done {
                    is_clear(fault, injection.call, errno)?;
                }
                self.check_loss(&maker, injection.call)
            }
            // Nothing has happened to what is stored.
            Misdeed::Flips | Misdeed::Shortens if injection.call == Call::Read => {
                self.check_loss(&maker, injection.call)
            }
            _ => {
                swept.lies += 1;
                check_lie(maker, swept)
            }
        }
    }

    /// Says what is lost or stuck after trouble that was told.
    fn check_loss(&mut self, maker: &Maker, call: Call) -> Result<(), String> {
        let history = &maker.history;
        let end = history.disk.ops();
        let promised = Promised::at(history, end);
        if self.step == Step::Reopen {
            // Packs that it could not look into for as long as it was opened are unreadable until somebody looks again.
            let looked = verify(&maker.store)?;
            if !looked.is_sound() {
                return Err(format!("damage that is none: {:?}", looked.faults));
            }
        }
        promised
            .check(&maker.store)
            .map_err(|what| format!("in the same process: {what}"))?;
        let left = history.disk.killed_at(end);
        match call {
            // What was written before a sync that failed may be gone, whoever syncs it again.
            Call::Sync | Call::SyncDir => {
                let cut = self.explorer.cut(&left, end, &promised, false);
                cut.map_err(|what| format!("{what}\n{left:?}"))?;
            }
            _ => {}
        }
        self.explorer.found(&left, &promised)
    }
}

/// A disk that lies about every write is past help: a copy is written to it as well.
fn times_of(call: Call, misdeed: Misdeed) -> &'static [Times] {
    match (call, misdeed) {
        (_, Misdeed::Fails(_)) | (Call::Read, _) => &[Times::Once, Times::Always],
        _ => &[Times::Once],
    }
}

/// Opening looks into each of 512 directories: of such calls not every one is failed, but some all along.
fn stride(call: Call, count: u64) -> usize {
    match call {
        Call::List | Call::Open | Call::Read => (count / 16).max(1) as usize,
        _ => 1,
    }
}

/// Says if a fault is another one than the disk's trouble.
fn is_clear(fault: &Fault, call: Call, errno: Errno) -> Result<(), String> {
    let is_it = match errno {
        Errno::NOSPC | Errno::DQUOT => fault.code == Code::PoolFull,
        Errno::ROFS => fault.code == Code::PoolReadOnly,
        // What a medium does not give back is damaged, and named.
        Errno::IO => matches!(
            fault.code,
            Code::ChunkDamaged
                | Code::PackDamaged
                | Code::TreeDamaged
                | Code::LogDamaged
                | Code::CollectionBlocked
        ),
        _ => false,
    };
    // Whatever it is, the system's own words are among its parameters.
    let tells = matches!(
        fault.code,
        Code::PoolUnwritable | Code::PoolUnreadable | Code::ResourcesExhausted
    ) && format!("{fault:?}").contains(&errno.to_string());
    // After a sync that failed nothing is written until the pool is opened anew.
    let is_closed = matches!(call, Call::Sync | Call::SyncDir) && fault.code == Code::PoolReadOnly;
    match is_it || tells || is_closed {
        true => Ok(()),
        false => Err(format!("{errno} is told as {fault:?}")),
    }
}

/// Says what is wrong with a store whose disk has lied.
fn check_lie(maker: Maker, swept: &mut Swept) -> Result<(), String> {
    let history = &maker.history;
    let disk = history.disk.killed_at(history.disk.ops());
    drop(maker.store);
    let (env, _) = testkit::env(7);
    let store = match history.open(&disk, &env) {
        Ok(store) => store,
        Err(fault) => return Err(format!("the store does not open: {fault:?}")),
    };
    let promised = Promised::at(history, history.disk.ops());
    let unread = unread(&store, &promised)?;
    let report = verify(&store)?;
    if report.is_sound() {
        return match unread {
            None => Ok(()),
            Some(what) => Err(format!("verification does not tell that {what}")),
        };
    }
    swept.told += 1;
    let mended = report.repaired.len() as u64 + report.mended;
    if report.damaged == mended {
        if let Some(what) = self::unread(&store, &promised)? {
            return Err(format!("all is mended, and {what}"));
        }
        swept.mended += 1;
    }
    Ok(())
}

/// Returns what of that which was promised does not read back.
///
/// # Errors
/// In words: something reads back as other bytes.
fn unread(store: &Store, promised: &Promised<'_>) -> Result<Option<String>, String> {
    let points = store.points().map_err(|fault| format!("{fault:?}"))?;
    let mut unread = None;
    for (id, _) in &promised.known {
        if !points.iter().any(|point| point.id == *id) {
            unread = Some(format!("point {id} is not listed"));
        }
    }
    for point in &points {
        match read(store, &point.root) {
            Ok(found) => {
                let known = promised.known.iter().find(|(id, _)| *id == point.id);
                let is_right = match known {
                    Some((_, content)) => found == **content,
                    None => promised.history.states.contains(&found),
                };
                if !is_right {
                    return Err(format!("point {} reads back as other bytes", point.id));
                }
            }
            Err(fault) => unread = Some(format!("point {}: {fault:?}", point.id)),
        }
    }
    Ok(unread)
}

/// Verifies every byte of a store, and repairs what is damaged.
fn verify(store: &Store) -> Result<VerifyReport, String> {
    let spec = VerifySpec {
        deep: true,
        repair: true,
        ..VerifySpec::default()
    };
    let report = store.verify(&spec, &mut |_| ControlFlow::Continue(()));
    report.map_err(|fault| format!("nothing can be verified: {fault:?}"))
}
