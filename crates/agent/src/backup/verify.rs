//! The consistency check of one file: what the source has beside what the store has, byte by byte.
//!
//! Holes count: a file that lost one, or has one more, differs. What the store has lost differs too, so that it is
//! stored again. A store that cannot be read at the moment says nothing about a file: that ends the run.

use base::Fault;
use base::fault::{Code, Kind};
use format::entry::{Content, Extent};
use format::replica::ChunkReader;
use sources::Problem;
use sources::files::{OpenFile, Segment};

use crate::content::{Extents, Held, Lately};
use crate::flow::{Flow, Stopped};

/// Bytes compared at once.
const STEP_BYTES: usize = 1 << 20;

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The store holds exactly what the source has.
    Same,
    /// It holds something else.
    Differs,
    /// It cannot give back what it should hold.
    Damaged,
    /// What it should hold is on a volume of the pool that is not there: nothing is known of it.
    Away,
    /// The source was changed since the walk saw it: what the store holds was right a moment ago.
    Changed,
    /// The source cannot be read.
    Unread,
}

impl From<bool> for Verdict {
    fn from(same: bool) -> Self {
        match same {
            true => Self::Same,
            false => Self::Differs,
        }
    }
}

/// Returns what a fault of the store says of the file that was to be read.
///
/// # Errors
/// Nothing: it is not that file's.
fn verdict_of(fault: Fault) -> Result<Verdict, Fault> {
    match (fault.kind(), fault.code) {
        (Kind::Damaged, _) => Ok(Verdict::Damaged),
        (_, Code::VolumeMissing) => Ok(Verdict::Away),
        _ => Err(fault),
    }
}

/// Says whether the store holds exactly `bytes` under `content`.
///
/// # Errors
/// The store cannot be read, for no fault of its content's.
pub(crate) fn holds(
    reader: &dyn ChunkReader,
    content: &Content,
    bytes: &[u8],
) -> Result<Verdict, Fault> {
    match content {
        Content::Inline(stored) => Ok(Verdict::from(stored == bytes)),
        _ => compare_whole(reader, content, bytes).map_or_else(verdict_of, |same| Ok(same.into())),
    }
}

fn compare_whole(reader: &dyn ChunkReader, content: &Content, bytes: &[u8]) -> Result<bool, Fault> {
    let mut rest = bytes;
    for extent in Extents::of(reader, content)? {
        let Extent::Data { chunk, offset, len } = extent? else {
            return Ok(false);
        };
        let Some((now, later)) = rest.split_at_checked(len as usize) else {
            return Ok(false);
        };
        if Held::read(reader, &chunk, offset, len)?.bytes() != now {
            return Ok(false);
        }
        rest = later;
    }
    Ok(rest.is_empty())
}

/// What comes next from the source.
enum Next {
    Hole(u64),
    /// Bytes of the buffer from here on.
    Data(usize),
    End,
}

/// A large file as it is read beside its stored content.
struct Beside<'a> {
    file: &'a mut OpenFile,
    count: &'a mut dyn FnMut(Segment),
    buffer: Vec<u8>,
    next: Next,
}

/// Says whether the store holds exactly what the file has. The file is read on from where it stands; `count` hears
/// of what is read.
///
/// # Errors
/// The outer one: the run is ending, also because the store cannot be read. The inner one: the source cannot be
/// read.
pub(crate) fn holds_file(
    flow: &Flow<'_>,
    reader: &dyn ChunkReader,
    content: &Content,
    file: &mut OpenFile,
    count: &mut dyn FnMut(Segment),
) -> Result<Result<Verdict, Problem>, Stopped> {
    let mut beside = Beside {
        file,
        count,
        buffer: Vec::new(),
        next: Next::End,
    };
    if let Err(problem) = beside.read() {
        return Ok(Err(problem));
    }
    let lost = |fault| match verdict_of(fault) {
        Ok(verdict) => Ok(Ok(verdict)),
        Err(fault) => Err(flow.fail(fault)),
    };
    let extents = match Extents::of(reader, content) {
        Ok(extents) => extents,
        Err(fault) => return lost(fault),
    };
    let chunks = Lately::new(reader);
    for extent in extents {
        flow.go_on()?;
        let same = match extent {
            Ok(Extent::Hole { len }) => beside.hole(len),
            Ok(Extent::Data { chunk, offset, len }) => {
                match Held::read(&chunks, &chunk, offset, len) {
                    Ok(held) => beside.data(held.bytes()),
                    Err(fault) => return lost(fault),
                }
            }
            Err(fault) => return lost(fault),
        };
        match same {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(Verdict::Differs)),
            Err(problem) => return Ok(Err(problem)),
        }
    }
    Ok(Ok(Verdict::from(matches!(beside.next, Next::End))))
}

impl Beside<'_> {
    fn read(&mut self) -> Result<(), Problem> {
        self.buffer.clear();
        let segment = self.file.next(&mut self.buffer, STEP_BYTES)?;
        if let Some(segment) = segment {
            (self.count)(segment);
        }
        self.next = match segment {
            Some(Segment::Hole(len)) => Next::Hole(len),
            Some(Segment::Data(_)) => Next::Data(0),
            None => Next::End,
        };
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<bool, Problem> {
        match self.next {
            Next::Hole(found) if found == len => self.read().map(|()| true),
            _ => Ok(false),
        }
    }

    fn data(&mut self, mut stored: &[u8]) -> Result<bool, Problem> {
        while !stored.is_empty() {
            let Next::Data(start) = self.next else {
                return Ok(false);
            };
            let len = stored.len().min(self.buffer.len() - start);
            if self.buffer[start..start + len] != stored[..len] {
                return Ok(false);
            }
            stored = &stored[len..];
            if start + len == self.buffer.len() {
                self.read()?;
            } else {
                self.next = Next::Data(start + len);
            }
        }
        Ok(true)
    }
}
