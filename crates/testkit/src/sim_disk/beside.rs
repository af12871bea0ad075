//! Files that were stored one after the other, as threads that store them at once would have.

use std::collections::HashSet;
use std::ops::Range;

use super::state::{DirId, FileId, Op};
use crate::Dice;

/// Mixes the operations that store files one right after the other in some directories, up to `width` files at once. Of each
/// file they stay in their order.
pub(super) fn mix(ops: &mut [Op], dirs: &HashSet<DirId>, width: usize, dice: &mut Dice) {
    let mut at = 0;
    while at < ops.len() {
        let mut runs = Vec::new();
        while runs.len() < width
            && let Some(run) = stored(ops, at, dirs)
        {
            at = run.end;
            runs.push(run);
        }
        match (runs.first(), runs.last()) {
            (Some(first), Some(last)) if runs.len() > 1 => {
                let range = first.start..last.end;
                let mixed = merged(ops, &runs, dice);
                ops[range].clone_from_slice(&mixed);
            }
            (Some(_), _) => {}
            _ => at += 1,
        }
    }
}

/// Returns the operations from one on that store a file in one of the directories, to the sync of its directory.
fn stored(ops: &[Op], at: usize, dirs: &HashSet<DirId>) -> Option<Range<usize>> {
    let Op::NewFile { file: new } = ops.get(at)? else {
        return None;
    };
    let (mut place, mut drafts) = (None, None);
    for (i, op) in ops.iter().enumerate().skip(at + 1) {
        match op {
            Op::Link { dir, file, .. } if file == new && dirs.contains(dir) => place = Some(*dir),
            Op::Link { dir, file, .. } if file == new => drafts = Some(*dir),
            Op::Unlink { dir, .. } if drafts == Some(*dir) => {}
            Op::SyncDir { dir } if place == Some(*dir) => return Some(at..i + 1),
            _ if file_of(op) == Some(*new) => {}
            _ => return None,
        }
    }
    None
}

fn file_of(op: &Op) -> Option<FileId> {
    match op {
        Op::Write { file, .. } | Op::SyncFile { file } | Op::SyncUnnamed { file } => Some(*file),
        _ => None,
    }
}

fn merged(ops: &[Op], runs: &[Range<usize>], dice: &mut Dice) -> Vec<Op> {
    let mut left: Vec<Range<usize>> = runs.to_vec();
    let mut out = Vec::new();
    while !left.is_empty() {
        let i = dice.index(left.len());
        match left[i].next() {
            Some(op) => out.push(ops[op].clone()),
            None => drop(left.remove(i)),
        }
    }
    out
}
