//! A catalog in memory, for a data directory where nothing can be written.
//!
//! It begins with everything that the file knows, so that jobs and alerts of before are shown and a pool that was set
//! back is noticed; the pool's log is followed from there. A file that cannot be read, or is another version's, costs its
//! history and nothing else: the log has the rest. The file is not touched; beside it SQLite may make the index of the
//! file's log that every reader of it needs.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base::Fault;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

use super::super::{damaged, fault, reason};
use super::MIGRATIONS;

/// How the file may be read. A file that was not closed in order has a log beside it, which needs the first way; one that
/// was has none, and none can be made, which needs the second: it looks at the file alone.
const WAYS: [&str; 2] = ["mode=ro", "immutable=1"];

/// Begins a catalog in memory with what the file at `path` knows.
pub(in crate::catalog) async fn in_memory(path: &Path) -> Result<SqliteConnection, Fault> {
    let options = SqliteConnectOptions::new().disable_statement_logging();
    let mut connection = options.connect().await.map_err(|e| fault(path, e))?;
    let migrated = MIGRATIONS.run(&mut connection).await;
    migrated.map_err(|e| damaged(path, e))?;
    if path.is_file() {
        for way in WAYS {
            match copy(&mut connection, path, way).await {
                Ok(()) => break,
                Err(e) => tracing::warn!(reason = %reason(&e), way, "the catalog cannot be read"),
            }
        }
    }
    Ok(connection)
}

/// Fills the tables from the file, or leaves them as they are.
async fn copy(c: &mut SqliteConnection, path: &Path, way: &str) -> sqlx::Result<()> {
    let attach = sqlx::query("ATTACH ? AS old").bind(uri(path, way));
    attach.execute(&mut *c).await?;
    let copied = copy_tables(c).await;
    let detached = sqlx::query("DETACH old").execute(c).await;
    copied.and(detached.map(drop))
}

async fn copy_tables(c: &mut SqliteConnection) -> sqlx::Result<()> {
    let version = "SELECT (SELECT max(version) FROM main._sqlx_migrations) \
                   = (SELECT max(version) FROM old._sqlx_migrations)";
    let same: Option<bool> = sqlx::query_scalar(version).fetch_one(&mut *c).await?;
    if same != Some(true) {
        return Err(sqlx::Error::Protocol("another version's tables".into()));
    }
    let check = sqlx::query_scalar("PRAGMA old.quick_check(1)");
    let found: String = check.fetch_one(&mut *c).await?;
    if found != "ok" {
        return Err(sqlx::Error::Protocol(found));
    }
    let names = "SELECT name FROM main.sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *c).await?;
    sqlx::query("BEGIN").execute(&mut *c).await?;
    let mut copied = Ok(());
    for name in names {
        let insert = format!("INSERT INTO main.{name} SELECT * FROM old.{name}");
        let inserted = sqlx::query(AssertSqlSafe(insert)).execute(&mut *c).await;
        copied = copied.and(inserted.map(drop));
    }
    let end = match copied {
        Ok(()) => "COMMIT",
        Err(_) => "ROLLBACK",
    };
    sqlx::query(end).execute(c).await?;
    copied
}

/// Returns how SQLite is told to open a file in some way.
fn uri(path: &Path, way: &str) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => write!(uri, "%{byte:02X}").expect("a text takes what is written"),
        }
    }
    uri.push('?');
    uri.push_str(way);
    uri
}
