//! Reading a tree in order.

use base::ChunkId;

use super::error::TreeError;
use super::value::{ItemRef, Value};
use super::walk::Walk;
use crate::replica::ChunkReader;

/// Goes through the items of a key range in order. Holds one node a level, whatever the size of the tree.
pub struct Cursor<'a, V: Value> {
    reader: Box<dyn ChunkReader + 'a>,
    root: ChunkId,
    walk: Walk<V>,
    end: Option<Vec<u8>>,
    /// Whether the row at the walk's place was given out.
    taken: bool,
}

impl<'a, V: Value> Cursor<'a, V> {
    /// Stands before the first item. Takes the reader as a reference or an `Arc`.
    ///
    /// # Errors
    /// The root cannot be read or is damaged.
    pub fn new(reader: impl ChunkReader + 'a, root: &ChunkId) -> Result<Self, TreeError> {
        Ok(Self {
            walk: Walk::open(&reader, root)?,
            reader: Box::new(reader),
            root: *root,
            end: None,
            taken: false,
        })
    }

    /// Stands before the first item whose key is at least `start`; ends before `end`, if there is one.
    ///
    /// # Errors
    /// A node on the way cannot be read or is damaged.
    pub fn range(
        reader: impl ChunkReader + 'a,
        root: &ChunkId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Self, TreeError> {
        let mut cursor = Self::new(reader, root)?;
        cursor.end = end.map(<[u8]>::to_vec);
        cursor.seek(start)?;
        Ok(cursor)
    }

    /// Goes to before the first item whose key is at least `key`: forward costs the nodes on the way down,
    /// backward starts at the root.
    ///
    /// # Errors
    /// A node on the way cannot be read or is damaged.
    pub fn seek(&mut self, key: &[u8]) -> Result<(), TreeError> {
        if self.walk.row().is_none_or(|(at, _)| at > key) {
            self.walk = Walk::open(&*self.reader, &self.root)?;
        }
        self.taken = false;
        self.walk.seek(&*self.reader, key)
    }

    /// Returns the next item without taking it, borrowed from its node.
    ///
    /// # Errors
    /// A node cannot be read or is damaged.
    #[inline]
    pub fn peek_ref(&mut self) -> Result<Option<ItemRef<'_, V>>, TreeError> {
        if self.taken {
            self.walk.advance();
            self.taken = false;
        }
        self.walk.descend_to_row(&*self.reader)?;
        let end = self.end.as_deref();
        Ok(self
            .walk
            .row()
            .filter(|(key, _)| end.is_none_or(|end| *key < end)))
    }

    /// Takes the next item, borrowed from its node until the next call.
    ///
    /// # Errors
    /// A node cannot be read or is damaged.
    #[inline]
    pub fn next_ref(&mut self) -> Result<Option<ItemRef<'_, V>>, TreeError> {
        let more = self.peek_ref()?.is_some();
        self.taken = more;
        Ok(if more { self.walk.row() } else { None })
    }
}

impl<V: Value> Iterator for Cursor<'_, V> {
    type Item = Result<(Vec<u8>, V), TreeError>;

    /// Returns the next item; after an error there is no more.
    fn next(&mut self) -> Option<Self::Item> {
        let owned = |(key, value): ItemRef<'_, V>| (key.to_vec(), V::from_view(value));
        let item = self.next_ref().map(|item| item.map(owned));
        if item.is_err() {
            self.walk = Walk::ended();
            self.taken = false;
        }
        item.transpose()
    }
}
