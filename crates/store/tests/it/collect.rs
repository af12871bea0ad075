//! Collection: what nothing needs goes, and nothing else, whatever runs beside it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base::fault::Code;
use base::{Env, Fault, SourceId};
use format::replica::{ChunkReader, ReplicaWriter};
use format::seal::Sealer;
use objects::disk::Errno;
use objects::faulty::{Call, Misdeed, Times};
use objects::{
    DeleteError, Faulty, GetError, ListError, Listed, Local, Memory, ObjectName, Objects, PutError,
    Space,
};
use store::VerifySpec;
use store::{CollectProgress, CollectionReport, CommitSpec, Place, Store};
use testkit::{Dice, Injection, Knobs, SimDisk};

use crate::model::{Files, Key, backup, files, new_point, read, violation, write};

/// A store whose place can be looked at.
struct World {
    env: Env,
    key: Key,
    place: Arc<Memory>,
    store: Store,
    source: SourceId,
    dice: Dice,
}

impl World {
    fn new(seed: u64) -> Self {
        let (env, _) = testkit::env(seed);
        let key = Key::new(&env);
        let place = Arc::new(Memory::new());
        let store = key.create(place.clone(), &env);
        Self {
            source: SourceId::random(&env),
            dice: Dice::new(seed),
            env,
            key,
            place,
            store,
        }
    }

    /// Returns a file of bytes that nobody has seen.
    fn file(&mut self, bytes: usize) -> Vec<u8> {
        self.dice.bytes(bytes)
    }

    fn packs(&self) -> Vec<String> {
        let all = ["packs/", "meta/"].map(|class| self.place.list(class).unwrap());
        let names = all.iter().flatten();
        names
            .map(|object| object.name.as_str().to_owned())
            .collect()
    }

    fn used_bytes(&self) -> u64 {
        let all = ["packs/", "meta/"].map(|class| self.place.list(class).unwrap());
        all.iter().flatten().map(|object| object.bytes).sum()
    }

    /// Says what is wrong with the store as it is and as one opens it that builds its index anew.
    fn assert_whole(&self, states: &[Files]) {
        assert_eq!(violation(&self.store, &[], states), None);
        let anew = self.key.open(self.place.clone(), &self.env).unwrap();
        assert_eq!(violation(&anew, &[], states), None);
        let report = anew
            .verify(&VerifySpec::default(), &mut |_| ControlFlow::Continue(()))
            .unwrap();
        assert!(report.is_sound(), "{:?}", report.faults);
    }
}

fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

fn packs_of(disk: &SimDisk) -> Vec<String> {
    let paths = disk.files().into_keys();
    paths
        .filter(|path| path.starts_with("packs/") || path.starts_with("meta/"))
        .collect()
}

/// Collects with nobody in the way.
pub(crate) fn collect(store: &Store) -> Result<CollectionReport, Fault> {
    let go_on = &mut |_| ControlFlow::Continue(());
    store.plan_collection(go_on)?.execute(go_on)
}

#[test]
fn what_only_a_deleted_point_needed_goes() {
    let mut world = World::new(1);
    let (kept, gone) = (world.file(40_000), world.file(300_000));
    let before = files(&[("kept", &kept), ("gone", &gone)]);
    let after = files(&[("kept", &kept)]);
    let first = backup(&world.store, world.source, &Files::new(), &before).unwrap();
    backup(&world.store, world.source, &before, &after).unwrap();
    world.store.delete_point(&first.point.unwrap().id).unwrap();
    let full = world.used_bytes();

    let go_on = &mut |_| ControlFlow::Continue(());
    let plan = world.store.plan_collection(go_on).unwrap();
    assert_eq!(world.used_bytes(), full, "planning changes nothing");
    let planned = plan.plan().clone();
    assert_eq!(planned.copied_packs, 1, "{planned:?}");
    assert!(planned.frees() > 290_000, "{planned:?}");
    let report = plan.execute(go_on).unwrap();
    let freed = full - world.used_bytes();
    assert!(freed > 290_000, "{freed}");
    assert!(
        report.freed_bytes.abs_diff(planned.frees()) < 10_000,
        "{report:?} {planned:?}"
    );
    world.assert_whole(&[after]);
}

