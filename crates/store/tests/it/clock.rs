//! The retention clock: never faster than the time since boot, never by the wall clock (R11, R35; T12).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Env, Timestamp};
use format::log::ConfigKind;
use objects::{Memory, Objects};
use proptest::prelude::*;
use store::Store;
use testkit::{VirtualClock, tempdir};

use crate::model::Key;

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    env: Env,
    clock: Arc<VirtualClock>,
    key: Key,
    objects: Arc<dyn Objects>,
}

fn world() -> World {
    let (env, handles) = testkit::env(1);
    World {
        key: Key::new(&env),
        clock: handles.clock,
        objects: Arc::new(Memory::new()),
        env,
    }
}

impl World {
    fn create(&self, cache: &Path) -> Store {
        let slots = self.key.slots();
        let store = Store::create(self.objects.clone(), &slots, &self.env, cache);
        let store = store.expect("a new store");
        record(&store);
        store
    }

    fn open(&self, cache: &Path) -> Store {
        let unlock = self.key.unlock();
        Store::open(self.objects.clone(), &unlock, &self.env, cache).expect("a store that opens")
    }
}

/// Writes some record.
fn record(store: &Store) {
    let json = Some(b"{}".to_vec());
    let written = store.put_config(ConfigKind::Policy, [1; 16], json);
    written.expect("a record");
}

fn ns(of: Duration) -> i64 {
    i64::try_from(of.as_nanos()).expect("a short time")
}

#[test]
fn it_goes_on_across_a_stop_within_one_boot() {
    let world = world();
    let cache = tempdir().unwrap();
    let store = world.create(cache.path());
    let begin = store.retention_now_ns();
    world.clock.advance(HOUR);
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
    record(&store);
    // Before the stop without a record, and while it is stopped.
    world.clock.advance(HOUR);
    drop(store);
    world.clock.advance(HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + 3 * ns(HOUR));
    // Nothing was written: the next process finds the same.
    drop(store);
    world.clock.advance(HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + 4 * ns(HOUR));
}

#[test]
fn it_stands_still_across_another_boot_and_an_unknown_one() {
    let world = world();
    let cache = tempdir().unwrap();
    let store = world.create(cache.path());
    let begin = store.retention_now_ns();
    drop(store);
    world.clock.reboot();
    world.clock.advance(5 * HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin);
    world.clock.advance(HOUR);
    record(&store);
    drop(store);
    world.clock.set_boot(None);
    world.clock.advance(5 * HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
    record(&store);
    drop(store);
    // Two unknown boots are not the same one.
    world.clock.advance(5 * HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
}

#[test]
fn a_lost_index_or_an_earlier_time_of_the_same_boot_adds_nothing() {
    let world = world();
    let (cache, other) = (tempdir().unwrap(), tempdir().unwrap());
    let store = world.create(cache.path());
    let begin = store.retention_now_ns();
    drop(store);
    world.clock.advance(HOUR);
    let store = world.open(other.path());
    assert_eq!(store.retention_now_ns(), begin);
    drop(store);
    world.clock.set_since_boot(Duration::from_secs(1));
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin);
}

#[test]
fn the_wall_clock_moves_it_neither_forwards_nor_back() {
    let world = world();
    let cache = tempdir().unwrap();
    let store = world.create(cache.path());
    let begin = store.retention_now_ns();
    let start = world.env.now();
    world.clock.set_wall(start + 24 * 365 * HOUR);
    assert_eq!(store.retention_now_ns(), begin);
    drop(store);
    world.clock.advance(HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
    record(&store);
    drop(store);
    // Behind: it waits for the wall clock, and does not make up for that later.
    world.clock.set_wall(start - 10 * HOUR);
    world.clock.advance(HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
    record(&store);
    world.clock.set_wall(start + 10 * HOUR);
    assert_eq!(store.retention_now_ns(), begin + ns(HOUR));
}

#[test]
fn an_old_copy_of_the_index_counts_no_hour_twice() {
    let world = world();
    let cache = tempdir().unwrap();
    let file = cache.path().join("index.redb");
    let store = world.create(cache.path());
    let begin = store.retention_now_ns();
    drop(store);
    let old = std::fs::read(&file).unwrap();
    let store = world.open(cache.path());
    world.clock.advance(HOUR);
    record(&store);
    drop(store);
    std::fs::write(&file, old).unwrap();
    world.clock.advance(HOUR);
    let store = world.open(cache.path());
    assert_eq!(store.retention_now_ns(), begin + 2 * ns(HOUR));
}

/// Something that happens to the clocks or to the process.
#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(u32),
    Wall(i32),
    Reboot,
    Record,
    Reopen,
    LoseIndex,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..1_000_000_u32).prop_map(Event::Pass),
        (-300_000_000..300_000_000_i32).prop_map(Event::Wall),
        Just(Event::Reboot),
        Just(Event::Record),
        Just(Event::Reopen),
        Just(Event::LoseIndex),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_it_advances_by_at_most_the_time_that_passed(
        events in prop::collection::vec(event(), 1..40)
    ) {
        let world = world();
        let cache = tempdir().expect("a directory");
        let mut store = Some(world.create(cache.path()));
        let mut passed = 0;
        let begin = store.as_ref().expect("open").retention_now_ns();
        let mut last = begin;
        for event in events {
            match event {
                Event::Pass(seconds) => {
                    let by = Duration::from_secs(u64::from(seconds));
                    world.clock.advance(by);
                    passed += ns(by);
                }
                Event::Wall(seconds) => {
                    let wall = 1_767_225_600 + i64::from(seconds);
                    world.clock.set_wall(Timestamp::from_second(wall).expect("a year in range"));
                }
                Event::Reboot => {
                    drop(store.take());
                    world.clock.reboot();
                    store = Some(world.open(cache.path()));
                }
                Event::Record => record(store.as_ref().expect("open")),
                Event::Reopen => {
                    drop(store.take());
                    store = Some(world.open(cache.path()));
                }
                Event::LoseIndex => {
                    drop(store.take());
                    std::fs::remove_file(cache.path().join("index.redb")).expect("removed");
                    store = Some(world.open(cache.path()));
                }
            }
            let now = store.as_ref().expect("open").retention_now_ns();
            prop_assert!(now <= begin + passed, "{event:?}");
            // A process that ends without a record forgets what it alone had seen.
            let forgets = matches!(event, Event::Reboot | Event::Reopen | Event::LoseIndex);
            prop_assert!(forgets || now >= last, "{event:?}");
            last = now;
        }
    }
}
