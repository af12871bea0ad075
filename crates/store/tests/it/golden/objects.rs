//! The stranger and the golden objects of the `format` crate: one object of each kind, and the page's example of a node.

use std::fs;
use std::path::PathBuf;

use crate::stranger::files::{Entry, Kind};
use crate::stranger::keys::{Format, Ring, Secret, open_slot};
use crate::stranger::log::{Body, Chain};
use crate::stranger::pack::{self, Class};
use crate::stranger::{Bytes32, Id, crypt, file_key, parity, point, tree, wire};

const PASSPHRASE: &str = "golden passphrase 土蔵";
const SOURCE: Id = [2; 16];
const SESSION: Id = [5; 16];

fn object(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../format/tests/golden/v1");
    fs::read(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn key_file() -> Secret {
    let text = String::from_utf8(object("server.key")).expect("a key file is text");
    Secret::from_key_file(&text).expect("a key file")
}

fn keys() -> (Format, Ring) {
    let format = Format::parse(&object("format.bin")).expect("a format object");
    let master = open_slot(&object("slot-key-file.bin"), &format, &key_file());
    let master = master.expect("a slot").expect("the key file's slot");
    let ring = Ring::open(&object("ring.bin"), &format, 2, &master).expect("a ring");
    (format, ring)
}

#[test]
fn the_stranger_opens_both_slots_with_their_own_secret_only() {
    let (format, _) = keys();
    let slots = [object("slot-key-file.bin"), object("slot-passphrase.bin")];
    let passphrase = |text: &str| Secret::Passphrase(String::from(text));
    let open = |secret: Secret| {
        slots
            .each_ref()
            .map(|slot| open_slot(slot, &format, &secret).unwrap())
    };
    let [master, none] = open(key_file());
    assert!(master.is_some() && none.is_none());
    assert_eq!(open(passphrase(PASSPHRASE)), [None, master]);
    assert_eq!(open(passphrase("golden passphrase")), [None, None]);
    assert_eq!(open(Secret::KeyFile([0; 32])), [None, None]);
}

#[test]
fn the_stranger_follows_the_chain_of_records() {
    let (format, ring) = keys();
    let mut chain = Chain::after_format(&object("format.bin"));
    let mut bodies = Vec::new();
    for number in 1..=15 {
        let record = object(&format!("log-{number:02}.bin"));
        let mut damaged = record.clone();
        damaged[100] ^= 1;
        assert!(chain.next(&damaged, &format, &ring).is_err());
        bodies.push(chain.next(&record, &format, &ring).unwrap());
        assert!(
            chain.next(&record, &format, &ring).is_err(),
            "it is not its own predecessor"
        );
    }
    let (session, source) = (SESSION, SOURCE);
    assert_eq!(bodies[0], Body::Open { session, source });
    let packs = vec![(Class::Data, [7; 32]), (Class::Meta, [8; 32])];
    assert_eq!(
        bodies[12],
        Body::Condemn {
            packs: packs.clone()
        }
    );
    let (spared, deleted) = (packs[..1].to_vec(), packs[1..].to_vec());
    assert_eq!(bodies[13], Body::Spare { packs: spared });
    assert_eq!(bodies[14], Body::Delete { packs: deleted });
    assert_eq!(bodies[1], Body::Packs { packs });
    assert_eq!(bodies[4], Body::Close { session });
    assert_eq!(bodies[5], Body::Fence { session });
    assert_eq!(bodies[11], Body::RetentionClock);
}

#[test]
fn the_stranger_opens_a_point() {
    let (format, ring) = keys();
    let point = point::open(&object("point.bin"), &format, &ring).unwrap();
    assert_eq!(point.source, SOURCE);
    let mut damaged = object("point.bin");
    damaged[200] ^= 1;
    assert!(point::open(&damaged, &format, &ring).is_err());
}

#[test]
fn the_stranger_reads_packs_and_every_chunk_in_them() {
    let (format, ring) = keys();
    for (name, class) in [
        ("pack-data.bin", Class::Data),
        ("pack-meta.bin", Class::Meta),
    ] {
        let bytes = object(name);
        let pack_name = name_of(&bytes);
        let places = pack::read(&bytes, &pack_name, class, &format, &ring).unwrap();
        let chunks = places
            .iter()
            .map(|place| pack::open_chunk(&bytes[place.range()], place, &ring));
        let chunks: Result<Vec<_>, _> = chunks.collect();
        assert_eq!(chunks.unwrap(), [&b"first"[..], b"", b"third"]);
        for at in [70, 4000, bytes.len() - 300, bytes.len() - 30] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(pack::read(&damaged, &pack_name, class, &format, &ring).is_err());
        }
    }
}

/// Takes a pack's name from its tail, as a finder of lost packs would: the golden files have others.
fn name_of(pack: &[u8]) -> Bytes32 {
    let len = &pack[pack.len() - 12..pack.len() - 8];
    let len = u32::from_le_bytes(len.try_into().unwrap()) as usize;
    crypt::hash(&pack[pack.len() - len..])
}

#[test]
fn the_stranger_reads_a_pack_with_parity_and_mends_it() {
    let (format, ring) = keys();
    let bytes = object("pack-parity.bin");
    let name = name_of(&bytes);
    let read = |bytes: &[u8]| pack::read(bytes, &name, Class::Data, &format, &ring);
    let places = read(&bytes).unwrap();
    let chunks = places
        .iter()
        .map(|place| pack::open_chunk(&bytes[place.range()], place, &ring));
    let lens: Vec<_> = chunks.map(|chunk| chunk.unwrap().len()).collect();
    assert_eq!(lens, [20_000, 5000, 22_000]);
    // Eleven sectors of 4 KiB, the copy of the trailer, two sectors of parity, the trailer.
    let copy = (bytes.len() - 13 * 4096) / 2;
    let place = |sector: usize| 4096 * sector + if sector < 11 { 0 } else { copy };
    for lost in [[0, 1], [3, 10], [7, 11], [5, 12], [11, 12]] {
        let mut damaged = bytes.clone();
        for sector in lost {
            damaged[place(sector)..][..4096].fill(0x55);
        }
        assert!(read(&damaged).is_err());
        assert!(parity::mend(&damaged, &name).unwrap() == bytes, "{lost:?}");
        damaged.truncate(bytes.len() - copy);
        assert!(parity::mend(&damaged, &name).unwrap() == bytes, "{lost:?}");
        damaged[4096 * 4] ^= 1;
        assert!(parity::mend(&damaged, &name).is_err());
    }
}

#[test]
fn the_stranger_opens_chunks_of_both_codecs() {
    let (_, ring) = keys();
    let mut noise = vec![0; 700];
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&101_u64.to_le_bytes())
        .update(&0_u64.to_le_bytes());
    hasher.finalize_xof().fill(&mut noise);
    let prose =
        (0..).flat_map(|n: u32| format!("line {n} of a log that says little\n").into_bytes());
    let prose: Vec<u8> = prose.take(5000).collect();
    for (name, kind, plain) in [("chunk-raw.bin", 1, noise), ("chunk-zstd.bin", 2, prose)] {
        let sealed = object(name);
        let named = [&[kind][..], &crypt::hash(&plain)].concat();
        let id = crypt::keyed_hash(ring.id_key(1).unwrap(), &named);
        let place = pack::lone_place(kind, 1, 1, id, sealed.len());
        assert_eq!(pack::open_chunk(&sealed, &place, &ring), Ok(plain));
        let other = pack::lone_place(3 - kind, 1, 1, id, sealed.len());
        assert!(pack::open_chunk(&sealed, &other, &ring).is_err());
    }
}

