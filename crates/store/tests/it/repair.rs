//! What was found damaged is stored anew by the next session that has the content (R20: nothing readable is lost).

use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, Env, SourceId};
use objects::{Local, Objects};
use store::VerifySpec;
use store::{CommitSpec, Store, VerifyProgress};
use testkit::{Dice, SimDisk};

use crate::model::{Files, Key, backup, files, new_point, read, violation, write};

/// A store on a disk with one point of a few files.
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) disk: SimDisk,
    pub(crate) key: Key,
    pub(crate) source: SourceId,
    pub(crate) content: Files,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (env, _) = testkit::env(seed);
        let mut dice = Dice::new(seed);
        let world = Self {
            disk: SimDisk::new(),
            key: Key::new(&env),
            source: SourceId::random(&env),
            content: files(&[
                ("a", &dice.bytes(3000)),
                ("b", &dice.bytes(5000)),
                ("c", b"small"),
            ]),
            env,
        };
        let store = world.key.create(world.place(), &world.env);
        backup(&store, world.source, &Files::new(), &world.content).expect("nothing fails yet");
        world
    }

    pub(crate) fn place(&self) -> Arc<dyn Objects> {
        Arc::new(Local::open(self.disk.clone()).expect("a disk that opens"))
    }

    /// Opens the store with an index built anew.
    pub(crate) fn open(&self) -> Store {
        let opened = self.key.open(self.place(), &self.env);
        opened.expect("a store that opens")
    }

    pub(crate) fn packs(&self, class: &str) -> Vec<String> {
        let paths = self.disk.files().into_keys();
        paths.filter(|path| path.starts_with(class)).collect()
    }

    /// Flips a bit of every sealed record of the only pack of a class; its table of contents stays as it was.
    pub(crate) fn damage(&self, class: &str) {
        let packs = self.packs(class);
        assert_eq!(packs.len(), 1);
        self.disk.damage(&packs[0], |bytes| {
            for byte in bytes[64..].iter_mut().take(1500).step_by(40) {
                *byte ^= 1;
            }
        });
    }

    pub(crate) fn root(&self, store: &Store) -> ChunkId {
        let replica = store.replica(&self.source).expect("an index");
        replica.expect("a replica").root
    }

    /// What a check does: reads the whole source and stores whatever is not known.
    pub(crate) fn store_anew(&self, store: &Store, base: Option<ChunkId>) -> u64 {
        let session = store.begin(self.source, base).expect("a session");
        write(&session, &Files::new(), &self.content).expect("written");
        let committed = session.commit(CommitSpec::with_point(new_point()));
        committed.expect("committed").new_chunks
    }

    pub(crate) fn assert_whole(&self, store: &Store) {
        let states = std::slice::from_ref(&self.content);
        assert_eq!(violation(store, &[], states), None);
        for point in store.points().expect("an index") {
            let report = store.verify_point(&point.id, &mut go_on).expect("verified");
            assert!(report.is_sound(), "{:?}", report.faults);
        }
    }
}

pub(crate) fn go_on(_: &VerifyProgress) -> std::ops::ControlFlow<()> {
    std::ops::ControlFlow::Continue(())
}

/// How a damaged chunk is noticed.
#[derive(Clone, Copy, Debug)]
enum Notice {
    Read,
    VerifyPoint,
    VerifyPacks,
}

impl Notice {
    const ALL: [Self; 3] = [Self::Read, Self::VerifyPoint, Self::VerifyPacks];

    fn look(self, world: &World, store: &Store) {
        let damaged = match self {
            Self::Read => {
                let fault = read(store, &world.root(store)).expect_err("a damaged chunk");
                assert!(
                    matches!(fault.code, Code::ChunkDamaged | Code::ChunkMissing),
                    "{fault:?}"
                );
                1
            }
            Self::VerifyPoint => {
                let point = store.points().expect("an index").remove(0);
                let report = store.verify_point(&point.id, &mut go_on);
                report.expect("verified").damaged
            }
            Self::VerifyPacks => {
                let report = store.verify(&VerifySpec::default(), &mut go_on);
                report.expect("verified").damaged
            }
        };
        assert!(damaged > 0, "{self:?}");
    }
}

#[test]
fn damaged_content_is_stored_anew_once_it_was_noticed() {
    for notice in Notice::ALL {
        let world = World::new(1);
        world.damage("packs/");
        let store = world.open();
        notice.look(&world, &store);
        assert_eq!(store.status().unwrap().unreadable_packs, 1);
        let root = world.root(&store);
        assert_eq!(world.store_anew(&store, Some(root)), 2, "{notice:?}");
        let status = store.status().unwrap();
        assert_eq!((status.unreadable_packs, status.superseded_packs), (0, 1));
        assert_eq!(world.root(&store), root);
        world.assert_whole(&store);
        // Once is enough, and another index says the same.
        assert_eq!(world.store_anew(&store, Some(root)), 0);
        drop(store);
        world.assert_whole(&world.open());
    }
}

