//! What a restore would do.

use serde::{Deserialize, Serialize};

use crate::view::PointView;
use crate::{PathText, View};

/// What a restore would do, before it does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestorePlanView {
    /// The recovery point it reads.
    pub point: PointView,
    /// What of it: paths relative to the source; none: everything.
    pub paths: Vec<PathText>,
    /// The directory it writes to.
    pub target: PathText,
    /// `skip`, `overwrite` or `rename`.
    pub on_conflict: String,
    /// Entries of any kind that would be made.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Entries that are there already.
    pub same: u64,
    /// Entries whose place is taken: all of them, not only those listed.
    pub conflict_count: u64,
    /// Those among them that are left out although what is there is to be replaced: a directory never is.
    #[serde(default)]
    pub refused_count: u64,
    /// The first of them.
    pub conflicts: Vec<ConflictView>,
    /// Bytes free where it would go, if that is known.
    pub free_bytes: Option<u64>,
}

impl View for RestorePlanView {
    const SCHEMA: &'static str = "dozo.restore.plan/1";
}

/// An entry whose place is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictView {
    /// Which.
    pub path: PathText,
    /// What will happen to it: `skip`, `overwrite`, `rename`, or `refuse` where a directory stays.
    pub action: String,
}