#[test]
fn where_everything_is_needed_nothing_is_written() {
    let mut world = World::new(2);
    let content = files(&[("a", &world.file(50_000))]);
    backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let (records, packs) = (world.store.log_seq(), world.packs());
    let report = collect(&world.store).unwrap();
    assert_eq!((report.packs, report.freed_bytes), (0, 0));
    assert_eq!((world.store.log_seq(), world.packs()), (records, packs));
}

#[test]
fn what_is_read_stays_until_it_has_been_read() {
    let mut world = World::new(3);
    let content = files(&[("a", &world.file(50_000))]);
    let made = backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let point = made.point.unwrap().id;
    let reading = world.store.read_point(&point).unwrap();
    world.store.delete_point(&point).unwrap();
    world.store.drop_replica(&world.source).unwrap();
    assert_eq!(collect(&world.store).unwrap().packs, 0);
    // Past every cache.
    let anew = world.store.read_point(&point).err().unwrap();
    assert_eq!(anew.code, Code::PointUnknown);
    let node = reading.read_chunk(&reading.root()).unwrap();
    let chunks = format::tree::children(&node).unwrap().chunks;
    assert_eq!(reading.read_chunk(&chunks[0]).unwrap().len(), 50_000);
    drop(reading);
    assert!(collect(&world.store).unwrap().packs > 0);
    assert_eq!(world.packs(), Vec::<String>::new());
}

#[test]
fn a_session_that_was_told_of_a_chunk_is_waited_for() {
    let mut world = World::new(4);
    let bytes = world.file(50_000);
    let content = files(&[("a", &bytes)]);
    let made = backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let other = SourceId::random(&world.env);
    let session = world.store.begin(other, None).unwrap();
    // It is told that the chunk is there, and refers to it; then the only point that has it goes.
    write(&session, &Files::new(), &content).unwrap();
    assert_eq!(session.new_bytes(), 0);
    world.store.delete_point(&made.point.unwrap().id).unwrap();
    world.store.drop_replica(&world.source).unwrap();

    let mut session = Some(session);
    let mut waited = 0;
    let on_progress = &mut |progress| {
        if let CollectProgress::Waiting { sessions } = progress {
            assert_eq!(sessions, 1);
            waited += 1;
            if waited == 3 {
                let spec = CommitSpec::with_point(new_point());
                session.take().unwrap().commit(spec).unwrap();
            }
        }
        ControlFlow::Continue(())
    };
    let plan = world.store.plan_collection(on_progress).unwrap();
    assert!(plan.plan().dead_packs > 0, "{:?}", plan.plan());
    let report = plan.execute(on_progress).unwrap();
    assert_eq!(waited, 3);
    assert!(report.spared_packs > 0, "{report:?}");
    world.assert_whole(&[content]);
}

#[test]
fn a_session_that_begins_after_the_condemning_is_not_told() {
    let mut world = World::new(5);
    let content = files(&[("a", &world.file(50_000))]);
    let made = backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let blocks = world
        .store
        .begin(SourceId::random(&world.env), None)
        .unwrap();
    blocks.put_chunk(&Sealer::hash(b"other"), b"other").unwrap();
    world.store.delete_point(&made.point.unwrap().id).unwrap();
    world.store.drop_replica(&world.source).unwrap();

    let (store, other) = (world.store.clone(), SourceId::random(&world.env));
    let mut blocks = Some(blocks);
    let on_progress = &mut |progress| {
        if matches!(progress, CollectProgress::Waiting { .. })
            && let Some(blocks) = blocks.take()
        {
            // Condemned by now: it has to be stored anew.
            let made = backup(&store, other, &Files::new(), &content).unwrap();
            assert!(made.new_bytes > 50_000);
            blocks.abandon();
        }
        ControlFlow::Continue(())
    };
    let report = world.store.plan_collection(on_progress).unwrap();
    let report = report.execute(on_progress).unwrap();
    assert!(report.packs > 0 && report.spared_packs == 0, "{report:?}");
    world.assert_whole(&[content]);
}