/// "Example" of "Tree nodes", without its comments.
const EXAMPLE: &str = "
    444f5a4f54524545 0100 00 01 03000000
    07  00 00 01  00 01 00 02
    03  00 00 01
    03  00 00 04
    03  00 06 01
    07  78312e747874  32
    23  00 03 ed03 00 00 01 03 00 00 00
        01 00 a403 00 00 01 01 0161 00 00
        02 00 a403 00 00 01 01 0161 00 00
    03  00 01 02
    03  04 02 00
    02  0a 00
    03  04 06 01
    03  02 ac02
    00
    20  cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
    01  02
    01  10
    00
    00 00 00
    02  6869";

#[test]
fn the_stranger_reads_the_example_of_the_page() {
    let digits: String = EXAMPLE.split_whitespace().collect();
    let node = wire::unhex(&digits).unwrap();
    let mut found: Vec<(Vec<u8>, Entry)> = Vec::new();
    let root: Bytes32 = [0; 32];
    tree::walk(&|_| Ok(node.clone()), &root, &mut |key, entry| {
        found.push((file_key::path(key)?, entry));
        Ok(())
    })
    .unwrap();
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_slice()).collect();
    assert_eq!(paths, [&b""[..], b"x1.txt", b"x2.txt"]);
    let entries: Vec<_> = found.iter().map(|(_, entry)| entry).collect();
    let times = entries
        .iter()
        .map(|entry| (entry.modified_ns, entry.changed_ns));
    let second = 2_000_000_000;
    let expected = [
        (second, second),
        (second + 1, second + 5),
        (second + 1, second + 5),
    ];
    assert!(times.eq(expected));
    assert!(entries.iter().map(|entry| entry.inode).eq([2, 5, 4]));
    assert_eq!(entries[0].kind, Kind::Directory);
    assert_eq!(entries[1].kind, Kind::Inline(b"hi".to_vec()));
    let Kind::Extents(extents) = &entries[2].kind else {
        panic!("another type: {:?}", entries[2]);
    };
    assert_eq!(
        (extents[0].len, extents[0].part),
        (300, Some(([0xcc; 32], 16)))
    );
    assert_eq!(
        (entries[2].class.mode, &*entries[2].class.owner_name),
        (0o644, &b"a"[..])
    );
}
