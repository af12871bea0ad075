//! Silence is a fault, and it is found apart from those who are silent.

use base::Fault;
use base::fault::Code;
use engine::Health;

use crate::world::{Act, World, open_alerts, protect, tick};

#[test]
fn what_was_due_and_not_started_is_an_alert_that_closes_itself() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    world.pass(23);
    // The scheduler is dead: nobody ticks.
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), [Code::SchedulerNotRunning]);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(engine.alerts(true, 10).unwrap()[0].count, 2);
    tick(&engine, &world);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn health_is_the_age_of_the_newest_point_whatever_jobs_say() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let health = || engine.source("web01:").unwrap().health;
    assert_eq!(health(), Health::Good);
    world.act(Act::Fail(Fault::new(Code::SourceDeviceNotReady)));
    world.pass(22);
    tick(&engine, &world);
    assert_eq!(health(), Health::Good, "a young point is a young point");
    world.pass(9);
    let Health::Late { age, promise } = health() else {
        panic!("{:?}", health());
    };
    assert_eq!((age.as_secs(), promise.as_secs()), (31 * 3600, 30 * 3600));
    engine.look_after(world.env.now()).unwrap();
    assert!(open_alerts(&engine).contains(&Code::SlaMissed));
    protect(&engine, &world.folder("a"));
    tick(&engine, &world);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
}

#[test]
fn a_point_from_a_time_that_is_yet_to_come_keeps_no_promise() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let before = world.env.now();
    world.pass(30 * 24);
    protect(&engine, &world.folder("a"));
    world.handles.clock.set_wall(before);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
    world.pass(31);
    let member = engine.source("web01:").unwrap();
    assert!(matches!(member.health, Health::Late { age, .. } if age.as_secs() == 31 * 3600));
    assert_eq!(
        member.sentence(world.env.now()),
        "Late: the newest recovery point is 1 d 7 h old; 1 d 6 h is promised."
    );
    assert_eq!(member.point_count, 2);
    engine.look_after(world.env.now()).unwrap();
    assert!(open_alerts(&engine).contains(&Code::SlaMissed));
}

#[test]
fn a_member_is_described_in_a_sentence() {
    let world = World::new();
    let engine = world.open();
    world.act(Act::Fail(Fault::new(Code::SourceDeviceNotReady)));
    protect(&engine, &world.folder("a"));
    let sentence = || engine.source("web01:").unwrap().sentence(world.env.now());
    assert_eq!(
        sentence(),
        "No recovery point yet; the first is due in 22 h."
    );
    protect(&engine, &world.folder("a"));
    world.pass(3);
    assert_eq!(
        sentence(),
        "Protected: the newest recovery point is 3 h old."
    );
    world.pass(48);
    assert_eq!(
        sentence(),
        "Late: the newest recovery point is 2 d 3 h old; 1 d 6 h is promised."
    );
}

#[test]
fn a_job_that_shows_life_renews_its_lease_in_the_catalog() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Wait);
    let id = engine.sync("web01:").unwrap().to_string();
    world.worker.gate.await_waiting(1);
    for _ in 0..3 {
        world.pass(1);
        // The worker asks whether it is to stop, again and again.
        let lease = || engine.job(&id).unwrap().lease_until;
        while lease() < world.env.now() {
            std::thread::yield_now();
        }
        engine.look_after(world.env.now()).unwrap();
        assert_eq!(open_alerts(&engine), []);
    }
    // Not only in memory: a kill leaves it written down, and whoever opens next calls the job interrupted at once.
    let kept = loop {
        let killed = world.killed_now();
        let job = killed.open().job(&id).unwrap();
        if job.lease_until > world.env.now() {
            break job;
        }
    };
    assert_eq!(kept.state, engine::jobs::JobState::Interrupted);
    world.worker.gate.open();
    engine.wait_idle();
}

#[test]
fn a_job_that_shows_no_life_is_an_alert() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.act(Act::Wait);
    engine.sync("web01:").unwrap();
    world.worker.gate.await_waiting(1);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(&engine), []);
    // A sign of life is seen only if time passes between two of them; here the worker's clock stood still.
    let later = world.env.now() + jiff::SignedDuration::from_mins(20);
    engine.look_after(later).unwrap();
    assert_eq!(open_alerts(&engine), [Code::JobTimedOut]);
    world.worker.gate.open();
    engine.wait_idle();
    engine.look_after(later).unwrap();
    assert_eq!(open_alerts(&engine), []);
}
