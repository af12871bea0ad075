//! One store of chunks and points: the only writer, the only deleter.
//!
//! The truth is packs, points, keys and the log; the log record is the commit. The index is a cache that is rebuilt from the
//! truth when it is missing, old, or another store's.
//!
//! # Write order
//!
//! What a commit owes to the format's order of writing (W1 to W9 in `docs/format.md`):
//!
//! - C1. A chunk MUST NOT be indexed before its pack is durable; nothing else ever says that a chunk is known.
//! - C2. A pack MUST NOT be relied upon by another session before a log record names it.
//! - C3. A point's object MUST NOT be written before every pack it needs is durable.
//! - C4. The log record MUST NOT be written before all of that, and is what makes a replica advance and a point exist.
//! - C5. Nobody hears of a commit before its log record is durable and folded into the index.
//!
//! A kill at any instruction leaves the old state plus packs and objects that nothing names.
//!
//! # Damage
//!
//! A read that finds a chunk missing or damaged says so and makes the chunk's pack doubted: to every writer its chunks are
//! unknown from then on. Who has the content stores it anew, and readers find the new copy, also after the index was built
//! anew: of several packs with the same chunk the one that the log names last wins. [`Store::repair_packs`] gives a pack its
//! bytes back from its own parity, if enough is left. Nothing is ever removed for being
//! damaged, only for being dead ([`Store::plan_collection`]).
//!
//! # What runs beside what, and why it is safe
//!
//! Each row names the test that fails without it.
//!
//! | | beside | why it is safe | held by |
//! | --- | --- | --- | --- |
//! | session | session of another source | each relies on its own packs and on logged ones only (C2) | `sessions::the_same_content_is_stored_once`, `generations::several_sessions_share_the_count` |
//! | | session of the same source | refused: `ReplicaBusy` | `sessions::a_source_has_one_session_at_a_time` |
//! | | commit | a commit names its own packs; records are folded under the log's lock, in log order | `collect::everything_beside_everything` |
//! | | reader, verify | they see durable packs only (C1), and change nothing | `sessions::a_session_reads_chunks_that_are_not_durable_yet` |
//! | | delete point | only a collection removes what a session may refer to | `collect::a_session_that_was_told_of_a_chunk_is_waited_for` |
//! | | collection | a session that may have been told of a chunk is waited for; one that begins later is not told; the replica that a session starts from stays; its commit looks whether what it relied upon is there | `collect::a_session_that_was_told_of_a_chunk_is_waited_for`, `collect::a_session_that_begins_after_the_condemning_is_not_told`, `session::tests::a_commit_looks_whether_what_it_relied_upon_is_there` |
//! | commit | collection | what is deleted is decided under the log's lock, by the roots of that very place of the log | `collect::a_session_that_was_told_of_a_chunk_is_waited_for` |
//! | reader | reader | a chunk is immutable; one read serves all | `cache::tests::many_threads_that_want_one_chunk_read_it_once` |
//! | | delete point, collection | a [`Reading`] pins its root before it looks whether that is still there; a chunk that moves is looked for again | `collect::what_is_read_stays_until_it_has_been_read`, `collect::a_chunk_that_moves_while_it_is_read_is_found` |
//! | verify | collection | as a reader; a pack that went meanwhile is not missing, and what was copied out of it is read where it is | `collect::a_verification_beside_collections_finds_nothing_wrong` |
//! | delete point | delete point | in log order; the second is told `PointUnknown` | `sessions::a_deleted_point_is_gone_and_the_others_stay` |
//! | | collection | what is dead later is the next one's | `collect::everything_beside_everything` |
//! | repair | session, reader, verify | each sees the damaged pack or the mended one, whose chunks are the same; writers rely on it once it was read back, and a pack that no record names is still its session's alone | `mend::a_pack_that_no_record_names_yet_is_mended_and_relied_upon_by_its_session_alone` |
//! | | collection, repair | refused: `CollectionRunning` | `mend::a_repair_and_a_collection_take_turns` |
//! | collection | collection | refused: `CollectionRunning` | `collect::there_is_one_collection_at_a_time` |
//! | open for writing | anything | refused: one owner (`PoolOwned`) | `sessions::two_owners_of_a_directory_are_told_apart` |
//!
//! Two owners in spite of the lock (a copied machine, a shared disk): the slot of a log record is taken once; who finds
//! it taken gets `LogConflict` and appends nothing any more.

mod cache;
mod collect;
mod copies;
mod core;
mod durable;
mod faults;
mod find;
mod flow;
mod generation;
mod index;
mod keys;
mod log;
mod open;
mod own;
mod points;
mod probe;
mod reader;
mod reading;
mod repair;
mod retention;
mod session;
mod space;
mod status;
mod verify;
mod volumes;
mod writer;

use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, Fault, SourceId, StoreId};
use format::chunker::{Chunker, ChunkerKey};

pub use format::pack::Parity;

pub use collect::{CollectProgress, Collection, CollectionPlan, CollectionReport, OnCollect};
pub use find::{Find, Found, FoundPage, Version, find};
pub use generation::Limits;
pub use index::Place;
pub use objects::Space;
pub use own::{Owner, Ownership};
pub use points::{ConfigRow, NewPoint, PointInfo, Replica};
pub use probe::IndexProbe;
pub use reading::Reading;
pub use repair::RepairReport;
pub use session::{CommitSpec, Committed, Session};
pub use space::Floors;
pub use status::PoolStatus;
pub use verify::{Damage, OnProgress, VerifyProgress, VerifyReport, VerifySpec};
pub use volumes::{VolumeState, VolumeStatus};

use self::core::Core;

/// An open store. Cheap to clone; closed when the last clone, session and reader is gone.
#[derive(Clone)]
pub struct Store(Arc<Core>);

impl Store {
    fn of(core: Arc<Core>) -> Self {
        Self(core)
    }

    fn core(&self) -> &Core {
        &self.0
    }

    /// Returns its id.
    pub fn id(&self) -> StoreId {
        self.0.id
    }

    /// Returns where it is, in words.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Returns why nothing can be written, as far as can be told without storing anything: it was opened for reading, or its place takes
    /// no writes.
    pub fn read_only(&self) -> Option<Fault> {
        let read_only = self.0.objects.is_read_only();
        read_only.then(|| Fault::new(Code::PoolReadOnly).with("path", &self.0.place))
    }

    /// Returns the retention clock, in nanoseconds since 1970: the time by which points expire. It advances while the
    /// machine is up or somebody has the store open for writing, never past the wall clock, and never back.
    pub fn retention_now_ns(&self) -> i64 {
        self.0.log().retention_now_ns(&self.0.env)
    }

    /// Returns what finds the cuts of content here.
    pub fn chunker(&self) -> Chunker {
        Chunker::new(&self.0.chunker_key())
    }

    /// Returns the key that decides the cuts of content here.
    pub fn chunker_key(&self) -> ChunkerKey {
        self.0.chunker_key()
    }

    /// Starts a session that writes `source`'s replica anew from `base`: the replica's root for what changed, `None`
    /// for everything. Nothing is written until the first chunk or change.
    ///
    /// # Errors
    /// `ReplicaBusy`: the source has a session already, or its replica is not `base` (any more); `PoolReadOnly`, `PoolFull`: an earlier session could not be
    /// closed yet, and still cannot.
    pub fn begin(&self, source: SourceId, base: Option<ChunkId>) -> Result<Session, Fault> {
        self.0.take(source)?;
        Session::start(&self.0, source, base).inspect_err(|_| self.0.release(&source))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({} at {})", self.0.id, self.0.place)
    }
}
