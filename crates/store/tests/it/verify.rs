//! Verifying: what is damaged is told chunk by chunk, with whom it hurts; what parity tells is mended; what was read is remembered.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use base::SourceId;
use base::fault::Code;
use objects::{Local, Objects};
use store::{Parity, Place, Store, VerifyReport, VerifySpec};
use testkit::{Dice, Handles, SimDisk};

use crate::model::{Files, Key, backup, violation};

struct World {
    handles: Handles,
    disk: SimDisk,
    source: SourceId,
    store: Store,
}

impl World {
    fn new(seed: u64, parity: Parity) -> Self {
        let (env, handles) = testkit::env(seed);
        let (disk, key) = (SimDisk::new(), Key::new(&env));
        let store = Store::create_with(place(&disk), &key.slots(), &env, Place::Memory, parity);
        Self {
            source: SourceId::random(&env),
            store: store.unwrap(),
            handles,
            disk,
        }
    }

    fn verify(&self, spec: VerifySpec) -> VerifyReport {
        let go_on = &mut |_: &_| ControlFlow::Continue(());
        self.store.verify(&spec, go_on).unwrap()
    }

    fn packs(&self) -> Vec<String> {
        let paths = self.disk.files().into_keys();
        paths.filter(|path| path.starts_with("packs/")).collect()
    }

    /// Flips bits all over the first chunks of a pack.
    fn damage(&self, pack: &str, bytes: usize) {
        self.disk.damage(pack, |pack| {
            pack[64..]
                .iter_mut()
                .take(bytes)
                .step_by(50)
                .for_each(|byte| *byte ^= 1);
        });
    }
}

fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

/// Files that share nothing, one chunk each.
fn content(seed: u64, count: usize) -> Files {
    let mut dice = Dice::new(seed);
    (0..count)
        .map(|n| (format!("dir/file{n}"), dice.bytes(20_000)))
        .collect()
}

#[test]
fn every_damaged_chunk_is_told_with_the_paths_and_points_it_hurts() {
    let world = World::new(1, Parity::None);
    let first = content(1, 6);
    let one = backup(&world.store, world.source, &Files::new(), &first).unwrap();
    let mut second = first.clone();
    second.insert("later".to_owned(), vec![5; 400]);
    let two = backup(&world.store, world.source, &first, &second).unwrap();
    let points = [one, two].map(|made| made.point.unwrap().id);
    let victim = world.packs().remove(0);
    world.damage(&victim, 30_000);
    let report = world.verify(VerifySpec {
        repair: true,
        ..VerifySpec::default()
    });
    assert_eq!((report.damaged, report.repaired.len()), (1, 0));
    assert_eq!(report.points_hurt, points);
    // Of the chunks of the pack only the first ones are damaged.
    let count = report.damage.len();
    assert!((1..=2).contains(&count), "{:?}", report.damage);
    for damage in &report.damage {
        let path = String::from_utf8(damage.path.clone()).unwrap();
        assert!(first.contains_key(&path), "{path}");
        assert_eq!(damage.points, points);
    }
}

#[test]
fn what_parity_tells_is_mended_and_hurts_nobody() {
    let world = World::new(2, Parity::default());
    let first = content(2, 6);
    backup(&world.store, world.source, &Files::new(), &first).unwrap();
    let victim = world.packs().remove(0);
    let before = world.disk.files()[&victim].clone();
    world.damage(&victim, 60);
    let found = world.verify(VerifySpec::default());
    assert_eq!(
        (found.damaged, found.repaired.len()),
        (1, 0),
        "only when asked to"
    );
    let report = world.verify(VerifySpec {
        repair: true,
        ..VerifySpec::default()
    });
    assert_eq!((report.damaged, report.repaired.len()), (1, 1));
    assert_eq!(report.points_hurt, []);
    assert_eq!(world.disk.files()[&victim], before);
    assert_eq!(world.store.status().unwrap().unreadable_packs, 0);
    assert!(
        world
            .verify(VerifySpec {
                deep: true,
                ..VerifySpec::default()
            })
            .is_sound()
    );
    assert_eq!(violation(&world.store, &[], &[first]), None);
}

