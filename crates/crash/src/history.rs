//! Histories of a store on a simulated disk, from a seed: what was done, and what was promised when.
//!
//! A history begins with a store that has points, all durable. Then come steps by chance: backups and synchronizations of sources
//! that share content, sessions given up, two sessions at once, points deleted, points read while they go, replicas dropped,
//! collections alone and beside a session, new generations of keys, the store closed and opened, and killed and opened. The
//! same seed does the same, call by call: packs are made durable by one thread, and what several would have
//! done is made of that by mixing their calls ([`SimDisk::store_at_once`]).

use std::ops::ControlFlow;
use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, Env, Fault, PointId, SourceId};
use format::log::ConfigKind;
use objects::Local;
use store::{CollectProgress, CommitSpec, Limits, Place, Session, Store, VerifySpec};
use testkit::{Dice, Knobs, SimDisk};

use crate::world::{Files, Key, backup, collect, new_point, place, read, write};

/// Steps of a history after its beginning.
const STEPS: usize = 7;
/// Points a source has at most; more would only be read again and again.
const POINTS_MAX: usize = 2;

/// A point that exists for sure when `from` operations were done, and until `to` were.
#[derive(Debug)]
pub struct Promise {
    /// The acknowledgement of its making.
    pub from: usize,
    /// The call that deleted it.
    pub to: usize,
    /// The acknowledgement of that: from then on it is gone.
    pub gone: usize,
    /// The point.
    pub point: PointId,
    /// What was in it.
    pub content: Files,
}

/// What happened on a disk, and what was promised when.
#[derive(Debug)]
pub struct History {
    /// The seed it came from.
    pub seed: u64,
    /// The disk, with its operations.
    pub disk: SimDisk,
    /// What opens the store.
    pub key: Key,
    /// What sources there are.
    pub sources: Vec<SourceId>,
    /// Everything that was ever given to a commit.
    pub states: Vec<Files>,
    /// What was acknowledged.
    pub promises: Vec<Promise>,
    /// What was done, in words.
    pub steps: Vec<String>,
    /// Packs that collections deleted.
    pub collected: u64,
    /// Bytes that collections copied.
    pub copied: u64,
}

/// What may be done to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A synchronization that makes a point.
    Backup,
    /// One that makes none.
    Synchronize,
    /// A session that is given up.
    GiveUp,
    /// Two sessions of two sources at once.
    TwoAtOnce,
    /// A point is deleted, by hand or because it expires.
    Delete,
    /// A point is read while it is deleted and collected.
    ReadWhileItGoes,
    /// A replica is dropped.
    DropReplica,
    /// A collection, with what it copies and deletes.
    Collect,
    /// A collection that waits for a session, which commits.
    CollectBeside,
    /// A document of the engine is stored.
    Configure,
    /// The store is closed and opened; its index is built anew.
    Reopen,
    /// It is killed in the middle of a session, and opened.
    Kill,
    /// Every point is read in full.
    Restore,
    /// Every byte is verified, and what is damaged is repaired.
    Verify,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Backup,
        Self::Synchronize,
        Self::GiveUp,
        Self::TwoAtOnce,
        Self::Delete,
        Self::ReadWhileItGoes,
        Self::DropReplica,
        Self::Collect,
        Self::CollectBeside,
        Self::Configure,
        Self::Reopen,
        Self::Kill,
        Self::Restore,
        Self::Verify,
    ];
}

/// A history in the making.
pub(crate) struct Maker {
    pub(crate) history: History,
    env: Env,
    pub(crate) store: Store,
    dice: Dice,
    limits: Limits,
    knobs: Knobs,
    /// What each source is, and what its replica was at the last commit.
    now: Vec<Option<(ChunkId, Files)>>,
    /// Content that sources share.
    shared: Vec<Vec<u8>>,
}

impl History {
    /// Makes the history of a seed.
    ///
    /// # Panics
    /// If anything fails: nothing is wrong with its disk.
    pub fn new(seed: u64) -> Self {
        Self::on(seed, usual_knobs(seed))
    }

