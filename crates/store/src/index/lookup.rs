//! Where a chunk is: what was asked for a moment ago, then the filter, then the database.
//!
//! Who looks for many chunks asks in one of two ways. New chunks are nowhere: the filter says so. Known ones come in the
//! order in which they were once stored: one is looked for in the database, which then shows those around it. Either way
//! the disk is asked once for many, so neither needs the index in memory.

use std::sync::PoisonError;

use base::ChunkId;
use base::limits::{INDEX_CHUNKS_AHEAD, INDEX_PACKS_AHEAD};
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction,
};

use super::filter::Filter;
use super::recent::Found;
use super::rows::{self, PackRow, PackState};
use super::{Asker, CHUNKS, CONTENTS, Index, IndexError, META, PACKS};

/// The row of [`META`] with how many rows of chunks the filter has been told of.
const FILTERED: &str = "filtered";

impl Index {
    /// Returns where a chunk is, as far as `asker` may rely on it.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn find_for(&self, asker: Asker, id: &ChunkId) -> Result<Option<Found>, IndexError> {
        let recent = self.recent.find(id);
        // The commonest answer of all, to which the database has nothing to add.
        if recent.is_none() && matches!(asker, Asker::Writer(_)) && !self.may_hold(id)? {
            return Ok(None);
        }
        let read = self.database.begin_read()?;
        let packs = read.open_table(PACKS)?;
        let chunks = read.open_table(CHUNKS)?;
        if let Some(found) = recent
            && let Some(row) = packs.get(found.ordinal)?
        {
            let row = PackRow::decode(row.value())?;
            let is_usable = row.name == found.place.pack && !row.is_bad() && may_rely(asker, &row);
            if is_usable && is_found_in(&chunks, id, found.ordinal, &row)? {
                return Ok(Some(found));
            }
        }
        let Some(ordinal) = chunks.get(id.0)? else {
            return Ok(None);
        };
        let ordinal = ordinal.value();
        let row = packs.get(ordinal)?.ok_or(IndexError::Row)?;
        if !may_rely(asker, &PackRow::decode(row.value())?) {
            return Ok(None);
        }
        let around = around(&read, ordinal)?;
        let here = |chunk: &&(ChunkId, Found)| chunk.0 == *id && chunk.1.ordinal == ordinal;
        let found = around.iter().find(here).ok_or(IndexError::Row)?.1;
        self.recent.add(around);
        Ok(Some(found))
    }

    /// Tells the filter of chunks whose rows are about to be written.
    ///
    /// # Errors
    /// As for reading it.
    pub(super) fn add_to_filter<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ChunkId>,
    ) -> Result<(), IndexError> {
        self.with_filter(|filter| ids.into_iter().for_each(|id| filter.add(id)))
    }

    /// Makes the filter last, as what `write` is about to make last needs it.
    ///
    /// # Errors
    /// Its file cannot be written, or the database failed.
    pub(super) fn write_filter(&self, write: &WriteTransaction) -> Result<(), IndexError> {
        let mut filter = self.filter.write().unwrap_or_else(PoisonError::into_inner);
        let Some(filter) = &mut *filter else {
            return Ok(());
        };
        let rows = write.open_table(CHUNKS)?.len()?;
        filter
            .write(&self.store, rows)
            .map_err(|error| self.filter_error(error))?;
        let rows = rows.to_le_bytes();
        write.open_table(META)?.insert(FILTERED, rows.as_slice())?;
        Ok(())
    }

    /// Empties the filter, as all rows are about to go.
    ///
    /// # Errors
    /// The file of the old one cannot be removed.
    pub(super) fn empty_filter(&self) -> Result<(), IndexError> {
        let mut filter = self.filter.write().unwrap_or_else(PoisonError::into_inner);
        *filter = Some(self.new_filter()?);
        Ok(())
    }

    fn may_hold(&self, id: &ChunkId) -> Result<bool, IndexError> {
        let filter = self.filter.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(filter) = &*filter {
            return Ok(filter.may_hold(id));
        }
        drop(filter);
        self.with_filter(|filter| filter.may_hold(id))
    }

    fn with_filter<R>(&self, work: impl FnOnce(&mut Filter) -> R) -> Result<R, IndexError> {
        let mut filter = self.filter.write().unwrap_or_else(PoisonError::into_inner);
        let filter = match &mut *filter {
            Some(filter) => filter,
            none => none.insert(self.read_filter()?),
        };
        Ok(work(filter))
    }

    /// Reads the filter from its file, or makes it from the rows if that does not fit them.
    fn read_filter(&self) -> Result<Filter, IndexError> {
        let read = self.database.begin_read()?;
        let chunks = read.open_table(CHUNKS)?;
        let rows = chunks.len()?;
        let noted = read.open_table(META)?.get(FILTERED)?;
        let fits = noted.is_some_and(|noted| noted.value() == rows.to_le_bytes());
        if fits && let Some(directory) = &self.directory {
            match Filter::read(Filter::path(directory), &self.store, rows) {
                Ok(Some(filter)) => return Ok(filter),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the filter of the chunk index is unreadable"),
            }
        }
        let mut filter = self.new_filter()?;
        for row in chunks.iter()? {
            filter.add(&ChunkId(row?.0.value()));
        }
        Ok(filter)
    }

    fn new_filter(&self) -> Result<Filter, IndexError> {
        let file = self.directory.as_deref().map(Filter::path);
        Filter::new(file).map_err(|error| self.filter_error(error))
    }

    fn filter_error(&self, source: std::io::Error) -> IndexError {
        let directory = self.directory.as_deref().unwrap_or("".as_ref());
        IndexError::Directory {
            path: Filter::path(directory),
            source,
        }
    }
}

fn may_rely(asker: Asker, pack: &PackRow) -> bool {
    match asker {
        Asker::Reader => true,
        Asker::Writer(session) => {
            pack.is_relied_upon() || pack.state == PackState::Loose && pack.session == session
        }
    }
}

/// Returns whether a chunk that a pack holds is found in that and in no other. Two answers to one question would have a
/// collection count one copy and delete the other.
fn is_found_in(
    chunks: &impl ReadableTable<[u8; 32], u32>,
    id: &ChunkId,
    ordinal: u32,
    row: &PackRow,
) -> Result<bool, IndexError> {
    // Most packs have no chunk that is found elsewhere, and need no look.
    if row.current == row.chunks {
        return Ok(true);
    }
    Ok(chunks.get(id.0)?.is_some_and(|at| at.value() == ordinal))
}

/// Returns what a pack and those after it hold.
fn around(read: &ReadTransaction, first: u32) -> Result<Vec<(ChunkId, Found)>, IndexError> {
    let packs = read.open_table(PACKS)?;
    let mut chunks = Vec::new();
    for row in read
        .open_table(CONTENTS)?
        .range(first..first.saturating_add(INDEX_PACKS_AHEAD))?
    {
        let (ordinal, row) = row?;
        let ordinal = ordinal.value();
        let pack = packs.get(ordinal)?.ok_or(IndexError::Row)?;
        let pack = PackRow::decode(pack.value())?;
        let held = rows::decode_contents(pack.name, row.value())?;
        if ordinal != first && chunks.len() + held.len() > INDEX_CHUNKS_AHEAD {
            break;
        }
        let found = (0..).zip(held).map(|(position, (id, place))| {
            let found = Found {
                ordinal,
                position,
                place,
            };
            (id, found)
        });
        chunks.extend(found);
    }
    Ok(chunks)
}
