//! Cuts a large file into chunks while it is read.
//!
//! The file's data is one stream: holes lie in it, but end no chunk. So a disk image with a little data here and there
//! becomes as few chunks as a file of that much data, and a hole that was filled changes the chunks
//! around it only. A chunk knows the runs of the file that it was made of.
//!
//! Memory: [`BUFFER_BYTES`], and [`limits::CHUNK_RUNS_MAX`] runs and holes: a chunk that would have more ends there.

use std::collections::VecDeque;

use base::limits;
use format::chunker::Chunker;
use sources::Problem;
use sources::files::{OpenFile, Segment};

use crate::flow::{Flow, Stopped};

/// Room for a largest chunk beside what is left of the last fill.
const BUFFER_BYTES: usize = 2 * limits::CHUNK_BYTES_MAX;

/// A piece of a large file.
pub(crate) enum Part {
    /// A hole before, between or after chunks.
    Hole(u64),
    /// A chunk, and what of the file it covers: the lengths of its data add up to its own.
    Chunk(Vec<u8>, Vec<Run>),
}

/// What follows in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// So many bytes.
    Data(u32),
    /// So many zeros that take no space.
    Hole(u64),
}

/// Takes the parts of a file in file order.
pub(crate) type Emit<'a> = dyn FnMut(Part) -> Result<(), Stopped> + 'a;

/// Reads a file from where it stands to its end, and emits its parts.
///
/// # Errors
/// The outer one: the run is ending. The inner one: the source cannot be read.
pub(crate) fn file(
    file: &mut OpenFile,
    chunker: &Chunker,
    flow: &Flow<'_>,
    emit: &mut Emit<'_>,
) -> Result<Result<(), Problem>, Stopped> {
    let mut cutter = Cutter {
        chunker,
        buffer: Vec::with_capacity(BUFFER_BYTES),
        runs: VecDeque::new(),
        emit,
    };
    loop {
        flow.go_on()?;
        let room = BUFFER_BYTES - cutter.buffer.len();
        match file.next(&mut cutter.buffer, room) {
            Ok(Some(Segment::Data(len))) => cutter.data(len)?,
            Ok(Some(Segment::Hole(len))) => cutter.hole(len)?,
            Ok(None) => return cutter.cut(Until::End).map(Ok),
            Err(problem) => return Ok(Err(problem)),
        }
    }
}

/// How far a buffer is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// What may still grow stays.
    MayGrow,
    /// All of it.
    End,
}

struct Cutter<'a, 'b> {
    chunker: &'a Chunker,
    /// Data that is not emitted yet.
    buffer: Vec<u8>,
    /// Where it lies in the file. Starts with data if there is any.
    runs: VecDeque<Run>,
    emit: &'a mut Emit<'b>,
}

impl Cutter<'_, '_> {
    /// Takes in data that was appended to the buffer.
    fn data(&mut self, len: usize) -> Result<(), Stopped> {
        let len = u32::try_from(len).expect("the buffer is small");
        match self.runs.back_mut() {
            Some(Run::Data(before)) => *before += len,
            _ => self.runs.push_back(Run::Data(len)),
        }
        match self.buffer.len() == BUFFER_BYTES {
            true => self.cut(Until::MayGrow),
            false => Ok(()),
        }
    }

    fn hole(&mut self, len: u64) -> Result<(), Stopped> {
        if self.runs.len() >= limits::CHUNK_RUNS_MAX {
            self.cut(Until::End)?;
        }
        match self.buffer.is_empty() {
            true => (self.emit)(Part::Hole(len)),
            false => {
                self.runs.push_back(Run::Hole(len));
                Ok(())
            }
        }
    }

    /// Emits the chunks of the buffer, and what lies between them and after the last.
    fn cut(&mut self, until: Until) -> Result<(), Stopped> {
        let end = until == Until::End;
        let mut start = 0;
        while end || self.buffer.len() - start >= limits::CHUNK_BYTES_MAX {
            let Some(len) = self.chunker.cut(&self.buffer[start..], end) else {
                break;
            };
            let runs = self.take_runs(len);
            (self.emit)(Part::Chunk(self.buffer[start..start + len].to_vec(), runs))?;
            start += len;
            self.emit_holes()?;
        }
        self.buffer.drain(..start);
        Ok(())
    }

    /// Takes the runs of the next `len` bytes of data, with the holes between them.
    fn take_runs(&mut self, len: usize) -> Vec<Run> {
        let mut left = u32::try_from(len).expect("a chunk is small");
        let mut taken = Vec::new();
        while left > 0 {
            match self.runs.front_mut().expect("all data lies in a run") {
                Run::Data(run) if *run > left => {
                    *run -= left;
                    taken.push(Run::Data(left));
                    break;
                }
                Run::Data(run) => left -= *run,
                Run::Hole(_) => {}
            }
            taken.extend(self.runs.pop_front());
        }
        taken
    }

    fn emit_holes(&mut self) -> Result<(), Stopped> {
        while let Some(Run::Hole(len)) = self.runs.front() {
            (self.emit)(Part::Hole(*len))?;
            self.runs.pop_front();
        }
        Ok(())
    }
}
