//! What is due is written down before it is due, and runs once.

use base::fault::Code;
use engine::jobs::{Cause, JobKind, JobState};
use engine::scheduler::{Duty, EntryState};
use engine::{Engine, GroupChange, JobQuery};

use crate::world::{Act, World, open_alerts, protect, tick, time};

/// The ledger as text, oldest first.
fn ledger(engine: &Engine) -> Vec<String> {
    let mut lines: Vec<String> = engine
        .ledger(Some("web01:"), 100)
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {:?}", e.duty.name(), e.due, e.state))
        .collect();
    lines.reverse();
    lines
}

fn jobs_by(engine: &Engine, cause: Cause) -> Vec<(JobKind, JobState)> {
    let jobs = engine.jobs(&JobQuery::default()).unwrap();
    let mut found: Vec<_> = jobs
        .iter()
        .filter(|job| job.cause == cause && job.kind.is_exclusive())
        .map(|job| (job.kind, job.state))
        .collect();
    found.reverse();
    found
}

#[test]
fn an_occurrence_stands_in_the_ledger_before_it_is_due_and_runs_once() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    assert_eq!(ledger(&engine), ["point 2026-01-01T22:00:00Z Pending"]);
    assert_eq!(world.pool.points().len(), 1);

    world.pass(22);
    for _ in 0..3 {
        tick(&engine, &world);
    }
    assert_eq!(
        ledger(&engine),
        [
            "point 2026-01-01T22:00:00Z Claimed",
            "point 2026-01-02T22:00:00Z Pending"
        ]
    );
    assert_eq!(world.pool.points().len(), 2);
    let jobs = jobs_by(&engine, Cause::Schedule);
    assert_eq!(jobs, [(JobKind::CreatePoint, JobState::Succeeded)]);
}

#[test]
fn a_kill_between_claim_and_finish_neither_loses_a_run_nor_runs_it_twice() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    world.pass(23);
    world.act(Act::Wait);
    engine.tick(world.env.now()).unwrap();
    world.worker.gate.await_waiting(1);
    let after = world.killed_now();
    world.worker.gate.open();
    engine.close().unwrap();

    let engine = after.open();
    let jobs = jobs_by(&engine, Cause::Schedule);
    assert_eq!(jobs, [(JobKind::CreatePoint, JobState::Interrupted)]);
    for _ in 0..3 {
        tick(&engine, &after);
    }
    assert_eq!(
        jobs_by(&engine, Cause::Retry),
        [(JobKind::CreatePoint, JobState::Succeeded)]
    );
    assert_eq!(after.pool.points().len(), 2);
    let entries = engine.ledger(Some("web01:"), 100).unwrap();
    let claimed: Vec<_> = entries
        .iter()
        .filter(|e| e.state == EntryState::Claimed)
        .collect();
    let retried = engine.job(&claimed[0].job.unwrap().to_string()).unwrap();
    assert_eq!((claimed.len(), retried.state), (1, JobState::Succeeded));
}

#[test]
fn a_job_that_is_cut_off_twice_is_not_repeated_for_ever() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    world.pass(23);
    world.act(Act::Wait);
    engine.tick(world.env.now()).unwrap();
    world.worker.gate.await_waiting(1);
    // A stop in order interrupts as well.
    engine.close().unwrap();
    drop(engine);

    let engine = world.open();
    world.act(Act::Wait);
    engine.tick(world.env.now()).unwrap();
    world.worker.gate.await_waiting(2);
    engine.close().unwrap();
    drop(engine);

    let engine = world.open();
    tick(&engine, &world);
    assert_eq!(
        jobs_by(&engine, Cause::Retry),
        [(JobKind::CreatePoint, JobState::Interrupted)]
    );
}

#[test]
fn a_server_that_was_off_for_five_days_makes_one_run_for_each_member() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    protect(&engine, &world.folder("b"));
    tick(&engine, &world);
    engine.close().unwrap();
    drop(engine);

    world.pass(5 * 24);
    let engine = world.open();
    tick(&engine, &world);
    tick(&engine, &world);
    assert_eq!(jobs_by(&engine, Cause::Schedule).len(), 2);
    let entries = engine.ledger(Some("web01:"), 100);
    assert!(entries.is_err(), "two members begin so");
    for member in engine.status().unwrap().members {
        let entries = engine.ledger(Some(&member.address), 100).unwrap();
        let count = |state| entries.iter().filter(|e| e.state == state).count();
        assert_eq!(count(EntryState::Claimed), 1);
        assert_eq!(count(EntryState::Covered), 4);
        assert_eq!(count(EntryState::Pending), 1);
    }
}

#[test]
fn what_is_due_waits_for_the_job_on_its_replica() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    world.act(Act::Wait);
    engine.sync("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    world.pass(23);
    engine.tick(world.env.now()).unwrap();
    assert!(ledger(&engine)[0].ends_with("Pending"));
    engine.look_after(world.env.now()).unwrap();
    assert!(!open_alerts(&engine).contains(&Code::SchedulerNotRunning));

    world.worker.gate.open();
    engine.wait_idle();
    tick(&engine, &world);
    assert!(ledger(&engine)[0].ends_with("Claimed"));
}

