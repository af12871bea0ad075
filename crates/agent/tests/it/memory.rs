//! A store that keeps everything in memory and counts what it is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use agent::backup::{self, Backup, Report};
use agent::{Monitor, Progress, Warning};
use base::fault::Code;
use base::{ChunkHash, ChunkId, Fault};
use format::chunker::{Chunker, ChunkerKey};
use format::entry::{Extent, FileEntry, FileKey};
use format::replica::{ChunkReader, MapWriter, ReplicaWriter};
use format::seal::Sealer;
use format::tree::{Boundary, Editor, NodeSink, extent_key};
use sources::files::WalkOptions;

type Happening = Box<dyn FnOnce() + Send>;

/// Chunks by id. An id is the plain hash here.
#[derive(Default)]
pub(crate) struct Memory {
    chunks: Mutex<HashMap<ChunkId, Arc<Vec<u8>>>>,
    /// Chunks that cannot be read any more, until they are stored again.
    damaged: Mutex<HashSet<ChunkId>>,
    /// Chunks that are sound, and cannot be read at the moment.
    away: Mutex<HashSet<ChunkId>>,
    /// What happens when a chunk is read for the first time.
    pub(crate) on_read: Mutex<Option<(ChunkId, Happening)>>,
    /// Bytes of content that were stored.
    pub(crate) stored_bytes: AtomicU64,
    /// How often a chunk was asked for.
    pub(crate) reads: AtomicU64,
}

impl ChunkReader for Memory {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let happens = self
            .on_read
            .lock()
            .unwrap()
            .take_if(|(chunk, _)| chunk == id);
        if let Some((_, happen)) = happens {
            happen();
        }
        let missing = || Fault::new(Code::ChunkMissing).with("chunk", id);
        if self.away.lock().unwrap().contains(id) {
            let fault = Fault::new(Code::PoolUnreadable).with("path", "memory");
            return Err(fault.with("reason", "it is away"));
        }
        if self.damaged.lock().unwrap().contains(id) {
            return Err(missing());
        }
        self.chunks
            .lock()
            .unwrap()
            .get(id)
            .cloned()
            .ok_or_else(missing)
    }
}

impl NodeSink for Memory {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        let id = ChunkId(Sealer::hash(plain).0);
        self.chunks
            .lock()
            .unwrap()
            .insert(id, Arc::new(plain.to_vec()));
        Ok(id)
    }
}

impl Memory {
    /// Lets nobody read a chunk for now.
    pub(crate) fn take_away(&self, id: ChunkId) {
        self.away.lock().unwrap().insert(id);
    }

    /// Makes every chunk of `plain` content unreadable.
    pub(crate) fn damage(&self, id: ChunkId) {
        self.damaged.lock().unwrap().insert(id);
    }
}

/// A session over [`Memory`].
pub(crate) struct Session<'a> {
    memory: &'a Memory,
    boundary: Boundary,
    editor: Mutex<Option<Editor<'a, FileEntry>>>,
    /// Entries written or deleted, in order.
    pub(crate) written: Mutex<Vec<FileKey>>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(memory: &'a Memory, base: Option<ChunkId>) -> Self {
        let boundary = Boundary::new(&key().node_key());
        Self {
            memory,
            editor: Mutex::new(Some(Editor::new(memory, memory, &boundary, base))),
            boundary,
            written: Mutex::default(),
        }
    }

    pub(crate) fn finish(&self) -> ChunkId {
        self.editor
            .lock()
            .unwrap()
            .take()
            .unwrap()
            .finish()
            .unwrap()
    }
}

impl ReplicaWriter for Session<'_> {
    fn put_chunk(&self, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault> {
        assert_eq!(*hash, Sealer::hash(plain), "a chunk is called by its hash");
        let id = ChunkId(hash.0);
        let renewed = self.memory.damaged.lock().unwrap().remove(&id);
        let known = self
            .memory
            .chunks
            .lock()
            .unwrap()
            .insert(id, Arc::new(plain.to_vec()));
        if known.is_none() || renewed {
            self.memory
                .stored_bytes
                .fetch_add(plain.len() as u64, Ordering::Relaxed);
        }
        Ok(id)
    }

    fn begin_map(&self) -> Result<Box<dyn MapWriter + '_>, Fault> {
        Ok(Box::new(Map {
            editor: Editor::new(self.memory, self.memory, &self.boundary, None),
            offset: 0,
        }))
    }

    fn put_entry(&self, key: &FileKey, entry: &FileEntry) -> Result<(), Fault> {
        self.written.lock().unwrap().push(key.clone());
        Ok(self
            .editor
            .lock()
            .unwrap()
            .as_mut()
            .unwrap()
            .put(&key.0, entry)?)
    }

    fn delete_entry(&self, key: &FileKey) -> Result<(), Fault> {
        self.written.lock().unwrap().push(key.clone());
        Ok(self
            .editor
            .lock()
            .unwrap()
            .as_mut()
            .unwrap()
            .delete(&key.0)?)
    }
}

