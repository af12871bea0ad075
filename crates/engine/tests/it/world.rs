//! A server in a temporary directory: pool and worker in memory, time and chance from `testkit`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use base::fault::Code;
use base::{ChunkId, Env, Fault, PointId, SourceId, StoreId, Timestamp, schedule};
use engine::model::FileOptions;
use engine::pool::{
    Change, CollectStep, Collected, Event, Level, OnCollect, OnRead, Point, PoolStatus,
    VerifyOrder, VerifyReport,
};
use engine::worker::{
    BackupOrder, BackupReport, CheckOrder, CheckReport, RestoreOrder, RestorePlan, RestoreReport,
};
use engine::{
    Engine, EngineConfig, Home, Job, JobContext, Pool, ProtectRequest, Protected, Worker,
};
use tempfile::TempDir;
use testkit::Handles;

/// A log in memory.
pub(crate) struct MemoryPool {
    id: StoreId,
    env: Env,
    events: Mutex<Vec<Event>>,
    /// Behind the wall clock by so much.
    pub(crate) retention_lag: Mutex<Duration>,
    /// Names of packs that cannot be read.
    pub(crate) unreadable: Mutex<Vec<String>>,
    pub(crate) stop_reading: AtomicBool,
    /// Whether nothing can be written.
    pub(crate) read_only: Mutex<bool>,
    /// Done once, when a document was written, when the clock is read, when the log is.
    pub(crate) on_put: Hook,
    pub(crate) on_clock: Hook,
    pub(crate) on_follow: Hook,
}

/// What happens in the middle of something.
#[derive(Default)]
pub(crate) struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Hook {
    pub(crate) fn set(&self, work: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(work));
    }

    /// What another thread does at this moment: it is given its time, and no more if it has to wait.
    pub(crate) fn set_beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (send, receive) = mpsc::channel();
        self.set(move || {
            let (done, is_done) = mpsc::channel();
            std::thread::spawn(move || {
                let result = work();
                done.send(()).ok();
                send.send(result).ok();
            });
            is_done.recv_timeout(Duration::from_millis(200)).ok();
        });
        receive
    }

    fn run(&self) {
        let work = self.0.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
    }
}

impl MemoryPool {
    pub(crate) fn new(env: &Env) -> Self {
        Self {
            id: StoreId::random(env),
            env: env.clone(),
            events: Mutex::default(),
            retention_lag: Mutex::default(),
            unreadable: Mutex::default(),
            stop_reading: AtomicBool::new(false),
            read_only: Mutex::default(),
            on_put: Hook::default(),
            on_clock: Hook::default(),
            on_follow: Hook::default(),
        }
    }

    /// The same pool at this moment, going its own way from here on.
    pub(crate) fn fork(&self) -> Self {
        Self {
            id: self.id,
            env: self.env.clone(),
            events: Mutex::new(self.events.lock().unwrap().clone()),
            retention_lag: Mutex::default(),
            unreadable: Mutex::default(),
            stop_reading: AtomicBool::new(false),
            read_only: Mutex::default(),
            on_put: Hook::default(),
            on_clock: Hook::default(),
            on_follow: Hook::default(),
        }
    }

    pub(crate) fn append(&self, change: Change) {
        let mut events = self.events.lock().unwrap();
        let seq = events.len() as u64 + 1;
        let at = self.env.now();
        events.push(Event { seq, at, change });
    }

    fn refuse(&self) -> Result<(), Fault> {
        self.read_only().map_or(Ok(()), Err)
    }

    pub(crate) fn points(&self) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        for event in self.events.lock().unwrap().iter() {
            match &event.change {
                Change::Commit {
                    point: Some(point), ..
                } => points.push((**point).clone()),
                Change::PointDeleted { point } => points.retain(|p| p.id != *point),
                _ => {}
            }
        }
        points
    }
}

impl Pool for MemoryPool {
    fn id(&self) -> StoreId {
        self.id
    }

    fn head(&self) -> u64 {
        self.events.lock().unwrap().len() as u64
    }

    fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Fault> {
        let events = self.events.lock().unwrap();
        let index = usize::try_from(seq).unwrap().checked_sub(1);
        let event = index.and_then(|index| events.get(index));
        Ok(event.map(|event| {
            // Different enough for events that differ.
            let mut hasher = std::hash::DefaultHasher::new();
            std::hash::Hash::hash(&format!("{event:?}"), &mut hasher);
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&std::hash::Hasher::finish(&hasher).to_le_bytes());
            hash
        }))
    }

    fn events_after(
        &self,
        seq: u64,
        take: &mut dyn FnMut(Event) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.on_follow.run();
        let events = self.events.lock().unwrap().clone();
        let mut later = events.into_iter().filter(|event| event.seq > seq);
        later.try_for_each(take)
    }

    fn delete_point(&self, point: &PointId) -> Result<(), Fault> {
        self.refuse()?;
        self.append(Change::PointDeleted { point: *point });
        Ok(())
    }

    fn drop_replica(&self, source: &SourceId) -> Result<(), Fault> {
        self.refuse()?;
        self.append(Change::ReplicaDropped { source: *source });
        Ok(())
    }

    fn put_config(&self, kind: &str, id: &str, json: Option<&[u8]>) -> Result<(), Fault> {
        self.refuse()?;
        self.append(Change::Config {
            kind: kind.to_owned(),
            id: id.to_owned(),
            json: json.map(<[u8]>::to_vec),
        });
        self.on_put.run();
        Ok(())
    }

    fn retention_now(&self) -> Timestamp {
        self.on_clock.run();
        self.env.now() - *self.retention_lag.lock().unwrap()
    }

    fn read_only(&self) -> Option<Fault> {
        let read_only = *self.read_only.lock().unwrap();
        read_only.then(|| Fault::new(Code::PoolReadOnly).with("path", "/pool"))
    }

    fn verify(&self, _: &VerifyOrder, on_read: OnRead<'_>) -> Result<VerifyReport, Fault> {
        on_read(10, 20)?;
        if self.stop_reading.load(Ordering::SeqCst) {
            return Err(Fault::new(Code::PoolUnreadable).with("path", "/pool"));
        }
        on_read(20, 20)?;
        let unreadable = self.unreadable.lock().unwrap();
        let damage = |pack: &String| Fault::new(Code::PackMissing).with("pack", pack);
        Ok(VerifyReport {
            packs: 2,
            bytes: 20,
            points: self.points().len() as u64,
            damaged: unreadable.len() as u64,
            faults: unreadable.iter().map(damage).collect(),
            points_hurt: match unreadable.is_empty() {
                true => Vec::new(),
                false => self.points().iter().map(|point| point.id).collect(),
            },
            ..VerifyReport::default()
        })
    }

    fn add_volume(&self, _: &str, _: &Path) -> Result<(), Fault> {
        self.refuse()
    }

    fn drain_volume(&self, name: &str, on_read: OnRead<'_>) -> Result<u64, Fault> {
        self.refuse()?;
        on_read(5, 10)?;
        on_read(10, 10)?;
        match name {
            "big" => Ok(10),
            _ => Err(Fault::new(Code::VolumeUnknown).with("volume", name)),
        }
    }

    fn remove_volume(&self, _: &str, _: bool) -> Result<(), Fault> {
        self.refuse()
    }

    fn points_waiting(&self) -> Result<Vec<PointId>, Fault> {
        Ok(Vec::new())
    }

    fn collect(&self, dry_run: bool, on_collect: OnCollect<'_>) -> Result<Collected, Fault> {
        self.refuse()?;
        on_collect(CollectStep::Mark)?;
        on_collect(CollectStep::Wait(1))?;
        on_collect(CollectStep::Free(20, 20))?;
        Ok(Collected {
            dry_run,
            freed_bytes: 20,
            packs: 1,
            ..Collected::default()
        })
    }

    fn status(&self) -> Result<PoolStatus, Fault> {
        let unreadable = self.unreadable.lock().unwrap();
        Ok(PoolStatus {
            unreadable_packs: unreadable.len() as u64,
            unreadable_pack: unreadable.first().cloned(),
            points: self.points().len() as u64,
            read_only: self.read_only().is_some(),
            ..PoolStatus::default()
        })
    }
}

