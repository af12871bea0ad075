//! A recovery point, or parts of it, as a tar archive: written to a stream as it is read, nothing on a disk in between.
//!
//! The format is POSIX.1-2001 pax; what pax has no place for stands where GNU tar, bsdtar and Python look for it: extended
//! attributes (capabilities among them) as `SCHILY.xattr.*` records, ACLs as `SCHILY.acl.*`, holes as GNU's sparse format 1.0.
//! Everything is asked of [`api::Operations`], as by a mount.
//!
//! Invariants:
//! - Memory is bounded whatever the point holds: by a few pages of entries, one block of data and
//!   [`base::limits::ARCHIVE_RANGES_MAX`] ranges; where files with several names stand lies in a file without a name.
//! - An archive that has its end is whole, but for what was told to be left out. One that stops in the middle of a file has
//!   no end, which whoever reads it notices.
//!
//! Not here: sockets, for which tar has no member, and change times, which nothing can set.

mod acl;
mod content;
mod head;
mod links;
mod walk;

use std::io::{self, Write};

use api::view::{EntryKind, FullEntryView};
use api::{Operations, PathText, Problem};
use base::fault::Code;
use base::{Fault, Lang};
use tar::EntryType;

use content::Content;
use head::Member;
use links::Links;
use walk::Walk;

/// What of which point, and how its end is heard of.
pub struct Order<'a> {
    /// Reads the point.
    pub operations: &'a dyn Operations,
    /// Its id.
    pub point: &'a str,
    /// What of it, relative to the source; none: everything.
    pub paths: &'a [PathText],
    /// What the member of a source that is a file is called.
    pub name: &'a [u8],
    /// Says whether a person wants it to end.
    pub is_stopped: &'a dyn Fn() -> bool,
    /// Hears of what is left out: an entry's path and why.
    pub left_out: &'a mut dyn FnMut(&PathText, LeftOut<'_>),
}

/// Why an entry is not in an archive.
pub enum LeftOut<'a> {
    /// It is a socket.
    Socket,
    /// Its data cannot be read.
    Damaged(&'a Problem),
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Entries.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those files, holes included.
    pub bytes: u64,
    /// Entries that were left out.
    pub left_out: u64,
    /// Those among them whose data is damaged.
    pub damaged: u64,
}

/// Why there is no whole archive.
#[derive(Debug)]
pub enum Unmade {
    /// The point could not be read.
    Unread(Problem),
    /// The archive could not be written.
    Unwritten(io::Error),
    /// A person wanted it to end.
    Stopped,
}

impl From<Problem> for Unmade {
    fn from(problem: Problem) -> Self {
        Self::Unread(problem)
    }
}

impl From<io::Error> for Unmade {
    fn from(error: io::Error) -> Self {
        Self::Unwritten(error)
    }
}

/// Writes the archive.
///
/// # Errors
/// See [`Unmade`]. What was written by then has no end.
pub fn write(order: &mut Order<'_>, out: &mut dyn Write) -> Result<Made, Unmade> {
    let mut walk = Walk::new(order.operations, order.point, order.paths)?;
    let mut archive = Archive {
        out,
        links: Links::default(),
        made: Made::default(),
    };
    while let Some((path, entry)) = walk.next()? {
        if (order.is_stopped)() {
            return Err(Unmade::Stopped);
        }
        archive.add(order, &path, &entry)?;
    }
    // Two blocks of zeros are the end of an archive.
    archive.out.write_all(&[0; 2 * head::BLOCK])?;
    archive.out.flush()?;
    Ok(archive.made)
}

/// An archive under way.
struct Archive<'a> {
    out: &'a mut dyn Write,
    links: Links,
    made: Made,
}

impl Archive<'_> {
    fn add(
        &mut self,
        order: &mut Order<'_>,
        path: &[u8],
        entry: &FullEntryView,
    ) -> Result<(), Unmade> {
        let name = member_name(path, entry, order.name);
        let member = Member::new(&name, entry);
        if entry.kind == EntryKind::Socket {
            self.leave_out(order, path, LeftOut::Socket);
            return Ok(());
        }
        if let Some(first) = self.links.first(entry)? {
            let link = Member {
                kind: EntryType::Link,
                target: &first,
                ..member
            };
            self.out.write_all(&link.head())?;
        } else if entry.kind == EntryKind::File {
            let content = match Content::open(order, path, entry) {
                Err(problem) if is_damage(&problem) => {
                    self.leave_out(order, path, LeftOut::Damaged(&problem));
                    return Ok(());
                }
                content => content?,
            };
            self.out.write_all(&content.head(member))?;
            content.write(order, self.out)?;
            self.links.remember(entry, &name)?;
            self.made.bytes = self.made.bytes.saturating_add(entry.size);
        } else {
            self.out.write_all(&member.head())?;
            self.links.remember(entry, &name)?;
        }
        self.made.entries += 1;
        self.made.files += u64::from(entry.kind == EntryKind::File);
        Ok(())
    }

    fn leave_out(&mut self, order: &mut Order<'_>, path: &[u8], why: LeftOut<'_>) {
        self.made.left_out += 1;
        self.made.damaged += u64::from(matches!(why, LeftOut::Damaged(_)));
        (order.left_out)(&PathText(path.to_vec()), why);
    }
}

/// Returns the problem of an answer that cannot be.
fn odd(detail: &str) -> Problem {
    let fault = Fault::new(Code::Internal).with("detail", detail);
    Problem::of(&fault, Lang::default())
}

/// Returns whether data is damaged, rather than out of reach: other entries may be read all the same.
fn is_damage(problem: &Problem) -> bool {
    problem.exit == Code::ChunkDamaged.exit()
}

/// Returns what a member is called: below `.`, so that it is unpacked where the reader stands and never taken for an option;
/// a directory has a slash at its end.
fn member_name(path: &[u8], entry: &FullEntryView, source: &[u8]) -> Vec<u8> {
    match (path, entry.kind) {
        ([], EntryKind::Directory) => b"./".to_vec(),
        ([], _) => [b"./", source].concat(),
        (path, EntryKind::Directory) => [b"./", path, b"/"].concat(),
        (path, _) => [b"./", path].concat(),
    }
}
