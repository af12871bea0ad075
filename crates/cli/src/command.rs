//! What each command does, over the operations alone: the same with a server and without.

pub mod explain;
pub mod group;
pub mod job;
pub mod point;
pub mod protect;
pub mod restore;
pub mod source;
pub mod up;

use api::Problem;
use api::view::{JobState, JobView};
use base::fault::Code;

use crate::session::{DONE, DONE_WITH_WARNINGS, Session};
use crate::show;
use crate::signal::STOPPED;

/// Says how jobs ended, one after the other: a sentence, then warnings or the failure.
/// Returns the exit code of a command that is as good as its worst job.
pub fn report(session: &mut Session<'_>, jobs: &[JobView]) -> u8 {
    let mut exit = DONE;
    for job in jobs {
        let source = job.source.as_deref().unwrap_or("the server").to_owned();
        let code = match (job.state, &job.problem) {
            (JobState::Done, _) => {
                session.say(&format!("{source}: {}.", show::job::result(job)));
                DONE
            }
            (JobState::DoneWithWarnings, _) if job.warning_count == 0 => {
                session.say(&format!("{source}: {}.", show::job::result(job)));
                with_warnings(job)
            }
            (JobState::DoneWithWarnings, _) => {
                let warnings = show::counted(job.warning_count, "warning", "warnings");
                session.say(&format!(
                    "{source}: {}, with {warnings}:\n{}",
                    show::job::result(job),
                    show::job::warnings(job).trim_end()
                ));
                with_warnings(job)
            }
            (_, Some(problem)) => {
                session.complain(problem);
                problem.exit
            }
            _ => STOPPED,
        };
        exit = worse(exit, code);
    }
    exit
}

/// Returns the exit code of a job that was done with warnings: data that could not be given back is more than that.
fn with_warnings(job: &JobView) -> u8 {
    match &job.outcome {
        Some(outcome) if outcome.damaged > 0 => Code::ChunkDamaged.exit(),
        _ => DONE_WITH_WARNINGS,
    }
}

/// Returns the exit code that says more: a failure before warnings, the first failure before later ones.
fn worse(a: u8, b: u8) -> u8 {
    match (a, b) {
        (DONE, _) => b,
        (DONE_WITH_WARNINGS, b) if b != DONE => b,
        _ => a,
    }
}

/// Follows jobs that the command has started, and reports.
///
/// # Errors
/// The server went away.
pub fn finish(session: &mut Session<'_>, jobs: &[JobView]) -> Result<(Vec<JobView>, u8), Problem> {
    let jobs = crate::progress::follow(session.world, session.operations, jobs)?;
    let exit = report(session, &jobs);
    Ok((jobs, exit))
}
