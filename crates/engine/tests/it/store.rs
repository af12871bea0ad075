//! The engine over a real store, in memory.

use std::sync::{Arc, Mutex};

use base::{Env, Fault};
use engine::model::FileOptions;
use engine::pool::Level;
use engine::worker::{
    BackupOrder, BackupReport, CheckOrder, CheckReport, RestoreOrder, RestorePlan, RestoreReport,
};
use engine::{Engine, EngineConfig, Home, JobContext, Pool, StopProtection, Worker};
use format::entry::{Content, FileEntry, FileKey, Node};
use format::keys::{KeyFile, NewSlot, Unlock};
use format::point::Consistency;
use format::replica::ReplicaWriter;
use objects::Memory;
use store::{CommitSpec, NewPoint, Place, Store};

use crate::world::{World, open_alerts, protect};

/// Writes one file with new content at every backup.
struct OneFile {
    store: Store,
    count: Mutex<u32>,
}

impl Worker for OneFile {
    fn check_options(&self, _: &FileOptions) -> Result<(), Fault> {
        Ok(())
    }

    fn backup(&self, order: &BackupOrder, _: &JobContext) -> Result<BackupReport, Fault> {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        let session = self.store.begin(order.source, order.previous)?;
        let key = FileKey::from_path(b"a").unwrap();
        session.put_entry(&key, &file(&count.to_string()))?;
        let point = order.point.as_ref().map(|point| NewPoint {
            address: order.address.clone(),
            group: point.group.clone(),
            time_ns: None,
            consistency: Consistency::FileSystem,
            warnings: 0,
            changed: 1,
        });
        let committed = session.commit(CommitSpec { point })?;
        Ok(BackupReport {
            point: committed.point.map(|point| point.id),
            ..BackupReport::default()
        })
    }

    fn check(&self, order: &CheckOrder, context: &JobContext) -> Result<CheckReport, Fault> {
        self.backup(&order.backup, context)?;
        Ok(CheckReport::default())
    }

    fn restore_plan(&self, _: &RestoreOrder, _: &JobContext) -> Result<RestorePlan, Fault> {
        Ok(RestorePlan::default())
    }

    fn restore(&self, _: &RestoreOrder, _: &JobContext) -> Result<RestoreReport, Fault> {
        Ok(RestoreReport::default())
    }
}

fn file(content: &str) -> FileEntry {
    FileEntry {
        node: Node::File(Content::Inline(content.as_bytes().to_vec())),
        mode: 0o644,
        uid: 0,
        gid: 0,
        user: Vec::new(),
        group: Vec::new(),
        mtime_ns: 0,
        ctime_ns: 0,
        inode: 1,
        device: 1,
        links: 1,
        size: content.len() as u64,
        xattrs: Vec::new(),
    }
}

fn open(world: &World, store: &Store) -> Engine {
    let env: &Env = &world.env;
    let worker = OneFile {
        store: store.clone(),
        count: Mutex::new(0),
    };
    Engine::open(EngineConfig {
        home: Home::claim(&world.data, env, "test").unwrap(),
        pool: Arc::new(store.clone()),
        worker: Arc::new(worker),
        env: env.clone(),
        host: "web01".to_owned(),
        zone: base::schedule::zone("UTC").unwrap(),
        pool_warn: None,
    })
    .unwrap()
}

fn lose_catalog(world: &World) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(world.data.join(name));
    }
}

#[test]
fn everything_but_history_comes_back_from_a_real_store() {
    let world = World::new();
    let key = KeyFile::random(&world.env);
    let objects = Arc::new(Memory::new());
    let slots = [NewSlot::KeyFile(key.clone())];
    let store = Store::create(objects.clone(), &slots, &world.env, Place::Memory).unwrap();
    let engine = open(&world, &store);
    let folder = world.folder("a");
    for _ in 0..3 {
        protect(&engine, &folder);
        world.pass(24);
    }
    let points = engine.points(None).unwrap();
    assert_eq!(points.len(), 3);
    assert_eq!(points[2].point.previous, Some(points[1].point.id));
    assert_eq!(points[2].point.group, "default");
    assert_eq!(points[2].point.level, Level::FileSystem);
    engine
        .hold_point(&points[0].point.id.to_string(), Some("evidence"))
        .unwrap();
    let id = points[1].point.id.to_string();
    engine.delete_point(&id).unwrap();
    let shown = |engine: &Engine| {
        let points = engine.points(None).unwrap();
        format!("{:?}\n{points:?}", engine.inventory())
    };
    let before = shown(&engine);
    engine.close().unwrap();
    drop((engine, store));
    lose_catalog(&world);

    let unlock = Unlock::KeyFile(key);
    let store = Store::open(objects, &unlock, &world.env, Place::Memory).unwrap();
    let engine = open(&world, &store);
    assert_eq!(shown(&engine), before);
    assert_eq!(open_alerts(&engine), []);
    let member = engine.source("web01:").unwrap();
    assert_eq!(member.state.name(), "ok");
    let replica = store.replica(&member.source.id).unwrap().unwrap();
    assert_eq!(member.replica.unwrap().root, replica.root);
    assert_eq!(engine.pool_status().unwrap().points, 2);
}

#[test]
fn a_member_that_is_forgotten_leaves_no_replica_in_the_store() {
    let world = World::new();
    let slots = [NewSlot::KeyFile(KeyFile::random(&world.env))];
    let objects = Arc::new(Memory::new());
    let store = Store::create(objects, &slots, &world.env, Place::Memory).unwrap();
    let engine = open(&world, &store);
    let protected = protect(&engine, &world.folder("a"));
    let all = ["web01:".to_owned()];
    engine
        .remove_members("default", &all, StopProtection::DeleteData)
        .unwrap();
    assert_eq!(store.replica(&protected.source.id).unwrap(), None);
    assert_eq!(store.points().unwrap(), []);
}

#[test]
fn the_retention_clock_never_runs_ahead_of_the_time_that_passed() {
    let world = World::new();
    let slots = [NewSlot::KeyFile(KeyFile::random(&world.env))];
    let objects = Arc::new(Memory::new());
    let store = Store::create(objects, &slots, &world.env, Place::Memory).unwrap();
    let before = store.retention_now();
    world.pass(5);
    assert!(store.retention_now() <= world.env.now());
    assert!(store.retention_now() > before);
    let reached = store.retention_now();
    let far = crate::world::time("2040-01-01T00:00:00Z");
    world.handles.clock.set_wall(far);
    assert_eq!(store.retention_now(), reached);
}
