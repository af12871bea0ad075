//! Nodes of trees, alone and with others below them.

use base::ChunkId;
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::tree::{self, Cursor, Diff, TreeError, Value, children};

use super::super::mutate::Chance;
use super::super::second;
use super::super::world::{Shelf, entries, extents};
use super::{Target, agree, chain, text};

/// The id under which a reader gets the input.
const INPUT: ChunkId = ChunkId([0xaa; 32]);

pub(super) fn targets() -> Vec<Target> {
    vec![leaf(), map(), tree(), differences(), key()]
}

/// Reads a tree to its end.
fn read<V: Value>(shelf: &Shelf, root: &ChunkId) -> Result<Vec<(Vec<u8>, V)>, TreeError> {
    let mut cursor = Cursor::<V>::new(shelf, root)?;
    let mut items = Vec::new();
    while let Some((key, value)) = cursor.next_ref()? {
        items.push((key.to_vec(), V::from_view(value)));
    }
    Ok(items)
}

/// What both readers can say of an entry.
type Said = (Vec<u8>, i64, i64, u64, u64, &'static str);

fn ours(items: Vec<(Vec<u8>, FileEntry)>) -> Vec<Said> {
    let said = |(key, e): (Vec<u8>, FileEntry)| {
        let kind = match e.node {
            Node::Directory => "directory",
            Node::File(Content::Inline(_)) => "inline",
            Node::File(Content::Extents(_)) => "extents",
            Node::File(Content::Map(_)) => "map",
            Node::Symlink(_) => "link",
            Node::Fifo | Node::Socket | Node::CharDevice(_) | Node::BlockDevice(_) => "other",
        };
        (key, e.mtime_ns, e.ctime_ns, e.inode, e.size, kind)
    };
    items.into_iter().map(said).collect()
}

fn theirs(shelf: &Shelf, root: &ChunkId) -> second::Read<Vec<Said>> {
    use format::replica::ChunkReader;
    use second::files::{Entry, Kind};
    let node = |id: &[u8; 32]| {
        let node = shelf.read_chunk(&ChunkId(*id)).map_err(|_| text("missing"));
        node.map(|node| node.to_vec())
    };
    let mut items = Vec::new();
    second::tree::walk::<Entry>(&node, &root.0, &mut |key, e| {
        second::file_key::path(key)?;
        let kind = match e.kind {
            Kind::Directory => "directory",
            Kind::Inline(_) => "inline",
            Kind::Extents(_) => "extents",
            Kind::Map(_) => "map",
            Kind::Link(_) => "link",
            _ => "other",
        };
        items.push((
            key.to_vec(),
            e.modified_ns,
            e.changed_ns,
            e.inode,
            e.size,
            kind,
        ));
        Ok(())
    })?;
    Ok(items)
}

/// Returns a tree of entries, all nodes of which are on the shelf, and its root.
fn plain(shelf: &Shelf, root: &ChunkId) -> Vec<u8> {
    use format::replica::ChunkReader;
    shelf.read_chunk(root).expect("a root").to_vec()
}

/// Trees of one node.
fn leaf() -> Target {
    let shelf = Shelf::default();
    let sample = |count| plain(&shelf, &shelf.build(&entries(count)));
    let corpus = [0, 1, 4, 9, 30, 60].map(sample).to_vec();
    Target::new("leaf", corpus, |input| {
        let shelf = Shelf::default();
        shelf.put(INPUT, input);
        let read = read::<FileEntry>(&shelf, &INPUT);
        if read.is_ok() && children(input).is_err() {
            return Err(text("what it refers to cannot be told"));
        }
        agree(read.map(ours).map_err(chain), theirs(&shelf, &INPUT))
    })
}

/// Nodes of extent maps.
fn map() -> Target {
    let shelf = Shelf::default();
    let sample = |count: usize| {
        let mut at = 0;
        let pieces = extents(&mut Chance::new(count as u64), count);
        let keyed = pieces.into_iter().map(|extent: Extent| {
            let key = tree::extent_key(at).to_vec();
            at += extent.len();
            (key, extent)
        });
        let root = shelf.build(&keyed.collect::<Vec<_>>());
        let below = children(&plain(&shelf, &root)).expect("a root").nodes;
        plain(&shelf, below.first().unwrap_or(&root))
    };
    let corpus = [1, 2, 20, 100].map(sample).to_vec();
    Target::new("map", corpus, |input| {
        let shelf = Shelf::default();
        shelf.put(INPUT, input);
        let refers = children(input);
        let read = read::<Extent>(&shelf, &INPUT);
        if read.is_ok() && refers.is_err() {
            return Err(text("what it refers to cannot be told"));
        }
        Ok(read.is_ok())
    })
}

/// A tree of several nodes, and those of them that inputs take the place of.
fn several() -> (Shelf, ChunkId, Vec<ChunkId>, Vec<Vec<u8>>) {
    let shelf = Shelf::default();
    let root = shelf.build(&entries(1300));
    let below = children(&plain(&shelf, &root)).expect("a root").nodes;
    assert!(below.len() > 1, "one node: take more entries");
    let mut ids = vec![root];
    ids.extend(below.iter().take(2));
    let sample = |(i, id): (usize, &ChunkId)| [&[i as u8][..], &plain(&shelf, id)].concat();
    let corpus = ids.iter().enumerate().map(sample).collect();
    (shelf, root, ids, corpus)
}

/// Inputs are the number of a node, and what stands in its place.
fn tree() -> Target {
    let (shelf, root, ids, corpus) = several();
    Target::new("tree", corpus, move |input| {
        let Some((number, node)) = input.split_first() else {
            return Ok(false);
        };
        let id = ids[usize::from(*number) % ids.len()];
        let before = plain(&shelf, &id);
        shelf.put(id, node);
        let read = read::<FileEntry>(&shelf, &root);
        let said = agree(read.map(ours).map_err(chain), theirs(&shelf, &root));
        shelf.put(id, &before);
        said
    })
}

/// The differences of a tree and the same with a node in the place of another.
fn differences() -> Target {
    let (shelf, root, ids, corpus) = several();
    Target::new("diff", corpus, move |input| {
        let Some((number, node)) = input.split_first() else {
            return Ok(false);
        };
        let id = ids[usize::from(*number) % ids.len()];
        let changed = Shelf::default();
        changed.put(INPUT, node);
        // Seen as a tree of its own beside the whole one, whose nodes it may refer to.
        let both = Both(&changed, &shelf);
        let old = if id == root { None } else { Some(&root) };
        let mut is_sound = true;
        for (old, new) in [(old, &INPUT), (Some(&INPUT), &root)] {
            let Ok(mut diff) = Diff::<FileEntry>::new(&both, old, Some(new)) else {
                is_sound = false;
                continue;
            };
            loop {
                match diff.next() {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => {
                        is_sound = false;
                        break;
                    }
                    None => break,
                }
            }
        }
        Ok(is_sound)
    })
}

struct Both<'a>(&'a Shelf, &'a Shelf);

impl format::replica::ChunkReader for Both<'_> {
    fn read_chunk(&self, id: &ChunkId) -> Result<std::sync::Arc<Vec<u8>>, base::Fault> {
        self.0.read_chunk(id).or_else(|_| self.1.read_chunk(id))
    }
}

/// Keys of entries.
fn key() -> Target {
    let paths = [
        "",
        "a",
        "a/b",
        "long/way/down/to/a/file",
        "\u{571f}\u{8535}/x",
    ];
    let corpus = paths.map(|path| FileKey::from_path(path.as_bytes()));
    let corpus = corpus.map(|key| key.expect("a path").0).to_vec();
    Target::new("key", corpus, |input| {
        let key = FileKey(input.to_vec());
        let _ = (
            key.parent(),
            key.depth(),
            key.subtree_range(),
            key.components(),
        );
        agree(key.to_path().map_err(chain), second::file_key::path(input))
    })
}
