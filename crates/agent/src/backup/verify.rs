//! The consistency check of one file: what the source has beside what the store has, byte by byte.
//!
//! Holes count: a file that lost one, or has one more, differs. What the store cannot give back differs too,
//! so that it is stored again.

use base::Fault;
use format::entry::{Content, Extent};
use format::replica::ChunkReader;
use sources::Problem;
use sources::files::{OpenFile, Segment};

use crate::content::{Extents, Held};
use crate::flow::{Flow, Stopped};

/// Bytes compared at once.
const STEP_BYTES: usize = 1 << 20;

/// Says whether the store holds exactly `bytes` under `content`.
pub(crate) fn holds(reader: &dyn ChunkReader, content: &Content, bytes: &[u8]) -> bool {
    match content {
        Content::Inline(stored) => stored == bytes,
        _ => compare_whole(reader, content, bytes).unwrap_or(false),
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
    buffer: Vec<u8>,
    next: Next,
}

/// Says whether the store holds exactly what the file has. The file is read on from where it stands.
///
/// # Errors
/// The outer one: the run is ending. The inner one: the source cannot be read.
pub(crate) fn holds_file(
    flow: &Flow<'_>,
    reader: &dyn ChunkReader,
    content: &Content,
    file: &mut OpenFile,
) -> Result<Result<bool, Problem>, Stopped> {
    let mut beside = Beside {
        file,
        buffer: Vec::new(),
        next: Next::End,
    };
    if let Err(problem) = beside.read() {
        return Ok(Err(problem));
    }
    let Ok(extents) = Extents::of(reader, content) else {
        return Ok(Ok(false));
    };
    for extent in extents {
        flow.go_on()?;
        let same = match extent {
            Ok(Extent::Hole { len }) => beside.hole(len),
            Ok(Extent::Data { chunk, offset, len }) => {
                match Held::read(reader, &chunk, offset, len) {
                    Ok(held) => beside.data(held.bytes()),
                    Err(_) => Ok(false),
                }
            }
            Err(_) => Ok(false),
        };
        match same {
            Ok(true) => {}
            other => return Ok(other),
        }
    }
    Ok(Ok(matches!(beside.next, Next::End)))
}

impl Beside<'_> {
    fn read(&mut self) -> Result<(), Problem> {
        self.buffer.clear();
        self.next = match self.file.next(&mut self.buffer, STEP_BYTES)? {
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
