//! Jobs: how they end, and what follows from it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Fault;
use base::fault::Code;
use engine::jobs::{Cause, JobKind, JobReport, JobSpec, JobState, Step};
use engine::pool::VerifyOrder;
use engine::replica::{Doubt, State};
use engine::{JobQuery, StopProtection};

use crate::world::{Act, World, code, open_alerts, over, protect, tick};

#[test]
fn the_first_job_creates_the_replica_and_later_ones_make_points() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    let first = engine
        .job(&protect(&engine, &folder).job.to_string())
        .unwrap();
    assert_eq!(
        (first.kind, first.state),
        (JobKind::Protect, JobState::Succeeded)
    );
    assert_eq!(first.progress.bytes_done, 100);
    assert_eq!(first.steps[0].step, Step::Prepare);
    assert!(first.steps[0].ended_at.is_some());
    let again = protect(&engine, &folder);
    assert!(!again.group_created);
    let second = engine.job(&again.job.to_string()).unwrap();
    assert_eq!(second.kind, JobKind::CreatePoint);
    let orders = world.worker.backups.lock().unwrap();
    assert_eq!(orders[0].previous, None);
    assert_eq!(orders[1].previous, Some(world.pool.points()[0].root));
    let id = again.source.id;
    assert_eq!(
        orders[1].address,
        format!("web01:files{}", folder.display())
    );
    assert_eq!(world.pool.points()[1].source, id);
    assert_eq!(world.pool.points()[1].group, "default");
}

#[test]
fn warnings_are_counted_kept_within_bounds_and_told() {
    let world = World::new();
    let engine = world.open();
    world.act(Act::Warn(2500));
    let job = protect(&engine, &world.folder("a")).job;
    let job = engine.job(&job.to_string()).unwrap();
    assert_eq!(job.state, JobState::SucceededWithWarnings);
    assert_eq!((job.warning_count, job.warnings.len()), (2500, 1000));
    assert_eq!(job.warnings[7].path.to_str(), Some("f7"));
    assert_eq!(open_alerts(&engine), [Code::ProtectionWarnings]);
    protect(&engine, &world.folder("a"));
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn a_failure_is_kept_with_its_fault_and_its_alert_closes_when_it_is_over() {
    let world = World::new();
    let engine = world.open();
    let full = Fault::new(Code::PoolFull)
        .with("path", "/pool")
        .with("free", "0")
        .because(std::io::Error::from_raw_os_error(28));
    world.act(Act::Fail(full));
    let job = protect(&engine, &world.folder("a")).job;
    let job = engine.job(&job.to_string()).unwrap();
    let fault = job.fault.unwrap();
    assert_eq!((job.state, fault.code), (JobState::Failed, Code::PoolFull));
    assert_eq!(fault.param("path"), Some("/pool"));
    assert!(fault.source.unwrap().to_string().contains("No space left"));
    assert_eq!(open_alerts(&engine), [Code::MemberFailed]);
    assert_eq!(engine.source("web01:").unwrap().state.name(), "pending");
    protect(&engine, &world.folder("a"));
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn a_worker_that_panics_fails_its_job_and_nothing_else() {
    let world = World::new();
    let engine = world.open();
    world.act(Act::Panic);
    let job = protect(&engine, &world.folder("a")).job;
    let job = engine.job(&job.to_string()).unwrap();
    assert_eq!(job.fault.unwrap().code, Code::Internal);
    protect(&engine, &world.folder("a"));
    assert_eq!(world.pool.points().len(), 1);
}

#[test]
fn one_job_at_a_time_works_on_a_replica() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Wait);
    let first = engine.sync("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    let fault = engine.create_point("web01:").unwrap_err();
    assert_eq!(fault.code, Code::ReplicaBusy);
    assert_eq!(fault.param("job"), Some(first.to_string().as_str()));
    world.worker.gate.open();
    assert_eq!(over(&engine, &first).state, JobState::Succeeded);
    engine.create_point("web01:").unwrap();
}

#[test]
fn a_cancelled_job_stops_and_leaves_no_point() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Wait);
    let id = engine.create_point("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    engine.cancel_job(&id.to_string()).unwrap();
    let job = over(&engine, &id);
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(world.pool.points().len(), 1);
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn a_watcher_sees_a_job_move() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Wait);
    let id = engine.sync("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    let mut watch = engine.watch(&id).unwrap();
    assert_eq!(watch.job().state, JobState::Running);
    assert!(!watch.wait(Duration::ZERO), "nothing has moved since");
    world.worker.gate.open();
    while !watch.job().state.is_over() {
        watch.wait(Duration::from_secs(60));
    }
    assert!(matches!(watch.job().report, Some(JobReport::Backup(_))));
    let unfinished = JobQuery {
        unfinished: true,
        ..JobQuery::default()
    };
    engine.wait_idle();
    assert_eq!(engine.jobs(&unfinished).unwrap().len(), 0);
}

