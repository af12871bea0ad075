//! The engine's types as the wire shows them.
//!
//! The engine's types have no `Serialize` and the wire's know nothing of the engine: this is the only place where the
//! two meet. Functions rather than `From`, because a view needs more than the value: names, a language, a time.

use api::view::{
    ConflictView, ExpiringPointView, ExpiringView, GoalsView, GroupChangeView, GroupView, JobState,
    JobView, Kept, OutcomeView, OwnerView, PointStatsView, PointView, PolicyView, PoolView,
    ProgressView, ReplicaView, RestorePlanView, RetentionView, SelectionView, SourceView, StepView,
    VolumeState, VolumeView, WarningView,
};
use api::{PathText, Problem, Time};
use base::limits::EXPIRING_LISTED_MAX;
use base::{Lang, Timestamp};
use engine::home::Home;
use engine::jobs::{JobReport, JobState as State, Progress};
use engine::model::{FileOptions, Group, Inventory, Policy, Source};
use engine::pool::{Point, PoolStatus, Volume, VolumeState as PoolVolume};
use engine::replica::State as ReplicaState;
use engine::worker::{OnConflict, RestorePlan};
use engine::{Expiring, Expiry, Health, Job, MemberStatus};

/// Returns a member of a group as a source.
pub fn source(
    status: &MemberStatus,
    inventory: &Inventory,
    home: &Home,
    now: Timestamp,
) -> SourceView {
    let machine = inventory.machines.get(&status.source.machine);
    SourceView {
        id: status.source.id.to_string(),
        address: status.address.clone(),
        machine: machine.map(|m| m.name.clone()).unwrap_or_default(),
        kind: status.source.kind.name().to_owned(),
        path: PathText::from(status.source.path.as_path()),
        group: (!status.member.stopped).then(|| status.group.name.clone()),
        replica: ReplicaView {
            state: status.state.name().to_owned(),
            reason: match status.state {
                ReplicaState::Inconsistent(doubt) | ReplicaState::Checking(Some(doubt)) => {
                    Some(doubt.reason().to_owned())
                }
                _ => None,
            },
        },
        synchronized: status.replica.map(|replica| Time(replica.synced_at)),
        newest_point: status.newest.as_ref().map(|point| Time(point.at)),
        next_point: status.next_point.map(Time),
        health: health(status.health).to_owned(),
        sentence: status.sentence(now),
        points: status.point_count,
        selection: selection(&status.member.options),
        data_dir_left_out: left_out(home, &status.source, inventory),
    }
}

/// Returns the data directory if it lies in a source: every walk passes over it.
pub fn left_out(home: &Home, source: &Source, inventory: &Inventory) -> Option<PathText> {
    let local = inventory.machines.get(&source.machine)?.local;
    let holds = local && home.path().starts_with(&source.path);
    holds.then(|| PathText::from(home.path()))
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Waiting => "waiting",
        Health::Late { .. } => "late",
        Health::Doubtful(_) => "doubtful",
        Health::ReplicaMissing => "missing",
        Health::Inactive => "inactive",
    }
}

fn selection(options: &FileOptions) -> SelectionView {
    SelectionView {
        exclude: options.excludes.clone(),
        exclude_if_present: options.exclude_if_present.clone(),
        exclude_caches: options.exclude_caches,
        one_file_system: options.one_file_system,
    }
}

/// Returns what to leave out as the engine says it.
pub fn options(selection: &SelectionView) -> FileOptions {
    FileOptions {
        excludes: selection.exclude.clone(),
        exclude_if_present: selection.exclude_if_present.clone(),
        exclude_caches: selection.exclude_caches,
        one_file_system: selection.one_file_system,
    }
}

/// Returns a group with its members.
pub fn group(group: &Group, inventory: &Inventory, now: Timestamp, language: Lang) -> GroupView {
    let members = inventory.members_of(&group.id).filter(|m| !m.stopped);
    let mut members: Vec<String> = members.map(|m| inventory.address_of(&m.source)).collect();
    members.sort();
    GroupView {
        id: group.id.to_string(),
        name: group.name.clone(),
        next_point: match members.is_empty() {
            true => None,
            false => group.policy.points.next_after(now).map(Time),
        },
        members,
        policy: policy(&group.policy, language),
    }
}

