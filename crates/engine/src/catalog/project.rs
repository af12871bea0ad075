//! The projection: log records in, tables out.
//!
//! [`Catalog::follow`] may be called at any time and by anyone: records that were applied before are not
//! applied again, and a catalog that shows another pool, or another history than the pool's log holds, is emptied of
//! what came from the log and filled anew. If it was the same pool, the pool was [set back](SetBack), which is told.

use std::collections::HashSet;

use base::{ChunkId, Fault, PointId, SourceId, Timestamp};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, at, nanos, odd, small};
use crate::pool::{Change, Event, Level, Point, Pool};
use crate::replica::{Doubt, State};

/// Records applied in one transaction: a fsync for each would make rebuilding slow.
const EVENTS_PER_TRANSACTION: usize = 1024;

/// Up to which record of the log the catalog shows.
const APPLIED: &str = "applied_seq";
/// The hash of that record.
const APPLIED_HASH: &str = "applied_hash";
/// Up to which record the catalog showed when the pool was found to be set back, until that is told.
const SET_BACK: &str = "set_back";

/// Where a member's replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its root.
    pub root: ChunkId,
    /// When it was last synchronized.
    pub synced_at: Timestamp,
}

/// The pool does not have, or no longer, what the catalog has seen in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetBack {
    /// The first record that is missing or another one, as far as that is known.
    pub(crate) record: u64,
    /// When the record before it was written.
    pub(crate) since: Option<Timestamp>,
    /// Recovery points that were there and are no more, if that is known.
    pub(crate) lost: Option<u64>,
}

/// From where the log is followed.
struct Start {
    applied: u64,
    /// The points that were there, if the pool was found to be set back.
    points: Option<Vec<String>>,
}

