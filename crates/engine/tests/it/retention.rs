//! Points go when their time is over, and not before.

use std::sync::Arc;

use base::fault::Code;
use base::{Fault, Timestamp};
use engine::jobs::{Cause, Job, JobKind, JobState};
use engine::model::Policy;
use engine::worker::{Destination, OnConflict};
use engine::{Engine, Expiring, GroupChange, JobQuery, PolicyChange, RestoreRequest};

use crate::world::{World, code, protect, tick, time};

fn days(world: &World) -> Vec<String> {
    let points = world.pool.points();
    let day = |at: Timestamp| at.strftime("%m-%d").to_string();
    points.iter().map(|point| day(point.at)).collect()
}

fn keep(engine: &Engine, keep_days: u32, weekly: u32) {
    let mut policy = engine.group("default").unwrap().policy;
    policy.retention.keep_days = keep_days;
    policy.retention.weekly = weekly;
    policy.retention.monthly = 0;
    let change = GroupChange {
        policy: Some(policy),
        ..GroupChange::default()
    };
    engine.change_group("default", change).unwrap();
}

/// Lets days pass, with a look of the scheduler every six hours.
fn live(engine: &Engine, world: &World, day_count: u32) {
    for _ in 0..day_count * 4 {
        world.pass(6);
        tick(engine, world);
    }
}

#[test]
fn a_month_of_nights_leaves_days_and_weeks() {
    let world = World::new();
    // A Thursday, one minute past ten: points are made at the tick that finds them due.
    world.handles.clock.set_wall(time("2026-01-01T22:01:00Z"));
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    keep(&engine, 3, 2);
    tick(&engine, &world);
    live(&engine, &world, 30);
    // Every point of the last three days; the Sundays (newest of their weeks) of the two weeks before.
    assert_eq!(
        days(&world),
        ["01-18", "01-25", "01-28", "01-29", "01-30", "01-31"]
    );
}

#[test]
fn the_newest_point_and_held_ones_stay_for_ever() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let held = world.pool.points()[0].id.to_string();
    engine.hold_point(&held, Some("evidence")).unwrap();
    world.pass(24);
    protect(&engine, &folder);
    world.pass(24);
    protect(&engine, &folder);
    keep(&engine, 1, 0);
    world.pass(24 * 400);
    assert_eq!(engine.point(&held).unwrap().expires, Expiring::Never);
    let newest = world.pool.points()[2].id.to_string();
    let view = engine.point(&newest).unwrap();
    assert_eq!(view.expires, Expiring::WhenNotNewest);
    // The point due meanwhile would be the newest; without it only the round of the server goes.
    world.act(crate::world::Act::Fail(Fault::new(Code::SourcePathMissing)));
    tick(&engine, &world);
    world.pass(24);
    world.act(crate::world::Act::Fail(Fault::new(Code::SourcePathMissing)));
    tick(&engine, &world);
    assert_eq!(days(&world), ["01-01", "01-03"]);
}

#[test]
fn points_expire_by_the_pools_clock_not_by_the_wall_clock() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    keep(&engine, 1, 0);
    let year = 24 * 365;
    *world.pool.retention_lag.lock().unwrap() = std::time::Duration::from_secs(year * 3600);
    world.pass(year);
    protect(&engine, &folder);
    assert_eq!(world.pool.points().len(), 2);
    *world.pool.retention_lag.lock().unwrap() = std::time::Duration::ZERO;
    world.pass(1);
    protect(&engine, &folder);
    assert_eq!(days(&world), ["01-01", "01-01"], "of 2027");
}

#[test]
fn a_point_shows_when_it_expires() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    keep(&engine, 14, 0);
    let views = engine.points(Some("web01:")).unwrap();
    assert_eq!(views[0].expires, Expiring::At(time("2026-01-16T00:00:00Z")));
}

#[test]
fn a_point_that_was_deleted_cannot_be_read_although_it_was_a_moment_ago() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let first = engine.points(None).unwrap().remove(0).point;
    let id = first.id.to_string();
    for _ in 0..2 {
        assert_eq!(engine.point_to_read(&id).unwrap(), first);
        assert_eq!(engine.point_to_read(&id[..20]).unwrap(), first);
    }
    world.pass(1);
    protect(&engine, &world.folder("a"));
    assert_eq!(engine.point_to_read(&id).unwrap(), first);
    engine.delete_point(&id).unwrap();
    for text in [id.as_str(), &id[..20]] {
        let fault = engine.point_to_read(text).unwrap_err();
        assert_eq!(fault.code, Code::PointUnknown);
    }
}

