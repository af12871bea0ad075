//! Sessions on a store in memory and in a directory.

use std::sync::Arc;

use base::SourceId;
use base::fault::Code;
use format::replica::{ChunkReader, ReplicaWriter};
use format::seal::Sealer;
use objects::{Local, Memory, Objects};
use store::{CommitSpec, Place, Store};
use testkit::Dice;

use crate::model::{Files, Key, backup, files, new_point, read, violation, write};

fn some_files(seed: u64, count: usize) -> Files {
    let mut dice = Dice::new(seed);
    (0..count)
        .map(|i| {
            let len = dice.below(40_000) as usize;
            (format!("dir{}/file{i}", i % 7), dice.bytes(len))
        })
        .collect()
}

#[test]
fn what_was_backed_up_reads_back_from_memory_and_from_a_directory() {
    let directory = testkit::tempdir().unwrap();
    let local = Local::create_at(directory.path()).unwrap();
    let places: [Arc<dyn Objects>; 2] = [Arc::new(Memory::new()), Arc::new(local)];
    for objects in places {
        let (env, _) = testkit::env(1);
        let key = Key::new(&env);
        let source = SourceId::random(&env);
        let first = some_files(1, 50);
        let mut second = first.clone();
        second.insert(String::from("new"), vec![7; 5_000_000]);
        second.remove("dir3/file3");

        let store = key.create(objects.clone(), &env);
        let a = backup(&store, source, &Files::new(), &first).unwrap();
        let b = backup(&store, source, &first, &second).unwrap();
        let known = [
            (a.point.unwrap().id, &first),
            (b.point.clone().unwrap().id, &second),
        ];
        assert_eq!(violation(&store, &known, &[]), None);
        assert_eq!(store.replica(&source).unwrap().unwrap().root, b.root);
        drop(store);
        let store = key.open(objects, &env).unwrap();
        assert_eq!(violation(&store, &known, &[]), None);
        let object = store.point_object(&known[1].0).unwrap();
        assert_eq!(object.previous, Some(known[0].0));
        assert_eq!(object.address, "here:/etc");
        assert_eq!(store.status().unwrap().points, 2);
    }
}

#[test]
fn the_same_content_is_stored_once() {
    let (env, _) = testkit::env(2);
    let key = Key::new(&env);
    let store = key.create(Arc::new(Memory::new()), &env);
    let content = some_files(2, 20);
    let first = backup(&store, SourceId::random(&env), &Files::new(), &content).unwrap();
    let second = backup(&store, SourceId::random(&env), &Files::new(), &content).unwrap();
    assert!(first.new_bytes > 100_000);
    assert_eq!((second.new_bytes, second.new_chunks), (0, 0));
    assert_eq!(first.root, second.root);
}

#[test]
fn a_synchronization_without_changes_writes_nothing() {
    let (env, _) = testkit::env(3);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let source = SourceId::random(&env);
    let content = some_files(3, 20);
    let first = backup(&store, source, &Files::new(), &content).unwrap();
    let before = store.log_seq();
    let session = store.begin(source, Some(first.root)).unwrap();
    let second = session.commit(CommitSpec::sync_only()).unwrap();
    assert_eq!(second.root, first.root);
    assert_eq!(store.log_seq(), before);
    // With a point: the opening record and the commit.
    backup(&store, source, &content, &content).unwrap();
    assert_eq!(store.log_seq(), before + 2);
}

#[test]
fn an_abandoned_session_changes_nothing_and_its_work_is_not_done_twice() {
    let (env, _) = testkit::env(4);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let source = SourceId::random(&env);
    let small = files(&[("a", b"one")]);
    let mut large = small.clone();
    large.insert(String::from("b"), Dice::new(4).bytes(40 << 20));

    let first = backup(&store, source, &Files::new(), &small).unwrap();
    let session = store.begin(source, Some(first.root)).unwrap();
    write(&session, &small, &large).unwrap();
    let whole = session.new_bytes();
    session.abandon();
    assert_eq!(store.replica(&source).unwrap().unwrap().root, first.root);
    assert_eq!(store.points().unwrap().len(), 1);

    // Full packs of the abandoned session are found; what was in packs still being filled is not.
    let second = backup(&store, source, &small, &large).unwrap();
    assert!(second.new_bytes < whole, "{} of {whole}", second.new_bytes);
    assert_eq!(read(&store, &second.root).unwrap(), large);
}

#[test]
fn a_source_has_one_session_at_a_time() {
    let (env, _) = testkit::env(5);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let source = SourceId::random(&env);
    let session = store.begin(source, None).unwrap();
    let fault = store.begin(source, None).err().unwrap();
    assert_eq!(fault.code, Code::ReplicaBusy);
    session.abandon();
    store.begin(source, None).unwrap().abandon();
}

#[test]
fn a_chunk_under_a_wrong_hash_ends_the_session() {
    let (env, _) = testkit::env(6);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let session = store.begin(SourceId::random(&env), None).unwrap();
    let wrong = Sealer::hash(b"something else");
    assert!(session.put_chunk(&wrong, &[1; 1000]).is_err());
    assert!(session.commit(CommitSpec::with_point(new_point())).is_err());
    assert_eq!(store.points().unwrap(), []);
}

