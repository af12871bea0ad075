//! `dozo pool`: the place where everything is kept.

use std::path::Path;

use api::request::{AddVolume, CollectGarbage, RemoveVolume, VerifyPool};
use api::view::JobListView;
use api::{PathText, Problem};

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
pub fn verify(session: &mut Session<'_>, request: &VerifyPool) -> Result<u8, Problem> {
    let job = session.operations.verify_pool(request)?;
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

/// Runs `dozo pool add`.
///
/// # Errors
/// It cannot become a volume, or the server cannot answer.
pub fn add(
    session: &mut Session<'_>,
    path: &Path,
    name: Option<&str>,
    wipe: Option<&str>,
) -> Result<u8, Problem> {
    let request = AddVolume {
        path: PathText::from(session.world.directory.join(path).as_path()),
        name: name.map(str::to_owned),
        wipe: wipe.map(str::to_owned),
    };
    let view = session.operations.add_volume(&request)?;
    session.answer(view, |view, _| show::status::pool(view))?;
    Ok(DONE)
}

/// Runs `dozo pool drain`.
///
/// # Errors
/// The server cannot answer.
pub fn drain(session: &mut Session<'_>, volume: &str) -> Result<u8, Problem> {
    let job = session.operations.drain_volume(volume)?;
    let (jobs, exit) = finish(session, &[job])?;
    if session.manner.json {
        session.answer(JobListView { jobs }, |_, _| String::new())?;
    }
    Ok(exit)
}

/// Runs `dozo pool remove`.
///
/// # Errors
/// The volume is not empty, or the server cannot answer.
pub fn remove(session: &mut Session<'_>, volume: &str, lost: bool) -> Result<u8, Problem> {
    let request = RemoveVolume { lost };
    let view = session.operations.remove_volume(volume, &request)?;
    session.answer(view, |view, _| show::status::pool(view))?;
    Ok(DONE)
}
