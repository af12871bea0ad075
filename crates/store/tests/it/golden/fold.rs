//! What a log adds up to: today's store and the stranger have to agree on any history, also on one that no store
//! would write: commits of sessions that ended or never began, from another base, for another source.

use std::fs;
use std::path::Path;

use base::{ChunkId, Env, PointId, SessionId, SourceId};
use format::header::Header;
use format::keys::{self, KeyFile, Keyring, NewSlot, Unlock};
use format::log::{Body, Chain, Commit, LogKey, PointFacts, Record, object_name};
use format::point::{Consistency, PointHash, Stats};
use store::{Place, Store};
use testkit::Dice;

use crate::stranger::Stranger;
use crate::stranger::keys::Secret;

/// A new store in a directory, and what signs records for it.
struct Scribe<'a> {
    pool: &'a Path,
    env: Env,
    key: LogKey,
    chain: Chain,
}

impl<'a> Scribe<'a> {
    fn create(pool: &'a Path, env: &Env, file: &KeyFile) -> Self {
        let slots = [NewSlot::KeyFile(file.clone())];
        Store::create_at(pool, &slots, env, Place::Memory, "golden").unwrap();
        let object = |name: &str| fs::read(pool.join(name)).unwrap();
        let store = Header::parse(&object("format")).unwrap().store;
        let unlock = Unlock::KeyFile(file.clone());
        let master = keys::unwrap(store, &object("keys/slot-1"), &unlock).unwrap();
        let ring = Keyring::open(store, &object("keys/ring-1"), &master).unwrap();
        Self {
            pool,
            env: env.clone(),
            key: LogKey::new(&ring),
            chain: Chain::new(&object("format")),
        }
    }

    fn append(&mut self, body: Body) {
        let record = Record {
            seq: self.chain.next,
            previous: self.chain.head,
            epoch: 1,
            writer: [1; 16],
            time_ns: 0,
            retention_now_ns: 0,
            body,
        };
        let bytes = self.key.seal(&self.env, &record).unwrap();
        fs::write(self.pool.join(object_name(record.seq)), &bytes).unwrap();
        self.chain.accept(&self.key, &bytes).unwrap();
    }
}

/// Chooses a record: few sessions, sources and roots, so that they meet often.
fn body(dice: &mut Dice, seq: u8) -> Body {
    let session = SessionId([1 + dice.below(3) as u8; 16]);
    let source = SourceId([1 + dice.below(2) as u8; 16]);
    let mut root = || ChunkId([1 + dice.below(2) as u8; 32]);
    let (base, root) = (root(), root());
    match dice.below(24) {
        0..=7 => Body::Open { session, source },
        8..=17 => Body::Commit(Commit {
            session,
            source,
            base: (!dice.once_in(3)).then_some(base),
            root,
            packs: Vec::new(),
            point: Some(PointFacts {
                id: PointId([seq; 16]),
                object: PointHash([seq; 32]),
                time_ns: 0,
                consistency: Consistency::Crash,
                warnings: 0,
                stats: Stats::default(),
            }),
        }),
        18 => Body::Close { session },
        19 => Body::Fence { session },
        20..=22 => Body::DeletePoint {
            point: PointId([seq - 1 - dice.below(3).min(u64::from(seq) - 1) as u8; 16]),
            source,
        },
        _ => Body::DropReplica { source },
    }
}

#[test]
fn stores_and_strangers_fold_any_history_alike() {
    let directory = testkit::tempdir().unwrap();
    let pool = directory.path().join("pool");
    let (env, _) = testkit::env(1);
    let file = KeyFile::random(&env);
    let secret = Secret::from_key_file(&file.to_text()).unwrap();
    let mut scribe = Scribe::create(&pool, &env, &file);
    let unlock = Unlock::KeyFile(file);
    let (mut points, mut replicas) = (0, 0);
    for seed in 0..5 {
        // Each history takes the place of the one before.
        scribe.chain = Chain::new(&fs::read(pool.join("format")).unwrap());
        let mut dice = Dice::new(seed);
        for seq in 1..=200 {
            scribe.append(body(&mut dice, seq));
        }
        let stranger = Stranger::open(&pool, &secret).unwrap();
        let store = Store::read_at(&pool, &unlock, &env, Place::Memory).unwrap();

        let known = store.points().unwrap();
        let known: Vec<_> = known.iter().map(|point| point.id.0).collect();
        assert_eq!(stranger.points(), known, "seed {seed}");
        points += known.len();
        let known = store.replicas().unwrap();
        let known: Vec<_> = known.iter().map(|r| (r.source.0, r.root.0)).collect();
        assert_eq!(stranger.replicas(), known, "seed {seed}");
        replicas += known.len();
    }
    assert!(
        points > 20 && replicas > 3,
        "{points} points, {replicas} replicas"
    );
}
