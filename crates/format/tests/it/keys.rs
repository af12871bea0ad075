//! Keys: slots, rings, key files.

use base::StoreId;
use format::keys::{
    KeyFile, Keyring, MasterKey, NewSlot, Passphrase, PassphraseCost, RingError, SlotError,
    SlotKind, Unlock, unwrap, wrap,
};
use format::seal::Kind;
use proptest::prelude::*;

use crate::world::{World, for_each_flip};

const CHEAP: PassphraseCost = PassphraseCost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).expect("it is long enough")
}

/// Two master keys are the same if one opens what the other sealed.
fn assert_same(world: &World, key: &MasterKey) {
    let ring = world
        .ring
        .seal(&world.env, &world.master)
        .expect("there is room");
    Keyring::open(world.store, &ring, key).expect("the key is the master key");
}

#[test]
fn a_slot_gives_the_master_key_to_whoever_has_its_secret() {
    let world = World::new(1);
    let file = KeyFile::random(&world.env);
    let phrase = passphrase("土蔵の鍵は十六文字以上でなければならない");
    for (new, unlock) in [
        (
            NewSlot::KeyFile(file.clone()),
            Unlock::KeyFile(file.clone()),
        ),
        (
            NewSlot::Passphrase(phrase.clone(), CHEAP),
            Unlock::Passphrase(phrase),
        ),
    ] {
        let slot = wrap(&world.env, world.store, &world.master, &new).expect("it wraps");
        assert_same(
            &world,
            &unwrap(world.store, &slot, &unlock).expect("it opens"),
        );
    }
}

#[test]
fn a_wrong_passphrase_is_refused() {
    let world = World::new(2);
    let new = NewSlot::Passphrase(passphrase("correct horse battery"), CHEAP);
    let slot = wrap(&world.env, world.store, &world.master, &new).expect("it wraps");
    let wrong = Unlock::Passphrase(passphrase("correct horse batterY"));
    assert_eq!(
        unwrap(world.store, &slot, &wrong).err(),
        Some(SlotError::WrongSecret)
    );
    let file = Unlock::KeyFile(KeyFile::random(&world.env));
    let other_kind = SlotError::OtherKind(SlotKind::Passphrase);
    assert_eq!(unwrap(world.store, &slot, &file).err(), Some(other_kind));
}

#[test]
fn a_wrong_key_file_is_refused() {
    let world = World::new(2);
    let new = NewSlot::KeyFile(KeyFile::random(&world.env));
    let slot = wrap(&world.env, world.store, &world.master, &new).expect("it wraps");
    let wrong = Unlock::KeyFile(KeyFile::random(&world.env));
    assert_eq!(
        unwrap(world.store, &slot, &wrong).err(),
        Some(SlotError::WrongSecret)
    );
    let phrase = Unlock::Passphrase(passphrase("correct horse battery"));
    let other_kind = SlotError::OtherKind(SlotKind::KeyFile);
    assert_eq!(unwrap(world.store, &slot, &phrase).err(), Some(other_kind));
    let elsewhere = unwrap(StoreId([0; 16]), &slot, &wrong).err();
    assert_eq!(elsewhere, Some(SlotError::OtherStore(world.store)));
}

#[test]
fn every_flipped_bit_of_a_slot_is_noticed() {
    let world = World::new(3);
    let file = KeyFile::random(&world.env);
    let new = NewSlot::KeyFile(file.clone());
    let slot = wrap(&world.env, world.store, &world.master, &new).expect("it wraps");
    for_each_flip(&slot, |bit, bytes| {
        let opened = unwrap(world.store, bytes, &Unlock::KeyFile(file.clone()));
        let error = opened
            .err()
            .unwrap_or_else(|| panic!("bit {bit} was not noticed"));
        assert_ne!(
            error,
            SlotError::WrongSecret,
            "damage is not the user's mistake: bit {bit}"
        );
    });
}

