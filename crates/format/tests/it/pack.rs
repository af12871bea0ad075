//! Packs: round trips, and that a name stands for every byte.

use base::PackName;
use base::limits::{PACK_BYTES, PACK_RECORDS_MAX, PACK_SECTOR_BYTES};
use format::pack::{
    self, Class, OpenPack, PackError, PackFull, Parity, ReadTrailerError, SealedPack, read_trailer,
};
use format::seal::{Kind, Sealed};
use proptest::prelude::*;

use crate::world::{World, for_each_flip, noise};

fn filled(world: &World, class: Class, plains: &[Vec<u8>]) -> (SealedPack, Vec<Sealed>) {
    filled_with(Parity::Double, world, class, plains)
}

fn filled_with(
    parity: Parity,
    world: &World,
    class: Class,
    plains: &[Vec<u8>],
) -> (SealedPack, Vec<Sealed>) {
    let kind = if class == Class::Data {
        Kind::Data
    } else {
        Kind::Tree
    };
    let mut open = OpenPack::new(&world.env, world.store, class);
    let chunks: Vec<_> = plains.iter().map(|plain| world.seal(kind, plain)).collect();
    for chunk in &chunks {
        open.push(chunk).expect("there is room");
    }
    (open.finish(&world.env, &world.sealer, parity), chunks)
}

