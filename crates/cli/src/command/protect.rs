//! `dozo protect`, `dozo sync`, `dozo point create`: what makes a replica newer.

use std::path::{Path, PathBuf};

use api::view::{JobListView, JobView, SelectionView};
use api::{PathText, Problem, request};

use super::finish;
use crate::args;
use crate::session::Session;
use crate::show;

/// Protects paths and makes a recovery point of each; prints the points' ids.
///
/// # Errors
/// Nothing was begun; what failed later is the exit code.
pub fn protect(session: &mut Session<'_>, args: &args::Protect) -> Result<u8, Problem> {
    let request = request::Protect {
        paths: args
            .paths
            .iter()
            .map(|path| PathText::from(session.world.absolute(path)))
            .collect(),
        group: args.group.clone(),
        selection: selection(&args.selection),
    };
    let protected = session.operations.protect(&request)?;
    for group in &protected.groups {
        if protected.group_created.as_ref() == Some(&group.name) {
            session.say(&format!(
                "Made group {}: {}",
                group.name, group.policy.sentence
            ));
        }
    }
    if let Some(sentence) = show::source::left_out(&protected) {
        session.say(&sentence);
    }
    let (jobs, exit) = finish(session, &protected.jobs)?;
    points(session, jobs)?;
    Ok(exit)
}

fn selection(args: &args::Selection) -> Option<SelectionView> {
    let selection = SelectionView {
        exclude: args.exclude.clone(),
        exclude_if_present: args.exclude_if_present.clone(),
        exclude_caches: args.exclude_caches,
        one_file_system: args.one_file_system,
    };
    (selection != SelectionView::default()).then_some(selection)
}

/// Prints what jobs made: the point's id and its source, one a line.
fn points(session: &mut Session<'_>, jobs: Vec<JobView>) -> Result<(), Problem> {
    if session.manner.json {
        return session.answer(JobListView { jobs }, |_, _| String::new());
    }
    for job in &jobs {
        let point = job.outcome.as_ref().and_then(|o| o.point.as_deref());
        if let (Some(point), Some(source)) = (point, &job.source) {
            session.print(&format!("{point}  {source}\n"))?;
        }
    }
    Ok(())
}

/// Synchronizes a source.
///
/// # Errors
/// As [`protect`].
pub fn sync(session: &mut Session<'_>, source: &str) -> Result<u8, Problem> {
    let source = named(session, source);
    let job = session.operations.sync(&source)?;
    let (jobs, exit) = finish(session, &[job])?;
    if session.manner.json {
        points(session, jobs)?;
    }
    Ok(exit)
}

/// Synchronizes a source and makes a recovery point of it; prints its id.
///
/// # Errors
/// As [`protect`].
pub fn create_point(session: &mut Session<'_>, source: &str) -> Result<u8, Problem> {
    let source = named(session, source);
    let job = session.operations.create_point(&source)?;
    let (jobs, exit) = finish(session, &[job])?;
    points(session, jobs)?;
    Ok(exit)
}

/// Returns a source's name as the server knows it: what is no name there, but the path of a source from here, is made
/// absolute and loses its symbolic links, so that `.` and `docs` work where they are, and also when `docs` was lost.
/// Another path that is there is made absolute too, for those who let it join a group.
pub fn named(session: &Session<'_>, source: &str) -> String {
    if source.is_empty() || session.operations.source(source).is_ok() {
        return source.to_owned();
    }
    let path = session.world.absolute(Path::new(source));
    let is_there = path.symlink_metadata().is_ok();
    for path in [without_links(&path), path.clone()] {
        // By its whole name: a path is not meant as the beginning of another one.
        let found = path.to_str().and_then(|path| {
            let found = session.operations.source(path).ok()?;
            (found.path.as_path() == Path::new(path)).then(|| path.to_owned())
        });
        if let Some(path) = found {
            return path;
        }
    }
    match (is_there, path.to_str()) {
        (true, Some(path)) => path.to_owned(),
        _ => source.to_owned(),
    }
}

/// Returns a path without symbolic links, as far as it is there.
fn without_links(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(real), Ok(below)) = (there.canonicalize(), path.strip_prefix(there)) {
            return real.join(below).components().collect();
        }
    }
    path.to_owned()
}
