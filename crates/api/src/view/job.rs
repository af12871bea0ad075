//! Jobs: what runs, ran, and how it ended.

use serde::{Deserialize, Serialize};

use crate::{PathText, Problem, Time, View};

/// Jobs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobListView {
    /// Newest first.
    pub jobs: Vec<JobView>,
}

impl View for JobListView {
    const SCHEMA: &'static str = "dozo.job.list/1";
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Runs.
    Running,
    /// Ended well.
    Done,
    /// Ended, with entries it had to leave out.
    DoneWithWarnings,
    /// Ended without doing what it should.
    Failed,
    /// Was stopped by a person.
    Cancelled,
    /// The program ended while it ran.
    Interrupted,
}

impl JobState {
    /// Returns whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// `protect`, `synchronize`, `create-point`, `check`, `restore`, `delete-point`, `expire`, `verify` or `collect`.
    pub kind: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Address of the source it works on.
    pub source: Option<String>,
    /// Who asked: `manual`, `schedule`, `retry` or `self-heal`.
    pub cause: String,
    /// When it was asked for.
    pub created: Time,
    /// When it began.
    pub started: Option<Time>,
    /// When it was over.
    pub ended: Option<Time>,
    /// What it has done so far.
    pub progress: ProgressView,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
    /// How many warnings there were: all of them, not only those listed.
    pub warning_count: u64,
    /// The first warnings.
    pub warnings: Vec<WarningView>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// What came of it.
    pub outcome: Option<OutcomeView>,
}

impl View for JobView {
    const SCHEMA: &'static str = "dozo.job/1";
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgressView {
    /// What it is doing now, in a word: the step that runs.
    pub step: String,
    /// Files so far.
    pub files: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Files there are, once known.
    pub files_total: Option<u64>,
    /// Bytes there are, once known.
    pub bytes_total: Option<u64>,
    /// Bytes a second, over the last seconds.
    pub bytes_per_second: u64,
    /// What is being dealt with now.
    pub path: PathText,
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// What it does.
    pub name: String,
    /// When it began.
    pub started: Time,
    /// When it was over.
    pub ended: Option<Time>,
}

/// One thing a job had to leave out or leave different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarningView {
    /// Which entry.
    pub path: PathText,
    /// Why.
    pub reason: String,
}

/// What came of a job. Absent parts do not apply to its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeView {
    /// The recovery point it made.
    pub point: Option<String>,
    /// Entries of the source, compared, or restored.
    pub entries: u64,
    /// Backup: entries looked at; what is known not to have changed is not.
    #[serde(default)]
    pub looked: u64,
    /// Backup: why all of them were, if what changed was not enough to go by; in English.
    #[serde(default)]
    pub everything_because: Option<String>,
    /// Backup: entries found to have changed although changes are followed and these were not heard of.
    #[serde(default)]
    pub missed: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Entries that were new or had changed.
    pub changed: u64,
    /// Bytes the pool grew by.
    pub new_bytes: u64,
    /// Check: entries that differed although nothing said they had changed; they are repaired.
    pub differences: u64,
    /// Restore: entries, or parts of their metadata, that could not be made.
    pub failed: u64,
    /// Restore: entries among them whose stored data is damaged or missing. Verify: what is.
    #[serde(default)]
    pub damaged: u64,
    /// Verify: packs that were read. Collect: packs that went.
    #[serde(default)]
    pub packs: u64,
    /// Verify: recovery points whose trees were followed.
    #[serde(default)]
    pub points: u64,
    /// Verify: those that cannot be restored in full.
    #[serde(default)]
    pub points_hurt: Vec<String>,
    /// Verify: packs that were damaged and have their bytes back.
    #[serde(default)]
    pub repaired: u64,
    /// Collect: whether nothing was changed, and the rest says what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Collect: bytes given back, less those written anew.
    #[serde(default)]
    pub freed: u64,
    /// Collect: packs that were to go, and stay because something in them is needed again.
    #[serde(default)]
    pub spared: u64,
    /// Collect: objects that writers had left when they were killed.
    #[serde(default)]
    pub stray: u64,
    /// Points that were deleted.
    pub deleted: u64,
    /// Restore: entries left alone because something stood in their place.
    pub skipped: u64,
    /// Restore: where to.
    pub target: Option<PathText>,
}