#[test]
fn a_damaged_pack_harms_until_the_last_of_its_chunks_is_stored_anew() {
    let world = World::new(7);
    let cache = testkit::tempdir().unwrap();
    let open = || Store::open(world.place(), &world.key.unlock(), &world.env, cache.path());
    world.damage("packs/");
    let store = open().unwrap();
    Notice::VerifyPacks.look(&world, &store);
    let packs = |store: &Store| {
        let status = store.status().unwrap();
        (status.unreadable_packs, status.superseded_packs)
    };
    // Another source has one of the two chunks only.
    let part: Files = world.content.clone().into_iter().take(1).collect();
    let other = SourceId::random(&world.env);
    let made = backup(&store, other, &Files::new(), &part).expect("stored");
    assert_eq!(packs(&store), (1, 0), "{} chunks are new", made.new_chunks);
    drop(store);
    let store = open().unwrap();
    assert_eq!(packs(&store), (1, 0));
    assert!(world.store_anew(&store, None) > 0);
    assert_eq!(packs(&store), (0, 1));
    drop(store);
    let store = open().unwrap();
    assert_eq!(packs(&store), (0, 1));
    // The copies may go bad as well.
    for pack in world.packs("packs/") {
        world.disk.damage(&pack, |bytes| bytes[70] ^= 1);
    }
    store
        .verify(&VerifySpec::default(), &mut go_on)
        .expect("verified");
    assert_eq!(packs(&store), (2, 1));
}

#[test]
fn content_of_a_missing_pack_is_stored_anew_once_it_was_noticed() {
    for notice in Notice::ALL {
        let world = World::new(2);
        let store = world.open();
        let name = world.packs("packs/").remove(0);
        let name = name.parse().expect("an object's name");
        world.place().delete(&name).expect("deleted");
        notice.look(&world, &store);
        let root = world.root(&store);
        assert_eq!(world.store_anew(&store, Some(root)), 2, "{notice:?}");
        world.assert_whole(&store);
        drop(store);
        world.assert_whole(&world.open());
    }
}

#[test]
fn a_damaged_tree_ends_its_session_and_is_stored_anew_by_one_without_a_base() {
    let world = World::new(3);
    world.damage("meta/");
    let store = world.open();
    let root = world.root(&store);
    let session = store.begin(world.source, Some(root)).unwrap();
    let changed = files(&[("a", b"changed")]);
    let failed = write(&session, &Files::new(), &changed)
        .and_then(|()| session.commit(CommitSpec::sync_only()).map(drop));
    assert_eq!(failed.unwrap_err().code, Code::ChunkDamaged);

    assert!(world.store_anew(&store, None) > 0);
    assert_eq!(world.root(&store), root, "the same nodes");
    world.assert_whole(&store);
    drop(store);
    world.assert_whole(&world.open());
}

#[test]
fn a_doubt_outlives_the_process_with_the_index() {
    let world = World::new(4);
    let cache = testkit::tempdir().unwrap();
    let open = || Store::open(world.place(), &world.key.unlock(), &world.env, cache.path());
    world.damage("packs/");
    let store = open().unwrap();
    Notice::Read.look(&world, &store);
    drop(store);
    let store = open().unwrap();
    assert_eq!(world.store_anew(&store, None), 2);
    world.assert_whole(&store);
}

#[test]
fn a_repair_that_was_killed_is_kept_though_the_index_is_lost() {
    let world = World::new(9);
    world.damage("packs/");
    let store = world.open();
    Notice::Read.look(&world, &store);
    world.disk.checkpoint();
    world.store_anew(&store, None);
    drop(store);
    let mut kept = 0;
    for k in 0..=world.disk.ops() {
        let killed = World {
            disk: world.disk.killed_at(k),
            content: world.content.clone(),
            env: world.env.clone(),
            key: world.key.clone(),
            source: world.source,
        };
        let store = killed.open();
        match read(&store, &killed.root(&store)) {
            Ok(found) => {
                assert_eq!(found, killed.content);
                kept += 1;
            }
            // The new pack had not been published, or could not be known as part of a session.
            Err(fault) => {
                assert_eq!(fault.code, Code::ChunkDamaged);
                assert_eq!(killed.store_anew(&store, None), 2);
            }
        }
        killed.assert_whole(&store);
        drop(store);
        killed.assert_whole(&killed.open());
    }
    assert!(kept > 1, "{kept} kills came after the repair");
}

#[test]
fn many_readers_of_a_damaged_pack_and_a_writer_end_with_the_good_copy() {
    let world = World::new(6);
    world.damage("packs/");
    let store = world.open();
    let root = world.root(&store);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!((0..10_000).any(|_| read(&store, &root).is_ok())));
        }
        scope.spawn(|| assert!((0..1000).any(|_| world.store_anew(&store, None) > 0)));
    });
    world.assert_whole(&store);
}
