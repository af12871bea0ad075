//! Jobs: what was asked for, what is being done, what came of it.
//!
//! A job is a row in the catalog from the moment it is asked for; while it runs, a [`Live`] in memory knows
//! more than the row, which follows every few seconds. A job ends in exactly one of the final states. One
//! that was running when the program was killed is `interrupted` from the next opening on.

mod context;
mod runner;
pub(crate) mod stored;
mod watch;

use std::path::PathBuf;

use base::{Env, Fault, JobId, PointId, SourceId, Timestamp};

pub use context::JobContext;
pub(crate) use context::{LEASE, Live, close_step};
pub(crate) use runner::{Runner, Stranded};
pub use watch::JobWatch;

use crate::pool::{Collected, VerifyOrder, VerifyReport};
use crate::worker::{BackupReport, CheckReport, Destination, OnConflict, RestoreReport};

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Initial replication and the first recovery point.
    Protect,
    /// Changes into the replica.
    Synchronize,
    /// Changes into the replica, and a recovery point of it.
    CreatePoint,
    /// Consistency check.
    Check,
    /// Data back.
    Restore,
    /// One recovery point, deleted by hand.
    DeletePoint,
    /// The recovery points whose time is over.
    Expire,
    /// Everything in the pool, read back.
    Verify,
    /// The space of what nothing needs, given back: garbage collection.
    Collect,
    /// What a volume of the pool holds, moved to the others.
    Drain,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Protect,
        Self::Synchronize,
        Self::CreatePoint,
        Self::Check,
        Self::Restore,
        Self::DeletePoint,
        Self::Expire,
        Self::Verify,
        Self::Collect,
        Self::Drain,
    ];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Synchronize => "synchronize",
            Self::CreatePoint => "create-point",
            Self::Check => "check",
            Self::Restore => "restore",
            Self::DeletePoint => "delete-point",
            Self::Expire => "expire",
            Self::Verify => "verify",
            Self::Collect => "collect",
            Self::Drain => "drain",
        }
    }

    /// Finds the kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether it only reads what is stored: it is done also where nothing can be written down.
    pub fn is_reader(self) -> bool {
        matches!(self, Self::Restore | Self::Verify)
    }

    /// Returns whether it works on the replica, which only one job at a time may.
    pub fn is_exclusive(self) -> bool {
        matches!(
            self,
            Self::Protect | Self::Synchronize | Self::CreatePoint | Self::Check
        )
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// Done.
    Succeeded,
    /// Done, except for what its warnings list.
    SucceededWithWarnings,
    /// Not done; its fault says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The program ended while it ran.
    Interrupted,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::SucceededWithWarnings,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::SucceededWithWarnings => "succeeded-with-warnings",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Finds the state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Returns whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Returns whether what was asked for was done.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::SucceededWithWarnings)
    }
}

/// Who or what asked for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A person.
    Manual,
    /// Its time came.
    Schedule,
    /// Another one like it was interrupted.
    Retry,
    /// Something was found that this mends.
    SelfHeal,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Schedule, Self::Retry, Self::SelfHeal];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Retry => "retry",
            Self::SelfHeal => "self-heal",
        }
    }

    /// Finds the cause of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// A part of a job that can be told apart from the others while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Looking at what is there and what is allowed.
    Prepare,
    /// Making a stable view of the source.
    Snapshot,
    /// Reading the source, sending what changed.
    Transfer,
    /// Comparing everything with everything.
    Compare,
    /// Making it durable and known.
    Commit,
    /// Writing files back.
    Write,
    /// Removing points.
    Expire,
    /// Reading back what is stored.
    Verify,
    /// Looking at what is needed.
    Mark,
    /// Waiting for synchronizations that began earlier.
    Wait,
    /// Giving space back.
    Free,
    /// Moving what a volume holds.
    Move,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 12] = [
        Self::Prepare,
        Self::Snapshot,
        Self::Transfer,
        Self::Compare,
        Self::Commit,
        Self::Write,
        Self::Expire,
        Self::Verify,
        Self::Mark,
        Self::Wait,
        Self::Free,
        Self::Move,
    ];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Snapshot => "snapshot",
            Self::Transfer => "transfer",
            Self::Compare => "compare",
            Self::Commit => "commit",
            Self::Write => "write",
            Self::Expire => "expire",
            Self::Verify => "verify",
            Self::Mark => "mark",
            Self::Wait => "wait",
            Self::Free => "free",
            Self::Move => "move",
        }
    }

    /// Finds the step of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// A step that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRun {
    /// Which.
    pub step: Step,
    /// When it began.
    pub started_at: Timestamp,
    /// When the next one began, or the job ended.
    pub ended_at: Option<Timestamp>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes dealt with.
    pub bytes_done: u64,
    /// Bytes there are, once that is known.
    pub bytes_total: Option<u64>,
    /// Files dealt with.
    pub files_done: u64,
    /// Files there are, once that is known.
    pub files_total: Option<u64>,
    /// What is being dealt with now.
    pub path: PathBuf,
    /// Bytes a second, over the last seconds.
    pub bytes_per_second: u64,
}

