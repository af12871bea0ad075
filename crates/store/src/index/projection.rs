//! The log folded: sessions, replicas, points, configuration, and how far the folding has come.
//!
//! One record is one transaction, which also moves `applied`, so that the index is always the fold of a prefix of the
//! log (plus loose packs, which nothing relies on). What a record means is decided here and nowhere else; folding the
//! same log twice gives the same rows.

use std::collections::HashMap;

use base::{Env, Fault, PackName, PointId, SessionId, SourceId};
use format::log::{Body, Chain, Commit, Config, ConfigKind, Record};
use format::pack::Class;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::rows::{PackRow, PackState};
use super::{Copies, Index, IndexError, META};
use super::{facts, packs};
use crate::durable::DurablePack;
use crate::points::{ConfigRow, PointInfo, Replica};
use crate::retention::Anchor;

/// Sessions that have begun and not ended: session to source and the place of the record that says so.
const SESSIONS: TableDefinition<'_, [u8; 16], ([u8; 16], u64)> = TableDefinition::new("sessions");
/// Source to replica.
const REPLICAS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("replicas");
/// Point to its facts.
const POINTS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("points");
/// Kind and id to JSON.
const CONFIGS: TableDefinition<'_, (u8, [u8; 16]), &[u8]> = TableDefinition::new("configs");

/// How far the log is folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The end of what is folded in.
    pub(crate) chain: Chain,
    /// The retention clock there.
    pub(crate) retention_now_ns: i64,
}

impl Applied {
    /// Returns the beginning of the log of the store with this `format` object.
    pub(crate) fn begin(format_object: &[u8], env: &Env) -> Self {
        Self {
            chain: Chain::new(format_object),
            retention_now_ns: crate::log::nanoseconds(env),
        }
    }
}

/// A record together with where the log stands after it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) applied: Applied,
    /// Where the retention clock stood in this boot, for a record that was just written.
    pub(crate) anchor: Option<Anchor>,
}

/// A session that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenSession {
    pub(crate) session: SessionId,
    pub(crate) source: SourceId,
}

/// Tables of contents of packs that a record names and the index lacks; none for one that cannot be read.
type Fetched = HashMap<PackName, Option<DurablePack>>;

pub(super) fn open_tables(write: &WriteTransaction) -> Result<(), IndexError> {
    write.open_table(SESSIONS)?;
    write.open_table(REPLICAS)?;
    write.open_table(POINTS)?;
    write.open_table(CONFIGS)?;
    Ok(())
}

