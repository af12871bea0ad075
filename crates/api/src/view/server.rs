//! A whole backup server.

use serde::{Deserialize, Serialize};

use crate::view::{GroupView, PoolView, SourceView};
use crate::{PathText, View};

/// What was found in a pool that was adopted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdoptionView {
    /// The data directory that leads to it now.
    pub data_dir: PathText,
    /// Its protection groups, by name.
    pub groups: Vec<GroupView>,
    /// Its data sources, by address, with their groups. None is protected until that is asked for.
    pub sources: Vec<SourceView>,
    /// The pool.
    pub pool: PoolView,
}

impl View for AdoptionView {
    const SCHEMA: &'static str = "dozo.server.adopt/1";
}