struct Map<'a> {
    editor: Editor<'a, Extent>,
    offset: u64,
}

impl MapWriter for Map<'_> {
    fn push(&mut self, extent: Extent) -> Result<(), Fault> {
        self.editor.put(&extent_key(self.offset), &extent)?;
        self.offset += extent.len();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ChunkId, Fault> {
        Ok(self.editor.finish()?)
    }
}

fn key() -> ChunkerKey {
    ChunkerKey::new([7; 32])
}

/// Remembers warnings and progress; cancels after so many reports of progress, or when asked so often.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) warnings: Mutex<Vec<Warning>>,
    pub(crate) progress: Mutex<Vec<Progress>>,
    cancel_after: Option<u64>,
    heard: AtomicU64,
    cancel_when_asked: Option<u64>,
    asked: AtomicU64,
}

impl Watcher {
    /// Returns one that cancels after so many reports of progress.
    pub(crate) fn cancelling_after(reports: u64) -> Self {
        Self {
            cancel_after: Some(reports),
            ..Self::default()
        }
    }
}

impl Monitor for Watcher {
    fn progress(&self, so_far: Progress) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        self.progress.lock().unwrap().push(so_far);
    }

    fn warn(&self, warning: Warning) {
        self.warnings.lock().unwrap().push(warning);
    }

    fn is_cancelled(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.cancel_when_asked.is_some_and(|n| asked >= n)
            || self
                .cancel_after
                .is_some_and(|n| self.heard.load(Ordering::Relaxed) > n)
    }
}

/// One run over a directory, with everything a test may want to look at afterwards.
pub(crate) struct Run {
    pub(crate) report: Report,
    pub(crate) root: ChunkId,
    pub(crate) written: Vec<FileKey>,
    pub(crate) progress: Vec<Progress>,
}

/// Backs `source` up into `memory`, on top of `earlier`, long after its last change.
pub(crate) fn back_up(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    read_unchanged: bool,
) -> Run {
    run(memory, source, earlier, read_unchanged, i64::MAX).unwrap()
}

/// As [`back_up`], for a run that fails.
pub(crate) fn fail_to_back_up(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    read_unchanged: bool,
) -> Fault {
    let run = run(memory, source, earlier, read_unchanged, i64::MAX);
    run.map(|_| ()).expect_err("the run fails")
}

/// As [`back_up`], in a run that began at a certain time.
pub(crate) fn back_up_at(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    began_ns: i64,
) -> Run {
    run(memory, source, earlier, false, began_ns).unwrap()
}

fn run(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    read_unchanged: bool,
    began_ns: i64,
) -> Result<Run, Fault> {
    let walk = WalkOptions::default();
    run_by(memory, source, earlier, read_unchanged, began_ns, &walk)
}

/// As [`back_up`], of what a walk finds.
pub(crate) fn back_up_by(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    read_unchanged: bool,
    walk: &WalkOptions,
) -> Run {
    run_by(memory, source, earlier, read_unchanged, i64::MAX, walk).unwrap()
}

fn run_by(
    memory: &Memory,
    source: &std::path::Path,
    earlier: Option<ChunkId>,
    read_unchanged: bool,
    began_ns: i64,
    walk: &WalkOptions,
) -> Result<Run, Fault> {
    let session = Session::new(memory, earlier);
    let watcher = Watcher::default();
    let report = backup::run(&Backup {
        root: source,
        walk,
        earlier,
        read_unchanged,
        began_ns,
        reader: memory,
        writer: &session,
        chunker: &Chunker::new(&key()),
        monitor: &watcher,
    })?;
    Ok(Run {
        report,
        root: session.finish(),
        written: session.written.into_inner().unwrap(),
        progress: watcher.progress.into_inner().unwrap(),
    })
}

/// Runs a backup that is cancelled when it has asked `asked` times whether it is.
pub(crate) fn cancelled(
    memory: &Memory,
    source: &std::path::Path,
    asked: u64,
) -> Result<Report, Fault> {
    let session = Session::new(memory, None);
    let watcher = Watcher {
        cancel_when_asked: Some(asked),
        ..Watcher::default()
    };
    backup::run(&Backup {
        root: source,
        walk: &WalkOptions::default(),
        earlier: None,
        read_unchanged: false,
        began_ns: i64::MAX,
        reader: memory,
        writer: &session,
        chunker: &Chunker::new(&key()),
        monitor: &watcher,
    })
}
