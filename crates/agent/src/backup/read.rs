//! Readers: threads that fetch what a changed entry needs from the source, many at once.
//!
//! Order does not matter here: each answer has its own channel, and the bundler waits for them in walk order.

use std::sync::{Arc, OnceLock};

use base::limits;
use crossbeam_channel::{Receiver, Sender};
use format::chunker::Chunker;
use format::entry::{Content, FileEntry, NEVER_THE_SAME, Node};
use format::replica::ChunkReader;
use format::seal::Sealer;
use sources::files::{Ahead, Found, Handle, Segment};
use sources::{Problem, Reason};

use super::count::{Counts, Share};
use super::cut::{self, Part};
use super::doubt::Doubt;
use super::stages::{Answer, Body, Link, Outcome};
use super::verify::{self, Verdict};
use super::warn;
use crate::flow::{Flow, Stopped};

/// Entries that have to be read one after the other, and where the answers go.
pub(crate) struct Order {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) answer: Sender<Vec<Answer>>,
}

/// An entry that has to be read.
pub(crate) struct Wanted {
    pub(crate) found: Found,
    /// Set if the file has other links: those that come later wait for what this one leaves here.
    pub(crate) link: Option<Link>,
    /// Another link of the file came first.
    pub(crate) linked: bool,
    /// What the earlier tree has, if it is to be compared.
    pub(crate) expected: Option<Expected>,
    pub(crate) share: Share,
    /// Set if it was opened before its turn.
    pub(crate) ahead: Option<Ahead>,
}

impl Wanted {
    /// Opens a file that will be read whole, and only that: one that was read as another link is not.
    fn open_ahead(&mut self) {
        let Found { entry, handle, .. } = &self.found;
        if matches!(entry.node, Node::File(_)) && !self.linked && is_small(entry, handle) {
            self.ahead = handle.ahead();
        }
    }
}

/// Says whether a file is read whole before it is stored.
fn is_small(entry: &FileEntry, handle: &Handle) -> bool {
    entry.size <= limits::BUNDLED_FILE_BYTES_MAX as u64 && !handle.is_empty()
}

/// What the earlier tree says of an entry that looks unchanged.
pub(crate) struct Expected {
    pub(crate) entry: Box<FileEntry>,
    pub(crate) why: Why,
}

/// Why an entry that looks unchanged is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is a consistency check.
    Check,
    /// The run before did not believe its times.
    Doubt,
}

/// What readers share.
pub(crate) struct Readers<'a> {
    pub(crate) flow: &'a Flow<'a>,
    pub(crate) counts: &'a Counts,
    pub(crate) doubt: &'a Doubt,
    /// Reads what the store has.
    pub(crate) store: &'a dyn ChunkReader,
    /// Files of an order that are opened ahead of the one that is read.
    pub(crate) ahead: usize,
}

