//! Pool volumes: more directories, on more disks, for the packs of content.
//!
//! A volume is a directory with the object `volume`, which says whose it is. The pool's own directory has a link to it,
//! `volumes/<name>`, or `volumes/<name>.draining`: what a person sees there is what is. Trees, points, keys and the log stay in the pool's own
//! directory, so that points are listed and browsed whatever volumes are there.
//!
//! Invariants: a volume belongs to one directory of one pool; a copy of that directory is another pool and is told so, since it would
//! collect what the first one needs; what is on a volume that is away is neither damaged nor missing; a volume is only taken out of the
//! pool when it holds nothing, or is given up by name.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base::fault::Code;
use base::limits::{TREE_DEPTH_MAX, VOLUME_NAME_BYTES_MAX, VOLUMES_MAX};
use base::{ChunkId, Fault, PointId, StoreId};
use format::header::Header;
use format::pack::Class;
use format::tree::children;
use objects::{
    DeleteError, GetError, Listed, Local, ObjectName, Objects, PutError, Space, Volume, Volumes,
};

use crate::Store;
use crate::collect::{CollectProgress, OnCollect};
use crate::core::Core;
use crate::durable::{DurablePack, object_name};
use crate::faults;
use crate::index::{Asker, PackState};
use crate::keys::format_object;
use crate::log::Mode;
use crate::open::named;
use crate::space::Floors;

/// The directory of links to volumes inside a pool's directory.
const LINKS: &str = "volumes";
/// What a link's name ends with while its volume is drained.
const DRAINING: &str = ".draining";
/// The object by which a volume is known.
const IDENTITY: &str = "volume";
/// What may be in a directory that becomes a volume: a new file system has it.
const LOST_AND_FOUND: &str = "lost+found";
/// The directory of packs of a volume.
const SHELVES: &str = "packs";

/// How a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeState {
    /// It takes packs.
    Ok,
    /// Its packs are on their way to other volumes; it takes no new ones.
    Draining,
    /// It is not there: why.
    Away(String),
}

/// A volume of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeStatus {
    /// Its name.
    pub name: String,
    /// Where it is, or was.
    pub path: PathBuf,
    /// How it is.
    pub state: VolumeState,
    /// How much room it has, if it is there.
    pub space: Option<Space>,
}

/// The volumes of a pool in a directory.
pub(crate) struct Registry {
    pool: PathBuf,
    store: StoreId,
    mode: Mode,
    volumes: Arc<Volumes>,
    waiting: Waiting,
    /// Where they were when they were looked at last.
    paths: Mutex<Vec<PathBuf>>,
}

/// A link to a volume.
struct Link {
    name: String,
    drains: bool,
    path: PathBuf,
}

/// Returns whether an object may be on a volume.
fn is_spread(name: &ObjectName) -> bool {
    name.as_str().starts_with("packs/")
}

/// Returns what a volume's identity says: the store, and the directory that it belongs to by its inode, which a copy of it does not have.
fn identity(pool: &Path, store: StoreId) -> io::Result<String> {
    let inode = fs::metadata(pool)?.ino();
    Ok(format!("dozo volume 1\nstore {store}\npool {inode}\n"))
}

