//! Alerts in the catalog: one open alert a code and subject, closed when its condition is gone.

use base::{Fault, Timestamp, fault::Code};
use sqlx::Row;

use super::{Catalog, at, nanos};
use crate::jobs::stored;

/// A condition that needs attention, or needed it.
#[derive(Clone, Debug)]
pub struct Alert {
    /// What it is about: a source's id, `server`, `pool`.
    pub subject: String,
    /// What is the matter, in the catalogue's words.
    pub fault: Fault,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub count: u64,
    /// When its condition was gone.
    pub closed_at: Option<Timestamp>,
}

impl Alert {
    /// Returns one about what is the case now and is written down nowhere.
    pub(crate) fn of_now(subject: &str, fault: Fault, now: Timestamp) -> Self {
        Self {
            subject: subject.to_owned(),
            fault,
            first_seen: now,
            last_seen: now,
            count: 1,
            closed_at: None,
        }
    }
}

impl Catalog {
    /// Opens an alert, or counts it once more and brings its words up to date.
    pub(crate) fn raise(&self, subject: &str, fault: &Fault, now: Timestamp) -> Result<(), Fault> {
        let insert = "INSERT INTO alerts (code, subject, params, first_seen, last_seen, count) \
                      VALUES (?1, ?2, ?3, ?4, ?4, 1) \
                      ON CONFLICT (code, subject) WHERE closed_at IS NULL \
                      DO UPDATE SET params = ?3, last_seen = ?4, count = count + 1";
        self.insert_alert(insert, subject, fault, now)
    }

    /// Writes down something that happened and is over: an alert that is closed at once.
    pub(crate) fn inform(&self, subject: &str, fault: &Fault, now: Timestamp) -> Result<(), Fault> {
        let insert = "INSERT INTO alerts \
                      (code, subject, params, first_seen, last_seen, count, closed_at) \
                      VALUES (?1, ?2, ?3, ?4, ?4, 1, ?4)";
        self.insert_alert(insert, subject, fault, now)
    }

    /// Executes an insertion whose parameters are code, subject, fault and time.
    fn insert_alert(
        &self,
        insert: &'static str,
        subject: &str,
        fault: &Fault,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query(insert)
                .bind(fault.code.name())
                .bind(subject)
                .bind(stored::write_fault(fault))
                .bind(nanos(now))
                .execute(c)
                .await?;
            Ok(())
        })
    }

    /// Closes an alert, if it is open: its condition is gone.
    pub(crate) fn settle(&self, subject: &str, code: Code, now: Timestamp) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query(
                "UPDATE alerts SET closed_at = ? WHERE code = ? AND subject = ? AND closed_at IS NULL",
            )
            .bind(nanos(now))
            .bind(code.name())
            .bind(subject)
            .execute(c)
            .await?;
            Ok(())
        })
    }

    /// Closes every open alert about a subject.
    pub(crate) fn settle_all(&self, subject: &str, now: Timestamp) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query("UPDATE alerts SET closed_at = ? WHERE subject = ? AND closed_at IS NULL")
                .bind(nanos(now))
                .bind(subject)
                .execute(c)
                .await?;
            Ok(())
        })
    }

    /// Returns the alerts that are open, or the newest `limit` of all, newest first.
    pub(crate) fn alerts(&self, only_open: bool, limit: u32) -> Result<Vec<Alert>, Fault> {
        self.transact(async |c| {
            let rows = sqlx::query(
                "SELECT * FROM alerts WHERE NOT ?1 OR closed_at IS NULL \
                 ORDER BY last_seen DESC, id DESC LIMIT ?2",
            )
            .bind(only_open)
            .bind(limit)
            .fetch_all(c)
            .await?;
            let alert = |row: &sqlx::sqlite::SqliteRow| {
                let params: String = row.try_get("params")?;
                let Some(fault) = stored::read_fault(&params) else {
                    // Of another version, say. Nobody may be kept from hearing of the others by that.
                    tracing::warn!(%params, "an alert cannot be read");
                    return Ok(None);
                };
                Ok(Some(Alert {
                    subject: row.try_get("subject")?,
                    fault,
                    first_seen: at(row.try_get("first_seen")?),
                    last_seen: at(row.try_get("last_seen")?),
                    count: row.try_get::<i64, _>("count")?.unsigned_abs(),
                    closed_at: row.try_get::<Option<i64>, _>("closed_at")?.map(at),
                }))
            };
            let alerts = rows.iter().map(alert);
            alerts.filter_map(sqlx::Result::transpose).collect()
        })
    }

    /// Writes down that a part of the server is alive.
    pub(crate) fn beat(&self, part: &str, now: Timestamp) -> Result<(), Fault> {
        self.transact(async |c| {
            sqlx::query("INSERT OR REPLACE INTO heartbeats VALUES (?, ?)")
                .bind(part)
                .bind(nanos(now))
                .execute(c)
                .await?;
            Ok(())
        })
    }

    /// Returns when a part of the server last showed life.
    pub(crate) fn last_beat(&self, part: &str) -> Result<Option<Timestamp>, Fault> {
        self.transact(async |c| {
            let beat: Option<i64> = sqlx::query_scalar("SELECT at FROM heartbeats WHERE part = ?")
                .bind(part)
                .fetch_optional(c)
                .await?;
            Ok(beat.map(at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_of_another_version_hides_no_other_one() {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = testkit::env(4);
        let (catalog, _) = Catalog::open(&dir.path().join("catalog.db"), &env).unwrap();
        let fault = Fault::new(Code::PoolReadOnly).with("path", "/pool");
        catalog.raise("pool", &fault, env.now()).unwrap();
        catalog
            .transact(async |c| {
                sqlx::query(
                    "INSERT INTO alerts (code, subject, params, first_seen, last_seen, count) \
                     VALUES ('NotYet', 'pool', '{\"code\":\"NotYet\",\"params\":[],\"causes\":[]}', 1, 1, 1)",
                )
                .execute(c)
                .await
            })
            .unwrap();
        let alerts = catalog.alerts(true, 10).unwrap();
        let codes: Vec<Code> = alerts.iter().map(|alert| alert.fault.code).collect();
        assert_eq!(codes, [Code::PoolReadOnly]);
    }
}