#[test]
fn a_copy_that_no_record_names_yet_does_not_count() {
    let (env, _) = testkit::env(6);
    let disk = SimDisk::new();
    let store = Key::new(&env).create(place(&disk), &env);
    let source = SourceId::random(&env);
    // Most of the pack is dead, the rest is needed by the second point.
    let mut dice = Dice::new(6);
    let (kept, gone) = (dice.bytes(40_000), dice.bytes(300_000));
    let before = files(&[("kept", &kept), ("gone", &gone)]);
    let after = files(&[("kept", &kept)]);
    let first = backup(&store, source, &Files::new(), &before).unwrap();
    backup(&store, source, &before, &after).unwrap();
    store.delete_point(&first.point.unwrap().id).unwrap();
    let mut old = packs_of(&disk);
    old.retain(|pack| pack.starts_with("packs/"));

    let blocks = store.begin(SourceId::random(&env), None).unwrap();
    blocks.put_chunk(&Sealer::hash(b"other"), b"other").unwrap();
    let (mut blocks, mut young) = (Some(blocks), None);
    let on_progress = &mut |progress| {
        if matches!(progress, CollectProgress::Waiting { .. })
            && let Some(blocks) = blocks.take()
        {
            // The pack is condemned: a session that begins now stores the chunk anew, durably, and does not say so yet.
            let session = store.begin(SourceId::random(&env), None).unwrap();
            let id = session.put_chunk(&Sealer::hash(&kept), &kept).unwrap();
            assert_eq!(*session.read_chunk(&id).unwrap(), kept);
            assert!(session.new_bytes() > 40_000);
            young = Some(session);
            blocks.abandon();
            // And there is no room to copy it.
            disk.set(Knobs {
                capacity_bytes: Some(1 << 20),
                ..Knobs::default()
            });
        }
        ControlFlow::Continue(())
    };
    let plan = store.plan_collection(on_progress).unwrap();
    assert_eq!(plan.plan().copied_packs, 1);
    let report = plan.execute(on_progress).unwrap();
    assert_eq!(report.cut_short.unwrap().code, Code::PoolFull);
    assert_eq!(report.spared_packs, 1);
    assert!(old.iter().all(|pack| packs_of(&disk).contains(pack)));
    drop(young);

    // There is room again, and the copy has a name.
    disk.set(Knobs::default());
    collect(&store).unwrap();
    assert!(!old.iter().all(|pack| packs_of(&disk).contains(pack)));
    assert_eq!(violation(&store, &[], &[after]), None);
}