    /// Makes the history of a seed on a disk that does something wrong from its checkpoint on, as long as nobody notices.
    ///
    /// # Panics
    /// If anything fails.
    pub fn on(seed: u64, knobs: Knobs) -> Self {
        let mut maker = Maker::new(seed, knobs);
        for step in 0..STEPS {
            maker.step(step).expect("a step on a sound disk");
        }
        maker.history
    }

    /// Returns the points that must be there when the first `k` operations were done.
    pub fn known(&self, k: usize) -> Vec<(PointId, &Files)> {
        let holds = |promise: &&Promise| promise.from <= k && k <= promise.to;
        let promises = self.promises.iter().filter(holds);
        promises
            .map(|promise| (promise.point, &promise.content))
            .collect()
    }

    /// Returns the points that must be gone by then.
    pub fn gone(&self, k: usize) -> Vec<PointId> {
        let promises = self.promises.iter();
        let gone = promises.filter(|promise| promise.gone <= k);
        gone.map(|promise| promise.point).collect()
    }

    /// Opens what is on a disk as the history's owner would.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self, disk: &SimDisk, env: &Env) -> Result<Store, Fault> {
        let limits = one_pack_at_a_time();
        Store::open_with(place(disk), &self.key.unlock(), env, Place::Memory, limits)
    }
}

/// One history in 16 is on a file system where drafts have names, of which a power cut may leave any: many more states, of
/// which most are the same as soon as the place is open.
fn usual_knobs(seed: u64) -> Knobs {
    Knobs {
        named_drafts: seed % 16 == 5,
        ..Knobs::default()
    }
}

/// Returns limits under which the same calls come in the same order.
pub(crate) fn one_pack_at_a_time() -> Limits {
    Limits {
        packs_in_flight: 1,
        ..Limits::default()
    }
}

impl Maker {
    pub(crate) fn new(seed: u64, knobs: Knobs) -> Self {
        let (env, _) = testkit::env(seed);
        let mut dice = Dice::new(seed);
        let disk = SimDisk::new();
        let key = Key::new(&env);
        let mut limits = one_pack_at_a_time();
        if seed.is_multiple_of(3) {
            limits.generation_chunks = 12;
        }
        drop(key.create(place(&disk), &env));
        let store = Store::open_with(place(&disk), &key.unlock(), &env, Place::Memory, limits);
        let sources: Vec<SourceId> = (0..2 + seed % 2).map(|_| SourceId::random(&env)).collect();
        let mut maker = Self {
            store: store.expect("a new store"),
            now: vec![None; sources.len()],
            shared: (0..5).map(|n| dice.bytes(1500 + 900 * n)).collect(),
            history: History {
                seed,
                disk,
                key,
                sources,
                states: Vec::new(),
                promises: Vec::new(),
                steps: Vec::new(),
                collected: 0,
                copied: 0,
            },
            env,
            dice,
            limits,
            knobs,
        };
        for source in 0..maker.now.len() {
            maker.back_up(source).expect("a sound disk");
        }
        maker.history.disk.checkpoint();
        maker.history.disk.set(knobs);
        for promise in &mut maker.history.promises {
            promise.from = 0;
        }
        maker.history.steps.clear();
        maker
    }

    pub(crate) fn step(&mut self, number: usize) -> Result<(), Fault> {
        let before = self.ops();
        let (step, width) = match self.dice.below(20) {
            0..=3 => (Step::Backup, 2),
            4 => (Step::Synchronize, 2),
            5 => (Step::GiveUp, 2),
            6..=8 => (Step::TwoAtOnce, 4),
            9 | 10 => (Step::Delete, 2),
            11 => (Step::ReadWhileItGoes, 2),
            12 => (Step::DropReplica, 2),
            13..=15 => (Step::Collect, 2),
            16 => (Step::CollectBeside, 2),
            17 => (Step::Configure, 2),
            18 => (Step::Reopen, 2),
            _ => (Step::Kill, 2),
        };
        self.act(step)?;
        self.thin_out()?;
        // Whatever chance says, each of them has a point that goes and what that leaves.
        if number == STEPS / 2 || number == STEPS - 1 {
            self.act(Step::Delete)?;
            self.act(Step::Collect)?;
        }
        let seed = self.dice.roll();
        let disk = &self.history.disk;
        disk.store_at_once(before, &["packs", "meta"], width, seed);
        Ok(())
    }

