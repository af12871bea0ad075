//! Every crash point of a few synchronizations, with everything a power cut may leave at each (R2, R3, R5; T4).
//!
//! The real opening runs on every state; every listed point is read back in full and compared with the model; what was
//! acknowledged before the crash is there; and the store goes on: another backup works and survives another crash.

use std::sync::Arc;

use base::{Env, PointId, SourceId};
use objects::{Local, Objects};
use store::{CommitSpec, Store};
use testkit::{Dice, Knobs, SimDisk};

use crate::collect::collect;
use crate::misorder::{Misorder, Misordered};
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

/// As [`place`], written out of order.
fn misplace(disk: &SimDisk, order: Option<Misorder>) -> Arc<dyn Objects> {
    let Some(order) = order else {
        return place(disk);
    };
    let local = Local::open(disk.clone()).expect("a disk that opens");
    Arc::new(Misordered::new(local, order))
}

/// Contents a source goes through: small files, some of them in chunks, a chunk that comes back, and what was in the same pack
/// and does not.
fn contents() -> Vec<Files> {
    let mut dice = Dice::new(1);
    let (a, b) = (dice.bytes(3000), dice.bytes(5000));
    vec![
        files(&[
            ("a", &a),
            ("dir/small", b"small"),
            ("most", &dice.bytes(9000)),
        ]),
        files(&[
            ("a", &b),
            ("dir/small", b"small"),
            ("new", &dice.bytes(900)),
        ]),
        files(&[("a", &b), ("dir/other", b"other")]),
        files(&[("a", &a), ("dir/other", b"other"), ("z", &dice.bytes(700))]),
    ]
}

/// One point; then, recorded: a point, a synchronization, an abandoned session, a point, the first point deleted, and what
/// that leaves collected.
fn history(knobs: Knobs) -> History {
    history_in(knobs, None)
}

fn history_in(knobs: Knobs, order: Option<Misorder>) -> History {
    let (env, _) = testkit::env(1);
    let disk = SimDisk::new();
    let key = Key::new(&env);
    let source = SourceId::random(&env);
    let states = contents();
    let store = key.create(misplace(&disk, order), &env);
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
    let collected = collect(&store).expect("collected");
    assert!(collected.packs > 1 && collected.copied_bytes > 0);
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
        if let Some(what) = violation(&store, &known, &self.states) {
            return Some(format!("after going on: {what}"));
        }
        if let Err(fault) = collect(&store) {
            return Some(format!("nothing can be collected: {fault:?}"));
        }
        violation(&store, &known, &self.states).map(|what| format!("after collecting: {what}"))
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
    let (visited, first) = history.explore(97);
    assert_eq!(first, None);
    println!("{visited} states with named drafts");
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

/// Reopens what each kill left, goes on, and cuts the power right after the acknowledgement; returns the first violation.
fn killed_and_cut(history: &History, order: Option<Misorder>) -> Option<String> {
    let (env, _) = testkit::env(3);
    // All content that the killed sessions had brought, so that what they left is relied upon.
    let next: Files = history.states.iter().flat_map(Files::clone).collect();
    let mut visited = 0;
    for k in 0..=history.disk.ops() {
        let killed = history.disk.killed_at(k);
        let store = history.key.open(misplace(&killed, order), &env);
        let store = store.expect("opened");
        let made = history.go_on(&store, &next).expect("a backup");
        let mut known = history.known(k);
        known.push((made, &next));
        drop(store);
        for state in killed.crash_states(killed.ops(), 1) {
            let what = match history.key.open(place(&state), &env) {
                Ok(store) => violation(&store, &known, &history.states),
                Err(fault) => Some(format!("the store does not open: {fault:?}")),
            };
            if let Some(what) = what {
                return Some(format!("killed after {k}, then {}: {what}", state.origin()));
            }
            visited += 1;
        }
    }
    println!("{visited} states after kills");
    None
}

#[test]
fn what_a_killed_writer_left_is_durable_before_it_is_relied_upon() {
    let history = history(Knobs::default());
    assert_eq!(killed_and_cut(&history, None), None);
}

#[test]
fn a_power_cut_while_what_a_killed_writer_left_is_taken_over_breaks_nothing() {
    let history = history(Knobs::default());
    let (env, _) = testkit::env(4);
    let mut visited = 0;
    for k in 0..=history.disk.ops() {
        let killed = history.disk.killed_at(k);
        drop(history.key.open(place(&killed), &env).expect("opened"));
        for cut in k..=killed.ops() {
            for state in killed.crash_states(cut, 1).step_by(3) {
                let at = format!("killed after {k}, then {}", state.origin());
                let store = history.key.open(place(&state), &env);
                let store = store.unwrap_or_else(|fault| panic!("{at}: {fault:?}"));
                let what = violation(&store, &history.known(k), &history.states);
                assert_eq!(what, None, "{at}");
                visited += 1;
            }
        }
    }
    println!("{visited} states after kills and cuts");
}

#[test]
fn without_settling_what_was_found_the_crash_test_finds_violations() {
    let history = history(Knobs::default());
    assert!(killed_and_cut(&history, Some(Misorder::NothingSettles)).is_some());
}

/// Returns what the crash test says of a store that writes out of order.
fn first_violation(order: Misorder) -> String {
    let history = history_in(Knobs::default(), Some(order));
    let (_, first) = history.explore(1);
    first.unwrap_or_else(|| panic!("{order:?} goes unnoticed"))
}

#[test]
fn packs_written_after_the_record_are_noticed() {
    for order in [Misorder::PacksAfterRecord, Misorder::TreesAfterRecord] {
        let what = first_violation(order);
        assert!(what.contains("is not readable"), "{order:?}: {what}");
    }
}

#[test]
fn a_point_written_after_its_record_is_noticed() {
    let what = first_violation(Misorder::PointAfterRecord);
    assert!(what.contains("has no object"), "{what}");
}

#[test]
fn a_record_acknowledged_before_it_is_durable_is_noticed() {
    let what = first_violation(Misorder::RecordLate);
    assert!(what.contains("is lost"), "{what}");
}
