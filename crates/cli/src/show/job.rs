//! Jobs: how they go and how they ended.

use api::view::{JobListView, JobState, JobView, OutcomeView};
use base::units::{bytes, count};

use super::column::{Table, fields};
use super::when::Here;
use super::{counted, files, short};

/// Returns a state in words.
pub fn state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "waiting",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::DoneWithWarnings => "done with warnings",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Interrupted => "interrupted",
    }
}

/// Returns jobs as a table, newest first.
pub fn list(view: &JobListView, here: &Here) -> String {
    if view.jobs.is_empty() {
        return "There were no jobs yet.\n".to_owned();
    }
    table(&view.jobs, here)
}

/// Returns jobs as a table.
pub fn table(jobs: &[JobView], here: &Here) -> String {
    let mut table = Table::new(&[
        "JOB", "KIND", "SOURCE", "STATE", "STARTED", ">FILES", ">SIZE",
    ]);
    for job in jobs {
        let (files, size) = match &job.outcome {
            Some(outcome) => (outcome.files, outcome.bytes),
            None => (job.progress.files, job.progress.bytes),
        };
        table.row(vec![
            short(&job.id).to_owned(),
            job.kind.clone(),
            job.source.clone().unwrap_or_else(|| "-".to_owned()),
            state(job.state).to_owned(),
            here.column(job.started.unwrap_or(job.created)),
            // A check counts entries, not files, and what verifies the pool knows none.
            match job.kind.as_str() {
                "check" | "verify" | "collect" | "drain" => "-".to_owned(),
                _ => count(files),
            },
            bytes(size),
        ]);
    }
    table.render()
}

/// Returns one job in full.
pub fn one(view: &JobView, here: &Here) -> String {
    let when = |time: Option<api::Time>| time.map(|t| here.exact(t)).unwrap_or_default();
    let mut out = fields(&[
        ("Job", view.id.clone()),
        ("Kind", view.kind.clone()),
        ("Source", view.source.clone().unwrap_or_default()),
        ("State", state(view.state).to_owned()),
        ("Asked for", here.exact(view.created)),
        ("Started", when(view.started)),
        ("Ended", when(view.ended)),
        (
            "Progress",
            if view.state.is_over() {
                String::new()
            } else {
                crate::progress::describe(view)
            },
        ),
        (
            "Result",
            view.outcome
                .as_ref()
                .map(|_| result(view))
                .unwrap_or_default(),
        ),
        (
            "Looked at",
            view.outcome.as_ref().and_then(looked).unwrap_or_default(),
        ),
        (
            "Problem",
            view.problem
                .as_ref()
                .map(|problem| format!("{} ({})", problem.title, problem.code))
                .unwrap_or_default(),
        ),
    ]);
    out.push_str(&warnings(view));
    out
}

/// Returns what came of a job that is over, as a sentence without its end.
pub fn result(job: &JobView) -> String {
    let Some(outcome) = &job.outcome else {
        return state(job.state).to_owned();
    };
    let size = format!("{}, {}", files(outcome.files), bytes(outcome.bytes));
    match job.kind.as_str() {
        "restore" => {
            let target = outcome.target.as_ref();
            let to = target.map_or_else(String::new, |path| format!(" to {path}"));
            let skipped = match outcome.skipped {
                0 => String::new(),
                n => format!("; {} left alone", counted(n, "entry was", "entries were")),
            };
            let damaged = match outcome.damaged {
                0 => String::new(),
                n => format!(
                    "; the stored data of {} damaged",
                    counted(n, "entry is", "entries are")
                ),
            };
            format!("restored {size}{to}{skipped}{damaged}")
        }
        "check" => check(outcome),
        "verify" => verified(outcome),
        "collect" => collected(outcome),
        "drain" => format!("moved {}", bytes(outcome.bytes)),
        "delete-point" | "expire" => format!(
            "deleted {}",
            counted(outcome.deleted, "recovery point", "recovery points")
        ),
        _ => {
            let repaired = match outcome.differences {
                0 => String::new(),
                n => format!("; {}", repaired(n)),
            };
            format!(
                "{size}; {} changed, {} new in the pool{repaired}",
                count(outcome.changed),
                bytes(outcome.new_bytes)
            )
        }
    }
}