#[test]
fn a_session_reads_chunks_that_are_not_durable_yet() {
    let (env, _) = testkit::env(7);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let session = store.begin(SourceId::random(&env), None).unwrap();
    let plain = vec![9; 3000];
    let id = session.put_chunk(&Sealer::hash(&plain), &plain).unwrap();
    let other = store.begin(SourceId::random(&env), None).unwrap();
    assert_eq!(other.read_chunk(&id).unwrap_err().code, Code::ChunkMissing);
    assert_eq!(*session.read_chunk(&id).unwrap(), *plain);
}

#[test]
fn many_threads_write_into_one_session() {
    let (env, _) = testkit::env(8);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let session = store.begin(SourceId::random(&env), None).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let session = &session;
            scope.spawn(move || {
                // Each chunk is brought by two threads.
                let mut dice = Dice::new(thread / 2);
                for _ in 0..100 {
                    let plain = dice.bytes(200_000);
                    session.put_chunk(&Sealer::hash(&plain), &plain).unwrap();
                }
            });
        }
    });
    let committed = session.commit(CommitSpec::sync_only()).unwrap();
    // 200 different chunks and the empty tree.
    assert_eq!(committed.new_chunks, 201);
}

#[test]
fn a_deleted_point_is_gone_and_the_others_stay() {
    let (env, _) = testkit::env(9);
    let objects: Arc<dyn Objects> = Arc::new(Memory::new());
    let key = Key::new(&env);
    let store = key.create(objects.clone(), &env);
    let source = SourceId::random(&env);
    let content = files(&[("a", &[1; 1000])]);
    let a = backup(&store, source, &Files::new(), &content).unwrap();
    let b = backup(&store, source, &content, &content).unwrap();
    let (a, b) = (a.point.unwrap().id, b.point.unwrap().id);
    store.delete_point(&a).unwrap();
    assert_eq!(store.delete_point(&a).unwrap_err().code, Code::PointUnknown);
    assert_eq!(objects.list("points/").unwrap().len(), 1);
    drop(store);
    let store = key.open(objects, &env).unwrap();
    assert_eq!(violation(&store, &[(b, &content)], &[]), None);
    assert_eq!(store.points().unwrap().len(), 1);
}

#[test]
fn configuration_is_in_the_log() {
    use format::log::{Body, ConfigKind};
    let (env, _) = testkit::env(10);
    let objects: Arc<dyn Objects> = Arc::new(Memory::new());
    let key = Key::new(&env);
    let store = key.create(objects.clone(), &env);
    let kind = ConfigKind::Group;
    store
        .put_config(kind, [1; 16], Some(b"{}".to_vec()))
        .unwrap();
    store
        .put_config(kind, [2; 16], Some(b"[]".to_vec()))
        .unwrap();
    store.put_config(kind, [1; 16], None).unwrap();
    drop(store);
    let store = key.open(objects, &env).unwrap();
    assert_eq!(store.config(kind, &[1; 16]).unwrap(), None);
    assert_eq!(store.configs(kind).unwrap(), [([2; 16], b"[]".to_vec())]);
    assert_eq!(store.configs(ConfigKind::Policy).unwrap(), []);
    let records: Result<Vec<_>, _> = store.log_after(1).collect();
    let records = records.unwrap();
    assert_eq!(records.len(), 2);
    assert!(matches!(&records[1].body, Body::Config(config) if config.json.is_none()));
}

#[test]
fn two_owners_of_a_directory_are_told_apart() {
    let (env, _) = testkit::env(11);
    let key = Key::new(&env);
    let directory = testkit::tempdir().unwrap();
    let pool = directory.path().join("pool");
    let store = Store::create_at(&pool, &key.slots(), &env, Place::Memory, "dozo backup").unwrap();
    let again = Store::open_at(&pool, &key.unlock(), &env, Place::Memory, "dozo status");
    let fault = again.unwrap_err();
    assert_eq!(fault.code, Code::PoolOwned);
    assert!(
        fault
            .params
            .contains(&("command", String::from("dozo backup")))
    );
    let again = Store::create_at(&pool, &key.slots(), &env, Place::Memory, "dozo up");
    assert_eq!(again.unwrap_err().code, Code::PoolOwned);
    // Reading needs no ownership.
    let reader = Store::read_at(&pool, &key.unlock(), &env, Place::Memory).unwrap();
    let fault = reader.put_config(format::log::ConfigKind::Policy, [0; 16], None);
    assert_eq!(fault.unwrap_err().code, Code::PoolReadOnly);
    assert_eq!(reader.read_only().unwrap().code, Code::PoolReadOnly);
    assert!(store.read_only().is_none());
    drop(store);
    Store::open_at(&pool, &key.unlock(), &env, Place::Memory, "dozo status").unwrap();
    let again = Store::create_at(&pool, &key.slots(), &env, Place::Memory, "dozo up");
    assert_eq!(again.unwrap_err().code, Code::PoolNotEmpty);
}

#[test]
fn only_the_right_secret_opens_a_store() {
    let (env, _) = testkit::env(12);
    let objects: Arc<dyn Objects> = Arc::new(Memory::new());
    Key::new(&env).create(objects.clone(), &env);
    let fault = Key::new(&env).open(objects, &env).unwrap_err();
    assert_eq!(fault.code, Code::StoreKeyWrong);
    let nothing = Key::new(&env).open(Arc::new(Memory::new()), &env);
    assert_eq!(nothing.unwrap_err().code, Code::PoolNotAPool);
}
