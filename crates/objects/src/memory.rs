//! Objects in memory: for tests, and as the plainest statement of what a place is.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base::limits::OBJECT_BYTES_MAX;

use crate::{DeleteError, GetError, ListError, Listed, ObjectName, Objects, PutError, Space};

type Map = BTreeMap<ObjectName, Arc<[u8]>>;

/// Objects in memory; durable until it is dropped.
#[derive(Debug, Default)]
pub struct Memory(RwLock<Map>);

impl Memory {
    /// Returns an empty place.
    pub fn new() -> Self {
        Self::default()
    }

    // No panic can happen while the lock is held, so a poisoned map is still whole.
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &ObjectName) -> Result<Arc<[u8]>, GetError> {
        let found = self.read().get(name).cloned();
        found.ok_or_else(|| GetError::Missing { name: name.clone() })
    }
}

fn check_size(name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
    if bytes.len() <= OBJECT_BYTES_MAX {
        return Ok(());
    }
    Err(PutError::TooLarge {
        name: name.clone(),
        bytes: bytes.len() as u64,
    })
}

impl Objects for Memory {
    fn prepare(&self, _dirs: &[ObjectName]) -> Result<(), PutError> {
        Ok(())
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        check_size(name, bytes)?;
        let mut map = self.write();
        if map.contains_key(name) {
            return Err(PutError::Exists { name: name.clone() });
        }
        map.insert(name.clone(), bytes.into());
        Ok(())
    }

    fn settle(&self, _name: &ObjectName) -> Result<(), PutError> {
        Ok(())
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        check_size(name, bytes)?;
        let mut map = self.write();
        if map.contains_key(kept) {
            return Err(PutError::Exists { name: kept.clone() });
        }
        let Some(place) = map.get_mut(name) else {
            return Err(PutError::Failed {
                name: name.clone(),
                source: io::ErrorKind::NotFound.into(),
            });
        };
        let damaged = std::mem::replace(place, bytes.into());
        map.insert(kept.clone(), damaged);
        Ok(())
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        Ok(self.find(name)?.to_vec())
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        let object = self.find(name)?;
        usize::try_from(offset)
            .ok()
            .and_then(|start| object.get(start..start.checked_add(bytes)?))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| GetError::TooShort {
                name: name.clone(),
                bytes: object.len() as u64,
            })
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        let listed = |(name, bytes): (&ObjectName, &Arc<[u8]>)| Listed {
            name: name.clone(),
            bytes: bytes.len() as u64,
        };
        Ok(self
            .read()
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .map(listed)
            .collect())
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        Ok(self.read().get(name).map(|bytes| bytes.len() as u64))
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        let removed = self.write().remove(name);
        removed
            .map(drop)
            .ok_or_else(|| DeleteError::Missing { name: name.clone() })
    }

    fn space(&self) -> Result<Option<Space>, io::Error> {
        Ok(None)
    }

    fn is_read_only(&self) -> bool {
        false
    }
}
