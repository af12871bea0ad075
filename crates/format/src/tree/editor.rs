//! Making a tree, or making one from another.
//!
//! Goes through the base and the changes together, in key order, and cuts what comes out into nodes. A node of
//! the base is taken over by its id, unread, where a new node would start at its first item and no change falls
//! into it: the rule of [`super::Boundary`] then makes the very same node. Only the last node of a level ends
//! without a boundary, so that one is taken over only when no change can follow.

use base::limits::{NODE_ITEM_BYTES_MAX, TREE_KEY_BYTES_MAX};
use base::{ChunkId, Fault};

use super::boundary::Boundary;
use super::error::TreeError;
use super::output::Output;
use super::value::Value;
use super::walk::{Place, Walk};
use crate::replica::ChunkReader;

/// Takes the nodes of a tree that is being made.
pub trait NodeSink: Send + Sync {
    /// Keeps a node, as a chunk of kind tree, and returns its id. May be given a node it already has.
    ///
    /// # Errors
    /// The store cannot take it; the tree is lost.
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault>;
}

impl<T: NodeSink + ?Sized> NodeSink for &T {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        (**self).save(plain)
    }
}

impl<T: NodeSink + ?Sized> NodeSink for std::sync::Arc<T> {
    fn save(&self, plain: &[u8]) -> Result<ChunkId, Fault> {
        (**self).save(plain)
    }
}

/// Makes a new root from a base and changes in ascending key order. Memory: one node a level, twice. After an
/// error it has to be dropped.
pub struct Editor<'a, V: Value> {
    reader: Box<dyn ChunkReader + 'a>,
    base: Option<ChunkId>,
    /// The base from where the changes have come to. Opened at the first change.
    walk: Option<Walk<V>>,
    last: Option<Vec<u8>>,
    output: Output<'a, V>,
}

impl<'a, V: Value> Editor<'a, V> {
    /// Starts from `base`, or from nothing. Reads nothing yet. Takes reader and sink as references or `Arc`s.
    pub fn new(
        reader: impl ChunkReader + 'a,
        sink: impl NodeSink + 'a,
        boundary: &Boundary,
        base: Option<ChunkId>,
    ) -> Self {
        Self {
            reader: Box::new(reader),
            base,
            walk: None,
            last: None,
            output: Output::new(Box::new(sink), boundary.clone()),
        }
    }

    /// Writes or replaces the value under `key`.
    ///
    /// # Errors
    /// - [`TreeError::Unsorted`]: the key is not above the one before.
    /// - [`TreeError::Refused`]: no tree takes this key or value; the editor is as it was.
    /// - The base cannot be read, or a node cannot be saved.
    pub fn put(&mut self, key: &[u8], value: &V) -> Result<(), TreeError> {
        check(key, value)?;
        self.go_to(key)?;
        self.output.push(key, value.view())
    }

    /// Removes the value under `key`; nothing happens if there is none.
    ///
    /// # Errors
    /// - [`TreeError::Unsorted`]: the key is not above the one before.
    /// - The base cannot be read, or a node cannot be saved.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), TreeError> {
        self.go_to(key)
    }

    /// Takes over what is left of the base and returns the new root.
    ///
    /// # Errors
    /// The base cannot be read, or a node cannot be saved.
    pub fn finish(mut self) -> Result<ChunkId, TreeError> {
        if let (Some(base), None) = (self.base, &self.last) {
            return Ok(base);
        }
        if let Some(walk) = &mut self.walk {
            while walk.place() != Place::End {
                self.output.take_over(&*self.reader, walk)?;
            }
        }
        self.output.finish(&*self.reader)
    }

    /// Takes over the base below `key`, and drops the row under `key`.
    fn go_to(&mut self, key: &[u8]) -> Result<(), TreeError> {
        match &mut self.last {
            Some(last) if key <= last.as_slice() => return Err(TreeError::Unsorted),
            Some(last) => {
                last.clear();
                last.extend_from_slice(key);
            }
            None => self.last = Some(key.to_vec()),
        }
        let walk = match (&mut self.walk, &self.base) {
            (Some(walk), _) => walk,
            (None, Some(base)) => self.walk.insert(Walk::open(&*self.reader, base)?),
            (None, None) => return Ok(()),
        };
        loop {
            match walk.place() {
                Place::End => return Ok(()),
                Place::Child(_) if walk.key() >= key || walk.is_last() => {
                    walk.descend(&*self.reader)?;
                }
                Place::Row if walk.key() >= key => {
                    if walk.key() == key {
                        walk.advance();
                    }
                    return Ok(());
                }
                _ => self.output.take_over(&*self.reader, walk)?,
            }
        }
    }
}

/// Checks whether a tree takes a key and value: well formed, and within every limit.
///
/// # Errors
/// [`TreeError::Refused`]: it does not.
pub fn check<V: Value>(key: &[u8], value: &V) -> Result<(), TreeError> {
    let view = value.view();
    let heavy = key.len() > TREE_KEY_BYTES_MAX || V::weight(key, view) > NODE_ITEM_BYTES_MAX;
    V::check_key(key)
        .and_then(|()| V::check(view))
        .and(if heavy {
            Err("it is too large")
        } else {
            Ok(())
        })
        .map_err(|what| TreeError::Refused { what })
}
