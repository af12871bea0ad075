//! Objects and what is sealed in them, read by both readers. Inputs are what stands behind the seal.

use std::rc::Rc;

use base::{ChunkId, PackName, PointId, SessionId, SourceId};
use format::copies::{decode, encode};
use format::header::Header;
use format::keys::{KeyFile, Keyring, Unlock, unwrap};
use format::log::{
    Body, Chain, Commit, Config, ConfigKind, LogKey, PointFacts, Record, RecordHash,
};
use format::pack::{self, Class, OpenPack, Parity};
use format::point::{Consistency, Point, PointHash, Stats, TreeFormat};
use format::seal::{Kind, Sealer};

use super::super::second::{self, Read};
use super::super::world::World;
use super::{Target, agree, chain, text};

const SOURCE: SourceId = SourceId([2; 16]);
const POINT: PointId = PointId([3; 16]);
const SESSION: SessionId = SessionId([5; 16]);

pub(super) fn targets(world: &Rc<World>) -> Vec<Target> {
    vec![
        header(world),
        key_file(world),
        slot(world),
        ring(world),
        log(world),
        point(world),
        chunk(world),
        pack(world),
        contents(world),
        copies(world),
    ]
}

/// Puts the check sum right of a clear object.
fn checked(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    if let Some((content, sum)) = bytes.split_last_chunk_mut::<32>() {
        *sum = *blake3::hash(content).as_bytes();
    }
    bytes
}

fn header(world: &Rc<World>) -> Target {
    Target::new("header", vec![world.header.clone()], |input| {
        let input = &checked(input);
        let ours = Header::parse(input).map_err(chain);
        let theirs = second::keys::Format::parse(input);
        agree(
            ours.map(|header| header.store.0),
            theirs.map(|format| format.store),
        )
    })
}

/// What is read is what is written again: nothing is taken for an entry that is none.
fn copies(world: &Rc<World>) -> Target {
    let entries = [("log/00000000000000000001", world.header.as_slice())];
    let twice = [entries[0], ("points/a/b", b"a point")];
    let corpus = vec![encode(entries), encode(twice)];
    Target::new("copies", corpus, |input| {
        let entries = decode(input);
        let again = encode(entries.iter().copied());
        match entries.is_empty() || decode(&again) == entries {
            true => Ok(!entries.is_empty()),
            false => Err(String::from("entries do not read back")),
        }
    })
}

fn key_file(world: &Rc<World>) -> Target {
    let corpus = vec![world.key_file.to_text().as_bytes().to_vec()];
    Target::new("key-file", corpus, |input| {
        let Ok(input) = std::str::from_utf8(input) else {
            return Ok(false);
        };
        let ours = KeyFile::parse(input).map_err(chain);
        // The page does not say which digits; ours are read in capitals too, as somebody may type them.
        let input = match input.trim().split_once(' ') {
            Some((head, digits)) => format!("{head} {}", digits.to_ascii_lowercase()),
            None => input.to_owned(),
        };
        let theirs = second::keys::Secret::from_key_file(&input);
        agree(ours.map(drop), theirs.map(drop))
    })
}

fn slot(world: &Rc<World>) -> Target {
    let key_file = world.slot.clone();
    let world = Rc::clone(world);
    Target::new("slot", vec![key_file], move |input| {
        let input = &checked(input);
        // A passphrase is not stretched here: half a second each, by a library that both share.
        let unlock = Unlock::KeyFile(world.key_file.clone());
        let ours = unwrap(world.store, input, &unlock).map_err(chain);
        let second = &world.second;
        let theirs = second::keys::open_slot(input, &second.format, &second.secret);
        let theirs = theirs.and_then(|master| master.ok_or_else(|| text("another secret's")));
        agree(ours.map(drop), theirs.map(drop))
    })
}

fn ring(world: &Rc<World>) -> Target {
    let corpus = vec![world.ring.plain().expect("a small ring").to_vec()];
    let world = Rc::clone(world);
    let header = Header::parse(&world.header).expect("a header");
    Target::new("ring", corpus, move |input| {
        let object = world.ring.seal_plain(&world.env, &world.master, input);
        let ours = Keyring::open(world.store, &object, &world.master).map_err(chain);
        let ours = ours.and_then(|ring| match header.is_of(&ring) {
            true => Ok(()),
            false => Err(text("another store's")),
        });
        let second = &world.second;
        let number = world.ring.number;
        let theirs = second::keys::Ring::open(&object, &second.format, number, &second.master);
        agree(ours, theirs.map(drop))
    })
}