#[test]
fn a_pack_that_was_unreadable_for_a_moment_is_relied_upon_again() {
    let world = World::new(3, Parity::default());
    let first = content(3, 3);
    backup(&world.store, world.source, &Files::new(), &first).unwrap();
    let victim = world.packs().remove(0);
    let before = world.disk.files()[&victim].clone();
    world.damage(&victim, 60);
    world.verify(VerifySpec::default());
    assert_eq!(world.store.status().unwrap().unreadable_packs, 1);
    world
        .disk
        .damage(&victim, |bytes| bytes.clone_from(&before));
    let report = world.verify(VerifySpec {
        repair: true,
        ..VerifySpec::default()
    });
    assert_eq!((report.damaged, report.repaired.len()), (0, 0));
    assert_eq!(world.store.status().unwrap().unreadable_packs, 0);
}

#[test]
fn a_sample_takes_what_was_not_read_for_the_longest_time() {
    let world = World::new(4, Parity::None);
    let mut content = Files::new();
    for n in 0..10 {
        let before = content.clone();
        content.insert(format!("file{n}"), Dice::new(n).bytes(50_000));
        backup(&world.store, world.source, &before, &content).unwrap();
    }
    let all = world.verify(VerifySpec::default()).packs;
    let victim = world.packs().remove(0);
    // Every byte is read once in so many samples, not sooner and not later.
    world.damage(&victim, 60);
    let sample = VerifySpec {
        percent: Some(25.0),
        ..VerifySpec::default()
    };
    let mut packs = 0;
    let mut damaged = 0;
    for _ in 0..4 {
        world.handles.clock.advance(Duration::from_secs(3600));
        let report = world.verify(sample);
        assert!(report.packs < all);
        (packs, damaged) = (packs + report.packs, damaged + report.damaged);
    }
    assert!(packs >= all && damaged >= 1, "{packs} of {all}, {damaged}");
}

#[test]
fn an_interrupted_verification_goes_on_where_it_was() {
    let (env, handles) = testkit::env(5);
    let (disk, key) = (SimDisk::new(), Key::new(&env));
    let store = Store::create(place(&disk), &key.slots(), &env, Place::Memory).unwrap();
    let source = SourceId::random(&env);
    let mut content = Files::new();
    for n in 0..6 {
        let before = content.clone();
        content.insert(format!("file{n}"), Dice::new(n).bytes(30_000));
        backup(&store, source, &before, &content).unwrap();
    }
    handles.clock.advance(Duration::from_secs(60));
    let began = u64::try_from(env.now().as_second()).unwrap();
    let mut reads = 0;
    let fault = store.verify(&VerifySpec::default(), &mut |_| {
        reads += 1;
        match reads {
            4 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(fault.unwrap_err().code, Code::JobCancelled);
    let rest = VerifySpec {
        since_s: Some(began),
        ..VerifySpec::default()
    };
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let report = store.verify(&rest, go_on).unwrap();
    let all = store.verify(&VerifySpec::default(), go_on).unwrap();
    assert_eq!(report.packs + 4, all.packs);
    assert_eq!(store.verify(&rest, go_on).unwrap().packs, 0);
}

#[test]
fn a_deep_verification_notices_what_was_written_wrong() {
    let world = World::new(6, Parity::None);
    backup(&world.store, world.source, &Files::new(), &content(6, 3)).unwrap();
    let deep = VerifySpec {
        deep: true,
        repair: true,
        ..VerifySpec::default()
    };
    assert!(world.verify(deep).is_sound());
    world.damage(&world.packs().remove(0), 60);
    let report = world.verify(deep);
    assert_eq!((report.damaged, report.points_hurt.len()), (1, 1));
}
