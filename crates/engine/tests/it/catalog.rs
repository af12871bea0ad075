//! The catalog can be lost: it costs history, never protection.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use base::fault::Code;
use engine::{Engine, JobQuery};

use crate::world::{World, open_alerts, protect, tick};

/// What must not be lost, as text.
fn protection(engine: &Engine) -> String {
    format!(
        "{:?}\n{:?}",
        engine.inventory(),
        engine.points(None).unwrap()
    )
}

fn damaged_files(world: &World) -> usize {
    let names = fs::read_dir(&world.data).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("catalog.db.damaged-") && !name.ends_with("-wal"))
        .filter(|name| !name.ends_with("-shm"))
        .count()
}

fn remove_catalog(world: &World) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(world.data.join(name));
    }
}

/// A server with two points in its pool, closed in order.
fn closed_world() -> (World, String) {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.pass(1);
    protect(&engine, &world.folder("a"));
    let before = protection(&engine);
    engine.close().unwrap();
    (world, before)
}

#[test]
fn a_deleted_catalog_comes_back_from_the_pool() {
    let (world, before) = closed_world();
    remove_catalog(&world);
    let engine = world.open();
    assert_eq!(protection(&engine), before);
    assert_eq!(engine.jobs(&JobQuery::default()).unwrap().len(), 0);
    let alerts = engine.alerts(false, 10).unwrap();
    assert_eq!(alerts[0].fault.code, Code::CatalogRebuilt);
    assert_eq!(open_alerts(&engine), [], "it is information, not trouble");
    tick(&engine, &world);
    assert_eq!(engine.ledger(Some("web01:"), 10).unwrap().len(), 1);
}

#[test]
fn a_catalog_that_is_no_database_is_moved_aside_and_made_anew() {
    let (world, before) = closed_world();
    remove_catalog(&world);
    fs::write(world.data.join("catalog.db"), vec![0x5a; 64 << 10]).unwrap();
    let engine = world.open();
    assert_eq!(protection(&engine), before);
    assert_eq!(damaged_files(&world), 1);
    let alerts = engine.alerts(false, 10).unwrap();
    assert_eq!(alerts[0].fault.code, Code::CatalogRebuilt);
}

#[test]
fn damage_inside_the_file_is_found_after_a_stop_out_of_order() {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    let before = protection(&engine);
    let copy = world.killed_now();
    engine.close().unwrap();
    // The file as SQLite would have left it, then every page but the first one overwritten.
    let engine = copy.open();
    engine.close().unwrap();
    drop(engine);
    let path = copy.data.join("catalog.db");
    let bytes = fs::read(&path).unwrap();
    let dirty = bytes.windows(6).position(|w| w == b"clean1");
    let clean = dirty.expect("the mark of an orderly stop is in the file");
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(clean as u64)).unwrap();
    file.write_all(b"clean0").unwrap();
    file.seek(SeekFrom::Start(bytes.len() as u64 - 8192))
        .unwrap();
    file.write_all(&[0xa5; 8192]).unwrap();
    drop(file);

    let engine = copy.open();
    assert_eq!(protection(&engine), before);
    assert_eq!(damaged_files(&copy), 1);
}

#[test]
fn a_catalog_of_another_pool_shows_nothing_of_it() {
    let (world, _) = closed_world();
    let other = World::new();
    let _ = fs::create_dir(&other.data);
    fs::copy(world.data.join("catalog.db"), other.data.join("catalog.db")).unwrap();
    let mut env = other.env.clone();
    env.random = testkit::env(99).0.random;
    let pool = Arc::new(crate::world::MemoryPool::new(&env));
    let other = World { pool, ..other };
    let engine = other.open();
    assert_eq!(engine.points(None).unwrap().len(), 0);
    assert_eq!(engine.inventory().members.len(), 0);
}

/// A server with a point of `a` whose pool then goes back to where it was before another one, and to `history`.
fn set_back(history: impl FnOnce(&crate::world::MemoryPool)) -> World {
    let world = World::new();
    let engine = world.open();
    protect(&engine, &world.folder("a"));
    world.pass(1);
    let early = Arc::new(world.pool.fork());
    protect(&engine, &world.folder("a"));
    protect(&engine, &world.folder("b"));
    engine.close().unwrap();
    history(&early);
    let worker = Arc::new(World::worker(&world.env, &early));
    World {
        pool: early,
        worker,
        ..world
    }
}

