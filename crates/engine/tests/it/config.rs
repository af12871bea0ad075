//! Configuration through the log and back, and who may be configured how.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use base::fault::Code;
use base::schedule::{self, Schedule};
use base::{Fault, Lang, retention};
use engine::model::{FileOptions, Policy};
use engine::pool::Change;
use engine::{GroupChange, PolicyChange, ProtectRequest, StopProtection};

use crate::world::{Act, World, code, open_alerts, protect};

fn odd_policy() -> Policy {
    let zone = schedule::zone("Asia/Tokyo").unwrap();
    Policy {
        points: Schedule::parse("mon-fri 12:00,22:30", zone.clone()).unwrap(),
        sync: "15m".parse().unwrap(),
        retention: retention::Policy {
            keep_days: 3,
            daily: 30,
            weekly: 9,
            monthly: 0,
            yearly: 7,
        },
        check_on_inconsistency: false,
        check: Some(Schedule::parse("sat 04:00", zone).unwrap()),
        promise: Some(Duration::from_secs(7200)),
    }
}

#[test]
fn everything_configured_reads_back_from_the_log_alone() {
    let world = World::new();
    let engine = world.open();
    engine.create_group("Web 土蔵", odd_policy()).unwrap();
    let odd_name = OsString::from_vec(b"caf\xe9\n".to_vec());
    let folder = world.dir.path().join(odd_name);
    std::fs::create_dir(&folder).unwrap();
    let request = ProtectRequest {
        paths: vec![folder, world.folder("a")],
        group: Some("Web 土蔵".to_owned()),
        options: Some(FileOptions {
            excludes: vec!["*.tmp".to_owned()],
            exclude_if_present: vec![".nobackup".to_owned()],
            exclude_caches: true,
            one_file_system: true,
        }),
    };
    engine.protect(&request).unwrap();
    engine.wait_idle();
    let point = engine.points(None).unwrap()[0].point.id;
    engine
        .hold_point(&point.to_string(), Some("evidence"))
        .unwrap();
    let before = engine.inventory();
    engine.close().unwrap();
    drop(engine);
    std::fs::remove_file(world.data.join("catalog.db")).unwrap();

    let engine = world.open();
    assert_eq!(engine.inventory(), before);
    assert_eq!(engine.group("Web 土蔵").unwrap().policy, odd_policy());
    assert!(engine.point(&point.to_string()).unwrap().hold.is_some());
}

