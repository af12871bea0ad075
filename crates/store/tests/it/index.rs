//! The index is a cache: gone, old, new, foreign or damaged, the store is the same.

use std::path::Path;
use std::sync::Arc;

use base::fault::Code;
use base::{Env, SourceId};
use objects::faulty::{Call, Misdeed, Times};
use objects::{Faulty, Local, Memory, Objects};
use store::Store;
use testkit::{Dice, SimDisk, tempdir};

use crate::model::{Files, Key, backup, files, read, violation, write};

const FILE: &str = "index.redb";

fn open(objects: &Arc<dyn Objects>, key: &Key, env: &Env, cache: &Path) -> Store {
    Store::open(objects.clone(), &key.unlock(), env, cache).expect("a store that opens")
}

struct World {
    env: Env,
    key: Key,
    objects: Arc<dyn Objects>,
    source: SourceId,
    contents: Vec<Files>,
}

fn world(seed: u64) -> World {
    let (env, _) = testkit::env(seed);
    let mut dice = Dice::new(seed);
    let mut content = || files(&[("a", &dice.bytes(3000)), ("b", &dice.bytes(2000))]);
    World {
        key: Key::new(&env),
        objects: Arc::new(Memory::new()),
        source: SourceId::random(&env),
        contents: vec![content(), content(), content()],
        env,
    }
}

impl World {
    fn create(&self, cache: &Path) -> Store {
        let slots = self.key.slots();
        Store::create(self.objects.clone(), &slots, &self.env, cache).expect("a new store")
    }

    fn open(&self, cache: &Path) -> Store {
        open(&self.objects, &self.key, &self.env, cache)
    }
}

#[test]
fn an_index_that_is_gone_old_or_damaged_costs_time_and_nothing_else() {
    let world = world(1);
    let cache = tempdir().unwrap();
    let file = cache.path().join(FILE);
    let store = world.create(cache.path());
    let [a, b, _] = &world.contents[..] else {
        panic!("three contents");
    };
    let first = backup(&store, world.source, &Files::new(), a).unwrap();
    drop(store);
    let old = std::fs::read(&file).unwrap();
    let store = world.open(cache.path());
    let second = backup(&store, world.source, a, b).unwrap();
    drop(store);
    let known = [(first.point.unwrap().id, a), (second.point.unwrap().id, b)];
    let fresh = std::fs::read(&file).unwrap();

    let mut damaged = fresh.clone();
    damaged[..512].fill(0xff);
    for index in [
        None,
        Some(old),
        Some(Vec::new()),
        Some(damaged),
        Some(fresh),
    ] {
        match &index {
            None => std::fs::remove_file(&file).unwrap(),
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        }
        let store = world.open(cache.path());
        assert_eq!(violation(&store, &known, &[]), None);
        // Everything is known: nothing is stored again.
        let again = backup(&store, SourceId::random(&world.env), &Files::new(), b).unwrap();
        assert_eq!(again.new_chunks, 0);
        for point in store.points().unwrap() {
            if !known.iter().any(|(id, _)| *id == point.id) {
                store.delete_point(&point.id).unwrap();
            }
        }
    }
}

