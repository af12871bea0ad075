//! Places that fail, fill up or rot: what is lost is the session, never the store.

use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, PointId, SourceId};
use format::replica::ChunkReader;
use objects::disk::Errno;
use objects::{Local, Objects};
use store::VerifySpec;
use store::{CommitSpec, Place, Store};
use testkit::{Call, Dice, Injection, Knobs, Misdeed, SimDisk, Times};

use crate::collect::collect;
use crate::model::{Files, Key, backup, files, new_point, reader, violation, write};

fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

/// Fails the nth call of each kind in turn during a backup, until there are no more calls to fail.
fn sweep(errno: Errno, expected: &[Code]) {
    let (env, _) = testkit::env(1);
    let calls = [Call::Write, Call::Draft, Call::Publish, Call::MakeDir];
    let mut failed = 0;
    for call in calls.into_iter().chain([Call::Sync, Call::SyncDir]) {
        for passes in 0.. {
            let disk = SimDisk::new();
            let key = Key::new(&env);
            let source = SourceId::random(&env);
            let first = files(&[("a", &[1; 3000]), ("b", b"b")]);
            let second = files(&[("a", &[2; 3000]), ("c", b"c")]);
            let store = key.create(place(&disk), &env);
            let made = backup(&store, source, &Files::new(), &first).expect("as before the fault");
            let known = [(made.point.expect("as before the fault").id, &first)];

            let before = disk.calls(call);
            disk.inject(Injection {
                call,
                passes,
                misdeed: Misdeed::Fails(errno),
                times: Times::Always,
            });
            let result = backup(&store, source, &first, &second);
            let made = disk.calls(call) - before;
            if made <= passes {
                assert!(result.is_ok(), "{call:?}: nothing failed");
                break;
            }
            failed += 1;
            let states = [first.clone(), second.clone()];
            let what = violation(&store, &known, &states);
            assert_eq!(what, None, "{call:?} after {passes}");
            if let Err(fault) = result {
                assert!(
                    expected.contains(&fault.code),
                    "{call:?} after {passes}: {fault:?}"
                );
            }
            drop(store);

            // Whatever was wrong is over: the store opens, shows the same and goes on.
            let healed = disk.killed_at(disk.ops());
            let store = key.open(place(&healed), &env).expect("as before the fault");
            assert_eq!(violation(&store, &known, &states), None);
            let replica = store
                .replica(&source)
                .expect("as before the fault")
                .expect("as before the fault");
            let session = store
                .begin(source, Some(replica.root))
                .expect("as before the fault");
            write(&session, &Files::new(), &second).expect("as before the fault");
            let spec = CommitSpec::with_point(new_point());
            assert!(session.commit(spec).is_ok(), "{call:?} after {passes}");
        }
    }
    println!("{failed} calls failed: {errno}");
}

/// Fails the nth call of each kind in turn during a collection that deletes and copies, until there are no more calls to
/// fail: nothing that is needed goes, and when the trouble is over another collection gives all of it back.
fn sweep_collection(errno: Errno, times: Times) {
    let mut dice = Dice::new(1);
    let second = files(&[("a", &dice.bytes(3000)), ("c", &[3; 3000])]);
    let mut first = second.clone();
    for n in 0..6 {
        // In whichever pack the first file is, something else is too.
        first.insert(format!("gone{n}"), dice.bytes(5000));
    }
    let calls = [
        Call::Write,
        Call::Draft,
        Call::Publish,
        Call::Sync,
        Call::SyncDir,
        Call::Remove,
        Call::Read,
        Call::List,
    ];
    let mut failed = 0;
    for call in calls {
        // Hundreds of listings are one like the other.
        let step = if call == Call::List { 41 } else { 1 };
        for passes in (0..).step_by(step) {
            // The same chance every time.
            let (env, _) = testkit::env(2);
            let disk = SimDisk::new();
            let key = Key::new(&env);
            let source = SourceId::random(&env);
            let store = key.create(place(&disk), &env);
            let gone = backup(&store, source, &Files::new(), &first).expect("as before the fault");
            let kept = backup(&store, source, &first, &second).expect("as before the fault");
            let known = [(kept.point.expect("a point").id, &second)];
            store
                .delete_point(&gone.point.expect("a point").id)
                .expect("as before the fault");
            let before = disk.calls(call);
            disk.inject(Injection {
                call,
                passes,
                misdeed: Misdeed::Fails(errno),
                times,
            });
            let result = collect(&store);
            if disk.calls(call) - before <= passes {
                let report = result.expect("nothing failed");
                assert!(report.packs > 1 && report.copied_bytes > 0, "{report:?}");
                break;
            }
            failed += 1;
            drop(store);

            let healed = disk.killed_at(disk.ops());
            let store = key.open(place(&healed), &env).expect("as before the fault");
            let at = format!("{call:?} after {passes}: {result:?}");
            assert_eq!(violation(&store, &known, &[]), None, "{at}");
            collect(&store).unwrap_or_else(|fault| panic!("{at}: {fault:?}"));
            assert_eq!(violation(&store, &known, &[]), None, "{at}");
            let left = pack_paths(&healed, "packs/").len() + pack_paths(&healed, "meta/").len();
            assert!(left <= 3, "{at}: {left} packs are left");
        }
    }
    println!("{failed} calls failed: {errno}");
}

