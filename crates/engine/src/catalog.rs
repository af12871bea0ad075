//! The server's memory: an SQLite database that can be thrown away.
//!
//! What is configured, which points there are and where replicas stand is a projection of the pool's log, up
//! to `applied_seq`; jobs, the ledger and alerts are this server's own history. Losing the file loses the
//! history and nothing else: [`Catalog::open`] moves an unreadable one aside and starts anew, and
//! [`Catalog::follow`] fills it from the log.
//!
//! The only module of this crate that knows SQL. One connection, one private runtime: calls take turns, each
//! is a short statement or one transaction. Callers are threads, never async tasks.

mod alerts;
mod connect;
mod jobs;
mod ledger;
mod project;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::{Env, Fault, Timestamp, fault::Code};
use sqlx::SqliteConnection;
use tokio::runtime::Runtime;

pub use alerts::Alert;
pub(crate) use jobs::JobFilter;
pub(crate) use ledger::{Claim, Due, LedgerEntry, Planned};
pub use project::Replica;
pub(crate) use project::SetBack;

/// The catalog, open.
pub(crate) struct Catalog {
    inner: Mutex<Inner>,
    path: PathBuf,
}

struct Inner {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
    /// A statement found the file damaged: it is not marked clean, so that the next opening looks closely.
    damaged: bool,
}

/// How an opening went.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// Why a new catalog was begun although there was one, or should have been one.
    pub(crate) rebuilt: Option<String>,
}

impl Catalog {
    /// Opens the catalog at `path`, or begins one. A damaged one is moved aside.
    ///
    /// # Errors
    /// - `CatalogVersionNewer`: written by a newer Dozo; nothing was changed.
    /// - `CatalogDamaged`: it cannot be opened, moved or begun.
    /// - `ResourcesExhausted`.
    pub(crate) fn open(path: &Path, env: &Env) -> Result<(Self, Opened), Fault> {
        let runtime = runtime()?;
        let (connection, opened) = runtime.block_on(connect::open(path, env))?;
        Ok((Self::of(runtime, connection, path), opened))
    }

    /// Begins one in memory, for a data directory where nothing can be written, with what the one at `path` knows as far as
    /// that can be read. The pool's log tells the rest.
    ///
    /// # Errors
    /// `CatalogDamaged`: it cannot be begun.
    pub(crate) fn in_memory(path: &Path) -> Result<Self, Fault> {
        let runtime = runtime()?;
        let connection = runtime.block_on(connect::in_memory(path))?;
        Ok(Self::of(runtime, connection, path))
    }

    fn of(runtime: Runtime, connection: SqliteConnection, path: &Path) -> Self {
        let inner = Inner {
            runtime,
            connection: Some(connection),
            damaged: false,
        };
        Self {
            inner: Mutex::new(inner),
            path: path.to_owned(),
        }
    }

    /// Closes it in order: the next opening need not look for damage.
    ///
    /// # Errors
    /// `CatalogDamaged`: it could not be written. Nothing is lost by that.
    pub(crate) fn close(&self) -> Result<(), Fault> {
        let mut inner = self.lock();
        let Some(connection) = inner.connection.take() else {
            return Ok(());
        };
        let clean = !inner.damaged;
        let closed = inner.runtime.block_on(connect::close(connection, clean));
        closed.map_err(|e| self.fault(e))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs statements that belong together: all of them happen, or none.
    fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> Result<T, Fault> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(connection) = inner.connection.as_mut() else {
            return Err(damaged(&self.path, "it was closed"));
        };
        let result = inner.runtime.block_on(async {
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut *connection)
                .await?;
            let result = work(connection).await;
            let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = sqlx::query(end).execute(&mut *connection).await;
            match (result, ended) {
                (Ok(value), Ok(_)) => Ok(value),
                (Ok(_), Err(e)) => {
                    // A commit that failed leaves the transaction open: nothing of it may reach the next one.
                    let rolled_back = sqlx::query("ROLLBACK").execute(connection).await;
                    tracing::debug!(?rolled_back, "a commit failed");
                    Err(e)
                }
                (Err(e), _) => Err(e),
            }
        });
        inner.damaged |= result.as_ref().is_err_and(connect::is_damage);
        drop(guard);
        result.map_err(|e| self.fault(e))
    }

    fn fault(&self, error: sqlx::Error) -> Fault {
        fault(&self.path, error)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalog {}", self.path.display())
    }
}

fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        // It asks for a few descriptors and nothing else: the file has not even been looked at.
        .map_err(Fault::exhausted)
}

/// Returns what an error of the database means to a user: the disk's trouble, damage, or a defect of this program.
fn fault(path: &Path, error: sqlx::Error) -> Fault {
    let fault = match primary_code(&error) {
        // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
        Some(5 | 6 | 8 | 10 | 13 | 14) => {
            let refusal = refusal(path);
            if let Some(fault) = refusal.as_ref().and_then(|e| Fault::of_exhaustion(e)) {
                return fault.because(error);
            }
            let reason = refusal.map_or_else(|| reason(&error), |refusal| refusal.to_string());
            Fault::new(Code::DataDirectoryUnwritable)
                .with("path", path.display())
                .with("reason", reason)
        }
        Some(11 | 26) => damaged(path, reason(&error)),
        Some(_) => Fault::new(Code::Internal).with("detail", reason(&error)),
        // Each connection has a thread, which it cannot do without; nothing else of the system is asked for directly.
        None if let sqlx::Error::Io(system) = &error => {
            Fault::new(Code::ResourcesExhausted).with("reason", system)
        }
        None => damaged(path, reason(&error)),
    };
    fault.because(error)
}

/// Returns what the system says when something is written beside the file: plainer than what SQLite makes of it.
fn refusal(path: &Path) -> Option<std::io::Error> {
    let beside = path.with_extension("try");
    let written = std::fs::write(&beside, [0; 4096]);
    // It may be there although it could not be filled.
    let _ = std::fs::remove_file(&beside);
    written.err()
}

/// Returns SQLite's result code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.map(|code| code & 0xff)
}

fn damaged(path: &Path, reason: impl fmt::Display) -> Fault {
    Fault::new(Code::CatalogDamaged)
        .with("path", path.display())
        .with("reason", reason)
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(e) => e.message().to_owned(),
        sqlx::Error::Io(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// A time as it is stored: nanoseconds since the epoch, clamped to what 64 bits hold (years 1677 to 2262).
fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at.as_second() < 0 {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos))
        .expect("64 bits of nanoseconds lie inside the calendar")
}

/// A column that does not hold what this program writes there.
fn odd(column: &'static str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "not a value this program writes".into(),
    }
}

fn small(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
