//! A place in a tree: the path from the root to a row, or to a child that has not been read.
//!
//! Holds one decoded node a level. Whoever walks decides at every child whether to read it or to step over it;
//! cursors, comparisons and editors are three ways to decide.

use base::ChunkId;

use super::error::{NodeError, TreeError};
use super::node::{Child, Inner, Leaf, Node};
use super::value::{ItemRef, Totals, Value};
use crate::replica::ChunkReader;

/// What is at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A row of a leaf.
    Row,
    /// A child not read yet, of this level.
    Child(u8),
    /// Nothing: the tree is behind.
    End,
}

/// A path into a tree.
pub(super) struct Walk<V: Value> {
    inners: Vec<(Inner, usize)>,
    leaf: Option<(Leaf<V>, usize)>,
}

impl<V: Value> Walk<V> {
    /// Starts at the first item of the root's node, which is read.
    pub(super) fn open(reader: &dyn ChunkReader, root: &ChunkId) -> Result<Self, TreeError> {
        let mut walk = Self::ended();
        walk.enter(load(reader, root)?);
        Ok(walk)
    }

    /// Returns a walk with nothing ahead.
    pub(super) fn ended() -> Self {
        Self {
            inners: Vec::new(),
            leaf: None,
        }
    }

    fn enter(&mut self, node: Node<V>) {
        match node {
            Node::Leaf(leaf) => {
                if leaf.len() > 0 {
                    self.leaf = Some((leaf, 0));
                }
            }
            Node::Inner(inner) => self.inners.push((inner, 0)),
        }
    }

    pub(super) fn place(&self) -> Place {
        match (&self.leaf, self.inners.last()) {
            (Some(_), _) => Place::Row,
            (None, Some((inner, _))) => Place::Child(inner.level - 1),
            (None, None) => Place::End,
        }
    }

    /// Returns the key of the row, or the last key below the child.
    pub(super) fn key(&self) -> &[u8] {
        match (&self.leaf, self.inners.last()) {
            (Some((leaf, row)), _) => leaf.keys.get(*row),
            (None, Some((inner, at))) => inner.keys.get(*at),
            (None, None) => &[],
        }
    }

    /// Returns the row, where the place is one.
    pub(super) fn row(&self) -> Option<ItemRef<'_, V>> {
        let (leaf, row) = self.leaf.as_ref()?;
        Some((leaf.keys.get(*row), leaf.value(*row)))
    }

    /// Returns the child, where the place is one.
    pub(super) fn child(&self) -> Option<(&[u8], Child)> {
        match (&self.leaf, self.inners.last()) {
            (None, Some((inner, at))) => Some((inner.keys.get(*at), inner.children[*at])),
            _ => None,
        }
    }

    /// Returns whether nothing comes after the row or child.
    pub(super) fn is_last(&self) -> bool {
        let last_row = self
            .leaf
            .as_ref()
            .is_none_or(|(leaf, row)| row + 1 == leaf.len());
        last_row
            && self
                .inners
                .iter()
                .all(|(inner, at)| at + 1 == inner.children.len())
    }

    /// Steps over the row or child.
    pub(super) fn advance(&mut self) {
        if let Some((leaf, row)) = &mut self.leaf {
            *row += 1;
            if *row < leaf.len() {
                return;
            }
            self.leaf = None;
        }
        self.next_child();
    }

    /// Goes on after the child that the path leads through.
    fn next_child(&mut self) {
        while let Some((inner, at)) = self.inners.last_mut() {
            *at += 1;
            if *at < inner.children.len() {
                return;
            }
            self.inners.pop();
        }
    }

    /// Reads the child and goes to its first item.
    pub(super) fn descend(&mut self, reader: &dyn ChunkReader) -> Result<(), TreeError> {
        let Some((key, child)) = self.child() else {
            return Ok(());
        };
        let Place::Child(level) = self.place() else {
            return Ok(());
        };
        let node = load::<V>(reader, &child.id)?;
        self.check(&node, level, key, &child.totals)
            .map_err(|source| TreeError::Damaged {
                id: child.id,
                source,
            })?;
        self.enter(node);
        Ok(())
    }

    /// Checks what only the path can tell of a node.
    fn check(
        &self,
        node: &Node<V>,
        level: u8,
        last: &[u8],
        totals: &Totals,
    ) -> Result<(), NodeError> {
        if node.level() != level {
            return Err(NodeError::Level);
        }
        if node.keys().last() != Some(last) || node.totals() != *totals {
            return Err(NodeError::Parent);
        }
        let before = self.inners.iter().rev().find(|(_, at)| *at > 0);
        match before {
            Some((inner, at)) if node.keys().get(0) <= inner.keys.get(at - 1) => {
                Err(NodeError::Parent)
            }
            _ => Ok(()),
        }
    }

    /// Goes forward to the first item whose key, or last key, is not below `key`, reading nothing.
    pub(super) fn skip_to(&mut self, key: &[u8]) {
        if let Some((leaf, row)) = &mut self.leaf {
            *row = leaf.keys.lower_bound(*row, key);
            if *row < leaf.len() {
                return;
            }
            self.leaf = None;
            self.next_child();
        }
        while let Some((inner, at)) = self.inners.last_mut() {
            *at = inner.keys.lower_bound(*at, key);
            if *at < inner.children.len() {
                return;
            }
            self.inners.pop();
            self.next_child();
        }
    }

    /// Goes forward to the first row whose key is not below `key`.
    pub(super) fn seek(&mut self, reader: &dyn ChunkReader, key: &[u8]) -> Result<(), TreeError> {
        loop {
            self.skip_to(key);
            match self.place() {
                Place::Child(_) => self.descend(reader)?,
                Place::Row | Place::End => return Ok(()),
            }
        }
    }

    /// Reads children until the place is a row or the end.
    pub(super) fn descend_to_row(&mut self, reader: &dyn ChunkReader) -> Result<(), TreeError> {
        while let Place::Child(_) = self.place() {
            self.descend(reader)?;
        }
        Ok(())
    }
}

/// Reads and decodes one node.
pub(super) fn load<V: Value>(reader: &dyn ChunkReader, id: &ChunkId) -> Result<Node<V>, TreeError> {
    let plain = reader
        .read_chunk(id)
        .map_err(|fault| TreeError::Read { id: *id, fault })?;
    Node::decode(plain).map_err(|source| TreeError::Damaged { id: *id, source })
}
