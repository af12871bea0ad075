//! The ledger of due occurrences.
//!
//! A row is `pending` from before its time until a job takes it; making the job and naming it in the row are one
//! transaction, so an occurrence is run once whatever is killed when. Of several that are due for one duty the
//! newest is `claimed` and the older ones are `covered` by the same job: a server that was off for a week makes
//! one run, not seven.

use base::{Fault, JobId, SourceId, Timestamp};
use sqlx::SqliteConnection;

use super::{Catalog, at, nanos, odd};
use crate::jobs::Job;
use crate::scheduler::{Duty, Entry, EntryState};

/// Something whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Whose; `None` for the server's own duties.
    pub(crate) source: Option<SourceId>,
    pub(crate) duty: Duty,
    /// The oldest of those that wait.
    pub(crate) oldest: Timestamp,
    /// How many wait.
    pub(crate) count: u64,
}

/// What became of an attempt to claim what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The job has it.
    Taken,
    /// This job works on the replica: it waits.
    Busy(JobId),
    /// Somebody else has taken it.
    Nothing,
}

/// What is to be written into the ledger for one duty.
#[derive(Clone, Debug)]
pub(crate) struct LedgerEntry<'a> {
    pub(crate) source: Option<&'a SourceId>,
    pub(crate) duty: Duty,
    /// The schedule in words: another one makes the ledger's future anew.
    pub(crate) schedule: &'a str,
    pub(crate) dues: &'a [Timestamp],
    pub(crate) planned_until: Timestamp,
    /// Forget what was planned for after this, and also what was taken of it: the schedule is another one, or the clock
    /// was put back.
    pub(crate) forget_after: Option<Timestamp>,
}

/// How a duty is planned.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The schedule in words.
    pub(crate) schedule: String,
    pub(crate) until: Timestamp,
    /// The newest occurrence that a job took.
    pub(crate) taken: Option<Timestamp>,
}

fn key(source: Option<&SourceId>) -> String {
    source.map(SourceId::to_string).unwrap_or_default()
}

impl Catalog {
    /// Returns how a duty is planned, if it is.
    pub(crate) fn planned(
        &self,
        source: Option<&SourceId>,
        duty: Duty,
    ) -> Result<Option<Planned>, Fault> {
        self.transact(async |c| {
            let row: Option<(String, i64, Option<i64>)> = sqlx::query_as(
                "SELECT schedule, planned_until, (SELECT max(due) FROM occurrences AS o \
                     WHERE o.source = p.source AND o.duty = p.duty AND o.state <> 'pending') \
                 FROM plans AS p WHERE source = ? AND duty = ?",
            )
            .bind(key(source))
            .bind(duty.name())
            .fetch_optional(c)
            .await?;
            Ok(row.map(|(schedule, until, taken)| Planned {
                schedule,
                until: at(until),
                taken: taken.map(at),
            }))
        })
    }

    /// Writes occurrences down.
    pub(crate) fn plan(&self, entry: &LedgerEntry<'_>) -> Result<(), Fault> {
        let source = key(entry.source);
        self.transact(async |c| {
            if let Some(after) = entry.forget_after {
                sqlx::query("DELETE FROM occurrences WHERE source = ? AND duty = ? AND due > ?")
                    .bind(&source)
                    .bind(entry.duty.name())
                    .bind(nanos(after))
                    .execute(&mut *c)
                    .await?;
            }
            for due in entry.dues {
                sqlx::query("INSERT OR IGNORE INTO occurrences VALUES (?, ?, ?, 'pending', NULL)")
                    .bind(&source)
                    .bind(entry.duty.name())
                    .bind(nanos(*due))
                    .execute(&mut *c)
                    .await?;
            }
            sqlx::query("INSERT OR REPLACE INTO plans VALUES (?, ?, ?, ?)")
                .bind(&source)
                .bind(entry.duty.name())
                .bind(entry.schedule)
                .bind(nanos(entry.planned_until))
                .execute(c)
                .await?;
            Ok(())
        })
    }

