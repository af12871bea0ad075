//! Jobs in the catalog.

use base::{Fault, JobId, SourceId, Timestamp, fault::Code};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, at, nanos, odd, small};
use crate::jobs::{
    Cause, Job, JobKind, JobSpec, JobState, JobWarning, Progress, Step, StepRun, stored,
};

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobFilter {
    /// Only those about this source.
    pub(crate) source: Option<SourceId>,
    /// Only those that are not over.
    pub(crate) unfinished: bool,
    /// The newest so many; 0 for all.
    pub(crate) limit: u32,
}

const COLUMNS: &str = "SELECT id, kind, source, spec, cause, state, lease_until, queued_at, started_at, \
     ended_at, retry_of, fault, bytes_done, bytes_total, files_done, files_total, warnings, report FROM jobs";

impl Catalog {
    /// Writes a new job down, queued, for this owner.
    ///
    /// # Errors
    /// `ReplicaBusy` if another job works on the replica: the caller gets its id.
    pub(crate) fn insert_job(&self, job: &Job, owner: &str) -> Result<Result<(), JobId>, Fault> {
        self.transact(async |c| insert(c, job, owner).await)
    }

    /// Writes a job's row as it is now.
    pub(crate) fn update_job(&self, job: &Job) -> Result<(), Fault> {
        self.transact(async |c| update(c, job).await.map(drop))
    }

    /// Writes a job that is over: its row, which may not be there yet, its warnings, its last step.
    pub(crate) fn finish_job(&self, job: &Job, owner: &str) -> Result<(), Fault> {
        self.transact(async |c| {
            if !update(c, job).await? {
                let _no_job_that_is_over_is_in_the_way = insert(c, job, owner).await?;
                update(c, job).await?;
            }
            for (number, warning) in job.warnings.iter().enumerate() {
                use std::os::unix::ffi::OsStrExt;
                sqlx::query("INSERT OR REPLACE INTO job_warnings VALUES (?, ?, ?, ?)")
                    .bind(job.id.to_string())
                    .bind(small(number as u64))
                    .bind(warning.path.as_os_str().as_bytes())
                    .bind(&warning.reason)
                    .execute(&mut *c)
                    .await?;
            }
            Ok(())
        })
    }