impl Index {
    /// Returns how far the log is folded in, if any of it is.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn applied(&self) -> Result<Option<Applied>, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(META)?.get("applied")?;
        row.map(|row| facts::decode_applied(row.value()))
            .transpose()
    }

    /// Returns where the retention clock stood when this index's owner wrote its last record.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn anchor(&self) -> Result<Option<Anchor>, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(META)?.get("anchor")?;
        row.map(|row| facts::decode_anchor(row.value())).transpose()
    }

    /// Folds a record in. `fetch` gives the contents of packs that the index does not have yet.
    ///
    /// # Errors
    /// The database failed, or `fetch` did; nothing of the record is folded in.
    pub(crate) fn apply(
        &self,
        entry: &Entry,
        fetch: impl Fn(Class, PackName) -> Result<Option<DurablePack>, Fault>,
    ) -> Result<(), Fault> {
        let mut fetched = Fetched::new();
        for (class, name) in packs_of(&entry.record.body) {
            if self.lacks(name)? {
                fetched.insert(*name, fetch(*class, *name)?);
            }
        }
        Ok(self.fold(entry, &fetched)?)
    }

    fn fold(&self, entry: &Entry, fetched: &Fetched) -> Result<(), IndexError> {
        let write = self.write()?;
        for pack in fetched.values().flatten() {
            self.add_to_filter(pack.entries().iter().map(|entry| &entry.id))?;
        }
        match &entry.record.body {
            Body::Open { session, source } => {
                let begun = (source.0, entry.record.seq);
                write.open_table(SESSIONS)?.insert(session.0, begun)?;
            }
            Body::Packs { session, packs } => log_packs(&write, session, packs, fetched)?,
            Body::Commit(commit) => {
                log_packs(&write, &commit.session, &commit.packs, fetched)?;
                fold_commit(&write, &entry.record, commit)?;
            }
            Body::Close { session } | Body::Fence { session } => {
                write.open_table(SESSIONS)?.remove(session.0)?;
            }
            Body::DeletePoint { point, .. } => {
                write.open_table(POINTS)?.remove(point.0)?;
            }
            Body::DropReplica { source } => {
                write.open_table(REPLICAS)?.remove(source.0)?;
            }
            Body::Config(config) => fold_config(&write, config)?,
            Body::Condemn { packs } => mark_packs(&write, packs, Some(entry.record.seq))?,
            Body::Spare { packs } => mark_packs(&write, packs, None)?,
            Body::Delete { packs } => delete_packs(&write, packs)?,
            // The ring in force is found by its number; the clock is in every record.
            Body::Generation { .. } | Body::RetentionClock => {}
        }
        {
            let mut meta = write.open_table(META)?;
            let applied = facts::encode_applied(&entry.applied);
            meta.insert("applied", applied.as_slice())?;
            if let Some(anchor) = &entry.anchor {
                meta.insert("anchor", facts::encode_anchor(anchor).as_slice())?;
            }
        }
        Ok(write.commit()?)
    }

    /// Returns the sessions that have begun and not ended.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn open_sessions(&self) -> Result<Vec<OpenSession>, IndexError> {
        let read = self.database.begin_read()?;
        let sessions = read.open_table(SESSIONS)?;
        sessions
            .iter()?
            .map(|row| {
                let (session, source) = row?;
                Ok(OpenSession {
                    session: SessionId(session.value()),
                    source: SourceId(source.value().0),
                })
            })
            .collect()
    }

    /// Returns how many sessions have not ended that had begun up to a place of the log.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn sessions_begun_before(&self, place: u64) -> Result<u64, IndexError> {
        let read = self.database.begin_read()?;
        let mut count = 0;
        for row in read.open_table(SESSIONS)?.iter()? {
            count += u64::from(row?.1.value().1 <= place);
        }
        Ok(count)
    }

    /// Returns a source's replica.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn replica(&self, source: &SourceId) -> Result<Option<Replica>, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(REPLICAS)?.get(source.0)?;
        row.map(|row| facts::decode_replica(*source, row.value()))
            .transpose()
    }

    /// Returns all replicas.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn replicas(&self) -> Result<Vec<Replica>, IndexError> {
        let read = self.database.begin_read()?;
        let replicas = read.open_table(REPLICAS)?;
        replicas
            .iter()?
            .map(|row| {
                let (source, row) = row?;
                facts::decode_replica(SourceId(source.value()), row.value())
            })
            .collect()
    }

    /// Returns a point.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn point(&self, id: &PointId) -> Result<Option<PointInfo>, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(POINTS)?.get(id.0)?;
        row.map(|row| facts::decode_point(*id, row.value()))
            .transpose()
    }

    /// Returns all points, in the order of the log.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn points(&self) -> Result<Vec<PointInfo>, IndexError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(POINTS)?;
        let mut points = table
            .iter()?
            .map(|row| {
                let (id, row) = row?;
                facts::decode_point(PointId(id.value()), row.value())
            })
            .collect::<Result<Vec<_>, IndexError>>()?;
        points.sort_by_key(|point| point.seq);
        Ok(points)
    }

    /// Returns the JSON of one item of configuration.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn config(
        &self,
        kind: ConfigKind,
        id: &[u8; 16],
    ) -> Result<Option<Vec<u8>>, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(CONFIGS)?.get((kind.code(), *id))?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// Returns all configuration of one kind.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn configs(&self, kind: ConfigKind) -> Result<Vec<ConfigRow>, IndexError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(CONFIGS)?;
        let kind = kind.code();
        table
            .range((kind, [0; 16])..=(kind, [0xff; 16]))?
            .map(|row| {
                let (key, json) = row?;
                Ok((key.value().1, json.value().to_vec()))
            })
            .collect()
    }
}