#[test]
fn a_document_of_a_newer_version_is_refused_not_guessed_at() {
    let world = World::new();
    let engine = world.open();
    engine.close().unwrap();
    drop(engine);
    world.pool.append(Change::Config {
        kind: "group".to_owned(),
        id: "0".repeat(26),
        json: Some(br#"{"v":2,"name":"x"}"#.to_vec()),
    });
    assert_eq!(code(world.try_open()), Code::CatalogVersionNewer);
}

#[test]
fn a_document_of_a_kind_that_is_not_known_is_left_alone() {
    let world = World::new();
    world.pool.append(Change::Config {
        kind: "holiday".to_owned(),
        id: "1".to_owned(),
        json: Some(br#"{"v":9}"#.to_vec()),
    });
    world.pool.append(Change::Config {
        kind: "setting".to_owned(),
        id: "0".repeat(26),
        json: Some(br#"{"v":1,"setting":"of-tomorrow","x":1}"#.to_vec()),
    });
    world.open();
}

#[test]
fn the_standard_policy_is_one_sentence() {
    let world = World::in_zone("Europe/Berlin");
    let engine = world.open();
    let policy = engine.standard_policy();
    assert_eq!(
        policy.sentence(Lang::En),
        "One recovery point every night at 22:00 (Europe/Berlin), kept for 14 days, one a week for 8 weeks, \
         one a month for 12 months."
    );
    assert_eq!(
        policy.promise(world.env.now()),
        Duration::from_secs(30 * 3600)
    );
}

#[test]
fn groups_are_made_renamed_and_removed_when_empty() {
    let world = World::new();
    let engine = world.open();
    let standard = engine.standard_policy();
    engine.create_group("One", standard.clone()).unwrap();
    let taken = engine.create_group("One", standard.clone());
    assert_eq!(code(taken), Code::GroupExists);
    let invalid = engine.create_group("a/b", standard.clone());
    assert_eq!(code(invalid), Code::GroupNameInvalid);
    let change = GroupChange {
        name: Some("Two".to_owned()),
        ..GroupChange::default()
    };
    engine.change_group("One", change).unwrap();
    assert_eq!(code(engine.group("One")), Code::GroupUnknown);

    let request = ProtectRequest {
        paths: vec![world.folder("a")],
        group: Some("Two".to_owned()),
        ..ProtectRequest::default()
    };
    engine.protect(&request).unwrap();
    engine.wait_idle();
    assert_eq!(code(engine.remove_group("Two")), Code::PolicyInvalid);
    let mut empty = standard;
    empty.retention.keep_days = 0;
    empty.retention.weekly = 0;
    empty.retention.monthly = 0;
    assert_eq!(
        code(engine.create_group("Three", empty)),
        Code::PolicyInvalid
    );
}

#[test]
fn a_member_moves_between_groups_with_its_points() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    engine
        .create_group("Other", engine.standard_policy())
        .unwrap();
    let request = ProtectRequest {
        paths: vec![world.folder("a")],
        group: Some("Other".to_owned()),
        ..ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), Code::MemberInOtherGroup);
    engine.add_members("Other", &["web01:".to_owned()]).unwrap();
    assert_eq!(engine.source("web01:").unwrap().group.name, "Other");
    assert_eq!(engine.points(Some("web01:")).unwrap().len(), 1);
    engine.remove_group("default").unwrap();
}

#[test]
fn stopping_protection_keeps_or_deletes_the_points() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let all = ["web01:".to_owned()];
    let stop = |stop| engine.remove_members("default", &all, stop);
    stop(StopProtection::RetainData).unwrap();
    let member = engine.source("web01:").unwrap();
    assert_eq!(member.state.name(), "inactive");
    assert_eq!(member.next_point, None);
    assert_eq!(code(engine.sync("web01:")), Code::MemberUnknown);
    assert_eq!(engine.points(None).unwrap().len(), 1);

    protect(&engine, &folder);
    let held = engine.points(None).unwrap()[0].point.id.to_string();
    engine.hold_point(&held, Some("")).unwrap();
    let refused = stop(StopProtection::DeleteData);
    assert_eq!(code(refused), Code::PointHeld);
    assert_eq!(engine.points(None).unwrap().len(), 2);
    assert_eq!(engine.source("web01:").unwrap().state.name(), "ok");
    engine.hold_point(&held, None).unwrap();
    stop(StopProtection::DeleteData).unwrap();
    assert_eq!(engine.points(None).unwrap().len(), 0);
    assert_eq!(code(engine.source("web01:")), Code::SourceUnknown);
}

#[test]
fn one_that_left_its_group_comes_back_into_any() {
    let world = World::new();
    let engine = world.open();
    let policy = engine.standard_policy();
    engine.create_group("Other", policy).unwrap();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let leave = ["web01:".to_owned()];
    engine
        .remove_members("default", &leave, StopProtection::RetainData)
        .unwrap();
    let request = ProtectRequest {
        paths: vec![folder],
        group: Some("Other".to_owned()),
        ..ProtectRequest::default()
    };
    engine.protect(&request).unwrap();
    engine.wait_idle();
    let member = engine.source("web01:").unwrap();
    assert_eq!(member.group.name, "Other");
    assert_eq!((member.state.name(), member.point_count), ("ok", 2));
    engine.remove_group("default").unwrap();
}

#[test]
fn the_first_synchronization_after_a_pause_is_a_check() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    protect(&engine, &folder);
    let all = ["web01:".to_owned()];
    engine
        .remove_members("default", &all, StopProtection::RetainData)
        .unwrap();
    engine.add_members("default", &all).unwrap();
    let state = || engine.source("web01:").unwrap().state.name();
    // It comes back in doubt: nobody watched it meanwhile.
    assert_eq!(state(), "inconsistent");
    assert!(open_alerts(&engine).contains(&Code::ReplicaInconsistent));
    world.act(Act::Fail(Fault::new(Code::SourceDeviceNotReady)));
    protect(&engine, &folder);
    assert_eq!(state(), "inconsistent");
    protect(&engine, &folder);
    assert_eq!(state(), "ok");
    assert_eq!(open_alerts(&engine), []);
    protect(&engine, &folder);
    let orders = world.worker.backups.lock().unwrap();
    let read: Vec<bool> = orders.iter().map(|order| order.read_unchanged).collect();
    assert_eq!(read, [false, true, true, false]);
    assert_eq!(world.pool.points().len(), 3);
}

