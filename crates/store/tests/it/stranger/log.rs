//! "Log record": the chain of records, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::crypt::{hash, signed, unseal};
use super::keys::{Format, Ring};
use super::pack::Class;
use super::point::{Statistics, consistency};
use super::wire::Bytes;
use super::{Bytes32, Id, Read, entries, read};

/// What a record says, as far as a reader cares.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    Open {
        session: Id,
        source: Id,
    },
    Packs {
        packs: Packs,
    },
    Commit(Commit),
    Close {
        session: Id,
    },
    Fence {
        session: Id,
    },
    DeletePoint {
        point: Id,
    },
    DropReplica {
        source: Id,
    },
    Config {
        kind: u8,
        id: Id,
        json: Option<Vec<u8>>,
    },
    Generation {
        ring: u64,
        domain: u32,
        generation: u32,
    },
    RetentionClock,
    Condemn {
        packs: Packs,
    },
    Spare {
        packs: Packs,
    },
    Delete {
        packs: Packs,
    },
}

/// Names of packs.
pub(crate) type Packs = Vec<(Class, Bytes32)>;

/// The end of a session that counts.
#[derive(Debug, PartialEq)]
pub(crate) struct Commit {
    session: Id,
    source: Id,
    base: Option<Bytes32>,
    root: Bytes32,
    packs: Packs,
    point: Option<(Id, Bytes32)>,
}

/// A point that exists.
pub(crate) struct PointFacts {
    pub(crate) id: Id,
    pub(crate) source: Id,
    pub(crate) object: Bytes32,
    pub(crate) root: Bytes32,
}

/// What the records so far add up to.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) packs: Packs,
    pub(crate) points: Vec<PointFacts>,
    pub(crate) replicas: BTreeMap<Id, Bytes32>,
    /// Open sessions: source, and place of the Open.
    sessions: BTreeMap<Id, (Id, u64)>,
    /// Condemned packs: place of the Condemn.
    condemned: BTreeMap<Bytes32, u64>,
    deleted: BTreeSet<Bytes32>,
    records: u64,
}

/// Reads a log from record 1 on and verifies each record's signature, place and predecessor.
pub(crate) fn read_all(
    directory: &Path,
    format_object: &[u8],
    format: &Format,
    ring: &Ring,
) -> Read<State> {
    let mut state = State::default();
    let mut chain = Chain::after_format(format_object);
    for (name, path) in entries(directory)? {
        if name.len() != 20 {
            continue;
        }
        if name != format!("{:020}", chain.seq + 1) {
            return Err(format!("record {name} comes after {}", chain.seq));
        }
        let body = chain.next(&read(&path)?, format, ring);
        state.apply(body.map_err(|error| format!("record {name}: {error}"))?);
    }
    Ok(state)
}

/// Where the log has been read to.
pub(crate) struct Chain {
    seq: u64,
    head: Bytes32,
    epoch: u64,
}

impl Chain {
    /// The place before record 1.
    pub(crate) fn after_format(format_object: &[u8]) -> Self {
        Self {
            seq: 0,
            head: hash(format_object),
            epoch: 0,
        }
    }

    /// Verifies and opens the next record.
    pub(crate) fn next(&mut self, object: &[u8], format: &Format, ring: &Ring) -> Read<Body> {
        if object.len() > 1 << 16 {
            return Err(String::from("a record above 64 KiB"));
        }
        let mut bytes = Bytes::new(signed(object, &format.public_key)?);
        bytes.expect("magic than a record's", b"DOZOLOG1")?;
        bytes.expect("version", &[1, 0])?;
        bytes.expect("place", &(self.seq + 1).to_le_bytes())?;
        bytes.expect("predecessor", &self.head)?;
        let epoch = bytes.u64()?;
        if epoch < self.epoch {
            return Err(String::from("an epoch that is over"));
        }
        let _writer: Id = bytes.array()?;
        let len = bytes.u32()? as usize;
        let body = unseal(&ring.log_key, &object[..78], bytes.take(len)?)?;
        bytes.end("a record")?;
        *self = Self {
            seq: self.seq + 1,
            head: hash(object),
            epoch,
        };
        read_body(&body)
    }
}

fn read_body(body: &[u8]) -> Read<Body> {
    let mut body = Bytes::new(body);
    let (_wall_clock_ns, _retention_clock_ns) = (body.i64()?, body.i64()?);
    let kind = body.u8()?;
    let read = read_kind(kind, &mut body)?;
    body.end("a record's body")?;
    Ok(read)
}

