//! Log records: round trips, and that history cannot be altered.

use base::limits::{CONFIG_BYTES_MAX, LOG_PACKS_MAX, LOG_RECORD_BYTES_MAX};
use base::{ChunkId, PackName, PointId, SessionId, SourceId};
use format::header::Header;
use format::log::{
    Body, Chain, Commit, Config, ConfigKind, LogError, LogKey, PointFacts, Record, RecordHash,
    object_name,
};
use format::pack::{Class, Parity};
use format::point::{Consistency, PointHash, Stats};
use proptest::prelude::*;

use crate::world::{World, for_each_flip};

fn record(body: Body) -> Record {
    Record {
        seq: 7,
        previous: RecordHash([9; 32]),
        epoch: 3,
        writer: [5; 16],
        time_ns: 1_800_000_000_000_000_000,
        retention_now_ns: -1,
        body,
    }
}

fn packs() -> impl Strategy<Value = Vec<(Class, PackName)>> {
    let class = prop_oneof![Just(Class::Data), Just(Class::Meta)];
    prop::collection::vec((class, any::<[u8; 32]>().prop_map(PackName)), 0..20)
}

fn facts() -> impl Strategy<Value = PointFacts> {
    let level = prop_oneof![
        Just(Consistency::Live),
        Just(Consistency::Crash),
        Just(Consistency::FileSystem),
        Just(Consistency::Application)
    ];
    (
        any::<[u8; 16]>(),
        any::<[u8; 32]>(),
        any::<i64>(),
        level,
        any::<u64>(),
        any::<[u64; 5]>(),
    )
        .prop_map(
            |(
                id,
                object,
                time_ns,
                consistency,
                warnings,
                [entries, files, bytes, changed, stored_bytes],
            )| PointFacts {
                id: PointId(id),
                object: PointHash(object),
                time_ns,
                consistency,
                warnings,
                stats: Stats {
                    entries,
                    files,
                    bytes,
                    changed,
                    stored_bytes,
                },
            },
        )
}

fn body() -> impl Strategy<Value = Body> {
    let session = || any::<[u8; 16]>().prop_map(SessionId);
    let source = || any::<[u8; 16]>().prop_map(SourceId);
    let chunk = || any::<[u8; 32]>().prop_map(ChunkId);
    let config = (
        1_u8..=6,
        any::<[u8; 16]>(),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..99)),
    );
    let commit = (
        session(),
        source(),
        prop::option::of(chunk()),
        chunk(),
        packs(),
        prop::option::of(facts()),
    );
    prop_oneof![
        (session(), source()).prop_map(|(session, source)| Body::Open { session, source }),
        (session(), packs()).prop_map(|(session, packs)| Body::Packs { session, packs }),
        commit.prop_map(|(session, source, base, root, packs, point)| {
            Body::Commit(Commit {
                session,
                source,
                base,
                root,
                packs,
                point,
            })
        }),
        session().prop_map(|session| Body::Close { session }),
        session().prop_map(|session| Body::Fence { session }),
        (any::<[u8; 16]>(), source()).prop_map(|(point, source)| Body::DeletePoint {
            point: PointId(point),
            source
        }),
        source().prop_map(|source| Body::DropReplica { source }),
        config.prop_map(|(kind, id, json)| {
            let kind = ConfigKind::from_code(kind).expect("1 to 6");
            Body::Config(Config { kind, id, json })
        }),
        any::<(u64, u32, u32)>().prop_map(|(ring, domain, generation)| Body::Generation {
            ring,
            domain,
            generation
        }),
        Just(Body::RetentionClock),
        packs().prop_map(|packs| Body::Condemn { packs }),
        packs().prop_map(|packs| Body::Spare { packs }),
        packs().prop_map(|packs| Body::Delete { packs }),
    ]
}

proptest! {
    // Sealed then opened is identity, for every kind of record.
    #[test]
    fn a_record_reads_back(
        body in body(), seq in any::<u64>(), previous in any::<[u8; 32]>(), epoch in any::<u64>(), time_ns in any::<i64>(),
    ) {
        let world = World::new(1);
        let key = LogKey::new(&world.ring);
        let record = Record { seq, previous: RecordHash(previous), epoch, time_ns, ..record(body) };
        let bytes = key.seal(&world.env, &record).expect("it is within the limits");
        prop_assert_eq!(key.open(&bytes), Ok(record));
    }
}

