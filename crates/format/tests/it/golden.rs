//! Objects of format version 1 as they were first written: every later version opens them.
//!
//! The files are never written again. `write_missing_golden_files` makes those of a new kind of object:
//! `cargo test -p format -- --ignored write_missing_golden_files`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use base::limits::CHUNK_BYTES_MAX;
use base::{ChunkId, Env, PackName, PointId, SessionId, SourceId, StoreId};
use format::chunker::{Chunker, ChunkerKey};
use format::header::Header;
use format::keys::{self, KeyFile, Keyring, NewSlot, Passphrase, PassphraseCost, Unlock};
use format::log::{Body, Chain, Commit, Config, ConfigKind, LogKey, PointFacts, Record};
use format::pack::{self, Class, OpenPack, Parity, SealedPack};
use format::point::{Point, PointHash};
use format::seal::{Kind, Sealer};

use crate::point::example;
use crate::world::{World, noise, prose};

const PASSPHRASE: &str = "golden passphrase 土蔵";
const PACK_PLAINS: [&[u8]; 3] = [b"first", b"", b"third"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/v1")
        .join(name)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn raw_plain() -> Vec<u8> {
    noise(101, 700)
}

fn zstd_plain() -> Vec<u8> {
    prose(5000)
}

/// One record of every kind, in the order of their numbers on disk.
fn bodies(point_object: &[u8]) -> Vec<Body> {
    let (session, source) = (SessionId([5; 16]), SourceId([2; 16]));
    let example = example();
    let point = PointFacts {
        id: example.id,
        object: PointHash::of(point_object),
        time_ns: example.time_ns,
        consistency: example.consistency,
        warnings: example.warnings,
        stats: example.stats,
    };
    let config = |json: Option<&[u8]>| Config {
        kind: ConfigKind::Group,
        id: [6; 16],
        json: json.map(<[u8]>::to_vec),
    };
    let packs = vec![
        (Class::Data, PackName([7; 32])),
        (Class::Meta, PackName([8; 32])),
    ];
    vec![
        Body::Open { session, source },
        Body::Packs {
            session,
            packs: packs.clone(),
        },
        Body::Commit(Commit {
            session,
            source,
            base: Some(ChunkId([9; 32])),
            root: example.root,
            packs: packs.clone(),
            point: Some(point),
        }),
        Body::Commit(Commit {
            session,
            source,
            base: None,
            root: example.root,
            packs: vec![],
            point: None,
        }),
        Body::Close { session },
        Body::Fence { session },
        Body::DeletePoint {
            point: PointId([1; 16]),
            source,
        },
        Body::DropReplica { source },
        Body::Config(config(Some(br#"{"name":"nightly"}"#))),
        Body::Config(config(None)),
        Body::Generation {
            ring: 2,
            domain: 1,
            generation: 2,
        },
        Body::RetentionClock,
        Body::Condemn {
            packs: packs.clone(),
        },
        Body::Spare {
            packs: packs[..1].to_vec(),
        },
        Body::Delete {
            packs: packs[1..].to_vec(),
        },
    ]
}

fn records(chain: &Chain, body: Body) -> Record {
    Record {
        seq: chain.next,
        previous: chain.head,
        epoch: 1,
        writer: [3; 16],
        time_ns: 1_800_000_000_000_000_000,
        retention_now_ns: 1_799_999_999_000_000_000,
        body,
    }
}

fn write_if_missing(name: &str, bytes: &[u8]) {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path(name));
    if let Ok(mut file) = file {
        file.write_all(bytes)
            .expect("the golden file can be written");
    }
}

#[test]
#[ignore = "makes the golden files of a new kind of object"]
fn write_missing_golden_files() {
    let mut world = World::new(2026);
    world.ring = world.ring.next_generation(&world.env, 1);
    let World {
        env,
        store,
        master,
        ring,
        ..
    } = &world;
    let file = KeyFile::random(env);
    write_if_missing("server.key", file.to_text().as_bytes());
    let cost = PassphraseCost {
        memory_kib: 1024,
        passes: 2,
        lanes: 1,
    };
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).expect("it is long enough");
    for (name, slot) in [
        ("slot-key-file.bin", NewSlot::KeyFile(file)),
        ("slot-passphrase.bin", NewSlot::Passphrase(passphrase, cost)),
    ] {
        write_if_missing(
            name,
            &keys::wrap(env, *store, master, &slot).expect("it wraps"),
        );
    }
    write_if_missing("ring.bin", &ring.seal(env, master).expect("there is room"));
    let format = Header::new(ring, 1_800_000_000, Parity::None).encode();
    write_if_missing("format.bin", &format);
    // Generation 1: chunks of older generations stay readable.
    write_if_missing("chunk-raw.bin", &world.seal(Kind::Data, &raw_plain()).bytes);
    write_if_missing(
        "chunk-zstd.bin",
        &world.seal(Kind::Tree, &zstd_plain()).bytes,
    );
    let sealer = ring.first_domain().sealer();
    for (name, kind) in [("pack-data.bin", Kind::Data), ("pack-meta.bin", Kind::Tree)] {
        let mut open = OpenPack::new(env, *store, kind.class());
        for plain in PACK_PLAINS {
            let id = sealer.id(kind, &Sealer::hash(plain));
            open.push(&sealer.seal(env, kind, &id, plain))
                .expect("there is room");
        }
        let pack = open.finish(env, &sealer, Parity::None);
        println!("{name} is pack {}", pack.name);
        write_if_missing(name, &pack.bytes);
    }
    let point = example().seal(env, ring).expect("it fits");
    write_if_missing("point.bin", &point);
    let key = LogKey::new(ring);
    let mut chain = Chain::new(&format);
    for body in bodies(&point) {
        let bytes = key.seal(env, &records(&chain, body)).expect("it fits");
        write_if_missing(&format!("log-{:02}.bin", chain.next), &bytes);
        chain.accept(&key, &bytes).expect("it follows");
    }
    let pack = pack_with_parity(env, *store, &sealer);
    println!("pack-parity.bin is pack {}", pack.name);
    write_if_missing("pack-parity.bin", &pack.bytes);
}

/// A pack of eleven sectors, the last of them short in what the chunk takes of it.
fn pack_with_parity(env: &Env, store: StoreId, sealer: &Sealer) -> SealedPack {
    let mut open = OpenPack::new(env, store, Class::Data);
    for plain in parity_plains() {
        let id = sealer.id(Kind::Data, &Sealer::hash(&plain));
        let sealed = sealer.seal(env, Kind::Data, &id, &plain);
        open.push(&sealed).expect("there is room");
    }
    open.finish(env, sealer, Parity::Double)
}

fn parity_plains() -> [Vec<u8>; 3] {
    [noise(201, 20_000), prose(5000), noise(202, 22_000)]
}

/// Opens the golden store as a reader would: header, slot, ring.
fn open() -> (StoreId, Keyring) {
    let header = Header::parse(&golden("format.bin")).expect("the header parses");
    let text = String::from_utf8(golden("server.key")).expect("the key file is text");
    let file = KeyFile::parse(&text).expect("the key file parses");
    let master = keys::unwrap(
        header.store,
        &golden("slot-key-file.bin"),
        &Unlock::KeyFile(file),
    )
    .expect("the key file opens its slot");
    let ring = Keyring::open(header.store, &golden("ring.bin"), &master).expect("the ring opens");
    assert!(header.is_of(&ring));
    (header.store, ring)
}

#[test]
fn the_golden_keys_still_open() {
    let (store, ring) = open();
    assert_eq!((ring.number, ring.first_domain().current()), (2, 2));
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).expect("it is long enough");
    let master = keys::unwrap(
        store,
        &golden("slot-passphrase.bin"),
        &Unlock::Passphrase(passphrase),
    )
    .expect("the passphrase opens its slot");
    Keyring::open(store, &golden("ring.bin"), &master).expect("it is the same master key");
}

#[test]
fn the_golden_chunks_still_open() {
    let sealer = open().1.first_domain().sealer();
    for (name, kind, plain) in [
        ("chunk-raw.bin", Kind::Data, raw_plain()),
        ("chunk-zstd.bin", Kind::Tree, zstd_plain()),
    ] {
        let id = sealer.id(kind, &Sealer::hash(&plain));
        assert_eq!(
            sealer.open(kind, 1, 1, &id, &golden(name)),
            Ok(plain),
            "{name}"
        );
    }
}

#[test]
fn the_golden_packs_still_open() {
    let (store, ring) = open();
    let sealer = ring.first_domain().sealer();
    for (file, class, name) in [
        ("pack-data.bin", Class::Data, PACK_DATA_NAME),
        ("pack-meta.bin", Class::Meta, PACK_META_NAME),
    ] {
        let bytes = golden(file);
        let name: PackName = name.parse().expect("it is hex");
        let trailer = pack::verify(store, &name, &bytes).expect("it verifies");
        assert_eq!(trailer.class(), class);
        let entries = trailer.entries(&sealer).expect("its table opens");
        assert_eq!(entries.len(), PACK_PLAINS.len());
        for (entry, plain) in entries.iter().zip(PACK_PLAINS) {
            let sealed = &bytes[entry.offset as usize..][..entry.len as usize];
            let opened = sealer.open(
                entry.kind,
                entry.domain,
                entry.generation,
                &entry.id,
                sealed,
            );
            assert_eq!(opened.as_deref(), Ok(plain));
        }
    }
}

const PACK_DATA_NAME: &str = "609f989b5b325e9baf54385088d1329d76224e24fc5da00b88f508eead2bf2e6";
const PACK_META_NAME: &str = "f9ce34e99dbc76e90e44641b9c5cbefd75b36813c07a12f1720c55eac089fbce";

#[test]
fn the_golden_pack_with_parity_opens_and_mends_itself() {
    let (store, ring) = open();
    let sealer = ring.first_domain().sealer();
    let bytes = golden("pack-parity.bin");
    let name: PackName = PACK_PARITY_NAME.parse().expect("it is hex");
    let trailer = pack::verify(store, &name, &bytes).expect("it verifies");
    assert_eq!((trailer.sectors(), trailer.parity()), (13, Parity::Double));
    let entries = trailer.entries(&sealer).expect("its table opens");
    for (entry, plain) in entries.iter().zip(parity_plains()) {
        let sealed = &bytes[entry.offset as usize..][..entry.len as usize];
        assert_eq!(sealer.open(Kind::Data, 1, 2, &entry.id, sealed), Ok(plain));
    }
    // Every pair of sectors, and both trailers in turn.
    for (one, other) in (0..13).flat_map(|one| (one..13).map(move |other| (one, other))) {
        let mut damaged = bytes.clone();
        let copy = trailer.copy_range();
        let lost = [one, other].map(|sector| trailer.sector_range(sector).expect("there"));
        for range in lost
            .into_iter()
            .chain([copy.clone()].into_iter().filter(|_| one > 5))
        {
            damaged[range.start as usize..range.end as usize].fill(0);
        }
        if one <= 5 {
            damaged.truncate(bytes.len() - copy.len());
        }
        let repaired = pack::repair(store, &name, damaged).expect("it can be repaired");
        assert!(repaired.bytes == bytes, "sectors {one} and {other}");
    }
}

const PACK_PARITY_NAME: &str = "5821cc3536bdc49d967ec12d6886a57628efba28ebefc0e36232887fa378c25a";

#[test]
fn the_golden_log_and_its_point_still_open() {
    let ring = open().1;
    let stored = golden("point.bin");
    let expected = example();
    assert_eq!(
        Point::open(&ring, expected.source, expected.id, &stored),
        Ok(expected)
    );
    let key = LogKey::new(&ring);
    let mut chain = Chain::new(&golden("format.bin"));
    for body in bodies(&stored) {
        let expected = records(&chain, body);
        let bytes = golden(&format!("log-{:02}.bin", chain.next));
        assert_eq!(chain.accept(&key, &bytes), Ok(expected));
    }
}

/// Cuts are as good as stored: were they to move, nothing would deduplicate against what is there.
#[test]
fn cuts_are_where_they_always_were() {
    let chunker = Chunker::new(&ChunkerKey::new([42; 32]));
    let content = [
        noise(5, 9 << 20),
        vec![7; CHUNK_BYTES_MAX + 1],
        prose(3 << 20),
    ]
    .concat();
    let mut rest = content.as_slice();
    let mut lens = Vec::new();
    while let Some(len) = chunker.cut(rest, true) {
        lens.push(len);
        rest = &rest[len..];
    }
    assert_eq!(lens, CUTS);
    let ends: Vec<_> = (0..32_u8)
        .filter(|n| chunker.is_bundle_end(&Sealer::hash(&[*n])))
        .collect();
    assert_eq!(ends, BUNDLE_ENDS);
    assert_eq!(ChunkerKey::new([42; 32]).node_key()[..8], NODE_KEY_START);
}

const CUTS: &[usize] = &[
    1067919, 2010837, 709879, 374449, 1090065, 1073005, 1068042, 1234699, 4194304, 1741251,
    1334959, 877808,
];
const BUNDLE_ENDS: &[u8] = &[1, 15, 21];
const NODE_KEY_START: [u8; 8] = [119, 212, 245, 38, 139, 226, 185, 170];