/// Returns a change of a group's policy with what goes by it.
pub fn group_change(group: GroupView, expiries: &[Expiry]) -> GroupChangeView {
    let point = |point: &Point| ExpiringPointView {
        id: point.id.to_string(),
        time: Time(point.at),
    };
    let member = |expiry: &Expiry| ExpiringView {
        source: expiry.address.clone(),
        count: expiry.points.len() as u64,
        points: expiry
            .points
            .iter()
            .take(EXPIRING_LISTED_MAX)
            .map(point)
            .collect(),
    };
    let members: Vec<ExpiringView> = expiries.iter().map(member).collect();
    GroupChangeView {
        group,
        expiring: members.iter().map(|member| member.count).sum(),
        members,
    }
}

fn policy(policy: &Policy, language: Lang) -> PolicyView {
    let retention = &policy.retention;
    PolicyView {
        sentence: policy.sentence(language),
        goals: GoalsView {
            sync: policy.sync.to_string(),
            points: policy.points.to_string(),
            zone: policy.zone().iana_name().map(str::to_owned),
            retention: RetentionView {
                days: retention.keep_days,
                daily: retention.daily,
                weekly: retention.weekly,
                monthly: retention.monthly,
                yearly: retention.yearly,
            },
        },
    }
}

/// Returns a recovery point.
pub fn point(view: &engine::PointView, language: Lang) -> PointView {
    let point = &view.point;
    let (kept, expires) = match view.expires {
        Expiring::At(time) => (Kept::Time, Some(Time(time))),
        Expiring::WhenNotNewest => (Kept::Newest, None),
        Expiring::Due => (Kept::Due, None),
        Expiring::Never => (Kept::Held, None),
    };
    PointView {
        id: point.id.to_string(),
        source: view.address.clone(),
        source_id: point.source.to_string(),
        group: Some(point.group.clone()).filter(|group| !group.is_empty()),
        previous: point.previous.map(|point| point.to_string()),
        time: Time(point.at),
        consistency: point.level.name().to_owned(),
        consistency_words: point.level.words(language).to_owned(),
        warnings: point.warnings,
        stats: PointStatsView {
            entries: point.entries,
            files: point.files,
            bytes: point.bytes,
            changed: point.changed,
            new_bytes: point.new_bytes,
        },
        kept,
        expires,
        hold: view.hold.clone(),
        waits: view.waits,
    }
}

/// Returns a job.
pub fn job(job: &Job, inventory: &Inventory, language: Lang) -> JobView {
    let running = job.steps.last().filter(|step| step.ended_at.is_none());
    JobView {
        id: job.id.to_string(),
        kind: job.kind.name().to_owned(),
        state: job_state(job.state),
        source: job.source.map(|source| inventory.address_of(&source)),
        cause: job.cause.name().to_owned(),
        created: Time(job.queued_at),
        started: job.started_at.map(Time),
        ended: job.ended_at.map(Time),
        progress: progress(
            &job.progress,
            running.map_or("", |step| step.step.name()).to_owned(),
        ),
        steps: job
            .steps
            .iter()
            .map(|step| StepView {
                name: step.step.name().to_owned(),
                started: Time(step.started_at),
                ended: step.ended_at.map(Time),
            })
            .collect(),
        warning_count: job.warning_count,
        warnings: job
            .warnings
            .iter()
            .map(|warning| WarningView {
                path: PathText::from(warning.path.as_path()),
                reason: warning.reason.clone(),
            })
            .collect(),
        problem: job.fault.as_ref().map(|f| Problem::of(f, language)),
        outcome: job.report.as_ref().map(outcome),
    }
}

fn job_state(state: State) -> JobState {
    match state {
        State::Queued => JobState::Queued,
        State::Running => JobState::Running,
        State::Succeeded => JobState::Done,
        State::SucceededWithWarnings => JobState::DoneWithWarnings,
        State::Failed => JobState::Failed,
        State::Cancelled => JobState::Cancelled,
        State::Interrupted => JobState::Interrupted,
    }
}

fn progress(progress: &Progress, step: String) -> ProgressView {
    ProgressView {
        step,
        files: progress.files_done,
        bytes: progress.bytes_done,
        files_total: progress.files_total,
        bytes_total: progress.bytes_total,
        bytes_per_second: progress.bytes_per_second,
        path: PathText::from(progress.path.as_path()),
    }
}

