//! What is damaged is repaired from its own parity: nothing is stored anew, and what was there is kept (R19, R20).

use std::sync::Arc;

use base::PackName;
use base::fault::Code;
use format::replica::{ChunkReader as _, ReplicaWriter as _};
use format::seal::Sealer;
use objects::disk::Errno;
use objects::faulty::{self, Faulty, Misdeed};
use objects::{Local, Objects};
use store::VerifySpec;
use store::{Parity, Place, RepairReport, Store};
use testkit::{Call, Injection, SimDisk, Times};

use crate::model::{Files, backup, collect, read};
use crate::repair::{World, go_on};

const QUARANTINE: &str = "quarantine/";

fn name(path: &str) -> PackName {
    let leaf = path.rsplit('/').next().expect("a path has a last part");
    leaf.parse().expect("a pack's name")
}

/// Has the store find its damage, and repairs it.
fn repair(store: &Store) -> RepairReport {
    store
        .verify(&VerifySpec::default(), &mut go_on)
        .expect("verified");
    let damaged = store.damaged_packs().expect("an index");
    store
        .repair_packs(&damaged, &mut go_on)
        .expect("a place that works")
}

fn unreadable(store: &Store) -> u64 {
    store.status().expect("an index").unreadable_packs
}

#[test]
fn damaged_packs_are_repaired_and_relied_upon_again() {
    let world = World::new(1);
    let before = world.disk.files();
    world.damage("packs/");
    world.damage("meta/");
    let damaged = world.disk.files();
    let store = world.open();
    let report = repair(&store);
    assert_eq!(report.repaired.len(), 2, "{report:?}");
    assert!(report.sound.is_empty() && report.beyond_repair.is_empty());
    assert_eq!(unreadable(&store), 0);
    world.assert_whole(&store);
    assert_eq!(world.store_anew(&store, None), 0, "nothing is stored anew");
    // Under their names stand the bytes that were written; the damaged ones are kept.
    let after = world.disk.files();
    for class in ["packs/", "meta/"] {
        let path = &world.packs(class)[0];
        assert_eq!(after[path], before[path]);
        let kept = format!("{QUARANTINE}{class}{}/1", name(path));
        assert_eq!(after[&kept], damaged[path]);
    }
    // What is whole stays as it is.
    let again = store.repair_packs(&report.repaired, &mut go_on).unwrap();
    assert_eq!((again.sound.len(), again.repaired.len()), (2, 0));
    assert_eq!(world.disk.files(), after);
    drop(store);
    world.assert_whole(&world.open());
}

/// What was damaged is kept until what took its place was verified; then a collection takes it.
#[test]
fn the_quarantine_is_emptied_once_what_was_mended_is_verified() {
    let world = World::new(12);
    world.damage("packs/");
    let store = world.open();
    assert_eq!(repair(&store).repaired.len(), 1);
    let kept = || {
        let paths = world.disk.files().into_keys();
        paths.filter(|path| path.starts_with(QUARANTINE)).count()
    };
    collect(&store).unwrap();
    assert_eq!(kept(), 1);
    let report = store.verify(&VerifySpec::default(), &mut go_on).unwrap();
    assert!(report.is_sound());
    assert_eq!(kept(), 1);
    collect(&store).unwrap();
    assert_eq!(kept(), 0);
    world.assert_whole(&store);
}

#[test]
fn a_pack_whose_table_could_not_be_read_is_known_again() {
    let world = World::new(2);
    let path = world.packs("packs/").remove(0);
    world.disk.damage(&path, |bytes| {
        let tail = bytes.len() - 20;
        bytes[tail] ^= 1;
    });
    let store = world.open();
    assert_eq!(unreadable(&store), 1);
    let fault = read(&store, &world.root(&store)).unwrap_err();
    assert_eq!(fault.code, Code::ChunkMissing);
    assert_eq!(repair(&store).repaired, [name(&path)]);
    assert_eq!(unreadable(&store), 0);
    world.assert_whole(&store);
    assert_eq!(world.store_anew(&store, None), 0);
}