#[test]
fn a_job_is_found_by_a_prefix_and_an_unknown_one_is_said_so() {
    let world = World::new();
    let engine = world.open();
    let id = protect(&engine, &world.folder("a")).job;
    assert_eq!(engine.job(&id.to_string()[..10]).unwrap().id, id);
    assert_eq!(code(engine.job("zzzz")), Code::JobUnknown);
    assert_eq!(code(engine.job("")), Code::JobUnknown);
}

#[test]
fn damage_makes_a_replica_inconsistent_and_the_scheduler_mends_it() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let damaged = || Act::Fail(Fault::new(Code::ChunkDamaged));
    world.act(damaged());
    let id = engine.sync("web01:").unwrap();
    assert_eq!(over(&engine, &id).state, JobState::Failed);
    engine.wait_idle();
    assert_eq!(
        engine.source("web01:").unwrap().state.name(),
        "inconsistent"
    );
    assert!(open_alerts(&engine).contains(&Code::ReplicaInconsistent));

    // The doubt is in the log: losing the catalog does not lose it.
    engine.close().unwrap();
    drop(engine);
    std::fs::remove_file(world.data.join("catalog.db")).unwrap();
    let engine = world.open();
    assert_eq!(
        engine.source("web01:").unwrap().state.name(),
        "inconsistent"
    );

    // Even the check cannot read the replica: it is made anew from a full read.
    world.act(damaged());
    tick(&engine, &world);
    let jobs = engine.jobs(&JobQuery::default()).unwrap();
    let mended: Vec<_> = jobs
        .iter()
        .filter(|job| job.cause == Cause::SelfHeal)
        .collect();
    assert_eq!((mended.len(), mended[0].kind), (1, JobKind::Check));
    assert_eq!(engine.source("web01:").unwrap().state.name(), "ok");
    let orders = world.worker.backups.lock().unwrap();
    assert_eq!(orders.last().unwrap().previous, None);
    assert!(!open_alerts(&engine).contains(&Code::ReplicaInconsistent));
}

#[test]
fn a_check_that_fails_is_not_repeated_at_once() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Fail(Fault::new(Code::TreeDamaged)));
    over(&engine, &engine.sync("web01:").unwrap());
    engine.wait_idle();
    let unreadable = || Act::Fail(Fault::new(Code::SourceDeviceNotReady));
    world.act(unreadable());
    tick(&engine, &world);
    tick(&engine, &world);
    assert_eq!(world.worker.checks.lock().unwrap().len(), 1);
    world.pass(2);
    tick(&engine, &world);
    assert_eq!(world.worker.checks.lock().unwrap().len(), 2);
    assert_eq!(engine.source("web01:").unwrap().state.name(), "ok");
}

#[test]
fn a_check_whose_end_was_not_written_down_keeps_nothing_from_going_on() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let state = || engine.source("web01:").unwrap().state;
    world.act(Act::Panic);
    over(&engine, &engine.check("web01:").unwrap());
    assert_eq!(state().name(), "checking");
    let id = engine.sync("web01:").unwrap();
    assert_eq!(over(&engine, &id).state, JobState::Succeeded);
    assert_eq!(state().name(), "ok");

    // What it was doubted for is not forgotten: after a pause everything is still to be read.
    let all = ["web01:".to_owned()];
    let stop = StopProtection::RetainData;
    engine.remove_members("default", &all, stop).unwrap();
    engine.add_members("default", &all).unwrap();
    world.act(Act::Panic);
    protect(&engine, &folder);
    assert_eq!(state(), State::Checking(Some(Doubt::Paused)));
    protect(&engine, &folder);
    let orders = world.worker.backups.lock().unwrap();
    assert!(orders.last().unwrap().read_unchanged);
    assert_eq!(state().name(), "ok");
    drop(orders);

    // One that is doubted for something else is checked again by itself.
    world.act(Act::Fail(Fault::new(Code::TreeDamaged)));
    over(&engine, &engine.sync("web01:").unwrap());
    engine.wait_idle();
    world.act(Act::Panic);
    tick(&engine, &world);
    assert_eq!(state(), State::Checking(Some(Doubt::Damaged)));
    world.pass(2);
    tick(&engine, &world);
    assert_eq!(state().name(), "ok");
}

