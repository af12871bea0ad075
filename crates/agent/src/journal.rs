//! The change journal: what happened to a source since its replica was last made equal to it.
//!
//! A thread takes events from the kernel ([`sources::changes`]) and remembers names. A run [begins](Journal::begin) with what
//! is remembered for its source, looks there and nowhere else, and [ends](Turn::done) by saying which tree the replica has
//! now. Only then is what it was given forgotten: a run that fails is as if it had not been.
//!
//! A journal is believed as long as nothing stands against it; any gap makes the next run look at everything, which
//! closes it ([`Why`] is the list). Nothing is kept on disk: what was remembered before a restart cannot be
//! believed after it, because nobody has listened meanwhile (`docs/decisions/0011`). Where snapshots are taken, the kernel
//! tells afterwards what two of them differ in: [`kept`].
//!
//! What the kernel does not tell is looked at in every run: files open for writing, what is mounted below the root, what
//! overlays write into, and whatever the run before warned of. And against what nobody has thought of, each run looks at
//! some entries that should be as they were ([`limits::SAMPLED_ENTRIES`]); if one is not, and did not change just now,
//! the journal has missed something. Its source is then never again synchronized by a journal of this process.
//!
//! Not done here: deciding what becomes of a replica whose changes were missed.

pub mod kept;

mod memory;
mod plan;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use base::{ChunkId, Fault, SourceId, Timestamp, limits};
use format::entry::FileKey;
use format::replica::ChunkReader;
use sources::changes::{Event, Feed, Root, RootId, Untracked};
use sources::files::{Selection, WalkOptions};
use sources::snapshot::CompareError;

use crate::backup::Report;
use memory::{Gap, Memory};
use plan::{Earlier, Plan};

/// Why a run looks at everything.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It is the first since this process began to listen.
    #[error("changes are followed from now on")]
    First,
    /// Changes below the source cannot be followed.
    #[error("changes cannot be followed: {0}")]
    Untracked(#[from] Untracked),
    /// The file system was mounted anew, and nobody listened meanwhile.
    #[error("its file system was mounted anew")]
    Unheard,
    /// So many things changed that not all were remembered, or the kernel's queue ran over.
    #[error("more has changed than can be remembered")]
    Overflow,
    /// Another directory or file system stands in the source's place, or something else is mounted below it.
    #[error("the source, or what is mounted below it, is not what it was")]
    Replaced,
    /// What is left out has changed.
    #[error("what is left out of the source has changed")]
    Rules,
    /// The replica is not the one that the journal goes on from.
    #[error("the replica was made by another run")]
    OtherReplica,
    /// Everything was asked for.
    #[error("everything is compared")]
    Asked,
    /// It is time.
    #[error("everything is looked at once in {} hours", limits::CHANGES_TRUSTED_FOR.as_secs() / 3600)]
    Due,
    /// The run before had trouble with too many entries.
    #[error("too many entries were in trouble")]
    Trouble,
    /// The journal has missed a change before.
    #[error("a change was missed before")]
    Distrusted,
    /// No snapshot is there to compare with: it is the first run of the source, or the record of it is lost.
    #[error("no snapshot was kept to compare with")]
    NotKept,
    /// A snapshot was kept that cannot be compared with.
    #[error(transparent)]
    Snapshots(#[from] CompareError),
    /// Subvolumes below the source came or went, which no comparison tells; or they are too many.
    #[error("subvolumes below the source came or went")]
    Subvolumes,
    /// What changed could not be found.
    #[error("what changed cannot be found: {0}")]
    Lost(#[source] std::io::Error),
}

/// What a run is about.
pub struct Ask<'a> {
    /// The member.
    pub source: SourceId,
    /// Its root.
    pub root: &'a Path,
    /// How its root is walked.
    pub walk: &'a WalkOptions,
    /// The member's earlier tree.
    pub earlier: Option<ChunkId>,
    /// Whether everything is to be looked at in any case.
    pub everything: bool,
    /// Now.
    pub now: Timestamp,
}

/// Listens to the file systems of sources.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    feed: Feed,
    memory: Mutex<Memory>,
    members: Mutex<HashMap<SourceId, Basis>>,
    distrusted: Mutex<HashSet<SourceId>>,
    ended: AtomicBool,
}

