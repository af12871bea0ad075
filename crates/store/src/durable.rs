//! Packs that are known to be whole and durable: the only ones that can be indexed.
//!
//! There are three ways to a [`DurablePack`] of a store, and no other: it was just stored ([`DurablePack::publish`]); a log record
//! names it, so it was stored before the record was ([`DurablePack::logged`]); or it was found, every byte verified
//! against its name, and made durable again ([`DurablePack::adopt`]). A measurement makes packs up for an index that
//! belongs to no store ([`DurablePack::made_up`]).

use std::ops::Range;

use base::{PackName, StoreId};
use format::pack::{Class, PackError, ReadTrailerError, SealedPack, TocEntry, Trailer};
use format::seal::Sealer;
use objects::{GetError, ObjectName, Objects, PutError};

/// Sectors that are read at once when all of a pack is: 4 MiB.
const SECTORS_AT_ONCE: usize = 64;

/// A pack that is whole under its name and stays there through a power cut.
#[derive(Debug)]
pub(crate) struct DurablePack {
    name: PackName,
    class: Class,
    bytes: u64,
    entries: Vec<TocEntry>,
}

/// Why a pack that is there cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindPackError {
    /// It is not there, or cannot be read.
    #[error(transparent)]
    Get(#[from] GetError),
    /// It is not what was written.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// It is not certain to stay.
    #[error(transparent)]
    Settle(#[from] PutError),
}

impl DurablePack {
    /// Stores a finished pack.
    ///
    /// # Errors
    /// As [`Objects::put_new`]. The pack may or may not be there; nothing refers to it.
    pub(crate) fn publish(objects: &dyn Objects, pack: SealedPack) -> Result<Self, PutError> {
        objects.put_new(&object_name(pack.class, &pack.name), &pack.bytes)?;
        Ok(Self {
            name: pack.name,
            class: pack.class,
            bytes: pack.bytes.len() as u64,
            entries: pack.entries,
        })
    }

    /// Reads the table of contents of a pack that a log record names.
    ///
    /// # Errors
    /// It is missing, or its trailer is not what was written.
    pub(crate) fn logged(
        objects: &dyn Objects,
        sealer: &Sealer,
        class: Class,
        name: PackName,
    ) -> Result<Self, FindPackError> {
        let trailer = trailer(objects, &object_name(class, &name), &name)?;
        Self::of(name, &trailer, sealer)
    }

    /// Takes in a pack that was found and that no log record names: reads all of it, verifies every byte against the
    /// name, and makes sure that it stays.
    ///
    /// # Errors
    /// It is not whole, or not ours: it is left where it is.
    pub(crate) fn adopt(
        objects: &dyn Objects,
        sealer: &Sealer,
        store: StoreId,
        class: Class,
        name: PackName,
    ) -> Result<Self, FindPackError> {
        let object = object_name(class, &name);
        let bytes = objects.get(&object)?;
        let trailer = format::pack::verify(store, &name, &bytes)?;
        objects.settle(&object)?;
        Self::of(name, &trailer, sealer)
    }

    /// Makes up a pack of content that is nowhere. Only for [`crate::IndexProbe`].
    pub(crate) fn made_up(name: PackName, entries: Vec<TocEntry>) -> Self {
        Self {
            name,
            class: Class::Data,
            bytes: entries.iter().map(|entry| u64::from(entry.len)).sum(),
            entries,
        }
    }

    fn of(name: PackName, trailer: &Trailer, sealer: &Sealer) -> Result<Self, FindPackError> {
        Ok(Self {
            name,
            class: trailer.class(),
            bytes: trailer.pack_bytes(),
            entries: trailer.entries(sealer)?,
        })
    }

    pub(crate) fn name(&self) -> PackName {
        self.name
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn entries(&self) -> &[TocEntry] {
        &self.entries
    }
}

/// Reads every byte of a pack that a log record names, and compares it with the name. Needs no key.
///
/// # Errors
/// It is missing, or not what was written.
pub(crate) fn verify(
    objects: &dyn Objects,
    class: Class,
    name: &PackName,
) -> Result<(), FindPackError> {
    let object = object_name(class, name);
    let trailer = trailer(objects, &object, name)?;
    let read = |range: Range<u32>| objects.get_range(&object, u64::from(range.start), range.len());
    for mut sectors in trailer.sector_runs() {
        while let Some(first) = sectors.next() {
            let last = sectors.nth(SECTORS_AT_ONCE - 2).unwrap_or(sectors.end - 1);
            let (Some(from), Some(to)) = (trailer.sector_range(first), trailer.sector_range(last))
            else {
                break;
            };
            let bytes = read(from.start..to.end)?;
            for (index, sector) in (first..).zip(bytes.chunks(trailer.sector_bytes())) {
                trailer.verify_sector(index, sector)?;
            }
        }
    }
    let copy = trailer.copy_range();
    if !copy.is_empty() {
        trailer.verify_copy(&read(copy)?)?;
    }
    Ok(())
}

/// As [`verify`], and opens every chunk of the pack with its key and compares it with its own name.
///
/// # Errors
/// As [`verify`]; the pack is what was written, and what was written is not what it should have been.
pub(crate) fn verify_deep(
    objects: &dyn Objects,
    sealer: &Sealer,
    store: StoreId,
    class: Class,
    name: &PackName,
) -> Result<(), FindPackError> {
    let bytes = objects.get(&object_name(class, name))?;
    let trailer = format::pack::verify(store, name, &bytes)?;
    for entry in trailer.entries(sealer)? {
        let start = entry.offset as usize;
        let sealed = bytes
            .get(start..)
            .and_then(|rest| rest.get(..entry.len as usize));
        let sealed = sealed.ok_or(PackError::NotAuthentic)?;
        let (domain, generation) = (entry.domain, entry.generation);
        sealer
            .open(entry.kind, domain, generation, &entry.id, sealed)
            .map_err(|_| PackError::NotAuthentic)?;
    }
    Ok(())
}

/// Reads the end of a pack, and compares it with the name.
fn trailer(
    objects: &dyn Objects,
    object: &ObjectName,
    name: &PackName,
) -> Result<Trailer, FindPackError> {
    let missing = || GetError::Missing {
        name: object.clone(),
    };
    let bytes = objects.head(object)?.ok_or_else(missing)?;
    format::pack::read_trailer(name, bytes, |offset, len| {
        objects.get_range(object, offset, len)
    })
    .map_err(|error| match error {
        ReadTrailerError::Read(error) => FindPackError::Get(error),
        ReadTrailerError::Pack(error) => FindPackError::Pack(error),
    })
}

/// Returns the name of the object that holds a pack.
pub(crate) fn object_name(class: Class, name: &PackName) -> ObjectName {
    ObjectName::new(class.object_name(name)).expect("hex digits and slashes are an object's name")
}

/// Returns the pack that an object's name stands for.
pub(crate) fn pack_name(object: &ObjectName) -> Option<PackName> {
    object.leaf().parse().ok()
}