#[test]
fn a_slot_that_asks_for_too_much_memory_is_refused() {
    let world = World::new(3);
    let phrase = passphrase("correct horse battery");
    let mut slot = wrap(
        &world.env,
        world.store,
        &world.master,
        &NewSlot::Passphrase(phrase.clone(), CHEAP),
    )
    .expect("it wraps");
    slot[27..31].copy_from_slice(&u32::MAX.to_le_bytes());
    let content = slot.len() - 32;
    let hash = blake3::hash(&slot[..content]);
    slot[content..].copy_from_slice(hash.as_bytes());
    let refused = unwrap(world.store, &slot, &Unlock::Passphrase(phrase));
    assert!(
        matches!(refused, Err(SlotError::Malformed(_))),
        "{refused:?}"
    );
}

#[test]
fn a_short_passphrase_is_not_taken() {
    assert!(Passphrase::new("fifteen letters".to_owned()).is_err());
    assert!(Passphrase::new("sixteen  letters".to_owned()).is_ok());
    assert!(Passphrase::new("短".repeat(16)).is_ok());
}

#[test]
fn a_ring_reads_back_and_opens_what_was_sealed() {
    let world = World::new(4);
    let chunk = world.seal(Kind::Data, b"content");
    let next = world.ring.next_generation(&world.env, 1);
    let bytes = next.seal(&world.env, &world.master).expect("there is room");
    let ring = Keyring::open(world.store, &bytes, &world.master).expect("it opens");
    assert_eq!((ring.number, ring.first_domain().current()), (2, 2));
    assert_eq!(ring.signing.public(), world.ring.signing.public());
    let sealer = ring.domain(1).expect("the first domain").sealer();
    let opened = sealer.open(Kind::Data, 1, 1, &chunk.id, &chunk.bytes);
    assert_eq!(opened, Ok(b"content".to_vec()));
}

#[test]
fn every_flipped_bit_of_a_ring_is_noticed() {
    let world = World::new(4);
    let bytes = world
        .ring
        .seal(&world.env, &world.master)
        .expect("there is room");
    for_each_flip(&bytes, |bit, flipped| {
        assert!(
            Keyring::open(world.store, flipped, &world.master).is_err(),
            "bit {bit}"
        );
    });
    let stranger = MasterKey::random(&world.env);
    let refused = Keyring::open(world.store, &bytes, &stranger).err();
    assert_eq!(refused, Some(RingError::NotAuthentic));
}

#[test]
fn a_ring_holds_hundreds_of_generations_and_then_says_that_it_is_full() {
    let world = World::new(4);
    let mut ring = world.ring.clone();
    for _ in 0..900 {
        ring = ring.next_generation(&world.env, 1);
    }
    let bytes = ring.seal(&world.env, &world.master).expect("there is room");
    let opened = Keyring::open(world.store, &bytes, &world.master).expect("it opens");
    assert_eq!(opened.first_domain().current(), 901);
    for _ in 0..100 {
        ring = ring.next_generation(&world.env, 1);
    }
    assert_eq!(
        ring.seal(&world.env, &world.master).err(),
        Some(RingError::Full)
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let world = World::new(5);
    let file = KeyFile::random(&world.env);
    let text = file.to_text();
    let shown = format!(
        "{file:?} {:?} {:?} {:?}",
        world.ring,
        world.master,
        passphrase("correct horse battery")
    );
    assert!(!shown.contains("horse"));
    assert!(!shown.contains(&text[11..20]));
    assert!(!shown.contains(", 1"), "no byte lists: {shown}");
}

proptest! {
    // The text of a key file is the key: it reads back, and no other digit does.
    #[test]
    fn a_key_file_reads_back_and_a_slip_is_noticed(seed in any::<u64>(), at in 0_usize..72) {
        let text = KeyFile::random(&crate::world::env(seed)).to_text();
        let again = KeyFile::parse(&format!("  {}\r\n", text.trim())).expect("it reads back");
        prop_assert_eq!(again.to_text(), text.clone());
        let mut slip = text.as_bytes().to_vec();
        let digit = &mut slip[11 + at];
        *digit = if *digit == b'7' { b'1' } else { b'7' };
        let slip = String::from_utf8(slip).expect("digits");
        prop_assert!(KeyFile::parse(&slip).is_err());
    }
}

#[test]
fn what_is_no_key_file_is_refused() {
    for text in [
        "",
        "dozo-key-1",
        "dozo-key-1 00",
        "dozo-key-2 00",
        "土蔵の鍵",
    ] {
        assert!(KeyFile::parse(text).is_err(), "{text}");
    }
}
