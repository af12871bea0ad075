//! Chunks: round trips, and that nothing opens as what it is not.

use base::ChunkId;
use base::limits::CHUNK_BYTES_MAX;
use format::seal::{Kind, OpenChunkError, SEALED_BYTES_MAX, SEALED_BYTES_MIN, Sealer};
use proptest::prelude::*;

use crate::world::{World, for_each_flip, noise, prose};

proptest! {
    // Seal then open is identity.
    #[test]
    fn a_chunk_opens_to_what_was_sealed(
        plain in prop::collection::vec(any::<u8>(), 0..5000), repeat in 1_usize..200, tree in any::<bool>(),
    ) {
        let world = World::new(1);
        let plain = plain.repeat(repeat);
        let kind = if tree { Kind::Tree } else { Kind::Data };
        let chunk = world.seal(kind, &plain);
        prop_assert_eq!(chunk.plain_len as usize, plain.len());
        prop_assert!(chunk.bytes.len() <= plain.len() + SEALED_BYTES_MIN);
        prop_assert_eq!(world.open(&chunk), Ok(plain));
    }
}

#[test]
fn the_largest_and_the_smallest_chunk_round_trip() {
    let world = World::new(2);
    for plain in [
        vec![],
        noise(3, CHUNK_BYTES_MAX),
        prose(CHUNK_BYTES_MAX),
        vec![0; CHUNK_BYTES_MAX],
    ] {
        assert_eq!(world.open(&world.seal(Kind::Data, &plain)), Ok(plain));
    }
    assert_eq!(world.seal(Kind::Data, &[]).bytes.len(), SEALED_BYTES_MIN);
    let largest = world.seal(Kind::Data, &noise(3, CHUNK_BYTES_MAX));
    assert_eq!(largest.bytes.len(), SEALED_BYTES_MAX);
}

#[test]
fn what_compresses_is_compressed_and_what_does_not_is_not() {
    let world = World::new(2);
    let text = prose(1 << 20);
    assert!(world.seal(Kind::Data, &text).bytes.len() < text.len() / 4);
    let dense = noise(9, 1 << 20);
    assert_eq!(
        world.seal(Kind::Data, &dense).bytes.len(),
        dense.len() + SEALED_BYTES_MIN
    );
    // A chunk that is dense but for an eighth of it is still tried.
    let mixed = [noise(9, 900 << 10), prose(124 << 10)].concat();
    assert!(world.seal(Kind::Data, &mixed).bytes.len() < mixed.len() - (90 << 10));
}

#[test]
fn every_flipped_bit_of_a_sealed_chunk_is_noticed() {
    let world = World::new(4);
    for plain in [b"a few bytes".to_vec(), prose(300)] {
        let mut chunk = world.seal(Kind::Data, &plain);
        for_each_flip(&chunk.bytes.clone(), |bit, bytes| {
            chunk.bytes = bytes.to_vec();
            let opened = world.open(&chunk);
            assert_eq!(
                opened,
                Err(OpenChunkError::NotAuthentic(chunk.id)),
                "bit {bit}"
            );
        });
    }
}

#[test]
fn a_chunk_cut_off_or_grown_does_not_open() {
    let world = World::new(4);
    let mut chunk = world.seal(Kind::Data, b"some content");
    let whole = chunk.bytes.clone();
    for len in 0..whole.len() {
        chunk.bytes = whole[..len].to_vec();
        assert!(world.open(&chunk).is_err(), "{len} bytes");
    }
    chunk.bytes = [whole, vec![0]].concat();
    assert!(world.open(&chunk).is_err());
    chunk.bytes = vec![0; SEALED_BYTES_MAX + 1];
    assert_eq!(
        world.open(&chunk),
        Err(OpenChunkError::BadLength(SEALED_BYTES_MAX + 1))
    );
}

#[test]
fn swapped_kinds_do_not_open() {
    let world = World::new(5);
    let mut chunk = world.seal(Kind::Tree, b"a node");
    chunk.kind = Kind::Data;
    assert_eq!(
        world.open(&chunk),
        Err(OpenChunkError::NotAuthentic(chunk.id))
    );
}

#[test]
fn a_chunk_does_not_open_under_another_name_or_key() {
    let world = World::new(5);
    let chunk = world.seal(Kind::Data, b"content");
    let mut other = chunk.clone();
    other.id = ChunkId([7; 32]);
    assert_eq!(
        world.open(&other),
        Err(OpenChunkError::NotAuthentic(other.id))
    );
    let mut other = chunk.clone();
    other.generation = 2;
    let no_key = OpenChunkError::NoKey {
        domain: 1,
        generation: 2,
    };
    assert_eq!(world.open(&other), Err(no_key));
    let mut other = chunk.clone();
    other.domain = 9;
    let no_key = OpenChunkError::NoKey {
        domain: 9,
        generation: 1,
    };
    assert_eq!(world.open(&other), Err(no_key));
    assert!(World::new(6).open(&chunk).is_err(), "another store's keys");
}

#[test]
fn a_chunk_of_an_older_generation_still_opens() {
    let mut world = World::new(5);
    let old = world.seal(Kind::Data, b"content");
    world.ring = world.ring.next_generation(&world.env, 1);
    world.sealer = world.ring.first_domain().sealer();
    let new = world.seal(Kind::Data, b"content");
    assert_eq!((old.generation, new.generation), (1, 2));
    assert_eq!(old.id, new.id, "ids outlive generations");
    assert_eq!(world.open(&old), Ok(b"content".to_vec()));
    assert_eq!(world.open(&new), Ok(b"content".to_vec()));
}

#[test]
fn content_sealed_under_a_wrong_name_is_never_handed_out() {
    let world = World::new(8);
    let id = world.sealer.id(Kind::Data, &Sealer::hash(b"right"));
    let chunk = world.sealer.seal(&world.env, Kind::Data, &id, b"wrong");
    let opened = world.open(&chunk);
    assert!(
        matches!(opened, Err(OpenChunkError::SealedDamaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn equal_content_has_equal_names_and_unequal_bytes() {
    let world = World::new(8);
    let (a, b) = (
        world.seal(Kind::Data, b"same"),
        world.seal(Kind::Data, b"same"),
    );
    assert_eq!(a.id, b.id);
    assert_ne!(a.bytes, b.bytes);
    assert_ne!(
        a.id,
        world.seal(Kind::Tree, b"same").id,
        "kinds have names of their own"
    );
    assert_ne!(
        a.id,
        World::new(9).seal(Kind::Data, b"same").id,
        "and so have stores"
    );
    assert_ne!(a.id.0, Sealer::hash(b"same").0);
}
