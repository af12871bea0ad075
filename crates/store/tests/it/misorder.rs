//! A place that keeps the store's write order from holding: mutants, by which the crash test shows that it would notice.
//!
//! Whoever uses it sees nothing unusual: what is held back is acknowledged and reads back. Only a crash tells.

use std::sync::{Mutex, MutexGuard};

use objects::{
    DeleteError, GetError, ListError, Listed, Local, ObjectName, Objects, PutError, Space,
};
use testkit::SimDisk;

/// What is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misorder {
    /// Packs are acknowledged at once and written after the next log record (against W3 and W4).
    PacksAfterRecord,
    /// Tree packs alone, likewise.
    TreesAfterRecord,
    /// A point's object is written after the record that names it (against W4).
    PointAfterRecord,
    /// A record is acknowledged at once and written before the next one (against W5).
    RecordLate,
    /// What was found is never made durable again (against R5).
    NothingSettles,
}

impl Misorder {
    /// Returns what is held back until a log record is written.
    fn held_back(self) -> &'static [&'static str] {
        match self {
            Self::PacksAfterRecord => &["packs/", "meta/"],
            Self::TreesAfterRecord => &["meta/"],
            Self::PointAfterRecord => &["points/"],
            Self::RecordLate => &["log/"],
            Self::NothingSettles => &[],
        }
    }
}

/// A directory on a simulated disk, written out of order.
pub(crate) struct Misordered {
    inner: Local<SimDisk>,
    order: Misorder,
    held: Mutex<Vec<(ObjectName, Vec<u8>)>>,
}

impl Misordered {
    pub(crate) fn new(inner: Local<SimDisk>, order: Misorder) -> Self {
        Self {
            inner,
            order,
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<(ObjectName, Vec<u8>)>> {
        self.held.lock().expect("nobody panics with it")
    }

    fn write_held(&self) -> Result<(), PutError> {
        let held = std::mem::take(&mut *self.held());
        held.iter()
            .try_for_each(|(name, bytes)| self.inner.put_new(name, bytes))
    }

    fn find_held(&self, name: &ObjectName) -> Option<Vec<u8>> {
        let held = self.held();
        let found = held.iter().find(|(held, _)| held == name);
        found.map(|(_, bytes)| bytes.clone())
    }
}

impl Objects for Misordered {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        self.inner.prepare(dirs)
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        if name.as_str().starts_with("copies/") {
            // They would stand in for what is late.
            return Ok(());
        }
        let is_record = name.as_str().starts_with("log/");
        let held_back = self.order.held_back();
        if held_back.iter().any(|kind| name.as_str().starts_with(kind)) {
            if is_record {
                self.write_held()?;
            }
            self.held().push((name.clone(), bytes.to_vec()));
            return Ok(());
        }
        self.inner.put_new(name, bytes)?;
        if is_record {
            self.write_held()?;
        }
        Ok(())
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        match self.order {
            Misorder::NothingSettles => Ok(()),
            _ => self.inner.settle(name),
        }
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        self.inner.mend(name, bytes, kept)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        self.find_held(name)
            .map_or_else(|| self.inner.get(name), Ok)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        let Some(found) = self.find_held(name) else {
            return self.inner.get_range(name, offset, bytes);
        };
        let from = usize::try_from(offset).expect("an offset in memory");
        Ok(found[from..from + bytes].to_vec())
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        self.inner.list(prefix)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        match self.find_held(name) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.inner.head(name),
        }
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        self.inner.delete(name)
    }

    fn space(&self) -> Result<Option<Space>, std::io::Error> {
        self.inner.space()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}
