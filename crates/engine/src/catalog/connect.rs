//! Opening and closing the database file, and a database in memory where there can be no file.
//!
//! A file is believed if it was closed in order, or if SQLite's integrity check finds nothing. One that is
//! damaged is moved aside, never deleted: its history may be worth a look.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Env, Fault, fault::Code};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{Opened, damaged, fault, primary_code, reason};

mod memory;

pub(super) use memory::in_memory;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The tables that the migrations make.
const TABLES: [&str; 12] = [
    "alerts",
    "configs",
    "heartbeats",
    "job_steps",
    "job_warnings",
    "jobs",
    "meta",
    "occurrences",
    "plans",
    "points",
    "replica_states",
    "replicas",
];
/// How long a statement waits for another process that has the file open, such as a copying tool.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Earlier versions can corrupt a database in WAL mode (the WAL-reset bug, fixed in 3.51.3).
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// Why a file cannot be used as it is.
enum Trouble {
    /// It is not what was written: begin anew.
    Damaged(String),
    /// Anything else: stop.
    Stop(Fault),
}

/// Opens or begins the catalog at `path`.
pub(super) async fn open(path: &Path, env: &Env) -> Result<(SqliteConnection, Opened), Fault> {
    let existed = path
        .try_exists()
        .map_err(|e| damaged(path, "its directory cannot be read").because(e))?;
    let mut opened = Opened::default();
    match attempt(path).await {
        Ok(connection) => {
            if !existed {
                opened.rebuilt = Some("there was none".to_owned());
            }
            return Ok((connection, opened));
        }
        Err(Trouble::Stop(fault)) => return Err(fault),
        Err(Trouble::Damaged(reason)) => {
            let kept = move_aside(path, env)?;
            tracing::warn!(%reason, kept = %kept.display(), "the catalog is damaged");
            opened.rebuilt = Some(reason);
        }
    }
    match attempt(path).await {
        Ok(connection) => Ok((connection, opened)),
        Err(Trouble::Stop(fault)) => Err(fault),
        Err(Trouble::Damaged(reason)) => Err(damaged(path, reason)),
    }
}

async fn attempt(path: &Path) -> Result<SqliteConnection, Trouble> {
    let sort = |e: sqlx::Error| match is_damage(&e) {
        true => Trouble::Damaged(reason(&e)),
        false => Trouble::Stop(fault(path, e)),
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(sort)?;
    assert_version(&mut connection).await.map_err(sort)?;
    refuse_newer(&mut connection, path).await?;
    if !closed_in_order(&mut connection).await.map_err(sort)? {
        check(&mut connection).await?;
    }
    if let Err(e) = MIGRATIONS.run(&mut connection).await {
        return Err(match e {
            sqlx::migrate::MigrateError::Execute(e)
            | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => sort(e),
            // Migrations that were changed or half done: the tables are not the ones this program knows.
            other => Trouble::Damaged(other.to_string()),
        });
    }
    has_every_table(&mut connection).await?;
    mark(&mut connection, false).await.map_err(sort)?;
    Ok(connection)
}

/// Notices tables that somebody has taken away: nothing else would, and every command would fail on them.
async fn has_every_table(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    for table in TABLES {
        let there = has_table(connection, table).await;
        match there.map_err(|e| Trouble::Damaged(reason(&e)))? {
            true => {}
            false => return Err(Trouble::Damaged(format!("the table {table} is missing"))),
        }
    }
    Ok(())
}

/// Closes the file; `clean` says that nothing odd was seen while it was open.
pub(super) async fn close(mut connection: SqliteConnection, clean: bool) -> sqlx::Result<()> {
    if clean {
        mark(&mut connection, true).await?;
    }
    connection.close().await
}

/// Returns whether an error means that the file's bytes are not what was written.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        // SQLITE_CORRUPT and SQLITE_NOTADB, with their extended codes.
        sqlx::Error::Database(_) => matches!(primary_code(error), Some(11 | 26)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => true,
        _ => false,
    }
}

async fn assert_version(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let found = (next(), next(), next());
    assert!(
        found >= SQLITE_VERSION_MIN,
        "SQLite {version} is linked, which can corrupt a catalog; 3.51.3 or later is needed"
    );
    Ok(())
}

/// Looks at the migrations the file has seen, before anything is written to it.
async fn refuse_newer(connection: &mut SqliteConnection, path: &Path) -> Result<(), Trouble> {
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    let found = newest_migration(connection).await.map_err(|e| {
        if is_damage(&e) {
            Trouble::Damaged(reason(&e))
        } else {
            Trouble::Stop(fault(path, e))
        }
    })?;
    if found <= known {
        return Ok(());
    }
    Err(Trouble::Stop(
        Fault::new(Code::CatalogVersionNewer)
            .with("path", path.display())
            .with("found", found)
            .with("supported", known),
    ))
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}

