//! A pool of several directories: what is on a volume that is away waits, and nothing else changes.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use base::fault::Code;
use base::{Env, SourceId};
use store::VerifySpec;
use store::{CollectProgress, Store, VolumeState};
use testkit::Dice;

use crate::collect::collect;
use crate::model::{Files, Key, backup, files, read, violation};

/// A pool with room for volumes beside it.
struct World {
    dir: tempfile::TempDir,
    env: Env,
    key: Key,
    source: SourceId,
}

impl World {
    fn new(seed: u64) -> (Self, Store) {
        let (env, _) = testkit::env(seed);
        let world = Self {
            dir: testkit::tempdir().unwrap(),
            key: Key::new(&env),
            source: SourceId::random(&env),
            env,
        };
        let index = world.path("index");
        let pool = world.path("pool");
        let store = Store::create_at(&pool, &world.key.slots(), &world.env, &index, "test");
        (world, store.unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Store {
        let (pool, index) = (self.path("pool"), self.path("index"));
        Store::open_at(&pool, &self.key.unlock(), &self.env, &index, "test").unwrap()
    }

    /// Takes a volume away, or brings it back.
    fn pull(&self, name: &str) {
        fs::rename(self.path(name), self.path("elsewhere")).unwrap();
    }

    fn push(&self, name: &str) {
        let _ = fs::remove_dir(self.path(name));
        fs::rename(self.path("elsewhere"), self.path(name)).unwrap();
    }
}

fn packs_in(place: &Path) -> usize {
    let Ok(shelves) = fs::read_dir(place.join("packs")) else {
        return 0;
    };
    let in_shelf = |shelf: fs::DirEntry| fs::read_dir(shelf.path()).unwrap().count();
    shelves.map(|shelf| in_shelf(shelf.unwrap())).sum()
}

fn go_on(_: CollectProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Returns the packs of content in the pool's own directory.
fn packs(world: &World) -> Vec<PathBuf> {
    let mut packs = Vec::new();
    for shelf in fs::read_dir(world.path("pool/packs")).unwrap() {
        let shelf = shelf.unwrap().path();
        packs.extend(
            fs::read_dir(shelf)
                .unwrap()
                .map(|pack| pack.unwrap().path()),
        );
    }
    packs
}

/// Moves packs to a volume, as if that had had the most room.
fn move_packs(world: &World, name: &str, packs: &[PathBuf]) {
    for pack in packs {
        let shelf = pack.parent().unwrap().file_name().unwrap();
        let to = world.path(name).join("packs").join(shelf);
        fs::rename(pack, to.join(pack.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_volume_that_is_away_keeps_only_its_own_points_waiting() {
    let (world, store) = World::new(1);
    let mut dice = Dice::new(1);
    let first = files(&[("a", &dice.bytes(50_000))]);
    let made = backup(&store, world.source, &Files::new(), &first).unwrap();
    let firsts = packs(&world);
    let second = files(&[("b", &dice.bytes(40_000))]);
    let other = SourceId::random(&world.env);
    let kept = backup(&store, other, &Files::new(), &second).unwrap();
    store.add_volume("big", &world.path("big")).unwrap();
    move_packs(&world, "big", &firsts);
    drop(store);

    let store = world.open();
    assert_eq!(store.points_waiting().unwrap(), []);
    let states = [first.clone(), second.clone()];
    assert_eq!(violation(&store, &[], &states), None);
    assert_eq!(collect(&store).unwrap().packs, 0);
    drop(store);

    world.pull("big");
    let store = world.open();
    let volumes = store.volumes().unwrap();
    assert!(
        matches!(volumes[0].state, VolumeState::Away(_)),
        "{volumes:?}"
    );
    assert_eq!(
        store.points_waiting().unwrap(),
        [made.point.as_ref().unwrap().id]
    );
    assert_eq!(read(&store, &kept.root).unwrap(), second);
    let fault = read(&store, &made.root).unwrap_err();
    assert_eq!(fault.code, Code::VolumeMissing);
    // Nothing is doubted, verifying finds no damage, collecting takes nothing away, and backing up goes on.
    let report = store
        .verify(&VerifySpec::default(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert!(report.is_sound() && report.packs_away == 1, "{report:?}");
    collect(&store).unwrap();
    let third = files(&[("b", &dice.bytes(30_000))]);
    backup(&store, other, &second, &third).unwrap();
    assert_eq!(store.status().unwrap().unreadable_packs, 0);

    // An empty directory is not the volume that was mounted there.
    fs::create_dir(world.path("big")).unwrap();
    let volumes = store.volumes().unwrap();
    assert!(
        matches!(volumes[0].state, VolumeState::Away(_)),
        "{volumes:?}"
    );
    world.push("big");
    assert_eq!(store.volumes().unwrap()[0].state, VolumeState::Ok);
    assert_eq!(store.points_waiting().unwrap(), []);
    let states = [first, second, third];
    assert_eq!(violation(&store, &[], &states), None);
}

#[test]
fn an_index_built_without_a_volume_takes_it_in_when_it_is_back() {
    let (world, store) = World::new(2);
    let content = files(&[("a", &Dice::new(2).bytes(50_000))]);
    let made = backup(&store, world.source, &Files::new(), &content).unwrap();
    store.add_volume("big", &world.path("big")).unwrap();
    move_packs(&world, "big", &packs(&world));
    drop(store);
    fs::remove_dir_all(world.path("index")).unwrap();
    world.pull("big");
    let store = world.open();
    let fault = read(&store, &made.root).unwrap_err();
    assert_eq!(fault.code, Code::VolumeMissing);
    assert_eq!(store.points_waiting().unwrap().len(), 1);
    world.push("big");
    store.volumes().unwrap();
    assert_eq!(read(&store, &made.root).unwrap(), content);
    assert_eq!(store.status().unwrap().unreadable_packs, 0);
}

#[test]
fn a_volume_is_drained_and_taken_out() {
    let (world, store) = World::new(3);
    let content = files(&[("a", &Dice::new(3).bytes(50_000))]);
    backup(&store, world.source, &Files::new(), &content).unwrap();
    store.add_volume("old", &world.path("old")).unwrap();
    move_packs(&world, "old", &packs(&world));
    let fault = store.remove_volume("old", false).unwrap_err();
    assert_eq!(fault.code, Code::VolumeNotEmpty);

    let stop = &mut |_| ControlFlow::Break(());
    let fault = store.drain_volume("old", stop).unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);
    assert_eq!(store.volumes().unwrap()[0].state, VolumeState::Draining);
    drop(store);
    let store = world.open();
    assert_eq!(store.volumes().unwrap()[0].state, VolumeState::Draining);
    assert!(store.drain_volume("old", &mut go_on).unwrap() > 50_000);
    assert_eq!(packs_in(&world.path("old")), 0);
    store.remove_volume("old", false).unwrap();
    assert_eq!(store.volumes().unwrap(), []);
    assert_eq!(violation(&store, &[], &[content]), None);
    assert_eq!(
        store.remove_volume("old", false).unwrap_err().code,
        Code::VolumeUnknown
    );
}

#[test]
fn what_cannot_be_a_volume_is_refused_and_left_as_it_is() {
    let (world, store) = World::new(4);
    let refused = |name: &str, path: &Path| store.add_volume(name, path).unwrap_err();
    fs::create_dir(world.path("full")).unwrap();
    fs::write(world.path("full/letter"), "dear reader").unwrap();
    let fault = refused("full", &world.path("full"));
    assert_eq!(fault.code, Code::VolumeUnfit);
    assert!(
        fault.param("reason").unwrap().contains("letter"),
        "{fault:?}"
    );
    assert_eq!(fs::read_dir(world.path("full")).unwrap().count(), 1);
    assert_eq!(
        refused("in", &world.path("pool/in")).code,
        Code::VolumeUnfit
    );
    assert_eq!(refused("out", world.dir.path()).code, Code::VolumeUnfit);
    assert_eq!(
        refused("No!", &world.path("x")).code,
        Code::VolumeNameInvalid
    );
    store.add_volume("one", &world.path("one")).unwrap();
    assert_eq!(refused("one", &world.path("two")).code, Code::VolumeUnfit);
    assert_eq!(refused("two", &world.path("one")).code, Code::VolumeUnfit);

    // Another pool's volume stays that pool's.
    let (other, second) = World::new(5);
    let fault = second.add_volume("stolen", &world.path("one")).unwrap_err();
    assert!(
        fault.param("reason").unwrap().contains("another pool"),
        "{fault:?}"
    );
    drop(other);
    assert_eq!(store.volumes().unwrap()[0].state, VolumeState::Ok);
}

#[test]
fn what_a_claim_that_was_cut_off_and_a_volume_that_was_taken_out_left_can_be_a_volume() {
    let (world, store) = World::new(7);
    for shelf in [".tmp", "packs/00", "packs/01"] {
        fs::create_dir_all(world.path("half").join(shelf)).unwrap();
    }
    store.add_volume("half", &world.path("half")).unwrap();
    store.remove_volume("half", false).unwrap();
    store.add_volume("half", &world.path("half")).unwrap();

    // But not if it is somebody's.
    for thing in ["packs/letter", "packs/00/letter"] {
        let theirs = world.path("theirs").join(thing);
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&theirs, "dear reader").unwrap();
        let fault = store
            .add_volume("theirs", &world.path("theirs"))
            .unwrap_err();
        assert_eq!(fault.code, Code::VolumeUnfit);
        fs::remove_file(theirs).unwrap();
    }
}

#[test]
fn a_copy_of_the_pool_does_not_get_its_volumes() {
    let (world, store) = World::new(6);
    let content = files(&[("a", &Dice::new(6).bytes(50_000))]);
    backup(&store, world.source, &Files::new(), &content).unwrap();
    store.add_volume("big", &world.path("big")).unwrap();
    move_packs(&world, "big", &packs(&world));
    drop(store);
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([world.path("pool"), world.path("copy")])
        .status();
    assert!(copied.unwrap().success());
    let (copy, index) = (world.path("copy"), world.path("other-index"));
    let store = Store::open_at(&copy, &world.key.unlock(), &world.env, &index, "test").unwrap();
    let VolumeState::Away(why) = &store.volumes().unwrap()[0].state else {
        panic!("it is the first one's");
    };
    assert!(why.contains("copy"), "{why}");
    // All points go there, and nothing of the first one's does.
    for point in store.points().unwrap() {
        store.delete_point(&point.id).unwrap();
    }
    store.drop_replica(&world.source).unwrap();
    collect(&store).unwrap();
    drop(store);
    let store = world.open();
    assert_eq!(violation(&store, &[], &[content]), None);
    assert_eq!(store.points().unwrap().len(), 1);
}

#[test]
fn a_volume_that_is_lost_is_given_up_and_its_content_stored_anew() {
    let (world, store) = World::new(7);
    let content = files(&[("a", &Dice::new(7).bytes(50_000))]);
    let made = backup(&store, world.source, &Files::new(), &content).unwrap();
    store.add_volume("big", &world.path("big")).unwrap();
    move_packs(&world, "big", &packs(&world));
    fs::remove_dir_all(world.path("big")).unwrap();
    drop(store);
    let store = world.open();
    assert_eq!(
        read(&store, &made.root).unwrap_err().code,
        Code::VolumeMissing
    );
    store.remove_volume("big", true).unwrap();
    assert_eq!(
        read(&store, &made.root).unwrap_err().code,
        Code::ChunkMissing
    );
    // A consistency check reads the whole source.
    let again = store.begin(world.source, Some(made.root)).unwrap();
    crate::model::write(&again, &Files::new(), &content).unwrap();
    again.commit(store::CommitSpec::sync_only()).unwrap();
    assert_eq!(violation(&store, &[], &[content]), None);
}

#[test]
fn a_volume_that_does_not_know_its_copied_pool_is_taken_in_again_and_goes_on_draining() {
    let (world, store) = World::new(9);
    let content = files(&[("a", &Dice::new(9).bytes(50_000))]);
    let made = backup(&store, world.source, &Files::new(), &content).unwrap();
    let all = packs(&world);
    store.add_volume("big", &world.path("big")).unwrap();
    move_packs(&world, "big", &all);
    drop(store);
    let links = world.path("pool/volumes");
    fs::rename(links.join("big"), links.join("big.draining")).unwrap();
    fs::rename(world.path("pool"), world.path("original")).unwrap();
    let (from, to) = (world.path("original"), world.path("pool"));
    assert!(testkit::runs(
        "cp",
        ["-a", from.to_str().unwrap(), to.to_str().unwrap()]
    ));
    // What an attempt that was killed leaves.
    std::os::unix::fs::symlink("/nowhere", links.join(".big")).unwrap();
    fs::write(world.path("big/.volume"), "dozo vol").unwrap();

    let store = world.open();
    let state = |store: &Store| store.volumes().unwrap().remove(0).state;
    assert!(matches!(state(&store), VolumeState::Away(_)));
    // Neither an empty directory nor the pool's own take its place.
    for other in ["empty", "original"] {
        let refused = store.add_volume("big", &world.path(other)).unwrap_err();
        assert_eq!(refused.code, Code::VolumeUnfit);
    }
    store.add_volume("big", &world.path("big")).unwrap();
    assert_eq!(state(&store), VolumeState::Draining);
    assert_eq!(read(&store, &made.root).unwrap(), content);
    let again = store.add_volume("big", &world.path("big")).unwrap_err();
    assert_eq!(again.code, Code::VolumeUnfit);
    assert_eq!(store.volumes().unwrap().len(), 1);
    drop(store);
    // It belongs to the copy from here on.
    let (original, index) = (world.path("original"), world.path("other-index"));
    let unlock = world.key.unlock();
    let store = Store::open_at(&original, &unlock, &world.env, &index, "test").unwrap();
    assert!(matches!(state(&store), VolumeState::Away(_)));
}