#[test]
fn a_filter_that_is_gone_old_or_damaged_costs_time_and_nothing_else() {
    let world = world(8);
    let cache = tempdir().unwrap();
    let file = cache.path().join("index.filter");
    let store = world.create(cache.path());
    let [a, b, c] = &world.contents[..] else {
        panic!("three contents");
    };
    backup(&store, world.source, &Files::new(), a).unwrap();
    drop(store);
    let old = std::fs::read(&file).unwrap();
    let store = world.open(cache.path());
    backup(&store, world.source, a, b).unwrap();
    drop(store);
    let fresh = std::fs::read(&file).unwrap();
    assert_ne!(old, fresh);

    for filter in [None, Some(&old), Some(&fresh[..100].to_vec()), Some(&fresh)] {
        match filter {
            None => std::fs::remove_file(&file).unwrap(),
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        }
        for known in [a, b] {
            let store = world.open(cache.path());
            let source = SourceId::random(&world.env);
            let again = backup(&store, source, &Files::new(), known).unwrap();
            assert_eq!(again.new_chunks, 0);
        }
        // It takes in what is stored after it was made anew, and keeps it.
        let store = world.open(cache.path());
        let new = files(&[(
            "c",
            &Dice::new(store.points().unwrap().len() as u64).bytes(900),
        )]);
        for is_new in [true, false] {
            let source = SourceId::random(&world.env);
            let taken = backup(&store, source, &Files::new(), &new).unwrap();
            assert_eq!(taken.new_chunks > 0, is_new);
        }
    }
    let store = world.open(cache.path());
    let source = SourceId::random(&world.env);
    assert!(backup(&store, source, &Files::new(), c).unwrap().new_chunks > 0);
}

#[test]
fn an_index_of_many_records_and_packs_is_built_anew_as_it_was() {
    let world = world(6);
    let (cache, other) = (tempdir().unwrap(), tempdir().unwrap());
    let store = world.create(cache.path());
    let mut dice = Dice::new(7);
    let mut before = Files::new();
    for _ in 0..150 {
        let now = files(&[("a", &dice.bytes(600)), ("b", b"b")]);
        backup(&store, world.source, &before, &now).unwrap();
        before = now;
    }
    let status = store.status().unwrap();
    let points = store.points().unwrap();
    assert_eq!(status.packs, 300);
    drop(store);
    let store = world.open(other.path());
    assert_eq!(store.status().unwrap(), status);
    assert_eq!(store.points().unwrap(), points);
    assert!(points.iter().all(|point| read(&store, &point.root).is_ok()));
}

#[test]
fn a_place_that_does_not_answer_while_the_index_is_built_loses_nothing() {
    let mut world = world(7);
    let faulty = Arc::new(Faulty::new(Memory::new()));
    world.objects = faulty.clone();
    let (cache, other) = (tempdir().unwrap(), tempdir().unwrap());
    let store = world.create(cache.path());
    let mut before = Files::new();
    for content in &world.contents {
        backup(&store, world.source, &before, content).unwrap();
        before = content.clone();
    }
    let status = store.status().unwrap();
    drop(store);
    for passes in 0.. {
        faulty.fail(Call::Get, passes, Misdeed::Failed, Times::Once);
        let unlock = world.key.unlock();
        let opened = Store::open(faulty.clone(), &unlock, &world.env, other.path());
        faulty.heal();
        match opened {
            Ok(store) => {
                assert_eq!(store.status().unwrap(), status);
                assert!(passes > 10, "{passes} reads");
                break;
            }
            Err(fault) => assert_eq!(fault.code, Code::PoolUnreadable, "{passes}"),
        }
        // What was built so far is gone on with, or this is a new one.
        if passes % 2 == 0 {
            let _ = std::fs::remove_file(other.path().join(FILE));
        }
    }
}

#[test]
fn the_index_of_another_store_is_not_believed() {
    let (one, other) = (world(2), world(3));
    let cache = tempdir().unwrap();
    drop(other.create(cache.path()));
    let store = one.create(cache.path());
    let made = backup(&store, one.source, &Files::new(), &one.contents[0]).unwrap();
    drop(store);
    drop(other.open(cache.path()));
    let store = one.open(cache.path());
    let known = [(made.point.unwrap().id, &one.contents[0])];
    assert_eq!(violation(&store, &known, &[]), None);
}

