//! Readers: threads that fetch what a changed entry needs from the source, many at once.
//!
//! Order does not matter here: each answer has its own channel, and the bundler waits for them in walk order.

use std::sync::{Arc, OnceLock};

use base::limits;
use crossbeam_channel::{Receiver, Sender};
use format::chunker::Chunker;
use format::entry::{Content, FileEntry, Node};
use format::replica::ChunkReader;
use format::seal::Sealer;
use sources::files::{Found, Handle, OpenFile, Segment};
use sources::{Problem, Reason};

use super::stages::{Body, Link, Outcome};
use super::{Counts, verify, warn};
use crate::flow::{Flow, Stopped};

/// Attempts at a large file that changes while it is read.
const ATTEMPTS: usize = 3;
/// The change time recorded of a file that changed while it was read: no file has it, so the next run reads the
/// file again instead of taking a mixture for good.
const NEVER_THE_SAME: i64 = i64::MIN / 2;
/// Room for a largest chunk beside what is left of the last fill.
const BUFFER_BYTES: usize = 2 * limits::CHUNK_BYTES_MAX;

/// An entry that has to be read, and where the answer goes.
pub(crate) struct Wanted {
    pub(crate) found: Found,
    /// Set if the file has other links: those that come later wait for what this one leaves here.
    pub(crate) link: Option<Link>,
    /// Another link of the file came first.
    pub(crate) linked: bool,
    /// In a consistency check, what the earlier tree says of an entry that looks unchanged.
    pub(crate) expected: Option<Box<FileEntry>>,
    pub(crate) answer: Sender<Outcome>,
}

/// Reads what is wanted until nothing more is.
pub(crate) fn run(
    flow: &Flow<'_>,
    counts: &Counts,
    reader: &dyn ChunkReader,
    wanted: &Receiver<Wanted>,
) -> Result<(), Stopped> {
    for wanted in wanted {
        flow.go_on()?;
        let Found { entry, handle, .. } = wanted.found;
        let outcome = match (wanted.link, wanted.expected) {
            (Some(link), None) if wanted.linked => Outcome::Linked(Box::new(entry), handle, link),
            (link, None) => read(flow, entry, &handle, link),
            (link, Some(expected)) => {
                let outcome = check(flow, reader, entry, &handle, link, &expected)?;
                if matches!(outcome, Outcome::Read(..)) {
                    counts.differed();
                }
                outcome
            }
        };
        wanted.answer.send(outcome).map_err(|_| Stopped)?;
    }
    Ok(())
}

/// Reads one entry and compares it with what the store has.
fn check(
    flow: &Flow<'_>,
    reader: &dyn ChunkReader,
    entry: FileEntry,
    handle: &Handle,
    link: Option<Link>,
    expected: &FileEntry,
) -> Result<Outcome, Stopped> {
    let outcome = read(flow, entry, handle, link);
    let same = match &outcome {
        Outcome::Read(entry, Body::Whole) => {
            same_metadata(entry, expected) && entry.node == expected.node
        }
        Outcome::Read(entry, Body::Small(bytes, ..)) => {
            same_metadata(entry, expected)
                && content(expected).is_some_and(|c| verify::holds(reader, c, bytes))
        }
        Outcome::Read(_, Body::Large(_)) => return check_large(flow, reader, outcome, expected),
        _ => false,
    };
    Ok(if same { Outcome::Same } else { outcome })
}

fn check_large(
    flow: &Flow<'_>,
    reader: &dyn ChunkReader,
    outcome: Outcome,
    expected: &FileEntry,
) -> Result<Outcome, Stopped> {
    let Outcome::Read(entry, Body::Large(large)) = outcome else {
        return Ok(outcome);
    };
    let Some(content) = content(expected) else {
        return Ok(Outcome::Read(entry, Body::Large(large)));
    };
    let mut problems = Vec::new();
    // What cannot be opened or read says so when it is read again, to be chunked.
    if let Ok(mut file) = large.handle.open() {
        let held = verify::holds_file(flow, reader, content, &mut file)?;
        if let (Ok(true), Ok((now, true))) = (held, file.finish(&mut problems))
            && same_metadata(&now, expected)
        {
            return Ok(Outcome::Same);
        }
    }
    Ok(Outcome::Read(entry, Body::Large(large)))
}