    /// Forgets what is planned for a duty that no longer exists, or for all duties of a source.
    pub(crate) fn unplan(&self, source: &SourceId, duty: Option<Duty>) -> Result<(), Fault> {
        let source = source.to_string();
        let duty = duty.map(Duty::name);
        self.transact(async |c| {
            sqlx::query(
                "DELETE FROM occurrences WHERE source = ?1 AND (?2 IS NULL OR duty = ?2) AND state = 'pending'",
            )
            .bind(&source)
            .bind(duty)
            .execute(&mut *c)
            .await?;
            sqlx::query("DELETE FROM plans WHERE source = ?1 AND (?2 IS NULL OR duty = ?2)")
                .bind(&source)
                .bind(duty)
                .execute(c)
                .await?;
            Ok(())
        })
    }

    /// Returns the sources and duties that something is planned for.
    pub(crate) fn plans(&self) -> Result<Vec<(SourceId, Duty)>, Fault> {
        self.transact(async |c| {
            let rows: Vec<(String, String)> =
                sqlx::query_as("SELECT source, duty FROM plans WHERE source <> ''")
                    .fetch_all(c)
                    .await?;
            let plan = |(source, duty): (String, String)| {
                let source = source.parse().map_err(|_| odd("source"))?;
                Ok((source, Duty::parse(&duty).ok_or_else(|| odd("duty"))?))
            };
            rows.into_iter().map(plan).collect()
        })
    }

    /// Returns everything whose time has come and that nobody took.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Vec<Due>, Fault> {
        self.transact(async |c| {
            let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
                "SELECT source, duty, min(due), count(*) FROM occurrences \
                 WHERE state = 'pending' AND due <= ? GROUP BY source, duty ORDER BY min(due), source",
            )
            .bind(nanos(now))
            .fetch_all(c)
            .await?;
            let due = |(source, duty, oldest, count): (String, String, i64, i64)| {
                Ok(Due {
                    source: match source.as_str() {
                        "" => None,
                        id => Some(id.parse().map_err(|_| odd("source"))?),
                    },
                    duty: Duty::parse(&duty).ok_or_else(|| odd("duty"))?,
                    oldest: at(oldest),
                    count: count.unsigned_abs(),
                })
            };
            rows.into_iter().map(due).collect()
        })
    }

    /// Makes a job and gives it everything that is due for these duties of its source; or leaves everything as it was.
    /// Of several who try at the same time one gets it.
    pub(crate) fn claim(
        &self,
        job: &Job,
        duties: &[Duty],
        now: Timestamp,
        owner: &str,
    ) -> Result<Claim, Fault> {
        self.transact(async |c| {
            if let Err(busy) = super::jobs::insert(c, job, owner).await? {
                return Ok(Claim::Busy(busy));
            }
            let mut taken = 0;
            for duty in duties {
                taken += take(c, job, *duty, now).await?;
            }
            if taken > 0 {
                return Ok(Claim::Taken);
            }
            sqlx::query("DELETE FROM jobs WHERE id = ?")
                .bind(job.id.to_string())
                .execute(c)
                .await?;
            Ok(Claim::Nothing)
        })
    }

    /// Returns a source's ledger, newest first.
    pub(crate) fn ledger(
        &self,
        source: Option<&SourceId>,
        limit: u32,
    ) -> Result<Vec<Entry>, Fault> {
        self.transact(async |c| {
            let rows: Vec<(String, i64, String, Option<String>)> = sqlx::query_as(
                "SELECT duty, due, state, job FROM occurrences WHERE source = ? \
                 ORDER BY due DESC, duty LIMIT ?",
            )
            .bind(key(source))
            .bind(limit)
            .fetch_all(c)
            .await?;
            let entry = |(duty, due, state, job): (String, i64, String, Option<String>)| {
                Ok(Entry {
                    duty: Duty::parse(&duty).ok_or_else(|| odd("duty"))?,
                    due: at(due),
                    state: EntryState::parse(&state).ok_or_else(|| odd("state"))?,
                    job: match job {
                        Some(id) => Some(id.parse().map_err(|_| odd("job"))?),
                        None => None,
                    },
                })
            };
            rows.into_iter().map(entry).collect()
        })
    }

    /// Forgets history before `before`: jobs that are over, occurrences that were taken, alerts that are closed.
    pub(crate) fn forget(&self, before: Timestamp) -> Result<(), Fault> {
        const STATEMENTS: [&str; 5] = [
            "DELETE FROM occurrences WHERE state <> 'pending' AND due < ?",
            "DELETE FROM job_steps WHERE job IN (SELECT id FROM jobs WHERE ended_at < ?)",
            "DELETE FROM job_warnings WHERE job IN (SELECT id FROM jobs WHERE ended_at < ?)",
            "DELETE FROM jobs WHERE ended_at < ?",
            "DELETE FROM alerts WHERE closed_at < ?",
        ];
        self.transact(async |c| {
            for statement in STATEMENTS {
                sqlx::query(statement)
                    .bind(nanos(before))
                    .execute(&mut *c)
                    .await?;
            }
            Ok(())
        })
    }
}

