//! What the engine needs of a store, and nothing more.
//!
//! The engine never writes chunks: a [`crate::Worker`] opens sessions and commits them. The engine reads the
//! log, because the log is what happened, and appends decisions to it. [`Event`] is the log in the engine's
//! words: what the catalog is projected from.

mod of_store;

use std::path::{Path, PathBuf};

use base::{ChunkId, Fault, Lang, PointId, SourceId, StoreId, Timestamp};

/// How much a recovery point promises about what was being written while it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No instant: files were read from the live tree, one after the other.
    Live,
    /// One instant, as after pulling the plug.
    Crash,
    /// One instant of the whole file system, with all that was written before it.
    FileSystem,
    /// One instant the application agreed to.
    Application,
}

impl Level {
    /// Returns its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Crash => "crash",
            Self::FileSystem => "file-system",
            Self::Application => "application",
        }
    }

    /// Returns what it promises, for people.
    pub fn words(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::Live, Lang::En) => "live (no snapshot: each file as it was when it was read)",
            (Self::Live, Lang::Ja) => {
                "ライブ (スナップショットなし: 各ファイルは読み取られた時点の内容)"
            }
            (Self::Crash, Lang::En) => "crash-consistent",
            (Self::Crash, Lang::Ja) => "クラッシュ整合",
            (Self::FileSystem, Lang::En) => "file-system-consistent",
            (Self::FileSystem, Lang::Ja) => "ファイル システム整合",
            (Self::Application, Lang::En) => "application-consistent",
            (Self::Application, Lang::Ja) => "アプリケーション整合",
        }
    }
}

/// A recovery point, as far as it is shown and decided about without being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its name.
    pub id: PointId,
    /// Whose version it is.
    pub source: SourceId,
    /// The name of the group that kept it when it was made.
    pub group: String,
    /// The point of the same source before it.
    pub previous: Option<PointId>,
    /// The root of its tree.
    pub root: ChunkId,
    /// The instant it shows.
    pub at: Timestamp,
    /// What it promises.
    pub level: Level,
    /// Entries that could not be read as they were: the point is partial if there are any.
    pub warnings: u64,
    /// Entries of every kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of regular files.
    pub bytes: u64,
    /// Entries that differ from the point before.
    pub changed: u64,
    /// Bytes the pool grew by.
    pub new_bytes: u64,
}

/// What one log record means to the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member's replica moved to a new root, and perhaps became a recovery point.
    Commit {
        /// The member.
        source: SourceId,
        /// The replica's root from here on.
        root: ChunkId,
        /// The recovery point made of it.
        point: Option<Box<Point>>,
    },
    /// A member's replica is no more; its points are.
    ReplicaDropped {
        /// The member.
        source: SourceId,
    },
    /// A recovery point is no longer listed.
    PointDeleted {
        /// Which.
        point: PointId,
    },
    /// A configuration document was written or, without `json`, removed.
    Config {
        /// What it describes: `machine`, `source`, `group`, `member`, `setting`.
        kind: String,
        /// The id of what it describes, as text.
        id: String,
        /// The document.
        json: Option<Vec<u8>>,
    },
    /// Nothing the catalog shows.
    Other,
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log; the first is 1.
    pub seq: u64,
    /// The wall clock when it was written: information only.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
}

/// How much room a pool has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free.
    pub free: u64,
    /// Free if nothing were there.
    pub total: u64,
    /// With less free an alert is due.
    pub warn: u64,
    /// With less free nothing new is stored.
    pub stop: u64,
}

impl Room {
    /// Returns the bytes that can be stored before nothing new is.
    pub fn left(&self) -> u64 {
        self.free.saturating_sub(self.stop)
    }
}

/// How a volume of a pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeState {
    /// It takes new data.
    Ok,
    /// What it holds is on its way to other volumes.
    Draining,
    /// It is not there: why.
    Away(String),
}

/// A volume of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Where it is, or was.
    pub path: PathBuf,
    /// How it is.
    pub state: VolumeState,
    /// How much room it has, if it is there.
    pub space: Option<Room>,
}

/// How full the pool is and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Where it is.
    pub place: String,
    /// Bytes of everything stored.
    pub stored_bytes: u64,
    /// Packs.
    pub packs: u64,
    /// Packs found missing or damaged that hold the only copy of something.
    pub unreadable_packs: u64,
    /// Packs found missing or damaged whose content was stored anew elsewhere.
    pub superseded_packs: u64,
    /// The name of one of those.
    pub unreadable_pack: Option<String>,
    /// Chunks.
    pub chunks: u64,
    /// Recovery points.
    pub points: u64,
    /// How much room there is, if that is known.
    pub space: Option<Room>,
    /// Whether nothing can be written to it.
    pub read_only: bool,
    /// Its volumes, beside its own directory.
    pub volumes: Vec<Volume>,
}

/// What to read back of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VerifyOrder {
    /// Open every chunk too, not only compare what is stored with its name.
    pub deep: bool,
    /// So many percent of it, what was not read for the longest time first; `None`: all.
    pub percent: Option<f64>,
    /// Pass over what was found whole since then.
    pub since: Option<Timestamp>,
}

/// A damaged chunk, and whom that hurts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The chunk.
    pub chunk: ChunkId,
    /// A path that needs it, below its source.
    pub path: PathBuf,
    /// The points in which it does, oldest first.
    pub points: Vec<PointId>,
}