    /// Calls every unfinished job of another owner interrupted: with the data directory ours, that owner is dead.
    /// Returns them.
    pub(crate) fn interrupt_jobs(&self, owner: &str, now: Timestamp) -> Result<Vec<Job>, Fault> {
        self.transact(async |c| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "{COLUMNS} WHERE state IN ('queued', 'running') AND owner <> ?"
            )))
            .bind(owner)
            .fetch_all(&mut *c)
            .await?;
            let mut jobs = Vec::new();
            for row in &rows {
                let mut job = job(row)?;
                job.state = JobState::Interrupted;
                job.ended_at = Some(now);
                job.fault = Some(Fault::new(Code::JobInterrupted).with("job", job.id));
                sqlx::query(
                    "UPDATE jobs SET state = 'interrupted', ended_at = ?, fault = ? WHERE id = ?",
                )
                .bind(nanos(now))
                .bind(job.fault.as_ref().map(stored::write_fault))
                .bind(job.id.to_string())
                .execute(&mut *c)
                .await?;
                jobs.push(job);
            }
            Ok(jobs)
        })
    }

    /// Returns interrupted jobs that nobody repeated: no later job of the same kind is about the same thing, and
    /// they were not repetitions themselves. Of those that work on no replica it is the server's own round.
    pub(crate) fn jobs_to_retry(&self) -> Result<Vec<Job>, Fault> {
        self.transact(async |c| {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "{COLUMNS} AS old WHERE state = 'interrupted' AND retry_of IS NULL \
                 AND (exclusive = 1 OR kind = 'expire' AND source IS NULL) \
                 AND NOT EXISTS (SELECT 1 FROM jobs AS new WHERE new.source IS old.source \
                     AND (new.exclusive = 1 OR new.source IS NULL AND new.kind = old.kind) \
                     AND new.number > old.number) \
                 ORDER BY number"
            )))
            .fetch_all(c)
            .await?
            .iter()
            .map(job)
            .collect()
        })
    }

    /// Writes down the repetition of an interrupted job; what was due and waited for the old one waits for it.
    pub(crate) fn insert_retry(
        &self,
        job: &Job,
        old: &JobId,
        owner: &str,
    ) -> Result<Result<(), JobId>, Fault> {
        self.transact(async |c| {
            let inserted = insert(c, job, owner).await?;
            if inserted.is_ok() {
                sqlx::query("UPDATE occurrences SET job = ? WHERE job = ?")
                    .bind(job.id.to_string())
                    .bind(old.to_string())
                    .execute(c)
                    .await?;
            }
            Ok(inserted)
        })
    }

    /// Returns jobs, newest first, without their warnings.
    pub(crate) fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, Fault> {
        let limit = match filter.limit {
            0 => -1,
            limit => i64::from(limit),
        };
        self.transact(async |c| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "{COLUMNS} WHERE (?1 IS NULL OR source = ?1) \
                 AND (NOT ?2 OR state IN ('queued', 'running')) ORDER BY number DESC LIMIT ?3"
            )))
            .bind(filter.source.map(|id| id.to_string()))
            .bind(filter.unfinished)
            .bind(limit)
            .fetch_all(c)
            .await?;
            rows.iter().map(job).collect()
        })
    }

    /// Returns the jobs whose id begins with `prefix`, at most `limit`, with steps and warnings.
    pub(crate) fn jobs_like(&self, prefix: &str, limit: u32) -> Result<Vec<Job>, Fault> {
        self.transact(async |c| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "{COLUMNS} WHERE substr(id, 1, length(?1)) = ?1 LIMIT ?2"
            )))
            .bind(prefix)
            .bind(limit)
            .fetch_all(&mut *c)
            .await?;
            let mut jobs = Vec::new();
            for row in &rows {
                let mut job = job(row)?;
                job.steps = steps(c, &job.id).await?;
                job.warnings = warnings(c, &job.id).await?;
                jobs.push(job);
            }
            Ok(jobs)
        })
    }

    /// Returns the unfinished job that works on a replica.
    pub(crate) fn job_on_replica(&self, source: &SourceId) -> Result<Option<JobId>, Fault> {
        self.transact(async |c| on_replica(c, source).await)
    }

    /// Returns when a job that did what it should ended last of those that work on a source's replica, not after `now`.
    pub(crate) fn last_success(
        &self,
        source: &SourceId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        self.transact(async |c| {
            let ended: Option<i64> = sqlx::query_scalar(
                "SELECT max(ended_at) FROM jobs WHERE source = ? AND exclusive = 1 \
                 AND state IN ('succeeded', 'succeeded-with-warnings') AND ended_at <= ?",
            )
            .bind(source.to_string())
            .bind(nanos(now))
            .fetch_one(c)
            .await?;
            Ok(ended.map(at))
        })
    }

    /// Returns the newest job of a source that is over and worked on its replica.
    pub(crate) fn last_replica_job(&self, source: &SourceId) -> Result<Option<Job>, Fault> {
        self.transact(async |c| {
            let row = sqlx::query(sqlx::AssertSqlSafe(format!(
                "{COLUMNS} WHERE source = ? AND exclusive = 1 AND state NOT IN ('queued', 'running') \
                 ORDER BY number DESC LIMIT 1"
            )))
            .bind(source.to_string())
            .fetch_optional(c)
            .await?;
            row.as_ref().map(job).transpose()
        })
    }
}

async fn on_replica(c: &mut SqliteConnection, source: &SourceId) -> sqlx::Result<Option<JobId>> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE source = ? AND exclusive = 1 AND state IN ('queued', 'running')",
    )
    .bind(source.to_string())
    .fetch_optional(c)
    .await?;
    id.map(|id| id.parse().map_err(|_| odd("id"))).transpose()
}

