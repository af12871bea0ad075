//! `dozo find`, and `dozo point diff`: what many recovery points hold.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use api::view::{DiffView, FindView};
use api::{PathText, Problem, request};

use super::protect::named;
use crate::args;
use crate::session::{DONE, Session};
use crate::show;

/// Entries asked for at once.
const PAGE_ENTRIES: u32 = 1_000;

/// Runs `dozo find`: prints page by page, so that a million entries are found without being held. As JSON it is one
/// document.
///
/// # Errors
/// The pattern cannot be understood, there is no such source, or the server cannot answer.
pub fn run(session: &mut Session<'_>, args: &args::Find) -> Result<u8, Problem> {
    let mut request = request::Find {
        pattern: args.pattern.clone(),
        source: args.source.as_ref().map(|source| named(session, source)),
        after: None,
        limit: PAGE_ENTRIES,
    };
    let mut whole: Option<FindView> = None;
    let mut last_source = String::new();
    let mut exit = DONE;
    loop {
        let mut page = session.operations.find(&request)?;
        request.after = page.next.take();
        for unread in &page.unread {
            session.say(&format!("{} could not be searched:", unread.source));
            session.complain(&unread.problem);
            exit = unread.problem.exit;
        }
        if session.manner.json {
            match &mut whole {
                Some(whole) => {
                    whole.found.append(&mut page.found);
                    whole.unread.append(&mut page.unread);
                }
                None => whole = Some(page),
            }
        } else {
            let text = show::find::found(&page.found, &mut last_source, &session.here());
            session.print(&text)?;
        }
        if request.after.is_none() {
            break;
        }
    }
    match whole {
        Some(view) => session.answer(view, |_, _| String::new())?,
        None if last_source.is_empty() => session.say("Nothing found."),
        None => {}
    }
    Ok(exit)
}

/// Runs `dozo point diff`, likewise.
///
/// # Errors
/// There are no such points, neither has the path, or the server cannot answer.
pub fn diff(
    session: &mut Session<'_>,
    point: &str,
    with: &str,
    path: Option<&OsStr>,
) -> Result<u8, Problem> {
    let mut request = request::Diff {
        with: with.to_owned(),
        path: PathText(path.unwrap_or_default().as_bytes().to_vec()),
        after: None,
        limit: PAGE_ENTRIES,
    };
    let mut whole: Option<DiffView> = None;
    let mut shown = false;
    loop {
        let mut page = session.operations.diff(point, &request)?;
        request.after = page.next.take();
        if session.manner.json {
            match &mut whole {
                Some(whole) => whole.changes.append(&mut page.changes),
                None => whole = Some(page),
            }
        } else {
            shown |= !page.changes.is_empty();
            session.print(&show::find::changes(&page.changes))?;
        }
        if request.after.is_none() {
            break;
        }
    }
    match whole {
        Some(view) => session.answer(view, |_, _| String::new())?,
        None if !shown => session.say("No differences."),
        None => {}
    }
    Ok(DONE)
}
