//! Every state that can be reached, nearest first.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{Action, Bounds, Rules, State, steps};

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// States visited.
    pub states: usize,
    /// Steps between them.
    pub steps: u64,
    /// States in which space has been freed: a search that has none proves little.
    pub freed: usize,
    /// There are no others.
    pub is_complete: bool,
    /// The shortest way to a state in which something needed cannot be read.
    pub violation: Option<Vec<Action>>,
}

/// Visits the states that `rules` allow within `bounds`, at most about `most` of them, until one is broken.
pub fn search(bounds: &Bounds, rules: &Rules, most: usize) -> Outcome {
    let hasher = DefaultHashBuilder::default();
    let mut states = vec![State::new(bounds)];
    let mut ways = vec![(0_u32, Action::Begin)];
    let mut seen = HashTable::new();
    seen.insert_unique(hasher.hash_one(states[0]), 0_u32, |_| 0);
    let mut outcome = Outcome {
        states: 0,
        steps: 0,
        freed: 0,
        is_complete: false,
        violation: None,
    };
    let mut next = Vec::new();
    let mut from = 0;
    while from < states.len() && states.len() < most {
        let state = states[from];
        steps(&state, rules, &mut next);
        outcome.steps += next.len() as u64;
        for (action, state) in next.drain(..) {
            let hash = hasher.hash_one(state);
            if seen.find(hash, |i| states[*i as usize] == state).is_some() {
                continue;
            }
            let index = states.len() as u32;
            seen.insert_unique(hash, index, |i| hasher.hash_one(states[*i as usize]));
            states.push(state);
            ways.push((from as u32, action));
            outcome.freed += usize::from(state.has_freed());
            if state.broken().is_some() {
                outcome.states = states.len();
                outcome.violation = Some(way_to(&ways, index));
                return outcome;
            }
        }
        from += 1;
    }
    outcome.states = states.len();
    outcome.is_complete = from == states.len();
    outcome
}

fn way_to(ways: &[(u32, Action)], to: u32) -> Vec<Action> {
    let mut way = Vec::new();
    let mut at = to;
    while at != 0 {
        let (from, action) = ways[at as usize];
        way.push(action);
        at = from;
    }
    way.reverse();
    way
}