fn read_kind(kind: u8, body: &mut Bytes<'_>) -> Read<Body> {
    Ok(match kind {
        1 => Body::Open {
            session: body.array()?,
            source: body.array()?,
        },
        2 => {
            let _session: Id = body.array()?;
            let packs = read_packs(body)?;
            Body::Packs { packs }
        }
        3 => Body::Commit(read_commit(body)?),
        4 => Body::Close {
            session: body.array()?,
        },
        5 => Body::Fence {
            session: body.array()?,
        },
        6 => {
            let (point, _source) = (body.array()?, body.array::<16>()?);
            Body::DeletePoint { point }
        }
        7 => Body::DropReplica {
            source: body.array()?,
        },
        8 => Body::Config {
            kind: match body.u8()? {
                kind @ 1..=6 => kind,
                _ => return Err(String::from("configuration of an unknown kind")),
            },
            id: body.array()?,
            json: if body.flag()? {
                Some(body.bytes(49152)?.to_vec())
            } else {
                None
            },
        },
        9 => Body::Generation {
            ring: body.u64()?,
            domain: body.u32()?,
            generation: body.u32()?,
        },
        10 => Body::RetentionClock,
        11 => Body::Condemn {
            packs: read_packs(body)?,
        },
        12 => Body::Spare {
            packs: read_packs(body)?,
        },
        13 => Body::Delete {
            packs: read_packs(body)?,
        },
        _ => return Err(String::from("a record of an unknown kind")),
    })
}

fn read_packs(body: &mut Bytes<'_>) -> Read<Packs> {
    let count = body.count(1024)?;
    (0..count)
        .map(|_| Ok((Class::read(body)?, body.array()?)))
        .collect()
}

fn read_commit(body: &mut Bytes<'_>) -> Read<Commit> {
    Ok(Commit {
        session: body.array()?,
        source: body.array()?,
        base: if body.flag()? {
            Some(body.array()?)
        } else {
            None
        },
        root: body.array()?,
        packs: read_packs(body)?,
        point: if body.flag()? {
            Some(read_point(body)?)
        } else {
            None
        },
    })
}

fn read_point(body: &mut Bytes<'_>) -> Read<(Id, Bytes32)> {
    let (id, object) = (body.array()?, body.array()?);
    let (_time_ns, _consistency) = (body.i64()?, consistency(body)?);
    let (_warnings, _statistics) = (body.varint()?, Statistics::read(body)?);
    Ok((id, object))
}

impl State {
    /// Takes the next record in.
    pub(crate) fn apply(&mut self, body: Body) {
        self.records += 1;
        match body {
            Body::Open { session, source } => {
                self.sessions.insert(session, (source, self.records));
            }
            Body::Packs { packs } => self.name(packs),
            Body::Commit(commit) => self.commit(commit),
            Body::Close { session } | Body::Fence { session } => {
                self.sessions.remove(&session);
            }
            Body::DeletePoint { point } => self.points.retain(|facts| facts.id != point),
            Body::DropReplica { source } => {
                self.replicas.remove(&source);
            }
            Body::Config { .. } | Body::Generation { .. } | Body::RetentionClock => {}
            Body::Condemn { packs } => {
                for (class, name) in packs {
                    if self.packs.contains(&(class, name)) {
                        self.condemned.insert(name, self.records);
                    }
                }
            }
            Body::Spare { packs } => {
                for (_, name) in packs {
                    self.condemned.remove(&name);
                }
            }
            Body::Delete { packs } => packs.into_iter().for_each(|(_, name)| self.delete(name)),
        }
    }

    fn name(&mut self, packs: Packs) {
        let packs = packs.into_iter();
        self.packs
            .extend(packs.filter(|(_, name)| !self.deleted.contains(name)));
    }

    fn delete(&mut self, name: Bytes32) {
        let Some(condemned) = self.condemned.get(&name) else {
            return;
        };
        if self.sessions.values().all(|(_, opened)| opened > condemned) {
            self.condemned.remove(&name);
            self.packs.retain(|(_, pack)| *pack != name);
            self.deleted.insert(name);
        }
    }

    fn commit(&mut self, commit: Commit) {
        self.name(commit.packs);
        let session = self.sessions.remove(&commit.session);
        let source = session.map(|(source, _)| source);
        let base = self.replicas.get(&commit.source);
        if source != Some(commit.source) || base != commit.base.as_ref() {
            return;
        }
        self.replicas.insert(commit.source, commit.root);
        if let Some((id, object)) = commit.point {
            self.points.push(PointFacts {
                id,
                source: commit.source,
                object,
                root: commit.root,
            });
        }
    }
}