/// What the worker does with its next order.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It does what was asked for.
    Do,
    /// It does, and finds nothing that has changed.
    Nothing,
    /// It does, and warns about so many files.
    Warn(u64),
    /// It does, and so many entries are damaged: repaired by a check, not given back by a restore.
    Damaged(u64),
    /// It fails.
    Fail(Fault),
    /// It panics.
    Panic,
    /// It waits until it is told to go on, or to stop.
    Wait,
}

/// A gate that workers wait at.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits until so many workers wait at the gate.
    pub(crate) fn await_waiting(&self, count: usize) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |s| s.0 < count).unwrap());
    }

    /// Lets everyone through, now and later.
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn pass(&self, context: &JobContext) -> Result<(), Fault> {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        while !state.1 {
            context.stop_if_cancelled()?;
            let turn = Duration::from_millis(1);
            state = self.changed.wait_timeout(state, turn).unwrap().0;
        }
        Ok(())
    }
}

/// Does as it is told, and writes down what it was asked.
pub(crate) struct MemoryWorker {
    env: Env,
    pool: Arc<MemoryPool>,
    pub(crate) acts: Mutex<VecDeque<Act>>,
    pub(crate) backups: Mutex<Vec<BackupOrder>>,
    pub(crate) checks: Mutex<Vec<CheckOrder>>,
    pub(crate) restores: Mutex<Vec<RestoreOrder>>,
    pub(crate) gate: Gate,
}

impl MemoryWorker {
    /// Returns how many entries are damaged.
    fn act(&self, context: &JobContext) -> Result<u64, Fault> {
        let act = self.acts.lock().unwrap().pop_front().unwrap_or(Act::Do);
        match act {
            Act::Do | Act::Nothing => Ok(0),
            Act::Damaged(count) => Ok(count),
            Act::Warn(count) => {
                (0..count).for_each(|n| context.warn(Path::new(&format!("f{n}")), "vanished"));
                Ok(0)
            }
            Act::Fail(fault) => Err(fault),
            Act::Panic => panic!("a worker's bug"),
            Act::Wait => self.gate.pass(context).map(|()| 0),
        }
    }

    fn commit(&self, order: &BackupOrder) -> Option<PointId> {
        let root = ChunkId(self.env.bytes());
        let mut earlier = self.pool.points();
        earlier.retain(|point| point.source == order.source);
        let point = order.point.as_ref().map(|point| Point {
            id: PointId::random(&self.env),
            source: order.source,
            group: point.group.clone(),
            previous: earlier.last().map(|point| point.id),
            root,
            at: self.env.now(),
            level: Level::Crash,
            warnings: 0,
            entries: 3,
            files: 2,
            bytes: 100,
            changed: 1,
            new_bytes: 50,
        });
        let id = point.as_ref().map(|point| point.id);
        self.pool.append(Change::Commit {
            source: order.source,
            root,
            point: point.map(Box::new),
        });
        id
    }
}

impl Worker for MemoryWorker {
    fn check_options(&self, options: &FileOptions) -> Result<(), Fault> {
        match options.excludes.iter().find(|pattern| *pattern == "[") {
            Some(pattern) => Err(Fault::new(Code::ExcludePatternInvalid).with("pattern", pattern)),
            None => Ok(()),
        }
    }

    fn backup(&self, order: &BackupOrder, context: &JobContext) -> Result<BackupReport, Fault> {
        self.backups.lock().unwrap().push(order.clone());
        let acts = self.acts.lock().unwrap();
        let is_nothing = matches!(acts.front(), Some(Act::Nothing));
        drop(acts);
        self.act(context)?;
        context.advance(2, 100);
        Ok(BackupReport {
            point: match is_nothing {
                true => None,
                false => self.commit(order),
            },
            entries: 3,
            files: 2,
            bytes: 100,
            ..BackupReport::default()
        })
    }

    fn check(&self, order: &CheckOrder, context: &JobContext) -> Result<CheckReport, Fault> {
        self.checks.lock().unwrap().push(order.clone());
        let differences = self.act(context)?;
        self.commit(&order.backup);
        Ok(CheckReport {
            differences,
            ..CheckReport::default()
        })
    }

