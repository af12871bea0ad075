//! How a data directory begins with a pool that is there already: the server that made it is lost.
//!
//! The order makes every interruption harmless. First a file says that an adoption is under way, and where the pool is: while it is
//! there, nobody but another adoption opens the data directory, so that no empty pool is made in the place of one whose disk is not
//! mounted, and nothing is synchronized or expires. Then the key, a link to the pool, the catalog from the pool's log, and in that log that
//! the protection of every member is stopped. Last, the file goes. Whatever was begun is done again from the first step:
//! docs/decisions/0016-adoption.md.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use base::fault::Code;
use base::limits::KEY_FILE_BYTES_MAX;
use base::{Fault, SourceId};
use engine::Home;
use format::keys::{KeyFile, Unlock};
use store::Store;

use crate::backend::Local;
use crate::command::up::shell_word;
use crate::host::{is_there, unreadable};
use crate::session::Manner;
use crate::world::World;

/// What is left of the catalog of an adoption that was interrupted: it comes from the pool's log again.
const CATALOG: [&str; 3] = ["catalog.db", "catalog.db-wal", "catalog.db-shm"];

/// A pool to adopt.
#[derive(Clone, Copy, Debug)]
pub struct Adopt<'a> {
    /// Its directory.
    pub pool: &'a Path,
    /// The file with its key.
    pub key: &'a Path,
}

/// A pool that can be adopted, with the key that opens it.
struct Found {
    pool: PathBuf,
    key: KeyFile,
}

/// Adopts a pool into a data directory, and lets `look` see what it holds, with the group of each source, before the last step.
///
/// # Errors
/// - `KeyFileUnusable`, `StoreKeyWrong`, `PoolMissing`, `PoolNotAPool`, `StoreVersionUnsupported`, `PoolOwned`, `AdoptionReadOnly`:
///   nothing was touched.
/// - `DataDirectoryInUse`, `DataDirectoryBusy`: nothing that was there was.
/// - The store's and the engine's own, and what `look` returned: the same command goes on.
pub fn adopt<T>(
    world: &mut World,
    data_dir: &Path,
    manner: Manner,
    adopt: &Adopt<'_>,
    look: impl FnOnce(&Local, Vec<(SourceId, String)>) -> T,
) -> Result<T, Fault> {
    let found = find(world, adopt)?;
    let home = Home::claim(data_dir, &world.env, &world.command_line)?;
    if let Some(fault) = home.read_only() {
        return Err(fault);
    }
    refuse_taken(&home, &found)?;
    let failed = |e| unreadable(home.path(), e);
    put_durably(&home.adoption(), found.pool.as_os_str().as_bytes()).map_err(failed)?;
    put_durably(&home.key_file(), found.key.to_text().as_bytes()).map_err(failed)?;
    link_pool(&home, &found.pool).map_err(failed)?;
    for name in CATALOG {
        remove_if_there(&home.path().join(name)).map_err(failed)?;
    }
    let (path, adoption) = (home.path().to_owned(), home.adoption());
    let local = Local::adopting(world, home, manner)?;
    let stopped = local.stop_all_members()?;
    let seen = look(&local, stopped);
    // Only from here on may anybody else open it: the catalog is complete, and nothing is due.
    let ended = fs::remove_file(&adoption).and_then(|()| File::open(&path)?.sync_all());
    local.close(world);
    ended.map_err(|e| unreadable(&path, e))?;
    Ok(seen)
}

/// Refuses a data directory whose pool is being adopted.
///
/// # Errors
/// `AdoptionUnfinished`.
pub fn refuse_unfinished(home: &Home) -> Result<(), Fault> {
    match fs::read(home.adoption()) {
        Ok(pool) => Err(Fault::new(Code::AdoptionUnfinished)
            .with("path", home.path().display())
            .with("pool", typed(Path::new(OsStr::from_bytes(&pool))))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(unreadable(&home.adoption(), e)),
    }
}

/// Returns a path as it is typed in a command.
fn typed(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// Looks at pool and key, and changes nothing.
fn find(world: &World, adopt: &Adopt<'_>) -> Result<Found, Fault> {
    let (pool, path) = (world.absolute(adopt.pool), world.absolute(adopt.key));
    let key = read_key(&path)?;
    let missing = |e| {
        Fault::new(Code::PoolMissing)
            .with("path", pool.display())
            .because(e)
    };
    let pool = fs::canonicalize(&pool).map_err(missing)?;
    if !pool.is_dir() {
        return Err(Fault::new(Code::PoolNotAPool).with("path", pool.display()));
    }
    let unlock = Unlock::KeyFile(key.clone());
    match Store::try_at(&pool, &unlock, &world.env, &world.command_line) {
        Ok(_) => Ok(Found { pool, key }),
        Err(fault) if fault.code == Code::PoolReadOnly => Err(Fault::new(Code::AdoptionReadOnly)
            .with("pool", typed(&pool))
            .with("key", typed(&path))
            .because(fault)),
        Err(fault) if fault.code == Code::StoreKeyWrong => Err(Fault::new(Code::StoreKeyWrong)
            .with("path", path.display())
            .because(fault)),
        Err(fault) => Err(fault),
    }
}

fn read_key(path: &Path) -> Result<KeyFile, Fault> {
    let unusable = |reason: String| {
        Fault::new(Code::KeyFileUnusable)
            .with("path", path.display())
            .with("reason", reason)
    };
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text));
    read.map_err(|e| unusable(e.to_string()).because(e))?;
    let key = KeyFile::parse(&String::from_utf8_lossy(&text));
    key.map_err(|e| unusable(e.to_string()).because(e))
}

/// Refuses a data directory that holds anything that an adoption did not put there. The same pool or key may be in its place already.
fn refuse_taken(home: &Home, found: &Found) -> Result<(), Fault> {
    let taken = |path: PathBuf| {
        Fault::new(Code::DataDirectoryInUse)
            .with("path", home.path().display())
            .with("found", path.display())
    };
    let pool = home.pool();
    let link = fs::symlink_metadata(&pool).ok();
    let is_same = fs::canonicalize(&pool).is_ok_and(|real| real == found.pool);
    let begun = is_there(&home.adoption())?;
    // An adoption that was interrupted may have led elsewhere.
    let may_be_replaced = |link: &fs::Metadata| is_same || begun && link.is_symlink();
    if link.is_some_and(|link| !may_be_replaced(&link)) {
        return Err(taken(pool));
    }
    if begun {
        return Ok(());
    }
    let key = home.key_file();
    if is_there(&key)? && read_key(&key).ok().map(|key| key.to_text()) != Some(found.key.to_text())
    {
        return Err(taken(key));
    }
    match is_there(&home.catalog())? {
        true => Err(taken(home.catalog())),
        false => Ok(()),
    }
}

/// Makes the data directory lead to the pool, durably.
fn link_pool(home: &Home, pool: &Path) -> io::Result<()> {
    let link = home.pool();
    if fs::canonicalize(&link).is_ok_and(|real| real == pool) {
        return File::open(home.path())?.sync_all();
    }
    let temporary = link.with_extension("new");
    remove_if_there(&temporary)?;
    symlink(pool, &temporary)?;
    fs::rename(&temporary, &link)?;
    File::open(home.path())?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Writes a file that only its owner may read: whole and durable, or as it was.
///
/// # Errors
/// As the system says.
pub fn put_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
