//! Which part of the earlier tree a run compares with the source.
//!
//! A walk of everything compares everything. A walk of a [`Selection`] compares the keys that it covers and passes over the
//! rest without reading it: what is not compared stays as it is.

use std::collections::BTreeMap;
use std::ops::Bound;

use format::entry::{FileEntry, FileKey};
use format::tree::{Cursor, TreeError};
use sources::files::{Selection, Span};

/// The keys that are compared.
pub(super) enum Scope {
    Everything,
    /// By their first keys; none touches another.
    Spans(BTreeMap<Vec<u8>, Span>),
}

impl Scope {
    pub(super) fn of(only: Option<&Selection>) -> Self {
        let Some(only) = only else {
            return Self::Everything;
        };
        let spans = only.spans().into_iter();
        Self::Spans(spans.map(|span| (span.start.clone(), span)).collect())
    }

    /// Moves a cursor to the next row that is compared, if it does not stand before one. Returns `false` at the end.
    pub(super) fn advance(&self, old: &mut Cursor<'_, FileEntry>) -> Result<bool, TreeError> {
        let Self::Spans(_) = self else {
            return Ok(true);
        };
        loop {
            let Some((key, _)) = old.peek_ref()? else {
                return Ok(false);
            };
            match self.at_or_after(key) {
                None => return Ok(false),
                Some(span) if span.holds(key) => return Ok(true),
                Some(span) => {
                    let start = span.start.clone();
                    old.seek(&start)?;
                }
            }
        }
    }

    /// Says whether nothing is known to have happened to what is under a key.
    pub(super) fn is_quiet(&self, key: &FileKey) -> bool {
        self.at_or_after(&key.0)
            .is_some_and(|span| span.holds(&key.0) && !span.changed)
    }

    /// Says whether everything below a key is compared.
    pub(super) fn holds_below(&self, key: &FileKey) -> bool {
        let first = key.dir_prefix();
        match self {
            Self::Everything => true,
            Self::Spans(_) => {
                // A span of single names begins with a name.
                let span = self.at_or_after(&first);
                span.is_some_and(|span| span.holds(&first))
            }
        }
    }

    /// Compares everything below a key as well. Asked of keys that ascend, before what is below them is come to.
    pub(super) fn add_below(&mut self, key: &FileKey) {
        if let Self::Spans(spans) = self {
            let added = Span::below(key, true);
            let inside = (
                Bound::Included(added.start.clone()),
                added.end.clone().map_or(Bound::Unbounded, Bound::Excluded),
            );
            let inside: Vec<_> = spans
                .range(inside)
                .map(|(start, _)| start.clone())
                .collect();
            for start in inside {
                spans.remove(&start);
            }
            spans.insert(added.start.clone(), added);
        }
    }

    /// Returns the span that a key lies in, or the next one behind it.
    fn at_or_after(&self, key: &[u8]) -> Option<&Span> {
        let Self::Spans(spans) = self else {
            return None;
        };
        let before = spans.range::<[u8], _>((Bound::Unbounded, Bound::Included(key)));
        let before = before.map(|(_, span)| span).next_back();
        before.filter(|span| span.holds(key)).or_else(|| {
            let after = spans.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded));
            after.map(|(_, span)| span).next()
        })
    }
}