#[test]
fn a_replica_is_as_new_as_the_synchronization_that_found_nothing_changed() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let synced_at = || engine.source("web01:").unwrap().replica.unwrap().synced_at;
    assert_eq!(synced_at(), world.env.now());
    world.pass(1);
    world.act(Act::Fail(Fault::new(Code::SourceDeviceNotReady)));
    over(&engine, &engine.sync("web01:").unwrap());
    assert!(synced_at() < world.env.now());
    world.act(Act::Nothing);
    over(&engine, &engine.sync("web01:").unwrap());
    assert_eq!(synced_at(), world.env.now());
}

#[test]
fn there_is_nothing_to_check_before_the_first_copy() {
    let world = World::new();
    let engine = world.open();
    world.act(Act::Fail(Fault::new(Code::PoolFull)));
    protect(&engine, &world.folder("a"));
    assert_eq!(code(engine.check("web01:")), Code::ReplicaMissing);
}

#[test]
fn what_a_check_repairs_is_told_and_so_is_a_pool_with_unreadable_packs() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let unreadable = || world.pool.unreadable.lock().unwrap();
    unreadable().extend(["7f".to_owned(), "80".to_owned()]);
    world.act(Act::Damaged(3));
    let job = over(&engine, &engine.check("web01:").unwrap());
    assert_eq!(job.state, JobState::SucceededWithWarnings);
    let Some(JobReport::Check(report)) = job.report else {
        panic!("it was a check");
    };
    assert_eq!((report.differences, job.warning_count), (3, 0));
    assert_eq!(open_alerts(&engine), [Code::PackDamaged]);
    let alert = engine.alerts(true, 1).unwrap().remove(0);
    assert_eq!(alert.fault.param("pack"), Some("7f"));
    assert_eq!(engine.status().unwrap().pool.unreadable_packs, 2);
    assert_eq!(engine.source("web01:").unwrap().state.name(), "ok");

    unreadable().clear();
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn verifying_the_pool_tells_what_is_damaged_and_which_points_that_hurts() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let verified = || {
        let job = over(
            &engine,
            &engine.verify_pool(VerifyOrder::default(), None).unwrap(),
        );
        let Some(JobReport::Verified(report)) = &job.report else {
            panic!("it verified");
        };
        (job.state, report.clone(), job.warnings)
    };
    let (state, report, _) = verified();
    assert_eq!(state, JobState::Succeeded);
    assert_eq!((report.packs, report.bytes, report.points), (2, 20, 1));
    world.pool.unreadable.lock().unwrap().push("7f".to_owned());
    let (state, report, warnings) = verified();
    assert_eq!(state, JobState::SucceededWithWarnings);
    assert_eq!((report.damaged, report.points_hurt.len()), (1, 1));
    // The pack, and the point, at the path of its source.
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].reason.contains("7f"), "{warnings:?}");
    assert_eq!(warnings[1].path, world.folder("a"));
    assert_eq!(open_alerts(&engine), [Code::PackDamaged]);
}

#[test]
fn garbage_collection_tells_its_steps_and_what_it_gave_back() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    for dry_run in [true, false] {
        let job = over(&engine, &engine.collect_garbage(dry_run).unwrap());
        let Some(JobReport::Collected(report)) = &job.report else {
            panic!("it collected");
        };
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!((report.dry_run, report.freed_bytes), (dry_run, 20));
        let steps: Vec<_> = job.steps.iter().map(|run| run.step.name()).collect();
        assert_eq!(steps, ["prepare", "mark", "wait", "free"]);
    }
}

#[test]
fn a_verification_that_was_interrupted_is_gone_on_with() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let start = |order| engine.verify_pool(order, None).unwrap();
    let since = |id: &base::JobId| match over(&engine, id).spec {
        JobSpec::Verify { order, .. } => order.since,
        spec => panic!("{spec:?}"),
    };
    let began = start(VerifyOrder::default());
    assert_eq!(since(&began), None);
    world.pool.stop_reading.store(true, Ordering::SeqCst);
    world.pass(1);
    let cut = start(VerifyOrder::default());
    assert_eq!(over(&engine, &cut).state, JobState::Failed);
    world.pool.stop_reading.store(false, Ordering::SeqCst);
    world.pass(1);
    // A part of the pool is another matter.
    let sample = VerifyOrder {
        percent: Some(3.0),
        ..VerifyOrder::default()
    };
    assert_eq!(since(&start(sample)), None);
    let next = start(VerifyOrder::default());
    assert_eq!(since(&next), over(&engine, &cut).started_at);
    assert_eq!(since(&start(VerifyOrder::default())), None);
}