async fn newest_migration(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    if !has_table(connection, "_sqlx_migrations").await? {
        return Ok(0);
    }
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await?;
    Ok(newest.unwrap_or(0))
}

/// Returns whether there is nothing to doubt: the file is new, or says that it was closed in order.
async fn closed_in_order(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if !has_table(connection, "meta").await? {
        return Ok(true);
    }
    let clean: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'clean'")
        .fetch_optional(connection)
        .await?;
    Ok(clean.as_deref() == Some("1"))
}

async fn check(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    let found: Result<Vec<String>, _> = sqlx::query_scalar("PRAGMA integrity_check(10)")
        .fetch_all(connection)
        .await;
    match found {
        Ok(lines) if lines == ["ok"] => Ok(()),
        Ok(lines) => Err(Trouble::Damaged(lines.join("; "))),
        Err(e) => Err(Trouble::Damaged(reason(&e))),
    }
}

async fn mark(connection: &mut SqliteConnection, clean: bool) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO meta VALUES ('clean', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(if clean { "1" } else { "0" })
        .execute(connection)
        .await?;
    Ok(())
}

/// Renames the file and what SQLite keeps beside it; returns the new name.
fn move_aside(path: &Path, env: &Env) -> Result<PathBuf, Fault> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let time = env.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut kept = Cow::Owned(format!(".damaged-{time}"));
    let mut tries = 1;
    while beside(&kept).symlink_metadata().is_ok() {
        tries += 1;
        kept = Cow::Owned(format!(".damaged-{time}-{tries}"));
    }
    for part in ["", "-wal", "-shm"] {
        match std::fs::rename(beside(part), beside(&format!("{kept}{part}"))) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !part.is_empty() => {}
            Err(e) => return Err(damaged(path, "it cannot be moved aside").because(e)),
        }
    }
    Ok(beside(&kept))
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    fn run(catalog: &Catalog, statement: &'static str) {
        let ran = catalog.transact(async |c| {
            sqlx::query(statement).execute(c).await?;
            Ok(())
        });
        ran.expect("the statement is right");
    }

    #[test]
    fn a_catalog_from_a_newer_version_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.db");
        let (env, _) = testkit::env(1);
        let (catalog, _) = Catalog::open(&path, &env).unwrap();
        run(
            &catalog,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (99, 'of tomorrow', 1, x'00', 0)",
        );
        run(&catalog, "CREATE TABLE of_tomorrow (a TEXT) STRICT");
        catalog.close().unwrap();
        let before = std::fs::read(&path).unwrap();

        let fault = Catalog::open(&path, &env).map(|_| ()).unwrap_err();
        assert_eq!(fault.code, Code::CatalogVersionNewer);
        assert_eq!(fault.param("found"), Some("99"));
        assert_eq!(fault.param("supported"), Some("1"));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_catalog_that_cannot_be_opened_is_the_disks_trouble_not_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = testkit::env(1);
        let path = dir.path().join("catalog.db");
        std::fs::create_dir(&path).unwrap();
        let fault = Catalog::open(&path, &env).map(|_| ()).unwrap_err();
        assert_eq!(fault.code, Code::DataDirectoryUnwritable);
    }

    #[test]
    fn every_table_that_is_made_is_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = testkit::env(1);
        let (catalog, _) = Catalog::open(&dir.path().join("catalog.db"), &env).unwrap();
        let made = catalog.transact(async |c| {
            let names = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                         AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%' ORDER BY name";
            sqlx::query_scalar(names).fetch_all(c).await
        });
        let made: Vec<String> = made.unwrap();
        assert_eq!(made, TABLES);
    }

    #[test]
    fn a_catalog_is_durable_at_every_commit() {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = testkit::env(1);
        let (catalog, _) = Catalog::open(&dir.path().join("catalog.db"), &env).unwrap();
        let pragmas: (String, i64) = catalog
            .transact(async |c| {
                let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *c);
                let mode = mode.await?;
                let full = sqlx::query_scalar("PRAGMA synchronous").fetch_one(c);
                Ok((mode, full.await?))
            })
            .unwrap();
        assert_eq!(pragmas, ("wal".to_owned(), 2));
    }

    #[test]
    fn a_transaction_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = testkit::env(1);
        let (catalog, _) = Catalog::open(&dir.path().join("catalog.db"), &env).unwrap();
        let failed = catalog.transact(async |c| {
            sqlx::query("INSERT INTO heartbeats VALUES ('x', 1)")
                .execute(&mut *c)
                .await?;
            sqlx::query("INSERT INTO nowhere VALUES (1)")
                .execute(c)
                .await?;
            Ok(())
        });
        assert_eq!(failed.unwrap_err().code, Code::Internal);
        assert_eq!(catalog.last_beat("x").unwrap(), None);
    }
}
