//! Sessions that back something up, people who delete, and a reader.

use crate::state::{CHUNKS, NONE, Pack, Phase, Session, Set, WRITERS, Writer, chunks};
use crate::{Action, Rules, State};

/// Chunks a tree may have beside what it keeps: all sets of one or two.
const WANTS: [Set; 6] = [0b001, 0b010, 0b100, 0b011, 0b101, 0b110];

pub(crate) fn steps(state: &State, rules: &Rules, to: &mut Vec<(Action, State)>) {
    for i in 0..WRITERS {
        match state.writers[i].phase {
            Phase::Idle => begin(state, i, rules, to),
            Phase::Asking => ask(state, i, rules, to),
            Phase::Asked => store(state, i, rules, to),
            Phase::Stored => {
                name(state, i, rules, to);
                commit(state, i, rules, to);
            }
            Phase::Named => commit(state, i, rules, to),
            Phase::Copying | Phase::Copied | Phase::CopyNamed | Phase::Crashed => {}
        }
        trouble(state, i, to);
    }
    people(state, to);
}

fn begin(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let writer = state.writers[i];
    if writer.left == 0 {
        return;
    }
    let base = state.replicas[i];
    let kept = if base == 0 { &[0][..] } else { &[0, base] };
    for keeps in kept {
        for wants in WANTS.iter().filter(|wants| **wants & keeps == 0) {
            let mut next = *state;
            next.writers[i] = Writer {
                phase: Phase::Asking,
                session: match rules.sessions_are_logged {
                    true => Session::Open,
                    false => Session::None,
                },
                left: writer.left - 1,
                base,
                keeps: *keeps,
                wants: *wants,
                asks: *wants,
                missing: 0,
                pack: NONE,
            };
            to.push((Action::Open, next));
        }
    }
}

fn ask(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let Some(chunk) = chunks(state.writers[i].asks).next() else {
        return;
    };
    let mut next = *state;
    let writer = &mut next.writers[i];
    writer.asks &= !(1 << chunk);
    let is_known = state.knows(chunk, rules);
    if !is_known {
        writer.missing |= 1 << chunk;
    }
    if writer.asks == 0 {
        writer.phase = match writer.missing {
            0 => Phase::Named,
            _ => Phase::Asked,
        };
    }
    let action = if is_known { Action::Hit } else { Action::Miss };
    to.push((action, next));
}

fn store(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let mut next = *state;
    let owner = match state.writers[i].session {
        // Its session is over: what it makes is nobody's.
        Session::Fenced => NONE,
        Session::Open | Session::None => i as u8,
    };
    let pack = Pack::made(
        state.writers[i].missing,
        owner,
        rules.packs_are_durable_first,
    );
    if let Some(index) = next.store(pack, rules) {
        let writer = &mut next.writers[i];
        (writer.pack, writer.phase) = (index, Phase::Stored);
        to.push((Action::Store, next));
    }
}

fn name(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let mut next = *state;
    let is_fenced = state.writers[i].session == Session::Fenced;
    if rules.fenced_packs_are_refused && is_fenced {
        next.give_up(i);
        to.push((Action::NameRefused, next));
        return;
    }
    next.name(state.writers[i].pack, rules);
    next.writers[i].phase = Phase::Named;
    to.push((Action::Name, next));
}

fn commit(state: &State, i: usize, rules: &Rules, to: &mut Vec<(Action, State)>) {
    let writer = state.writers[i];
    let mut next = *state;
    let is_void = rules.commits_have_a_base && state.replicas[i] != writer.base;
    let is_fenced = rules.fenced_commits_are_void && writer.session == Session::Fenced;
    if is_fenced || is_void {
        next.give_up(i);
        to.push((Action::CommitRefused, next));
        return;
    }
    if writer.phase == Phase::Stored {
        next.name(writer.pack, rules);
    }
    let gone = chunks(writer.wants).filter(|chunk| !next.is_safe(*chunk));
    let gone = gone.fold(0, |all, chunk| all | 1 << chunk);
    if rules.commits_look_again && gone != 0 {
        let writer = &mut next.writers[i];
        (writer.phase, writer.asks, writer.missing) = (Phase::Asking, gone, 0);
        to.push((Action::CommitAsksAgain, next));
        return;
    }
    let tree = writer.keeps | writer.wants;
    next.replicas[i] = tree;
    next.add_point(tree);
    next.give_up(i);
    to.push((Action::Commit, next));
}

fn trouble(state: &State, i: usize, to: &mut Vec<(Action, State)>) {
    let writer = state.writers[i];
    if !matches!(writer.phase, Phase::Idle | Phase::Crashed) {
        let mut next = *state;
        next.writers[i] = Writer {
            phase: Phase::Crashed,
            session: writer.session,
            ..Writer::idle(writer.left)
        };
        to.push((Action::Crash, next));
    }
    if writer.phase == Phase::Crashed && writer.session != Session::Open {
        let mut next = *state;
        next.give_up(i);
        to.push((Action::Restart, next));
    }
    if writer.session == Session::Open && state.left.fences > 0 {
        let mut next = *state;
        next.left.fences -= 1;
        next.end_session(i, Session::Fenced);
        to.push((Action::Fence, next));
    }
}

fn people(state: &State, to: &mut Vec<(Action, State)>) {
    for point in state.different_points() {
        if state.left.deletions > 0 {
            let mut next = *state;
            next.left.deletions -= 1;
            next.remove_point(point);
            to.push((Action::DeletePoint, next));
        }
        if state.left.reads > 0 && state.reads == 0 {
            let mut next = *state;
            next.left.reads -= 1;
            next.reads = point;
            to.push((Action::Read, next));
        }
    }
    for i in 0..WRITERS {
        if state.left.drops > 0 && state.replicas[i] != 0 {
            let mut next = *state;
            next.left.drops -= 1;
            next.replicas[i] = 0;
            to.push((Action::DropReplica, next));
        }
    }
    if state.reads != 0 {
        let mut next = *state;
        next.reads = 0;
        to.push((Action::ReadEnds, next));
    }
}

const _: () = assert!(CHUNKS == 3, "WANTS has the sets of three chunks");
