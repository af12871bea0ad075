//! Cutting a sequence of items, and of nodes taken over, into nodes of all levels.
//!
//! Invariant: a node of level n is taken over only while no node of level n or below is being made, so it
//! stands where a new one would have started.

use base::ChunkId;
use base::limits::TREE_DEPTH_MAX;

use super::boundary::Boundary;
use super::editor::NodeSink;
use super::error::{NodeError, TreeError};
use super::node::{Child, Header, InnerBuilder, Node};
use super::value::{Totals, Value};
use super::walk::{Place, Walk, load};
use crate::replica::ChunkReader;

/// How full the node being made is.
#[derive(Default)]
struct Filling {
    count: usize,
    weight: usize,
    totals: Totals,
    last: Vec<u8>,
}

impl Filling {
    fn add(&mut self, key: &[u8], weight: usize, totals: Totals) {
        self.count += 1;
        self.weight += weight;
        self.totals = [self.totals, totals].into_iter().sum();
        self.last.clear();
        self.last.extend_from_slice(key);
    }
}

/// An id, and whether it was taken over from the base.
#[derive(Clone, Copy)]
struct Source {
    id: ChunkId,
    taken_over: bool,
}

/// The inner node being made at one level.
#[derive(Default)]
struct Level {
    builder: InnerBuilder,
    filling: Filling,
    /// The first child: the root, if it stays the only one.
    first: Option<Source>,
}

/// The nodes being made: a leaf, and `levels[k]` of level k + 1.
pub(super) struct Output<'a, V: Value> {
    sink: Box<dyn NodeSink + 'a>,
    boundary: Boundary,
    leaf: V::Builder,
    filling: Filling,
    levels: Vec<Level>,
    scratch: Vec<u8>,
}

impl<'a, V: Value> Output<'a, V> {
    pub(super) fn new(sink: Box<dyn NodeSink + 'a>, boundary: Boundary) -> Self {
        Self {
            sink,
            boundary,
            leaf: V::Builder::default(),
            filling: Filling::default(),
            levels: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Appends an item.
    pub(super) fn push(&mut self, key: &[u8], view: V::Ref<'_>) -> Result<(), TreeError> {
        V::push(&mut self.leaf, key, view);
        let filling = &mut self.filling;
        filling.add(key, V::weight(key, view), V::totals(view));
        if self.boundary.is_end(0, filling.count, filling.weight, key) {
            self.end_leaf()?;
        }
        Ok(())
    }

    /// Takes over what is at the walk's place: a row, or a child by its id if one may start here, else its parts.
    pub(super) fn take_over(
        &mut self,
        reader: &dyn ChunkReader,
        walk: &mut Walk<V>,
    ) -> Result<(), TreeError> {
        if let Some((key, view)) = walk.row() {
            self.push(key, view)?;
            walk.advance();
            return Ok(());
        }
        match (walk.place(), walk.child()) {
            (Place::Child(level), Some((key, child))) if self.may_start(level) => {
                self.add_child(usize::from(level), key, &child, true)?;
                walk.advance();
                Ok(())
            }
            _ => walk.descend(reader),
        }
    }

    fn may_start(&self, level: u8) -> bool {
        let below = self.levels.iter().take(usize::from(level));
        self.filling.count == 0 && below.into_iter().all(|l| l.filling.count == 0)
    }

    /// Saves the leaf being made and appends it one level up.
    fn end_leaf(&mut self) -> Result<(), TreeError> {
        let child = self.save_leaf()?;
        let key = std::mem::take(&mut self.filling).last;
        self.add_child(0, &key, &child, false)
    }

    fn save_leaf(&mut self) -> Result<Child, TreeError> {
        self.scratch.clear();
        let header = Header {
            level: 0,
            value_type: V::TYPE,
            count: self.filling.count,
        };
        header.put(&mut self.scratch);
        V::finish(&mut self.leaf, &mut self.scratch);
        save(&*self.sink, &self.scratch, self.filling.totals)
    }

    /// Appends a node of level `level` to its parent, and ends that where the boundary says so.
    fn add_child(
        &mut self,
        level: usize,
        key: &[u8],
        child: &Child,
        taken_over: bool,
    ) -> Result<(), TreeError> {
        while self.levels.len() <= level {
            self.levels.push(Level::default());
        }
        let Level {
            builder,
            filling,
            first,
        } = &mut self.levels[level];
        builder.push(key, child);
        filling.add(key, InnerBuilder::weight(key), child.totals);
        first.get_or_insert(Source {
            id: child.id,
            taken_over,
        });
        let parent_level = level as u8 + 1;
        if self
            .boundary
            .is_end(parent_level, filling.count, filling.weight, key)
        {
            self.end_inner(level)?;
        }
        Ok(())
    }

    /// Saves the node being made above `level` and appends it one level up.
    fn end_inner(&mut self, level: usize) -> Result<(), TreeError> {
        let child = self.save_inner(level)?;
        let above = &mut self.levels[level];
        above.first = None;
        let key = std::mem::take(&mut above.filling).last;
        self.add_child(level + 1, &key, &child, false)
    }

    fn save_inner(&mut self, level: usize) -> Result<Child, TreeError> {
        if level + 1 >= TREE_DEPTH_MAX {
            return Err(TreeError::Refused {
                what: "a tree too deep",
            });
        }
        let Level {
            builder, filling, ..
        } = &mut self.levels[level];
        self.scratch.clear();
        let header = Header {
            level: level as u8 + 1,
            value_type: V::TYPE,
            count: filling.count,
        };
        header.put(&mut self.scratch);
        builder.finish(&mut self.scratch);
        save(&*self.sink, &self.scratch, filling.totals)
    }

    /// Saves what is being made and returns the root: the only node of the lowest level that has only one.
    pub(super) fn finish(mut self, reader: &dyn ChunkReader) -> Result<ChunkId, TreeError> {
        if self.is_empty_from(0) {
            // A leaf alone, or a leaf without items: the empty tree.
            return Ok(self.save_leaf()?.id);
        }
        if self.filling.count > 0 {
            self.end_leaf()?;
        }
        let mut level = 0;
        loop {
            let Level { filling, first, .. } = &self.levels[level];
            match (filling.count, first, self.is_empty_from(level + 1)) {
                (1, Some(first), true) if first.taken_over => {
                    return without_single_children::<V>(reader, first.id);
                }
                (1, Some(first), true) => return Ok(first.id),
                (0, ..) => {}
                (.., true) => return Ok(self.save_inner(level)?.id),
                (.., false) => self.end_inner(level)?,
            }
            level += 1;
        }
    }

    fn is_empty_from(&self, level: usize) -> bool {
        self.levels.iter().skip(level).all(|l| l.filling.count == 0)
    }
}

fn save(sink: &dyn NodeSink, plain: &[u8], totals: Totals) -> Result<Child, TreeError> {
    let id = sink
        .save(plain)
        .map_err(|fault| TreeError::Save { fault })?;
    Ok(Child { id, totals })
}

/// Goes down from a node of the base while it has only one child: what was the last of its level may have
/// become the only one.
fn without_single_children<V: Value>(
    reader: &dyn ChunkReader,
    mut id: ChunkId,
) -> Result<ChunkId, TreeError> {
    let mut level = TREE_DEPTH_MAX as u8;
    loop {
        let node = load::<V>(reader, &id)?;
        if node.level() >= level {
            return Err(TreeError::Damaged {
                id,
                source: NodeError::Level,
            });
        }
        level = node.level();
        match node {
            Node::Inner(inner) if inner.children.len() == 1 => id = inner.children[0].id,
            _ => return Ok(id),
        }
    }
}