    /// Does one thing.
    pub(crate) fn act(&mut self, step: Step) -> Result<(), Fault> {
        match step {
            Step::Backup => {
                let source = self.any_source();
                self.back_up(source)
            }
            Step::Synchronize => self.synchronize(),
            Step::GiveUp => self.give_up(),
            Step::TwoAtOnce => self.two_at_once(),
            Step::Delete => self.delete_any(),
            Step::ReadWhileItGoes => self.read_while_it_goes(),
            Step::DropReplica => self.drop_any_replica(),
            Step::Collect => self.collect_alone(),
            Step::CollectBeside => self.collect_beside(),
            Step::Configure => self.configure(),
            Step::Reopen => self.reopen(),
            Step::Kill => self.kill(),
            Step::Restore => self.restore(),
            Step::Verify => self.verify(),
        }
    }

    /// Returns another that goes on from here, on a disk of its own on which all is durable.
    pub(crate) fn fork(&self) -> Result<Self, Fault> {
        let (env, _) = testkit::env(!self.history.seed);
        let disk = self.history.disk.copy();
        let key = self.history.key.clone();
        let store = Store::open_with(
            place(&disk),
            &key.unlock(),
            &env,
            Place::Memory,
            self.limits,
        )?;
        // It opened it, and nothing of that is of interest.
        disk.checkpoint();
        let promises = self.history.promises.iter();
        let promises = promises.map(|promise| Promise {
            from: if promise.to == usize::MAX {
                0
            } else {
                usize::MAX
            },
            to: usize::MAX,
            gone: if promise.gone == usize::MAX {
                usize::MAX
            } else {
                0
            },
            point: promise.point,
            content: promise.content.clone(),
        });
        Ok(Self {
            history: History {
                seed: self.history.seed,
                disk,
                key,
                sources: self.history.sources.clone(),
                states: self.history.states.clone(),
                promises: promises.collect(),
                steps: self.history.steps.clone(),
                collected: 0,
                copied: 0,
            },
            env,
            store,
            dice: self.dice.clone(),
            limits: self.limits,
            knobs: self.knobs,
            now: self.now.clone(),
            shared: self.shared.clone(),
        })
    }

    fn say(&mut self, what: impl Into<String>) {
        let at = self.ops();
        self.history.steps.push(format!("{at}: {}", what.into()));
    }

    fn ops(&self) -> usize {
        self.history.disk.ops()
    }

    fn any_source(&mut self) -> usize {
        self.dice.index(self.now.len())
    }

    /// Returns what a source is next.
    fn changed(&mut self, source: usize) -> Files {
        let before = self.now[source].as_ref();
        let mut files = before.map_or_else(Files::new, |(_, files)| files.clone());
        for _ in 0..1 + self.dice.below(3) {
            let path = format!("f{}", self.dice.below(4));
            let bytes = match self.dice.below(6) {
                0 | 1 => self.shared[self.dice.index(self.shared.len())].clone(),
                2 => self.dice.bytes(20),
                3 => {
                    files.remove(&path);
                    continue;
                }
                _ => {
                    let len = 600 + self.dice.index(5000);
                    self.dice.bytes(len)
                }
            };
            files.insert(path, bytes);
        }
        self.history.states.push(files.clone());
        files
    }

    /// Begins a session, and writes what a source is next.
    fn begin(&mut self, source: usize) -> Result<(Session, Files), Fault> {
        let next = self.changed(source);
        let base = self.now[source].as_ref().map(|(root, _)| *root);
        let id = self.history.sources[source];
        let session = self.store.begin(id, base)?;
        let empty = Files::new();
        let before = self.now[source].as_ref().map_or(&empty, |(_, files)| files);
        write(&session, before, &next)?;
        Ok((session, next))
    }