#[test]
fn another_schedule_plans_the_future_anew() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    let mut policy = engine.group("default").unwrap().policy;
    policy.points = base::schedule::Schedule::parse("06:00,18:00", policy.zone().clone()).unwrap();
    policy.sync = "6h".parse().unwrap();
    let change = GroupChange {
        policy: Some(policy),
        ..GroupChange::default()
    };
    engine.change_group("default", change).unwrap();
    tick(&engine, &world);
    let points: Vec<String> = ledger(&engine)
        .into_iter()
        .filter(|line| line.starts_with("point"))
        .collect();
    assert_eq!(
        points,
        [
            "point 2026-01-01T06:00:00Z Pending",
            "point 2026-01-01T18:00:00Z Pending"
        ]
    );
    // At six both a point and a synchronization are due: one job is both.
    world.pass(6);
    tick(&engine, &world);
    tick(&engine, &world);
    assert_eq!(
        jobs_by(&engine, Cause::Schedule),
        [(JobKind::CreatePoint, JobState::Succeeded)]
    );
    world.pass(6);
    tick(&engine, &world);
    assert_eq!(
        jobs_by(&engine, Cause::Schedule)[1],
        (JobKind::Synchronize, JobState::Succeeded)
    );
}

#[test]
fn a_clock_that_jumps_ahead_and_back_delays_nothing() {
    let ahead = [
        "2026-01-02T00:30:00Z",
        "2026-01-08T04:00:00Z",
        "2026-01-31T04:00:00Z",
        "2031-05-05T12:00:00Z",
    ];
    for ahead in ahead {
        let world = World::new();
        let engine = world.open();
        protect(&engine, &world.folder("a"));
        world.pass(4);
        tick(&engine, &world);
        let before = world.env.now();
        world.handles.clock.set_wall(time(ahead));
        tick(&engine, &world);
        tick(&engine, &world);
        assert_eq!(jobs_by(&engine, Cause::Schedule).len(), 1, "{ahead}");

        world.handles.clock.set_wall(before);
        tick(&engine, &world);
        world.pass(19);
        tick(&engine, &world);
        assert_eq!(jobs_by(&engine, Cause::Schedule).len(), 2, "{ahead}");
        let own = engine.ledger(None, 10).unwrap();
        let next = own.iter().filter(|e| e.state == EntryState::Pending);
        let next: Vec<_> = next.map(|e| e.due).collect();
        assert_eq!(next, [time("2026-01-02T03:30:00Z")], "{ahead}");
    }
}

#[test]
fn a_clock_that_goes_back_by_a_little_repeats_nothing() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    world.pass(22);
    tick(&engine, &world);
    world.handles.clock.set_wall(time("2026-01-01T21:59:30Z"));
    tick(&engine, &world);
    world.pass(1);
    tick(&engine, &world);
    assert_eq!(jobs_by(&engine, Cause::Schedule).len(), 1);
}

#[test]
fn what_is_protected_while_the_clock_is_ahead_does_not_wait_for_that_time() {
    let world = World::new();
    let engine = world.open();
    let before = world.env.now();
    world.handles.clock.set_wall(time("2026-02-01T00:00:00Z"));
    protect(&engine, &world.folder("a"));
    world.handles.clock.set_wall(before);
    tick(&engine, &world);
    world.pass(23);
    tick(&engine, &world);
    assert_eq!(jobs_by(&engine, Cause::Schedule).len(), 1);
}

#[test]
fn a_day_that_skips_or_repeats_the_hour_has_one_run() {
    let world = World::in_zone("Europe/Berlin");
    world.handles.clock.set_wall(time("2026-03-28T12:00:00Z"));
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let mut policy = engine.group("default").unwrap().policy;
    policy.points = base::schedule::Schedule::parse("02:30", policy.zone().clone()).unwrap();
    let change = GroupChange {
        policy: Some(policy),
        ..GroupChange::default()
    };
    engine.change_group("default", change).unwrap();
    for _ in 0..(3 * 24) {
        tick(&engine, &world);
        world.pass(1);
    }
    let mut lines = ledger(&engine);
    world.handles.clock.set_wall(time("2026-10-24T12:00:00Z"));
    tick(&engine, &world);
    for _ in 0..(2 * 24) {
        tick(&engine, &world);
        world.pass(1);
    }
    lines.extend(ledger(&engine));
    let on = |day: &str| {
        let on_day = lines.iter().filter(|line| line.contains(day));
        on_day.cloned().collect::<Vec<_>>()
    };
    // The clock goes from 02:00 to 03:00 (01:00Z): half past two is half past three.
    assert_eq!(on("2026-03-29"), ["point 2026-03-29T01:30:00Z Claimed"]);
    assert_eq!(on("2026-03-30"), ["point 2026-03-30T00:30:00Z Claimed"]);
    // It goes from 03:00 back to 02:00 (01:00Z): the first half past two.
    assert_eq!(on("2026-10-25"), ["point 2026-10-25T00:30:00Z Claimed"]);
    assert_eq!(on("2026-10-26"), ["point 2026-10-26T01:30:00Z Claimed"]);
}

#[test]
fn the_servers_own_round_stands_in_the_ledger_too() {
    let world = World::new();
    let engine = world.open();
    tick(&engine, &world);
    world.pass(4);
    tick(&engine, &world);
    let own = engine.ledger(None, 10).unwrap();
    assert_eq!(own.last().unwrap().duty, Duty::Expire);
    assert_eq!(own.last().unwrap().state, EntryState::Claimed);
}
