//! "Tree nodes": from a root to every item of a tree, in order.

use super::wire::Bytes;
use super::{Bytes32, Read};

const LEVEL_MAX: u8 = 15;
const COUNT_MAX: u32 = 4096;
const KEY_LEN_MAX: usize = 128 << 10;

/// What a tree maps keys to.
pub(crate) trait Value: Sized {
    /// The value type of its nodes.
    const TYPE: u8;

    /// Reads the columns of a leaf.
    fn leaf(columns: &mut Columns<'_>, count: usize) -> Read<Vec<(Vec<u8>, Self)>>;

    /// Whether an inner node counts it as a regular file, and how many bytes as its size.
    fn counted(&self) -> (bool, u64);
}

/// The columns of a node, from the first one on.
pub(crate) struct Columns<'a>(Bytes<'a>);

impl<'a> Columns<'a> {
    pub(crate) fn next(&mut self) -> Read<Bytes<'a>> {
        Ok(Bytes::new(self.0.bytes(usize::MAX)?))
    }
}

/// A child of an inner node, and what its subtree adds up to.
struct Child {
    key: Vec<u8>,
    sums: Sums,
    id: Bytes32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    items: u64,
    files: u64,
    bytes: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.items = self.items.saturating_add(other.items);
        self.files = self.files.saturating_add(other.files);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Reads a chunk of kind 2.
pub(crate) type ReadNode<'a> = &'a dyn Fn(&Bytes32) -> Read<Vec<u8>>;

/// Gives every item of a tree to `visit`, in ascending order of keys.
pub(crate) fn walk<V: Value>(
    read_node: ReadNode<'_>,
    root: &Bytes32,
    visit: &mut dyn FnMut(&[u8], V) -> Read<()>,
) -> Read<()> {
    let mut walk = Walk {
        read_node,
        visit,
        last_key: None,
    };
    walk.node(root, None).map(drop)
}

struct Walk<'a, V> {
    read_node: ReadNode<'a>,
    visit: &'a mut dyn FnMut(&[u8], V) -> Read<()>,
    last_key: Option<Vec<u8>>,
}

impl<V: Value> Walk<'_, V> {
    fn node(&mut self, id: &Bytes32, level: Option<u8>) -> Read<Sums> {
        let node = (self.read_node)(id)?;
        let mut bytes = Bytes::new(&node);
        bytes.expect("magic than a node's", b"DOZOTREE")?;
        bytes.expect("version", &[1, 0])?;
        let found = bytes.u8()?;
        if found > LEVEL_MAX || level.is_some_and(|level| level != found) {
            return Err(String::from("a node of another level"));
        }
        bytes.expect("value type", &[V::TYPE])?;
        let count = bytes.u32()?;
        let may_be_empty = level.is_none() && found == 0;
        if count > COUNT_MAX || count == 0 && !may_be_empty {
            return Err(format!("a node of {count} items"));
        }
        let mut columns = Columns(bytes);
        let count = count as usize;
        let sums = match found {
            0 => self.leaf(V::leaf(&mut columns, count)?),
            level => self.inner(read_children(&mut columns, count)?, level - 1),
        }?;
        columns.0.end("a node")?;
        Ok(sums)
    }

    fn leaf(&mut self, items: Vec<(Vec<u8>, V)>) -> Read<Sums> {
        let mut sums = Sums::default();
        for (key, value) in items {
            if self.last_key.as_ref().is_some_and(|last| *last >= key) {
                return Err(String::from("keys that do not ascend"));
            }
            let (is_file, bytes) = value.counted();
            sums.add(Sums {
                items: 1,
                files: u64::from(is_file),
                bytes,
            });
            (self.visit)(&key, value)?;
            self.last_key = Some(key);
        }
        Ok(sums)
    }

    fn inner(&mut self, children: Vec<Child>, level: u8) -> Read<Sums> {
        let mut sums = Sums::default();
        for child in children {
            let found = self.node(&child.id, Some(level))?;
            if found != child.sums || self.last_key.as_ref() != Some(&child.key) {
                return Err(String::from("a child that is not as its parent says"));
            }
            sums.add(found);
        }
        Ok(sums)
    }
}

fn read_children(columns: &mut Columns<'_>, count: usize) -> Read<Vec<Child>> {
    let (mut shared, mut lens, mut rests) = (columns.next()?, columns.next()?, columns.next()?);
    let (mut items, mut files, mut sizes) = (columns.next()?, columns.next()?, columns.next()?);
    let mut ids = columns.next()?;
    let mut children = Vec::new();
    let mut key = Vec::new();
    for _ in 0..count {
        key = follow(&key, &mut shared, &mut lens, &mut rests)?;
        children.push(Child {
            key: key.clone(),
            sums: Sums {
                items: items.varint()?,
                files: files.varint()?,
                bytes: sizes.varint()?,
            },
            id: ids.array()?,
        });
    }
    for column in [shared, lens, rests, items, files, sizes, ids] {
        column.end("a column")?;
    }
    Ok(children)
}

/// Reads a key that shares its start with the one before.
fn follow(
    before: &[u8],
    shared: &mut Bytes<'_>,
    lens: &mut Bytes<'_>,
    rests: &mut Bytes<'_>,
) -> Read<Vec<u8>> {
    let shared = shared.count(before.len())?;
    let len = lens.count(KEY_LEN_MAX - shared.min(KEY_LEN_MAX))?;
    Ok([&before[..shared], rests.take(len)?].concat())
}
