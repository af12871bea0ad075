//! What many recovery points hold: entries found by name, and what two points have differently.

use serde::{Deserialize, Serialize};

use super::{EntryView, PointView};
use crate::request::FoundPlace;
use crate::{PathText, Problem, Time, View};

/// Entries found by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindView {
    /// By source, then in the order of a walk.
    pub found: Vec<FoundView>,
    /// Sources that could not be searched, or not to the end: what they hold is damaged.
    pub unread: Vec<UnreadView>,
    /// Where to go on; none: this is all.
    pub next: Option<FoundPlace>,
}

impl View for FindView {
    const SCHEMA: &'static str = "dozo.find/1";
}

impl FindView {
    /// Returns whether there is anything in it to be shown, or to go on with.
    pub fn has_something(&self) -> bool {
        !self.found.is_empty() || !self.unread.is_empty() || self.next.is_some()
    }
}

/// A source that could not be searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnreadView {
    /// Its address.
    pub source: String,
    /// Why.
    pub problem: Problem,
}

/// One entry, with everything it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundView {
    /// Address of its source.
    pub source: String,
    /// Id of its source.
    pub source_id: String,
    /// The path below the source.
    pub path: PathText,
    /// Newest first; at least one.
    pub versions: Vec<VersionView>,
}

/// What an entry was in neighbouring recovery points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionView {
    /// The entry.
    pub entry: EntryView,
    /// The newest point that has it.
    pub newest: FoundPointView,
    /// The oldest one: every point of the source between the two has it as well.
    pub oldest: FoundPointView,
    /// How many points that are.
    pub points: u64,
}

/// A recovery point that holds something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPointView {
    /// Its id.
    pub id: String,
    /// The time it shows.
    pub time: Time,
}

/// What two recovery points have differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiffView {
    /// The point that is compared.
    pub from: PointView,
    /// The one it is compared with.
    pub to: PointView,
    /// In the order of a walk.
    pub changes: Vec<ChangeView>,
    /// The path to go on after; none: this is all.
    pub next: Option<PathText>,
}

impl View for DiffView {
    const SCHEMA: &'static str = "dozo.point.diff/1";
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeView {
    /// The path below the source; empty is the source itself.
    pub path: PathText,
    /// What kind of difference.
    pub change: Changed,
    /// The entry in the first point, if it is there.
    pub from: Option<EntryView>,
    /// The entry in the second.
    pub to: Option<EntryView>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// Only the second point has it.
    Added,
    /// Only the first one has it.
    Removed,
    /// Its content was stored anew, or it became something else.
    Content,
    /// Content is the same; mode, owner, times or attributes are not.
    Metadata,
}