#[test]
fn an_index_newer_than_the_place_is_not_believed() {
    let mut world = world(4);
    let cache = tempdir().unwrap();
    let disk = SimDisk::new();
    world.objects = Arc::new(Local::open(disk.clone()).unwrap());
    let [a, b, c] = world.contents.clone().try_into().expect("three contents");
    let store = world.create(cache.path());
    let first = backup(&store, world.source, &Files::new(), &a).unwrap();
    drop(store);
    disk.checkpoint();
    let store = world.open(cache.path());
    backup(&store, world.source, &a, &b).unwrap();
    let session = store.begin(world.source, None).unwrap();
    write(&session, &Files::new(), &c).unwrap();
    let file = cache.path().join(FILE);
    drop(session);
    drop(store);
    let newest = std::fs::read(&file).unwrap();
    let known = [(first.point.unwrap().id, &a)];
    // The place goes back to each earlier moment; the index stays at the last one.
    for k in 0..disk.ops() {
        std::fs::write(&file, &newest).unwrap();
        world.objects = Arc::new(Local::open(disk.killed_at(k)).unwrap());
        let store = world.open(cache.path());
        let states = [a.clone(), b.clone(), c.clone()];
        assert_eq!(violation(&store, &known, &states), None, "back to {k}");
        backup(&store, SourceId::random(&world.env), &Files::new(), &c).unwrap();
        let mut states = states.to_vec();
        states.push(c.clone());
        assert_eq!(
            violation(&store, &known, &states),
            None,
            "back to {k}, then on"
        );
    }
}

/// A store whose only session was killed right before its commit's record.
struct Killed {
    disk: SimDisk,
    key: Key,
    env: Env,
    source: SourceId,
    content: Files,
}

fn killed() -> Killed {
    let (env, _) = testkit::env(5);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let content = files(&[("a", &Dice::new(6).bytes(36 << 20))]);
    let store = key.create(
        Arc::new(Local::open(disk.clone()).expect("nothing fails here")),
        &env,
    );
    disk.checkpoint();
    let session = store.begin(source, None).expect("nothing fails here");
    write(&session, &Files::new(), &content).expect("nothing fails here");
    session
        .commit(store::CommitSpec::sync_only())
        .expect("nothing fails here");
    let records = |disk: &SimDisk| paths(disk, "log/").len();
    let before = (0..=disk.ops())
        .rev()
        .find(|k| records(&disk.killed_at(*k)) == 1);
    Killed {
        disk: disk.killed_at(before.expect("there was a moment before the commit")),
        key,
        env,
        source,
        content,
    }
}

fn paths(disk: &SimDisk, prefix: &str) -> Vec<String> {
    let paths = disk.files().into_keys();
    paths.filter(|path| path.starts_with(prefix)).collect()
}

impl Killed {
    fn open(&self) -> Store {
        let local = Local::open(self.disk.clone()).expect("nothing fails here");
        self.key
            .open(Arc::new(local), &self.env)
            .expect("a store that opens")
    }
}

#[test]
fn what_a_killed_session_had_made_durable_is_not_stored_again() {
    let killed = killed();
    let before = paths(&killed.disk, "packs/");
    assert!(before.len() >= 2);
    let store = killed.open();
    assert_eq!(store.replica(&killed.source).unwrap(), None);
    let again = backup(&store, killed.source, &Files::new(), &killed.content).unwrap();
    assert_eq!(again.new_chunks, 0, "the tree was durable too");
    assert_eq!(paths(&killed.disk, "packs/"), before);
    let known = [(again.point.unwrap().id, &killed.content)];
    assert_eq!(violation(&store, &known, &[]), None);
}

#[test]
fn a_torn_pack_under_its_final_name_is_never_relied_upon() {
    let killed = killed();
    let torn = paths(&killed.disk, "packs/").remove(0);
    killed.disk.damage(&torn, |bytes| {
        let half = bytes.len() / 2;
        bytes[half..half + 512].fill(0);
    });
    let store = killed.open();
    let again = backup(&store, killed.source, &Files::new(), &killed.content).unwrap();
    assert!(again.new_chunks > 0);
    let known = [(again.point.unwrap().id, &killed.content)];
    assert_eq!(violation(&store, &known, &[]), None);
    drop(store);
    assert_eq!(violation(&killed.open(), &known, &[]), None);
}