/// Inserts a job; the unique index says no if its replica is taken, and then the other job's id is returned.
pub(super) async fn insert(
    c: &mut SqliteConnection,
    job: &Job,
    owner: &str,
) -> sqlx::Result<Result<(), JobId>> {
    if job.kind.is_exclusive()
        && let Some(source) = &job.source
        && let Some(other) = on_replica(c, source).await?
    {
        return Ok(Err(other));
    }
    sqlx::query(
        "INSERT INTO jobs (id, kind, source, spec, cause, state, exclusive, owner, lease_until, \
         queued_at, retry_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.to_string())
    .bind(job.kind.name())
    .bind(job.source.map(|id| id.to_string()))
    .bind(stored::write_spec(&job.spec))
    .bind(job.cause.name())
    .bind(job.state.name())
    .bind(job.kind.is_exclusive())
    .bind(owner)
    .bind(nanos(job.lease_until))
    .bind(nanos(job.queued_at))
    .bind(job.retry_of.map(|id| id.to_string()))
    .execute(c)
    .await?;
    Ok(Ok(()))
}

/// Writes a job's row and steps; returns whether it has a row.
async fn update(c: &mut SqliteConnection, job: &Job) -> sqlx::Result<bool> {
    let updated = sqlx::query(
        "UPDATE jobs SET state = ?, lease_until = ?, started_at = ?, ended_at = ?, point = ?, fault = ?, \
         bytes_done = ?, bytes_total = ?, files_done = ?, files_total = ?, warnings = ?, report = ? WHERE id = ?",
    )
    .bind(job.state.name())
    .bind(nanos(job.lease_until))
    .bind(job.started_at.map(nanos))
    .bind(job.ended_at.map(nanos))
    .bind(job.point().map(|id| id.to_string()))
    .bind(job.fault.as_ref().map(stored::write_fault))
    .bind(small(job.progress.bytes_done))
    .bind(job.progress.bytes_total.map(small))
    .bind(small(job.progress.files_done))
    .bind(job.progress.files_total.map(small))
    .bind(small(job.warning_count))
    .bind(job.report.as_ref().map(stored::write_report))
    .bind(job.id.to_string())
    .execute(&mut *c)
    .await?;
    for (number, run) in job.steps.iter().enumerate() {
        sqlx::query("INSERT OR REPLACE INTO job_steps VALUES (?, ?, ?, ?, ?)")
            .bind(job.id.to_string())
            .bind(small(number as u64))
            .bind(run.step.name())
            .bind(nanos(run.started_at))
            .bind(run.ended_at.map(nanos))
            .execute(&mut *c)
            .await?;
    }
    Ok(updated.rows_affected() > 0)
}

async fn steps(c: &mut SqliteConnection, job: &JobId) -> sqlx::Result<Vec<StepRun>> {
    let rows: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
        "SELECT step, started_at, ended_at FROM job_steps WHERE job = ? ORDER BY number",
    )
    .bind(job.to_string())
    .fetch_all(c)
    .await?;
    let run = |(step, started_at, ended_at): (String, i64, Option<i64>)| {
        Ok(StepRun {
            step: Step::parse(&step).ok_or_else(|| odd("step"))?,
            started_at: at(started_at),
            ended_at: ended_at.map(at),
        })
    };
    rows.into_iter().map(run).collect()
}

async fn warnings(c: &mut SqliteConnection, job: &JobId) -> sqlx::Result<Vec<JobWarning>> {
    use std::os::unix::ffi::OsStringExt;
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT path, reason FROM job_warnings WHERE job = ? ORDER BY number")
            .bind(job.to_string())
            .fetch_all(c)
            .await?;
    let warning = |(path, reason)| JobWarning {
        path: std::ffi::OsString::from_vec(path).into(),
        reason,
    };
    Ok(rows.into_iter().map(warning).collect())
}

fn job(row: &SqliteRow) -> sqlx::Result<Job> {
    let text = |column: &'static str| row.try_get::<String, _>(column);
    let maybe = |column: &'static str| row.try_get::<Option<String>, _>(column);
    let time = |column: &'static str| row.try_get::<Option<i64>, _>(column).map(|t| t.map(at));
    let total = |column: &'static str| {
        let n: Option<i64> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(n.map(i64::unsigned_abs))
    };
    let count = |column: &'static str| Ok::<_, sqlx::Error>(total(column)?.unwrap_or(0));
    Ok(Job {
        id: text("id")?.parse().map_err(|_| odd("id"))?,
        kind: JobKind::parse(&text("kind")?).ok_or_else(|| odd("kind"))?,
        source: match maybe("source")? {
            Some(id) => Some(id.parse().map_err(|_| odd("source"))?),
            None => None,
        },
        spec: stored::read_spec(&text("spec")?).unwrap_or(JobSpec::Replica),
        cause: Cause::parse(&text("cause")?).ok_or_else(|| odd("cause"))?,
        state: JobState::parse(&text("state")?).ok_or_else(|| odd("state"))?,
        queued_at: at(row.try_get("queued_at")?),
        started_at: time("started_at")?,
        ended_at: time("ended_at")?,
        lease_until: at(row.try_get("lease_until")?),
        retry_of: maybe("retry_of")?.and_then(|id| id.parse().ok()),
        steps: Vec::new(),
        progress: Progress {
            bytes_done: count("bytes_done")?,
            bytes_total: total("bytes_total")?,
            files_done: count("files_done")?,
            files_total: total("files_total")?,
            ..Progress::default()
        },
        warning_count: count("warnings")?,
        warnings: Vec::new(),
        fault: maybe("fault")?.and_then(|text| stored::read_fault(&text)),
        report: maybe("report")?.and_then(|text| stored::read_report(&text)),
    })
}