impl Readers<'_> {
    /// Reads what is wanted until nothing more is.
    pub(crate) fn run(&self, orders: &Receiver<Order>) -> Result<(), Stopped> {
        for order in orders {
            let mut answers = Vec::with_capacity(order.wanted.len());
            let mut wanted = order.wanted.into_iter().peekable();
            while wanted.peek().is_some() {
                let mut part: Vec<_> = wanted.by_ref().take(self.ahead.max(1)).collect();
                if part.len() > 1 {
                    part.iter_mut().for_each(Wanted::open_ahead);
                }
                for wanted in part {
                    answers.push(self.answer(wanted)?);
                }
            }
            order.answer.send(answers).map_err(|_| Stopped)?;
        }
        Ok(())
    }

    fn answer(&self, wanted: Wanted) -> Result<Answer, Stopped> {
        self.flow.go_on()?;
        let mut share = wanted.share;
        let mut count = |bytes| share.read(bytes, self.counts, self.flow);
        let Found { entry, handle, .. } = wanted.found;
        let outcome = match (wanted.link, wanted.expected) {
            (Some(link), expected) if wanted.linked && !is_check(expected.as_ref()) => {
                Outcome::Linked(Box::new(entry), handle, link, expected)
            }
            (link, None) => read(self.flow, entry, (&handle, wanted.ahead), link, &mut count),
            (link, Some(expected)) => {
                let outcome = read(self.flow, entry, (&handle, wanted.ahead), link, &mut count);
                self.compare(outcome, &expected, &mut share)?
            }
        };
        Ok((outcome, share))
    }

    /// Compares an entry that was read with what the store has, and counts it if it differs.
    fn compare(
        &self,
        outcome: Outcome,
        expected: &Expected,
        share: &mut Share,
    ) -> Result<Outcome, Stopped> {
        let Outcome::Read(entry, body) = outcome else {
            if expected.why == Why::Doubt && matches!(outcome, Outcome::Gone) {
                self.counts.changed();
            }
            return Ok(outcome);
        };
        let (verdict, now) = match (&body, content(&expected.entry)) {
            (Body::Large(large), Some(stored)) => self.beside(large, stored, expected, share)?,
            (Body::Small(bytes, ..), Some(stored)) if expected.is_but_content(&entry) => {
                let verdict = verify::holds(self.store, stored, bytes);
                (verdict.map_err(|fault| self.flow.fail(fault))?, None)
            }
            (Body::Whole, _) if expected.is(&entry) => (Verdict::Same, None),
            _ => (Verdict::Differs, None),
        };
        let verdict = match verdict {
            Verdict::Differs if expected.was_left(&entry) => Verdict::Changed,
            verdict => verdict,
        };
        match (verdict, expected.why) {
            (Verdict::Same, Why::Check) => return Ok(Outcome::Same),
            (Verdict::Same, Why::Doubt) => {
                let mut now = now.unwrap_or(entry);
                self.doubt.mark(&mut now);
                now.node.clone_from(&expected.entry.node);
                return Ok(Outcome::Settled(now, body.into_link()));
            }
            (Verdict::Differs, Why::Doubt) | (Verdict::Changed, _) => self.counts.changed(),
            (Verdict::Differs, Why::Check) | (Verdict::Damaged, _) => self.counts.differed(),
            // Nothing is stored of it, and a warning says so; or it is read as if it were new, and known to be there by its name.
            (Verdict::Unread | Verdict::Away, _) => {}
        }
        Ok(Outcome::Read(entry, body))
    }

    /// Reads a large file beside what the store has of it. Returns the entry as it is now if it is the same.
    fn beside(
        &self,
        large: &LargeFile,
        stored: &Content,
        expected: &Expected,
        share: &mut Share,
    ) -> Result<(Verdict, Option<Box<FileEntry>>), Stopped> {
        // What cannot be opened or read says so when it is read again, to be chunked.
        let Ok(mut file) = large.handle.open() else {
            return Ok((Verdict::Unread, None));
        };
        let mut count = |segment| match segment {
            Segment::Hole(len) => share.hole(len, self.counts, self.flow),
            Segment::Data(len) => share.read(len as u64, self.counts, self.flow),
        };
        let held = verify::holds_file(self.flow, self.store, stored, &mut file, &mut count)?;
        let mut problems = Vec::new();
        Ok(match (held, file.finish(&mut problems)) {
            (Ok(verdict @ (Verdict::Damaged | Verdict::Away)), _) => (verdict, None),
            (Ok(Verdict::Same), Ok((now, true))) if expected.is_but_content(&now) => {
                // Whoever reads it again to chunk it would warn of these.
                problems.iter().for_each(|p| warn(self.flow, p));
                (Verdict::Same, Some(Box::new(now)))
            }
            (Err(_), _) | (_, Err(_)) => (Verdict::Unread, None),
            (_, Ok((now, steady))) if !steady || expected.was_left(&now) => {
                (Verdict::Changed, None)
            }
            _ => (Verdict::Differs, None),
        })
    }
}

impl Expected {
    /// Says whether `now` is what was expected; of its times, only those that are believed.
    pub(crate) fn is(&self, now: &FileEntry) -> bool {
        now.node == self.entry.node && self.is_but_content(now)
    }

    /// Says whether the entry has been changed since the walk saw it as it was expected.
    fn was_left(&self, now: &FileEntry) -> bool {
        now.ctime_ns != self.entry.ctime_ns
    }

    /// Says so of everything but content.
    fn is_but_content(&self, now: &FileEntry) -> bool {
        let mut now = now.clone();
        now.node.clone_from(&self.entry.node);
        // See `compare::looks_same`.
        now.device = self.entry.device;
        if self.why == Why::Doubt {
            now.ctime_ns = self.entry.ctime_ns;
        }
        now == *self.entry
    }
}

fn is_check(expected: Option<&Expected>) -> bool {
    expected.is_some_and(|expected| expected.why == Why::Check)
}

fn content(entry: &FileEntry) -> Option<&Content> {
    match &entry.node {
        Node::File(content) => Some(content),
        _ => None,
    }
}

/// Reads one entry, and tells `count` how many bytes of content that were. A large file is not read yet.
pub(crate) fn read(
    flow: &Flow<'_>,
    entry: FileEntry,
    (handle, ahead): (&Handle, Option<Ahead>),
    link: Option<Link>,
    count: &mut dyn FnMut(u64),
) -> Outcome {
    let mut problems = Vec::new();
    let outcome =
        read_into(entry, (handle, ahead), link, &mut problems).unwrap_or_else(|problem| {
            let outcome = match is_gone(&problem) {
                true => Outcome::Gone,
                false => Outcome::Unreadable,
            };
            problems.push(problem);
            outcome
        });
    problems.iter().for_each(|p| warn(flow, p));
    match &outcome {
        Outcome::Read(entry, Body::Whole) => count(entry.size),
        Outcome::Read(_, Body::Small(bytes, ..)) => count(bytes.len() as u64),
        _ => {}
    }
    outcome
}

