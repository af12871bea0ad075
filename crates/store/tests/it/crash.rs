//! Every crash point of a few synchronizations, with everything a power cut may leave at each (R2, R3, R5; T4).
//!
//! The real opening runs on every state; every listed point is read back in full and compared with the model; what was
//! acknowledged before the crash is there; and the store goes on: another backup works and survives another crash.

use std::sync::Arc;

use base::{Env, PointId, SourceId};
use objects::{Local, Objects};
use store::{CommitSpec, Store};
use testkit::{Dice, Knobs, SimDisk};

use crate::model::{Files, Key, backup, files, read, violation, write};

/// A point that exists for sure when `from` operations were done, and until `to` were.
struct Promise {
    from: usize,
    to: usize,
    point: PointId,
    content: usize,
}

/// What happened on a disk, and what was promised when.
struct History {
    disk: SimDisk,
    key: Key,
    source: SourceId,
    states: Vec<Files>,
    promises: Vec<Promise>,
}

fn place(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(Local::open(disk.clone()).expect("a disk that opens"))
}

/// Contents a source goes through: small files, some of them in chunks, and a chunk that comes back.
fn contents() -> Vec<Files> {
    let mut dice = Dice::new(1);
    let (a, b) = (dice.bytes(3000), dice.bytes(5000));
    vec![
        files(&[("a", &a), ("dir/small", b"small")]),
        files(&[
            ("a", &b),
            ("dir/small", b"small"),
            ("new", &dice.bytes(900)),
        ]),
        files(&[("a", &b), ("dir/other", b"other")]),
        files(&[("a", &a), ("dir/other", b"other"), ("z", &dice.bytes(700))]),
    ]
}

/// One point; then, recorded: a point, a synchronization, an abandoned session, a point, and the first point deleted.
fn history(knobs: Knobs) -> History {
    let (env, _) = testkit::env(1);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let states = contents();
    let store = key.create(place(&disk), &env);
    let first = backup(&store, source, &Files::new(), &states[0]).expect("a first backup");
    disk.checkpoint();
    disk.set(knobs);

    let end = usize::MAX;
    let mut promises = vec![promise(0, &first.point.expect("a point").id, 0)];
    let second = backup(&store, source, &states[0], &states[1]).expect("a second backup");
    promises.push(promise(disk.ops(), &second.point.expect("a point").id, 1));
    let session = store.begin(source, Some(second.root)).expect("a session");
    write(&session, &states[1], &states[2]).expect("written");
    let third = session
        .commit(CommitSpec::sync_only())
        .expect("synchronized");
    let session = store.begin(source, Some(third.root)).expect("a session");
    write(&session, &states[2], &states[3]).expect("written");
    session.abandon();
    let fourth = backup(&store, source, &states[2], &states[3]).expect("a fourth backup");
    promises.push(promise(disk.ops(), &fourth.point.expect("a point").id, 3));
    promises[0].to = disk.ops();
    let deleted = promises[0].point;
    store.delete_point(&deleted).expect("deleted");
    assert!(promises.iter().skip(1).all(|promise| promise.to == end));
    History {
        disk,
        key,
        source,
        states,
        promises,
    }
}

fn promise(from: usize, point: &PointId, content: usize) -> Promise {
    Promise {
        from,
        to: usize::MAX,
        point: *point,
        content,
    }
}

impl History {
    /// Returns the points that must be there when the first `k` operations were done.
    fn known(&self, k: usize) -> Vec<(PointId, &Files)> {
        let holds = |promise: &&Promise| promise.from <= k && k <= promise.to;
        let promises = self.promises.iter().filter(holds);
        promises
            .map(|promise| (promise.point, &self.states[promise.content]))
            .collect()
    }

    /// Opens what a crash at `k` left, and says what is wrong with it.
    fn broken(&self, disk: &SimDisk, k: usize, env: &Env) -> Option<String> {
        let store = match self.key.open(place(disk), env) {
            Ok(store) => store,
            Err(fault) => return Some(format!("the store does not open: {fault:?}")),
        };
        let mut known = self.known(k);
        if let Some(what) = violation(&store, &known, &self.states) {
            return Some(what);
        }
        let next = files(&[("a", &[9; 1000]), ("after", b"the crash")]);
        let made = match self.go_on(&store, &next) {
            Ok(point) => point,
            Err(what) => return Some(what),
        };
        known.push((made, &next));
        violation(&store, &known, &self.states).map(|what| format!("after going on: {what}"))
    }

    /// Backs `next` up on a reopened store.
    fn go_on(&self, store: &Store, next: &Files) -> Result<PointId, String> {
        let failed = |fault| format!("the store does not go on: {fault:?}");
        let replica = store.replica(&self.source).map_err(failed)?;
        let replica = replica.ok_or("the replica is lost")?;
        let before = read(store, &replica.root).map_err(failed)?;
        let made = backup(store, self.source, &before, next).map_err(failed)?;
        Ok(made.point.ok_or("no point was made")?.id)
    }

    /// Visits every state of every crash point, or one in `step`; returns how many there were and the first
    /// violation.
    fn explore(&self, step: usize) -> (usize, Option<String>) {
        let (env, _) = testkit::env(2);
        let mut visited = 0;
        for k in 0..=self.disk.ops() {
            let states = self.disk.crash_states(k, 1).step_by(step);
            for state in states.chain([self.disk.killed_at(k)]) {
                visited += 1;
                if let Some(what) = self.broken(&state, k, &env) {
                    let at = state.origin();
                    return (visited, Some(format!("{at}: {what}\n{:?}", self.disk)));
                }
            }
        }
        (visited, None)
    }
}

#[test]
fn no_crash_loses_an_acknowledged_point_or_shows_a_broken_one() {
    let history = history(Knobs::default());
    let (visited, first) = history.explore(1);
    assert_eq!(first, None);
    assert!(visited > 150, "only {visited} states");
    println!("{visited} states of {} crash points", history.disk.ops());
}

#[test]
fn drafts_with_names_survive_crashes_as_well() {
    let history = history(Knobs {
        named_drafts: true,
        ..Knobs::default()
    });
    // Names in the directory of drafts are never synced, so that thousands of states differ in them alone.
    assert_eq!(history.explore(97).1, None);
}

#[test]
fn without_syncing_files_the_crash_test_finds_violations() {
    let history = history(Knobs {
        ignore_file_sync: true,
        ..Knobs::default()
    });
    assert!(history.explore(1).1.is_some());
}

#[test]
fn without_syncing_directories_the_crash_test_finds_violations() {
    let history = history(Knobs {
        ignore_dir_sync: true,
        ..Knobs::default()
    });
    assert!(history.explore(1).1.is_some());
}

#[test]
fn what_a_killed_writer_left_is_durable_before_it_is_relied_upon() {
    let history = history(Knobs::default());
    let (env, _) = testkit::env(3);
    for k in 0..=history.disk.ops() {
        let killed = history.disk.killed_at(k);
        let store = history.key.open(place(&killed), &env).expect("opened");
        let next = files(&[("a", &[9; 1000])]);
        let made = history.go_on(&store, &next).expect("a backup");
        let mut known = history.known(k);
        known.push((made, &next));
        drop(store);
        // The power goes, right after the acknowledgement.
        for state in killed.crash_states(killed.ops(), 1) {
            let store = history.key.open(place(&state), &env).expect("opened");
            let what = violation(&store, &known, &history.states);
            assert_eq!(what, None, "killed after {k}, then {}", state.origin());
        }
    }
}
