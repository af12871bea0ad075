//! The `format` object.

use format::header::{BYTES, Header, HeaderError};
use format::pack::Parity;

use crate::world::{World, for_each_flip};

/// Writes the checksum anew, as a newer version would have written it.
fn rehashed(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len() - 32;
    let hash = blake3::hash(&bytes[..content]);
    bytes[content..].copy_from_slice(hash.as_bytes());
    bytes
}

#[test]
fn a_store_says_what_it_is() {
    let world = World::new(1);
    let header = Header::new(&world.ring, -5, Parity::Double);
    let bytes = header.encode();
    assert_eq!(bytes.len(), BYTES);
    assert_eq!(Header::parse(&bytes), Ok(header.clone()));
    assert!(header.is_of(&world.ring));
    assert!(!header.is_of(&World::new(2).ring));
    assert_eq!(header.check_writable(), Ok(()));
}

#[test]
fn only_a_store_whose_packs_have_parity_needs_a_reader_that_knows_it() {
    for (parity, flags) in [(Parity::None, 0), (Parity::Double, 1)] {
        let bytes = Header::new(&World::new(1).ring, 0, parity).encode();
        let header = Header::parse(&bytes).expect("a header");
        assert_eq!((header.read_flags, header.write_flags), (flags, 0));
        assert_eq!(header.parity(), parity);
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_noticed() {
    let bytes = Header::new(&World::new(1).ring, 1_800_000_000, Parity::None).encode();
    for_each_flip(&bytes, |bit, flipped| {
        assert!(Header::parse(flipped).is_err(), "bit {bit}");
    });
    for len in 0..bytes.len() {
        assert!(Header::parse(&bytes[..len]).is_err());
    }
}

#[test]
fn a_newer_store_is_refused_by_what_it_needs() {
    let world = World::new(1);
    let mut header = Header::new(&world.ring, 0, Parity::None);
    header.write_flags = 4;
    let parsed = Header::parse(&header.encode()).expect("it can be read");
    assert_eq!(parsed.check_writable(), Err(HeaderError::Features(4)));
    header.read_flags = 8;
    assert_eq!(
        Header::parse(&header.encode()),
        Err(HeaderError::Features(8))
    );
    let mut newer = header.encode();
    newer[8] = 2;
    assert_eq!(
        Header::parse(&rehashed(newer)),
        Err(HeaderError::Version(2))
    );
    assert_eq!(Header::parse(b"#!/bin/sh"), Err(HeaderError::NotAStore));
    assert_eq!(Header::parse(b""), Err(HeaderError::NotAStore));
}
