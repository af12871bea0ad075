//! Which point a restore takes, and what it may not do.

use std::path::PathBuf;

use base::fault::Code;
use base::limits;
use engine::jobs::{JobReport, JobState};
use engine::worker::{Destination, OnConflict};
use engine::{Engine, RestoreRequest};

use crate::world::{Act, World, code, over, protect};

fn request(engine: &Engine, which: &str) -> RestoreRequest {
    RestoreRequest {
        point: engine.find_restore_point(which).unwrap().id,
        selection: Vec::new(),
        destination: Destination::Directory(PathBuf::from("/tmp/out")),
        on_conflict: OnConflict::Skip,
    }
}

#[test]
fn a_point_is_found_by_source_id_or_time() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a@b");
    for _ in 0..3 {
        protect(&engine, &folder);
        world.pass(24);
    }
    let points = world.pool.points();
    let find = |text: &str| engine.find_restore_point(text).map(|point| point.id);
    let path = folder.to_str().unwrap();
    assert_eq!(find(path).unwrap(), points[2].id);
    let first = points[0].id.to_string();
    assert_eq!(
        find(&format!("{path}@{}", &first[..12])).unwrap(),
        points[0].id
    );
    assert_eq!(find(&first).unwrap(), points[0].id);
    assert_eq!(find(&format!("{path}@2026-01-02")).unwrap(), points[1].id);
    let noon = format!("{path}@2026-01-01 12:00");
    assert_eq!(find(&noon).unwrap(), points[0].id);
    let early = find(&format!("{path}@2025-12-31")).unwrap_err();
    assert_eq!(early.code, Code::PointNoneSoOld);
    assert!(early.param("oldest").unwrap().starts_with(&first));
    assert_eq!(code(find(&format!("{path}@7777"))), Code::PointUnknown);
    assert_eq!(code(find(&format!("{path}@2026-13-01"))), Code::TimeInvalid);
    assert_eq!(code(find("/nowhere")), Code::SourceUnknown);
}

#[test]
fn a_point_cannot_be_deleted_while_it_is_restored_or_held() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let point = world.pool.points()[0].id.to_string();
    world.act(Act::Wait);
    let job = engine.restore(&request(&engine, "web01:")).unwrap();
    world.worker.gate.await_waiting(1);
    let fault = engine.delete_point(&point).unwrap_err();
    assert_eq!(fault.code, Code::PointInUse);
    assert_eq!(fault.param("job"), Some(job.to_string().as_str()));
    world.worker.gate.open();
    over(&engine, &job);
    engine.wait_idle();

    engine.hold_point(&point, Some("evidence")).unwrap();
    let fault = engine.delete_point(&point).unwrap_err();
    assert_eq!(fault.code, Code::PointHeld);
    assert_eq!(fault.param("reason"), Some("evidence"));
    let long = "x".repeat(limits::HOLD_REASON_CHARS_MAX + 1);
    let refused = engine.hold_point(&point, Some(&long));
    assert_eq!(code(refused), Code::HoldReasonTooLong);
    engine.hold_point(&point, None).unwrap();
    engine.delete_point(&point).unwrap();
    assert_eq!(code(engine.point(&point)), Code::PointUnknown);
    assert_eq!(world.pool.points().len(), 0);
}

#[test]
fn a_selection_lies_below_the_source() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let select = |path: PathBuf| {
        let request = RestoreRequest {
            selection: vec![path],
            ..request(&engine, "web01:")
        };
        engine.restore_plan(&request).map(|plan| plan.entries)
    };
    assert_eq!(select(folder.join("x/y")).unwrap(), 3);
    assert_eq!(select(PathBuf::from("./x")).unwrap(), 3);
    let orders = world.worker.restores.lock().unwrap();
    assert_eq!(orders[0].selection, [PathBuf::from("x/y")]);
    assert_eq!(orders[1].selection, [PathBuf::from("x")]);
    drop(orders);
    assert_eq!(
        code(select(PathBuf::from("/etc"))),
        Code::RestorePathUnknown
    );
    assert_eq!(
        code(select(PathBuf::from("../x"))),
        Code::RestorePathUnknown
    );
}

#[test]
fn nothing_is_restored_into_the_data_directory() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let request = RestoreRequest {
        destination: Destination::Directory(world.data.join("pool/new/deep")),
        ..request(&engine, "web01:")
    };
    assert_eq!(
        code(engine.restore(&request)),
        Code::RestoreTargetInsidePool
    );
}

#[test]
fn a_restore_that_met_damaged_data_is_not_a_plain_success() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Damaged(2));
    let id = engine.restore(&request(&engine, "web01:")).unwrap();
    over(&engine, &id);
    let job = engine.job(&id.to_string()).unwrap();
    assert_eq!(job.state, JobState::SucceededWithWarnings);
    let Some(JobReport::Restore(report)) = job.report else {
        panic!("it was a restore");
    };
    assert_eq!(report.damaged, 2);
}
