//! `dozo point`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use api::{PathText, Problem, request};
use base::limits::PAGE_ENTRIES_MAX;

use super::protect::{create_point, named};
use crate::args;
use crate::pages::Pages;
use crate::session::{DONE, Session};
use crate::show;

/// Runs `dozo point ...`.
///
/// # Errors
/// There is no such point or source, or the server cannot answer.
pub fn run(session: &mut Session<'_>, verb: &args::Point) -> Result<u8, Problem> {
    match verb {
        args::Point::Create { source } => return create_point(session, source),
        args::Point::List { source } => {
            let source = source.as_ref().map(|source| named(session, source));
            let view = session.operations.points(source.as_deref())?;
            session.answer(view, show::point::list)?;
        }
        args::Point::Show { point } => {
            let view = session.operations.point(point)?;
            session.answer(view, show::point::one)?;
        }
        args::Point::Browse { point, path } => {
            let path = path.as_deref().unwrap_or(OsStr::new(""));
            browse(session, point, path)?;
        }
        args::Point::Diff { point, with, path } => {
            return super::find::diff(session, point, with, path.as_deref());
        }
        args::Point::Hold { point, reason } => {
            let reason = reason.clone();
            let view = session
                .operations
                .hold_point(point, &request::Hold { reason })?;
            session.answer(view, show::point::held)?;
        }
        args::Point::Release { point } => {
            let view = session.operations.release_point(point)?;
            session.answer(view, show::point::released)?;
        }
        args::Point::Delete { point } => {
            let view = session.operations.delete_point(point)?;
            session.answer(view, |view, here| {
                format!(
                    "Deleted recovery point {} of {}, {}.\n",
                    view.point.id,
                    view.point.source,
                    here.exact(view.point.time)
                )
            })?;
        }
    }
    Ok(DONE)
}

/// Prints a directory of a point, page by page: a million entries are listed without being held; as JSON too,
/// which is one document.
fn browse(session: &mut Session<'_>, point: &str, path: &OsStr) -> Result<(), Problem> {
    let mut request = request::Browse {
        path: PathText(path.as_bytes().to_vec()),
        after: None,
        limit: PAGE_ENTRIES_MAX,
    };
    let mut pages = Pages::new("entries");
    let mut table = show::point::listing();
    loop {
        let mut page = session.operations.browse(point, &request)?;
        request.after = page.next.take();
        let is_last = request.after.is_none();
        if session.manner.json {
            pages.add(session, page, is_last)?;
        } else {
            let text = show::point::entries(&mut table, &page.entries, &session.here());
            session.print(&text)?;
        }
        if is_last {
            return Ok(());
        }
    }
}
