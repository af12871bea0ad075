//! A store beside a model of what it ought to hold: what all tests of crashes and faults stand on.
//!
//! The model is a plain map from path to bytes for every acknowledged point; comparing reads every listed point back
//! in full, through the tree and every chunk.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use base::fault::Code;
use base::limits::{CHUNK_BYTES_MAX, INLINE_BYTES_MAX};
use base::{Env, Fault, PointId, SourceId};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::keys::{KeyFile, NewSlot, Unlock};
use format::point::Consistency;
use format::replica::{ChunkReader, ReplicaWriter};
use format::seal::Sealer;
use format::tree::{Cursor, TreeError};
use objects::{Local, Objects};
use store::{CollectionReport, CommitSpec, Committed, NewPoint, Place, Reading, Session, Store};
use testkit::SimDisk;

/// The files of a source: path to content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Returns files from pairs.
pub fn files(pairs: &[(&str, &[u8])]) -> Files {
    pairs
        .iter()
        .map(|(path, bytes)| (String::from(*path), bytes.to_vec()))
        .collect()
}

/// What opens every store of these tests.
#[derive(Clone, Debug)]
pub struct Key(KeyFile);

impl Key {
    /// Returns one by chance.
    pub fn new(env: &Env) -> Self {
        Self(KeyFile::random(env))
    }

    /// Returns what a store is made with.
    pub fn slots(&self) -> Vec<NewSlot> {
        vec![NewSlot::KeyFile(self.0.clone())]
    }

    /// Returns what opens it.
    pub fn unlock(&self) -> Unlock {
        Unlock::KeyFile(self.0.clone())
    }

    /// Makes a store.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn create(&self, objects: Arc<dyn Objects>, env: &Env) -> Store {
        Store::create(objects, &self.slots(), env, Place::Memory).expect("a new store")
    }

    /// Opens a store, with an index built anew.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self, objects: Arc<dyn Objects>, env: &Env) -> Result<Store, Fault> {
        Store::open(objects, &self.unlock(), env, Place::Memory)
    }
}

/// Writes the difference between `before` and `now` into a session.
///
/// # Errors
/// The session is lost.
pub fn write(session: &Session, before: &Files, now: &Files) -> Result<(), Fault> {
    let mut paths: Vec<_> = before.keys().chain(now.keys()).collect();
    paths.sort_by_key(|path| FileKey::from_path(path.as_bytes()).expect("a path").0);
    paths.dedup();
    for path in paths {
        let key = FileKey::from_path(path.as_bytes()).expect("a path");
        match (before.get(path), now.get(path)) {
            (old, Some(new)) if old != Some(new) => {
                session.put_entry(&key, &entry(session, new)?)?;
            }
            (Some(_), None) => session.delete_entry(&key)?,
            _ => {}
        }
    }
    Ok(())
}

/// Stores a file's content and returns its entry.
fn entry(session: &Session, bytes: &[u8]) -> Result<FileEntry, Fault> {
    let content = if bytes.len() <= INLINE_BYTES_MAX {
        Content::Inline(bytes.to_vec())
    } else {
        let mut extents = Vec::new();
        for plain in bytes.chunks(CHUNK_BYTES_MAX) {
            extents.push(Extent::Data {
                chunk: session.put_chunk(&Sealer::hash(plain), plain)?,
                offset: 0,
                len: plain.len() as u32,
            });
        }
        Content::Extents(extents)
    };
    Ok(FileEntry {
        node: Node::File(content),
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        user: b"user".to_vec(),
        group: b"group".to_vec(),
        mtime_ns: 1,
        ctime_ns: 2,
        inode: 3,
        device: 4,
        links: 1,
        size: bytes.len() as u64,
        xattrs: Vec::new(),
    })
}

/// Returns a point to be made.
pub fn new_point() -> NewPoint {
    NewPoint {
        address: String::from("here:/etc"),
        group: String::from("group"),
        time_ns: None,
        consistency: Consistency::Crash,
        warnings: 0,
        changed: 0,
    }
}

