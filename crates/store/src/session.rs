//! A session: one synchronization of one source, from its base to its commit.
//!
//! The order of a commit is the store's first law (C1 to C5 in the crate's docs); it stands in [`Session::commit`], top to
//! bottom. Until the last step the replica is what it was; what is lost on the way is the session, never the store.
//!
//! Invariants: the opening record is in the log before the first answer about a known chunk; one session a source at a
//! time; a session that ends without a commit gives its durable packs to the log before it closes, so that the next
//! one finds their chunks.

mod scribe;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::fault::Code;
use base::{ChunkHash, ChunkId, Fault, SessionId, SourceId};
use format::entry::{Extent, FileEntry, FileKey};
use format::log::{Body, Commit};
use format::replica::{ChunkReader, MapWriter, ReplicaWriter};
use format::tree::{self, Editor, Totals, TreeError};

use self::scribe::Scribe;
use crate::core::Core;
use crate::faults;
use crate::points::{Made, NewPoint, PointInfo};
use crate::space::Load;
use crate::writer::Writer;

/// What a commit makes.
#[derive(Clone, Debug, Default)]
pub struct CommitSpec {
    /// The recovery point to make of the new replica, if one is due.
    pub point: Option<NewPoint>,
}

impl CommitSpec {
    /// Returns a commit that advances the replica and makes no point.
    pub fn sync_only() -> Self {
        Self::default()
    }

    /// Returns a commit that advances the replica and makes a point of it.
    pub fn with_point(point: NewPoint) -> Self {
        Self { point: Some(point) }
    }
}

/// What a commit made.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The replica's root.
    pub root: ChunkId,
    /// What the replica holds.
    pub totals: Totals,
    /// The recovery point, if one was asked for.
    pub point: Option<PointInfo>,
    /// Bytes of new chunks, as stored.
    pub new_bytes: u64,
    /// New chunks.
    pub new_chunks: u64,
}

/// One synchronization of one source. Dropped without a commit it leaves the replica as it was.
pub struct Session {
    scribe: Arc<Scribe>,
    id: SessionId,
    source: SourceId,
    base: Option<ChunkId>,
    /// The replica's root when it began.
    replica: Option<ChunkId>,
    opened: Mutex<bool>,
    /// The new tree, from the first change on: a session that changes nothing reads and writes no node.
    tree: Mutex<Option<Editor<'static, FileEntry>>>,
    ended: bool,
}

impl Session {
    /// Starts a session for `source`, which has been taken for it.
    ///
    /// # Errors
    /// `ReplicaBusy`: the replica is not `base`; the index failed; no thread can be started: the source has to be given back.
    pub(crate) fn start(
        core: &Arc<Core>,
        source: SourceId,
        base: Option<ChunkId>,
    ) -> Result<Self, Fault> {
        let replica = core.index.replica(&source)?.map(|replica| replica.root);
        // The replica keeps its own tree alive while the session lasts; nothing does that for another.
        if base.is_some() && base != replica {
            return Err(Fault::new(Code::ReplicaBusy).with("source", source));
        }
        let id = SessionId::random(&core.env);
        let writer = Writer::start(core, id, Load::Data)?;
        Ok(Self {
            scribe: Arc::new(Scribe {
                core: Arc::clone(core),
                writer,
            }),
            id,
            source,
            base,
            replica,
            opened: Mutex::new(false),
            tree: Mutex::new(None),
            ended: false,
        })
    }

    /// Returns its id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the bytes of new chunks so far, as stored.
    pub fn new_bytes(&self) -> u64 {
        self.scribe.writer.added().0
    }

    /// Makes everything durable, then visible, in this order, and returns what it made.
    ///
    /// # Errors
    /// The session is lost, the replica and the points are as they were, unless the fault is that of the index
    /// after the log record was durable: then reopening the store shows the commit.
    pub fn commit(mut self, spec: CommitSpec) -> Result<Committed, Fault> {
        let core = Arc::clone(&self.scribe.core);
        let root = self.finish_tree()?;
        // Every pack durable and indexed, so every chunk below the root.
        self.scribe.writer.flush()?;
        let (new_bytes, new_chunks) = self.scribe.writer.added();
        let totals = tree::summary::<FileEntry>(&*self.scribe, &root).map_err(faults::tree)?;
        let mut committed = Committed {
            root,
            totals,
            point: None,
            new_bytes,
            new_chunks,
        };
        if spec.point.is_none() && self.replica == Some(root) {
            // Nothing to say: at most the session has to be closed.
            return Ok(committed);
        }
        self.ensure_open()?;
        let made = Made {
            source: self.source,
            session: self.id,
            root,
            totals,
            stored_bytes: new_bytes,
        };
        // The point's object, which describes it.
        let point = spec
            .point
            .map(|new| core.write_point(new, made))
            .transpose()?;
        // The log record, which is the commit.
        let packs = self.scribe.writer.take_loose();
        let commit = Commit {
            session: self.id,
            source: self.source,
            base: self.replica,
            root,
            packs,
            point,
        };
        let entry = core
            .append_commit(commit.clone(), &self.scribe.writer.relied_upon())
            .inspect_err(|_| self.scribe.writer.give_back(commit.packs))?;
        self.ended = true;
        if let Body::Commit(commit) = &entry.record.body {
            committed.point = commit
                .point
                .as_ref()
                .map(|facts| PointInfo::of(&entry.record, commit, facts));
        }
        Ok(committed)
    }

