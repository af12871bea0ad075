//! Replicas, recovery points and configuration: what the log says, and the records that change it.
//!
//! A point exists because the log says so; its object describes it. Deleting one is a record; the object goes afterwards,
//! and what only that point needed goes with garbage collection.

use base::fault::Code;
use base::{ChunkId, Fault, PointId, SessionId, SourceId};
use format::log::{Body, Commit, Config, ConfigKind, PointFacts, Record, RecordHash};
use format::point::{Consistency, Point, PointError, PointHash, Stats, TreeFormat, object_name};
use format::tree::Totals;
use objects::{DeleteError, GetError};

use crate::Store;
use crate::copies::{Copies, Mender};
use crate::core::Core;
use crate::faults;
use crate::log::{Mode, nanoseconds, read_slot};
use crate::open::named;

/// A source's replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The source.
    pub source: SourceId,
    /// The root of its tree.
    pub root: ChunkId,
    /// The log record that advanced it last.
    pub seq: u64,
    /// When that was, in nanoseconds since 1970.
    pub time_ns: i64,
}

/// One item of configuration: its id and its JSON.
pub type ConfigRow = ([u8; 16], Vec<u8>);

/// What the log knows of a point; [`Store::point_object`] has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointInfo {
    /// Its id.
    pub id: PointId,
    /// The source it is of.
    pub source: SourceId,
    /// The root of its tree.
    pub root: ChunkId,
    /// The moment of its content, in nanoseconds since 1970.
    pub time_ns: i64,
    /// How much its content agrees with itself.
    pub consistency: Consistency,
    /// Entries that could not be read as they should have been: above 0 it is partial.
    pub warnings: u64,
    /// What it counts.
    pub stats: Stats,
    /// The session that made it.
    pub session: SessionId,
    /// Its log record.
    pub seq: u64,
    /// The hash of its object.
    pub object: PointHash,
}

impl PointInfo {
    /// Returns what a log record says of the point it makes.
    pub(crate) fn of(record: &Record, commit: &Commit, facts: &PointFacts) -> Self {
        Self {
            id: facts.id,
            source: commit.source,
            root: commit.root,
            time_ns: facts.time_ns,
            consistency: facts.consistency,
            warnings: facts.warnings,
            stats: facts.stats,
            session: commit.session,
            seq: record.seq,
            object: facts.object,
        }
    }
}

/// A point to be made.
#[derive(Clone, Debug)]
pub struct NewPoint {
    /// The source's address, `machine:kind/path`.
    pub address: String,
    /// The name of the protection group, empty if there is none.
    pub group: String,
    /// The moment of its content; `None` says now.
    pub time_ns: Option<i64>,
    /// How much its content agrees with itself.
    pub consistency: Consistency,
    /// Entries that could not be read as they should have been.
    pub warnings: u64,
    /// Entries that were new, different or gone.
    pub changed: u64,
}

impl Core {
    /// Stores a point's object, which nothing refers to yet.
    ///
    /// # Errors
    /// The place does not take it; a text is too long.
    pub(crate) fn write_point(&self, new: NewPoint, point: Made) -> Result<PointFacts, Fault> {
        let previous = self.index.points()?;
        let previous = previous.iter().rfind(|p| p.source == point.source);
        let point = Point {
            id: PointId::random(&self.env),
            source: point.source,
            address: new.address,
            group: new.group,
            root: point.root,
            time_ns: new.time_ns.unwrap_or_else(|| nanoseconds(&self.env)),
            consistency: new.consistency,
            warnings: new.warnings,
            stats: Stats {
                // What the tree holds, not what somebody has counted while the source changed.
                entries: point.totals.entries,
                files: point.totals.files,
                bytes: point.totals.bytes,
                changed: new.changed,
                stored_bytes: point.stored_bytes,
            },
            previous: previous.map(|p| p.id),
            session: point.session,
            tree: TreeFormat::Files,
        };
        let refused = |error: PointError| {
            let detail = format!("a recovery point cannot be written: {error}");
            Fault::new(Code::Internal)
                .with("detail", detail)
                .because(error)
        };
        let bytes = point.seal(&self.env, &self.keys.ring).map_err(refused)?;
        // Read back what was encoded before it becomes the truth (R9).
        let read = Point::open(&self.keys.ring, point.source, point.id, &bytes);
        if read.map_err(refused)? != point {
            let detail = "a recovery point does not decode to what was encoded";
            return Err(Fault::new(Code::Internal).with("detail", detail));
        }
        let name = point.object_name();
        self.objects
            .put_new(&named(&name), &bytes)
            .map_err(|error| self.write_fault(error))?;
        let object = PointHash::of(&bytes);
        self.log().copy_later(name, bytes);
        Ok(PointFacts {
            id: point.id,
            object,
            time_ns: point.time_ns,
            consistency: point.consistency,
            warnings: point.warnings,
            stats: point.stats,
        })
    }
}

