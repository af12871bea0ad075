//! Repacking: the live chunks of a pack are copied into another, which takes over. The old one is then garbage like any other.

use crate::state::{NONE, PACKS, Pack, Phase, Session, WRITERS, Writer};
use crate::{Action, Rules, State};

pub(crate) fn steps(state: &State, rules: &Rules, to: &mut Vec<(Action, State)>) {
    for i in 0..WRITERS {
        match state.writers[i].phase {
            Phase::Idle if state.left.repacks > 0 => copy(state, i, rules, to),
            Phase::Copied => remap(state, i, rules, to),
            _ => {}
        }
    }
}

fn copy(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    for index in 0..PACKS {
        let pack = state.packs[index];
        let may_be = pack.is(Pack::THERE)
            && pack.is(Pack::NAMED)
            && !pack.is(Pack::CONDEMNED)
            && !pack.is(Pack::DELETED);
        let live = state.found_in(index, state.live(rules));
        if !may_be || live == 0 || live == pack.holds {
            continue;
        }
        let mut next = *state;
        next.left.repacks -= 1;
        let (owner, session) = match rules.repacking_is_a_session {
            true => (i as u8, Session::Open),
            false => (NONE, Session::None),
        };
        let Some(copy) = next.store(Pack::made(live, owner, true), rules) else {
            continue;
        };
        next.writers[i] = Writer {
            phase: Phase::Copied,
            session,
            pack: copy,
            ..Writer::idle(state.writers[i].left)
        };
        to.push((Action::Copy, next));
    }
}

fn remap(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let writer = state.writers[i];
    let mut next = *state;
    let is_refused = rules.fenced_packs_are_refused && writer.session == Session::Fenced;
    if !is_refused {
        next.name(writer.pack, true, rules);
    }
    next.end_session(i, Session::None);
    next.writers[i] = Writer::idle(writer.left);
    let action = match is_refused {
        true => Action::RemapRefused,
        false => Action::Remap,
    };
    to.push((action, next));
}