    fn restore_plan(&self, order: &RestoreOrder, _: &JobContext) -> Result<RestorePlan, Fault> {
        self.restores.lock().unwrap().push(order.clone());
        Ok(RestorePlan {
            entries: 3,
            ..RestorePlan::default()
        })
    }

    fn restore(&self, order: &RestoreOrder, context: &JobContext) -> Result<RestoreReport, Fault> {
        self.restores.lock().unwrap().push(order.clone());
        let damaged = self.act(context)?;
        Ok(RestoreReport {
            damaged,
            ..RestoreReport::default()
        })
    }
}

/// A server and what a test holds of it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) env: Env,
    pub(crate) handles: Handles,
    pub(crate) pool: Arc<MemoryPool>,
    pub(crate) worker: Arc<MemoryWorker>,
    pub(crate) zone: &'static str,
    pub(crate) data: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::in_zone("UTC")
    }

    pub(crate) fn in_zone(zone: &'static str) -> Self {
        let (env, handles) = testkit::env(7);
        let dir = TempDir::new().unwrap();
        let pool = Arc::new(MemoryPool::new(&env));
        let worker = Arc::new(Self::worker(&env, &pool));
        let data = dir.path().join("dozo");
        Self {
            dir,
            env,
            handles,
            pool,
            worker,
            zone,
            data,
        }
    }

    pub(crate) fn worker(env: &Env, pool: &Arc<MemoryPool>) -> MemoryWorker {
        MemoryWorker {
            env: env.clone(),
            pool: pool.clone(),
            acts: Mutex::default(),
            backups: Mutex::default(),
            checks: Mutex::default(),
            restores: Mutex::default(),
            gate: Gate::default(),
        }
    }

    pub(crate) fn try_open(&self) -> Result<Engine, Fault> {
        Engine::open(EngineConfig {
            home: Home::claim(&self.data, &self.env, "test")?,
            pool: self.pool.clone(),
            worker: self.worker.clone(),
            env: self.env.clone(),
            host: "web01".to_owned(),
            zone: schedule::zone(self.zone).unwrap(),
            pool_warn: None,
        })
    }

    pub(crate) fn open(&self) -> Engine {
        self.try_open().unwrap()
    }

    /// What a kill at this moment would leave: a copy of pool and data directory, with a worker of its own.
    pub(crate) fn killed_now(&self) -> Self {
        let (mut copy, dir) = (Self::in_zone(self.zone), &self.data);
        copy.env = self.env.clone();
        copy.handles = self.handles.clone();
        copy.pool = Arc::new(self.pool.fork());
        copy.worker = Arc::new(Self::worker(&copy.env, &copy.pool));
        std::fs::create_dir(&copy.data).unwrap();
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("catalog.db") {
                std::fs::copy(entry.path(), copy.data.join(name)).unwrap();
            }
        }
        copy
    }

    /// A directory to protect.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path.canonicalize().unwrap()
    }

    pub(crate) fn act(&self, act: Act) {
        self.worker.acts.lock().unwrap().push_back(act);
    }

    pub(crate) fn pass(&self, hours: u64) {
        self.handles
            .clock
            .advance(Duration::from_secs(hours * 3600));
    }
}

/// Protects one folder and waits until that is done.
pub(crate) fn protect(engine: &Engine, path: &Path) -> Protected {
    let request = ProtectRequest {
        paths: vec![path.to_owned()],
        ..ProtectRequest::default()
    };
    let mut protected = engine.protect(&request).unwrap();
    engine.wait_idle();
    protected.remove(0)
}

/// One look of the scheduler, and the end of everything it starts.
pub(crate) fn tick(engine: &Engine, world: &World) {
    engine.tick(world.env.now()).unwrap();
    engine.wait_idle();
}

pub(crate) fn over(engine: &Engine, id: &base::JobId) -> Job {
    engine.watch(id).unwrap().wait_until_over()
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Fault>) -> Code {
    result.expect_err("it has to be refused").code
}

pub(crate) fn open_alerts(engine: &Engine) -> Vec<Code> {
    let alerts = engine.alerts(true, 100).unwrap();
    alerts.iter().map(|alert| alert.fault.code).collect()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
