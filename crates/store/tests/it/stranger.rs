//! A second reader of stores, written from `docs/format.md` alone: the executable proof that the page is enough.
//!
//! It is slow and simple on purpose: it reads whole objects, keeps nothing in a cache, believes nothing that it has not
//! verified, and says in words what is wrong. Headings in its modules' first lines are those of the page.
//! It uses no item of any crate of this workspace (`it_uses_nothing_of_ours` holds that), only implementations of
//! BLAKE3, AES-256-GCM, Ed25519, Argon2id and Zstandard. It does not write, and has no opinion on what only writers
//! have to do: cuts, node boundaries, orders of writing.

pub(crate) mod wire;

pub(crate) mod crypt;
pub(crate) mod file_key;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod pack;
pub(crate) mod parity;
pub(crate) mod point;
pub(crate) mod tree;

mod class;
mod extents;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crypt::hash;
use extents::Extent;
use files::{Entry, Kind};
use keys::{Format, Ring, Secret};
use pack::{Class, Place};

/// What a reader has to say: the value, or what is wrong with the bytes.
pub(crate) type Read<T> = Result<T, String>;

/// 32 bytes: a hash, a key, a chunk id.
pub(crate) type Bytes32 = [u8; 32];

/// 16 bytes: the id of a store, source, point or session.
pub(crate) type Id = [u8; 16];

/// The entries of a recovery point: path to metadata and content.
pub(crate) type Listing = BTreeMap<Vec<u8>, (Entry, Vec<u8>)>;

/// A store whose log has been read.
pub(crate) struct Stranger {
    directory: PathBuf,
    format: Format,
    ring: Ring,
    state: log::State,
    chunks: HashMap<Bytes32, (PathBuf, Place)>,
}

impl Stranger {
    /// Opens the store in a directory: steps 1 to 5 of "Reading a store".
    pub(crate) fn open(directory: &Path, secret: &Secret) -> Read<Self> {
        let object = read(&directory.join("format"))?;
        let format = Format::parse(&object)?;
        let master = Self::master(directory, &format, secret)?;
        let ring = Self::ring(directory, &format, &master)?;
        let state = log::read_all(&directory.join("log"), &object, &format, &ring)?;
        let mut chunks = HashMap::new();
        for (class, name) in &state.packs {
            let path = pack_path(directory, *class, name);
            for place in pack::read(&read(&path)?, name, *class, &format, &ring)? {
                chunks.insert(place.id, (path.clone(), place));
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            format,
            ring,
            state,
            chunks,
        })
    }