/// Returns the packs that a record names.
pub(crate) fn packs_of(body: &Body) -> &[(Class, PackName)] {
    match body {
        Body::Packs { packs, .. } => packs,
        Body::Commit(commit) => &commit.packs,
        _ => &[],
    }
}

/// Notes that the log names these packs.
fn log_packs(
    write: &WriteTransaction,
    session: &SessionId,
    named: &[(Class, PackName)],
    fetched: &Fetched,
) -> Result<(), IndexError> {
    for (class, name) in named {
        if packs::is_deleted(write, name)? {
            continue;
        }
        match fetched.get(name) {
            Some(Some(pack)) => {
                let copies = Copies::TakeOver;
                packs::insert(write, pack, PackState::Logged, session, copies)?;
            }
            Some(None) => {
                let row = PackRow {
                    name: *name,
                    class: *class,
                    state: PackState::Unreadable,
                    bytes: 0,
                    chunks: 0,
                    current: 0,
                    session: *session,
                    condemned: None,
                    verified_s: 0,
                };
                packs::put(write, &row)?;
            }
            None => {
                let mut row = packs::find(write, name)?.ok_or(IndexError::Row)?;
                if row.state == PackState::Loose {
                    row.state = PackState::Logged;
                    packs::put(write, &row)?;
                    packs::take_over(write, name)?;
                }
            }
        }
    }
    Ok(())
}

/// Condemns or spares packs.
fn mark_packs(
    write: &WriteTransaction,
    named: &[(Class, PackName)],
    condemned: Option<u64>,
) -> Result<(), IndexError> {
    for (_, name) in named {
        let Some(row) = packs::find(write, name)? else {
            continue;
        };
        // A pack that no record names cannot be condemned: its session may still be about to name it.
        if row.state != PackState::Loose {
            packs::put(write, &PackRow { condemned, ..row })?;
        }
    }
    Ok(())
}

/// Deletes packs that are condemned, if all sessions have ended that were open when they were.
fn delete_packs(write: &WriteTransaction, named: &[(Class, PackName)]) -> Result<(), IndexError> {
    let mut first_open = u64::MAX;
    for session in write.open_table(SESSIONS)?.iter()? {
        first_open = first_open.min(session?.1.value().1);
    }
    for (class, name) in named {
        let row = packs::find(write, name)?;
        match row.and_then(|row| row.condemned) {
            Some(condemned) if first_open > condemned => packs::delete(write, *class, name)?,
            _ => tracing::warn!(pack = %name, "a void deletion in the log"),
        }
    }
    Ok(())
}

/// Advances a replica and makes a point, if the session may: it has begun, has not been fenced, and the replica is still
/// the one it started from.
fn fold_commit(
    write: &WriteTransaction,
    record: &Record,
    commit: &Commit,
) -> Result<(), IndexError> {
    let mut sessions = write.open_table(SESSIONS)?;
    let begun = sessions.remove(commit.session.0)?;
    let begun = begun.map(|begun| SourceId(begun.value().0));
    let mut replicas = write.open_table(REPLICAS)?;
    let root = match replicas.get(commit.source.0)? {
        Some(row) => Some(facts::decode_replica(commit.source, row.value())?.root),
        None => None,
    };
    if begun != Some(commit.source) || root != commit.base {
        tracing::warn!(seq = record.seq, session = %commit.session, "a void commit in the log");
        return Ok(());
    }
    let replica = Replica {
        source: commit.source,
        root: commit.root,
        seq: record.seq,
        time_ns: record.time_ns,
    };
    let row = facts::encode_replica(&replica);
    replicas.insert(commit.source.0, row.as_slice())?;
    if let Some(facts) = &commit.point {
        let point = PointInfo::of(record, commit, facts);
        let row = facts::encode_point(&point);
        write
            .open_table(POINTS)?
            .insert(facts.id.0, row.as_slice())?;
    }
    Ok(())
}

