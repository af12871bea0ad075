//! The whole at a glance: server, pool, and what the catalogue of faults says.

use serde::{Deserialize, Serialize};

use crate::view::{JobView, SourceView};
use crate::{PathText, Time, View};

/// How well the promises are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Every member has a recovery point as new as its policy promises.
    Ok,
    /// Something needs attention.
    Attention,
    /// Nothing is protected yet.
    Empty,
}

/// The server at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// Version of the program that answers.
    pub version: String,
    /// Its data directory.
    pub data_dir: PathText,
    /// The process that owns it now.
    pub owner: Option<OwnerView>,
    /// How well the promises are kept.
    pub health: Health,
    /// What needs attention, as sentences.
    pub attention: Vec<String>,
    /// Every source.
    pub sources: Vec<SourceView>,
    /// Jobs that wait or run.
    pub jobs: Vec<JobView>,
    /// The storage pool.
    pub pool: PoolView,
    /// When the next recovery point is due.
    pub next_point: Option<Time>,
    /// Whether the owner starts what is due; without, recovery points are only made by hand.
    #[serde(default)]
    pub scheduling: bool,
}

impl View for StatusView {
    const SCHEMA: &'static str = "dozo.status/1";
}

/// The process that owns a data directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnerView {
    /// Its process id.
    pub pid: u32,
    /// Since when.
    pub since: Time,
    /// What it was started as.
    pub command: String,
}

/// The storage pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    /// Where it is.
    pub path: PathText,
    /// Bytes its objects take.
    pub bytes: u64,
    /// Packs in it.
    pub packs: u64,
    /// Packs among them that were found missing or damaged and hold the only copy of something.
    #[serde(default)]
    pub unreadable_packs: u64,
    /// Packs among them that were found missing or damaged and whose content was stored anew elsewhere.
    #[serde(default)]
    pub superseded_packs: u64,
    /// Chunks in it.
    pub chunks: u64,
    /// Recovery points in it.
    pub points: u64,
    /// Bytes that all recovery points show together, each counted in full.
    pub protected_bytes: u64,
    /// Bytes free where it is, if that is known.
    pub free_bytes: Option<u64>,
    /// Size of the place, if that is known.
    pub total_bytes: Option<u64>,
    /// Bytes that can be stored before what is kept free of it is reached, if that is known.
    #[serde(default)]
    pub left_bytes: Option<u64>,
    /// Bytes that recovery points brought a day lately, if there is something to go by.
    #[serde(default)]
    pub growth_per_day: Option<u64>,
    /// Whether nothing can be written to it.
    #[serde(default)]
    pub read_only: bool,
    /// Its volumes, beside its own directory.
    #[serde(default)]
    pub volumes: Vec<VolumeView>,
}

/// A volume of the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeView {
    /// Its name.
    pub name: String,
    /// Where it is, or was.
    pub path: PathText,
    /// How it is.
    pub state: VolumeState,
    /// Why it is away, in English.
    pub why: Option<String>,
    /// Bytes free on it, if it is there.
    pub free_bytes: Option<u64>,
    /// Its size, if it is there.
    pub total_bytes: Option<u64>,
}

/// How a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    /// It takes new data.
    Ok,
    /// What it holds is on its way to other volumes.
    Draining,
    /// It is not there.
    Away,
}

impl View for PoolView {
    const SCHEMA: &'static str = "dozo.pool.status/1";
}

/// Faults of the catalogue, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainListView {
    /// Each of them.
    pub codes: Vec<ExplainView>,
}

impl View for ExplainListView {
    const SCHEMA: &'static str = "dozo.explain/1";
}

/// One fault of the catalogue, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainView {
    /// Its stable name.
    pub code: String,
    /// Numbers of the original product that mean the same.
    pub compat_ids: Vec<String>,
    /// How bad it is.
    pub severity: String,
    /// Exit code of a command that ends with it.
    pub exit: u8,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub actions: Vec<String>,
}