/// A week passes: six days with the alert, and on the seventh it is over.
fn is_told_for_a_week(engine: &Engine, world: &World) {
    for _ in 0..6 {
        world.pass(24);
        tick(engine, world);
        engine.look_after(world.env.now()).unwrap();
        assert_eq!(open_alerts(engine), [Code::PoolRolledBack]);
    }
    world.pass(24);
    tick(engine, world);
    engine.look_after(world.env.now()).unwrap();
    assert_eq!(open_alerts(engine), []);
}

#[test]
fn a_pool_that_was_set_back_is_believed_and_told_for_a_week_and_until_all_is_as_new() {
    let world = set_back(|_| ());
    let engine = world.open();
    assert_eq!(engine.points(None).unwrap().len(), 1);
    assert_eq!(engine.inventory().members.len(), 1);
    assert_eq!(open_alerts(&engine), [Code::PoolRolledBack]);
    let fault = engine.alerts(true, 1).unwrap().remove(0).fault;
    let head = engine::Pool::head(&*world.pool);
    assert_eq!(fault.param("record"), Some((head + 1).to_string().as_str()));
    assert_eq!(fault.param("count"), Some("2"));
    assert_eq!(fault.param("since"), Some("2026-01-01T00:00:00Z"));

    // A later opening does not take it for new, nor for over.
    engine.close().unwrap();
    drop(engine);
    let engine = world.open();
    let alert = engine.alerts(true, 1).unwrap().remove(0);
    assert_eq!((alert.fault.code, alert.count), (Code::PoolRolledBack, 1));
    tick(&engine, &world);
    is_told_for_a_week(&engine, &world);
}

#[test]
fn a_pool_that_is_set_back_again_is_told_for_a_week_again() {
    let world = set_back(|_| ());
    let engine = world.open();
    for _ in 0..5 {
        world.pass(24);
        tick(&engine, &world);
    }
    let earlier = Arc::new(world.pool.fork());
    for _ in 0..2 {
        world.pass(24);
        tick(&engine, &world);
    }
    engine.close().unwrap();
    drop(engine);
    let worker = Arc::new(World::worker(&world.env, &earlier));
    let world = World {
        pool: earlier,
        worker,
        ..world
    };
    let engine = world.open();
    assert_eq!(engine.alerts(true, 1).unwrap().remove(0).count, 2);
    is_told_for_a_week(&engine, &world);
}

#[test]
fn a_pool_with_another_history_of_the_same_length_is_noticed() {
    let world = set_back(|pool| {
        while engine::Pool::head(pool) < 40 {
            pool.append(engine::pool::Change::Other);
        }
    });
    let engine = world.open();
    assert_eq!(engine.points(None).unwrap().len(), 1);
    assert_eq!(open_alerts(&engine), [Code::PoolRolledBack]);
    let fault = engine.alerts(true, 1).unwrap().remove(0).fault;
    assert_eq!(fault.param("count"), Some("2"));
}

#[test]
fn a_catalog_without_one_of_its_tables_is_made_anew() {
    let (world, before) = closed_world();
    let catalog = world.data.join("catalog.db");
    let mut bytes = fs::read(&catalog).unwrap();
    // Its name, wherever it stands in the schema, overwritten: as if it had been another table.
    let name = b"replica_states";
    let mut found = 0;
    for at in 0..bytes.len() - name.len() {
        if &bytes[at..at + name.len()] == name {
            bytes[at..at + name.len()].copy_from_slice(b"replica_staffs");
            found += 1;
        }
    }
    assert!(found > 2, "{found}");
    fs::write(&catalog, bytes).unwrap();
    let engine = world.open();
    assert_eq!(protection(&engine), before);
    assert_eq!(damaged_files(&world), 1);
}

#[test]
fn a_catalog_that_is_ahead_of_the_pool_believes_the_pool() {
    let world = World::new();
    let engine = world.open();
    let early = Arc::new(world.pool.fork());
    protect(&engine, &world.folder("a"));
    engine.close().unwrap();
    drop(engine);
    let rolled_back = World {
        pool: early,
        ..world
    };
    let engine = rolled_back.open();
    assert_eq!(engine.points(None).unwrap().len(), 0);
    assert_eq!(engine.inventory().members.len(), 0);
}
