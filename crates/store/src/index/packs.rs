//! The rows of packs, and what indexing a pack changes about others.
//!
//! Invariants: `current` of a pack's row is the number of chunks whose row names it; `LOOSE_PACKS` names exactly the packs
//! whose row says so, and `CONDEMNED_PACKS` likewise; a pack whose table of contents was ever read has a row in `CONTENTS`. All change in the transaction that changes what they follow from.

use std::collections::BTreeMap;

use base::{ChunkId, PackName, SessionId};
use format::pack::Class;
use redb::{ReadableDatabase, ReadableTable, Table, WriteTransaction};

use super::rows::{self, PackRow, PackState};
use super::{
    CHUNKS, CONDEMNED_PACKS, CONTENTS, Copies, DELETED_PACKS, Index, IndexError, LOOSE_PACKS, META,
    PACK_ORDINALS, PACKS, SEALED,
};
use crate::durable::DurablePack;

/// The row of [`META`] with the ordinal that the next pack gets.
const NEXT_ORDINAL: &str = "next_ordinal";

/// Returns a pack's row.
pub(super) fn find(
    write: &WriteTransaction,
    name: &PackName,
) -> Result<Option<PackRow>, IndexError> {
    let ordinals = write.open_table(PACK_ORDINALS)?;
    let Some(ordinal) = ordinals.get(name.0)? else {
        return Ok(None);
    };
    let packs = write.open_table(PACKS)?;
    row_at(&packs, ordinal.value()).map(Some)
}

/// Writes a pack's row, and returns its ordinal.
pub(super) fn put(write: &WriteTransaction, row: &PackRow) -> Result<u32, IndexError> {
    let ordinal = ordinal_of(write, &row.name)?;
    let mut packs = write.open_table(PACKS)?;
    put_at(write, &mut packs, ordinal, row)?;
    Ok(ordinal)
}

fn put_at(
    write: &WriteTransaction,
    packs: &mut Table<'_, u32, &'static [u8]>,
    ordinal: u32,
    row: &PackRow,
) -> Result<(), IndexError> {
    packs.insert(ordinal, row.encode().as_slice())?;
    let mut loose = write.open_table(LOOSE_PACKS)?;
    match row.state {
        PackState::Loose => loose.insert(ordinal, ())?,
        PackState::Logged | PackState::Unreadable | PackState::Doubted => loose.remove(ordinal)?,
    };
    let mut condemned = write.open_table(CONDEMNED_PACKS)?;
    match row.condemned {
        Some(_) => condemned.insert(ordinal, ())?,
        None => condemned.remove(ordinal)?,
    };
    Ok(())
}

/// Returns whether the log has deleted a pack: whatever names it later changes nothing.
pub(super) fn is_deleted(write: &WriteTransaction, name: &PackName) -> Result<bool, IndexError> {
    Ok(write.open_table(DELETED_PACKS)?.get(name.0)?.is_some())
}

/// Has the chunks of a pack that is now named found in it: of several packs with the same chunk in the last that was named. So an
/// index that is built anew finds them where this one does, and what was deleted because nothing was found in it is nowhere
/// missed. What is condemned goes, and a session may count on what it stored.
pub(super) fn take_over(write: &WriteTransaction, name: &PackName) -> Result<(), IndexError> {
    let ordinals = write.open_table(PACK_ORDINALS)?;
    let Some(ordinal) = ordinals.get(name.0)?.map(|ordinal| ordinal.value()) else {
        return Ok(());
    };
    let row = row_at(&write.open_table(PACKS)?, ordinal)?;
    if row.current == row.chunks {
        return Ok(());
    }
    let held = held_by(write, *name, ordinal)?;
    let mut packs = write.open_table(PACKS)?;
    let mut chunks = write.open_table(CHUNKS)?;
    let mut row = row_at(&packs, ordinal)?;
    let mut left = BTreeMap::new();
    for id in held {
        let before = chunks.insert(id.0, ordinal)?.map(|held| held.value());
        if before == Some(ordinal) {
            continue;
        }
        row.current += 1;
        if let Some(elsewhere) = before {
            *left.entry(elsewhere).or_insert(0) += 1;
        }
    }
    put_at(write, &mut packs, ordinal, &row)?;
    take_from(write, &mut packs, left)
}