    fn commit(&mut self, source: usize, session: Session, next: Files) -> Result<(), Fault> {
        let made = session.commit(CommitSpec::with_point(new_point()))?;
        self.now[source] = Some((made.root, next.clone()));
        let from = self.ops();
        let promise = Promise {
            from,
            to: usize::MAX,
            gone: usize::MAX,
            point: made.point.expect("a point was asked for").id,
            content: next,
        };
        self.history.promises.push(promise);
        Ok(())
    }

    fn back_up(&mut self, source: usize) -> Result<(), Fault> {
        self.say(format!("backup of {source}"));
        let (session, next) = self.begin(source)?;
        self.commit(source, session, next)
    }

    fn synchronize(&mut self) -> Result<(), Fault> {
        let source = self.any_source();
        self.say(format!("synchronization of {source}"));
        let (session, next) = self.begin(source)?;
        let made = session.commit(CommitSpec::sync_only())?;
        self.now[source] = Some((made.root, next));
        Ok(())
    }

    fn give_up(&mut self) -> Result<(), Fault> {
        let source = self.any_source();
        self.say(format!("a session of {source} is given up"));
        let (session, _) = self.begin(source)?;
        session.abandon();
        Ok(())
    }

    /// Two sources at once: the second has made its packs durable when the first commits.
    fn two_at_once(&mut self) -> Result<(), Fault> {
        self.say("two sessions at once");
        let (first, content) = self.begin(0)?;
        let (second, other) = self.begin(1)?;
        let extra = self.dice.bytes(800);
        let hash = format::seal::Sealer::hash(&extra);
        let id = format::replica::ReplicaWriter::put_chunk(&second, &hash, &extra)?;
        format::replica::ChunkReader::read_chunk(&second, &id)?;
        self.commit(0, first, content)?;
        match self.dice.once_in(4) {
            true => second.abandon(),
            false => self.commit(1, second, other)?,
        }
        Ok(())
    }

    fn delete_any(&mut self) -> Result<(), Fault> {
        let alive = self.alive();
        if alive.is_empty() {
            return Ok(());
        }
        let chosen = alive[self.dice.index(alive.len())];
        self.delete(chosen)
    }

    fn alive(&self) -> Vec<usize> {
        let promises = self.history.promises.iter().enumerate();
        let alive = promises.filter(|(_, it)| it.from != usize::MAX && it.to == usize::MAX);
        alive.map(|(at, _)| at).collect()
    }

    fn delete(&mut self, chosen: usize) -> Result<(), Fault> {
        self.say("a point is deleted");
        let ops = self.ops();
        let promise = &mut self.history.promises[chosen];
        promise.to = ops;
        let point = promise.point;
        self.store.delete_point(&point)?;
        self.history.promises[chosen].gone = self.ops();
        Ok(())
    }

    /// Keeps few points.
    fn thin_out(&mut self) -> Result<(), Fault> {
        while self.alive().len() > POINTS_MAX * self.now.len() {
            let oldest = self.alive()[0];
            self.delete(oldest)?;
        }
        Ok(())
    }

    fn read_while_it_goes(&mut self) -> Result<(), Fault> {
        let alive = self.alive();
        let Some(chosen) = alive.first() else {
            return Ok(());
        };
        self.say("a point is read while it goes");
        let point = self.history.promises[*chosen].point;
        let reading = self.store.read_point(&point)?;
        self.delete(*chosen)?;
        self.collect_alone()?;
        drop(reading);
        self.collect_alone()
    }

    fn drop_any_replica(&mut self) -> Result<(), Fault> {
        let source = self.any_source();
        if self.now[source].take().is_some() {
            self.say(format!("the replica of {source} is dropped"));
            self.store.drop_replica(&self.history.sources[source])?;
        }
        Ok(())
    }