/// A server with two points of which the older one goes at the next round of the server.
fn with_an_old_point() -> (Arc<World>, Engine) {
    let world = Arc::new(World::new());
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    keep(&engine, 1, 0);
    tick(&engine, &world);
    world.pass(24);
    // The newest one of all always stays.
    protect(&engine, &folder);
    world.pass(3 * 24);
    world.act(crate::world::Act::Fail(Fault::new(Code::SourcePathMissing)));
    assert_eq!(days(&world), ["01-01", "01-02"]);
    (world, engine)
}

fn expiry_jobs(engine: &Engine) -> Vec<Job> {
    let mut jobs = engine.jobs(&JobQuery::default()).unwrap();
    jobs.retain(|job| job.kind == JobKind::Expire);
    jobs
}

#[test]
fn what_is_decided_while_points_expire_counts() {
    let (world, engine) = with_an_old_point();
    let (held, beside) = (world.pool.points()[0].id.to_string(), engine.clone());
    world.pool.on_clock.set(move || {
        beside.hold_point(&held, Some("evidence")).unwrap();
    });
    tick(&engine, &world);
    assert_eq!(days(&world), ["01-01", "01-02"], "it is held");

    let (world, engine) = with_an_old_point();
    let beside = engine.clone();
    world.pool.on_clock.set(move || keep(&beside, 365, 0));
    tick(&engine, &world);
    assert_eq!(days(&world), ["01-01", "01-02"], "it is kept for longer");

    let (world, engine) = with_an_old_point();
    let (newest, beside) = (world.pool.points()[1].id.to_string(), engine.clone());
    world.pool.on_clock.set(move || {
        beside.delete_point(&newest).unwrap();
    });
    tick(&engine, &world);
    assert_eq!(days(&world), ["01-01"], "it is the newest one now");
}

#[test]
fn expiry_stops_when_it_shall() {
    let (world, engine) = with_an_old_point();
    let beside = engine.clone();
    world.pool.on_clock.set(move || {
        let job = expiry_jobs(&beside).remove(0);
        assert_eq!(job.state, JobState::Running);
        beside.cancel_job(&job.id.to_string()).unwrap();
    });
    tick(&engine, &world);
    assert_eq!(expiry_jobs(&engine)[0].state, JobState::Cancelled);
    assert_eq!(days(&world), ["01-01", "01-02"]);
}

#[test]
fn expiry_that_was_cut_off_is_repeated_once() {
    let (world, engine) = with_an_old_point();
    let (send, receive) = std::sync::mpsc::channel();
    let beside = world.clone();
    world.pool.on_clock.set(move || {
        send.send(beside.killed_now()).unwrap();
    });
    tick(&engine, &world);
    let killed = receive.recv().unwrap();
    let engine = killed.open();
    killed.act(crate::world::Act::Fail(Fault::new(Code::SourcePathMissing)));
    tick(&engine, &killed);
    tick(&engine, &killed);
    let jobs = expiry_jobs(&engine);
    let jobs: Vec<_> = jobs.iter().map(|job| (job.cause, job.state)).collect();
    assert_eq!(
        jobs,
        [
            (Cause::Retry, JobState::Succeeded),
            (Cause::Schedule, JobState::Interrupted)
        ]
    );
    assert_eq!(days(&killed), ["01-02"]);
}

#[test]
fn nobody_begins_to_read_a_point_that_was_just_deleted() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let point = world.pool.points()[0].id;
    let (beside, deleting) = (engine.clone(), engine.clone());
    let request = RestoreRequest {
        point,
        selection: Vec::new(),
        destination: Destination::Original,
        on_conflict: OnConflict::Skip,
    };
    let begun = world
        .pool
        .on_follow
        .set_beside(move || beside.restore_plan(&request).map(drop));
    deleting.delete_point(&point.to_string()).unwrap();
    assert_eq!(code(begun.recv().unwrap()), Code::PointUnknown);
}

