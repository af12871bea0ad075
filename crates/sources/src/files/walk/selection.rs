//! A part of a tree, named in advance: what a walk looks at instead of everything.
//!
//! Every name on the way to a selected one is looked at as well: whoever compares then sees every directory that it goes
//! through. What is not there, and what is left out by the walk's options, is passed by without a word.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ops::Bound;
use std::sync::Arc;

use base::limits::PATH_DEPTH_MAX;
use format::entry::FileKey;

/// Why something is selected; the greater includes the lesser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pick {
    /// Nothing is known to have happened to it.
    #[default]
    Quiet,
    /// It may have changed, without what is below it.
    Changed,
    /// It may have changed, and everything below it.
    Whole,
}

/// The names selected in one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(BTreeMap<CString, Picked>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Picked {
    pick: Pick,
    below: Arc<Selection>,
}

/// Keys that a selection covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first key there may be.
    pub start: Vec<u8>,
    /// The first key behind; `None` if there is none.
    pub end: Option<Vec<u8>>,
    /// Whether something is known to have happened there.
    pub changed: bool,
}

impl Drop for Selection {
    /// Lets go of the directories one by one: a path of thousands must not become as deep a recursion.
    fn drop(&mut self) {
        let mut maps = vec![std::mem::take(&mut self.0)];
        while let Some(map) = maps.pop() {
            let below = map.into_values().map(|picked| picked.below);
            maps.extend(
                below
                    .filter_map(Arc::into_inner)
                    .map(|mut s| std::mem::take(&mut s.0)),
            );
        }
    }
}

impl Span {
    /// Returns the span of one key.
    pub fn of_key(key: &FileKey, changed: bool) -> Self {
        // No other key lies between a key and itself with a zero behind.
        let end = [key.0.as_slice(), &[0]].concat();
        Self {
            start: key.0.clone(),
            end: Some(end),
            changed,
        }
    }

    /// Returns the span of everything below a key.
    pub fn below(key: &FileKey, changed: bool) -> Self {
        let (start, end) = key.subtree_range();
        let [start, end] = [start, end].map(|bound| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        });
        Self {
            start: start.unwrap_or_default(),
            end,
            changed,
        }
    }

    /// Says whether `key` lies in it.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && self.is_before_end(key)
    }

    /// Says whether `key` lies in it or before it.
    pub fn is_before_end(&self, key: &[u8]) -> bool {
        self.end.as_deref().is_none_or(|end| key < end)
    }
}

impl Selection {
    /// Adds what `components` lead to from the root, which must not be empty: the root is always looked at. What is selected
    /// twice is so by the greater pick. Returns `false`, and adds nothing, if there can be no such entry.
    pub fn add<C: AsRef<[u8]>>(&mut self, components: &[C], pick: Pick) -> bool {
        if components.is_empty() || components.len() > PATH_DEPTH_MAX {
            return false;
        }
        let names: Result<Vec<CString>, _> = components
            .iter()
            .map(|c| CString::new(c.as_ref()))
            .collect();
        let Ok(names) = names else {
            return false;
        };
        let last = names.len() - 1;
        let mut at = self;
        for (i, name) in names.into_iter().enumerate() {
            let picked = at.0.entry(name).or_default();
            if i == last {
                picked.pick = picked.pick.max(pick);
            }
            at = Arc::make_mut(&mut picked.below);
        }
        true
    }

