//! What differs between two trees, without reading what they share.

use base::ChunkId;
use std::cmp::Ordering;

use super::error::TreeError;
use super::value::Value;
use super::walk::{Place, Walk};
use crate::replica::ChunkReader;

/// One key whose value is not the same in both trees.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<V> {
    /// The key.
    pub key: Vec<u8>,
    /// Its value in the first tree.
    pub old: Option<V>,
    /// Its value in the second.
    pub new: Option<V>,
}

/// Goes through the differences in key order. Subtrees with the same id are stepped over: the cost is about
/// the depth of the tree for every difference.
pub struct Diff<'a, V: Value> {
    reader: Box<dyn ChunkReader + 'a>,
    old: Walk<V>,
    new: Walk<V>,
    /// Changes before this key are stepped over; empty once both walks are past it.
    start: Vec<u8>,
    /// The first key of no interest any more.
    end: Option<Vec<u8>>,
}

impl<'a, V: Value> Diff<'a, V> {
    /// Compares the tree `old` with the tree `new`; none stands for an empty tree.
    ///
    /// # Errors
    /// A root cannot be read or is damaged.
    pub fn new(
        reader: impl ChunkReader + 'a,
        old: Option<&ChunkId>,
        new: Option<&ChunkId>,
    ) -> Result<Self, TreeError> {
        let open = |root: Option<&ChunkId>| match root {
            Some(root) if old != new => Walk::open(&reader, root),
            _ => Ok(Walk::ended()),
        };
        let (old, new) = (open(old)?, open(new)?);
        Ok(Self {
            reader: Box::new(reader),
            old,
            new,
            start: Vec::new(),
            end: None,
        })
    }

    /// Narrows it to the keys from `start` to before `end`, if there is one: what lies outside is not read, but
    /// for the nodes that reach across. To be called before the first difference is taken.
    #[must_use]
    pub fn within(mut self, start: &[u8], end: Option<&[u8]>) -> Self {
        self.old.skip_to(start);
        self.new.skip_to(start);
        self.start = start.to_vec();
        self.end = end.map(<[u8]>::to_vec);
        self
    }

    fn step(&mut self) -> Result<Option<Change<V>>, TreeError> {
        loop {
            self.keep_within();
            match (self.old.place(), self.new.place()) {
                (Place::End, Place::End) => return Ok(None),
                (Place::Child(a), Place::Child(b)) if a == b => self.children()?,
                // The higher one is opened, until both are at the same level.
                (Place::Child(a), Place::Child(b)) if a > b => self.old.descend(&*self.reader)?,
                (Place::Child(_), Place::Row | Place::End) => self.old.descend(&*self.reader)?,
                (_, Place::Child(_)) => self.new.descend(&*self.reader)?,
                _ => {
                    if let Some(change) = self.rows() {
                        return Ok(Some(change));
                    }
                }
            }
        }
    }

    /// Lets go of what lies outside. A child says only its last key: one that begins behind the end is opened, and the
    /// first row in it ends the walk.
    fn keep_within(&mut self) {
        let is_before = !self.start.is_empty();
        for walk in [&mut self.old, &mut self.new] {
            if is_before {
                walk.skip_to(&self.start);
            }
            let past = |key: &[u8]| self.end.as_deref().is_some_and(|end| key >= end);
            if walk.row().is_some_and(|(key, _)| past(key)) {
                *walk = Walk::ended();
            }
        }
        let is_child = |walk: &Walk<V>| matches!(walk.place(), Place::Child(_));
        if is_before && !is_child(&self.old) && !is_child(&self.new) {
            // Both stand at rows that are not before it, and go forward only. Looking for it again at every row was most of the
            // time a comparison took.
            self.start.clear();
        }
    }

    fn children(&mut self) -> Result<(), TreeError> {
        let same = match (self.old.child(), self.new.child()) {
            (Some((_, a)), Some((_, b))) => a.id == b.id,
            _ => false,
        };
        if same {
            self.old.advance();
            self.new.advance();
            return Ok(());
        }
        self.old.descend(&*self.reader)?;
        self.new.descend(&*self.reader)
    }

    /// Takes the lower row, or both if they have one key.
    fn rows(&mut self) -> Option<Change<V>> {
        let (old, new) = (self.old.row(), self.new.row());
        let order = match (&old, &new) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let old = old.filter(|_| order.is_le());
        let new = new.filter(|_| order.is_ge());
        let same = matches!((&old, &new), (Some((_, a)), Some((_, b))) if a == b);
        let key = old.as_ref().or(new.as_ref()).map(|(key, _)| *key);
        let change = key.filter(|_| !same).map(|key| Change {
            key: key.to_vec(),
            old: old.map(|(_, value)| V::from_view(value)),
            new: new.map(|(_, value)| V::from_view(value)),
        });
        if order.is_le() {
            self.old.advance();
        }
        if order.is_ge() {
            self.new.advance();
        }
        change
    }
}

impl<V: Value> Iterator for Diff<'_, V> {
    type Item = Result<Change<V>, TreeError>;

    /// Returns the next difference; after an error there is no more.
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.old = Walk::ended();
            self.new = Walk::ended();
        }
        step.transpose()
    }
}
