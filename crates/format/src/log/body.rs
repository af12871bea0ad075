//! What log records say.

use base::limits::{CONFIG_BYTES_MAX, LOG_PACKS_MAX};
use base::{ChunkId, PackName, PointId, SessionId, SourceId};

use crate::pack::Class;
use crate::point::{Consistency, PointHash, Stats};
use crate::wire::{Reader, WireError, Writer};

/// What happened. The numbers on disk are frozen; a kind that a reader does not know is an error, and
/// new kinds come with a feature flag in `format`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A writer started: before it is told of any chunk that is there.
    Open {
        /// The session.
        session: SessionId,
        /// The source it writes.
        source: SourceId,
    },
    /// Packs are durable: their chunks may be used from here on.
    Packs {
        /// The session that made them, or by which they were adopted.
        session: SessionId,
        /// In any order, at most [`LOG_PACKS_MAX`].
        packs: Vec<(Class, PackName)>,
    },
    /// A replica advances, and perhaps a point exists.
    Commit(Commit),
    /// A session ended without effect.
    Close {
        /// The session.
        session: SessionId,
    },
    /// A session of an owner that is gone is ended: nothing it writes later counts.
    Fence {
        /// The session.
        session: SessionId,
    },
    /// A point is no more.
    DeletePoint {
        /// The point.
        point: PointId,
        /// Its source.
        source: SourceId,
    },
    /// A source's replica is no more; its points are not touched.
    DropReplica {
        /// The source.
        source: SourceId,
    },
    /// Something configured: the catalog is a projection of these.
    Config(Config),
    /// A new ring is in force.
    Generation {
        /// The number of the object `keys/ring-<n>`.
        ring: u64,
        /// The domain that has a new generation.
        domain: u32,
        /// The generation.
        generation: u32,
    },
    /// Nothing but the retention clock of the record.
    RetentionClock,
    /// Packs in which nothing is found that anything needed when it was looked: no session that begins later may refer to
    /// what is in them.
    Condemn {
        /// In any order, at most [`LOG_PACKS_MAX`].
        packs: Vec<(Class, PackName)>,
    },
    /// Packs that are condemned no longer.
    Spare {
        /// In any order, at most [`LOG_PACKS_MAX`].
        packs: Vec<(Class, PackName)>,
    },
    /// Condemned packs that nothing needs, now that every session has ended that was open when they were condemned: their
    /// objects may go.
    Delete {
        /// In any order, at most [`LOG_PACKS_MAX`].
        packs: Vec<(Class, PackName)>,
    },
}

/// A session that ended with effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// The session.
    pub session: SessionId,
    /// The source whose replica advances.
    pub source: SourceId,
    /// The replica's root the session started from: if it is another by now, the commit is void.
    pub base: Option<ChunkId>,
    /// The replica's root from here on.
    pub root: ChunkId,
    /// Durable packs that no earlier record of the session named, at most [`LOG_PACKS_MAX`].
    pub packs: Vec<(Class, PackName)>,
    /// The point that exists from here on; its root is `root`.
    pub point: Option<PointFacts>,
}

/// What the log knows of a point without its object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PointFacts {
    /// Its id.
    pub id: PointId,
    /// The hash of its object.
    pub object: PointHash,
    /// The moment of its content, in nanoseconds since 1970.
    pub time_ns: i64,
    /// How much its content agrees with itself.
    pub consistency: Consistency,
    /// Entries that could not be read.
    pub warnings: u64,
    /// What it counts.
    pub stats: Stats,
}

/// What kind of thing is configured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConfigKind {
    /// A protected computer.
    Machine,
    /// A data source.
    Source,
    /// A protection group.
    Group,
    /// A source's membership in a group.
    Member,
    /// A policy.
    Policy,
    /// A setting of the server.
    Setting,
}

impl ConfigKind {
    /// Returns its byte on disk.
    pub fn code(self) -> u8 {
        match self {
            Self::Machine => 1,
            Self::Source => 2,
            Self::Group => 3,
            Self::Member => 4,
            Self::Policy => 5,
            Self::Setting => 6,
        }
    }

    /// Returns the kind of a byte on disk.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Machine,
            2 => Self::Source,
            3 => Self::Group,
            4 => Self::Member,
            5 => Self::Policy,
            6 => Self::Setting,
            _ => return None,
        })
    }
}

/// One item of configuration, as it is from here on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// What it is.
    pub kind: ConfigKind,
    /// Which one.
    pub id: [u8; 16],
    /// JSON, at most [`CONFIG_BYTES_MAX`]; `None` says that it was deleted.
    pub json: Option<Vec<u8>>,
}

