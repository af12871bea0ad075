//! Packs that mend themselves: what is within the budget comes back bit by bit, what is not is refused.

use base::limits::{PACK_BYTES, PACK_BYTES_MAX, PACK_RECORDS_MAX, STRIPE_SECTORS};
use format::pack::{self, Class, OpenPack, PackError, Parity, SealedPack, Trailer};
use format::seal::Kind;
use proptest::prelude::*;
use testkit::Dice;

use crate::world::{World, noise};

fn pack(world: &World, parity: Parity, bytes: usize) -> SealedPack {
    let mut open = OpenPack::new(&world.env, world.store, Class::Data);
    let mut left = bytes;
    for seed in 1.. {
        let len = left.min(1 << 20);
        open.push(&world.seal(Kind::Data, &noise(seed, len)))
            .expect("there is room");
        left -= len;
        if left == 0 {
            break;
        }
    }
    open.finish(&world.env, &world.sealer, parity)
}

fn trailer(world: &World, pack: &SealedPack) -> Trailer {
    pack::verify(world.store, &pack.name, &pack.bytes).expect("it is whole")
}

fn range(trailer: &Trailer, sector: u32) -> std::ops::Range<usize> {
    let range = trailer.sector_range(sector).expect("it has the sector");
    range.start as usize..range.end as usize
}

/// How many stripes there are: each has two of the sectors that are not in the body.
fn stripes(trailer: &Trailer) -> u32 {
    let [_, parity] = trailer.sector_runs();
    u32::try_from(parity.len() / 2).expect("few")
}

/// Damages a range in one of the ways that media have.
fn damage(bytes: &mut [u8], dice: &mut Dice) {
    match dice.index(3) {
        0 => bytes.fill(0),
        1 => bytes.iter_mut().for_each(|byte| *byte = !*byte),
        _ => {
            let at = dice.index(bytes.len());
            bytes[at] ^= 1 << dice.index(8);
        }
    }
}

fn check(world: &World, pack: &SealedPack, damaged: Vec<u8>) -> Result<usize, PackError> {
    let is_same = damaged == pack.bytes;
    let repaired = pack::repair(world.store, &pack.name, damaged)?;
    assert!(
        repaired.bytes == pack.bytes,
        "other bytes than were written"
    );
    assert_eq!(repaired.was_damaged, !is_same);
    Ok(repaired.sectors.len())
}

/// Damages sectors that are chosen by chance, up to two a stripe, and one of the trailers.
fn damage_within_budget(trailer: &Trailer, bytes: &mut [u8], dice: &mut Dice) -> usize {
    let mut damaged = 0;
    for stripe in 0..stripes(trailer) {
        let mut sectors: Vec<u32> = (0..trailer.sectors())
            .filter(|sector| sector % stripes(trailer) == stripe)
            .collect();
        for _ in 0..dice.index(3) {
            let sector = sectors.remove(dice.index(sectors.len()));
            damage(&mut bytes[range(trailer, sector)], dice);
            damaged += 1;
        }
    }
    let copy = trailer.copy_range();
    let trailers = [copy.start as usize, bytes.len() - copy.len()];
    let start = trailers[dice.index(2)];
    let from = start + dice.index(copy.len() - 1);
    let to = from + 1 + dice.index(start + copy.len() - from);
    damage(&mut bytes[from..to.min(start + copy.len())], dice);
    damaged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // Damage within the budget and then repair is identity.
    #[test]
    fn damage_within_the_budget_is_repaired_bit_by_bit(
        size in prop_oneof![1_usize..20_000, 20_000_usize..2_000_000, 2_000_000_usize..5_000_000], seed in any::<u64>(),
    ) {
        let world = World::new(1);
        let pack = pack(&world, Parity::Double, size);
        let mut dice = Dice::new(seed);
        let mut damaged = pack.bytes.clone();
        let count = damage_within_budget(&trailer(&world, &pack), &mut damaged, &mut dice);
        prop_assert_eq!(check(&world, &pack, damaged), Ok(count));
    }

    // Whatever happened, what comes out of a repair is what was written.
    #[test]
    fn no_damage_makes_a_repair_give_other_bytes(
        size in 1_usize..400_000, seed in any::<u64>(), wounds in 1_usize..40,
    ) {
        let world = World::new(1);
        let pack = pack(&world, Parity::Double, size);
        let mut dice = Dice::new(seed);
        let mut damaged = pack.bytes.clone();
        for _ in 0..wounds {
            let from = dice.index(damaged.len());
            let most = 1 << dice.index(17);
            let to = (from + 1 + dice.index(most)).min(damaged.len());
            damage(&mut damaged[from..to], &mut dice);
        }
        if dice.once_in(3) {
            damaged.truncate(dice.index(damaged.len()));
        }
        let _ = check(&world, &pack, damaged);
    }

    // A run of twice as many sectors as there are stripes touches two of each, wherever it begins.
    #[test]
    fn a_burst_of_two_sectors_a_stripe_is_repaired(size in 1_usize..5_000_000, at in any::<prop::sample::Index>()) {
        let world = World::new(1);
        let pack = pack(&world, Parity::Double, size);
        let trailer = trailer(&world, &pack);
        let len = 2 * stripes(&trailer);
        let first = at.index((trailer.sectors() - len + 1) as usize);
        let mut damaged = pack.bytes.clone();
        let (from, to) = (range(&trailer, first as u32), range(&trailer, first as u32 + len - 1));
        damaged[from.start..to.end].fill(0);
        prop_assert_eq!(check(&world, &pack, damaged), Ok(len as usize));
    }
}