/// Synchronizes `source` from `before` to `now` and makes a point.
///
/// # Errors
/// As [`Store::begin`] and [`Session::commit`].
pub fn backup(
    store: &Store,
    source: SourceId,
    before: &Files,
    now: &Files,
) -> Result<Committed, Fault> {
    let base = store.replica(&source)?.map(|replica| replica.root);
    let session = store.begin(source, base)?;
    let empty = Files::new();
    write(&session, if base.is_some() { before } else { &empty }, now)?;
    session.commit(CommitSpec::with_point(new_point()))
}

/// Returns what reads chunks of a store that has a point or a replica.
///
/// # Panics
/// If it has neither, or the index fails.
pub fn reader(store: &Store) -> Reading {
    let points = store.points().expect("an index");
    // Others may delete points meanwhile.
    let mut points = points
        .iter()
        .filter_map(|point| store.read_point(&point.id).ok());
    let reading = points.next().or_else(|| {
        let replicas = store.replicas().expect("an index");
        let mut replicas = replicas
            .iter()
            .map(|replica| store.read_replica(&replica.source));
        replicas.find_map(|reading| reading.expect("an index"))
    });
    reading.expect("something to read")
}

/// Reads all files beneath a root back.
///
/// # Errors
/// The tree or a chunk is damaged or missing.
pub fn read(store: &Store, root: &base::ChunkId) -> Result<Files, Fault> {
    let tree = &reader(store);
    let broken = |error: TreeError| match error {
        TreeError::Read { fault, .. } => fault,
        error => Fault::new(Code::TreeDamaged)
            .with("reason", &error)
            .because(error),
    };
    let mut found = Files::new();
    let mut cursor = Cursor::<FileEntry>::new(tree, root).map_err(broken)?;
    while let Some((key, entry)) = cursor.next_ref().map_err(broken)? {
        let path = FileKey(key.to_vec()).to_path().expect("a path");
        let mut bytes = Vec::new();
        match entry.node {
            format::tree::NodeRef::Inline(inline) => bytes.extend_from_slice(inline),
            format::tree::NodeRef::Extents(extents) => {
                for extent in extents {
                    let Extent::Data { chunk, offset, len } = extent else {
                        panic!("the model has no holes");
                    };
                    let plain = tree.read_chunk(chunk)?;
                    let (from, len) = (*offset as usize, *len as usize);
                    bytes.extend_from_slice(&plain[from..from + len]);
                }
            }
            _ => panic!("the model has only files"),
        }
        found.insert(String::from_utf8(path).expect("text"), bytes);
    }
    Ok(found)
}

/// Says what is wrong with `store`, of which the points `known` were acknowledged and of which every point is
/// one of `states`.
pub fn violation(store: &Store, known: &[(PointId, &Files)], states: &[Files]) -> Option<String> {
    let points = match store.points() {
        Ok(points) => points,
        Err(fault) => return Some(format!("points cannot be listed: {fault:?}")),
    };
    for (id, _) in known {
        if !points.iter().any(|point| point.id == *id) {
            return Some(format!("acknowledged point {id} is lost"));
        }
    }
    for point in &points {
        if let Err(fault) = store.point_object(&point.id) {
            return Some(format!("point {} has no object: {fault:?}", point.id));
        }
        let found = match read(store, &point.root) {
            Ok(found) => found,
            Err(fault) => return Some(format!("point {} is not readable: {fault:?}", point.id)),
        };
        match known.iter().find(|(id, _)| *id == point.id) {
            Some((id, expected)) if found != **expected => {
                return Some(format!("point {id} has other content"));
            }
            None if !states.contains(&found) => {
                return Some(format!("point {} has content that never was", point.id));
            }
            _ => {}
        }
    }
    None
}

/// Returns a simulated disk as a place for objects.
///
/// # Panics
/// If it cannot be opened.
pub fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

/// Collects with nobody in the way.
///
/// # Errors
/// As [`Store::plan_collection`] and [`store::Collection::execute`].
pub fn collect(store: &Store) -> Result<CollectionReport, Fault> {
    let go_on = &mut |_| ControlFlow::Continue(());
    store.plan_collection(go_on)?.execute(go_on)
}