/// What reading the whole pool back found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Packs read, every byte of them.
    pub packs: u64,
    /// Log records read.
    pub records: u64,
    /// Bytes read, as stored.
    pub bytes: u64,
    /// Recovery points whose trees were followed.
    pub points: u64,
    /// What is damaged or missing: packs, chunks, log records, points' descriptions.
    pub damaged: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// Recovery points that cannot be restored in full.
    pub points_hurt: Vec<PointId>,
    /// What that comes to, chunk by chunk and path by path; the first thousand.
    pub damage: Vec<Damage>,
    /// Packs that were damaged and have their bytes back.
    pub repaired: u64,
    /// Packs that were not read because their volume is away.
    pub packs_away: u64,
}

/// Told how many bytes were read, of how many; an error ends what is being done.
pub type OnRead<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), Fault>;

/// How far garbage collection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectStep {
    /// It looks at what is needed.
    Mark,
    /// It waits for synchronizations that began before it; so many.
    Wait(u64),
    /// It gives space back: so many bytes dealt with, of so many.
    Free(u64, u64),
}

/// What garbage collection gave back, or would.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Whether nothing was changed, and this is what would be.
    pub dry_run: bool,
    /// Bytes given back, less those written anew.
    pub freed_bytes: u64,
    /// Packs that went.
    pub packs: u64,
    /// Bytes written anew, out of packs that were mostly dead.
    pub copied_bytes: u64,
    /// Packs that were to go and stay.
    pub spared_packs: u64,
    /// Objects that writers had left when they were killed.
    pub stray_objects: u64,
    /// Bytes of all packs before.
    pub stored_bytes: u64,
    /// Chunks that are needed and nowhere to be found.
    pub missing_chunks: u64,
    /// Why it gave back less than it could.
    pub cut_short: Option<Fault>,
}

/// Told how far garbage collection has come; an error ends it.
pub type OnCollect<'a> = &'a mut dyn FnMut(CollectStep) -> Result<(), Fault>;

/// The store as the engine sees it.
pub trait Pool: Send + Sync {
    /// Returns which store this is: a catalog of another one is not this one's.
    fn id(&self) -> StoreId;

    /// Returns the place of the newest log record; 0 for an empty log.
    fn head(&self) -> u64;

    /// Returns the hash of the log record at that place, none if the log does not reach so far: a record that has another
    /// one than before is of another history.
    ///
    /// # Errors
    /// The log cannot be read.
    fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Fault>;

    /// Hands every log record after `seq` to `take`, in order.
    ///
    /// # Errors
    /// The log cannot be read, or what `take` returned.
    fn events_after(
        &self,
        seq: u64,
        take: &mut dyn FnMut(Event) -> Result<(), Fault>,
    ) -> Result<(), Fault>;

    /// Removes a recovery point: the log record first, then its object. Its chunks stay until they are collected.
    ///
    /// # Errors
    /// `PointUnknown`, or the store's own.
    fn delete_point(&self, point: &PointId) -> Result<(), Fault>;

    /// Removes a source's replica; its points stay. Nothing happens if there is none.
    ///
    /// # Errors
    /// The store's own.
    fn drop_replica(&self, source: &SourceId) -> Result<(), Fault>;

    /// Writes a configuration document to the log, or removes it. Durable on return.
    ///
    /// # Errors
    /// The store's own: full, read-only, gone.
    fn put_config(&self, kind: &str, id: &str, json: Option<&[u8]>) -> Result<(), Fault>;

    /// Returns the time by which points expire: it never runs ahead of what the log allows (RELIABILITY,
    /// "Retention clock"), whatever the wall clock says.
    fn retention_now(&self) -> Timestamp;

    /// Returns why nothing can be written to it, as far as can be told without storing anything.
    fn read_only(&self) -> Option<Fault>;

    /// Reads everything back, or a part, mends what it can, and says what is not as it was written and whom that hurts.
    ///
    /// # Errors
    /// What `on_read` returned; the pool does not answer at all. Damage is no error.
    fn verify(&self, order: &VerifyOrder, on_read: OnRead<'_>) -> Result<VerifyReport, Fault>;

    /// Gives the space back of what no point and no replica needs; or only says what that would be.
    ///
    /// # Errors
    /// `CollectionRunning`, `CollectionBlocked`; what `on_collect` returned; the store's own.
    fn collect(&self, dry_run: bool, on_collect: OnCollect<'_>) -> Result<Collected, Fault>;

    /// Takes a directory into the pool as a volume.
    ///
    /// # Errors
    /// `VolumeUnfit`, `VolumeNameInvalid`; the store's own.
    fn add_volume(&self, name: &str, path: &Path) -> Result<(), Fault>;

    /// Moves what a volume holds to the others; returns the bytes moved.
    ///
    /// # Errors
    /// `VolumeUnknown`, `VolumeMissing`, `PoolFull`; what `on_read` returned; the store's own.
    fn drain_volume(&self, name: &str, on_read: OnRead<'_>) -> Result<u64, Fault>;

    /// Takes a volume that holds nothing, or that is lost, out of the pool.
    ///
    /// # Errors
    /// `VolumeUnknown`, `VolumeMissing`, `VolumeNotEmpty`; the store's own.
    fn remove_volume(&self, name: &str, is_lost: bool) -> Result<(), Fault>;

    /// Returns the points that wait for a volume that is away.
    ///
    /// # Errors
    /// The store's own.
    fn points_waiting(&self) -> Result<Vec<PointId>, Fault>;

    /// Returns how full it is and what it holds.
    ///
    /// # Errors
    /// The store's own.
    fn status(&self) -> Result<PoolStatus, Fault>;
}
