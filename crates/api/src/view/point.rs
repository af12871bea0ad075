//! Recovery points and what is in them.

use serde::{Deserialize, Serialize};

use crate::{PathText, Time, View};

/// Recovery points, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointListView {
    /// Newest first.
    pub points: Vec<PointView>,
}

impl View for PointListView {
    const SCHEMA: &'static str = "dozo.point.list/1";
}

/// One recovery point: an immutable, restorable version of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointView {
    /// Its id.
    pub id: String,
    /// Address of its source.
    pub source: String,
    /// Id of its source.
    pub source_id: String,
    /// The group its source was a member of when it was made.
    pub group: Option<String>,
    /// The time it shows.
    pub time: Time,
    /// Its consistency level: `live`, `crash`, `file-system` or `application`.
    pub consistency: String,
    /// The same in words, in the language asked for.
    pub consistency_words: String,
    /// Entries that could not be read while it was made: it is whole except for these.
    pub warnings: u64,
    /// Its figures.
    pub stats: PointStatsView,
    /// The point before it, of the same source.
    pub previous: Option<String>,
    /// Until when it is kept: `time`, `newest` (until there is a newer one), `due` (it goes soon) or `held`.
    pub kept: Kept,
    /// When the policy lets it go, if it is kept until a time.
    pub expires: Option<Time>,
    /// Why somebody holds it, if somebody does; empty if they did not say.
    #[serde(default)]
    pub hold: Option<String>,
    /// Whether it waits for a volume of the pool that is away: it cannot be restored in full until that is back.
    #[serde(default)]
    pub waits: bool,
}

impl View for PointView {
    const SCHEMA: &'static str = "dozo.point/1";
}

/// Until when a recovery point is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Until a time.
    Time,
    /// Until there is a newer one.
    Newest,
    /// No rule keeps it: it goes soon.
    Due,
    /// Somebody holds it, or no policy lets it go.
    Held,
}

/// Figures of a recovery point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointStatsView {
    /// Entries of any kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Entries that were new or had changed.
    pub changed: u64,
    /// Bytes the pool grew by.
    pub new_bytes: u64,
}

/// A point that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletedView {
    /// What it was.
    pub point: PointView,
}

impl View for DeletedView {
    const SCHEMA: &'static str = "dozo.point.delete/1";
}

/// What one directory of a point holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryListView {
    /// The point.
    pub point: PointView,
    /// The directory, relative to the source; empty is the source itself.
    pub path: PathText,
    /// By name, in byte order.
    pub entries: Vec<EntryView>,
    /// Where to go on: the name to ask for entries after; none: this is all.
    pub next: Option<PathText>,
}

impl View for EntryListView {
    const SCHEMA: &'static str = "dozo.point.browse/1";
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its name.
    pub name: PathText,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, of a regular file.
    pub size: u64,
    /// When it was last changed.
    pub modified: Option<Time>,
    /// Permission bits.
    pub mode: u16,
    /// Owner's name, or number.
    pub owner: String,
    /// Group's name, or number.
    pub group: String,
    /// Where a symbolic link points.
    pub target: Option<PathText>,
}

/// Entries of a recovery point with everything that is known of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FullEntryListView {
    /// By name, in byte order.
    pub entries: Vec<FullEntryView>,
    /// Where to go on: the name to ask for entries after; none: this is all.
    pub next: Option<PathText>,
}

impl View for FullEntryListView {
    const SCHEMA: &'static str = "dozo.point.entries/1";
}

/// One entry with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullEntryView {
    /// Its name; empty for the source itself.
    pub name: PathText,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, of a regular file.
    pub size: u64,
    /// Bytes of it that are no holes; of a file in very many pieces all of them.
    pub data_bytes: u64,
    /// When its content was changed last, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// When anything of it was changed last, in nanoseconds since 1970.
    pub changed_ns: i64,
    /// Permission bits with set-user-ID, set-group-ID and sticky.
    pub mode: u16,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name, empty if it had none.
    pub user: PathText,
    /// Group's name, empty if it had none.
    pub group: PathText,
    /// Names that the file had at the source.
    pub links: u32,
    /// Inode number at the source: of entries with several links, those with equal numbers here and in
    /// `device` are one file.
    pub inode: u64,
    /// Device number at the source.
    pub device: u64,
    /// The number of a device node, `major << 32 | minor`.
    pub special: Option<u64>,
    /// Where a symbolic link points.
    pub target: Option<PathText>,
    /// Extended attributes, by name: ACLs and capabilities are among them.
    pub xattrs: Vec<XattrView>,
}

/// Where a file has data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangeListView {
    /// In the order of the file. One may go on where the one before ended.
    pub ranges: Vec<RangeView>,
    /// Where to go on: the offset to ask from; none: this is all.
    pub next: Option<u64>,
}

impl View for RangeListView {
    const SCHEMA: &'static str = "dozo.point.ranges/1";
}

/// A range of a file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeView {
    /// Its first byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XattrView {
    /// Its name.
    pub name: PathText,
    /// Its value.
    pub value: PathText,
}