/// What the commit knows of a point to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) source: SourceId,
    pub(crate) session: SessionId,
    pub(crate) root: ChunkId,
    pub(crate) totals: Totals,
    pub(crate) stored_bytes: u64,
}

impl Store {
    /// Returns all recovery points, oldest record first.
    ///
    /// # Errors
    /// The index failed.
    pub fn points(&self) -> Result<Vec<PointInfo>, Fault> {
        Ok(self.core().index.points()?)
    }

    /// Returns a recovery point.
    ///
    /// # Errors
    /// `PointUnknown`; the index failed.
    pub fn point(&self, id: &PointId) -> Result<PointInfo, Fault> {
        let unknown = || Fault::new(Code::PointUnknown).with("point", id);
        self.core().index.point(id)?.ok_or_else(unknown)
    }

    /// Reads a recovery point's own object: its address and group as they were, and the point before it. One that is damaged gets
    /// its bytes back from its copy.
    ///
    /// # Errors
    /// `PointUnknown`; `PointDamaged` if it is missing or not what the log says, and so is its copy.
    pub fn point_object(&self, id: &PointId) -> Result<Point, Fault> {
        let fault = match self.point_object_itself(id) {
            Err(fault) if fault.code == Code::PointDamaged => fault,
            done => return done,
        };
        let (core, info) = (self.core(), self.point(id)?);
        let name = named(object_name(info.source, *id));
        let mender = Mender {
            objects: &*core.objects,
            place: &core.place,
            mode: match self.read_only() {
                None => Mode::Write,
                Some(_) => Mode::Read,
            },
        };
        let copies = Copies::find(mender.objects);
        let copies = copies.of_object(mender.objects, &name);
        mender.help(&name, fault.clone(), copies, |bytes| {
            let opened = Point::open(&core.keys.ring, info.source, *id, bytes);
            let opened = opened.ok().filter(|_| PointHash::of(bytes) == info.object);
            opened.ok_or_else(|| fault.clone())
        })
    }

    /// As [`Self::point_object`], without help.
    ///
    /// # Errors
    /// As [`Self::point_object`].
    pub(crate) fn point_object_itself(&self, id: &PointId) -> Result<Point, Fault> {
        let core = self.core();
        let info = self.point(id)?;
        let damaged = |reason: String| {
            Fault::new(Code::PointDamaged)
                .with("point", id)
                .with("reason", reason)
        };
        let bytes = match core.objects.get(&named(object_name(info.source, *id))) {
            Ok(bytes) => bytes,
            Err(error @ (GetError::Failed { .. } | GetError::Away { .. })) => {
                return Err(faults::get(&core.place, error));
            }
            // Its record went before its object: it was deleted since it was looked up.
            Err(GetError::Missing { .. }) if core.index.point(id)?.is_none() => {
                return Err(Fault::new(Code::PointUnknown).with("point", id));
            }
            Err(error) => return Err(damaged(faults::reason(&error)).because(error)),
        };
        if PointHash::of(&bytes) != info.object {
            return Err(damaged(String::from(
                "it is not the object that the log names",
            )));
        }
        Point::open(&core.keys.ring, info.source, *id, &bytes)
            .map_err(|error| damaged(error.to_string()).because(error))
    }