    /// Returns the master key from the first slot of this store that the secret opens.
    fn master(directory: &Path, format: &Format, secret: &Secret) -> Read<Bytes32> {
        let mut refused = String::from("no slot opens with this secret");
        for (_, path) in numbered(directory, "slot-")? {
            match keys::open_slot(&read(&path)?, format, secret) {
                Ok(Some(master)) => return Ok(master),
                Ok(None) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Opens the newest ring of this store.
    fn ring(directory: &Path, format: &Format, master: &Bytes32) -> Read<Ring> {
        for (number, path) in numbered(directory, "ring-")?.into_iter().rev() {
            let object = read(&path)?;
            if keys::is_of(&object, format) {
                return Ring::open(&object, format, number, master);
            }
        }
        Err(String::from("there is no key ring"))
    }

    /// Returns the ids of the points there are, in the order in which they were made.
    pub(crate) fn points(&self) -> Vec<Id> {
        self.state.points.iter().map(|facts| facts.id).collect()
    }

    /// Returns the sources that have a replica, and its root.
    pub(crate) fn replicas(&self) -> Vec<(Id, Bytes32)> {
        let replicas = self.state.replicas.iter();
        replicas.map(|(source, root)| (*source, *root)).collect()
    }

    /// Reads a point's object, and compares it with what the log says: step 6.
    pub(crate) fn point(&self, id: &Id) -> Read<point::Point> {
        let known = self.state.points.iter().find(|facts| facts.id == *id);
        let known = known.ok_or_else(|| String::from("there is no such point"))?;
        let path = self
            .directory
            .join("points")
            .join(wire::id_text(&known.source));
        let object = read(&path.join(wire::id_text(id)))?;
        if hash(&object) != known.object {
            return Err(String::from("the point is not the one of the log"));
        }
        let point = point::open(&object, &self.format, &self.ring)?;
        if (point.id, point.source, point.root) != (*id, known.source, known.root) {
            return Err(String::from("the point says something else than the log"));
        }
        Ok(point)
    }

    /// Reads every entry of a point with its content: step 7.
    pub(crate) fn read_point(&self, id: &Id) -> Read<Listing> {
        let point = self.point(id)?;
        let mut listing = Listing::new();
        tree::walk::<Entry>(&|id| self.chunk(id, 2), &point.root, &mut |key, entry| {
            let content = self.content(&entry)?;
            listing.insert(file_key::path(key)?, (entry, content));
            Ok(())
        })?;
        Ok(listing)
    }

    /// Returns the bytes of a file, the target of a symbolic link, or nothing.
    fn content(&self, entry: &Entry) -> Read<Vec<u8>> {
        match &entry.kind {
            Kind::Inline(bytes) | Kind::Link(bytes) => Ok(bytes.clone()),
            Kind::Extents(extents) => self.join(extents, entry.size),
            Kind::Map(root) => {
                let mut items = Vec::new();
                tree::walk::<Extent>(&|id| self.chunk(id, 2), root, &mut |key, extent| {
                    items.push((key.to_vec(), extent));
                    Ok(())
                })?;
                self.join(&extents::in_a_row(items, entry.size)?, entry.size)
            }
            Kind::Directory | Kind::Pipe | Kind::Socket => Ok(Vec::new()),
            Kind::CharacterDevice(_) | Kind::BlockDevice(_) => Ok(Vec::new()),
        }
    }

    fn join(&self, extents: &[Extent], size: u64) -> Read<Vec<u8>> {
        let mut content = Vec::new();
        for extent in extents {
            let len = usize::try_from(extent.len).map_err(|_| String::from("too long"))?;
            let Some((id, offset)) = &extent.part else {
                content.resize(content.len() + len, 0);
                continue;
            };
            let chunk = self.chunk(id, 1)?;
            let from = *offset as usize;
            let part = chunk.get(from..from + len);
            content.extend_from_slice(part.ok_or("an extent ends behind its chunk")?);
        }
        if content.len() as u64 != size {
            return Err(String::from("the extents do not add up to the file's size"));
        }
        Ok(content)
    }

    /// Returns the content of a chunk, which has to be of a kind.
    pub(crate) fn chunk(&self, id: &Bytes32, kind: u8) -> Read<Vec<u8>> {
        let (path, place) = self
            .chunks
            .get(id)
            .ok_or("no pack of the log has the chunk")?;
        if place.kind != kind {
            return Err(String::from("a chunk of the wrong kind"));
        }
        let object = read(path)?;
        let sealed = object
            .get(place.range())
            .ok_or("the pack has become shorter")?;
        pack::open_chunk(sealed, place, &self.ring)
    }
}

fn pack_path(directory: &Path, class: Class, name: &Bytes32) -> PathBuf {
    let name = wire::hex(name);
    directory
        .join(class.directory())
        .join(&name[..2])
        .join(name)
}

fn read(path: &Path) -> Read<Vec<u8>> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Returns the objects of a directory with their names, in order. What begins with a dot is none.
fn entries(directory: &Path) -> Read<Vec<(String, PathBuf)>> {
    let failed = |error| format!("cannot list {}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') {
            found.push((name.into_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the objects `keys/<prefix><n>` in the order of their numbers.
fn numbered(directory: &Path, prefix: &str) -> Read<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for (name, path) in entries(&directory.join("keys"))? {
        let number = name
            .strip_prefix(prefix)
            .and_then(|number| number.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}
