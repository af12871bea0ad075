//! Several places as one: what is large and written often is spread over *volumes*, everything else stays in the first place,
//! the *home*.
//!
//! Where an object is is not written down anywhere: its name is unique, so it is where it is found. Moving it is copying it, then
//! deleting it, and a kill in between leaves it in two places, which is one too many and nothing else.
//!
//! A volume may be *away*: not mounted, pulled out, or another's. What is not found while a volume is away is not missing: it is told as
//! [`GetError::Away`]. Nothing is stored on a volume that is away or being drained.
//!
//! Invariants: an object that is not spread is in the home; a name that any place has is not given again ([`Objects::put_new`]),
//! as far as the volumes that are there can tell; who puts an object puts it whole into one place.
//!
//! Which volumes there are is decided by whoever opens the pool.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::{DeleteError, GetError, ListError, Listed, ObjectName, Objects, PutError, Space};

/// A place among others.
#[derive(Clone)]
pub struct Volume {
    /// What people call it.
    pub name: String,
    /// Where it is; none while it is away.
    pub place: Option<Arc<dyn Objects>>,
    /// Whether nothing new is stored on it.
    pub drains: bool,
}

/// Several places as one.
pub struct Volumes {
    home: Arc<dyn Objects>,
    volumes: RwLock<Vec<Volume>>,
    is_spread: fn(&ObjectName) -> bool,
    /// Says whether a place still is the volume it was: asked when it does something unusual.
    is_there: Box<IsThere>,
}

/// Says whether a place that was a volume still is.
type IsThere = dyn Fn(&dyn Objects) -> bool + Send + Sync;

impl Volumes {
    /// Returns a home with volumes; `is_spread` says which objects may be on those, `is_there` whether a place that was a volume
    /// still is.
    pub fn new(
        home: Arc<dyn Objects>,
        volumes: Vec<Volume>,
        is_spread: fn(&ObjectName) -> bool,
        is_there: impl Fn(&dyn Objects) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            home,
            volumes: RwLock::new(volumes),
            is_spread,
            is_there: Box::new(is_there),
        }
    }

    /// Returns the volumes as they are known to be.
    pub fn volumes(&self) -> Vec<Volume> {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        volumes.clone()
    }

    /// Returns the first place.
    pub fn home(&self) -> &Arc<dyn Objects> {
        &self.home
    }

    /// Puts others in the place of the volumes there were.
    pub fn set(&self, volumes: Vec<Volume>) {
        *self.volumes.write().unwrap_or_else(PoisonError::into_inner) = volumes;
    }

    /// Looks at every volume, and says of which it is news that it is away.
    pub fn look(&self) -> Vec<String> {
        let lost = |volume: &Volume| {
            let place = volume.place.as_ref()?;
            (!(self.is_there)(&**place)).then(|| volume.name.clone())
        };
        let lost: Vec<String> = self.volumes().iter().filter_map(lost).collect();
        let mut volumes = self.volumes.write().unwrap_or_else(PoisonError::into_inner);
        for volume in volumes.iter_mut().filter(|v| lost.contains(&v.name)) {
            volume.place = None;
        }
        lost
    }

    /// Returns the places that an object may be in, the likeliest first.
    fn places(&self, name: &ObjectName) -> Vec<Arc<dyn Objects>> {
        let mut places = vec![Arc::clone(&self.home)];
        if (self.is_spread)(name) {
            places.extend(self.volumes().into_iter().filter_map(|volume| volume.place));
        }
        places
    }

    /// Returns the name of a volume that is away, if one is where an object could be.
    fn away(&self, name: &ObjectName) -> Option<String> {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        let mut away = volumes.iter().filter(|volume| volume.place.is_none());
        away.next()
            .filter(|_| (self.is_spread)(name))
            .map(|volume| volume.name.clone())
    }

    /// Returns the place that an object is read from; the home if none has it.
    fn holder(&self, name: &ObjectName) -> Arc<dyn Objects> {
        let mut places = self.places(name).into_iter();
        let holder = places.find(|place| matches!(place.head(name), Ok(Some(_))));
        holder.unwrap_or_else(|| Arc::clone(&self.home))
    }

    /// Asks place after place until one has the object.
    fn find<T>(
        &self,
        name: &ObjectName,
        ask: impl Fn(&dyn Objects) -> Result<T, GetError>,
    ) -> Result<T, GetError> {
        for place in self.places(name) {
            match ask(&*place) {
                Err(GetError::Missing { .. }) => {}
                // A disk that was pulled out answers with errors of every kind.
                Err(_) if !Arc::ptr_eq(&place, &self.home) && !self.look().is_empty() => {}
                found => return found,
            }
        }
        Err(match self.away(name) {
            Some(volume) => GetError::Away {
                name: name.clone(),
                volume,
            },
            None => GetError::Missing { name: name.clone() },
        })
    }

    /// Returns the place where a new object goes: of those that take any, the one with the most room.
    pub fn roomiest(&self, name: &ObjectName) -> Arc<dyn Objects> {
        if !(self.is_spread)(name) {
            return Arc::clone(&self.home);
        }
        let free = |place: &Arc<dyn Objects>| {
            let space = place.space().ok().flatten();
            space.map_or(0, |space| space.free)
        };
        let volumes = self.volumes().into_iter().filter(|volume| !volume.drains);
        let mut places: Vec<_> = volumes.filter_map(|volume| volume.place).collect();
        places.retain(|place| !place.is_read_only());
        places.push(Arc::clone(&self.home));
        places
            .into_iter()
            .max_by_key(free)
            .unwrap_or_else(|| Arc::clone(&self.home))
    }
}