fn content(entry: &FileEntry) -> Option<&Content> {
    match &entry.node {
        Node::File(content) => Some(content),
        _ => None,
    }
}

/// Compares everything but content.
fn same_metadata(now: &FileEntry, expected: &FileEntry) -> bool {
    let mut now = now.clone();
    now.node.clone_from(&expected.node);
    // See `compare::unchanged`.
    now.device = expected.device;
    now == *expected
}

/// Reads one entry.
pub(crate) fn read(
    flow: &Flow<'_>,
    entry: FileEntry,
    handle: &Handle,
    link: Option<Link>,
) -> Outcome {
    let mut problems = Vec::new();
    let outcome = read_into(entry, handle, link, &mut problems).unwrap_or_else(|problem| {
        let outcome = match is_gone(&problem) {
            true => Outcome::Gone,
            false => Outcome::Unreadable,
        };
        problems.push(problem);
        outcome
    });
    problems.iter().for_each(|p| warn(flow, p));
    outcome
}

fn read_into(
    mut entry: FileEntry,
    handle: &Handle,
    link: Option<Link>,
    problems: &mut Vec<Problem>,
) -> Result<Outcome, Problem> {
    match entry.node {
        Node::File(_) => return read_file(entry, handle, link, problems),
        Node::Symlink(_) => entry.node = Node::Symlink(handle.link_target()?),
        _ => {}
    }
    entry.xattrs = handle.xattrs(problems);
    Ok(Outcome::Read(Box::new(entry), Body::Whole))
}

fn read_file(
    entry: FileEntry,
    handle: &Handle,
    link: Option<Link>,
    problems: &mut Vec<Problem>,
) -> Result<Outcome, Problem> {
    if entry.size <= limits::BUNDLED_FILE_BYTES_MAX as u64 && !handle.is_sparse() {
        let mut bytes = Vec::new();
        if let Some(read) =
            handle.read_small(limits::BUNDLED_FILE_BYTES_MAX, &mut bytes, problems)?
        {
            let mut entry = Box::new(read.entry);
            if read.changed {
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

/// A piece of a large file.
pub(crate) enum Part {
    Hole(u64),
    Chunk(Vec<u8>),
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
        let read = pieces(&mut file, chunker, flow, emit)?;
        let ended = match read.and_then(|()| file.finish(&mut problems)) {
            Ok((entry, true)) => Ended::Whole(Box::new(entry)),
            Ok((_, false)) if number < ATTEMPTS => return Ok(Ended::Again),
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

fn pieces(
    file: &mut OpenFile,
    chunker: &Chunker,
    flow: &Flow<'_>,
    emit: &mut dyn FnMut(Part) -> Result<(), Stopped>,
) -> Result<Result<(), Problem>, Stopped> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        flow.go_on()?;
        let room = BUFFER_BYTES - buffer.len();
        let segment = match file.next(&mut buffer, room) {
            Ok(segment) => segment,
            Err(problem) => return Ok(Err(problem)),
        };
        // A chunk ends where data ends: before a hole, and at the end of the file.
        let data_ends = !matches!(segment, Some(Segment::Data(_)));
        if data_ends || buffer.len() == BUFFER_BYTES {
            cut_all(&mut buffer, chunker, data_ends, emit)?;
        }
        match segment {
            Some(Segment::Hole(len)) => emit(Part::Hole(len))?,
            Some(Segment::Data(_)) => {}
            None => return Ok(Ok(())),
        }
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

/// Emits the chunks of `buffer`; what may still grow stays.
fn cut_all(
    buffer: &mut Vec<u8>,
    chunker: &Chunker,
    data_ends: bool,
    emit: &mut dyn FnMut(Part) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut start = 0;
    while data_ends || buffer.len() - start >= limits::CHUNK_BYTES_MAX {
        let Some(len) = chunker.cut(&buffer[start..], data_ends) else {
            break;
        };
        emit(Part::Chunk(buffer[start..start + len].to_vec()))?;
        start += len;
    }
    buffer.drain(..start);
    Ok(())
}

/// Returns an empty meeting place for the links of one file.
pub(crate) fn new_link() -> Link {
    Arc::new(OnceLock::new())
}