fn bodies() -> Vec<Body> {
    let packs = vec![
        (Class::Data, PackName([7; 32])),
        (Class::Meta, PackName([8; 32])),
    ];
    let commit = |base, point| Commit {
        session: SESSION,
        source: SOURCE,
        root: ChunkId([6; 32]),
        base,
        packs: packs.clone(),
        point,
    };
    let facts = PointFacts {
        id: POINT,
        object: PointHash([9; 32]),
        time_ns: 1_800_000_000_000_000_000,
        consistency: Consistency::Crash,
        warnings: 3,
        stats: Stats::default(),
    };
    let config = |json| Config {
        kind: ConfigKind::Group,
        id: [4; 16],
        json,
    };
    vec![
        Body::Open {
            session: SESSION,
            source: SOURCE,
        },
        Body::Packs {
            session: SESSION,
            packs: packs.clone(),
        },
        Body::Commit(commit(None, None)),
        Body::Commit(commit(Some(ChunkId([1; 32])), Some(facts))),
        Body::Close { session: SESSION },
        Body::Fence { session: SESSION },
        Body::DeletePoint {
            point: POINT,
            source: SOURCE,
        },
        Body::DropReplica { source: SOURCE },
        Body::Config(config(Some(b"{\"name\":\"a\"}".to_vec()))),
        Body::Config(config(None)),
        Body::Generation {
            ring: 2,
            domain: 0,
            generation: 2,
        },
        Body::RetentionClock,
        Body::Condemn {
            packs: packs.clone(),
        },
        Body::Spare {
            packs: packs.clone(),
        },
        Body::Delete { packs },
    ]
}

fn log(world: &Rc<World>) -> Target {
    let record = |body| Record {
        seq: 1,
        previous: RecordHash::of(&world.header),
        epoch: 1,
        writer: [1; 16],
        time_ns: 1,
        retention_now_ns: 1,
        body,
    };
    let corpus = bodies().into_iter().map(|body| record(body).plain());
    let corpus = corpus.map(|plain| plain.expect("small")).collect();
    let head = record(Body::RetentionClock);
    let world = Rc::clone(world);
    let key = LogKey::new(&world.ring);
    Target::new("log", corpus, move |input| {
        let object = key.seal_plain(&world.env, &head, input);
        let ours = Chain::new(&world.header).accept(&key, &object);
        let second = &world.second;
        let mut second_chain = second::log::Chain::after_format(&world.header);
        let theirs = second_chain.next(&object, &second.format, &second.ring);
        agree(ours.map_err(chain).map(drop), theirs.map(drop))
    })
}

fn point(world: &Rc<World>) -> Target {
    let point = |previous, address: &str| Point {
        id: POINT,
        source: SOURCE,
        address: String::from(address),
        group: String::from("group"),
        root: ChunkId([6; 32]),
        time_ns: 1_800_000_000_000_000_000,
        consistency: Consistency::Crash,
        warnings: 0,
        stats: Stats::default(),
        previous,
        session: SESSION,
        tree: TreeFormat::Files,
    };
    let first = point(None, "here:/etc");
    let samples = [
        first.plain(),
        point(Some(PointId([1; 16])), "土蔵:/").plain(),
    ];
    let world = Rc::clone(world);
    Target::new("point", samples.to_vec(), move |input| {
        let object = first.seal_plain(&world.env, &world.ring, input);
        let ours = Point::open(&world.ring, SOURCE, POINT, &object).map_err(chain);
        let second = &world.second;
        let theirs = second::point::open(&object, &second.format, &second.ring);
        let theirs = theirs.and_then(|point| match (point.id, point.source) {
            (id, source) if id == POINT.0 && source == SOURCE.0 => Ok(point),
            _ => Err(text("another point's")),
        });
        let ours = ours.map(|p| (p.address, p.group, p.root.0, p.time_ns, p.warnings));
        let theirs = theirs.map(|p| (p.address, p.group, p.root, p.time_ns, p.warnings));
        agree(ours, theirs)
    })
}

