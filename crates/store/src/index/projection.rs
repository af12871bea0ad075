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

/// Sessions that have begun and not ended: session to source.
const SESSIONS: TableDefinition<'_, [u8; 16], [u8; 16]> = TableDefinition::new("sessions");
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
            if self.pack(name)?.is_none() {
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
                write.open_table(SESSIONS)?.insert(session.0, source.0)?;
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
                    source: SourceId(source.value()),
                })
            })
            .collect()
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
                };
                packs::put(write, &row)?;
            }
            None => {
                let mut row = packs::find(write, name)?.ok_or(IndexError::Row)?;
                if row.state == PackState::Loose {
                    row.state = PackState::Logged;
                    packs::put(write, &row)?;
                }
            }
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
    let begun = begun.map(|source| SourceId(source.value()));
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