fn outcome(report: &JobReport) -> OutcomeView {
    match report {
        JobReport::Backup(report) => OutcomeView {
            point: report.point.map(|point| point.to_string()),
            entries: report.entries,
            files: report.files,
            bytes: report.bytes,
            changed: report.changed,
            differences: report.differences,
            new_bytes: report.new_bytes,
            looked: report.looked,
            everything_because: report.everything_because.clone(),
            missed: report.missed,
            ..OutcomeView::default()
        },
        JobReport::Check(report) => OutcomeView {
            entries: report.entries,
            bytes: report.bytes,
            changed: report.changed,
            differences: report.differences,
            new_bytes: report.new_bytes,
            ..OutcomeView::default()
        },
        JobReport::Restore(report) => OutcomeView {
            target: Some(PathText::from(report.target.as_path())),
            entries: report.entries,
            files: report.files,
            bytes: report.bytes,
            skipped: report.skipped,
            failed: report.failed,
            damaged: report.damaged,
            ..OutcomeView::default()
        },
        JobReport::Verified(report) => OutcomeView {
            packs: report.packs,
            points: report.points,
            bytes: report.bytes,
            damaged: report.damaged,
            points_hurt: report.points_hurt.iter().map(ToString::to_string).collect(),
            repaired: report.repaired,
            ..OutcomeView::default()
        },
        JobReport::Collected(report) => OutcomeView {
            dry_run: report.dry_run,
            freed: report.freed_bytes,
            bytes: report.stored_bytes,
            new_bytes: report.copied_bytes,
            packs: report.packs,
            spared: report.spared_packs,
            stray: report.stray_objects,
            ..OutcomeView::default()
        },
        JobReport::Drained(bytes) => OutcomeView {
            bytes: *bytes,
            ..OutcomeView::default()
        },
        JobReport::Deleted(points) => OutcomeView {
            deleted: points.len() as u64,
            ..OutcomeView::default()
        },
    }
}

/// Returns a word for what happens to what is in the way.
pub fn conflict_word(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Skip => "skip",
        OnConflict::Overwrite => "overwrite",
        OnConflict::Rename => "rename",
    }
}

/// Returns what a restore would do.
pub fn restore_plan(
    plan: RestorePlan,
    point: PointView,
    paths: Vec<PathText>,
    on_conflict: OnConflict,
) -> RestorePlanView {
    let action = conflict_word(on_conflict);
    let conflict = |action: &'static str| {
        move |path| ConflictView {
            path: PathText::from(path),
            action: action.to_owned(),
        }
    };
    let refused = plan.refused_paths.into_iter().map(conflict("refuse"));
    let conflicts = plan.conflict_paths.into_iter().map(conflict(action));
    RestorePlanView {
        point,
        paths,
        target: PathText::from(plan.target),
        on_conflict: action.to_owned(),
        entries: plan.entries,
        files: plan.files,
        bytes: plan.bytes,
        same: plan.same,
        conflict_count: plan.conflicts + plan.refused,
        refused_count: plan.refused,
        conflicts: refused.chain(conflicts).collect(),
        free_bytes: plan.free_bytes,
    }
}

/// Returns the pool; `protected_bytes` is what its points show together.
pub fn pool(status: &PoolStatus, protected_bytes: u64, growth_per_day: Option<u64>) -> PoolView {
    PoolView {
        path: PathText::from(status.place.as_str()),
        bytes: status.stored_bytes,
        packs: status.packs,
        unreadable_packs: status.unreadable_packs,
        superseded_packs: status.superseded_packs,
        chunks: status.chunks,
        points: status.points,
        protected_bytes,
        free_bytes: status.space.map(|room| room.free),
        total_bytes: status.space.map(|room| room.total),
        left_bytes: status.space.map(|room| room.left()),
        growth_per_day,
        read_only: status.read_only,
        volumes: status.volumes.iter().map(volume).collect(),
    }
}

fn volume(volume: &Volume) -> VolumeView {
    let (state, why) = match &volume.state {
        PoolVolume::Ok => (VolumeState::Ok, None),
        PoolVolume::Draining => (VolumeState::Draining, None),
        PoolVolume::Away(why) => (VolumeState::Away, Some(why.clone())),
    };
    VolumeView {
        name: volume.name.clone(),
        path: PathText::from(volume.path.as_path()),
        state,
        why,
        free_bytes: volume.space.map(|room| room.free),
        total_bytes: volume.space.map(|room| room.total),
    }
}

/// Returns who works on the data directory.
pub fn owner(owner: &engine::home::Owner) -> OwnerView {
    OwnerView {
        pid: owner.pid,
        since: Time(owner.since),
        command: owner.command.clone(),
    }
}
