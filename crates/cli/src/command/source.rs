//! `dozo source`, and what shows the whole: `dozo status`.

use api::Problem;
use api::view::JobListView;

use super::finish;
use super::protect::named;
use crate::args;
use crate::session::{DONE, Session};
use crate::show;

/// Runs `dozo source ...`.
///
/// # Errors
/// There is no such source, or the server cannot answer.
pub fn run(session: &mut Session<'_>, verb: &args::Source) -> Result<u8, Problem> {
    match verb {
        args::Source::List => {
            let view = session.operations.sources()?;
            session.answer(view, show::source::list)?;
        }
        args::Source::Show { source } => {
            let view = session.operations.source(&named(session, source))?;
            session.answer(view, show::source::one)?;
        }
        args::Source::Check { source } => {
            let job = session.operations.check(&named(session, source))?;
            let (jobs, exit) = finish(session, &[job])?;
            if session.manner.json {
                session.answer(JobListView { jobs }, |_, _| String::new())?;
            }
            return Ok(exit);
        }
        args::Source::Accept { source } => {
            let view = session.operations.accept(&named(session, source))?;
            session.answer(view, show::source::accepted)?;
        }
    }
    Ok(DONE)
}

/// Runs `dozo status`.
///
/// # Errors
/// The server cannot answer.
pub fn status(session: &mut Session<'_>) -> Result<u8, Problem> {
    let view = session.operations.status()?;
    session.answer(view, |view, here| {
        // That this command itself works there says nothing.
        let myself = std::process::id();
        let other = view.owner.as_ref().filter(|owner| owner.pid != myself);
        show::status::status(view, other, here)
    })?;
    Ok(DONE)
}
