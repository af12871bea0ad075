//! The index: where every chunk is, and what the log says, folded. A cache.
//!
//! One redb file, and beside it a filter ([`filter`]) that knows most of what is not there. Deleting them costs time, never data: it is rebuilt from the log and the trailers of the packs
//! the log names. Everything here is therefore written without waiting for the disk; every
//! [`SYNC_PACKS`] packs, and when the store closes, it is made to last.
//!
//! Invariants: a chunk is only ever indexed from a [`DurablePack`]; a pack is *loose* until a log record
//! names it, and a session finds only its own loose packs ([`Index::find_for`]), because a pack that no record
//! names may never be relied upon by anyone else, and no session finds what is in a *condemned* one; `applied` names the last log record that is folded in, with its hash;
//! what a read finds missing or damaged makes its whole pack *doubted*, so that writers store its chunks anew and the new
//! places take over; a pack counts the chunks that are found in it, and one that is doubted and has none left harms nobody.

mod facts;
mod filter;
mod live;
mod lookup;
mod packs;
mod projection;
mod recent;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

use base::{ChunkId, PackName, SessionId, StoreId};
use format::pack::TocEntry;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableError, WriteTransaction,
};

use crate::durable::DurablePack;

use filter::Filter;
pub(crate) use live::Live;
pub(crate) use projection::{Applied, Entry, packs_of};
pub(crate) use recent::Found;
use recent::Recent;
pub(crate) use rows::{Location, PackRow, PackState};

/// The file's name inside the cache directory.
const FILE: &str = "index.redb";
/// Raised when the tables change: an index of another number is thrown away and rebuilt.
const SCHEMA: u32 = 8;
/// Loose packs between two commits that reach the disk (1 GiB of packs: what a crash makes us read trailers for).
const SYNC_PACKS: u32 = 64;
/// Memory redb may use.
const CACHE_BYTES: usize = 64 << 20;

/// Chunk id to the ordinal of the pack where it is found.
const CHUNKS: TableDefinition<'_, [u8; 32], u32> = TableDefinition::new("chunks");
/// Ordinal to what the pack holds: neighbours in a source are in one row, or in rows beside one another.
const CONTENTS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("contents");
/// Ordinal to pack ([`PackRow`]). Ordinals keep a chunk's row small.
const PACKS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("packs");
/// Ordinals of the packs that are loose: few, however many packs there are.
const LOOSE_PACKS: TableDefinition<'_, u32, ()> = TableDefinition::new("loose_packs");
/// Ordinals of the packs that are condemned: few, most of the time none.
const CONDEMNED_PACKS: TableDefinition<'_, u32, ()> = TableDefinition::new("condemned_packs");
/// Names and classes of the packs that the log has deleted and whose objects may still be there.
const DELETED_PACKS: TableDefinition<'_, [u8; 32], u8> = TableDefinition::new("deleted_packs");
/// Pack name to ordinal.
const PACK_ORDINALS: TableDefinition<'_, [u8; 32], u32> = TableDefinition::new("pack_ordinals");
/// Domain and generation to how many chunks and tables of contents were sealed under it, as far as packs are known.
const SEALED: TableDefinition<'_, (u32, u32), u64> = TableDefinition::new("sealed");
/// Schema, store, applied, anchor, rows in the filter.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Where an index is kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this directory, in a file of its own.
    Directory(PathBuf),
    /// In memory: rebuilt at every open. For tests and for one-off commands on a store that is not ours.
    Memory,
}

impl From<&Path> for Place {
    fn from(directory: &Path) -> Self {
        Self::Directory(directory.to_path_buf())
    }
}

impl From<&PathBuf> for Place {
    fn from(directory: &PathBuf) -> Self {
        Self::Directory(directory.clone())
    }
}

/// What went wrong with the index. None of it concerns the store's data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// The cache directory cannot be used.
    #[error("cannot use {path}")]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The database failed.
    #[error("the chunk index failed")]
    Database(#[source] Box<redb::Error>),
    /// A row does not decode.
    #[error("the chunk index holds a row that makes no sense")]
    Row,
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for IndexError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}
from_redb!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    TableError,
    redb::TransactionError
);

/// Who asks where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A reader: any durable copy will do.
    Reader,
    /// A session that wants to refer to it instead of writing it.
    Writer(SessionId),
}

/// What becomes of chunks of a new pack that a logged pack has as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    /// They stay where they were: two sessions stored them at the same time.
    Stay,
    /// The new copies take over: they are the later ones in the log, or every byte of them has just been verified.
    TakeOver,
}

/// The open index.
pub(crate) struct Index {
    database: Database,
    store: StoreId,
    directory: Option<PathBuf>,
    /// Read from its file when it is first needed. Taken inside a transaction that writes, never the other way round.
    filter: RwLock<Option<Filter>>,
    recent: Recent,
    packs_since_sync: AtomicU32,
}

