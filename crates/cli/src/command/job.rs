//! `dozo job`.

use api::Problem;
use api::view::JobView;
use base::Fault;
use base::fault::Code;

use super::report;
use crate::args;
use crate::progress::{OnStop, watch};
use crate::session::{DONE, Session};
use crate::show;

/// Runs `dozo job ...`.
///
/// # Errors
/// There is no such job, or the server cannot answer.
pub fn run(session: &mut Session<'_>, verb: &args::Job) -> Result<u8, Problem> {
    match verb {
        args::Job::List => {
            let view = session.operations.jobs()?;
            session.answer(view, show::job::list)?;
        }
        args::Job::Show { job } => {
            let view = session.operations.job(job)?;
            session.answer(view, show::job::one)?;
        }
        args::Job::Watch { job } => return follow(session, job.as_deref()),
        args::Job::Cancel { job } => {
            let view = session.operations.cancel_job(job)?;
            session.answer(view, |view, _| format!("{}\n", cancelling(view)))?;
        }
    }
    Ok(DONE)
}

fn cancelling(job: &JobView) -> String {
    let source = job.source.as_deref().unwrap_or("the server");
    if job.state.is_over() {
        format!(
            "The {} of {source} was over already: {}.",
            job.kind,
            show::job::state(job.state)
        )
    } else {
        format!("The {} of {source} is being stopped.", job.kind)
    }
}

fn follow(session: &mut Session<'_>, job: Option<&str>) -> Result<u8, Problem> {
    let job = match job {
        Some(job) => session.operations.job(job)?,
        None => {
            let newest = session.operations.jobs()?.jobs.into_iter().next();
            newest.ok_or_else(|| {
                session.problem(&Fault::new(Code::JobUnknown).with("job", "newest"))
            })?
        }
    };
    let jobs = watch(session.world, session.operations, &[job], OnStop::Leave)?;
    let exit = report(session, &jobs);
    if session.manner.json
        && let Some(job) = jobs.into_iter().next()
    {
        session.answer(job, |_, _| String::new())?;
    }
    Ok(exit)
}