    fn collect_alone(&mut self) -> Result<(), Fault> {
        self.say("collection");
        let report = collect(&self.store)?;
        self.history.collected += report.packs;
        self.history.copied += report.copied_bytes;
        Ok(())
    }

    /// A collection that waits for a session, which commits.
    fn collect_beside(&mut self) -> Result<(), Fault> {
        self.say("collection beside a session");
        let source = self.any_source();
        let (session, next) = self.begin(source)?;
        let mut session = Some((session, next));
        let store = self.store.clone();
        let plan = store.plan_collection(&mut |_| ControlFlow::Continue(()))?;
        let mut failed = None;
        let report = plan.execute(&mut |progress| {
            if matches!(progress, CollectProgress::Waiting { .. })
                && let Some((session, next)) = session.take()
            {
                failed = self.commit(source, session, next).err();
            }
            ControlFlow::Continue(())
        })?;
        self.history.collected += report.packs;
        self.history.copied += report.copied_bytes;
        match (failed, session) {
            (Some(fault), _) => Err(fault),
            // There was nothing to wait for.
            (None, Some((session, next))) => self.commit(source, session, next),
            (None, None) => Ok(()),
        }
    }

    fn configure(&mut self) -> Result<(), Fault> {
        self.say("something is configured");
        let value = self.dice.bytes(100);
        self.store
            .put_config(ConfigKind::Policy, [1; 16], Some(value))
    }

    fn restore(&mut self) -> Result<(), Fault> {
        self.say("every point is read");
        for chosen in self.alive() {
            let promise = &self.history.promises[chosen];
            let root = self.store.point(&promise.point)?.root;
            // What does not fail is what was stored.
            assert!(
                read(&self.store, &root)? == promise.content,
                "other content than was stored"
            );
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Fault> {
        self.say("verification");
        let spec = VerifySpec {
            deep: true,
            repair: true,
            ..VerifySpec::default()
        };
        self.store
            .verify(&spec, &mut |_| ControlFlow::Continue(()))
            .map(drop)
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        self.say("closed and opened");
        self.open_again()
    }

    /// Kills the owner in the middle of a session whose packs are durable.
    fn kill(&mut self) -> Result<(), Fault> {
        self.say("killed and opened");
        let source = self.any_source();
        let (session, _) = self.begin(source)?;
        let extra = self.dice.bytes(700);
        let hash = format::seal::Sealer::hash(&extra);
        let id = format::replica::ReplicaWriter::put_chunk(&session, &hash, &extra)?;
        format::replica::ChunkReader::read_chunk(&session, &id)?;
        let killed = self.history.disk.killed_at(self.ops());
        // What it would still do goes to a disk that nobody looks at.
        self.history.disk = killed;
        self.history.disk.set(self.knobs);
        drop(session);
        self.open_again()
    }

    fn open_again(&mut self) -> Result<(), Fault> {
        let local = Local::open(self.history.disk.clone()).map_err(|error| {
            // As the store says it of a directory.
            let why = std::error::Error::source(&error).map(ToString::to_string);
            Fault::new(Code::PoolUnwritable).with(
                "reason",
                format_args!("{error}: {}", why.unwrap_or_default()),
            )
        })?;
        let key = self.history.key.unlock();
        let local = Arc::new(local);
        self.store = Store::open_with(local, &key, &self.env, Place::Memory, self.limits)?;
        Ok(())
    }
}

/// Backs `next` up on a reopened store, and returns the point.
///
/// # Errors
/// In words: what did not work.
pub fn go_on(store: &Store, source: SourceId, next: &Files) -> Result<PointId, String> {
    let failed = |fault| format!("the store does not go on: {fault:?}");
    let replica = store.replica(&source).map_err(failed)?;
    let before = match replica {
        Some(replica) => read(store, &replica.root).map_err(failed)?,
        None => Files::new(),
    };
    let made = backup(store, source, &before, next).map_err(failed)?;
    Ok(made.point.ok_or("no point was made")?.id)
}