impl Body {
    pub(super) fn write(&self, out: &mut Writer) -> Result<(), WireError> {
        match self {
            Self::Open { session, source } => {
                out.u8(1).raw(&session.0).raw(&source.0);
            }
            Self::Packs { session, packs } => {
                out.u8(2).raw(&session.0);
                write_packs(out, packs)?;
            }
            Self::Commit(commit) => {
                out.u8(3);
                commit.write(out)?;
            }
            Self::Close { session } => {
                out.u8(4).raw(&session.0);
            }
            Self::Fence { session } => {
                out.u8(5).raw(&session.0);
            }
            Self::DeletePoint { point, source } => {
                out.u8(6).raw(&point.0).raw(&source.0);
            }
            Self::DropReplica { source } => {
                out.u8(7).raw(&source.0);
            }
            Self::Config(config) => {
                out.u8(8).u8(config.kind.code()).raw(&config.id);
                out.flag(config.json.is_some());
                if let Some(json) = &config.json {
                    check_len(json.len(), CONFIG_BYTES_MAX)?;
                    out.bytes(json);
                }
            }
            Self::Generation {
                ring,
                domain,
                generation,
            } => {
                out.u8(9).u64(*ring).u32(*domain).u32(*generation);
            }
            Self::RetentionClock => {
                out.u8(10);
            }
            Self::Condemn { packs } => write_packs(out.u8(11), packs)?,
            Self::Spare { packs } => write_packs(out.u8(12), packs)?,
            Self::Delete { packs } => write_packs(out.u8(13), packs)?,
        }
        Ok(())
    }

    pub(super) fn read(fields: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match fields.u8()? {
            1 => Self::Open {
                session: SessionId(fields.array()?),
                source: SourceId(fields.array()?),
            },
            2 => Self::Packs {
                session: SessionId(fields.array()?),
                packs: read_packs(fields)?,
            },
            3 => Self::Commit(Commit::read(fields)?),
            4 => Self::Close {
                session: SessionId(fields.array()?),
            },
            5 => Self::Fence {
                session: SessionId(fields.array()?),
            },
            6 => Self::DeletePoint {
                point: PointId(fields.array()?),
                source: SourceId(fields.array()?),
            },
            7 => Self::DropReplica {
                source: SourceId(fields.array()?),
            },
            8 => Self::Config(Config {
                kind: ConfigKind::from_code(fields.u8()?)
                    .ok_or(WireError::BadValue("configuration kind"))?,
                id: fields.array()?,
                json: match fields.flag()? {
                    true => Some(fields.bytes(CONFIG_BYTES_MAX)?.to_vec()),
                    false => None,
                },
            }),
            9 => Self::Generation {
                ring: fields.u64()?,
                domain: fields.u32()?,
                generation: fields.u32()?,
            },
            10 => Self::RetentionClock,
            11 => Self::Condemn {
                packs: read_packs(fields)?,
            },
            12 => Self::Spare {
                packs: read_packs(fields)?,
            },
            13 => Self::Delete {
                packs: read_packs(fields)?,
            },
            _ => return Err(WireError::BadValue("record kind")),
        })
    }
}

impl Commit {
    fn write(&self, out: &mut Writer) -> Result<(), WireError> {
        out.raw(&self.session.0).raw(&self.source.0);
        out.flag(self.base.is_some());
        if let Some(base) = &self.base {
            out.raw(&base.0);
        }
        out.raw(&self.root.0);
        write_packs(out, &self.packs)?;
        out.flag(self.point.is_some());
        if let Some(point) = &self.point {
            out.raw(&point.id.0)
                .raw(&point.object.0)
                .i64(point.time_ns)
                .u8(point.consistency.code())
                .varint(point.warnings);
            point.stats.write(out);
        }
        Ok(())
    }

    fn read(fields: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            session: SessionId(fields.array()?),
            source: SourceId(fields.array()?),
            base: match fields.flag()? {
                true => Some(ChunkId(fields.array()?)),
                false => None,
            },
            root: ChunkId(fields.array()?),
            packs: read_packs(fields)?,
            point: match fields.flag()? {
                true => Some(PointFacts::read(fields)?),
                false => None,
            },
        })
    }
}

impl PointFacts {
    fn read(fields: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: PointId(fields.array()?),
            object: PointHash(fields.array()?),
            time_ns: fields.i64()?,
            consistency: Consistency::from_code(fields.u8()?)
                .ok_or(WireError::BadValue("consistency"))?,
            warnings: fields.varint()?,
            stats: Stats::read(fields)?,
        })
    }
}

fn check_len(len: usize, limit: usize) -> Result<(), WireError> {
    if len > limit {
        let len = len as u64;
        return Err(WireError::TooLong { len, limit });
    }
    Ok(())
}

fn write_packs(out: &mut Writer, packs: &[(Class, PackName)]) -> Result<(), WireError> {
    check_len(packs.len(), LOG_PACKS_MAX)?;
    out.len(packs.len());
    for (class, name) in packs {
        out.u8(class.code()).raw(&name.0);
    }
    Ok(())
}

fn read_packs(fields: &mut Reader<'_>) -> Result<Vec<(Class, PackName)>, WireError> {
    // Grows while it reads: a count alone allocates nothing.
    let mut packs = Vec::new();
    for _ in 0..fields.len(LOG_PACKS_MAX)? {
        let class = Class::from_code(fields.u8()?).ok_or(WireError::BadValue("pack class"))?;
        packs.push((class, PackName(fields.array()?)));
    }
    Ok(packs)
}
