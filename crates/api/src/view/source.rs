//! Data sources.

use serde::{Deserialize, Serialize};

use crate::{PathText, Time, View};

/// All data sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceListView {
    /// By address.
    pub sources: Vec<SourceView>,
}

impl View for SourceListView {
    const SCHEMA: &'static str = "dozo.source.list/1";
}

/// One data source: the smallest thing that can be protected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// Its id.
    pub id: String,
    /// What people call it: `machine:kind/path`.
    pub address: String,
    /// The protected computer.
    pub machine: String,
    /// What sort of source it is (`files`).
    pub kind: String,
    /// Where it is on that computer.
    pub path: PathText,
    /// Its protection group, if it is a member of one.
    pub group: Option<String>,
    /// The server's current copy of it.
    pub replica: ReplicaView,
    /// When it was last synchronized.
    pub synchronized: Option<Time>,
    /// When its newest recovery point was made.
    pub newest_point: Option<Time>,
    /// When the next recovery point is due.
    pub next_point: Option<Time>,
    /// How it is: `good`, `waiting`, `late`, `doubtful`, `missing` or `inactive`.
    pub health: String,
    /// The same as a sentence.
    pub sentence: String,
    /// How many recovery points it has.
    pub points: u64,
    /// What is left out of it.
    pub selection: SelectionView,
    /// The data directory of the server, if it lies in the source: it is always left out, for the pool would hold
    /// itself.
    #[serde(default)]
    pub data_dir_left_out: Option<PathText>,
}

impl View for SourceView {
    const SCHEMA: &'static str = "dozo.source/1";
}

/// The replica of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// `pending`, `creating`, `ok`, `inconsistent`, `checking`, `missing` or `inactive`.
    pub state: String,
    /// Why it is in that state, where that needs saying.
    pub reason: Option<String>,
}

/// What of a source is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelectionView {
    /// Patterns in gitignore syntax that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// A directory that holds a file of one of these names is left out.
    #[serde(default)]
    pub exclude_if_present: Vec<String>,
    /// Whether directories with a valid `CACHEDIR.TAG` are left out.
    #[serde(default)]
    pub exclude_caches: bool,
    /// Whether other file systems mounted below are left out.
    #[serde(default)]
    pub one_file_system: bool,
}