impl Index {
    /// Opens the index of `store`, or makes an empty one if there is none, if it is another store's, of another
    /// schema, or damaged.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn open(place: &Place, store: &StoreId) -> Result<Self, IndexError> {
        let Place::Directory(directory) = place else {
            let memory = redb::backends::InMemoryBackend::new();
            let database = Self::builder().create_with_backend(memory)?;
            return Self::of(database, store, None).emptied();
        };
        let at = |source| IndexError::Directory {
            path: directory.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(at)?;
        let file = directory.join(FILE);
        match Self::builder().create(&file) {
            Ok(database) => {
                let index = Self::of(database, store, Some(directory));
                match index.is_of(store) {
                    Ok(true) => return Ok(index),
                    Ok(false) | Err(_) => drop(index),
                }
            }
            Err(error @ redb::DatabaseError::DatabaseAlreadyOpen) => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "the chunk index is unusable, building it anew"),
        }
        if let Err(source) = std::fs::remove_file(&file)
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(at(source));
        }
        Self::of(Self::builder().create(&file)?, store, Some(directory)).emptied()
    }

    fn builder() -> redb::Builder {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder
    }

    fn of(database: Database, store: &StoreId, directory: Option<&PathBuf>) -> Self {
        Self {
            database,
            store: *store,
            directory: directory.cloned(),
            filter: RwLock::default(),
            recent: Recent::default(),
            packs_since_sync: AtomicU32::new(0),
        }
    }

    fn is_of(&self, store: &StoreId) -> Result<bool, IndexError> {
        let read = self.database.begin_read()?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let same = |key, value: &[u8]| -> Result<bool, IndexError> {
            Ok(meta.get(key)?.is_some_and(|row| row.value() == value))
        };
        Ok(same("schema", &SCHEMA.to_le_bytes())? && same("store", &store.0)?)
    }

    /// Empties it, so that the whole log is folded anew.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn reset(&self) -> Result<(), IndexError> {
        let write = self.database.begin_write()?;
        self.empty_filter()?;
        self.recent.clear();
        for table in write.list_tables()?.collect::<Vec<_>>() {
            write.delete_table(table)?;
        }
        {
            let mut meta = write.open_table(META)?;
            meta.insert("schema", SCHEMA.to_le_bytes().as_slice())?;
            meta.insert("store", self.store.0.as_slice())?;
            write.open_table(CHUNKS)?;
            write.open_table(CONTENTS)?;
            write.open_table(PACKS)?;
            write.open_table(LOOSE_PACKS)?;
            write.open_table(CONDEMNED_PACKS)?;
            write.open_table(DELETED_PACKS)?;
            write.open_table(PACK_ORDINALS)?;
            write.open_table(SEALED)?;
            projection::open_tables(&write)?;
        }
        Ok(write.commit()?)
    }

    fn emptied(self) -> Result<Self, IndexError> {
        self.reset()?;
        Ok(self)
    }

    /// Starts a transaction that does not wait for the disk.
    fn write(&self) -> Result<WriteTransaction, IndexError> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::None)?;
        Ok(write)
    }

    /// Makes everything so far survive the process.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn sync(&self) -> Result<(), IndexError> {
        let mut write = self.database.begin_write()?;
        self.write_filter(&write)?;
        // Opens at once after a crash, whatever the index's size.
        write.set_quick_repair(true);
        write.commit()?;
        self.packs_since_sync.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Indexes the chunks of `pack`, which stays loose, written by `session`, until the log names it.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn insert(
        &self,
        session: &SessionId,
        pack: &DurablePack,
        copies: Copies,
    ) -> Result<(), IndexError> {
        let write = self.write()?;
        self.add_to_filter(pack.entries().iter().map(|entry| &entry.id))?;
        packs::insert(&write, pack, PackState::Loose, session, copies)?;
        write.commit()?;
        if self.packs_since_sync.fetch_add(1, Ordering::Relaxed) >= SYNC_PACKS {
            self.sync()?;
        }
        Ok(())
    }

    /// Adds packs that the log names with what they hold, but not the rows of their chunks: half of what indexing so many
    /// leaves, without the hours. Only for [`crate::IndexProbe`].
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn fill_packs(
        &self,
        packs: impl Iterator<Item = (PackRow, Vec<TocEntry>)>,
    ) -> Result<(), IndexError> {
        let write = self.write()?;
        for (row, entries) in packs {
            let ordinal = packs::put(&write, &row)?;
            let contents = rows::encode_contents(&entries);
            write
                .open_table(CONTENTS)?
                .insert(ordinal, contents.as_slice())?;
        }
        Ok(write.commit()?)
    }

    /// Adds the rows of chunks by their packs' ordinals, and makes them last, but not the filter: the other half.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn fill_chunks(
        &self,
        chunks: impl Iterator<Item = (u32, ChunkId)>,
    ) -> Result<(), IndexError> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(CHUNKS)?;
            for (ordinal, id) in chunks {
                self.add_to_filter([&id])?;
                table.insert(id.0, ordinal)?;
            }
        }
        Ok(write.commit()?)
    }

    /// Notes that a pack is missing or damaged: no writer relies on it any more, and chunks stored anew take over.
    /// One bad chunk is enough: where one sector went others did, and storing a pack's content twice costs little. Returns
    /// whether that was news.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn doubt(&self, name: &PackName) -> Result<bool, IndexError> {
        let trusted = |row: &PackRow| matches!(row.state, PackState::Loose | PackState::Logged);
        if !self.pack(name)?.as_ref().is_some_and(trusted) {
            return Ok(false);
        }
        let write = self.write()?;
        let row = packs::find(&write, name)?.filter(trusted);
        if let Some(mut row) = row.clone() {
            row.state = PackState::Doubted;
            packs::put(&write, &row)?;
        }
        write.commit()?;
        Ok(row.is_some())
    }

    /// Notes that a pack which was missing or damaged is whole again. What was stored anew meanwhile stays where it is.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn mend(&self, pack: &DurablePack) -> Result<(), IndexError> {
        let write = self.write()?;
        self.add_to_filter(pack.entries().iter().map(|entry| &entry.id))?;
        if let Some(row) = packs::find(&write, &pack.name())?.filter(PackRow::is_bad) {
            packs::insert(&write, pack, PackState::Logged, &row.session, Copies::Stay)?;
            if let Some(row) = packs::find(&write, &pack.name())? {
                // It is looked at first by the next verification, and what was there is kept until then.
                let row = PackRow {
                    verified_s: 0,
                    ..row
                };
                packs::put(&write, &row)?;
            }
        }
        Ok(write.commit()?)
    }

    /// Notes that packs were read in full and found whole.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn note_verified(&self, names: &[PackName], at_s: u64) -> Result<(), IndexError> {
        let write = self.write()?;
        for name in names {
            if let Some(row) = packs::find(&write, name)? {
                let row = PackRow {
                    verified_s: at_s,
                    ..row
                };
                packs::put(&write, &row)?;
            }
        }
        Ok(write.commit()?)
    }

    /// Returns what a pack holds, as far as that is known.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn held_by(&self, name: &PackName) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let read = self.database.begin_read()?;
        let Some(ordinal) = read.open_table(PACK_ORDINALS)?.get(name.0)? else {
            return Ok(Vec::new());
        };
        match read.open_table(CONTENTS)?.get(ordinal.value())? {
            Some(row) => rows::decode_contents(*name, row.value()),
            None => Ok(Vec::new()),
        }
    }

    /// Returns a pack by name.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn pack(&self, name: &PackName) -> Result<Option<PackRow>, IndexError> {
        let read = self.database.begin_read()?;
        let Some(ordinal) = read.open_table(PACK_ORDINALS)?.get(name.0)? else {
            return Ok(None);
        };
        let row = read.open_table(PACKS)?.get(ordinal.value())?;
        PackRow::decode(row.ok_or(IndexError::Row)?.value()).map(Some)
    }

    /// Returns whether a record that names a pack needs the pack's table of contents to be folded.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn lacks(&self, name: &PackName) -> Result<bool, IndexError> {
        Ok(self.pack(name)?.is_none() && !self.is_deleted(name)?)
    }

    /// Returns whether the log has deleted a pack.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn is_deleted(&self, name: &PackName) -> Result<bool, IndexError> {
        let read = self.database.begin_read()?;
        Ok(read.open_table(DELETED_PACKS)?.get(name.0)?.is_some())
    }

    /// Returns every pack it knows, loose ones too.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn packs(&self) -> Result<Vec<PackRow>, IndexError> {
        let mut packs = Vec::new();
        self.each_pack(|_, pack| packs.push(pack))?;
        Ok(packs)
    }

    /// Shows every pack it knows with its ordinal, loose ones too, one after the other: a large pool has millions.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn each_pack(&self, mut see: impl FnMut(u32, PackRow)) -> Result<(), IndexError> {
        let read = self.database.begin_read()?;
        for row in read.open_table(PACKS)?.iter()? {
            let (ordinal, row) = row?;
            see(ordinal.value(), PackRow::decode(row.value())?);
        }
        Ok(())
    }

    /// Returns the loose packs. Costs what these cost, not what all packs do.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn loose_packs(&self) -> Result<Vec<PackRow>, IndexError> {
        let read = self.database.begin_read()?;
        let packs = read.open_table(PACKS)?;
        let row = |ordinal: u32| {
            let row = packs.get(ordinal)?.ok_or(IndexError::Row)?;
            PackRow::decode(row.value())
        };
        let loose = read.open_table(LOOSE_PACKS)?;
        loose.iter()?.map(|pack| row(pack?.0.value())).collect()
    }

    /// Returns how many chunks and tables of contents the packs it knows have sealed under a generation.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn sealed_under(&self, domain: u32, generation: u32) -> Result<u64, IndexError> {
        let read = self.database.begin_read()?;
        let row = read.open_table(SEALED)?.get((domain, generation))?;
        Ok(row.map_or(0, |row| row.value()))
    }

    /// Returns how many different chunks it knows.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn chunk_count(&self) -> Result<u64, IndexError> {
        Ok(self.database.begin_read()?.open_table(CHUNKS)?.len()?)
    }
}