#[test]
fn a_collection_that_fails_at_any_call_loses_nothing_and_is_made_up_for() {
    for errno in [
        Errno::IO,
        Errno::NOSPC,
        Errno::ROFS,
        Errno::DQUOT,
        Errno::MFILE,
    ] {
        for times in [Times::Once, Times::Always] {
            sweep_collection(errno, times);
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_call_keeps_every_point() {
    sweep(
        Errno::NOSPC,
        &[Code::PoolFull, Code::PoolUnwritable, Code::PoolReadOnly],
    );
}

#[test]
fn a_disk_that_fails_at_any_call_keeps_every_point() {
    sweep(Errno::IO, &[Code::PoolUnwritable, Code::PoolReadOnly]);
}

#[test]
fn a_disk_that_becomes_read_only_at_any_call_keeps_every_point() {
    sweep(Errno::ROFS, &[Code::PoolReadOnly, Code::PoolUnwritable]);
}

#[test]
fn a_process_that_may_not_open_more_files_is_not_the_pools_fault() {
    // A sync that failed is one whatever the reason: the pool takes no writes from then on.
    sweep(
        Errno::MFILE,
        &[Code::ResourcesExhausted, Code::PoolReadOnly],
    );
    let (env, _) = testkit::env(6);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let content = files(&[("a", &[1; 3000])]);
    let store = key.create(place(&disk), &env);
    for (call, times) in [(Call::Draft, Times::Once), (Call::SyncDir, Times::Always)] {
        let passes = 0;
        let errno = Errno::NFILE;
        disk.inject(Injection {
            call,
            passes,
            misdeed: Misdeed::Fails(errno),
            times,
        });
        let fault = backup(&store, source, &Files::new(), &content).unwrap_err();
        assert_eq!(fault.code, Code::ResourcesExhausted, "{call:?}");
        assert!(store.read_only().is_none(), "{call:?}");
    }
}

#[test]
fn a_disk_that_became_read_only_is_told_without_trying_and_heals() {
    let (env, _) = testkit::env(2);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let (first, second) = (files(&[("a", &[1; 3000])]), files(&[("a", &[2; 3000])]));
    let store = key.create(place(&disk), &env);
    let made = backup(&store, source, &Files::new(), &first).expect("as before the fault");
    assert!(store.read_only().is_none());
    disk.set(Knobs {
        read_only: true,
        ..Knobs::default()
    });
    let told = store.read_only().expect("it is known");
    assert_eq!(told.code, Code::PoolReadOnly);
    let fault = backup(&store, source, &first, &second).unwrap_err();
    assert_eq!(fault.code, Code::PoolReadOnly);
    let known = [(made.point.expect("as before the fault").id, &first)];
    assert_eq!(violation(&store, &known, &[]), None);
    disk.set(Knobs::default());
    assert!(store.read_only().is_none());
    backup(&store, source, &first, &second).expect("it can be written again");
}

#[test]
fn a_full_disk_heals_in_the_same_process_when_space_is_freed() {
    let (env, _) = testkit::env(2);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let first = files(&[("a", &[1; 3000])]);
    let second = files(&[("a", &Dice::new(1).bytes(9000))]);
    let store = key.create(place(&disk), &env);
    backup(&store, source, &Files::new(), &first).expect("as before the fault");
    let used: u64 = disk.files().values().map(|bytes| bytes.len() as u64).sum();
    let small = Knobs {
        capacity_bytes: Some(used + 2000),
        ..Knobs::default()
    };
    disk.set(small);
    let fault = backup(&store, source, &first, &second).unwrap_err();
    assert_eq!(fault.code, Code::PoolFull);
    assert_eq!(store.points().expect("as before the fault").len(), 1);
    disk.set(Knobs::default());
    backup(&store, source, &first, &second).expect("as before the fault");
    assert_eq!(store.points().expect("as before the fault").len(), 2);
}

#[test]
fn a_point_can_be_deleted_when_nothing_else_can_be_stored() {
    let (env, _) = testkit::env(3);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let content = files(&[("a", &[1; 3000])]);
    let store = key.create(place(&disk), &env);
    let made = backup(&store, source, &Files::new(), &content).expect("as before the fault");
    let used: u64 = disk.files().values().map(|bytes| bytes.len() as u64).sum();
    // The reserve is what packs may not use.
    disk.set(Knobs {
        capacity_bytes: Some(used + base::limits::POOL_RESERVE_BYTES - 1),
        ..Knobs::default()
    });
    let fault = backup(&store, source, &content, &files(&[("b", &[2; 3000])])).unwrap_err();
    assert_eq!(fault.code, Code::PoolFull);
    store
        .delete_point(&made.point.expect("as before the fault").id)
        .expect("as before the fault");
    assert_eq!(store.points().expect("as before the fault"), []);
}

/// Returns a store on a disk with one point, and the chunk of its only file.
fn one_point() -> (SimDisk, Key, Store, Files) {
    let (env, _) = testkit::env(4);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let store = key.create(place(&disk), &env);
    let content = files(&[("a", &Dice::new(2).bytes(3000)), ("b", b"b")]);
    backup(&store, SourceId::random(&env), &Files::new(), &content).expect("as before the fault");
    (disk, key, store, content)
}

fn pack_paths(disk: &SimDisk, class: &str) -> Vec<String> {
    let paths = disk.files().into_keys();
    paths.filter(|path| path.starts_with(class)).collect()
}

#[test]
fn damaged_bytes_are_told_and_never_given_out() {
    let (env, _) = testkit::env(5);
    let (disk, key, store, content) = one_point();
    let point = store.points().expect("as before the fault").remove(0);
    let chunk = chunk_of(&store, &point.root);
    drop(store);
    let path = pack_paths(&disk, "packs/").remove(0);
    let len = disk.files()[&path].len();
    let mut told = 0;
    for at in (0..len).step_by(61) {
        let copy = disk.killed_at(disk.ops());
        copy.damage(&path, |bytes| bytes[at] ^= 1);
        // The table of contents may be what is damaged: then the chunk is nowhere.
        let store = key.open(place(&copy), &env).expect("as before the fault");
        match reader(&store).read_chunk(&chunk) {
            Ok(plain) => assert_eq!(*plain, content["a"]),
            Err(fault) => {
                told += 1;
                assert!(matches!(
                    fault.code,
                    Code::ChunkDamaged | Code::ChunkMissing
                ));
                let report = store
                    .verify_point(&point.id, &mut go_on)
                    .expect("as before the fault");
                assert_eq!(report.paths, [b"a".to_vec()]);
            }
        }
        // Whatever is damaged, the pack's name tells.
        assert!(
            !store
                .verify(&VerifySpec::default(), &mut go_on)
                .expect("as before the fault")
                .is_sound(),
            "byte {at}"
        );
    }
    assert!(told > 10);
    println!(
        "{} damaged bytes, {told} of them in the chunk or its place",
        len.div_ceil(61)
    );
}

fn go_on(_: &store::VerifyProgress) -> std::ops::ControlFlow<()> {
    std::ops::ControlFlow::Continue(())
}

fn chunk_of(store: &Store, root: &ChunkId) -> ChunkId {
    let node = reader(store).read_chunk(root).expect("as before the fault");
    format::tree::children(&node)
        .expect("as before the fault")
        .chunks[0]
}

#[test]
fn a_sound_point_verifies_and_a_missing_pack_is_found() {
    let (_, _, store, _) = one_point();
    let point = store.points().expect("as before the fault").remove(0);
    let report = store
        .verify_point(&point.id, &mut go_on)
        .expect("as before the fault");
    assert!(report.is_sound());
    assert_eq!((report.nodes, report.chunks), (1, 1));
    let report = store
        .verify(&VerifySpec::default(), &mut go_on)
        .expect("as before the fault");
    assert!(report.is_sound());
    assert_eq!(report.packs, 2);
    let stop = &mut |_: &store::VerifyProgress| std::ops::ControlFlow::Break(());
    let fault = store.verify_point(&point.id, stop).unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);

    let (disk, _, store, _) = one_point();
    let point = store.points().expect("as before the fault").remove(0);
    let path = pack_paths(&disk, "packs/").remove(0);
    place(&disk)
        .delete(&path.parse().expect("as before the fault"))
        .expect("as before the fault");
    let report = store
        .verify_point(&point.id, &mut go_on)
        .expect("as before the fault");
    assert_eq!(report.damaged, 1);
    assert_eq!(report.faults[0].code, Code::PackMissing);
    assert_eq!(report.paths, [b"a".to_vec()]);
    assert_eq!(
        store
            .verify(&VerifySpec::default(), &mut go_on)
            .expect("as before the fault")
            .damaged,
        1
    );
}

/// Removes the copies of what is too small to mend itself.
fn remove_copies(disk: &SimDisk) {
    for path in pack_paths(disk, "copies/") {
        let name = path.parse().expect("an object's name");
        place(disk).delete(&name).expect("deleted");
    }
}

#[test]
fn a_damaged_point_object_is_told() {
    let (disk, _, store, _) = one_point();
    remove_copies(&disk);
    let point = store.points().expect("as before the fault").remove(0);
    let path = pack_paths(&disk, "points/").remove(0);
    disk.damage(&path, |bytes| bytes[100] ^= 1);
    let fault = store.point_object(&point.id).unwrap_err();
    assert_eq!(fault.code, Code::PointDamaged);
}

#[test]
fn a_damaged_or_missing_log_record_is_told() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, _) = one_point();
    drop(store);
    remove_copies(&disk);
    let paths = pack_paths(&disk, "log/");
    for path in &paths {
        let copy = disk.killed_at(disk.ops());
        copy.damage(path, |bytes| bytes[90] ^= 1);
        let fault = key.open(place(&copy), &env).unwrap_err();
        assert_eq!(fault.code, Code::LogDamaged);
    }
    let copy = disk.killed_at(disk.ops());
    place(&copy)
        .delete(&paths[0].parse().expect("as before the fault"))
        .expect("as before the fault");
    let fault = key.open(place(&copy), &env).unwrap_err();
    assert_eq!(fault.code, Code::LogDamaged);
}

