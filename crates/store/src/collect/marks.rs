//! Marking: one bit for every live chunk, by the pack where it is found and its position there.
//!
//! Invariant: below a node whose bit is set everything is marked, once [`Marker::mark_all`] has returned. So a tree that was
//! marked is marked as a whole, and another root costs what it does not share.
//!
//! Memory: a bit for every chunk of packs with something live, and the nodes that are known and not read yet, at most a node's
//! children on each level of a tree.

use std::collections::{HashMap, HashSet};

use base::fault::Code;
use base::{ChunkId, Fault, Lang};
use format::tree::children;

use super::{CollectProgress, OnCollect, Whose, go_on};
use crate::core::Core;
use crate::faults;
use crate::index::{Asker, Live};

/// A set of small numbers: a bit for each up to the largest.
#[derive(Clone, Debug, Default)]
pub(super) struct Ordinals(Vec<u64>);

impl Ordinals {
    /// Adds a number, and returns whether it was not there.
    pub(super) fn add(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    pub(super) fn has(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// What is live, as far as roots have been marked.
#[derive(Debug, Default)]
pub(super) struct Marker {
    packs: HashMap<u32, Ordinals>,
    roots: HashSet<ChunkId>,
    nodes: u64,
    live: u64,
    missing: u64,
}

impl Live for Marker {
    fn is_live(&self, ordinal: u32, position: u32) -> bool {
        let pack = self.packs.get(&ordinal);
        pack.is_some_and(|pack| pack.has(position))
    }
}

impl Marker {
    /// Marks everything beneath all roots that are not marked yet.
    ///
    /// # Errors
    /// `CollectionBlocked`: a node cannot be read; `JobCancelled`; the place does not answer, the index failed.
    pub(super) fn mark_all(
        &mut self,
        core: &Core,
        on_progress: OnCollect<'_>,
    ) -> Result<(), Fault> {
        for (root, whose) in core.roots()? {
            if !self.roots.contains(&root) {
                self.mark(core, root, whose, on_progress)?;
                self.roots.insert(root);
            }
        }
        Ok(())
    }

    /// Returns whether everything beneath all of these roots is marked.
    pub(super) fn has_marked(&self, roots: &[(ChunkId, Whose)]) -> bool {
        roots.iter().all(|(root, _)| self.roots.contains(root))
    }

    fn mark(
        &mut self,
        core: &Core,
        root: ChunkId,
        whose: Whose,
        on_progress: OnCollect<'_>,
    ) -> Result<(), Fault> {
        let mut ahead = vec![root];
        while let Some(id) = ahead.pop() {
            let found = core.index.find_for(Asker::Reader, &id)?;
            // Not marked before it has been read: where it is then may be another place.
            if found.is_some_and(|found| self.is_live(found.ordinal, found.position)) {
                continue;
            }
            let read = core.read_stored(&id).and_then(|(plain, found)| {
                let below = children(&plain).map_err(|error| faults::node(&id, error))?;
                Ok((below, found))
            });
            let (below, found) = match read {
                Ok(read) => read,
                Err(fault) => return Err(blocked(whose, fault)),
            };
            self.set(found.ordinal, found.position);
            self.nodes += 1;
            for chunk in below.chunks {
                match core.index.find_for(Asker::Reader, &chunk)? {
                    Some(found) => self.set(found.ordinal, found.position),
                    None => self.missing += 1,
                }
            }
            ahead.extend(below.nodes.into_iter().chain(below.maps));
            go_on(on_progress, CollectProgress::Marking { nodes: self.nodes })?;
        }
        Ok(())
    }

    fn set(&mut self, ordinal: u32, position: u32) {
        if self.packs.entry(ordinal).or_default().add(position) {
            self.live += 1;
        }
    }

    /// Returns how many chunks of a pack are live.
    pub(super) fn live_in(&self, ordinal: u32) -> u32 {
        self.packs.get(&ordinal).map_or(0, Ordinals::len)
    }

    pub(super) fn nodes(&self) -> u64 {
        self.nodes
    }

    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn missing(&self) -> u64 {
        self.missing
    }
}

/// Returns the fault of a tree that cannot be read to its end.
fn blocked(whose: Whose, fault: Fault) -> Fault {
    match fault.code {
        Code::ChunkMissing | Code::ChunkDamaged | Code::TreeDamaged => {}
        _ => return fault,
    }
    let whose = match whose {
        Whose::Point(point) => format!("recovery point {point}"),
        Whose::Replica(source) => format!("the replica of source {source}"),
        Whose::Reader => String::from("a recovery point that is still read"),
    };
    Fault::new(Code::CollectionBlocked)
        .with("item", whose)
        .with("reason", fault.what(Lang::En))
        .because(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_numbers_has_what_was_added() {
        let mut set = Ordinals::default();
        assert!(set.add(3) && set.add(200) && !set.add(3));
        let found: Vec<u32> = (0..300).filter(|number| set.has(*number)).collect();
        assert_eq!((found, set.len()), (vec![3, 200], 2));
    }
}