fn keep_days(days: u32) -> impl Fn(Policy) -> Result<Policy, Fault> {
    move |mut policy| {
        policy.retention.keep_days = days;
        Ok(policy)
    }
}

#[test]
fn a_change_of_policy_says_what_goes_by_it_and_takes_that_alone() {
    let world = World::new();
    let engine = world.open();
    let (a, b) = (world.folder("a"), world.folder("b"));
    protect(&engine, &a);
    keep(&engine, 30, 0);
    live(&engine, &world, 10);
    protect(&engine, &b);
    let before = world.pool.points();
    engine
        .hold_point(&before[2].id.to_string(), Some("case 7"))
        .unwrap();
    let policy = engine.group("default").unwrap().policy;
    let set = |days: u32, mode| engine.change_policy("default", keep_days(days), mode);

    let (thought, expiries) = set(5, PolicyChange::Preview).unwrap();
    assert_eq!(thought.policy.retention.keep_days, 5);
    assert_eq!(
        engine.group("default").unwrap().policy,
        policy,
        "nothing was changed"
    );
    let [expiry] = &expiries[..] else {
        panic!("{expiries:?}");
    };
    assert!(expiry.address.ends_with("/a"), "{}", expiry.address);
    let mut old: Vec<_> = before
        .iter()
        .filter(|p| p.at < before[5].at)
        .cloned()
        .collect();
    old.retain(|point| point.id != before[2].id);
    assert_eq!(expiry.points[..old.len()], old);
    let refused = set(5, PolicyChange::Harmless).unwrap_err();
    assert_eq!(refused.code, Code::PointsWouldExpire);
    let count = expiry.points.len().to_string();
    assert_eq!(refused.param("count"), Some(&*count));
    assert_eq!(engine.group("default").unwrap().policy, policy);
    // What takes nothing is nobody's question.
    assert_eq!(set(20, PolicyChange::Harmless).unwrap().1, []);
    assert_eq!(
        engine.group("default").unwrap().policy.retention.keep_days,
        20
    );

    let (_, gone) = set(5, PolicyChange::Any).unwrap();
    assert_eq!(gone, expiries);
    // What goes anyway by the policy in force is not the next change's.
    let faster = |mut policy: Policy| {
        policy.sync = "4h".parse()?;
        Ok(policy)
    };
    let (_, none) = engine
        .change_policy("default", faster, PolicyChange::Harmless)
        .unwrap();
    assert_eq!(none, []);
    protect(&engine, &a);
    let left = world.pool.points();
    for point in &before {
        let goes = expiries[0].points.contains(point);
        assert_eq!(!left.contains(point), goes, "{point:?}");
    }
}

#[test]
fn what_is_not_protected_loses_nothing_by_a_change_of_policy() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    keep(&engine, 30, 0);
    live(&engine, &world, 10);
    engine.stop_all_members().unwrap();
    let change = engine.change_policy("default", keep_days(1), PolicyChange::Harmless);
    assert_eq!(change.unwrap().1, []);
}

#[test]
fn after_all_members_are_stopped_nothing_is_made_and_nothing_expires() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    protect(&engine, &world.folder("b"));
    keep(&engine, 1, 0);
    live(&engine, &world, 1);
    let before = world.pool.points();
    let grouped = engine.stop_all_members().unwrap();
    let groups: Vec<&str> = grouped.iter().map(|(_, group)| &**group).collect();
    assert_eq!(groups, ["default", "default"]);
    live(&engine, &world, 60);
    assert_eq!(world.pool.points(), before);
    assert_eq!(
        engine.stop_all_members().unwrap(),
        grouped,
        "again is the same"
    );

    // Where somebody says so the protection goes on, and nowhere else.
    let resumed = protect(&engine, &world.folder("a")).source.id;
    live(&engine, &world, 3);
    let is_of_other = |point: &engine::pool::Point| point.source != resumed;
    let of_other = |points: Vec<engine::pool::Point>| {
        let points = points.into_iter().filter(is_of_other);
        points.collect::<Vec<_>>()
    };
    assert_eq!(of_other(world.pool.points()), of_other(before.clone()));
    assert!(
        !before
            .iter()
            .any(|p| !is_of_other(p) && world.pool.points().contains(p))
    );
}
