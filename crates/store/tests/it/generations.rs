//! Generations of chunk keys: none seals more than it may, and all of them stay readable.

use std::sync::Arc;

use base::fault::Code;
use base::{Env, PointId, SourceId};
use format::log::Body;
use objects::disk::Errno;
use objects::{Local, Objects};
use store::{Limits, Place, Store};
use testkit::{Call, Dice, Injection, Misdeed, SimDisk, Times};

use crate::model::{Files, Key, backup, files, violation};

const LIMIT: u64 = 4;

struct World {
    env: Env,
    disk: SimDisk,
    key: Key,
    source: SourceId,
}

impl World {
    fn new(seed: u64) -> Self {
        let (env, _) = testkit::env(seed);
        let world = Self {
            disk: SimDisk::new(),
            key: Key::new(&env),
            source: SourceId::random(&env),
            env,
        };
        drop(world.key.create(place(&world.disk), &world.env));
        world
    }

    /// Opens the store with an index built anew, with generations that end early.
    fn open(&self) -> Store {
        self.try_open(&self.disk).expect("a store that opens")
    }

    fn try_open(&self, disk: &SimDisk) -> Result<Store, base::Fault> {
        let limits = Limits {
            generation_chunks: LIMIT,
            ..Limits::default()
        };
        let (key, place) = (self.key.unlock(), place(disk));
        Store::open_with(place, &key, &self.env, Place::Memory, limits)
    }

    fn rings(&self) -> u64 {
        let paths = self.disk.files().into_keys();
        paths.filter(|path| path.starts_with("keys/ring-")).count() as u64
    }
}

fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

fn content(seed: u64, count: usize) -> Files {
    let mut dice = Dice::new(seed);
    let names = (0..count).map(|i| format!("file{i}"));
    names.map(|name| (name, dice.bytes(1000))).collect()
}