/// Gives a job what is due: the newest is claimed, the older ones are covered. Returns how many it took.
async fn take(
    c: &mut SqliteConnection,
    job: &Job,
    duty: Duty,
    now: Timestamp,
) -> sqlx::Result<u64> {
    let source = key(job.source.as_ref());
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT max(due) FROM occurrences \
         WHERE source = ? AND duty = ? AND state = 'pending' AND due <= ?",
    )
    .bind(&source)
    .bind(duty.name())
    .bind(nanos(now))
    .fetch_one(&mut *c)
    .await?;
    let taken = sqlx::query(
        "UPDATE occurrences SET job = ?1, state = CASE WHEN due = ?4 THEN 'claimed' ELSE 'covered' END \
         WHERE source = ?2 AND duty = ?3 AND state = 'pending' AND due <= ?4",
    )
    .bind(job.id.to_string())
    .bind(source)
    .bind(duty.name())
    .bind(newest)
    .execute(c)
    .await?;
    Ok(taken.rows_affected())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::Env;

    use super::*;
    use crate::jobs::{Cause, JobKind, JobSpec};

    fn job(env: &Env, kind: JobKind, source: Option<SourceId>) -> Job {
        Job::queued(env, kind, source, (JobSpec::Replica, Cause::Schedule))
    }

    /// One data directory has one owner; that its catalog would bear more is what makes a second lock of no use.
    #[test]
    fn of_two_runners_on_one_catalog_one_gets_what_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.db");
        let (env, handles) = testkit::env(3);
        let source = SourceId::random(&env);
        let one = Catalog::open(&path, &env).unwrap().0;
        let two = Catalog::open(&path, &env).unwrap().0;
        let dues = [env.now(), env.now() + Duration::from_secs(60)];
        for (source, duty) in [(Some(&source), Duty::Sync), (None, Duty::Expire)] {
            let entry = LedgerEntry {
                source,
                duty,
                schedule: "hourly",
                dues: &dues,
                planned_until: dues[1],
                forget_after: None,
            };
            one.plan(&entry).unwrap();
        }
        handles.clock.advance(Duration::from_secs(3600));
        let kinds = [
            (JobKind::Synchronize, Some(source), Duty::Sync),
            (JobKind::Expire, None, Duty::Expire),
        ];
        for (kind, source, duty) in kinds {
            let claims: Vec<Claim> = std::thread::scope(|scope| {
                let claim = |catalog, owner| {
                    let (job, now) = (job(&env, kind, source), env.now());
                    scope.spawn(move || Catalog::claim(catalog, &job, &[duty], now, owner))
                };
                let claims = [claim(&one, "one"), claim(&two, "two")];
                claims.map(|claim| claim.join().unwrap().unwrap()).into()
            });
            let taken = claims.iter().filter(|claim| **claim == Claim::Taken);
            assert_eq!(taken.count(), 1, "{claims:?}");
            let ledger = two.ledger(source.as_ref(), 10).unwrap();
            assert_eq!(ledger.len(), 2);
            assert_eq!(ledger[0].job, ledger[1].job, "the older one is covered");
            let jobs = one.jobs(&crate::catalog::JobFilter::default()).unwrap();
            assert_eq!(jobs.iter().filter(|job| job.kind == kind).count(), 1);
        }
    }
}