    /// Ends it without a commit: the replica stays as it was, the work done so far is found by the next session.
    pub fn abandon(self) {
        drop(self);
    }

    /// Writes the opening record, once.
    fn ensure_open(&self) -> Result<(), Fault> {
        let mut opened = lock(&self.opened);
        if !*opened {
            self.scribe.core.append(Body::Open {
                session: self.id,
                source: self.source,
            })?;
            *opened = true;
        }
        Ok(())
    }

    /// Returns the root of the tree with all changes.
    fn finish_tree(&self) -> Result<ChunkId, Fault> {
        self.scribe.writer.check()?;
        let editor = match (lock(&self.tree).take(), self.base) {
            (Some(editor), _) => editor,
            (None, Some(base)) => return Ok(base),
            (None, None) => {
                self.ensure_open()?;
                self.scribe.editor(None)
            }
        };
        editor
            .finish()
            .map_err(|error| self.lose(faults::tree(error)))
    }

    /// Applies a change to the tree, begun if need be.
    fn change(
        &self,
        apply: impl FnOnce(&mut Editor<'static, FileEntry>) -> Result<(), TreeError>,
    ) -> Result<(), Fault> {
        self.scribe.writer.check()?;
        self.ensure_open()?;
        let mut tree = lock(&self.tree);
        let editor = tree.get_or_insert_with(|| self.scribe.editor(self.base));
        match apply(editor) {
            Ok(()) => Ok(()),
            // The editor is as it was: one entry is left out, the session goes on.
            Err(error @ TreeError::Refused { .. }) => Err(error.into()),
            Err(error) => Err(self.lose(faults::tree(error))),
        }
    }

    fn lose(&self, failure: Fault) -> Fault {
        self.scribe.writer.fail(failure.clone());
        failure
    }
}

impl ReplicaWriter for Session {
    fn put_chunk(&self, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault> {
        self.ensure_open()?;
        self.scribe.put_data(hash, plain)
    }

    fn begin_map(&self) -> Result<Box<dyn MapWriter + '_>, Fault> {
        self.ensure_open()?;
        Ok(Box::new(Map {
            editor: self.scribe.editor(None),
            offset: 0,
        }))
    }

    fn put_entry(&self, key: &FileKey, entry: &FileEntry) -> Result<(), Fault> {
        self.change(|tree| tree.put(&key.0, entry))
    }

    fn delete_entry(&self, key: &FileKey) -> Result<(), Fault> {
        self.change(|tree| tree.delete(&key.0))
    }
}

impl ChunkReader for Session {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.scribe.read_chunk(id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let core = &self.scribe.core;
        if !self.ended && *lock(&self.opened) {
            self.scribe.writer.stop();
            core.close_session(self.id, self.scribe.writer.take_loose());
        }
        core.release(&self.source);
    }
}

/// An extent map being written.
struct Map {
    editor: Editor<'static, Extent>,
    offset: u64,
}

impl MapWriter for Map {
    fn push(&mut self, extent: Extent) -> Result<(), Fault> {
        let key = tree::extent_key(self.offset);
        self.editor.put(&key, &extent).map_err(faults::tree)?;
        self.offset += extent.len();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ChunkId, Fault> {
        self.editor.finish().map_err(faults::tree)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use format::keys::{KeyFile, NewSlot};
    use format::pack::Class;
    use format::seal::Sealer;
    use objects::Memory;

    use super::*;
    use crate::{Place, Store};

    #[test]
    fn a_commit_looks_whether_what_it_relied_upon_is_there() {
        let (env, _) = testkit::env(1);
        let slots = [NewSlot::KeyFile(KeyFile::random(&env))];
        let place = Arc::new(Memory::new());
        let store = Store::create(place, &slots, &env, Place::Memory).expect("a new store");
        let plain = vec![7; 5000];
        let put = |session: &Session| session.put_chunk(&Sealer::hash(&plain), &plain);
        let first = store.begin(SourceId([1; 16]), None).expect("a session");
        put(&first).expect("stored");
        first.commit(CommitSpec::sync_only()).expect("committed");
        let second = store.begin(SourceId([2; 16]), None).expect("a session");
        put(&second).expect("known");
        assert_eq!(second.new_bytes(), 0);
        // As if a collection had not waited for it.
        let core = store.core();
        let packs = core.index.packs().expect("an index");
        let pack = packs.iter().find(|pack| pack.class == Class::Data);
        core.index
            .forget(&pack.expect("a pack").name)
            .expect("gone");
        let fault = second
            .commit(CommitSpec::sync_only())
            .expect_err("overtaken");
        assert_eq!(fault.code, Code::SessionOvertaken);
        assert_eq!(store.replica(&SourceId([2; 16])).expect("an index"), None);
    }
}