#[test]
fn the_largest_records_fit() {
    let world = World::new(1);
    let key = LogKey::new(&world.ring);
    let session = SessionId([1; 16]);
    let packs = vec![(Class::Data, PackName([1; 32])); LOG_PACKS_MAX];
    let full = record(Body::Packs {
        session,
        packs: packs.clone(),
    });
    let bytes = key.seal(&world.env, &full).expect("it fits");
    assert!(bytes.len() <= LOG_RECORD_BYTES_MAX);
    assert_eq!(key.open(&bytes), Ok(full));

    let config = |len| Config {
        kind: ConfigKind::Policy,
        id: [0; 16],
        json: Some(vec![b' '; len]),
    };
    let full = record(Body::Config(config(CONFIG_BYTES_MAX)));
    assert!(key.seal(&world.env, &full).is_ok());

    let mut packs = packs;
    packs.push((Class::Meta, PackName([2; 32])));
    for body in [
        Body::Packs { session, packs },
        Body::Config(config(CONFIG_BYTES_MAX + 1)),
    ] {
        let refused = key.seal(&world.env, &record(body));
        assert!(
            matches!(refused, Err(LogError::Malformed(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn every_flipped_bit_of_a_log_record_is_noticed() {
    let world = World::new(2);
    let key = LogKey::new(&world.ring);
    let session = SessionId([1; 16]);
    let bytes = key
        .seal(&world.env, &record(Body::Close { session }))
        .expect("it fits");
    for_each_flip(&bytes, |bit, flipped| {
        assert!(key.open(flipped).is_err(), "bit {bit}");
    });
    for len in 0..bytes.len() {
        assert!(key.open(&bytes[..len]).is_err(), "{len} bytes");
    }
    assert!(key.open(&[bytes, vec![0]].concat()).is_err());
    assert!(key.open(&vec![0; LOG_RECORD_BYTES_MAX + 1]).is_err());
}

#[test]
fn a_record_of_another_store_is_refused() {
    let world = World::new(2);
    let bytes = LogKey::new(&world.ring)
        .seal(&world.env, &record(Body::RetentionClock))
        .expect("it fits");
    let stranger = LogKey::new(&World::new(3).ring);
    assert_eq!(stranger.open(&bytes), Err(LogError::BadSignature));
}

#[test]
fn the_chain_takes_each_record_once_and_in_order() {
    let world = World::new(2);
    let key = LogKey::new(&world.ring);
    let format = Header::new(&world.ring, 0, Parity::None).encode();
    let mut chain = Chain::new(&format);
    let mut stored = Vec::new();
    let mut writing = chain;
    for epoch in [1, 1, 2] {
        let next = Record {
            seq: writing.next,
            previous: writing.head,
            epoch,
            ..record(Body::RetentionClock)
        };
        let bytes = key.seal(&world.env, &next).expect("it fits");
        assert_eq!(writing.accept(&key, &bytes), Ok(next));
        stored.push(bytes);
    }
    let refused = |chain: Chain, bytes: &[u8]| {
        let mut after = chain;
        assert!(matches!(
            after.accept(&key, bytes),
            Err(LogError::BrokenChain { .. })
        ));
        assert_eq!(after, chain, "a chain that refuses stays where it is");
    };
    refused(chain, &stored[1]);
    refused(Chain::new(b"another store"), &stored[0]);
    assert!(chain.accept(&key, &stored[0]).is_ok());
    refused(chain, &stored[0]);
    refused(chain, &stored[2]);
    assert!(chain.accept(&key, &stored[1]).is_ok());
    assert!(chain.accept(&key, &stored[2]).is_ok());
    assert_eq!(chain, writing);
    let late = Record {
        seq: chain.next,
        previous: chain.head,
        epoch: 1,
        ..record(Body::RetentionClock)
    };
    refused(chain, &key.seal(&world.env, &late).expect("it fits"));
}

#[test]
fn object_names_sort_as_the_log_does() {
    assert_eq!(object_name(42), "log/00000000000000000042");
    assert_eq!(object_name(u64::MAX).len(), object_name(1).len());
}