fn read_into(
    mut entry: FileEntry,
    (handle, ahead): (&Handle, Option<Ahead>),
    link: Option<Link>,
    problems: &mut Vec<Problem>,
) -> Result<Outcome, Problem> {
    match entry.node {
        Node::File(_) => return read_file(entry, (handle, ahead), link, problems),
        Node::Symlink(_) => entry.node = Node::Symlink(handle.link_target()?),
        _ => {}
    }
    entry.xattrs = handle.xattrs(problems);
    Ok(Outcome::Read(Box::new(entry), Body::Whole))
}

fn read_file(
    mut entry: FileEntry,
    (handle, ahead): (&Handle, Option<Ahead>),
    link: Option<Link>,
    problems: &mut Vec<Problem>,
) -> Result<Outcome, Problem> {
    if handle.is_empty() {
        // Nothing to open: what is written from now on changes its times.
        let mut found = Vec::new();
        entry.xattrs = handle.xattrs(&mut found);
        if let Some(gone) = found.iter().position(is_gone) {
            return Err(found.swap_remove(gone));
        }
        problems.append(&mut found);
        entry.node = Node::File(Content::Inline(Vec::new()));
        return Ok(Outcome::Read(Box::new(entry), Body::Whole));
    }
    if entry.size <= limits::BUNDLED_FILE_BYTES_MAX as u64 {
        let mut bytes = Vec::new();
        let limit = limits::BUNDLED_FILE_BYTES_MAX;
        if let Some(read) = handle.read_small(limit, ahead, &mut bytes, problems)? {
            let mut entry = Box::new(read.entry);
            if read.changed {
                // A mixture is not to be taken for good.
                entry.ctime_ns = NEVER_THE_SAME;
            }
            if bytes.len() <= limits::INLINE_BYTES_MAX {
                entry.node = Node::File(Content::Inline(bytes));
                return Ok(Outcome::Read(entry, Body::Whole));
            }
            let hash = Sealer::hash(&bytes);
            return Ok(Outcome::Read(entry, Body::Small(bytes, hash, link)));
        }
    }
    let file = LargeFile {
        handle: handle.clone(),
        link,
    };
    Ok(Outcome::Read(Box::new(entry), Body::Large(Box::new(file))))
}

/// How an attempt at a large file ended.
pub(crate) enum Ended {
    /// Read, with the entry as it is now.
    Whole(Box<FileEntry>),
    /// It changed meanwhile: what was emitted is void, and it is to be read again.
    Again,
    /// It is gone, which was warned of.
    Gone,
    /// It cannot be read, which was warned of.
    Unreadable,
}

/// A file that is read while it is chunked.
///
/// Opened only then: many may be waiting.
pub(crate) struct LargeFile {
    handle: Handle,
    pub(crate) link: Option<Link>,
}

impl LargeFile {
    /// Reads the file from its beginning and emits its pieces in order. After the last attempt it is taken as it
    /// was read, with a warning, and will be read again by the next run.
    pub(crate) fn attempt(
        &self,
        number: usize,
        chunker: &Chunker,
        flow: &Flow<'_>,
        emit: &mut dyn FnMut(Part) -> Result<(), Stopped>,
    ) -> Result<Ended, Stopped> {
        let mut problems = Vec::new();
        let mut file = match self.handle.open() {
            Ok(file) => file,
            Err(problem) => {
                warn(flow, &problem);
                return Ok(lost(&problem));
            }
        };
        let read = cut::file(&mut file, chunker, flow, emit)?;
        let ended = match read.and_then(|()| file.finish(&mut problems)) {
            Ok((entry, true)) => Ended::Whole(Box::new(entry)),
            Ok((_, false)) if number < limits::READ_ATTEMPTS => return Ok(Ended::Again),
            Ok((mut entry, false)) => {
                problems.push(file.changed());
                entry.ctime_ns = NEVER_THE_SAME;
                Ended::Whole(Box::new(entry))
            }
            Err(problem) => {
                let ended = lost(&problem);
                problems.push(problem);
                ended
            }
        };
        problems.iter().for_each(|p| warn(flow, p));
        Ok(ended)
    }
}

fn lost(problem: &Problem) -> Ended {
    match is_gone(problem) {
        true => Ended::Gone,
        false => Ended::Unreadable,
    }
}

/// Says whether the entry is not there any more, or is no longer what it was.
pub(crate) fn is_gone(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::Vanished | Reason::Replaced)
}

/// Returns an empty meeting place for the links of one file.
pub(crate) fn new_link() -> Link {
    Arc::new(OnceLock::new())
}
