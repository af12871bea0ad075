//! What each command does, over the operations alone: the same with a server and without.

pub mod archive;
pub mod explain;
pub mod find;
pub mod group;
pub mod job;
pub mod mount;
pub mod point;
pub mod pool;
pub mod protect;
pub mod restore;
pub mod server;
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
        let source = show::job::subject(job).to_owned();
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
        Some(outcome) if outcome.damaged > outcome.repaired => Code::ChunkDamaged.exit(),
        _ => DONE_WITH_WARNINGS,
    }
}

/// Exit codes, the better before the worse: what a person can mend by another command or by waiting is better than
/// what has to be looked into, and nothing is worse than damaged data.
const RANKED: [u8; 9] = [DONE, DONE_WITH_WARNINGS, 2, 4, 9, 6, 7, 5, 1];

/// Returns the worse one of two exit codes: the one that a command for several members ends with.
pub fn worse(a: u8, b: u8) -> u8 {
    let rank = |exit| RANKED.iter().position(|code| *code == exit);
    // Damaged data, and what a newer server may answer.
    let rank = |exit| rank(exit).unwrap_or(RANKED.len());
    if rank(b) > rank(a) { b } else { a }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_members_is_the_exit_code() {
        let check = |exits: &[u8], expected| {
            let both = [exits.to_vec(), exits.iter().rev().copied().collect()];
            for exits in both {
                assert_eq!(exits.iter().copied().fold(DONE, worse), expected);
            }
        };
        check(&[], 0);
        check(&[0, 3, 0], 3);
        check(&[3, 4, 0], 4);
        check(&[4, 7, 6], 7);
        check(&[5, 1, 3], 1);
        check(&[1, 8, 7], 8);
    }

    #[test]
    fn every_exit_code_has_its_rank() {
        for code in Code::all() {
            let exit = code.exit_failed();
            assert!(RANKED.contains(&exit) || exit == 8, "{code}");
        }
    }
}