#[test]
fn a_kill_between_two_notes_of_a_resumption_leaves_the_member_protected() {
    let world = World::new();
    let engine = world.open();
    let folder = world.folder("a");
    let nothing_yet = world.folder("b");
    protect(&engine, &folder);
    world.act(Act::Fail(Fault::new(Code::SourceDeviceNotReady)));
    protect(&engine, &nothing_yet);
    let all = ["a", "b"].map(|name| world.folder(name).to_str().unwrap().to_owned());
    engine
        .remove_members("default", &all, StopProtection::RetainData)
        .unwrap();
    let mut killed = world.killed_now();
    // The log knows that they are protected again, the catalog of this copy does not.
    engine.add_members("default", &all).unwrap();
    killed.pool = std::sync::Arc::new(world.pool.fork());
    killed.worker = std::sync::Arc::new(World::worker(&killed.env, &killed.pool));

    let engine = killed.open();
    let state = |path: &std::path::Path| engine.source(path.to_str().unwrap()).unwrap().state;
    assert_eq!(state(&folder).name(), "inconsistent");
    assert_eq!(state(&nothing_yet).name(), "pending");
    for path in [&folder, &nothing_yet] {
        protect(&engine, path);
        assert_eq!(state(path).name(), "ok");
    }
    let orders = killed.worker.backups.lock().unwrap();
    assert!(orders[0].read_unchanged);
}

#[test]
fn two_changes_of_one_policy_at_the_same_time_are_both_made() {
    let world = World::new();
    let engine = world.open();
    engine
        .create_group("Mail", engine.standard_policy())
        .unwrap();
    std::thread::scope(|scope| {
        let days = |mut policy: Policy| {
            let beside = engine.clone();
            scope.spawn(move || {
                let weekly = |mut policy: Policy| {
                    policy.retention.weekly = 9;
                    Ok(policy)
                };
                beside
                    .change_policy("Mail", weekly, PolicyChange::Any)
                    .unwrap();
            });
            policy.retention.keep_days = 77;
            Ok(policy)
        };
        engine
            .change_policy("Mail", days, PolicyChange::Harmless)
            .unwrap();
    });
    let kept = engine.group("Mail").unwrap().policy.retention;
    assert_eq!((kept.keep_days, kept.weekly), (77, 9));
}

#[test]
fn no_job_begins_while_protection_stops() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let beside = engine.clone();
    let begun = world.pool.on_put.set_beside(move || beside.sync("web01:"));
    let all = ["web01:".to_owned()];
    engine
        .remove_members("default", &all, StopProtection::DeleteData)
        .unwrap();
    engine.wait_idle();
    assert!(begun.recv().unwrap().is_err());
    assert_eq!(world.worker.backups.lock().unwrap().len(), 1);
    assert_eq!(engine.points(None).unwrap().len(), 0);
}

#[test]
fn what_was_written_of_a_decision_that_failed_half_way_is_seen() {
    let world = World::new();
    let engine = world.open();
    let pool = world.pool.clone();
    let read_only = move |is: bool| *pool.read_only.lock().unwrap() = is;
    let refuse = read_only.clone();
    world.pool.on_put.set(move || refuse(true));
    let request = ProtectRequest {
        paths: vec![world.folder("a")],
        ..ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), Code::PoolReadOnly);
    assert_eq!(engine.groups().len(), 1, "that far it came");
    read_only(false);
    engine.protect(&request).unwrap();
    engine.wait_idle();
    assert_eq!(engine.groups().len(), 1);
}

#[test]
fn a_time_zone_without_a_name_is_the_same_after_a_restart() {
    for zone in ["CET-1CEST,M3.5.0,M10.5.0/3", "+05:30", "Asia/Tokyo"] {
        let world = World::in_zone(zone);
        let engine = world.open();
        protect(&engine, &world.folder("a"));
        let before = engine.standard_policy();
        drop(engine);
        let engine = world.open();
        assert_eq!(engine.group("default").unwrap().policy, before, "{zone}");
        let next = engine.source("web01:").unwrap().next_point.unwrap();
        let local = next.to_zoned_datetime(before.zone().clone());
        assert_eq!(local.strftime("%H:%M").to_string(), "22:00", "{zone}");
    }
}
