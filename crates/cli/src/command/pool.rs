//! `dozo pool`: the place where everything is kept.

use api::Problem;
use api::request::CollectGarbage;
use api::view::JobListView;

use super::finish;
use crate::session::{DONE, Session};
use crate::show;

/// Runs `dozo pool status`.
///
/// # Errors
/// The server cannot answer.
pub fn status(session: &mut Session<'_>) -> Result<u8, Problem> {
    let view = session.operations.pool()?;
    session.answer(view, |view, _| show::status::pool(view))?;
    Ok(DONE)
}

/// Runs `dozo pool verify`.
///
/// # Errors
/// The server cannot answer. What is damaged is the exit code.
pub fn verify(session: &mut Session<'_>) -> Result<u8, Problem> {
    let job = session.operations.verify_pool()?;
    let (jobs, exit) = finish(session, &[job])?;
    if session.manner.json {
        session.answer(JobListView { jobs }, |_, _| String::new())?;
    }
    Ok(exit)
}

/// Runs `dozo pool gc`.
///
/// # Errors
/// The server cannot answer.
pub fn gc(session: &mut Session<'_>, dry_run: bool) -> Result<u8, Problem> {
    let request = CollectGarbage { dry_run };
    let job = session.operations.collect_garbage(&request)?;
    let (jobs, exit) = finish(session, &[job])?;
    if session.manner.json {
        session.answer(JobListView { jobs }, |_, _| String::new())?;
    }
    Ok(exit)
}
