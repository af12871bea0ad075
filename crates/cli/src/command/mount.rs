//! `dozo mount`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::request::{self, WhichEntries};
use api::view::{EntryKind, PointView};
use api::{Operations, PathText, Problem};
use base::Fault;
use base::fault::Code;

use super::protect::named;
use crate::args;
use crate::mount::{Audience, Mounted, Top};
use crate::reference::source_and_point;
use crate::session::{DONE, Session};

/// How often the mount is looked after.
const LOOK: Duration = Duration::from_millis(200);

/// Mounts, and stays until a person ends the command or somebody unmounts.
///
/// # Errors
/// There is no such point or source; `MountRefused`, `MountDead`.
pub fn run(
    session: &mut Session<'_>,
    args: &args::Mount,
    operations: Arc<dyn Operations>,
) -> Result<u8, Problem> {
    let directory = session.world.absolute(&args.directory);
    let top = top(session, &args.what)?;
    let audience = match args.allow_other {
        true => Audience::All,
        false => Audience::Owner,
    };
    let zone = session.world.zone.clone();
    let mounted = Mounted::begin(operations, top, zone, &directory, audience)
        .map_err(|error| refused(session, &directory, error))?;
    session.say(&format!(
        "Mounted at {}. Ctrl-C, or `umount` there, ends it.",
        directory.display()
    ));
    while !mounted.is_over() && !session.world.stop.wait(LOOK) {}
    mounted
        .end()
        .map_err(|error| refused(session, &directory, error))?;
    Ok(DONE)
}

fn refused(session: &Session<'_>, directory: &Path, error: std::io::Error) -> Problem {
    let fault = match sources::dead_mount(directory) {
        Some(place) => Fault::new(Code::MountDead).with("path", place.display()),
        None => Fault::new(Code::MountRefused)
            .with("path", directory.display())
            .with("reason", &error),
    };
    session.problem(&fault.because(error))
}

/// Finds out what is meant: a source, a point of one, or a point by its id alone.
fn top(session: &Session<'_>, what: &str) -> Result<Top, Problem> {
    let operations = session.operations;
    let found = source_and_point(
        what,
        session.world.env.now(),
        &session.world.zone,
        session.manner.language,
        |text| operations.source(&named(session, text)),
    );
    let point = match found {
        Ok((source, None)) => return Ok(Top::Source { id: source.id }),
        Ok((source, Some(choice))) => operations.choose_point(&source.id, &choice)?,
        // What is no source may be a point; if it is neither, a source is what people mean.
        Err(problem) => operations.point(what).map_err(|_| problem)?,
    };
    point_top(session, &point)
}

fn point_top(session: &Session<'_>, point: &PointView) -> Result<Top, Problem> {
    let root = request::Entries {
        path: PathText::default(),
        which: WhichEntries::Itself,
        after: None,
        limit: 1,
    };
    let root = session.operations.entries(&point.id, &root)?;
    let is_file = root
        .entries
        .iter()
        .all(|entry| entry.kind != EntryKind::Directory);
    let name = point.source.rsplit('/').next().unwrap_or(&point.source);
    Ok(Top::Point {
        id: point.id.clone(),
        name: name.as_bytes().to_vec(),
        is_file,
    })
}