impl Catalog {
    /// Applies what the log has and the catalog does not; returns whether the pool was found to be set back, until
    /// [`Self::set_back_is_told`].
    ///
    /// # Errors
    /// The log cannot be read, or the catalog not written.
    pub(crate) fn follow(&self, pool: &dyn Pool) -> Result<Option<SetBack>, Fault> {
        let start = self.transact(async |c| start(c, pool).await)?;
        let known = self.transact(async |c| number(c, SET_BACK).await)?;
        // Of the records up to the one that was seen last, the pool may have some.
        let record = known.map(|known| known.min(pool.head() + 1));
        let mut since = None;
        let mut batch = Vec::new();
        pool.events_after(start.applied, &mut |event| {
            if Some(event.seq + 1) == record {
                since = Some(event.at);
            }
            batch.push(event);
            if batch.len() >= EVENTS_PER_TRANSACTION {
                self.apply(pool, &std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        self.apply(pool, &batch)?;
        let Some(record) = record else {
            return Ok(None);
        };
        let lost = match start.points {
            Some(points) => Some(self.gone(&points)?),
            None => None,
        };
        Ok(Some(SetBack {
            record,
            since,
            lost,
        }))
    }

    /// Notes that an alert tells that the pool was set back.
    pub(crate) fn set_back_is_told(&self) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query("DELETE FROM meta WHERE key = ?")
                .bind(SET_BACK)
                .execute(c)
                .await?;
            Ok(())
        })
    }

    fn apply(&self, pool: &dyn Pool, events: &[Event]) -> Result<(), Fault> {
        let Some(last) = events.last() else {
            return Ok(());
        };
        let hash = pool.hash_at(last.seq)?.map(hex).unwrap_or_default();
        self.transact(async |c| {
            for event in events {
                apply_one(c, event).await?;
            }
            set_meta(c, APPLIED_HASH, &hash).await?;
            set_meta(c, APPLIED, &last.seq.to_string()).await
        })
    }

    /// Returns how many of these points are no more.
    fn gone(&self, points: &[String]) -> Result<u64, Fault> {
        let now = self.points(None)?;
        let now: HashSet<String> = now.iter().map(|point| point.id.to_string()).collect();
        Ok(points.iter().filter(|id| !now.contains(*id)).count() as u64)
    }

    /// Returns every configuration document.
    pub(crate) fn configs(&self) -> Result<Vec<(String, String, String)>, Fault> {
        self.transact(async |c| {
            sqlx::query_as("SELECT kind, id, json FROM configs")
                .fetch_all(c)
                .await
        })
    }

    /// Returns the recovery points of one source, or of all, oldest first.
    pub(crate) fn points(&self, source: Option<&SourceId>) -> Result<Vec<Point>, Fault> {
        let source = source.map(SourceId::to_string);
        let rows = self.transact(async |c| {
            sqlx::query("SELECT * FROM points WHERE ?1 IS NULL OR source = ?1 ORDER BY at, id")
                .bind(source)
                .fetch_all(c)
                .await?
                .iter()
                .map(point)
                .collect()
        })?;
        Ok(rows)
    }

    /// Returns how many recovery points a source has, and the newest of those that are not after `now`.
    pub(crate) fn point_summary(
        &self,
        source: &SourceId,
        now: Timestamp,
    ) -> Result<(u64, Option<Point>), Fault> {
        let source = source.to_string();
        self.transact(async |c| {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM points WHERE source = ?")
                .bind(&source)
                .fetch_one(&mut *c)
                .await?;
            let newest = sqlx::query(
                "SELECT * FROM points WHERE source = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1",
            )
            .bind(&source)
            .bind(nanos(now))
            .fetch_optional(c)
            .await?;
            let newest = newest.as_ref().map(point).transpose()?;
            Ok((count.unsigned_abs(), newest))
        })
    }

    /// Returns how many bytes all recovery points show, together.
    pub(crate) fn protected_bytes(&self) -> Result<u64, Fault> {
        self.transact(async |c| {
            // In two parts: a sum that is too large for SQLite would be an error.
            let (mebibytes, rest): (i64, i64) = sqlx::query_as(
                "SELECT coalesce(sum(bytes >> 20), 0), coalesce(sum(bytes & 1048575), 0) FROM points",
            )
            .fetch_one(c)
            .await?;
            let whole = mebibytes.unsigned_abs().saturating_mul(1 << 20);
            Ok(whole.saturating_add(rest.unsigned_abs()))
        })
    }

    /// Returns the recovery points whose id begins with `prefix`, at most `limit`.
    pub(crate) fn points_like(&self, prefix: &str, limit: u32) -> Result<Vec<Point>, Fault> {
        self.transact(async |c| {
            sqlx::query(
                "SELECT * FROM points WHERE substr(id, 1, length(?1)) = ?1 ORDER BY at LIMIT ?2",
            )
            .bind(prefix)
            .bind(limit)
            .fetch_all(c)
            .await?
            .iter()
            .map(point)
            .collect()
        })
    }

    /// Returns where a member's replica stands, if it has one.
    pub(crate) fn replica(&self, source: &SourceId) -> Result<Option<Replica>, Fault> {
        self.transact(async |c| {
            let row: Option<(Vec<u8>, i64)> =
                sqlx::query_as("SELECT root, synced_at FROM replicas WHERE source = ?")
                    .bind(source.to_string())
                    .fetch_optional(c)
                    .await?;
            row.map(|(root, synced_at)| {
                Ok(Replica {
                    root: chunk_id(root)?,
                    synced_at: at(synced_at),
                })
            })
            .transpose()
        })
    }

    /// Returns what a replica was doing when that was last written down, and since when.
    pub(crate) fn replica_state(
        &self,
        source: &SourceId,
    ) -> Result<Option<(State, Timestamp)>, Fault> {
        self.transact(async |c| {
            let row: Option<(String, Option<String>, i64)> =
                sqlx::query_as("SELECT state, doubt, since FROM replica_states WHERE source = ?")
                    .bind(source.to_string())
                    .fetch_optional(c)
                    .await?;
            row.map(|(state, doubt, since)| {
                let doubt = match doubt {
                    Some(name) => Some(Doubt::parse(&name).ok_or_else(|| odd("doubt"))?),
                    None => None,
                };
                let state = State::parse(&state, doubt).ok_or_else(|| odd("state"))?;
                Ok((state, at(since)))
            })
            .transpose()
        })
    }

    /// Writes down what a replica is doing.
    pub(crate) fn set_replica_state(
        &self,
        source: &SourceId,
        state: State,
        since: Timestamp,
    ) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query("INSERT OR REPLACE INTO replica_states VALUES (?, ?, ?, ?)")
                .bind(source.to_string())
                .bind(state.name())
                .bind(state.doubt().map(Doubt::name))
                .bind(nanos(since))
                .execute(c)
                .await?;
            Ok(())
        })
    }
}

/// Returns up to where the catalog shows this pool's log, after emptying it if it shows anything else.
async fn start(c: &mut SqliteConnection, pool: &dyn Pool) -> sqlx::Result<Start> {
    let id = pool.id().to_string();
    let shown = meta(c, "store").await?;
    let is_shown = shown.as_deref() == Some(id.as_str());
    let applied = number(c, APPLIED).await?.unwrap_or(0);
    if is_shown && is_same_history(c, pool, applied).await? {
        return Ok(Start {
            applied,
            points: None,
        });
    }
    let points = match is_shown {
        true => {
            set_meta(c, SET_BACK, &applied.to_string()).await?;
            let ids = sqlx::query_scalar("SELECT id FROM points");
            Some(ids.fetch_all(&mut *c).await?)
        }
        false => None,
    };
    for table in ["configs", "points", "replicas"] {
        empty(c, table).await?;
    }
    if shown.is_some_and(|shown| shown != id) {
        for table in ["replica_states", "occurrences", "plans"] {
            empty(c, table).await?;
        }
    }
    set_meta(c, "store", &id).await?;
    set_meta(c, APPLIED, "0").await?;
    Ok(Start { applied: 0, points })
}