/// One entry that was not dealt with as it should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWarning {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What exactly is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum JobSpec {
    /// Protect, synchronize or create a point, as the kind says; or check.
    Replica,
    /// Restore.
    Restore {
        /// From where.
        point: PointId,
        /// What; empty for everything.
        selection: Vec<PathBuf>,
        /// To where.
        destination: Destination,
        /// What happens to what is in the way.
        on_conflict: OnConflict,
    },
    /// Delete this point.
    DeletePoint(PointId),
    /// Delete the points of the job's source whose time is over, or of every source.
    Expire,
    /// Verify the pool.
    Verify {
        /// What of it.
        order: VerifyOrder,
        /// So many bytes a second at most.
        rate: Option<u64>,
    },
    /// Collect garbage.
    Collect {
        /// Only say what would go.
        dry_run: bool,
    },
    /// Drain a volume.
    Drain {
        /// Its name.
        volume: String,
    },
}

/// What came of a job that was done.
#[derive(Clone, Debug)]
pub enum JobReport {
    /// Of a synchronization, with or without a point.
    Backup(BackupReport),
    /// Of a consistency check.
    Check(CheckReport),
    /// Of a restore.
    Restore(RestoreReport),
    /// Points deleted, by hand or because their time was over.
    Deleted(Vec<PointId>),
    /// Of verifying the pool.
    Verified(VerifyReport),
    /// Of collecting garbage.
    Collected(Collected),
    /// Of draining a volume: the bytes that were moved.
    Drained(u64),
}

impl JobReport {
    /// Returns whether it tells of nothing that somebody should hear of, although the job was done.
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Backup(report) => report.differences == 0 && report.missed == 0,
            Self::Check(report) => report.differences == 0,
            Self::Restore(report) => report.damaged == 0,
            Self::Deleted(_) | Self::Drained(_) => true,
            Self::Verified(report) => report.damaged == 0,
            Self::Collected(report) => report.cut_short.is_none() && report.missing_chunks == 0,
        }
    }
}

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// The source it is about.
    pub source: Option<SourceId>,
    /// What exactly is to be done.
    pub spec: JobSpec,
    /// Who asked.
    pub cause: Cause,
    /// Where it stands.
    pub state: JobState,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// When it will be called silent, unless it shows life before.
    pub lease_until: Timestamp,
    /// The interrupted job it repeats.
    pub retry_of: Option<JobId>,
    /// Its steps so far.
    pub steps: Vec<StepRun>,
    /// How far it is, or was.
    pub progress: Progress,
    /// How many warnings there are.
    pub warning_count: u64,
    /// The first of them.
    pub warnings: Vec<JobWarning>,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// What came of it.
    pub report: Option<JobReport>,
}

impl Job {
    /// Returns one that was asked for just now.
    pub(crate) fn queued(
        env: &Env,
        kind: JobKind,
        source: Option<SourceId>,
        (spec, cause): (JobSpec, Cause),
    ) -> Self {
        let now = env.now();
        Self {
            id: JobId::random(env),
            kind,
            source,
            spec,
            cause,
            state: JobState::Queued,
            queued_at: now,
            started_at: None,
            ended_at: None,
            lease_until: now,
            retry_of: None,
            steps: Vec::new(),
            progress: Progress::default(),
            warning_count: 0,
            warnings: Vec::new(),
            fault: None,
            report: None,
        }
    }

    /// Returns the recovery point it made.
    pub fn point(&self) -> Option<PointId> {
        match &self.report {
            Some(JobReport::Backup(report)) => report.point,
            _ => None,
        }
    }
}
