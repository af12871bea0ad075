//! One file: its content from the reader to the target, or beside what stands there.

use std::sync::PoisonError;

use base::Fault;
use base::fault::{Code, Kind};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use sources::Problem;
use sources::files::restore::{Begun, Existing, FileWriter, Made};

use super::Work;
use crate::content::{Extents, Held, Lately};
use crate::monitor::Warning;

/// Why a file was not written.
enum Failure {
    /// The target's side.
    Target(Problem),
    /// The store's side.
    Store(Fault),
}

/// A piece of a file's content.
enum Piece<'a> {
    Data(&'a [u8]),
    /// So many zeros.
    Hole(u64),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Target(problem)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

impl Work<'_> {
    /// Restores a regular file and counts it.
    pub(super) fn file(&self, key: &FileKey, entry: &FileEntry) {
        let Node::File(content) = &entry.node else {
            return;
        };
        let made = match self.make(key, entry, content) {
            Ok(made) => Ok(made),
            Err(Failure::Target(problem)) => Err(problem),
            // What the store cannot give back at the moment it has not lost: the next file would fare no better.
            Err(Failure::Store(fault)) if fault.kind() != Kind::Damaged => {
                self.flow.fail(fault);
                return;
            }
            Err(Failure::Store(fault)) => {
                *self.damaged.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let path = key.to_path().unwrap_or_default();
                return self.flow.warn(Warning { path, fault });
            }
        };
        self.count(key, entry, made);
    }

    fn make(&self, key: &FileKey, entry: &FileEntry, content: &Content) -> Result<Made, Failure> {
        let mut begun = self.target.begin_file(key, entry)?;
        // Each turn is about another name, and there are only so many.
        loop {
            begun = match begun {
                Begun::Kept => return Ok(Made::Kept),
                Begun::Write(writer) => {
                    self.write(&writer, content, entry.size)?;
                    return Ok(writer.finish()?);
                }
                Begun::Same(existing) if self.is_same(&existing, content, entry.size)? => {
                    return Ok(existing.keep());
                }
                Begun::Same(existing) => existing.differs()?,
            };
        }
    }

    fn write(&self, writer: &FileWriter, content: &Content, size: u64) -> Result<(), Failure> {
        self.all_pieces(content, size, &mut |at, piece| {
            if let Piece::Data(bytes) = piece {
                writer.write_at(at, bytes)?;
            }
            Ok(true)
        })
        .map(|_| ())
    }

    /// Compares what stands there with the point, byte by byte. Holes are zeros here: the file is right whether it
    /// has them or not.
    fn is_same(&self, existing: &Existing, content: &Content, size: u64) -> Result<bool, Failure> {
        let mut found = Vec::new();
        self.all_pieces(content, size, &mut |at, piece| match piece {
            Piece::Data(bytes) => {
                found.clear();
                existing.read_at(at, bytes.len(), &mut found)?;
                Ok(found == bytes)
            }
            Piece::Hole(len) => self.is_zero(existing, at, len),
        })
    }

    /// Hands over a file's pieces in order, each with its offset, until `take` says no. Returns whether it never
    /// did. They make up the whole file: what is missing would be restored as zeros.
    fn all_pieces(
        &self,
        content: &Content,
        size: u64,
        take: &mut dyn FnMut(u64, Piece<'_>) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        if let Content::Inline(bytes) = content {
            return take(0, Piece::Data(bytes));
        }
        let mut at = 0_u64;
        let chunks = Lately::new(self.restore.reader);
        for extent in Extents::of(self.restore.reader, content)? {
            self.go_on()?;
            let extent = extent?;
            let goes_on = match extent {
                Extent::Hole { len } => take(at, Piece::Hole(len))?,
                Extent::Data { chunk, offset, len } => {
                    let held = Held::read(&chunks, &chunk, offset, len)?;
                    take(at, Piece::Data(held.bytes()))?
                }
            };
            if !goes_on {
                return Ok(false);
            }
            at = at.saturating_add(extent.len());
        }
        match content {
            Content::Map(map) if at != size => Err(Failure::Store(
                Fault::new(Code::TreeDamaged)
                    .with("chunk", map)
                    .with("reason", "the extents of a file are not as long as it is"),
            )),
            _ => Ok(true),
        }
    }

    /// Reads only where there may be anything but zeros: a hole can be larger than any disk.
    fn is_zero(&self, existing: &Existing, mut at: u64, len: u64) -> Result<bool, Failure> {
        const STEP: u64 = 1 << 20;
        let end = at + len;
        let mut found = Vec::new();
        while at < end {
            self.go_on()?;
            // The last byte is read whatever it is: the file may have been cut off meanwhile.
            let data = existing.next_data(at)?.unwrap_or(end);
            at = data.clamp(at, end - 1);
            found.clear();
            let step = usize::try_from((end - at).min(STEP)).expect("a step is small");
            existing.read_at(at, step, &mut found)?;
            if found.len() != step || found.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            at += step as u64;
        }
        Ok(true)
    }

    fn go_on(&self) -> Result<(), Failure> {
        self.flow
            .go_on()
            .map_err(|_| Failure::Store(Fault::new(Code::JobCancelled)))
    }
}
