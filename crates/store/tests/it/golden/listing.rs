//! What is in a recovery point, as text: one line for each entry.
//!
//! The same text is made from what was written, from what today's store reads and from what the stranger reads.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use format::entry::{Content, FileEntry, Node};

use crate::stranger::files::{Entry, Kind};
use crate::stranger::point::Point;
use crate::stranger::wire::{hex, id_text};

/// What a point says of itself.
pub(super) struct Head {
    id: String,
    source: String,
    address: String,
    group: String,
    time_ns: i64,
    consistency: u8,
    warnings: u64,
    counts: [u64; 5],
    previous: Option<String>,
}

impl Head {
    /// A point as today's store has it.
    pub(super) fn of_store(point: &format::point::Point) -> Self {
        let stats = point.stats;
        Self {
            id: point.id.to_string(),
            source: point.source.to_string(),
            address: point.address.clone(),
            group: point.group.clone(),
            time_ns: point.time_ns,
            consistency: point.consistency.code(),
            warnings: point.warnings,
            counts: [
                stats.entries,
                stats.files,
                stats.bytes,
                stats.changed,
                stats.stored_bytes,
            ],
            previous: point.previous.map(|id| id.to_string()),
        }
    }

    /// A point as the stranger has it.
    pub(super) fn of_stranger(point: &Point) -> Self {
        Self {
            id: id_text(&point.id),
            source: id_text(&point.source),
            address: point.address.clone(),
            group: point.group.clone(),
            time_ns: point.time_ns,
            consistency: point.consistency,
            warnings: point.warnings,
            counts: point.statistics.0,
            previous: point.previous.as_ref().map(id_text),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "point {} of {}", self.id, self.source)?;
        writeln!(f, "after {}", self.previous.as_deref().unwrap_or("nothing"))?;
        writeln!(f, "{} in {}", self.address, self.group)?;
        write!(f, "at {} level {} ", self.time_ns, self.consistency)?;
        writeln!(f, "warnings {} counts {:?}", self.warnings, self.counts)
    }
}

/// An entry with all that is known of it.
pub(super) struct Line<'a> {
    kind: char,
    mode: u32,
    owner: (u32, &'a [u8]),
    group: (u32, &'a [u8]),
    times_ns: (i64, i64),
    inode: (u64, u64),
    links: u32,
    size: u64,
    number: u64,
    attributes: &'a [(Vec<u8>, Vec<u8>)],
    content: &'a [u8],
}

impl<'a> Line<'a> {
    /// An entry as today's store has it.
    pub(super) fn of_store(entry: &'a FileEntry, content: &'a [u8]) -> Self {
        let (kind, number) = match entry.node {
            Node::Directory => ('d', 0),
            Node::File(Content::Inline(_)) => ('i', 0),
            Node::File(Content::Extents(_)) => ('f', 0),
            Node::File(Content::Map(_)) => ('m', 0),
            Node::Symlink(_) => ('l', 0),
            Node::Fifo => ('p', 0),
            Node::Socket => ('s', 0),
            Node::CharDevice(number) => ('c', number),
            Node::BlockDevice(number) => ('b', number),
        };
        Self {
            kind,
            mode: u32::from(entry.mode),
            owner: (entry.uid, &entry.user),
            group: (entry.gid, &entry.group),
            times_ns: (entry.mtime_ns, entry.ctime_ns),
            inode: (entry.device, entry.inode),
            links: entry.links,
            size: entry.size,
            number,
            attributes: &entry.xattrs,
            content,
        }
    }

    /// An entry as the stranger has it.
    pub(super) fn of_stranger(entry: &'a Entry, content: &'a [u8]) -> Self {
        let (kind, number) = match entry.kind {
            Kind::Directory => ('d', 0),
            Kind::Inline(_) => ('i', 0),
            Kind::Extents(_) => ('f', 0),
            Kind::Map(_) => ('m', 0),
            Kind::Link(_) => ('l', 0),
            Kind::Pipe => ('p', 0),
            Kind::Socket => ('s', 0),
            Kind::CharacterDevice(number) => ('c', number),
            Kind::BlockDevice(number) => ('b', number),
        };
        let class = &*entry.class;
        Self {
            kind,
            mode: class.mode,
            owner: (class.owner, &class.owner_name),
            group: (class.group, &class.group_name),
            times_ns: (entry.modified_ns, entry.changed_ns),
            inode: (class.device, entry.inode),
            links: class.links,
            size: entry.size,
            number,
            attributes: &class.attributes,
            content,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, group) = (self.owner.1.escape_ascii(), self.group.1.escape_ascii());
        write!(f, "{} {:04o} ", self.kind, self.mode)?;
        write!(f, "{}={owner} {}={group} ", self.owner.0, self.group.0)?;
        write!(f, "m{} c{} ", self.times_ns.0, self.times_ns.1)?;
        write!(
            f,
            "at {:x}:{} links {} ",
            self.inode.0, self.inode.1, self.links
        )?;
        match self.kind {
            'i' | 'f' | 'm' => write!(f, "{} {}", self.size, blake3::hash(self.content))?,
            'l' => write!(f, "-> {}", self.content.escape_ascii())?,
            'c' | 'b' => write!(f, "number {:x}", self.number)?,
            _ => f.write_str("-")?,
        }
        for (name, value) in self.attributes {
            write!(f, " {}={}", name.escape_ascii(), hex(value))?;
        }
        Ok(())
    }
}

/// Returns the listing of a point. What is in directories named `many` is one line for each of these: the number of
/// entries and the BLAKE3 of their lines.
pub(super) fn text<'a>(entries: impl IntoIterator<Item = (&'a [u8], Line<'a>)>) -> String {
    let mut out = String::new();
    let mut many: BTreeMap<&[u8], (u32, blake3::Hasher)> = BTreeMap::new();
    let sorted: BTreeMap<&[u8], Line<'a>> = entries.into_iter().collect();
    for (path, line) in sorted {
        let line = format!("{line}  {}\n", path.escape_ascii());
        let split = path.windows(6).position(|part| part == b"/many/");
        let Some(split) = split else {
            out.push_str(&line);
            continue;
        };
        let (count, hasher) = many.entry(&path[..split + 6]).or_default();
        *count += 1;
        hasher.update(line.as_bytes());
    }
    for (directory, (count, hasher)) in many {
        let hash = hasher.finalize();
        writeln!(out, "{count} entries {hash}  {}*", directory.escape_ascii())
            .expect("a string takes everything");
    }
    out
}