/// Notes how many chunks of packs are found elsewhere from now on.
fn take_from(
    write: &WriteTransaction,
    packs: &mut Table<'_, u32, &'static [u8]>,
    left: BTreeMap<u32, u32>,
) -> Result<(), IndexError> {
    for (ordinal, count) in left {
        let mut row = row_at(packs, ordinal)?;
        row.current = row.current.saturating_sub(count);
        put_at(write, packs, ordinal, &row)?;
    }
    Ok(())
}

/// Forgets a pack and everything that is found in it, but not that it was deleted.
pub(super) fn delete(
    write: &WriteTransaction,
    class: Class,
    name: &PackName,
) -> Result<(), IndexError> {
    let mut ordinals = write.open_table(PACK_ORDINALS)?;
    let removed = ordinals.remove(name.0)?.map(|ordinal| ordinal.value());
    let Some(ordinal) = removed else {
        return Ok(());
    };
    let held = held_by(write, *name, ordinal)?;
    let mut chunks = write.open_table(CHUNKS)?;
    for id in held {
        if chunks.get(id.0)?.is_some_and(|at| at.value() == ordinal) {
            chunks.remove(id.0)?;
        }
    }
    write.open_table(CONTENTS)?.remove(ordinal)?;
    write.open_table(PACKS)?.remove(ordinal)?;
    write.open_table(LOOSE_PACKS)?.remove(ordinal)?;
    write.open_table(CONDEMNED_PACKS)?.remove(ordinal)?;
    write
        .open_table(DELETED_PACKS)?
        .insert(name.0, class.code())?;
    Ok(())
}

fn held_by(
    write: &WriteTransaction,
    name: PackName,
    ordinal: u32,
) -> Result<Vec<ChunkId>, IndexError> {
    let contents = write.open_table(CONTENTS)?;
    let Some(row) = contents.get(ordinal)? else {
        // Its table of contents could not be read: nothing is found in it.
        return Ok(Vec::new());
    };
    let held = rows::decode_contents(name, row.value())?;
    Ok(held.into_iter().map(|(id, _)| id).collect())
}

fn row_at(
    packs: &impl ReadableTable<u32, &'static [u8]>,
    ordinal: u32,
) -> Result<PackRow, IndexError> {
    PackRow::decode(packs.get(ordinal)?.ok_or(IndexError::Row)?.value())
}

/// Returns a pack's ordinal, after giving it the next one if it has none. None is ever given twice: a session remembers what it
/// relies on by ordinal, and a mark what is live.
fn ordinal_of(write: &WriteTransaction, name: &PackName) -> Result<u32, IndexError> {
    let mut ordinals = write.open_table(PACK_ORDINALS)?;
    if let Some(ordinal) = ordinals.get(name.0)? {
        return Ok(ordinal.value());
    }
    let mut meta = write.open_table(META)?;
    let next = match meta.get(NEXT_ORDINAL)? {
        Some(row) => u32::from_le_bytes(row.value().try_into().map_err(|_| IndexError::Row)?),
        None => 0,
    };
    let after = next.checked_add(1).ok_or(IndexError::Row)?;
    meta.insert(NEXT_ORDINAL, after.to_le_bytes().as_slice())?;
    ordinals.insert(name.0, next)?;
    Ok(next)
}