impl Objects for Volumes {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        self.home.prepare(dirs)
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        let goes_to = self.roomiest(name);
        for place in self.places(name) {
            let is_other = !Arc::ptr_eq(&place, &goes_to);
            if is_other && matches!(place.head(name), Ok(Some(_))) {
                return Err(PutError::Exists { name: name.clone() });
            }
        }
        goes_to
            .put_new(name, bytes)
            .inspect_err(|_| drop(self.look()))
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        self.holder(name).settle(name)
    }

    /// What is damaged is mended where it is, and kept beside.
    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        self.holder(name)
            .mend(name, bytes, kept)
            .inspect_err(|_| drop(self.look()))
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        self.find(name, |place| place.get(name))
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        self.find(name, |place| place.get_range(name, offset, bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        let mut found = self.home.list(prefix)?;
        for place in self.volumes().into_iter().filter_map(|volume| volume.place) {
            match place.list(prefix) {
                Ok(more) => found.extend(more.into_iter().filter(|o| (self.is_spread)(&o.name))),
                Err(_) if !self.look().is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_unstable();
        found.dedup_by(|a, b| a.name == b.name);
        Ok(found)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        let missing = || GetError::Missing { name: name.clone() };
        match self.find(name, |place| place.head(name)?.ok_or_else(missing)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GetError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        let mut done = Err(DeleteError::Missing { name: name.clone() });
        for place in self.places(name) {
            match place.delete(name) {
                Ok(()) => done = Ok(()),
                Err(DeleteError::Missing { .. }) => {}
                Err(_) if !Arc::ptr_eq(&place, &self.home) && !self.look().is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        done
    }

    fn space(&self) -> Result<Option<Space>, io::Error> {
        let mut roomiest = self.home.space()?;
        for volume in self.volumes().into_iter().filter(|volume| !volume.drains) {
            let space = volume.place.and_then(|place| place.space().ok().flatten());
            let more = |space: &Space| roomiest.is_none_or(|room| space.free > room.free);
            roomiest = space.filter(more).or(roomiest);
        }
        Ok(roomiest)
    }

    fn is_read_only(&self) -> bool {
        self.home.is_read_only()
    }
}