impl Registry {
    /// Opens the volumes of the pool whose directory `home` is. Those that are not there are away.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn open(
        pool: &Path,
        home: Arc<dyn Objects>,
        mode: Mode,
    ) -> Result<(Arc<Volumes>, Option<Self>), Fault> {
        // What is no pool is told by whoever opens it.
        let header = home.get(&format_object()).ok();
        let header = header.and_then(|bytes| Header::parse(&bytes).ok());
        let expected = header.as_ref().map(|header| identity(pool, header.store));
        let expected = expected
            .transpose()
            .map_err(|error| unreadable(pool, &error))?;
        let known = expected.clone().unwrap_or_default().into_bytes();
        let is_there =
            move |place: &dyn Objects| place.get(&named(IDENTITY)).is_ok_and(|is| is == known);
        let volumes = Arc::new(Volumes::new(home, Vec::new(), is_spread, is_there));
        let Some(header) = header else {
            return Ok((volumes, None));
        };
        let registry = Self {
            pool: pool.to_owned(),
            store: header.store,
            mode,
            volumes: Arc::clone(&volumes),
            waiting: Waiting::default(),
            paths: Mutex::default(),
        };
        registry.look()?;
        Ok((volumes, Some(registry)))
    }

    /// Looks which volumes there are now, and returns them.
    pub(crate) fn look(&self) -> Result<Vec<VolumeStatus>, Fault> {
        drop(self.volumes.look());
        let before = self.volumes.volumes();
        let mut volumes = Vec::new();
        let mut statuses = Vec::new();
        for link in self.links()? {
            let open = before.iter().find(|volume| volume.name == link.name);
            let place = match open.and_then(|volume| volume.place.clone()) {
                Some(place) => Ok(place),
                None => self.open_at(&link.path),
            };
            let state = match (&place, link.drains) {
                (Err(why), _) => VolumeState::Away(why.clone()),
                (Ok(_), true) => VolumeState::Draining,
                (Ok(_), false) => VolumeState::Ok,
            };
            let space = place
                .as_ref()
                .ok()
                .and_then(|place| place.space().ok().flatten());
            volumes.push(Volume {
                name: link.name.clone(),
                place: place.ok(),
                drains: link.drains,
            });
            statuses.push(VolumeStatus {
                name: link.name,
                path: link.path,
                state,
                space,
            });
        }
        self.volumes.set(volumes);
        let paths = statuses.iter().map(|status| status.path.clone()).collect();
        *self.paths.lock().unwrap_or_else(PoisonError::into_inner) = paths;
        Ok(statuses)
    }

    /// Returns the fault of a volume that is away, if there is one.
    pub(crate) fn first_away(&self) -> Option<Fault> {
        let mut volumes = self.volumes.volumes().into_iter();
        let away = volumes.find(|volume| volume.place.is_none())?;
        let path = self.link_path(&away.name, away.drains);
        let path = fs::read_link(&path).unwrap_or(path);
        Some(
            Fault::new(Code::VolumeMissing)
                .with("volume", away.name)
                .with("path", path.display()),
        )
    }

    fn links(&self) -> Result<Vec<Link>, Fault> {
        let directory = self.pool.join(LINKS);
        let failed = |error| unreadable(&directory, &error);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut links = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let path = fs::read_link(entry.path()).unwrap_or_else(|_| entry.path());
            let (name, drains) = match name.strip_suffix(DRAINING) {
                Some(name) => (name.to_owned(), true),
                None => (name, false),
            };
            if is_name(&name) {
                links.push(Link { name, drains, path });
            }
        }
        links.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        links.truncate(VOLUMES_MAX);
        Ok(links)
    }

    /// Opens a volume, or says why it is not there.
    fn open_at(&self, path: &Path) -> Result<Arc<dyn Objects>, String> {
        // Nothing is changed in a directory that may be an empty mount point.
        let seen = Local::read_only_at(path).map_err(|error| faults::reason(&error))?;
        let found = seen.get(&named(IDENTITY));
        let expected = identity(&self.pool, self.store).map_err(|error| error.to_string())?;
        match found {
            Ok(found) if found == expected.as_bytes() => match self.mode {
                Mode::Read => Ok(Arc::new(seen)),
                Mode::Write => match Local::open_at(path) {
                    Ok(place) => Ok(Arc::new(place)),
                    Err(error) => Err(faults::reason(&error)),
                },
            },
            Ok(found) if found.starts_with(b"dozo volume 1\n") => Err(String::from(
                "it belongs to another pool, or to a copy of this one",
            )),
            _ => Err(String::from("no volume of this pool is mounted there")),
        }
    }

    fn link(&self, name: &str) -> Result<Link, Fault> {
        let mut links = self.links()?.into_iter();
        let unknown = || Fault::new(Code::VolumeUnknown).with("volume", name);
        links.find(|link| link.name == name).ok_or_else(unknown)
    }

    fn link_path(&self, name: &str, drains: bool) -> PathBuf {
        let suffix = if drains { DRAINING } else { "" };
        self.pool.join(LINKS).join(format!("{name}{suffix}"))
    }

    /// Makes what was changed about links last.
    fn sync_links(&self) -> io::Result<()> {
        fs::File::open(self.pool.join(LINKS))?.sync_all()?;
        fs::File::open(&self.pool)?.sync_all()
    }

    fn add(&self, name: &str, path: &Path) -> Result<(), Fault> {
        let refused = |reason: &str| {
            Fault::new(Code::VolumeUnfit)
                .with("path", path.display())
                .with("reason", reason)
        };
        let links = self.links()?;
        if !is_name(name) {
            return Err(Fault::new(Code::VolumeNameInvalid).with("volume", name));
        }
        let mut known = links.iter();
        if let Some(link) = known.find(|link| link.name == name || link.path == path) {
            return self.take_in_again(link, path);
        }
        if links.len() >= VOLUMES_MAX {
            return Err(refused(&format!(
                "a pool has at most {VOLUMES_MAX} volumes"
            )));
        }
        let failed = |error: io::Error| refused(&error.to_string());
        fs::create_dir_all(path).map_err(failed)?;
        let real = fs::canonicalize(path).map_err(failed)?;
        let pool = fs::canonicalize(&self.pool).map_err(failed)?;
        if real.starts_with(&pool) || pool.starts_with(&real) {
            return Err(refused("it is inside the pool, or the pool is inside it"));
        }
        self.claim(&real).map_err(|reason| refused(&reason))?;
        let made = fs::create_dir_all(self.pool.join(LINKS))
            .and_then(|()| std::os::unix::fs::symlink(&real, self.link_path(name, false)))
            .and_then(|()| self.sync_links());
        made.map_err(|error| unwritable(&self.pool, &error))?;
        self.look().map(drop)
    }

    /// Leads the link of a volume that is away to where the volume is now: the pool was moved, or the volume, or both.
    fn take_in_again(&self, link: &Link, path: &Path) -> Result<(), Fault> {
        let refused = |reason: &str| {
            Fault::new(Code::VolumeUnfit)
                .with("path", path.display())
                .with("reason", reason)
        };
        let of_this_pool = format!("\nstore {}\n", self.store);
        let identity = fs::read_to_string(path.join(IDENTITY)).unwrap_or_default();
        if self.open_at(&link.path).is_ok() || !identity.contains(&of_this_pool) {
            return Err(refused(
                "the pool has it already, or another one of that name",
            ));
        }
        let real = fs::canonicalize(path).map_err(|error| refused(&error.to_string()))?;
        self.claim(&real).map_err(|reason| refused(&reason))?;
        // No volume's name begins with a dot.
        let new = self.pool.join(LINKS).join(format!(".{}", link.name));
        let led = remove_if_there(&new)
            .and_then(|()| std::os::unix::fs::symlink(&real, &new))
            .and_then(|()| fs::rename(&new, self.link_path(&link.name, link.drains)))
            .and_then(|()| self.sync_links());
        led.map_err(|error| unwritable(&self.pool, &error))?;
        self.look().map(drop)
    }

    /// Makes a directory a volume of this pool, if it is empty or was one before.
    fn claim(&self, path: &Path) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        let identity = identity(&self.pool, self.store).map_err(text)?;
        let before = fs::read(path.join(IDENTITY)).ok();
        let store = format!("\nstore {}\n", self.store);
        match before {
            Some(before) if before == identity.as_bytes() => {}
            // The pool's directory was moved, and this is how its volumes are told.
            Some(before) if String::from_utf8_lossy(&before).contains(&store) => {
                // At once: what holds packs and no identity would be taken for something else.
                let new = path.join(format!(".{IDENTITY}"));
                fs::write(&new, &identity)
                    .and_then(|()| fs::File::open(&new)?.sync_all())
                    .and_then(|()| fs::rename(&new, path.join(IDENTITY)))
                    .and_then(|()| fs::File::open(path)?.sync_all())
                    .map_err(text)?;
            }
            Some(_) => return Err(String::from("it belongs to another pool")),
            None => {
                for entry in fs::read_dir(path).map_err(text)? {
                    let entry = entry.map_err(text)?;
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    // Bare shelves are left by a claim that was cut off, or by a volume that was taken out.
                    let is_nothing = name == LOST_AND_FOUND
                        || name.starts_with('.')
                        || (name == SHELVES && is_bare(&entry.path()).map_err(text)?);
                    if !is_nothing {
                        return Err(format!("it is not empty: it holds {name}"));
                    }
                }
            }
        }
        let place = Local::create_at(path).map_err(|error| faults::reason(&error))?;
        let shelves = objects::fan_out(SHELVES).map_err(|error| error.to_string())?;
        let shelved = place.prepare(&shelves);
        shelved.map_err(|error| faults::reason(&error))?;
        // Last: without it the directory is no volume yet.
        match place.put_new(&named(IDENTITY), identity.as_bytes()) {
            Ok(()) | Err(PutError::Exists { .. }) => Ok(()),
            Err(error) => Err(faults::reason(&error)),
        }
    }

    fn rename(&self, name: &str, drains: bool) -> Result<(), Fault> {
        let renamed = fs::rename(self.link_path(name, !drains), self.link_path(name, drains));
        let done = renamed.and_then(|()| self.sync_links());
        done.map_err(|error| unwritable(&self.pool, &error))?;
        self.look().map(drop)
    }

    fn place_of(&self, link: &Link) -> Result<Arc<dyn Objects>, Fault> {
        let volumes = self.volumes.volumes();
        let volume = volumes.into_iter().find(|volume| volume.name == link.name);
        volume.and_then(|volume| volume.place).ok_or_else(|| {
            Fault::new(Code::VolumeMissing)
                .with("volume", &link.name)
                .with("path", link.path.display())
        })
    }

    /// Moves every pack of a volume to others (D3), and returns how many bytes that were.
    fn drain(&self, name: &str, on_progress: OnCollect<'_>) -> Result<u64, Fault> {
        let link = self.link(name)?;
        let place = self.place_of(&link)?;
        if !link.drains {
            self.rename(name, true)?;
        }
        let path = link.path.display().to_string();
        let held = list(&*place, &path)?;
        let total = held.iter().map(|object| object.bytes).sum();
        let mut done = 0;
        for object in held {
            let progress = CollectProgress::Freeing { done, total };
            if on_progress(progress).is_break() {
                return Err(Fault::new(Code::JobCancelled));
            }
            self.move_away(&*place, &object.name, &path)?;
            done += object.bytes;
        }
        Ok(done)
    }

    fn move_away(&self, from: &dyn Objects, name: &ObjectName, path: &str) -> Result<(), Fault> {
        let bytes = match from.get(name) {
            Ok(bytes) => bytes,
            // A collection was quicker.
            Err(GetError::Missing { .. }) => return Ok(()),
            Err(error) => return Err(faults::get(path, error)),
        };
        let to = self.volumes.roomiest(name);
        if let Ok(Some(space)) = to.space()
            && space.free < Floors::of(space).stop
        {
            return Err(Fault::new(Code::PoolFull)
                .with("path", path)
                .with("free", space.free));
        }
        match to.put_new(name, &bytes) {
            Ok(()) => {}
            // An earlier attempt was interrupted between the two.
            Err(PutError::Exists { .. }) => {
                let settled = to.settle(name);
                settled.map_err(|error| faults::put(path, None, error))?;
                if to.get(name).map_err(|error| faults::get(path, error))? != bytes {
                    let detail = format!("{name} is on two volumes with different bytes");
                    return Err(Fault::new(Code::Internal).with("detail", detail));
                }
            }
            Err(error) => return Err(faults::put(path, None, error)),
        }
        match from.delete(name) {
            Ok(()) | Err(DeleteError::Missing { .. }) => Ok(()),
            Err(error) => Err(faults::delete(path, error)),
        }
    }

    /// Takes a volume out of the pool.
    fn remove(&self, name: &str, is_lost: bool) -> Result<(), Fault> {
        let link = self.link(name)?;
        let path = link.path.display().to_string();
        let place = match is_lost {
            true => None,
            false => Some(self.place_of(&link)?),
        };
        if let Some(place) = &place {
            let held = list(&**place, &path)?.len();
            if held > 0 {
                return Err(Fault::new(Code::VolumeNotEmpty)
                    .with("volume", name)
                    .with("count", held));
            }
        }
        let removed = fs::remove_file(self.link_path(name, link.drains));
        let done = removed.and_then(|()| self.sync_links());
        done.map_err(|error| unwritable(&self.pool, &error))?;
        self.look()?;
        // Last: a link to what is no volume any more would be one that is away, and wait for its disk for ever.
        match place.map(|place| place.delete(&named(IDENTITY))) {
            None | Some(Ok(()) | Err(DeleteError::Missing { .. })) => Ok(()),
            Some(Err(error)) => Err(faults::delete(&path, error)),
        }
    }
}

