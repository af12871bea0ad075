//! Recovery points.

use base::limits::{ADDRESS_BYTES_MAX, POINT_BYTES_MAX};
use base::{ChunkId, PointId, SessionId, SourceId};
use format::point::{Consistency, Point, PointError, Stats, TreeFormat};
use proptest::prelude::*;

use crate::world::{World, for_each_flip};

pub(crate) fn example() -> Point {
    Point {
        id: PointId([1; 16]),
        source: SourceId([2; 16]),
        address: "host:files/srv/データ".to_owned(),
        group: "nightly".to_owned(),
        root: ChunkId([3; 32]),
        time_ns: 1_800_000_000_123_456_789,
        consistency: Consistency::FileSystem,
        warnings: 2,
        stats: Stats {
            entries: 10,
            files: 7,
            bytes: 1 << 40,
            changed: 3,
            stored_bytes: 12345,
        },
        previous: Some(PointId([4; 16])),
        session: SessionId([5; 16]),
        tree: TreeFormat::Files,
    }
}

proptest! {
    // Sealed then opened is identity.
    #[test]
    fn a_point_reads_back(
        address in ".*", group in ".*", root in any::<[u8; 32]>(), time_ns in any::<i64>(), warnings in any::<u64>(),
        bytes in any::<u64>(), previous in prop::option::of(any::<[u8; 16]>()),
    ) {
        let world = World::new(1);
        let mut point = Point { address, group, root: ChunkId(root), time_ns, warnings, ..example() };
        point.stats.bytes = bytes;
        point.previous = previous.map(PointId);
        let stored = point.seal(&world.env, &world.ring).expect("the texts are short");
        prop_assert_eq!(Point::open(&world.ring, point.source, point.id, &stored), Ok(point));
    }
}

#[test]
fn levels_of_consistency_rank_and_keep_their_bytes() {
    let ranked = [
        (Consistency::Live, 4),
        (Consistency::Crash, 1),
        (Consistency::FileSystem, 2),
        (Consistency::Application, 3),
    ];
    assert!(ranked.is_sorted());
    for (level, code) in ranked {
        assert_eq!(level.code(), code);
        assert_eq!(Consistency::from_code(code), Some(level));
    }
    for code in [0, 5, 255] {
        assert_eq!(Consistency::from_code(code), None);
    }
}

#[test]
fn every_flipped_bit_of_a_point_is_noticed() {
    let world = World::new(2);
    let point = example();
    let stored = point.seal(&world.env, &world.ring).expect("it fits");
    for_each_flip(&stored, |bit, flipped| {
        let opened = Point::open(&world.ring, point.source, point.id, flipped);
        assert!(opened.is_err(), "bit {bit}");
    });
    for len in 0..stored.len() {
        assert!(Point::open(&world.ring, point.source, point.id, &stored[..len]).is_err());
    }
}

#[test]
fn a_point_under_another_name_is_refused() {
    let world = World::new(2);
    let point = example();
    let stored = point.seal(&world.env, &world.ring).expect("it fits");
    let open = |world: &World, source, id| Point::open(&world.ring, source, id, &stored);
    let (other_source, other_id) = (SourceId([9; 16]), PointId([9; 16]));
    assert_eq!(
        open(&world, other_source, point.id),
        Err(PointError::WrongName)
    );
    assert_eq!(
        open(&world, point.source, other_id),
        Err(PointError::WrongName)
    );
    assert_eq!(
        open(&World::new(3), point.source, point.id),
        Err(PointError::BadSignature)
    );
    assert_eq!(
        point.object_name(),
        format!("points/{}/{}", point.source, point.id)
    );
}

#[test]
fn the_longest_texts_fit_and_longer_ones_are_refused() {
    let world = World::new(2);
    let mut point = example();
    point.address = "a".repeat(ADDRESS_BYTES_MAX);
    point.group = point.address.clone();
    let stored = point.seal(&world.env, &world.ring).expect("it fits");
    assert!(stored.len() <= POINT_BYTES_MAX);
    assert_eq!(
        Point::open(&world.ring, point.source, point.id, &stored),
        Ok(point.clone())
    );
    point.group.push('a');
    let refused = point.seal(&world.env, &world.ring);
    assert!(matches!(refused, Err(PointError::Malformed(_))));
    let huge = vec![0; POINT_BYTES_MAX + 1];
    assert!(Point::open(&world.ring, point.source, point.id, &huge).is_err());
}
