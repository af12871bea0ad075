//! `dozo restore`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use api::request::{Destination, PointChoice};
use api::view::{JobListView, SourceView};
use api::{PathText, Problem, request};

use super::finish;
use super::protect::named;
use crate::args;
use crate::reference::source_and_point;
use crate::session::{DONE, Session};
use crate::show;

/// Finds out what is meant: a source, a point of one, or a point by its id alone.
fn what(session: &Session<'_>, text: &str) -> Result<(SourceView, Option<PointChoice>), Problem> {
    let find = |text: &str| session.operations.source(&named(session, text));
    let found = source_and_point(
        text,
        session.world.env.now(),
        &session.world.zone,
        session.manner.language,
        find,
    );
    found.or_else(|problem| {
        // What is no source may be a point; if it is neither, a source is what people mean.
        let Ok(point) = session.operations.point(text) else {
            return Err(problem);
        };
        let source = session.operations.source(&point.source_id)?;
        Ok((source, Some(PointChoice::Id(point.id))))
    })
}

/// Plans or does a restore.
///
/// # Errors
/// There is no such source, point or path, or the target cannot be used.
pub fn run(
    session: &mut Session<'_>,
    args: &args::Restore,
    data_dir: &Path,
) -> Result<u8, Problem> {
    let (source, point) = what(session, &args.source)?;
    let request = request::Restore {
        paths: args.paths.iter().map(|p| within(&source, p)).collect(),
        source: source.id.clone(),
        point: point.unwrap_or(PointChoice::Newest),
        to: destination(session, args),
        on_conflict: args.on_conflict.into(),
    };
    if let Some(file) = &args.to_tar {
        super::archive::refuse_inside(session, file, data_dir)?;
        return super::archive::run(session, &request, &source, file);
    }
    if args.plan {
        let view = session.operations.plan_restore(&request)?;
        session.answer(view, show::point::plan)?;
        return Ok(DONE);
    }
    let job = session.operations.restore(&request)?;
    let (jobs, exit) = finish(session, &[job])?;
    if session.manner.json {
        session.answer(JobListView { jobs }, |_, _| String::new())?;
    }
    Ok(exit)
}

fn destination(session: &Session<'_>, args: &args::Restore) -> Destination {
    match &args.to {
        Some(directory) => {
            Destination::Directory(PathText::from(session.world.absolute(directory)))
        }
        None if args.beside => Destination::Beside,
        None => Destination::Original,
    }
}

/// Returns a path relative to the source: an absolute one below it loses the source's own path.
fn within(source: &SourceView, path: &OsString) -> PathText {
    let path = Path::new(path);
    let relative = path.strip_prefix(source.path.as_path()).unwrap_or(path);
    PathText(relative.as_os_str().as_bytes().to_vec())
}