#[test]
fn of_two_owners_in_spite_of_all_one_is_stopped() {
    let (env, _) = testkit::env(7);
    let (disk, key, first, _) = one_point();
    let second = key.open(place(&disk), &env).expect("as before the fault");
    let kind = format::log::ConfigKind::Policy;
    second
        .put_config(kind, [1; 16], Some(b"2".to_vec()))
        .expect("as before the fault");
    let fault = first
        .put_config(kind, [1; 16], Some(b"1".to_vec()))
        .unwrap_err();
    assert_eq!(fault.code, Code::LogConflict);
    // For good, not only for that slot.
    let fault = first.put_config(kind, [1; 16], None).unwrap_err();
    assert_eq!(fault.code, Code::LogConflict);
    second
        .put_config(kind, [1; 16], None)
        .expect("as before the fault");
}

#[test]
fn an_interrupted_making_leaves_nothing_and_can_be_done_again() {
    let (env, _) = testkit::env(8);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    drop(key.create(place(&disk), &env));
    // Most of it is making more than a thousand directories; the keys and the format object come last.
    let last = disk.ops() - 30;
    let mut visited = 0;
    for k in (0..last).step_by(200).chain(last..=disk.ops()) {
        let step = if k < last { 199 } else { 5 };
        for state in disk.crash_states(k, 1).step_by(step) {
            visited += 1;
            let Ok(local) = Local::open(state.clone()) else {
                continue;
            };
            let objects: Arc<dyn Objects> = Arc::new(local);
            match key.open(objects.clone(), &env) {
                Ok(store) => assert_eq!(store.points().expect("as before the fault"), []),
                Err(fault) => {
                    assert_eq!(fault.code, Code::PoolNotAPool, "{}", state.origin());
                    let store = Store::create(objects, &key.slots(), &env, Place::Memory);
                    let store =
                        store.unwrap_or_else(|fault| panic!("{}: {fault:?}", state.origin()));
                    let content = files(&[("a", &[1; 3000])]);
                    backup(&store, SourceId::random(&env), &Files::new(), &content)
                        .expect("as before the fault");
                }
            }
        }
    }
    println!("{visited} states of an interrupted making");
}