/// Returns whether the pool's log has the record that was applied last.
async fn is_same_history(
    c: &mut SqliteConnection,
    pool: &dyn Pool,
    applied: u64,
) -> sqlx::Result<bool> {
    if applied > pool.head() {
        return Ok(false);
    }
    let known = meta(c, APPLIED_HASH).await?.filter(|_| applied > 0);
    // A record that cannot be read is damaged, which says nothing about the history.
    let found = pool.hash_at(applied).ok().flatten().map(hex);
    Ok(match (known, found) {
        (Some(known), Some(found)) => known == found,
        _ => true,
    })
}

async fn empty(c: &mut SqliteConnection, table: &str) -> sqlx::Result<()> {
    let delete = format!("DELETE FROM {table}");
    sqlx::query(sqlx::AssertSqlSafe(delete)).execute(c).await?;
    Ok(())
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn apply_one(c: &mut SqliteConnection, event: &Event) -> sqlx::Result<()> {
    match &event.change {
        Change::Commit {
            source,
            root,
            point,
        } => {
            sqlx::query("INSERT OR REPLACE INTO replicas VALUES (?, ?, ?)")
                .bind(source.to_string())
                .bind(root.0.to_vec())
                .bind(nanos(event.at))
                .execute(&mut *c)
                .await?;
            if let Some(point) = point {
                insert_point(c, point).await?;
            }
        }
        Change::ReplicaDropped { source } => {
            sqlx::query("DELETE FROM replicas WHERE source = ?")
                .bind(source.to_string())
                .execute(c)
                .await?;
        }
        Change::PointDeleted { point } => {
            sqlx::query("DELETE FROM points WHERE id = ?")
                .bind(point.to_string())
                .execute(c)
                .await?;
        }
        Change::Config {
            kind,
            id,
            json: Some(json),
        } => {
            sqlx::query("INSERT OR REPLACE INTO configs VALUES (?, ?, ?)")
                .bind(kind)
                .bind(id)
                .bind(String::from_utf8_lossy(json).into_owned())
                .execute(c)
                .await?;
        }
        Change::Config {
            kind,
            id,
            json: None,
        } => {
            sqlx::query("DELETE FROM configs WHERE kind = ? AND id = ?")
                .bind(kind)
                .bind(id)
                .execute(c)
                .await?;
        }
        Change::Other => {}
    }
    Ok(())
}

async fn insert_point(c: &mut SqliteConnection, point: &Point) -> sqlx::Result<()> {
    sqlx::query("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(point.id.to_string())
        .bind(point.source.to_string())
        .bind(&point.group)
        .bind(point.previous.map(|id| id.to_string()))
        .bind(point.root.0.to_vec())
        .bind(nanos(point.at))
        .bind(match point.level {
            Level::Live => 4_i64,
            Level::Crash => 1,
            Level::FileSystem => 2,
            Level::Application => 3,
        })
        .bind(small(point.warnings))
        .bind(small(point.entries))
        .bind(small(point.files))
        .bind(small(point.bytes))
        .bind(small(point.changed))
        .bind(small(point.new_bytes))
        .execute(c)
        .await?;
    Ok(())
}

fn point(row: &SqliteRow) -> sqlx::Result<Point> {
    let text = |column: &'static str| row.try_get::<String, _>(column);
    let number = |column: &'static str| {
        let n: i64 = row.try_get(column)?;
        u64::try_from(n).map_err(|_| odd(column))
    };
    Ok(Point {
        id: text("id")?.parse::<PointId>().map_err(|_| odd("id"))?,
        source: text("source")?.parse().map_err(|_| odd("source"))?,
        group: text("grouped")?,
        previous: match row.try_get::<Option<String>, _>("previous")? {
            Some(id) => Some(id.parse().map_err(|_| odd("previous"))?),
            None => None,
        },
        root: chunk_id(row.try_get("root")?)?,
        at: at(row.try_get("at")?),
        level: match row.try_get::<i64, _>("level")? {
            1 => Level::Crash,
            2 => Level::FileSystem,
            3 => Level::Application,
            4 => Level::Live,
            _ => return Err(odd("level")),
        },
        warnings: number("warnings")?,
        entries: number("entries")?,
        files: number("files")?,
        bytes: number("bytes")?,
        changed: number("changed")?,
        new_bytes: number("new_bytes")?,
    })
}

fn chunk_id(bytes: Vec<u8>) -> sqlx::Result<ChunkId> {
    let bytes = bytes.try_into().map_err(|_| odd("root"))?;
    Ok(ChunkId(bytes))
}

async fn meta(c: &mut SqliteConnection, key: &str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
        .bind(key)
        .fetch_optional(c)
        .await
}

async fn number(c: &mut SqliteConnection, key: &'static str) -> sqlx::Result<Option<u64>> {
    match meta(c, key).await? {
        Some(text) => Ok(Some(text.parse().map_err(|_| odd(key))?)),
        None => Ok(None),
    }
}

async fn set_meta(c: &mut SqliteConnection, key: &str, value: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT OR REPLACE INTO meta VALUES (?, ?)")
        .bind(key)
        .bind(value)
        .execute(c)
        .await?;
    Ok(())
}