#[test]
fn a_cancelled_collection_spares_what_it_condemned() {
    let mut world = World::new(7);
    let content = files(&[("a", &world.file(50_000))]);
    let made = backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let session = world
        .store
        .begin(SourceId::random(&world.env), None)
        .unwrap();
    write(&session, &Files::new(), &files(&[("b", &[7; 5000])])).unwrap();
    world.store.delete_point(&made.point.unwrap().id).unwrap();
    world.store.drop_replica(&world.source).unwrap();
    let on_progress = &mut |progress| match progress {
        CollectProgress::Waiting { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let plan = world.store.plan_collection(on_progress).unwrap();
    let fault = plan.execute(on_progress).unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);
    // What it had condemned is told of again.
    let made = backup(&world.store, world.source, &Files::new(), &content).unwrap();
    assert_eq!(made.new_bytes, 0);
    session.abandon();
    world.assert_whole(&[content]);
}

#[test]
fn there_is_one_collection_at_a_time() {
    let world = World::new(8);
    let go_on = &mut |_| ControlFlow::Continue(());
    let plan = world.store.plan_collection(go_on).unwrap();
    let second = world.store.plan_collection(go_on).err().unwrap();
    assert_eq!(second.code, Code::CollectionRunning);
    drop(plan);
    collect(&world.store).unwrap();
}

#[test]
fn a_tree_that_cannot_be_read_keeps_everything() {
    let (env, _) = testkit::env(9);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let store = key.create(place(&disk), &env);
    let source = SourceId::random(&env);
    let content = files(&[("a", &[3; 5000])]);
    let kept = backup(&store, source, &Files::new(), &content).unwrap();
    let other = files(&[("b", &[4; 5000])]);
    let gone = backup(&store, SourceId::random(&env), &Files::new(), &other).unwrap();
    let gone = gone.point.unwrap();
    store.delete_point(&gone.id).unwrap();
    store.drop_replica(&gone.source).unwrap();
    drop(store);
    for tree in disk
        .files()
        .into_keys()
        .filter(|path| path.starts_with("meta/"))
    {
        disk.damage(&tree, |bytes| bytes[100] ^= 1);
    }
    let store = key.open(place(&disk), &env).unwrap();
    let before = packs_of(&disk);
    let fault = collect(&store).unwrap_err();
    assert_eq!(fault.code, Code::CollectionBlocked);
    assert!(fault.param("item").unwrap().contains(&source.to_string()));
    assert_eq!(packs_of(&disk), before);

    // Without what needs it, the damage is in nobody's way.
    store.delete_point(&kept.point.unwrap().id).unwrap();
    store.drop_replica(&source).unwrap();
    collect(&store).unwrap();
    assert_eq!(packs_of(&disk), Vec::<String>::new());
}

/// Two sources that are backed up for the first time at once bring a chunk twice. An index that is built from the log finds it
/// in the pack that the log names last, whatever the one thought that decided what goes; and if that one goes, in the other.
#[test]
fn of_two_copies_the_one_that_stays_is_found_by_an_index_built_anew() {
    let (env, _) = testkit::env(15);
    let mut dice = Dice::new(15);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let store = key.create(place(&disk), &env);
    let [source, other] = [(); 2].map(|()| SourceId::random(&env));
    let content = files(&[("shared", &dice.bytes(40_000))]);
    let one = store.begin(source, None).unwrap();
    write(&one, &Files::new(), &content).unwrap();
    let two = store.begin(other, None).unwrap();
    write(&two, &Files::new(), &content).unwrap();
    // Durable before the other one's, and named after them.
    let id = two.put_chunk(&Sealer::hash(b"more"), b"more").unwrap();
    two.read_chunk(&id).unwrap();
    let spec = || CommitSpec::with_point(new_point());
    one.commit(spec()).unwrap();
    two.commit(spec()).unwrap();
    // A kill between the record that deletes and the removal.
    disk.inject(Injection {
        call: testkit::Call::Remove,
        passes: 0,
        misdeed: testkit::Misdeed::Fails(Errno::IO),
        times: testkit::Times::Always,
    });
    collect(&store).unwrap_err();
    drop(store);
    let killed = disk.copy();
    let anew = key.open(place(&killed), &env).unwrap();
    assert_eq!(violation(&anew, &[], std::slice::from_ref(&content)), None);
    // And nobody takes it for garbage.
    collect(&anew).unwrap();
    assert_eq!(violation(&anew, &[], &[content]), None);
}

/// Another process reads the pool, and the owner's collection knows nothing of it (R14).
#[test]
fn who_only_reads_finds_what_was_moved_meanwhile() {
    let (env, _) = testkit::env(18);
    let mut dice = Dice::new(18);
    let key = Key::new(&env);
    let (pool, index) = (testkit::tempdir().unwrap(), testkit::tempdir().unwrap());
    let store = Store::create_at(pool.path(), &key.slots(), &env, index.path(), "test").unwrap();
    let source = SourceId::random(&env);
    let mut content = Files::new();
    for i in 0..70 {
        let before = content.clone();
        content.insert(format!("f{i}"), dice.bytes(2000));
        backup(&store, source, &before, &content).unwrap();
    }
    let readers =
        [(); 2].map(|()| Store::read_at(pool.path(), &key.unlock(), &env, Place::Memory).unwrap());
    let points = store.points().unwrap();
    for point in &points[..69] {
        store.delete_point(&point.id).unwrap();
    }
    assert!(collect(&store).unwrap().packs > 100);
    let root = points[69].root;
    assert_eq!(read(&readers[0], &root).unwrap(), content);
    // And again, after another one.
    content.remove("f3");
    let before = read(&store, &root).unwrap();
    backup(&store, source, &before, &content).unwrap();
    store.delete_point(&points[69].id).unwrap();
    collect(&store).unwrap();
    let root = store.points().unwrap()[0].root;
    for reader in &readers {
        assert_eq!(read(reader, &root).unwrap(), content);
    }
}

#[test]
fn many_small_packs_become_few() {
    let mut world = World::new(10);
    let mut content = Files::new();
    for i in 0..70 {
        let before = content.clone();
        content.insert(format!("f{i}"), world.file(2000));
        backup(&world.store, world.source, &before, &content).unwrap();
    }
    let points = world.store.points().unwrap();
    for point in &points[..69] {
        world.store.delete_point(&point.id).unwrap();
    }
    assert!(world.packs().len() > 130);
    let report = collect(&world.store).unwrap();
    assert!(report.cut_short.is_none());
    assert!(world.packs().len() < 10, "{} packs", world.packs().len());
    world.assert_whole(&[content]);
}

#[test]
fn what_killed_writers_left_goes_unless_it_was_taken_in() {
    let mut world = World::new(11);
    let content = files(&[("a", &world.file(50_000))]);
    backup(&world.store, world.source, &Files::new(), &content).unwrap();
    let name = |path: &str| ObjectName::new(path).unwrap();
    let strays = [
        format!("packs/00/{}", "00".repeat(32)),
        format!("points/{}/{}", world.source, "11".repeat(8)),
    ];
    for stray in &strays {
        world
            .place
            .put_new(&name(stray), b"half of something")
            .unwrap();
    }
    let go_on = &mut |_| ControlFlow::Continue(());
    let plan = world.store.plan_collection(go_on).unwrap();
    let expected = plan.plan().stray_objects;
    let report = plan.execute(go_on).unwrap();
    assert_eq!(report.stray_objects, expected);
    assert!(expected >= 1);
    assert_eq!(world.place.head(&name(&strays[0])).unwrap(), None);
    world.assert_whole(&[content]);
}

/// A place where something happens before a pack of content is read, once.
struct Interrupted {
    inner: Memory,
    before_read: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Objects for Interrupted {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        self.inner.prepare(dirs)
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        self.inner.put_new(name, bytes)
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        self.inner.settle(name)
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        self.inner.mend(name, bytes, kept)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        self.inner.get(name)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        if name.as_str().starts_with("packs/") {
            let before = self.before_read.lock().unwrap().take();
            before.into_iter().for_each(|happens| happens());
        }
        self.inner.get_range(name, offset, bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        self.inner.list(prefix)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        self.inner.head(name)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        self.inner.delete(name)
    }

    fn space(&self) -> Result<Option<Space>, std::io::Error> {
        self.inner.space()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}

#[test]
fn a_chunk_that_moves_while_it_is_read_is_found() {
    let (env, _) = testkit::env(12);
    let key = Key::new(&env);
    let place = Arc::new(Interrupted {
        inner: Memory::new(),
        before_read: Mutex::default(),
    });
    let mut dice = Dice::new(12);
    let after = files(&[("kept", &dice.bytes(40_000))]);
    let mut before = after.clone();
    for n in 0..6 {
        before.insert(format!("gone{n}"), dice.bytes(80_000));
    }
    let source = SourceId::random(&env);
    let store = key.create(place.clone(), &env);
    let first = backup(&store, source, &Files::new(), &before).unwrap();
    let kept = backup(&store, source, &before, &after).unwrap();
    store.delete_point(&first.point.unwrap().id).unwrap();
    drop(store);
    // Nothing is in its caches yet.
    let store = key.open(place.clone(), &env).unwrap();
    let (beside, copied) = (store.clone(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&copied);
    *place.before_read.lock().unwrap() = Some(Box::new(move || {
        let report = collect(&beside).unwrap();
        count.store(report.copied_bytes, Ordering::SeqCst);
    }));
    assert_eq!(read(&store, &kept.root).unwrap(), after);
    assert!(copied.load(Ordering::SeqCst) > 40_000);
    assert_eq!(store.status().unwrap().unreadable_packs, 0);
}

#[test]
fn a_verification_beside_collections_finds_nothing_wrong() {
    for whole in [true, false] {
        let mut world = World::new(13);
        let after = files(&[("kept", &world.file(40_000))]);
        let mut content = after.clone();
        let mut gone = Vec::new();
        for n in 0..6 {
            let before = content.clone();
            content.insert(format!("gone{n}"), world.file(80_000));
            let made = backup(&world.store, world.source, &before, &content).unwrap();
            gone.push(made.point.unwrap().id);
        }
        let kept = backup(&world.store, world.source, &content, &after).unwrap();
        // One more point goes, and its space, whenever something was read.
        let store = world.store.clone();
        let mut collections = 0;
        let on_progress = &mut |_: &store::VerifyProgress| {
            if let Some(point) = gone.pop() {
                store.delete_point(&point).unwrap();
                collections += u64::from(collect(&store).unwrap().packs > 0);
            }
            ControlFlow::Continue(())
        };
        let report = match whole {
            true => world
                .store
                .verify(&VerifySpec::default(), on_progress)
                .unwrap(),
            false => {
                let point = kept.point.unwrap().id;
                world.store.verify_point(&point, on_progress).unwrap()
            }
        };
        assert!(report.is_sound(), "{:?}", report.faults);
        assert!(collections > 0);
        assert_eq!(world.store.status().unwrap().unreadable_packs, 0);
    }
}

/// Backs one source up again and again, and deletes its points but the last two.
fn live(store: &Store, source: SourceId, seed: u64, stop: &AtomicBool) {
    // However it ends, nobody waits for it.
    let _ended = Ended(stop);
    let mut dice = Dice::new(seed);
    let mut content = Files::new();
    let mut points = Vec::new();
    for round in 0..40_usize {
        let before = content.clone();
        // Half of it is what the other source has as well.
        let shared = vec![round as u8 / 3; 3000 + round / 3];
        content.insert(format!("shared{}", round % 5), shared);
        content.insert(format!("own{}", round % 7), dice.bytes(2000));
        let made = backup(store, source, &before, &content).unwrap();
        points.push((made.point.unwrap().id, made.root, content.clone()));
        if points.len() > 2 {
            let (oldest, ..) = points.remove(0);
            store.delete_point(&oldest).unwrap();
        }
        if round % 9 == 0 {
            let session = store.begin(source, Some(made.root)).unwrap();
            write(&session, &content, &files(&[("lost", &dice.bytes(900))])).unwrap();
            session.abandon();
        }
        for (id, root, content) in &points {
            let reading = store.read_point(id).unwrap();
            assert_eq!(reading.root(), *root);
            assert_eq!(read(store, root).unwrap(), *content);
        }
    }
}

struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn everything_beside_everything() {
    let (env, _) = testkit::env(14);
    let key = Key::new(&env);
    let place = Arc::new(Memory::new());
    let store = key.create(place.clone(), &env);
    let ended = [AtomicBool::new(false), AtomicBool::new(false)];
    let over = || ended.iter().all(|one| one.load(Ordering::SeqCst));
    let sources = [SourceId::random(&env), SourceId::random(&env)];
    let (mut collected, mut verified) = (0, 0);
    std::thread::scope(|scope| {
        for (seed, (source, stop)) in sources.iter().zip(&ended).enumerate() {
            let store = &store;
            scope.spawn(move || live(store, *source, seed as u64, stop));
        }
        scope.spawn(|| {
            while !over() {
                collected += collect(&store).unwrap().packs;
            }
        });
        scope.spawn(|| {
            while !over() {
                let report = store
                    .verify(&VerifySpec::default(), &mut |_| ControlFlow::Continue(()))
                    .unwrap();
                assert!(report.is_sound(), "{:?}", report.faults);
                verified += 1;
            }
        });
    });
    assert!(collected > 20 && verified > 0, "{collected}, {verified}");
    collect(&store).unwrap();
    assert_eq!(store.points().unwrap().len(), 4);
    drop(store);
    let store = key.open(place, &env).unwrap();
    let report = store
        .verify(&VerifySpec::default(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    println!("{collected} packs went, {verified} verifications");
}

/// The shortest way to a loss that the model finds without `last_named_is_found`.
#[test]
fn an_index_built_anew_before_deleted_packs_have_gone_finds_every_chunk() {
    let (env, _) = testkit::env(12);
    let key = Key::new(&env);
    let place = Arc::new(Faulty::new(Memory::new()));
    let store = key.create(place.clone(), &env);
    let content = files(&[("a", &Dice::new(12).bytes(50_000))]);
    // Neither session is told of what the other one stores.
    let sessions = [0, 1].map(|_| {
        let session = store.begin(SourceId::random(&env), None).unwrap();
        write(&session, &Files::new(), &content).unwrap();
        session
    });
    for session in sessions {
        let spec = CommitSpec::with_point(new_point());
        session.commit(spec).unwrap();
    }
    // One of the copies is needed by nothing, and is deleted in the log; killed before its objects go.
    place.fail(Call::Delete, 0, Misdeed::Failed, Times::Always);
    collect(&store).unwrap_err();
    drop(store);
    let store = key.open(place.clone(), &env).unwrap();
    let states = [content];
    assert_eq!(violation(&store, &[], &states), None);
    place.heal();
    collect(&store).unwrap();
    assert_eq!(violation(&store, &[], &states), None);
}

#[test]
fn of_two_copies_the_one_stays_that_the_index_names() {
    let (env, _) = testkit::env(13);
    let key = Key::new(&env);
    let place = Arc::new(Memory::new());
    let directory = tempfile::tempdir().unwrap();
    let index = Place::from(directory.path());
    let store = Store::create(place.clone(), &key.slots(), &env, index.clone()).unwrap();
    let mut dice = Dice::new(13);
    let (both, one, other) = (dice.bytes(50_000), dice.bytes(50_000), dice.bytes(900_000));
    // Neither session is told of what the other one stores. The one that commits last is soon needed no longer.
    let kept = files(&[("a", &one), ("b", &both)]);
    let gone = files(&[("b", &both), ("c", &other)]);
    let sources = [0, 1].map(|_| SourceId::random(&env));
    let sessions = [(sources[0], &kept), (sources[1], &gone)].map(|(source, content)| {
        let session = store.begin(source, None).unwrap();
        write(&session, &Files::new(), content).unwrap();
        session
    });
    // Its pack is there first all the same.
    let id = sessions[1].put_chunk(&Sealer::hash(&both), &both).unwrap();
    assert_eq!(*sessions[1].read_chunk(&id).unwrap(), both);
    let points = sessions.map(|session| {
        let spec = CommitSpec::with_point(new_point());
        session.commit(spec).unwrap().point.unwrap().id
    });
    store.delete_point(&points[1]).unwrap();
    store.drop_replica(&sources[1]).unwrap();
    // The index as another process finds it: what it says, and nothing that it remembers.
    let open = |store: Store| {
        drop(store);
        Store::open(place.clone(), &key.unlock(), &env, index.clone()).unwrap()
    };
    let store = open(store);
    // A preview: the index now remembers what lies beside what was asked for.
    drop(store.plan_collection(&mut |_| ControlFlow::Continue(())));
    assert!(collect(&store).unwrap().packs > 0);
    let store = open(store);
    assert_eq!(violation(&store, &[], &[kept]), None);
}