#[test]
fn verifying_everything_finds_whatever_is_damaged_and_whom_it_hurts() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, _) = one_point();
    let point = store.points().expect("as before the fault").remove(0).id;
    assert!(
        store
            .verify(&VerifySpec::default(), &mut go_on)
            .expect("verified")
            .is_sound()
    );
    drop(store);
    let classes = ["packs/", "meta/", "log/", "points/"];
    remove_copies(&disk);
    let paths = classes.iter().flat_map(|class| pack_paths(&disk, class));
    let mut seen = 0;
    for path in paths {
        for is_missing in [false, true] {
            let copy = disk.killed_at(disk.ops());
            // What the index knows from before the damage is not believed.
            let store = key.open(place(&copy), &env).expect("opened");
            remove_copies(&copy);
            match is_missing {
                true => {
                    let name = path.parse().expect("an object's name");
                    place(&copy).delete(&name).expect("deleted");
                }
                // Behind the header of a pack: in its only chunk.
                false => copy.damage(&path, |bytes| bytes[100] ^= 1),
            }
            let report = store
                .verify(&VerifySpec::default(), &mut go_on)
                .expect("the place answers");
            let (codes, hurts): (&[Code], _) = match path.split_once('/') {
                Some(("log", _)) => (&[Code::LogDamaged], false),
                Some(("points", _)) => (&[Code::PointDamaged], true),
                _ => (&[Code::PackDamaged, Code::PackMissing], true),
            };
            assert!(codes.contains(&report.faults[0].code), "{path}: {report:?}");
            let hurt: &[PointId] = if hurts { &[point] } else { &[] };
            assert_eq!(report.points_hurt, hurt, "{path}: {report:?}");
            seen += 1;
        }
    }
    // Two packs, two records and the point, damaged and missing.
    assert!(seen >= 2 * 5, "{seen}");
}