fn fold_config(write: &WriteTransaction, config: &Config) -> Result<(), IndexError> {
    let mut configs = write.open_table(CONFIGS)?;
    let key = (config.kind.code(), config.id);
    match &config.json {
        Some(json) => configs.insert(key, json.as_slice())?,
        None => configs.remove(key)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use base::{ChunkId, StoreId};
    use format::log::RecordHash;
    use format::pack::TocEntry;
    use format::seal::Kind;

    use super::*;
    use crate::index::{Asker, Place};

    const SOURCE: SourceId = SourceId([1; 16]);
    const FIRST: SessionId = SessionId([1; 16]);
    const LATER: SessionId = SessionId([2; 16]);
    const OLD: PackName = PackName([0xaa; 32]);
    const NEW: PackName = PackName([0xbb; 32]);
    const CHUNK: ChunkId = ChunkId([3; 32]);

    /// An index and the place of its last record.
    struct Log {
        index: Index,
        seq: u64,
    }

    impl Log {
        fn new() -> Self {
            Self {
                index: Index::open(&Place::Memory, &StoreId([0; 16])).unwrap(),
                seq: 0,
            }
        }

        fn add(&mut self, body: Body) {
            self.seq += 1;
            let entry = Entry {
                record: Record {
                    seq: self.seq,
                    previous: RecordHash([0; 32]),
                    epoch: 1,
                    writer: [0; 16],
                    time_ns: 0,
                    retention_now_ns: 0,
                    body,
                },
                applied: Applied {
                    chain: Chain {
                        next: self.seq + 1,
                        head: RecordHash([0; 32]),
                        epoch: 1,
                    },
                    retention_now_ns: 0,
                },
                anchor: None,
            };
            let fetch = |_, name| Ok((name != UNREADABLE).then(|| pack(name)));
            self.index.apply(&entry, fetch).unwrap();
        }

        fn open(&mut self, session: SessionId) {
            let source = SOURCE;
            self.add(Body::Open { session, source });
        }

        fn close(&mut self, session: SessionId) {
            self.add(Body::Close { session });
        }

        fn name(&mut self, session: SessionId, name: PackName) {
            let packs = vec![(Class::Data, name)];
            self.add(Body::Packs { session, packs });
        }

        fn condemn(&mut self, name: PackName) {
            let packs = vec![(Class::Data, name)];
            self.add(Body::Condemn { packs });
        }

        fn delete(&mut self, name: PackName) {
            let packs = vec![(Class::Data, name)];
            self.add(Body::Delete { packs });
        }

        /// Where a session is told that the chunk is.
        fn told(&self, session: SessionId) -> Option<PackName> {
            let asker = Asker::Writer(session);
            let found = self.index.find_for(asker, &CHUNK).unwrap();
            found.map(|found| found.place.pack)
        }

        fn read(&self) -> Option<PackName> {
            let found = self.index.find_for(Asker::Reader, &CHUNK).unwrap();
            found.map(|found| found.place.pack)
        }
    }

    const UNREADABLE: PackName = PackName([0xcc; 32]);

    fn pack(name: PackName) -> DurablePack {
        let entry = TocEntry {
            kind: Kind::Data,
            domain: 1,
            generation: 1,
            id: CHUNK,
            offset: 64,
            len: 100,
        };
        DurablePack::made_up(name, vec![entry])
    }

    #[test]
    fn what_is_in_a_condemned_pack_is_known_to_readers_only() {
        let mut log = Log::new();
        log.open(FIRST);
        log.name(FIRST, OLD);
        assert_eq!((log.told(LATER), log.read()), (Some(OLD), Some(OLD)));
        log.condemn(OLD);
        assert_eq!((log.told(LATER), log.read()), (None, Some(OLD)));
        assert_eq!(log.told(FIRST), None);
        let packs = vec![(Class::Data, OLD)];
        log.add(Body::Spare { packs });
        assert_eq!(log.told(LATER), Some(OLD));
    }

    #[test]
    fn deleting_waits_for_the_sessions_that_were_open_when_a_pack_was_condemned() {
        let mut log = Log::new();
        log.open(FIRST);
        log.name(FIRST, OLD);
        log.condemn(OLD);
        log.open(LATER);
        log.delete(OLD);
        assert_eq!(log.read(), Some(OLD), "the first session is open");
        log.close(FIRST);
        log.delete(OLD);
        assert_eq!(log.read(), None, "the later one does not matter");
        assert!(log.index.is_deleted(&OLD).unwrap());
        assert_eq!(log.index.packs().unwrap(), []);
        assert_eq!(log.index.chunk_count().unwrap(), 0);
    }

    #[test]
    fn only_what_is_condemned_is_deleted() {
        let mut log = Log::new();
        log.open(FIRST);
        log.name(FIRST, OLD);
        log.close(FIRST);
        log.delete(OLD);
        assert_eq!(log.read(), Some(OLD));
        log.condemn(OLD);
        let packs = vec![(Class::Data, OLD)];
        log.add(Body::Spare { packs });
        log.delete(OLD);
        assert_eq!(log.read(), Some(OLD));
        log.condemn(NEW);
        log.delete(NEW);
        assert!(!log.index.is_deleted(&NEW).unwrap(), "nothing named it");
    }

    #[test]
    fn what_is_deleted_stays_so() {
        let mut log = Log::new();
        log.name(FIRST, OLD);
        log.condemn(OLD);
        log.delete(OLD);
        log.name(LATER, OLD);
        assert_eq!(log.read(), None);
        let stays = Copies::Stay;
        log.index.insert(&LATER, &pack(OLD), stays).unwrap();
        assert_eq!(log.read(), None);
    }

    #[test]
    fn a_copy_that_is_named_replaces_the_one_in_a_condemned_pack() {
        let mut log = Log::new();
        log.name(FIRST, OLD);
        log.open(LATER);
        let stays = Copies::Stay;
        log.index.insert(&LATER, &pack(NEW), stays).unwrap();
        assert_eq!(log.read(), Some(OLD));
        log.condemn(OLD);
        log.name(LATER, NEW);
        assert_eq!((log.told(FIRST), log.read()), (Some(NEW), Some(NEW)));
        let current = |name| log.index.pack(name).unwrap().unwrap().current;
        assert_eq!((current(&OLD), current(&NEW)), (0, 1));
        log.close(LATER);
        log.delete(OLD);
        assert_eq!(log.read(), Some(NEW));
    }

    #[test]
    fn what_a_deleted_pack_held_is_found_where_another_holds_it() {
        let mut log = Log::new();
        log.name(FIRST, OLD);
        log.name(LATER, NEW);
        assert_eq!(log.read(), Some(NEW), "the last that was named");
        // Whoever wrote this knew the chunk to be in the other one.
        log.condemn(NEW);
        log.delete(NEW);
        assert_eq!(log.read(), None);
        log.index.find_what_is_held().unwrap();
        assert_eq!(log.read(), Some(OLD));
        assert_eq!(log.index.pack(&OLD).unwrap().unwrap().current, 1);
    }

    #[test]
    fn a_pack_that_cannot_be_read_is_deleted_like_any_other() {
        let mut log = Log::new();
        log.name(FIRST, UNREADABLE);
        log.condemn(UNREADABLE);
        log.delete(UNREADABLE);
        assert!(log.index.is_deleted(&UNREADABLE).unwrap());
        assert_eq!(log.index.packs().unwrap(), []);
    }
}