/// What a member's replica was equal to, and since when changes are remembered.
#[derive(Clone)]
struct Basis {
    root: RootId,
    walk: WalkOptions,
    tree: ChunkId,
    /// The number of the last change that the tree has.
    seen: u64,
    /// When everything was looked at.
    whole_at: Timestamp,
    /// The next entry to look at for no reason.
    sample_from: FileKey,
    unsettled: Vec<FileKey>,
}

/// A run under way.
pub struct Turn<'a> {
    shared: &'a Shared,
    source: SourceId,
    reader: &'a dyn ChunkReader,
    /// What the journal goes on from if the run comes to its end; `None` where it cannot.
    next: Option<Basis>,
    root: Option<Root>,
    /// What the run looks at, or why at everything.
    scope: Result<Arc<Selection>, Why>,
}

/// A journal has missed changes: entries were not what they should have been.
#[derive(Debug, thiserror::Error)]
#[error("{} entries changed without a sign", .0.len())]
pub struct Missed(pub Vec<FileKey>);

impl Journal {
    /// Begins to listen; what to, the runs say.
    ///
    /// # Errors
    /// The system does not allow it, which takes `CAP_SYS_ADMIN`, or has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            feed: Feed::open()?,
            memory: Mutex::default(),
            members: Mutex::default(),
            distrusted: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let listener = shared.clone();
        let thread = std::thread::Builder::new().name("dozo-journal".to_owned());
        let thread = thread.spawn(move || listener.listen())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Begins a run: to be called before anything of the source is read, and before its snapshot is taken. `reader` reads
    /// the earlier tree.
    pub fn begin<'a>(&'a self, ask: &Ask<'_>, reader: &'a dyn ChunkReader) -> Turn<'a> {
        let shared = &*self.shared;
        let untracked = |why| {
            lock(&shared.members).remove(&ask.source);
            Turn {
                shared,
                source: ask.source,
                reader,
                next: None,
                root: None,
                scope: Err(Why::Untracked(why)),
            }
        };
        let root = match Root::open(ask.root) {
            Ok(root) => root,
            Err(why) => return untracked(why),
        };
        let was_followed = shared.feed.follows(&root);
        if !was_followed && let Err(errno) = shared.feed.follow(&root) {
            return untracked(Untracked::Refused(errno.into()));
        }
        let seen = {
            let mut memory = shared.memory();
            if !was_followed {
                memory.begin(root.id().volume());
            }
            shared.hear(&mut memory);
            memory.last()
        };
        let mut next = Basis {
            root: root.id().clone(),
            walk: ask.walk.clone(),
            // Until the run has made another.
            tree: ask.earlier.unwrap_or(ChunkId([0; 32])),
            seen,
            whole_at: ask.now,
            sample_from: FileKey::root(),
            unsettled: Vec::new(),
        };
        let scope = shared.believed(ask, &root).and_then(|basis| {
            let changes = shared.memory().since(root.id().volume(), basis.seen);
            let plan = Plan {
                root: &root,
                walk: ask.walk,
                earlier: Earlier {
                    reader,
                    tree: &basis.tree,
                },
            };
            let (selection, sample_from) = plan.select(changes, &basis)?;
            next.whole_at = basis.whole_at;
            next.sample_from = sample_from;
            Ok(Arc::new(selection))
        });
        Turn {
            shared,
            source: ask.source,
            reader,
            next: Some(next),
            root: Some(root),
            scope,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said so if it panicked.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn listen(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            self.feed.wait(limits::STOP_NOTICED_WITHIN);
            self.hear(&mut self.memory());
            std::thread::sleep(limits::EVENTS_EVERY);
        }
    }

    /// Takes in everything that the kernel has to tell.
    fn hear(&self, memory: &mut Memory) {
        let heard = self.feed.drain(|event| match event {
            Event::Name {
                volume,
                dir,
                name,
                what,
            } => memory.name(volume, dir, name, what),
            Event::File { volume, file } => memory.file(volume, file),
            Event::Lost => memory.lose_all(),
        });
        if let Err(errno) = heard {
            tracing::warn!(%errno, "changes cannot be read");
            memory.lose_all();
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Returns what the journal goes on from, if it can be believed.
    fn believed(&self, ask: &Ask<'_>, root: &Root) -> Result<Basis, Why> {
        if lock(&self.distrusted).contains(&ask.source) {
            return Err(Why::Distrusted);
        }
        let basis = lock(&self.members).get(&ask.source).cloned();
        let basis = basis.ok_or(Why::First)?;
        let age = ask.now.duration_since(basis.whole_at);
        let trusted = limits::CHANGES_TRUSTED_FOR;
        let gap = self.memory().gap(root.id().volume(), basis.seen);
        Err(match () {
            () if ask.everything => Why::Asked,
            () if Some(basis.tree) != ask.earlier => Why::OtherReplica,
            () if *root.id() != basis.root => Why::Replaced,
            () if !ask.walk.same_rules(&basis.walk) => Why::Rules,
            () if gap == Some(Gap::Overflow) => Why::Overflow,
            () if gap.is_some() => Why::Unheard,
            () if basis.unsettled.len() > limits::UNSETTLED_MAX => Why::Trouble,
            // Also if the clock was set back: nobody knows how long it was.
            () if age.is_negative() || age.unsigned_abs() >= trusted => Why::Due,
            () => return Ok(basis),
        })
    }

    /// Forgets what every member's tree has.
    fn forget(&self, members: &HashMap<SourceId, Basis>) {
        let mut oldest: HashMap<u64, u64> = HashMap::new();
        for basis in members.values() {
            let seen = oldest.entry(basis.root.volume()).or_insert(basis.seen);
            *seen = basis.seen.min(*seen);
        }
        self.memory().forget(&oldest);
    }
}

impl Turn<'_> {
    /// Returns what the run looks at; `None` if everything.
    pub fn only(&self) -> Option<Arc<Selection>> {
        self.scope.as_ref().ok().cloned()
    }

    /// Returns why the run looks at everything, if it does.
    pub fn why(&self) -> Option<&Why> {
        self.scope.as_ref().err()
    }

    /// Ends a run that has made the replica equal to the source: it has this tree now.
    ///
    /// # Errors
    /// [`Missed`]: the run found changes that should have been known. They are in the tree; what else was missed
    /// is not.
    pub fn done(mut self, tree: ChunkId, report: &Report) -> Result<(), Missed> {
        let Some(mut next) = self.next.take() else {
            return Ok(());
        };
        let missed = match self.scope {
            Ok(_) => self.missed(&next, &report.suspects),
            Err(_) => Vec::new(),
        };
        let mut members = lock(&self.shared.members);
        if !missed.is_empty() {
            members.remove(&self.source);
            lock(&self.shared.distrusted).insert(self.source);
            return Err(Missed(missed));
        }
        next.tree = tree;
        next.unsettled.clone_from(&report.unsettled);
        members.insert(self.source, next);
        self.shared.forget(&members);
        Ok(())
    }

    /// Returns which of the suspects did not change since the run began.
    fn missed(&self, next: &Basis, suspects: &[FileKey]) -> Vec<FileKey> {
        let Some(root) = self.root.as_ref().filter(|_| !suspects.is_empty()) else {
            return Vec::new();
        };
        let changes = {
            let mut memory = self.shared.memory();
            self.shared.hear(&mut memory);
            if memory.gap(root.id().volume(), next.seen).is_some() {
                // Nobody knows.
                return Vec::new();
            }
            memory.since(root.id().volume(), next.seen)
        };
        let plan = Plan {
            root,
            walk: &next.walk,
            earlier: Earlier {
                reader: self.reader,
                tree: &next.tree,
            },
        };
        let mut lately = Selection::default();
        if plan.add_changes(&mut lately, &changes).is_err() {
            return Vec::new();
        }
        let is_late = |key: &FileKey| {
            let path = key.components();
            path.is_ok_and(|path| path.is_empty() || lately.touches(&path))
        };
        suspects
            .iter()
            .filter(|key| !is_late(key))
            .cloned()
            .collect()
    }
}

/// Locks state that every change leaves whole, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Fault> for Why {
    /// The tree cannot be read: whoever goes through it next says so.
    fn from(fault: Fault) -> Self {
        Self::Lost(std::io::Error::other(fault.to_string()))
    }
}