    /// Says whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names to look at in the directory, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = &CStr> {
        self.0.keys().map(CString::as_c_str)
    }

    /// Says whether the walk goes into the directory `name`.
    pub(super) fn enters(&self, name: &CStr) -> bool {
        let picked = self.0.get(name);
        picked.is_some_and(|picked| picked.pick == Pick::Whole || !picked.below.is_empty())
    }

    /// Returns what is selected in the directory `name`; `None` if everything is.
    pub(in crate::files) fn below(&self, name: &CStr) -> Option<Arc<Self>> {
        match self.0.get(name) {
            Some(picked) if picked.pick == Pick::Whole => None,
            Some(picked) => Some(picked.below.clone()),
            None => Some(Arc::default()),
        }
    }

    /// Says whether something that may have changed is selected that `components` lead to or through.
    pub fn touches<C: AsRef<[u8]>>(&self, components: &[C]) -> bool {
        let mut at = self;
        for (i, component) in components.iter().enumerate() {
            let name = CString::new(component.as_ref());
            let Some(picked) = name.ok().and_then(|name| at.0.get(&name)) else {
                return false;
            };
            let is_last = i + 1 == components.len();
            match picked.pick {
                Pick::Whole => return true,
                Pick::Changed if is_last => return true,
                Pick::Quiet | Pick::Changed => at = &picked.below,
            }
        }
        false
    }

    /// Returns the keys that it covers, ascending, none twice: the root's, each name's, and what is below those that are
    /// selected whole. Names that no key can be made of have none.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = vec![Span::of_key(&FileKey::root(), true)];
        let mut dirs = vec![(FileKey::root(), Pick::Quiet, self)];
        while let Some((dir, pick, selection)) = dirs.pop() {
            if pick == Pick::Whole {
                spans.push(Span::below(&dir, true));
                continue;
            }
            let first = dirs.len();
            for (name, picked) in &selection.0 {
                let Ok(key) = dir.child(name.to_bytes()) else {
                    continue;
                };
                spans.push(Span::of_key(&key, picked.pick > Pick::Quiet));
                dirs.push((key, picked.pick, &picked.below));
            }
            // A directory's entries come before what is below them; the last put in is the first taken out.
            dirs[first..].reverse();
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(picks: &[(&str, Pick)]) -> Selection {
        let mut selection = Selection::default();
        for (path, pick) in picks {
            let components: Vec<&str> = path.split('/').collect();
            assert!(selection.add(&components, *pick), "{path}");
        }
        selection
    }

    fn key(path: &str) -> FileKey {
        FileKey::from_path(path.as_bytes()).expect("a path")
    }

    #[test]
    fn spans_ascend_and_hold_what_was_selected() {
        let mut dice = testkit_dice();
        for _ in 0..500 {
            let mut selection = Selection::default();
            let mut picked = Vec::new();
            for _ in 0..6 {
                let names = ["a", "b", "a.b", "\u{1}", "b\u{2}"];
                let depth = 1 + dice(4);
                let path: Vec<&str> = (0..depth).map(|_| names[dice(5)]).collect();
                let pick = [Pick::Quiet, Pick::Changed, Pick::Whole][dice(3)];
                assert!(selection.add(&path, pick));
                picked.push((path, pick));
            }
            let spans = selection.spans();
            for pair in spans.windows(2) {
                let end = pair[0].end.as_ref().expect("only the root's has none");
                assert!(*end <= pair[1].start, "{picked:?}");
            }
            for (path, pick) in &picked {
                let key = key(&path.join("/"));
                let below = key.child(b"z").expect("a name");
                let of = |key: &FileKey| spans.iter().find(|span| span.holds(&key.0));
                let span = of(&key).unwrap_or_else(|| panic!("{path:?} of {picked:?}"));
                assert!(span.changed || *pick == Pick::Quiet);
                assert_eq!(
                    span.changed,
                    selection.touches(path),
                    "{path:?} of {picked:?}"
                );
                if *pick == Pick::Whole {
                    assert!(of(&below).is_some_and(|span| span.changed));
                }
            }
        }
    }

    #[test]
    fn the_way_to_what_is_selected_is_looked_at_and_nothing_beside_it() {
        let selection = selection(&[("a/b/c", Pick::Changed), ("d", Pick::Whole)]);
        let holds = |path: &str| {
            let spans = selection.spans();
            spans
                .iter()
                .find(|s| s.holds(&key(path).0))
                .map(|s| s.changed)
        };
        assert_eq!(holds(""), Some(true));
        assert_eq!(holds("a"), Some(false));
        assert_eq!(holds("a/b"), Some(false));
        assert_eq!(holds("a/b/c"), Some(true));
        assert_eq!(holds("d/any/thing"), Some(true));
        for beside in ["a/x", "a/b/x", "a/b/c/x", "e"] {
            assert_eq!(holds(beside), None, "{beside}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_not_selected() {
        let mut selection = Selection::default();
        assert!(!selection.add(&["a\0b"], Pick::Changed));
        assert!(!selection.add::<&str>(&[], Pick::Whole));
        assert!(selection.is_empty());
    }

    fn testkit_dice() -> impl FnMut(usize) -> usize {
        // Knuth's MMIX; the upper bits are good enough to choose by.
        let mut state = 1_u64;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        }
    }
}
