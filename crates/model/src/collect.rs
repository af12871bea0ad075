//! Collection: mark what is live, condemn the rest, wait, delete what is still not live, and only then remove objects.

use crate::state::{Collection, NONE, PACKS, Pack, Phase, Set};
use crate::{Action, Rules, State};

pub(crate) fn steps(state: &State, rules: &Rules, to: &mut Vec<(Action, State)>) {
    match state.collection {
        Collection::None if state.left.collections > 0 => {
            let mut next = *state;
            next.left.collections -= 1;
            next.collection = Collection::Marked(state.live(rules));
            to.push((Action::Mark, next));
        }
        Collection::None => {}
        Collection::Marked(live) => {
            condemn(state, live, to);
            let mut next = *state;
            next.collection = Collection::None;
            to.push((Action::ForgetMark, next));
        }
        Collection::Condemned(waits) if waits == 0 || !rules.deleting_waits => {
            let goes = decide(state, rules);
            if rules.deleting_is_atomic {
                to.push((Action::Delete, delete(state, goes, rules)));
            } else {
                let mut next = *state;
                next.collection = Collection::Decided(goes);
                to.push((Action::Decide, next));
            }
        }
        Collection::Condemned(_) => {}
        Collection::Decided(goes) => to.push((Action::Delete, delete(state, goes, rules))),
    }
    if state.left.rebuilds > 0 {
        let mut next = *state;
        next.left.rebuilds -= 1;
        next.find_anew(Set::MAX);
        to.push((Action::Rebuild, next));
    }
    for index in 0..PACKS {
        sweep(state, index, rules, to);
        land(state, index, rules, to);
    }
}

/// Condemns every pack in which nothing is found that was live; and perhaps one in which something is, to be copied.
fn condemn(state: &State, live: Set, to: &mut Vec<(Action, State)>) {
    let mut next = *state;
    let is_candidate = |pack: &Pack| pack.is(Pack::NAMED) && !pack.is(Pack::DELETED);
    for (index, pack) in next.packs.iter_mut().enumerate() {
        let is_garbage = is_candidate(pack) && state.found_in(index, live) == 0;
        pack.set(Pack::CONDEMNED, is_garbage);
    }
    next.collection = Collection::Condemned(state.open_sessions());
    if next.packs.iter().any(|pack| pack.is(Pack::CONDEMNED)) {
        to.push((Action::Condemn, next));
    }
    for (index, pack) in state.packs.iter().enumerate() {
        let found = state.found_in(index, live);
        let is_half_dead = found != 0 && found != pack.holds;
        if is_candidate(pack) && is_half_dead && state.left.repacks > 0 {
            let mut next = next;
            next.left.repacks -= 1;
            next.packs[index].set(Pack::CONDEMNED, true);
            to.push((Action::CondemnHalfDead, next));
        }
    }
}

/// Returns the packs that go: a bit for each.
fn decide(state: &State, rules: &Rules) -> Set {
    let live = state.live(rules);
    let goes = |index: &usize| {
        state.packs[*index].is(Pack::CONDEMNED)
            && !(rules.deleting_looks_again && state.needed_of(*index, live, rules) != 0)
    };
    (0..PACKS)
        .filter(goes)
        .fold(0, |all, index| all | 1 << index)
}

/// Deletes packs in the log, and spares the other condemned ones.
fn delete(state: &State, goes: Set, rules: &Rules) -> State {
    let mut next = *state;
    next.collection = Collection::None;
    for (index, pack) in next.packs.iter_mut().enumerate() {
        pack.set(Pack::CONDEMNED, false);
        if goes >> index & 1 == 1 {
            pack.set(Pack::DELETED, true);
        }
    }
    for place in &mut next.places {
        let is_deleted = next.packs.get(usize::from(*place));
        if rules.deleted_is_unknown && is_deleted.is_some_and(|pack| pack.is(Pack::DELETED)) {
            *place = NONE;
        }
    }
    next
}

/// Removes an object, or takes one in that its session left.
fn sweep(state: &State, index: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let pack = state.packs[index];
    let gone = || {
        let mut next = *state;
        next.packs[index].remove();
        next
    };
    let early = !rules.records_come_first
        && pack.is(Pack::CONDEMNED)
        && state.collection == Collection::Condemned(0);
    if pack.is(Pack::THERE) && (pack.is(Pack::DELETED) || early) {
        to.push((Action::Sweep, gone()));
        if !rules.names_are_new && !pack.is(Pack::LATE) {
            let mut next = *state;
            next.packs[index].set(Pack::LATE, true);
            to.push((Action::DeletionIsLate, next));
        }
    }
    let is_loose = pack.is_made() && !pack.is(Pack::NAMED);
    let is_orphan = is_loose && pack.owner == NONE;
    if pack.is(Pack::THERE) && (is_orphan || is_loose && !rules.orphans_have_no_session) {
        let mut next = gone();
        next.find_anew(state.found_in(index, pack.holds));
        to.push((Action::SweepOrphan, next));
    }
    if is_orphan && (pack.is(Pack::THERE) || !rules.adoption_looks) {
        let mut next = *state;
        next.name(index as u8, rules);
        to.push((Action::Adopt, next));
    }
}

/// What was asked for earlier happens now.
fn land(state: &State, index: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let pack = state.packs[index];
    if pack.is(Pack::LATE) && pack.is(Pack::THERE) {
        let mut next = *state;
        next.packs[index].remove();
        next.packs[index].set(Pack::LATE, false);
        to.push((Action::LateDeletion, next));
    }
    let is_stored = |writer: &crate::state::Writer| {
        usize::from(writer.pack) == index && matches!(writer.phase, Phase::Stored | Phase::Named)
    };
    if !rules.packs_are_durable_first
        && pack.is_made()
        && !pack.is(Pack::THERE)
        && !pack.is(Pack::DELETED)
        && state.writers.iter().any(is_stored)
    {
        let mut next = *state;
        next.packs[index].set(Pack::THERE, true);
        next.index(index, rules);
        to.push((Action::StoreLands, next));
    }
}