#[test]
fn what_cannot_be_read_is_rebuilt_from_what_can() {
    let world = World::new(3);
    let place = Arc::new(Faulty::new(Local::open(world.disk.clone()).unwrap()));
    let store = world.key.open(place.clone(), &world.env).unwrap();
    let path = world.packs("packs/").remove(0);
    let before = world.disk.files()[&path].clone();
    // Bad in the second block: the pack as a whole, the piece that has it, the block alone.
    for passes in [0, 0, 1] {
        place.fail(
            faulty::Call::Get,
            passes,
            Misdeed::Unreadable,
            faulty::Times::Once,
        );
    }
    let report = store.repair_packs(&[name(&path)], &mut go_on).unwrap();
    assert_eq!(report.repaired, [name(&path)], "{report:?}");
    let after = world.disk.files();
    assert_eq!(after[&path], before);
    assert_eq!(
        after
            .keys()
            .filter(|path| path.starts_with(QUARANTINE))
            .count(),
        1
    );
}

#[test]
fn what_is_beyond_repair_is_told_and_left_as_it_is() {
    let world = World::new(4);
    let path = world.packs("packs/").remove(0);
    // All that is left is its trailer.
    let lost = world.disk.files()[&path].len() - 1500;
    world.disk.damage(&path, |bytes| bytes[..lost].fill(0));
    let meta = world.packs("meta/").remove(0);
    world.place().delete(&meta.parse().unwrap()).unwrap();
    let before = world.disk.files();
    let store = world.open();
    let packs = [name(&path), name(&meta), PackName([7; 32])];
    let report = store.repair_packs(&packs, &mut go_on).unwrap();
    let codes = report.beyond_repair.iter();
    let codes: Vec<_> = codes.map(|(name, fault)| (*name, fault.code)).collect();
    let expected = [Code::PackDamaged, Code::PackMissing, Code::PackMissing];
    assert_eq!(codes, packs.into_iter().zip(expected).collect::<Vec<_>>());
    assert!(report.repaired.is_empty() && report.sound.is_empty());
    let mut after = world.disk.files();
    after.retain(|path, _| !path.starts_with("log/"));
    assert!(
        after
            .into_iter()
            .all(|(path, bytes)| before.get(&path) == Some(&bytes))
    );
    assert!(world.store_anew(&store, None) > 0);
    world.assert_whole(&store);
}

#[test]
fn a_store_without_parity_reads_writes_and_cannot_repair() {
    let world = World::new(5);
    let disk = SimDisk::new();
    let place: Arc<dyn Objects> = Arc::new(Local::create(disk.clone()).unwrap());
    let (slots, env) = (world.key.slots(), &world.env);
    let store =
        Store::create_with(place, &slots, env, Place::Memory, Parity::None).expect("a new store");
    backup(&store, world.source, &Files::new(), &world.content).unwrap();
    let files = disk.files();
    let (path, bytes) = files
        .iter()
        .find(|(path, _)| path.starts_with("packs/"))
        .unwrap();
    let with = &world.disk.files()[&world.packs("packs/")[0]];
    assert!(
        with.len() > bytes.len() + 8192,
        "{} and {}",
        with.len(),
        bytes.len()
    );
    disk.damage(path, |bytes| bytes[100] ^= 1);
    let report = repair(&store);
    assert_eq!(report.beyond_repair.len(), 1);
    assert!(world.store_anew(&store, None) > 0);
    world.assert_whole(&store);
}

/// Returns the same world on another disk.
fn on(world: &World, disk: SimDisk) -> World {
    World {
        env: world.env.clone(),
        disk,
        key: world.key.clone(),
        source: world.source,
        content: world.content.clone(),
    }
}

#[test]
fn a_repair_that_is_cut_off_leaves_the_damaged_pack_or_the_mended_one() {
    let world = World::new(6);
    let path = world.packs("packs/").remove(0);
    let right = world.disk.files()[&path].clone();
    world.damage("packs/");
    let wrong = world.disk.files()[&path].clone();
    let store = world.open();
    world.disk.checkpoint();
    repair(&store);
    drop(store);
    let (mut states, mut mended) = (0, 0);
    for k in 0..=world.disk.ops() {
        for disk in world
            .disk
            .crash_states(k, 1)
            .chain([world.disk.killed_at(k)])
        {
            states += 1;
            let world = on(&world, disk);
            let origin = world.disk.origin();
            let files = world.disk.files();
            assert!(files[&path] == right || files[&path] == wrong, "{origin}");
            if files[&path] == right {
                mended += 1;
                let kept = format!("{QUARANTINE}packs/{}/1", name(&path));
                assert_eq!(files.get(&kept), Some(&wrong), "{origin}");
            }
            // It is done again, and comes to its end.
            let store = world.open();
            repair(&store);
            assert_eq!(unreadable(&store), 0);
            world.assert_whole(&store);
            assert_eq!(world.disk.files()[&path], right);
        }
    }
    assert!(mended > 0 && mended < states, "{mended} of {states}");
    println!(
        "{states} states of {} operations of a repair",
        world.disk.ops()
    );
}