fn read(pack: &SealedPack) -> Result<pack::Trailer, ReadTrailerError<String>> {
    read_trailer(&pack.name, pack.bytes.len() as u64, |offset, len| {
        let start = usize::try_from(offset).map_err(|e| e.to_string())?;
        Ok(pack.bytes[start..start + len].to_vec())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // Put into a pack then read by its trailer is identity.
    #[test]
    fn chunks_come_back_out_of_a_pack(
        plains in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..60),
        meta in any::<bool>(), parity in prop::sample::select(&[Parity::None, Parity::Double][..]),
    ) {
        let world = World::new(1);
        let class = if meta { Class::Meta } else { Class::Data };
        let (pack, chunks) = filled_with(parity, &world, class, &plains);
        let trailer = read(&pack).expect("its trailer reads");
        prop_assert_eq!(trailer.class(), class);
        prop_assert_eq!(trailer.pack_bytes(), pack.bytes.len() as u64);
        let entries = trailer.entries(&world.sealer).expect("its table opens");
        prop_assert_eq!(&entries, &pack.entries);
        for ((entry, chunk), plain) in entries.iter().zip(&chunks).zip(&plains) {
            let sealed = &pack.bytes[entry.offset as usize..][..entry.len as usize];
            prop_assert_eq!(sealed, chunk.bytes.as_slice());
            let opened = world.sealer.open(entry.kind, entry.domain, entry.generation, &entry.id, sealed);
            prop_assert_eq!(opened.as_ref(), Ok(plain));
        }
        let verified = pack::verify(world.store, &pack.name, &pack.bytes).expect("it verifies");
        prop_assert_eq!(verified.sectors(), trailer.sectors());
    }
}

#[test]
fn a_pack_with_very_many_chunks_takes_a_second_read() {
    let world = World::new(2);
    let plains: Vec<_> = (0..2000_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let (pack, _) = filled(&world, Class::Meta, &plains);
    let mut reads = 0;
    let trailer = read_trailer(&pack.name, pack.bytes.len() as u64, |offset, len| {
        reads += 1;
        Ok::<_, String>(pack.bytes[usize::try_from(offset).expect("small")..][..len].to_vec())
    });
    let entries = trailer.expect("it reads").entries(&world.sealer);
    assert_eq!((reads, entries.expect("it opens").len()), (2, 2000));
}

#[test]
fn a_pack_is_full_at_its_limits() {
    let world = World::new(3);
    let chunk = world.seal(Kind::Data, &noise(1, 4 << 20));
    let mut open = OpenPack::new(&world.env, world.store, Class::Data);
    while !open.is_full() {
        let entry = open.push(&chunk).expect("it is not full");
        assert_eq!(open.sealed(&entry), Some(chunk.bytes.as_slice()));
    }
    assert_eq!(open.push(&chunk), Err(PackFull));
    let sealed = open.finish(&world.env, &world.sealer, Parity::Double);
    assert!(sealed.bytes.len() > PACK_BYTES);
    pack::verify(world.store, &sealed.name, &sealed.bytes).expect("it verifies");

    let mut open = OpenPack::new(&world.env, world.store, Class::Data);
    let chunk = world.seal(Kind::Data, b"");
    let pushed = std::iter::from_fn(|| open.push(&chunk).ok()).count();
    assert_eq!(pushed, PACK_RECORDS_MAX);
    let sealed = open.finish(&world.env, &world.sealer, Parity::Double);
    let trailer = read(&sealed).expect("it reads");
    assert_eq!(
        trailer.entries(&world.sealer).expect("it opens").len(),
        PACK_RECORDS_MAX
    );
}

#[test]
fn sizes_tell_little() {
    let world = World::new(3);
    let (small, _) = filled(&world, Class::Data, &[noise(1, 100)]);
    let (other, _) = filled(&world, Class::Data, &[noise(2, 900), noise(3, 700)]);
    assert_eq!(small.bytes.len(), other.bytes.len());
    let (large, _) = filled(&world, Class::Data, &[noise(1, 2 << 20)]);
    let body = read(&large).expect("it reads").body_bytes() as usize;
    assert_eq!(body % PACK_SECTOR_BYTES, 0);
}

#[test]
fn names_are_never_used_twice() {
    let world = World::new(3);
    let (a, _) = filled(&world, Class::Data, &[b"same".to_vec()]);
    let (b, _) = filled(&world, Class::Data, &[b"same".to_vec()]);
    assert_ne!(a.name, b.name);
    let hex = a.name.to_string();
    assert_eq!(a.object_name(), format!("packs/{}/{hex}", &hex[..2]));
}

#[test]
fn every_flipped_bit_of_a_pack_is_noticed() {
    let world = World::new(4);
    for parity in [Parity::None, Parity::Double] {
        let plains = [b"one".to_vec(), b"two".to_vec()];
        let (pack, _) = filled_with(parity, &world, Class::Data, &plains);
        for_each_flip(&pack.bytes, |bit, bytes| {
            let verified = pack::verify(world.store, &pack.name, bytes);
            assert!(verified.is_err(), "bit {bit}, {parity:?}");
        });
    }
}

#[test]
fn every_flipped_bit_of_a_trailer_is_noticed_by_a_ranged_read() {
    let world = World::new(4);
    let (pack, _) = filled(&world, Class::Meta, &[b"one".to_vec()]);
    // It is as long as its copy.
    let len = read(&pack).expect("it reads").copy_range().len();
    let from = pack.bytes.len() - len;
    for_each_flip(&pack.bytes[from..], |bit, trailer| {
        let mut flipped = pack.clone();
        flipped.bytes[from..].copy_from_slice(trailer);
        assert!(read(&flipped).is_err(), "bit {bit}");
    });
}

#[test]
fn a_pack_cut_off_grown_or_exchanged_is_refused() {
    let world = World::new(5);
    let (pack, _) = filled(&world, Class::Data, &[b"one".to_vec()]);
    let (other, _) = filled(&world, Class::Data, &[b"two".to_vec()]);
    for len in 0..pack.bytes.len() {
        assert!(pack::verify(world.store, &pack.name, &pack.bytes[..len]).is_err());
    }
    let grown = [pack.bytes.as_slice(), &[0]].concat();
    assert!(pack::verify(world.store, &pack.name, &grown).is_err());
    let swapped = pack::verify(world.store, &pack.name, &other.bytes);
    assert_eq!(swapped.err(), Some(PackError::WrongName(pack.name)));
    let foreign = pack::verify(World::new(6).store, &pack.name, &pack.bytes);
    assert_eq!(foreign.err(), Some(PackError::OtherStore(world.store)));
    let missing = PackName([0; 32]);
    let refused = pack::verify(world.store, &missing, &pack.bytes);
    assert_eq!(refused.err(), Some(PackError::WrongName(missing)));
}

#[test]
fn a_damaged_sector_is_found_alone_and_by_number() {
    let world = World::new(5);
    let (mut pack, _) = filled(&world, Class::Data, &[noise(1, 1200 << 10)]);
    let trailer = read(&pack).expect("it reads");
    pack.bytes[2 * PACK_SECTOR_BYTES + 17] ^= 1;
    for index in 0..trailer.sectors() {
        let range = trailer.sector_range(index).expect("it has the sector");
        let sector = &pack.bytes[range.start as usize..range.end as usize];
        let expected = if index == 2 {
            Err(PackError::DamagedSector(2))
        } else {
            Ok(())
        };
        assert_eq!(trailer.verify_sector(index, sector), expected);
    }
    assert_eq!(trailer.sector_range(trailer.sectors()), None);
}

#[test]
fn the_table_of_contents_needs_the_key() {
    let world = World::new(5);
    let (pack, _) = filled(&world, Class::Data, &[b"one".to_vec()]);
    let trailer = read(&pack).expect("it reads");
    let stranger = World::new(6).sealer;
    assert_eq!(
        trailer.entries(&stranger).err(),
        Some(PackError::NotAuthentic)
    );
}

#[test]
fn a_reader_that_fails_or_cheats_is_told_apart_from_damage() {
    let world = World::new(5);
    let (pack, _) = filled(&world, Class::Data, &[b"one".to_vec()]);
    let len = pack.bytes.len() as u64;
    let failed = read_trailer(&pack.name, len, |_, _| Err::<Vec<u8>, _>("gone"));
    assert!(matches!(failed, Err(ReadTrailerError::Read("gone"))));
    let short = read_trailer(&pack.name, len, |_, _| Ok::<_, String>(vec![0; 3]));
    assert!(matches!(
        short,
        Err(ReadTrailerError::Pack(PackError::Length { .. }))
    ));
    let tiny = read_trailer(&pack.name, 10, |_, _| Ok::<_, String>(vec![]));
    assert!(matches!(
        tiny,
        Err(ReadTrailerError::Pack(PackError::Length { .. }))
    ));
}
