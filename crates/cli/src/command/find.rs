//! `dozo find`, and `dozo point diff`: what many recovery points hold.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use api::{PathText, Problem, request};

use super::protect::named;
use crate::args;
use crate::pages::Pages;
use crate::session::{DONE, Session};
use crate::show;

/// Entries asked for at once.
const PAGE_ENTRIES: u32 = 1_000;

/// Runs `dozo find`: prints page by page, so that a million entries are found without being held; as JSON too,
/// which is one document.
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
    let mut pages = Pages::new("found");
    let mut unread = Vec::new();
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
        let is_last = request.after.is_none();
        if session.manner.json {
            unread.append(&mut page.unread);
            if is_last {
                page.unread = std::mem::take(&mut unread);
            }
            pages.add(session, page, is_last)?;
        } else {
            let text = show::find::found(&page.found, &mut last_source, &session.here());
            session.print(&text)?;
        }
        if is_last {
            break;
        }
    }
    if last_source.is_empty() && !session.manner.json {
        session.say("Nothing found.");
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
    let mut pages = Pages::new("changes");
    let mut shown = false;
    loop {
        let mut page = session.operations.diff(point, &request)?;
        request.after = page.next.take();
        let is_last = request.after.is_none();
        if session.manner.json {
            pages.add(session, page, is_last)?;
        } else {
            shown |= !page.changes.is_empty();
            session.print(&show::find::changes(&page.changes))?;
        }
        if is_last {
            break;
        }
    }
    if !shown && !session.manner.json {
        session.say("No differences.");
    }
    Ok(DONE)
}