/// Every small object of a store and every copy of one, damaged in four ways: one alone is mended, by opening or by a verification,
/// and what was there is kept.
#[test]
fn what_is_too_small_to_mend_itself_is_mended_from_its_copy() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, content) = one_point();
    let point = store.points().expect("as before the fault").remove(0).id;
    let before = disk.files();
    drop(store);
    let small = ["format", "keys/", "log/", "points/", "copies/"];
    let is_small = |path: &&String| small.iter().any(|prefix| path.starts_with(prefix));
    let paths: Vec<&String> = before.keys().filter(is_small).collect();
    assert!(paths.len() >= 10, "{paths:?}");
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes[60] ^= 4,
        |bytes| bytes.fill(0),
        |bytes| bytes.truncate(bytes.len() / 2),
    ];
    for path in paths {
        for damage in 0..=damages.len() {
            let copy = disk.killed_at(disk.ops());
            match damages.get(damage) {
                Some(damage) => copy.damage(path, damage),
                None => {
                    let name = path.parse().expect("an object's name");
                    place(&copy).delete(&name).expect("deleted");
                }
            }
            let at = format!("{path}, damage {damage}");
            let store = key.open(place(&copy), &env);
            let store = store.unwrap_or_else(|fault| panic!("{at}: {fault:?}"));
            assert_eq!(violation(&store, &[(point, &content)], &[]), None, "{at}");
            let spec = VerifySpec {
                repair: true,
                ..VerifySpec::default()
            };
            let report = store.verify(&spec, &mut go_on).expect("verified");
            assert_eq!(report.damaged, report.mended, "{at}: {report:?}");
            let report = store.verify(&spec, &mut go_on).expect("verified");
            assert!(report.is_sound(), "{at}: {report:?}");
            let after = copy.files();
            assert_eq!(after.get(path), before.get(path), "{at}");
            let was_there = damage < damages.len() && !path.starts_with("copies/");
            let kept = after.keys().any(|path| path.starts_with("quarantine/"));
            assert_eq!(kept, was_there, "{at}");
        }
    }
}