/// Returns whether these are shelves without anything on them.
fn is_bare(shelves: &Path) -> io::Result<bool> {
    for shelf in fs::read_dir(shelves)? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() || fs::read_dir(shelf.path())?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Store {
    fn registry(&self) -> Result<&Registry, Fault> {
        let none = || {
            Fault::new(Code::VolumeUnfit)
                .with("path", self.place())
                .with("reason", "only a pool in a directory has volumes")
        };
        self.core().volumes.as_ref().ok_or_else(none)
    }

    fn writable_registry(&self) -> Result<&Registry, Fault> {
        match self.read_only() {
            Some(fault) => Err(fault),
            None => self.registry(),
        }
    }

    /// Looks which volumes there are, takes in those that have come back, and returns them all. Without any there is nothing to
    /// do.
    ///
    /// # Errors
    /// The pool's directory cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeStatus>, Fault> {
        match &self.core().volumes {
            Some(registry) => {
                let is_there = || {
                    registry
                        .volumes
                        .volumes()
                        .iter()
                        .filter(|v| v.place.is_some())
                        .count()
                };
                let before = is_there();
                let volumes = registry.look()?;
                if is_there() > before {
                    self.core().retry_unreadable()?;
                }
                Ok(volumes)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns where its volumes are, or were, when they were looked at last.
    pub fn volume_paths(&self) -> Vec<PathBuf> {
        let paths = |registry: &Registry| {
            let paths = registry.paths.lock();
            paths.unwrap_or_else(PoisonError::into_inner).clone()
        };
        self.core().volumes.as_ref().map(paths).unwrap_or_default()
    }

    /// Makes an empty directory, or one that was a volume of this pool before, a volume of the pool.
    ///
    /// # Errors
    /// `VolumeNameInvalid`; `VolumeUnfit`: why; `PoolReadOnly`, `PoolUnwritable`.
    pub fn add_volume(&self, name: &str, path: &Path) -> Result<(), Fault> {
        self.writable_registry()?.add(name, path)
    }

    /// Moves every pack of a volume to the others and to the pool's own directory, beside everything; no new one goes there from here
    /// on, also if that is interrupted. Returns the bytes moved.
    ///
    /// # Errors
    /// `VolumeUnknown`, `VolumeMissing`; `PoolFull`; `JobCancelled`: what was moved stays so.
    pub fn drain_volume(&self, name: &str, on_progress: OnCollect<'_>) -> Result<u64, Fault> {
        self.writable_registry()?.drain(name, on_progress)
    }

    /// Takes a volume that holds nothing out of the pool; one that `is_lost` whatever it held: what was only there is missing from then
    /// on.
    ///
    /// # Errors
    /// `VolumeUnknown`, `VolumeMissing`, `VolumeNotEmpty`; `PoolUnwritable`.
    pub fn remove_volume(&self, name: &str, is_lost: bool) -> Result<(), Fault> {
        self.writable_registry()?.remove(name, is_lost)
    }
}

impl Core {
    /// Looks once more at packs that could not be read when they were indexed: what they are on may be back, and a medium
    /// that fails once may not fail twice.
    pub(crate) fn retry_unreadable(&self) -> Result<(), Fault> {
        let mut unreadable = Vec::new();
        self.index.each_pack(|_, pack| {
            if pack.state == PackState::Unreadable {
                unreadable.push(pack);
            }
        })?;
        for pack in unreadable {
            let sealer = self.sealer();
            let read = DurablePack::logged(&*self.objects, &sealer, pack.class, pack.name);
            if let Ok(found) = read {
                self.index.mend(&found)?;
            }
        }
        Ok(())
    }

    /// Returns the packs that are on no volume that is there, while one is away.
    fn packs_away(&self) -> Result<HashSet<u32>, Fault> {
        let mut data = Vec::new();
        self.index.each_pack(|ordinal, pack| {
            if pack.class == Class::Data {
                data.push((ordinal, object_name(pack.class, &pack.name)));
            }
        })?;
        let is_away =
            |name: &ObjectName| matches!(self.objects.head(name), Err(GetError::Away { .. }));
        data.retain(|(_, name)| is_away(name));
        Ok(data.into_iter().map(|(ordinal, _)| ordinal).collect())
    }
}

/// What waits for a volume, found out once for each state of the log and the volumes.
pub(crate) type Waiting = Mutex<Option<(u64, Vec<String>, Vec<PointId>)>>;

impl Store {
    /// Returns the points that cannot be restored in full until a volume is there again.
    ///
    /// # Errors
    /// The place does not answer; the index failed.
    pub fn points_waiting(&self) -> Result<Vec<PointId>, Fault> {
        let core = self.core();
        let Some(registry) = &core.volumes else {
            return Ok(Vec::new());
        };
        let volumes = registry.volumes.volumes().into_iter();
        let away = volumes.filter(|volume| volume.place.is_none());
        let away: Vec<String> = away.map(|volume| volume.name).collect();
        if away.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.log_seq();
        let mut waiting = registry
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((seq, volumes, points)) = &*waiting
            && (*seq, volumes) == (now, &away)
        {
            return Ok(points.clone());
        }
        let mut needs = Needs {
            core,
            away: core.packs_away()?,
            known: HashMap::new(),
        };
        let mut points = Vec::new();
        for point in self.points()? {
            if let Ok(reading) = self.read_point(&point.id)
                && needs.any_away(&reading.root(), 0)?
            {
                points.push(point.id);
            }
        }
        *waiting = Some((now, away, points.clone()));
        Ok(points)
    }
}

/// Which trees need what is away, each node looked at once.
struct Needs<'a> {
    core: &'a Core,
    away: HashSet<u32>,
    known: HashMap<ChunkId, bool>,
}

impl Needs<'_> {
    fn any_away(&mut self, id: &ChunkId, depth: usize) -> Result<bool, Fault> {
        if let Some(known) = self.known.get(id) {
            return Ok(*known);
        }
        // What cannot be read is damaged, which is another matter.
        let below = self
            .core
            .read(id)
            .ok()
            .and_then(|plain| children(&plain).ok());
        let mut any = false;
        for node in below
            .iter()
            .flat_map(|below| below.nodes.iter().chain(&below.maps))
        {
            any |= depth < 2 * TREE_DEPTH_MAX && self.any_away(node, depth + 1)?;
        }
        for chunk in below.iter().flat_map(|below| &below.chunks) {
            let found = self.core.index.find_for(Asker::Reader, chunk)?;
            any |= found.is_none_or(|found| self.away.contains(&found.ordinal));
        }
        self.known.insert(*id, any);
        Ok(any)
    }
}

/// Returns the packs of a volume.
fn list(place: &dyn Objects, path: &str) -> Result<Vec<Listed>, Fault> {
    let mut found = Vec::new();
    for shelf in objects::fan_out(SHELVES).expect("a class is an object's name") {
        let listed = place.list(&format!("{shelf}/"));
        found.extend(listed.map_err(|error| faults::list(path, error))?);
    }
    Ok(found)
}

/// Returns whether a text can be a volume's name: letters, digits, `-` and `_`.
fn is_name(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
    (1..=VOLUME_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(Code::PoolUnreadable)
        .with("path", path.display())
        .with("reason", error)
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(Code::PoolUnwritable)
        .with("path", path.display())
        .with("reason", error)
}
