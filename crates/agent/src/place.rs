//! Refuses what is not the source: the mount point of a file system that is not mounted.
//!
//! Taken for the source, an empty mount point would be a source in which everything was deleted. Whoever
//! synchronizes remembers on which file system the source was ([`Place::name`]). If it is on another one now, what the
//! replica has is looked for: what was moved there is found, and the run goes on.
//!
//! Not done here: guarding against deletion. On the same file system everything may go.

use base::fault::Code;
use base::{ChunkId, Fault, limits};
use format::entry::{FileEntry, FileKey};
use format::replica::ChunkReader;
use format::tree::{self, Cursor};
use sources::files::Span;
use sources::place::Place;

/// What a source was when it was synchronized last.
pub struct Before<'a> {
    /// The name of its place.
    pub place: &'a str,
    /// The replica's tree.
    pub tree: ChunkId,
    /// Reads it.
    pub reader: &'a dyn ChunkReader,
}

/// How much of what was there is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// Files of the earlier tree; where it has none, all that is below its root.
    total: u64,
    /// Those found, until they are enough.
    left: u64,
}

impl Found {
    fn is_enough(self) -> bool {
        self.left.saturating_mul(limits::LEFT_ONE_IN) >= self.total
    }
}

/// Says whether a source is where it was, or at least what it was.
///
/// # Errors
/// `SourceNotMounted`, without the parameter `source`: it is elsewhere, and less than one in [`limits::LEFT_ONE_IN`] of its
/// files is found there. Also if the tree cannot be read before so many are.
pub fn check(place: &Place, before: &Before<'_>) -> Result<(), Fault> {
    if place.name() == before.place {
        return Ok(());
    }
    let mut found = Found::default();
    let whole = look(before, &mut |path| place.has(path), &mut found);
    match whole {
        Ok(()) if found.is_enough() => Ok(()),
        _ => Err(Fault::new(Code::SourceNotMounted)
            .with("left", found.left)
            .with("count", found.total)),
    }
}

/// Looks for entries until enough are found. What is below a directory that is not there is not asked for.
fn look(
    before: &Before<'_>,
    has: &mut dyn FnMut(&[Vec<u8>]) -> bool,
    found: &mut Found,
) -> Result<(), Fault> {
    let totals = tree::summary::<FileEntry>(before.reader, &before.tree)?;
    // Directories alone are nothing: the top one is there in any case, and a new file system has some of its own.
    let only_files = totals.files > 0;
    found.total = match only_files {
        true => totals.files,
        false => totals.entries.saturating_sub(1),
    };
    let mut cursor = Cursor::<FileEntry>::new(before.reader, &before.tree)?;
    while !found.is_enough()
        && let Some((key, entry)) = cursor.next_ref()?
    {
        if only_files && !entry.node.is_file() {
            continue;
        }
        let path = FileKey(key.to_vec()).components().unwrap_or_default();
        if path.is_empty() {
            continue;
        }
        if has(&path) {
            found.left += 1;
            continue;
        }
        // The uppermost directory on the way that is missing takes everything below it with it.
        let missing = (1..path.len()).find(|depth| !has(&path[..*depth]));
        let Some(missing) = missing.and_then(|depth| key_of(&path[..depth])) else {
            continue;
        };
        match Span::below(&missing, false).end {
            Some(end) => cursor.seek(&end)?,
            None => break,
        }
    }
    Ok(())
}

fn key_of(path: &[Vec<u8>]) -> Option<FileKey> {
    let (name, dir) = path.split_last()?;
    let dir: Vec<&[u8]> = dir.iter().map(Vec::as_slice).collect();
    FileKey::new(&dir, name).ok()
}