/// Records of a session that was never over have no copies: one of them that is damaged takes nothing with it.
#[test]
fn a_damaged_record_of_unfinished_work_is_left_out() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, content) = one_point();
    let point = store.points().expect("as before the fault").remove(0).id;
    let source = store.replicas().expect("as before the fault")[0].source;
    let before = pack_paths(&disk, "log/").len();
    let session = store.begin(SourceId::random(&env), None).expect("begun");
    write(&session, &Files::new(), &content).expect("written");
    let killed = disk.killed_at(disk.ops());
    let record = pack_paths(&killed, "log/").pop().expect("a record");
    assert_eq!(pack_paths(&killed, "log/").len(), before + 1);
    killed.damage(&record, |bytes| bytes[90] ^= 1);
    for damaged in [killed.copy(), killed] {
        let store = key.open(place(&damaged), &env).expect("opened");
        let known = [(point, &content)];
        assert_eq!(violation(&store, &known, &[]), None);
        assert_eq!(pack_paths(&damaged, "quarantine/log/").len(), 1);
        backup(&store, source, &content, &files(&[("a", b"new")])).expect("goes on");
        drop(store);
        key.open(place(&damaged), &env).expect("opened again");
    }
}

/// Names of copies prove nothing: whatever else is there, the log ends where it ends.
#[test]
fn copies_that_hold_nothing_do_no_harm() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, content) = one_point();
    let point = store.points().expect("as before the fault").remove(0).id;
    drop(store);
    let last = pack_paths(&disk, "log/").len() as u64;
    for (first, to) in [
        (last + 1, last + 5),
        (1, last + 9),
        (900, 1000),
        (1, u64::MAX),
    ] {
        let junk = format::copies::object_name(first, to);
        let name = junk.parse().expect("an object's name");
        place(&disk).put_new(&name, b"junk").expect("put");
    }
    let store = key.open(place(&disk), &env).expect("opened");
    assert_eq!(violation(&store, &[(point, &content)], &[]), None);
    let spec = VerifySpec {
        repair: true,
        ..VerifySpec::default()
    };
    store.verify(&spec, &mut go_on).expect("verified");
    let report = store.verify(&spec, &mut go_on).expect("verified");
    assert!(report.is_sound(), "{report:?}");
}

/// That a commit has no copy proves nothing: what it acknowledged is not left out because something before it is damaged.
#[test]
fn a_damaged_record_before_a_commit_without_a_copy_is_told() {
    let (env, _) = testkit::env(6);
    let (disk, key, store, content) = one_point();
    let source = store.replicas().expect("as before the fault")[0].source;
    let [log, copies] = ["log/", "copies/log/"].map(|class| pack_paths(&disk, class).len());
    backup(&store, source, &content, &files(&[("a", b"new")])).expect("backed up");
    drop(store);
    for path in &pack_paths(&disk, "copies/log/")[copies..] {
        let name = path.parse().expect("an object's name");
        place(&disk).delete(&name).expect("deleted");
    }
    let record = &pack_paths(&disk, "log/")[log];
    disk.damage(record, |bytes| bytes[90] ^= 1);
    let fault = key.open(place(&disk), &env).unwrap_err();
    assert_eq!(fault.code, Code::LogDamaged);
}