#[test]
fn a_third_sector_of_a_stripe_that_is_lost_is_beyond_repair() {
    let world = World::new(2);
    for size in [70_000, 3_000_000] {
        let pack = pack(&world, Parity::Double, size);
        let trailer = trailer(&world, &pack);
        let step = stripes(&trailer) as usize;
        let mut damaged = pack.bytes.clone();
        for (n, sector) in (0..trailer.sectors()).step_by(step).enumerate().take(3) {
            damaged[range(&trailer, sector)].fill(0);
            let expected = match n {
                0 | 1 => Ok(n + 1),
                _ => Err(PackError::BeyondRepair(3)),
            };
            assert_eq!(check(&world, &pack, damaged.clone()), expected, "{size}");
        }
    }
}

#[test]
fn any_number_of_sectors_is_repaired_that_are_damaged_in_different_places() {
    let world = World::new(2);
    for size in [70_000, 3_000_000] {
        let pack = pack(&world, Parity::Double, size);
        let trailer = trailer(&world, &pack);
        let mut damaged = pack.bytes.clone();
        let columns = trailer.sector_bytes() / 512;
        for sector in 0..trailer.sectors() {
            // Neighbours in a stripe have other columns; a short sector has but a few.
            let sector_bytes = &mut damaged[range(&trailer, sector)];
            let column = (sector / stripes(&trailer)) as usize % columns;
            let Some(column) = sector_bytes.chunks_mut(512).nth(column) else {
                continue;
            };
            column.fill(0x5a);
        }
        let repaired = check(&world, &pack, damaged.clone());
        // With more sectors than columns some share one.
        match columns > 34 {
            true => assert!(repaired.is_ok_and(|sectors| sectors > 40), "{size}"),
            false => assert!(matches!(repaired, Err(PackError::BeyondRepair(_)))),
        }
        for sector in (0..trailer.sectors())
            .rev()
            .take(trailer.sectors() as usize - 6)
        {
            let range = range(&trailer, sector);
            damaged[range.clone()].copy_from_slice(&pack.bytes[range]);
        }
        assert_eq!(check(&world, &pack, damaged), Ok(6), "{size}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_repaired() {
    let world = World::new(3);
    let pack = pack(&world, Parity::Double, 100);
    for at in 0..pack.bytes.len() {
        let mut damaged = pack.bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(
            pack::verify(world.store, &pack.name, &damaged).is_err(),
            "byte {at}"
        );
        assert!(check(&world, &pack, damaged).is_ok(), "byte {at}");
    }
}

#[test]
fn a_pack_without_its_end_is_repaired_as_long_as_a_trailer_and_the_body_are_left() {
    let world = World::new(4);
    let pack = pack(&world, Parity::Double, 9000);
    let needed = trailer(&world, &pack).copy_range().end as usize;
    for len in (0..needed).step_by(7).chain([needed - 1]) {
        assert!(
            check(&world, &pack, pack.bytes[..len].to_vec()).is_err(),
            "{len}"
        );
    }
    for len in (needed..=pack.bytes.len()).step_by(13) {
        assert!(
            check(&world, &pack, pack.bytes[..len].to_vec()).is_ok(),
            "{len}"
        );
    }
    let grown = [&pack.bytes[..], &[7; 1000]].concat();
    assert_eq!(check(&world, &pack, grown), Ok(0));
}

#[test]
fn a_trailer_is_put_together_from_two_that_are_damaged_in_different_places() {
    let world = World::new(5);
    let pack = pack(&world, Parity::Double, 3_000_000);
    let copy = trailer(&world, &pack).copy_range();
    let (first, last) = (copy.start as usize, pack.bytes.len() - copy.len());
    let mut damaged = pack.bytes.clone();
    // The tail of the last one too: where the trailers stand is then known from the first.
    for at in [
        first + 10,
        first + 1100,
        last + 600,
        pack.bytes.len() - 1,
        pack.bytes.len() - 20,
    ] {
        damaged[at] ^= 0xff;
    }
    assert_eq!(check(&world, &pack, damaged.clone()), Ok(0));
    damaged[last + 11] ^= 0xff;
    assert_eq!(
        check(&world, &pack, damaged),
        Err(PackError::WrongName(pack.name))
    );
}

#[test]
fn a_pack_without_parity_is_told_to_be_beyond_repair() {
    let world = World::new(6);
    let pack = pack(&world, Parity::None, 300_000);
    assert_eq!(trailer(&world, &pack).parity(), Parity::None);
    assert_eq!(check(&world, &pack, pack.bytes.clone()), Ok(0));
    let mut damaged = pack.bytes.clone();
    damaged[100] ^= 1;
    assert_eq!(
        check(&world, &pack, damaged),
        Err(PackError::BeyondRepair(1))
    );
    // What was appended is cut off.
    assert_eq!(
        check(&world, &pack, [&pack.bytes[..], &[0]].concat()),
        Ok(0)
    );
}

#[test]
fn parity_costs_what_it_should() {
    let world = World::new(7);
    let cost = |size: usize| {
        let plain = pack(&world, Parity::None, size);
        let body = trailer(&world, &plain).body_bytes();
        let with = pack(&world, Parity::Double, size);
        assert_eq!(trailer(&world, &with).body_bytes(), body);
        (body as usize, with.bytes.len() - plain.bytes.len())
    };
    // Body, and what parity and the second trailer add to the pack.
    let costs = [100, 100_000, 500_000, 2_000_000, PACK_BYTES - 400_000].map(cost);
    for (body, added) in costs {
        let trailer = 1100 + 34 * 64 * body.div_ceil(2 << 20);
        let most = match body {
            0..=0x2_0000 => 8192,
            0x2_0001..=0x20_0000 => body / 8,
            _ => body / 16 + (128 << 10),
        };
        assert!(added <= most + trailer, "{added} bytes beside {body}");
    }
    assert!(costs[0].1 < 12 << 10, "{costs:?}");
    assert!(costs[4].1 * 100 < costs[4].0 * 7, "{costs:?}");
    let [first, .., last] = costs;
    println!(
        "{} beside {}, {} beside {}",
        first.1, first.0, last.1, last.0
    );
}

#[test]
fn the_largest_packs_hold_their_limit() {
    let world = World::new(8);
    let mut open = OpenPack::new(&world.env, world.store, Class::Data);
    let empty = world.seal(Kind::Data, b"");
    for _ in 1..PACK_RECORDS_MAX {
        open.push(&empty).expect("there is room");
    }
    let large = world.seal(Kind::Data, &noise(1, 4 << 20));
    open.push(&large).expect("there is room");
    let sealed = open.finish(&world.env, &world.sealer, Parity::Double);
    assert!(sealed.bytes.len() <= PACK_BYTES_MAX);
    let mut damaged = sealed.bytes.clone();
    let end = damaged.len() - (1 << 20);
    damaged.truncate(end);
    damaged[5000] ^= 1;
    assert_eq!(check(&world, &sealed, damaged), Ok(1));
    assert_eq!(STRIPE_SECTORS, 32);
}