    /// Deletes a recovery point. Its space comes back with garbage collection.
    ///
    /// # Errors
    /// `PointUnknown`; the record cannot be written: the point is still there.
    pub fn delete_point(&self, id: &PointId) -> Result<(), Fault> {
        let core = self.core();
        let info = self.point(id)?;
        core.append(Body::DeletePoint {
            point: *id,
            source: info.source,
        })?;
        match core.objects.delete(&named(object_name(info.source, *id))) {
            Ok(()) | Err(DeleteError::Missing { .. }) => {}
            // The point is gone all the same; the object is a few hundred bytes that nothing names.
            Err(error) => {
                let fault = faults::delete(&core.place, error);
                tracing::warn!(point = %id, fault = ?fault, "a deleted point's object stays");
            }
        }
        Ok(())
    }

    /// Returns a source's replica, if it has one.
    ///
    /// # Errors
    /// The index failed.
    pub fn replica(&self, source: &SourceId) -> Result<Option<Replica>, Fault> {
        Ok(self.core().index.replica(source)?)
    }

    /// Returns all replicas.
    ///
    /// # Errors
    /// The index failed.
    pub fn replicas(&self) -> Result<Vec<Replica>, Fault> {
        Ok(self.core().index.replicas()?)
    }

    /// Drops a source's replica; its points stay.
    ///
    /// # Errors
    /// `ReplicaMissing`; `ReplicaBusy`; the record cannot be written.
    pub fn drop_replica(&self, source: &SourceId) -> Result<(), Fault> {
        let core = self.core();
        if core.index.replica(source)?.is_none() {
            return Err(Fault::new(Code::ReplicaMissing).with("source", source));
        }
        core.take(*source)?;
        let dropped = core.append(Body::DropReplica { source: *source });
        core.release(source);
        dropped.map(drop)
    }

    /// Sets, or with `None` deletes, one item of configuration. JSON, at most
    /// [`base::limits::CONFIG_BYTES_MAX`].
    ///
    /// # Errors
    /// The record cannot be written: the item is as it was.
    pub fn put_config(
        &self,
        kind: ConfigKind,
        id: [u8; 16],
        json: Option<Vec<u8>>,
    ) -> Result<(), Fault> {
        let config = Config { kind, id, json };
        self.core().append(Body::Config(config)).map(drop)
    }

    /// Returns one item of configuration.
    ///
    /// # Errors
    /// The index failed.
    pub fn config(&self, kind: ConfigKind, id: &[u8; 16]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.core().index.config(kind, id)?)
    }

    /// Returns all configuration of one kind.
    ///
    /// # Errors
    /// The index failed.
    pub fn configs(&self, kind: ConfigKind) -> Result<Vec<ConfigRow>, Fault> {
        Ok(self.core().index.configs(kind)?)
    }

    /// Returns the place of the log's last record; 0 if there is none.
    pub fn log_seq(&self) -> u64 {
        self.core().log().last()
    }

    /// Returns the hash of a record as it is stored; none if the log does not reach so far. Another one than before means
    /// another history.
    ///
    /// # Errors
    /// `LogDamaged`; the place does not answer.
    pub fn log_hash(&self, seq: u64) -> Result<Option<RecordHash>, Fault> {
        if seq == 0 || seq > self.log_seq() {
            return Ok(None);
        }
        let core = self.core();
        let bytes = read_slot(&*core.objects, &core.place, seq)?;
        Ok(Some(RecordHash::of(&bytes)))
    }

    /// Returns the records after `seq`, up to the last one now, read as it is consumed.
    pub fn log_after(&self, seq: u64) -> impl Iterator<Item = Result<Record, Fault>> + '_ {
        let core = self.core();
        (seq + 1..=self.log_seq()).map(move |seq| {
            let bytes = read_slot(&*core.objects, &core.place, seq)?;
            core.log().open(seq, &bytes)
        })
    }
}