/// Adds a pack and its chunks, or changes the state of a pack that is there.
///
/// With [`Copies::Stay`], a chunk that stands in a logged pack which nobody doubts stays there; otherwise the newest copy
/// wins, so that the session that wrote it finds it.
pub(super) fn insert(
    write: &WriteTransaction,
    pack: &DurablePack,
    state: PackState,
    session: &SessionId,
    copies: Copies,
) -> Result<(), IndexError> {
    if is_deleted(write, &pack.name())? {
        return Ok(());
    }
    let before = find(write, &pack.name())?;
    if before.is_none() {
        count_sealed(write, pack)?;
    }
    let ordinal = ordinal_of(write, &pack.name())?;
    let mut packs = write.open_table(PACKS)?;
    let mut row = PackRow {
        name: pack.name(),
        class: pack.class(),
        state,
        bytes: pack.bytes(),
        chunks: u32::try_from(pack.entries().len()).unwrap_or(u32::MAX),
        current: before.as_ref().map_or(0, |before| before.current),
        session: *session,
        condemned: before.as_ref().and_then(|before| before.condemned),
        verified_s: before.map_or(0, |before| before.verified_s),
    };
    let mut chunks = write.open_table(CHUNKS)?;
    let mut left = BTreeMap::new();
    for entry in pack.entries() {
        let held = chunks.get(entry.id.0)?.map(|held| held.value());
        let elsewhere = held.filter(|held| *held != ordinal);
        if copies == Copies::Stay
            && let Some(held) = elsewhere
            && row_at(&packs, held)?.is_relied_upon()
        {
            continue;
        }
        chunks.insert(entry.id.0, ordinal)?;
        if held != Some(ordinal) {
            row.current += 1;
        }
        if let Some(held) = elsewhere {
            *left.entry(held).or_insert(0) += 1;
        }
    }
    put_at(write, &mut packs, ordinal, &row)?;
    let contents = rows::encode_contents(pack.entries());
    write
        .open_table(CONTENTS)?
        .insert(ordinal, contents.as_slice())?;
    take_from(write, &mut packs, left)
}

/// Counts what a new pack holds. Its table of contents, sealed last, counts for the newest generation in it.
fn count_sealed(write: &WriteTransaction, pack: &DurablePack) -> Result<(), IndexError> {
    let mut counts = BTreeMap::new();
    for entry in pack.entries() {
        *counts.entry((entry.domain, entry.generation)).or_insert(0) += 1;
    }
    if let Some(mut newest) = counts.last_entry() {
        *newest.get_mut() += 1;
    }
    let mut sealed = write.open_table(SEALED)?;
    for (generation, more) in counts {
        let before = sealed.get(generation)?.map_or(0, |row| row.value());
        sealed.insert(generation, before + more)?;
    }
    Ok(())
}

/// Rows that are written in one transaction.
const ROWS_AT_ONCE: usize = 1 << 16;

impl Index {
    /// Has every chunk found that any pack holds. Which of several packs with a chunk was deleted was decided by an index that may have
    /// known of a pack what this one does not, and the other way round; a pack whose object was still there when the log was folded
    /// anew must not take with it what another one holds.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) fn find_what_is_held(&self) -> Result<(), IndexError> {
        let read = self.database.begin_read()?;
        let (chunks, contents) = (read.open_table(CHUNKS)?, read.open_table(CONTENTS)?);
        let mut lost = Vec::new();
        for row in contents.iter()? {
            let (ordinal, row) = row?;
            for (id, _) in rows::decode_contents(PackName([0; 32]), row.value())? {
                if chunks.get(id.0)?.is_none() {
                    lost.push((id, ordinal.value()));
                }
            }
            if lost.len() >= ROWS_AT_ONCE {
                self.find_again(&lost)?;
                lost.clear();
            }
        }
        self.find_again(&lost)
    }

    fn find_again(&self, lost: &[(ChunkId, u32)]) -> Result<(), IndexError> {
        if lost.is_empty() {
            return Ok(());
        }
        let write = self.write()?;
        self.add_to_filter(lost.iter().map(|(id, _)| id))?;
        {
            let mut packs = write.open_table(PACKS)?;
            let mut chunks = write.open_table(CHUNKS)?;
            for (id, ordinal) in lost {
                if chunks.get(id.0)?.is_some() {
                    continue;
                }
                chunks.insert(id.0, ordinal)?;
                let mut row = row_at(&packs, *ordinal)?;
                row.current += 1;
                put_at(&write, &mut packs, *ordinal, &row)?;
            }
        }
        Ok(write.commit()?)
    }
}

#[cfg(test)]
impl Index {
    /// Deletes a pack whatever the log says of it.
    pub(crate) fn forget(&self, name: &PackName) -> Result<(), IndexError> {
        let write = self.write()?;
        delete(&write, Class::Data, name)?;
        Ok(write.commit()?)
    }
}