/// Returns how much of a source a backup looked at, and why.
fn looked(outcome: &OutcomeView) -> Option<String> {
    let all = counted(outcome.entries, "entry", "entries");
    let missed = match outcome.missed {
        0 => String::new(),
        n => format!(
            "; {} without a sign",
            counted(n, "entry had changed", "entries had changed")
        ),
    };
    match &outcome.everything_because {
        Some(why) => Some(format!("all {all}: {why}")),
        None if outcome.looked > 0 => {
            let looked = count(outcome.looked);
            Some(format!("{looked} of {all}, by the change journal{missed}"))
        }
        None => None,
    }
}

fn repaired(differences: u64) -> String {
    counted(
        differences,
        "entry differed and was repaired",
        "entries differed and were repaired",
    )
}

fn check(outcome: &OutcomeView) -> String {
    let compared = format!(
        "compared {}, {}",
        counted(outcome.entries, "entry", "entries"),
        bytes(outcome.bytes)
    );
    match (outcome.differences, outcome.changed) {
        (0, 0) => format!("{compared}: the replica equals the source"),
        (0, n) => format!(
            "{compared}: the replica was right, {} since the last synchronization",
            counted(n, "entry has changed", "entries have changed")
        ),
        (n, _) => format!("{compared}: {} although nothing said so", repaired(n)),
    }
}

fn verified(outcome: &OutcomeView) -> String {
    let read = format!(
        "read {}, {}, and {}",
        counted(outcome.packs, "pack", "packs"),
        bytes(outcome.bytes),
        counted(outcome.points, "recovery point", "recovery points"),
    );
    let read = match outcome.repaired {
        0 => read,
        n => format!(
            "{read}: {} repaired",
            counted(n, "object was", "objects were")
        ),
    };
    match (
        outcome.damaged.saturating_sub(outcome.repaired),
        outcome.points_hurt.len() as u64,
    ) {
        (0, _) if outcome.repaired > 0 => read,
        (0, _) => format!("{read}: everything is as it was written"),
        (n, 0) => format!("{read}: {n} damaged or missing; every recovery point can be restored"),
        (n, hurt) => format!(
            "{read}: {n} damaged or missing; {} in full",
            counted(
                hurt,
                "recovery point cannot be restored",
                "recovery points cannot be restored"
            )
        ),
    }
}

fn collected(outcome: &OutcomeView) -> String {
    if outcome.packs + outcome.stray + outcome.spared == 0 {
        return format!("all of {} is needed", bytes(outcome.bytes));
    }
    let freed = format!("{} of {}", bytes(outcome.freed), bytes(outcome.bytes));
    let said = match outcome.dry_run {
        true => "would give back",
        false => "gave back",
    };
    let mut parts = vec![format!("{said} {freed}")];
    if outcome.packs > 0 {
        let copied = match outcome.new_bytes {
            0 => String::new(),
            copied => format!(" ({} of them written anew)", bytes(copied)),
        };
        parts.push(format!(
            "{}{copied}",
            counted(outcome.packs, "pack", "packs")
        ));
    }
    if outcome.stray > 0 {
        parts.push(counted(outcome.stray, "stray object", "stray objects"));
    }
    if outcome.spared > 0 {
        let spared = counted(outcome.spared, "pack stays", "packs stay");
        parts.push(format!("{spared} for now"));
    }
    parts.join("; ")
}

/// Returns what a job is about.
pub fn subject(job: &JobView) -> &str {
    match (&job.source, job.kind.as_str()) {
        (Some(source), _) => source,
        (None, "verify" | "collect" | "drain") => "the pool",
        (None, _) => "the server",
    }
}

/// Returns the warnings of a job, one a line.
pub fn warnings(job: &JobView) -> String {
    let mut out = String::new();
    for warning in &job.warnings {
        out.push_str(&format!("  {}: {}\n", warning.path, warning.reason));
    }
    let more = job.warning_count.saturating_sub(job.warnings.len() as u64);
    if more > 0 {
        out.push_str(&format!("  and {} more\n", count(more)));
    }
    out
}
