//! What can be asked of the server, version 1.
//!
//! A source is named by its id, its address, its path, or any prefix of these that is unique; a recovery point by its id
//! or a unique prefix. The server resolves names, so that every door resolves them alike.

use serde::{Deserialize, Serialize};

use crate::view::SelectionView;
use crate::{PathText, Time};

/// Protect paths of the server's own machine and make a recovery point of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protect {
    /// Absolute paths.
    pub paths: Vec<PathText>,
    /// The group; none: the one they are members of already, else `default`. Made if there is none of that name.
    pub group: Option<String>,
    /// What to leave out; none: as it was.
    pub selection: Option<SelectionView>,
}

/// Read the pool back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyPool {
    /// Open every chunk too, not only compare what is stored with its name.
    #[serde(default)]
    pub deep: bool,
    /// So many percent of it, what was not read for the longest time first; none: all.
    #[serde(default)]
    pub percent: Option<f64>,
    /// So many bytes a second at most.
    #[serde(default)]
    pub rate: Option<u64>,
}

/// Collect garbage: give back the space of what nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectGarbage {
    /// Only say how much that is.
    #[serde(default)]
    pub dry_run: bool,
}

/// Take a directory or a disk of the server's machine into the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddVolume {
    /// An absolute path: of a directory, or of a block device.
    pub path: PathText,
    /// Its name; none: what the path ends with.
    pub name: Option<String>,
    /// A device's serial number or its size in bytes, as proof that it is the one whose content may go.
    #[serde(default)]
    pub wipe: Option<String>,
}

/// Take a volume out of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveVolume {
    /// Whether it will never come back, so that it need not be empty.
    #[serde(default)]
    pub lost: bool,
}

/// Which recovery point of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointChoice {
    /// The newest.
    Newest,
    /// The one with this id, or a unique prefix of it.
    Id(String),
    /// The newest that is not younger than this.
    At(Time),
}

/// Where a restore goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// To where it came from.
    Original,
    /// Beside where it came from, in a directory named for the point.
    Beside,
    /// Into this directory; absolute.
    Directory(PathText),
}

/// What to do with an entry whose place is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// Leave what is there.
    #[default]
    Skip,
    /// Replace what is there.
    Overwrite,
    /// Restore it under another name.
    Rename,
}

/// Restore a recovery point, or parts of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// The source.
    pub source: String,
    /// Which of its recovery points.
    pub point: PointChoice,
    /// What of it, relative to the source; none: everything.
    pub paths: Vec<PathText>,
    /// Where to.
    pub to: Destination,
    /// What to do with what stands in the way.
    pub on_conflict: OnConflict,
}

/// Make a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateGroup {
    /// Its name.
    pub name: String,
    /// What of its policy shall differ from the defaults.
    pub goals: ChangeGoals,
}

/// Change a group's policy: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeGoals {
    /// How often to synchronize: `15m`, `4h`, `before-point`.
    pub sync: Option<String>,
    /// When recovery points are made: `22:00`, `mon-fri 12:00,22:00`.
    pub points: Option<String>,
    /// How long they are kept.
    #[serde(default)]
    pub retention: ChangeRetention,
}

/// Change a group's policy, if no recovery point would go at once by that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeGroup {
    /// What changes.
    #[serde(flatten)]
    pub goals: ChangeGoals,
    /// Only say what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Recovery points may go.
    #[serde(default)]
    pub expire: bool,
}

/// Change how long points are kept: what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRetention {
    /// Every point, for so many days.
    pub days: Option<u32>,
    /// The newest of each of so many days.
    pub daily: Option<u32>,
    /// The newest of each of so many weeks.
    pub weekly: Option<u32>,
    /// The newest of each of so many months.
    pub monthly: Option<u32>,
    /// The newest of each of so many years.
    pub yearly: Option<u32>,
}

/// Sources that shall join or leave a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Members {
    /// Their names; joining, a path that is no source yet becomes one.
    pub sources: Vec<String>,
}

/// Hold a recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why, at most 200 characters; may be empty.
    pub reason: String,
}

/// Look into a directory of a recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browse {
    /// The directory, relative to the source; empty is the source itself.
    pub path: PathText,
    /// Only entries with names after this one.
    pub after: Option<PathText>,
    /// At most so many; the server may give fewer.
    pub limit: u32,
}

/// Compare two recovery points, or one directory of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The recovery point to compare with.
    pub with: String,
    /// Only this entry and what is below it, relative to the source; empty is the source itself.
    pub path: PathText,
    /// Only changes behind this path.
    pub after: Option<PathText>,
    /// At most so many; the server may give fewer.
    pub limit: u32,
}

/// Find entries by name in all recovery points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// A part of a name, or a pattern with `*`, `?`, `[...]`, `{a,b}`; with a `/` it speaks of the whole path below the
    /// source. Without a capital letter, capitals do not matter.
    pub pattern: String,
    /// Only of this source; none: of all that have recovery points.
    pub source: Option<String>,
    /// Only entries behind this one.
    pub after: Option<FoundPlace>,
    /// At most so many; the server may give fewer.
    pub limit: u32,
}

/// Where a page of found entries ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPlace {
    /// The id of the source.
    pub source_id: String,
    /// The path below it.
    pub path: PathText,
}

/// Read entries of a recovery point with everything that is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// An entry, relative to the source; empty is the source itself.
    pub path: PathText,
    /// Which entries: it itself, or those in it.
    pub which: WhichEntries,
    /// Only entries with names after this one.
    pub after: Option<PathText>,
    /// At most so many; the server may give fewer.
    pub limit: u32,
}

/// Which entries are meant by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhichEntries {
    /// The entry itself.
    Itself,
    /// The entries of the directory.
    Inside,
}

/// List where a file in a recovery point has data: the rest are holes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    /// The file, relative to the source; empty is a source that is a file.
    pub path: PathText,
    /// Only data from this byte on.
    pub offset: u64,
    /// At most so many ranges; the server may give fewer.
    pub limit: u32,
}

/// Read bytes of a file in a recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The file, relative to the source; empty is a source that is a file.
    pub path: PathText,
    /// The first byte.
    pub offset: u64,
    /// At most so many bytes, and no more than [`base::limits::READ_BYTES_MAX`].
    pub bytes: u32,
}