#[test]
fn a_repair_whose_place_fails_at_any_call_can_be_done_again() {
    let calls = [
        Call::Draft,
        Call::Write,
        Call::Sync,
        Call::Link,
        Call::SyncDir,
        Call::Replace,
    ];
    let mut failed = 0;
    for call in calls {
        for passes in 0.. {
            let world = World::new(7);
            world.damage("packs/");
            let store = world.open();
            store.verify(&VerifySpec::default(), &mut go_on).unwrap();
            let damaged = store.damaged_packs().unwrap();
            world.disk.inject(Injection {
                call,
                passes,
                misdeed: testkit::Misdeed::Fails(Errno::IO),
                times: Times::Always,
            });
            let repaired = store.repair_packs(&damaged, &mut go_on);
            drop(store);
            let world = on(&world, world.disk.killed_at(world.disk.ops()));
            let store = world.open();
            if repaired.is_err() {
                failed += 1;
                repair(&store);
            }
            world.assert_whole(&store);
            if repaired.is_ok() {
                break;
            }
        }
    }
    assert!(failed > 6, "{failed}");
}

#[test]
fn a_pack_that_no_record_names_yet_is_mended_and_relied_upon_by_its_session_alone() {
    let world = World::new(8);
    let store = world.open();
    let source = base::SourceId::random(&world.env);
    let session = store.begin(source, None).unwrap();
    let put = |session: &store::Session, plain: &[u8]| {
        session.put_chunk(&Sealer::hash(plain), plain).unwrap()
    };
    let before = world.packs("packs/");
    let first = put(&session, &[1; 3000]);
    let second = put(&session, &[2; 3000]);
    // Reading one makes both durable.
    session.read_chunk(&first).unwrap();
    let path = world
        .packs("packs/")
        .into_iter()
        .find(|path| !before.contains(path));
    let path = path.expect("a new pack");
    world.disk.damage(&path, |bytes| bytes[64..4000].fill(0));
    let fault = session.read_chunk(&second).unwrap_err();
    assert_eq!(fault.code, Code::ChunkDamaged);
    assert_eq!(store.damaged_packs().unwrap(), [name(&path)]);
    let report = store.repair_packs(&[name(&path)], &mut go_on).unwrap();
    assert_eq!(report.repaired, [name(&path)]);
    session.read_chunk(&second).expect("it is mended");
    // Another session is not told of what no record names.
    let other = store.begin(world.source, None).unwrap();
    put(&other, &[2; 3000]);
    assert!(other.new_bytes() > 0);
    other.abandon();
    session.abandon();
    assert_eq!(
        store
            .repair_packs(&[name(&path)], &mut go_on)
            .unwrap()
            .sound
            .len(),
        1
    );
    assert_eq!(unreadable(&store), 0);
    drop(store);
    world.assert_whole(&world.open());
}

#[test]
fn a_repair_and_a_collection_take_turns() {
    let world = World::new(9);
    world.damage("packs/");
    let store = world.open();
    store.verify(&VerifySpec::default(), &mut go_on).unwrap();
    let damaged = store.damaged_packs().unwrap();
    let mut go = |_| std::ops::ControlFlow::Continue(());
    let collection = store.plan_collection(&mut go).unwrap();
    let refused = store.repair_packs(&damaged, &mut go_on).unwrap_err();
    assert_eq!(refused.code, Code::CollectionRunning);
    drop(collection);
    let mut refused = None;
    let report = store.repair_packs(&damaged, &mut |_| {
        refused = store
            .plan_collection(&mut |_| std::ops::ControlFlow::Continue(()))
            .err();
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().repaired, damaged);
    assert_eq!(
        refused.map(|fault| fault.code),
        Some(Code::CollectionRunning)
    );
}

#[test]
fn a_repair_ends_when_it_is_asked_to() {
    let world = World::new(12);
    world.damage("packs/");
    let store = world.open();
    store.verify(&VerifySpec::default(), &mut go_on).unwrap();
    let damaged = store.damaged_packs().unwrap();
    let stopped = store.repair_packs(&damaged, &mut |_| std::ops::ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().code, Code::JobCancelled);
    // The pack that was under way is whole.
    assert_eq!(unreadable(&store), 0);
    world.assert_whole(&store);
}