/// Inputs are an id, and what is sealed under it.
fn chunk(world: &Rc<World>) -> Target {
    let sample = |plain: &[u8], is_compressed: bool| {
        let id = world.sealer.id(Kind::Data, &Sealer::hash(plain));
        let payload = match is_compressed {
            true => zstd::bulk::compress(plain, 3).expect("memory is enough"),
            false => plain.to_vec(),
        };
        let len = u32::try_from(plain.len()).expect("small").to_le_bytes();
        [&id.0[..], &[u8::from(is_compressed)], &len, &payload].concat()
    };
    let prose = b"a line of a log that says little\n".repeat(200);
    let corpus = vec![
        sample(b"", false),
        sample(b"few words", false),
        sample(&prose, true),
        sample(&vec![0; 4 << 20], true),
    ];
    let world = Rc::clone(world);
    Target::new("chunk", corpus, move |input| {
        let Some((id, inner)) = input.split_first_chunk::<32>() else {
            return Ok(false);
        };
        let sealer = &world.sealer;
        let sealed = sealer.seal_plain(&world.env, Kind::Data, &ChunkId(*id), inner);
        let (domain, generation) = (sealer.domain(), sealer.generation());
        let ours = sealer.open(Kind::Data, domain, generation, &ChunkId(*id), &sealed);
        let kind = Kind::Data.code();
        let place = second::pack::lone_place(kind, domain, generation, *id, sealed.len());
        let theirs = second::pack::open_chunk(&sealed, &place, &world.second.ring);
        agree(ours.map_err(chain), theirs)
    })
}

fn sample_pack(world: &World, class: Class, parity: Parity) -> pack::SealedPack {
    let kind = match class {
        Class::Data => Kind::Data,
        Class::Meta => Kind::Tree,
    };
    let mut open = OpenPack::new(&world.env, world.store, class);
    for i in 0..5_u8 {
        let plain = vec![i; 50 * usize::from(i)];
        let id = world.sealer.id(kind, &Sealer::hash(&plain));
        let sealed = world.sealer.seal(&world.env, kind, &id, &plain);
        open.push(&sealed).expect("room");
    }
    open.finish(&world.env, &world.sealer, parity)
}

/// Inputs are whole packs, which get the name that their trailer, where they say it begins, has.
fn pack(world: &Rc<World>) -> Target {
    let kinds = [
        (Class::Data, Parity::None),
        (Class::Data, Parity::Double),
        (Class::Meta, Parity::Double),
    ];
    let corpus = kinds.map(|(class, parity)| sample_pack(world, class, parity).bytes);
    let world = Rc::clone(world);
    Target::new("pack", corpus.to_vec(), move |input| {
        let tail = input.last_chunk::<12>();
        let said = tail.and_then(|tail| tail.first_chunk::<4>());
        let len = said.map_or(0, |len| u32::from_le_bytes(*len) as usize);
        let from = input.len().saturating_sub(len);
        let name = PackName(*blake3::hash(&input[from..]).as_bytes());
        let places = |entries: Vec<pack::TocEntry>| -> Vec<_> {
            let place =
                |e: pack::TocEntry| (e.id.0, e.offset as usize..(e.offset + e.len) as usize);
            entries.into_iter().map(place).collect()
        };
        let ours = pack::verify(world.store, &name, input);
        let class = ours.as_ref().map_or(Class::Data, |trailer| trailer.class());
        let ours = ours.and_then(|trailer| trailer.entries(&world.sealer));
        let read = |from: u64, len: usize| -> Result<Vec<u8>, ()> {
            let from = usize::try_from(from).map_err(drop)?;
            let bytes = input.get(from..from + len);
            bytes.map(<[u8]>::to_vec).ok_or(())
        };
        let by_ranges = pack::read_trailer(&name, input.len() as u64, read);
        if ours.is_ok() && by_ranges.is_err() {
            return Err(text("its trailer cannot be read by ranges"));
        }
        let class = match class {
            Class::Data => second::pack::Class::Data,
            Class::Meta => second::pack::Class::Meta,
        };
        let second = &world.second;
        let theirs: Read<Vec<second::pack::Place>> =
            second::pack::read(input, &name.0, class, &second.format, &second.ring);
        let theirs = theirs.map(|places| places.iter().map(|p| (p.id, p.range())).collect());
        agree(ours.map(places).map_err(chain), theirs)
    })
}

/// Inputs are plain tables of contents.
fn contents(world: &Rc<World>) -> Target {
    let class = Class::Data;
    let sample = sample_pack(world, class, Parity::None);
    let body = 8 << 10;
    let corpus = vec![pack::plain_toc(&sample.entries)];
    Target::new("contents", corpus, move |input| {
        let entries = pack::read_plain_toc(input, class, body);
        Ok(entries.is_ok_and(|entries| entries.iter().all(|e| e.offset + e.len <= body)))
    })
}
