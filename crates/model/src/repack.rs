//! Repacking: a session that begins after a pack was condemned copies what is live in it into another pack, and names that like
//! any other. The old one then is garbage, and goes if nothing live is found in it when it is decided.

use crate::state::{NONE, PACKS, Pack, Phase, Session, WRITERS, Writer};
use crate::{Action, Rules, State};

pub(crate) fn steps(state: &State, rules: &Rules, to: &mut Vec<(Action, State)>) {
    for i in 0..WRITERS {
        match state.writers[i].phase {
            Phase::Idle if state.left.copies > 0 => open(state, i, rules, to),
            Phase::Copying => {
                copy(state, i, rules, to);
                close(state, i, to);
            }
            Phase::Copied => name(state, i, rules, to),
            Phase::CopyNamed => close(state, i, to),
            _ => {}
        }
    }
}

/// Returns what is to be copied out of a pack.
fn live_in(state: &State, index: usize, rules: &Rules) -> crate::state::Set {
    match state.packs[index].is(Pack::CONDEMNED) {
        true => state.found_in(index, state.live(rules)),
        false => 0,
    }
}

fn open(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    if (0..PACKS).all(|index| live_in(state, index, rules) == 0) {
        return;
    }
    let mut next = *state;
    next.left.copies -= 1;
    next.writers[i] = Writer {
        phase: Phase::Copying,
        session: match rules.repacking_is_a_session {
            true => Session::Open,
            false => Session::None,
        },
        ..Writer::idle(state.writers[i].left)
    };
    to.push((Action::OpenCopy, next));
}

fn copy(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let owner = match state.writers[i].session {
        Session::Open => i as u8,
        Session::Fenced | Session::None => NONE,
    };
    for index in 0..PACKS {
        let live = live_in(state, index, rules);
        if live == 0 || !state.packs[index].is(Pack::THERE) {
            continue;
        }
        let mut next = *state;
        if let Some(copy) = next.store(Pack::made(live, owner, true), rules) {
            (next.writers[i].pack, next.writers[i].phase) = (copy, Phase::Copied);
            to.push((Action::Copy, next));
        }
    }
}

fn name(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let writer = state.writers[i];
    let mut next = *state;
    if rules.fenced_packs_are_refused && writer.session == Session::Fenced {
        next.give_up(i);
        to.push((Action::NameRefused, next));
        return;
    }
    next.name(writer.pack, rules);
    next.writers[i].phase = Phase::CopyNamed;
    to.push((Action::Name, next));
}

fn close(state: &State, i: usize, to: &mut Vec<(Action, State)>) {
    let mut next = *state;
    next.give_up(i);
    to.push((Action::CloseCopy, next));
}