/// Returns the rings and the generations that the log names.
fn logged(store: &Store) -> Vec<(u64, u32)> {
    let records = store.log_after(0).map(|record| record.expect("a record"));
    records
        .filter_map(|record| match record.body {
            Body::Generation {
                ring, generation, ..
            } => Some((ring, generation)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_generation_ends_before_it_seals_more_than_it_may() {
    let world = World::new(1);
    let store = world.open();
    let content = content(1, 21);
    let made = backup(&store, world.source, &Files::new(), &content).unwrap();
    // 21 chunks and a tree, and a table for each pack.
    let sealed = made.new_chunks + store.status().unwrap().packs;
    let generations = sealed.div_ceil(LIMIT);
    assert_eq!(world.rings(), generations);
    let expected: Vec<_> = (2..=generations)
        .map(|n| (n, u32::try_from(n).unwrap()))
        .collect();
    assert_eq!(logged(&store), expected);

    let known = [(made.point.unwrap().id, &content)];
    assert_eq!(violation(&store, &known, &[]), None);
    drop(store);
    let store = world.open();
    assert_eq!(violation(&store, &known, &[]), None);
    // What was sealed under earlier keys is known under the newest.
    let again = backup(
        &store,
        SourceId::random(&world.env),
        &Files::new(),
        &content,
    )
    .unwrap();
    assert_eq!(again.new_chunks, 0);
    assert_eq!(world.rings(), generations);
}

#[test]
fn what_earlier_processes_sealed_is_counted() {
    let world = World::new(2);
    let mut before = Files::new();
    let mut sealed = 0;
    for seed in 0..10 {
        let store = world.open();
        let packs = store.status().unwrap().packs;
        let now = content(seed, 1);
        let made = backup(&store, world.source, &before, &now).unwrap();
        sealed += made.new_chunks + store.status().unwrap().packs - packs;
        before = now;
    }
    assert!(sealed >= 30, "{sealed}");
    assert!(world.rings() >= sealed.div_ceil(LIMIT), "{sealed}");
}

#[test]
fn several_sessions_share_the_count() {
    let world = World::new(3);
    let store = world.open();
    let made: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|seed| {
                let (store, world) = (&store, &world);
                scope.spawn(move || {
                    let source = SourceId::random(&world.env);
                    let content = content(100 + seed, 30);
                    let made = backup(store, source, &Files::new(), &content);
                    made.expect("a backup").new_chunks
                })
            })
            .collect();
        let made = threads.into_iter().map(|thread| thread.join());
        made.map(|made| made.expect("a backup")).sum()
    });
    assert_eq!(made, 93);
    let sealed = made + store.status().unwrap().packs;
    assert_eq!(world.rings(), sealed.div_ceil(LIMIT));
}

#[test]
fn no_crash_while_generations_begin_loses_anything() {
    let world = World::new(4);
    let store = world.open();
    let states: Vec<Files> = (0..3).map(|seed| content(seed, 3)).collect();
    let first = backup(&store, world.source, &Files::new(), &states[0]).unwrap();
    world.disk.checkpoint();
    let second = backup(&store, world.source, &states[0], &states[1]).unwrap();
    let acknowledged = world.disk.ops();
    assert!(logged(&store).len() > 2);
    drop(store);
    let first = first.point.unwrap().id;
    let second = second.point.unwrap().id;
    let rings = world.rings();
    let mut visited = 0;
    for k in 0..=world.disk.ops() {
        let mut known: Vec<(PointId, &Files)> = vec![(first, &states[0])];
        if k >= acknowledged {
            known.push((second, &states[1]));
        }
        let crashed = world.disk.crash_states(k, 1);
        for state in crashed.chain([world.disk.killed_at(k)]) {
            visited += 1;
            let at = state.origin();
            let store = world.try_open(&state).unwrap_or_else(|fault| {
                panic!("{at}: the store does not open: {fault:?}");
            });
            assert_eq!(violation(&store, &known, &states), None, "{at}");
            // And on, under a generation that was begun or has yet to be.
            let other = SourceId::random(&world.env);
            let made = backup(&store, other, &Files::new(), &states[2]).expect(&at);
            known.push((made.point.expect("a point").id, &states[2]));
            assert_eq!(violation(&store, &known, &states), None, "{at}");
            drop(store);
            let store = world.try_open(&state).expect(&at);
            assert_eq!(violation(&store, &known, &states), None, "{at}, reopened");
            known.pop();
        }
    }
    assert!(visited > 50, "{visited} states, {rings} rings");
}

#[test]
fn a_ring_that_cannot_be_written_ends_the_session_and_the_next_one_goes_on() {
    let mut healed = 0;
    let calls = [Call::Draft, Call::Write, Call::Publish, Call::Sync];
    for call in calls.into_iter().chain([Call::SyncDir]) {
        for passes in 0..12 {
            let world = World::new(5);
            let store = world.open();
            let [old, new] = [content(1, 2), content(2, 2)];
            let made = backup(&store, world.source, &Files::new(), &old).unwrap();
            world.disk.inject(Injection {
                call,
                passes,
                misdeed: Misdeed::Fails(Errno::NOSPC),
                times: Times::Once,
            });
            let result = backup(&store, world.source, &old, &new);
            let mut known = vec![(made.point.unwrap().id, &old)];
            match result {
                Ok(made) => known.push((made.point.unwrap().id, &new)),
                Err(fault) => {
                    let codes = [Code::PoolFull, Code::PoolUnwritable, Code::PoolReadOnly];
                    assert!(codes.contains(&fault.code), "{call:?} {passes}: {fault:?}");
                    // The same process may find the ring that it could not finish.
                    if let Ok(made) = backup(&store, world.source, &old, &new) {
                        healed += 1;
                        known.push((made.point.unwrap().id, &new));
                    }
                }
            }
            drop(store);
            let restarted = world.disk.killed_at(world.disk.ops());
            let store = world.try_open(&restarted).unwrap();
            let more = files(&[("more", &Dice::new(9).bytes(20_000))]);
            let other = SourceId::random(&world.env);
            let made = backup(&store, other, &Files::new(), &more).unwrap();
            known.push((made.point.unwrap().id, &more));
            let states = [old.clone(), new.clone(), more.clone()];
            let what = violation(&store, &known, &states);
            assert_eq!(what, None, "{call:?} after {passes}");
        }
    }
    assert!(healed > 10, "{healed} sessions went on in the same process");
}
