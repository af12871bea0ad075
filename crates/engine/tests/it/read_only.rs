//! A pool or a data directory where nothing can be written: what only reads works, what is due waits.

use base::fault::Code;
use engine::jobs::JobState;
use engine::worker::{Destination, OnConflict};
use engine::{Engine, GroupChange, RestoreRequest, StopProtection};

use crate::world::{World, code, open_alerts, over, protect, tick};

/// Looks and restores; what comes back is told by the worker's order.
fn look(engine: &Engine, world: &World) {
    let points = engine.points(None).unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!(engine.source("web01:").unwrap().point_count, 1);
    assert_eq!(engine.groups().len(), 1);
    let request = RestoreRequest {
        point: points[0].point.id,
        selection: Vec::new(),
        destination: Destination::Directory(world.dir.path().join("out")),
        on_conflict: OnConflict::Skip,
    };
    let plan = engine.restore_plan(&request).unwrap();
    assert_eq!(plan.entries, 3);
    let job = over(engine, &engine.restore(&request).unwrap());
    assert_eq!(job.state, JobState::Succeeded);
    engine.wait_idle();
}

/// Everything that would change something, refused.
fn refused(engine: &Engine, world: &World, expected: Code) {
    let group = || engine.group("default").unwrap();
    let point = engine.points(None).unwrap()[0].point.id.to_string();
    let request = engine::ProtectRequest {
        paths: vec![world.folder("a")],
        ..engine::ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), expected);
    assert_eq!(code(engine.sync("web01:")), expected);
    assert_eq!(code(engine.create_point("web01:")), expected);
    assert_eq!(code(engine.check("web01:")), expected);
    assert_eq!(code(engine.delete_point(&point)), expected);
    assert_eq!(code(engine.hold_point(&point, Some("audit"))), expected);
    assert_eq!(code(engine.create_group("b", group().policy)), expected);
    let change = GroupChange {
        name: Some("b".to_owned()),
        policy: None,
    };
    assert_eq!(code(engine.change_group("default", change)), expected);
    let leaving = ["web01:".to_owned()];
    for stop in [StopProtection::RetainData, StopProtection::DeleteData] {
        assert_eq!(
            code(engine.remove_members("default", &leaving, stop)),
            expected
        );
    }
    assert_eq!(engine.source("web01:").unwrap().state.name(), "ok");
}

#[test]
fn a_pool_that_becomes_read_only_is_told_and_what_is_due_waits_for_it() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    *world.pool.read_only.lock().unwrap() = true;
    world.pass(23);
    tick(&engine, &world);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), [Code::PoolReadOnly]);
    look(&engine, &world);
    refused(&engine, &world, Code::PoolReadOnly);
    assert_eq!(world.worker.backups.lock().unwrap().len(), 1);

    *world.pool.read_only.lock().unwrap() = false;
    tick(&engine, &world);
    tick(&engine, &world);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
    assert_eq!(world.worker.backups.lock().unwrap().len(), 2, "once");
}

#[test]
fn a_server_opens_over_a_read_only_pool_whatever_was_cut_off() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(crate::world::Act::Wait);
    let id = engine.sync("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    let after = world.killed_now();
    world.worker.gate.open();
    engine.close().unwrap();

    *after.pool.read_only.lock().unwrap() = true;
    let engine = after.open();
    let job = engine.job(&id.to_string()).unwrap();
    assert_eq!(job.state, JobState::Interrupted);
    assert_eq!(open_alerts(&engine), [Code::PoolReadOnly]);
    look(&engine, &after);
    tick(&engine, &after);
    assert_eq!(after.worker.backups.lock().unwrap().len(), 0);
    *after.pool.read_only.lock().unwrap() = false;
    tick(&engine, &after);
    assert_eq!(after.worker.backups.lock().unwrap().len(), 1, "repeated");
}

#[test]
fn a_catalog_that_cannot_be_written_is_replaced_by_one_in_memory() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    engine.close().unwrap();
    drop(engine);
    let catalog = world.data.join("catalog.db");
    std::fs::remove_file(&catalog).unwrap();
    std::fs::create_dir(&catalog).unwrap();

    let engine = world.open();
    assert_eq!(open_alerts(&engine), [Code::DataDirectoryUnwritable]);
    look(&engine, &world);
    refused(&engine, &world, Code::DataDirectoryUnwritable);
    drop(engine);
    std::fs::remove_dir(&catalog).unwrap();
    let engine = world.open();
    assert_eq!(open_alerts(&engine), []);
    protect(&engine, &world.folder("a"));
}
