//! `kill -9` at any moment, and the signals that ask: nothing is lost, nothing is half, nothing is done twice.
//!
//! When a run is killed is drawn from a seed, spread over the time that a whole run takes here; what happens is then up
//! to the machine, so no test says how far a killed run came, only what must hold wherever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testkit::Dice;
use testkit::trees::{self, Shape, describe};

use crate::program::Place;

/// What a tree was: everything `describe` says, with a hash of every content.
type Tree = BTreeMap<String, String>;

/// A source under fire, and what must be found in its points.
struct Siege {
    place: Place,
    source: PathBuf,
    seed: u64,
    dice: Dice,
    kept: BTreeMap<String, Tree>,
    kills: usize,
    /// How long an undisturbed run takes.
    whole: Duration,
}

impl Siege {
    fn new(seed: u64, shape: Shape) -> Self {
        let place = Place::new();
        let source = place.directory("source");
        trees::build(&source, seed, shape).unwrap();
        // Said whenever the test fails: it is all that repeats the run.
        println!("seed {seed}");
        Self {
            place,
            source,
            seed,
            dice: Dice::new(seed),
            kept: BTreeMap::new(),
            kills: 0,
            whole: Duration::ZERO,
        }
    }

    /// Makes a point undisturbed, and learns how long that takes.
    fn complete(&mut self) -> String {
        let clock = base::Env::system().clock;
        let began = clock.since_boot();
        let point = self.place.point("source");
        self.whole = clock.since_boot() - began;
        self.kept
            .insert(point.clone(), describe(&self.source).unwrap());
        self.no_leftovers();
        point
    }

    /// Alters the source, and gives it new bytes for a few packs.
    fn change(&mut self, round: u64) {
        trees::change(&self.source, self.seed * 1000 + round, 8).unwrap();
        let fresh = self.dice.bytes(3 << 20);
        fs::write(self.source.join(format!("fresh{}", round % 3)), fresh).unwrap();
    }

    /// Starts a command, kills it somewhere in the time of a whole run, and returns whether it was still there to be killed.
    fn kill(&mut self, words: &[&str], whole: Duration) -> bool {
        let child = self.place.start(words);
        let status = end(child, self.delay(whole), Signal::KILL);
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "seed {}: {status}", self.seed);
        self.kills += usize::from(killed);
        killed
    }

    /// Makes the time of a whole run shorter if one was over before its signal, longer if it had not begun: what was measured
    /// at first was beside other tests.
    fn learn(&mut self, was_over: bool) {
        self.whole = match was_over {
            true => self.whole * 3 / 4,
            false => self.whole * 9 / 8,
        };
    }

    fn delay(&mut self, whole: Duration) -> Duration {
        let nanoseconds = u64::try_from(whole.as_nanos()).unwrap();
        Duration::from_nanos(self.dice.below(nanoseconds + 1))
    }

    /// Lists the points right after a run that made one or not. Returns whether it did; that one must be what the
    /// source is now.
    fn made_one(&mut self) -> bool {
        let listed: BTreeSet<String> = self.place.points().into_iter().collect();
        let known: BTreeSet<String> = self.kept.keys().cloned().collect();
        assert!(
            listed.is_superset(&known),
            "seed {}: points are lost",
            self.seed
        );
        let new: Vec<&String> = listed.difference(&known).collect();
        assert!(new.len() <= 1, "seed {}: {new:?}", self.seed);
        for point in &new {
            self.kept
                .insert((*point).clone(), describe(&self.source).unwrap());
        }
        !new.is_empty()
    }

    /// Restores a point completely and compares it with what was kept of it.
    fn check(&self, point: &str) {
        let restored = self.place.restore("source", point, "restored");
        self.compare(&restored, point);
        fs::remove_dir_all(restored).unwrap();
    }

    fn compare(&self, restored: &Path, point: &str) {
        let found = describe(restored).unwrap();
        for (path, line) in &self.kept[point] {
            assert_eq!(
                found.get(path),
                Some(line),
                "seed {}: {path} of {point}",
                self.seed
            );
        }
        assert_eq!(
            found.len(),
            self.kept[point].len(),
            "seed {}: more in {point}",
            self.seed
        );
    }

    fn check_any(&mut self) {
        let points: Vec<String> = self.kept.keys().cloned().collect();
        let point = &points[self.dice.index(points.len())];
        self.check(point);
    }

    /// Fails if the pool holds files that are not yet objects: a killed run leaves some, the next one removes them.
    fn no_leftovers(&self) {
        let left: Vec<_> = match fs::read_dir(self.place.path("data/pool/.tmp")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        };
        assert_eq!(left, Vec::<PathBuf>::new(), "seed {}", self.seed);
    }

    /// Waits until the pool holds so many packs of data, or the run is over.
    fn wait_for_packs(&self, count: usize, run: &mut Child) {
        let shelves = || fs::read_dir(self.place.path("data/pool/packs"));
        let in_shelf = |shelf: PathBuf| fs::read_dir(shelf).unwrap().count();
        let durable = || shelves().map_or(0, |all| all.map(|s| in_shelf(s.unwrap().path())).sum());
        while durable() < count && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn pool_bytes(&self) -> u64 {
        self.place.json(&["pool", "status"])["bytes"]
            .as_u64()
            .unwrap()
    }
}

/// Sends a signal to a process after a while, and returns how it ended.
fn end(mut child: Child, delay: Duration, signal: Signal) -> ExitStatus {
    std::thread::sleep(delay);
    // A child that has ended but was not waited for keeps its number.
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap()
}

fn backups_are_killed(seed: u64, kills: usize) {
    let mut siege = Siege::new(seed, Shape::default());
    siege.complete();
    let mut round = 0;
    while siege.kills < kills {
        round += 1;
        assert!(
            round < 5 * kills as u64,
            "seed {seed}: runs end before they can be killed"
        );
        siege.change(round);
        let whole = siege.whole;
        let killed = siege.kill(&["protect", "source"], whole);
        siege.learn(!killed);
        // The next command works at once, and sees a whole point or none.
        assert!(
            siege.made_one() || killed,
            "seed {seed}: a run that succeeded made no point"
        );
        match round % 6 {
            2 | 4 => siege.check_any(),
            0 => drop(siege.complete()),
            _ => {}
        }
    }
    siege.complete();
    for point in siege.kept.keys() {
        siege.check(point);
    }
    println!(
        "{} kills in {round} rounds, {} points",
        siege.kills,
        siege.kept.len()
    );
}

#[test]
fn backups_killed_at_any_moment_lose_nothing() {
    backups_are_killed(101, 30);
}

#[test]
fn other_backups_killed_at_any_moment_lose_nothing() {
    backups_are_killed(102, 30);
}

#[test]
fn what_was_durable_is_not_stored_twice() {
    let seed = 103;
    let shape = Shape {
        dirs: 3,
        files: 60,
        large_bytes: 1 << 20,
    };
    let mut undisturbed = Siege::new(seed, shape);
    let mut siege = Siege::new(seed, shape);
    for i in 0..96 {
        let bytes = undisturbed.dice.bytes(1 << 20);
        for source in [&undisturbed.source, &siege.source] {
            fs::write(source.join(format!("large{i}")), &bytes).unwrap();
        }
    }
    undisturbed.complete();
    // Killed when one pack more than before is durable: each run that begins anew would leave one that nobody needs.
    for packs in 1..=4 {
        let mut child = siege.place.start(&["protect", "source"]);
        siege.wait_for_packs(packs, &mut child);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "seed {seed}: six packs are not stored at once"
        );
        siege.kills += 1;
    }
    siege.complete();
    // Whatever a killed run had not yet made durable was never in the pool, so that nothing but small change is there twice.
    let slack = 1 << 20;
    let (whole, bytes) = (undisturbed.pool_bytes(), siege.pool_bytes());
    println!("{bytes} bytes after {} kills, {whole} without", siege.kills);
    assert!(
        bytes <= whole + siege.kills as u64 * slack,
        "{bytes} bytes after {} kills, {whole} without",
        siege.kills
    );
    for point in siege.kept.keys() {
        siege.check(point);
    }
}

#[test]
fn restores_killed_at_any_moment_are_completed_by_the_next() {
    let seed = 104;
    let mut siege = Siege::new(
        seed,
        Shape {
            large_bytes: 8 << 20,
            ..Shape::default()
        },
    );
    siege.change(0);
    let point = siege.complete();
    let restore = ["restore", "source", "--to", "target"];
    let clock = base::Env::system().clock;
    let began = clock.since_boot();
    siege.check(&point);
    siege.whole = (clock.since_boot() - began) / 2;
    let mut round = 0;
    while siege.kills < 12 {
        round += 1;
        assert!(
            round < 60,
            "seed {seed}: restores end before they can be killed"
        );
        for _ in 0..1 + round % 3 {
            let whole = siege.whole;
            let killed = siege.kill(&restore, whole);
            siege.learn(!killed);
        }
        siege.place.dozo(0, &restore);
        let target = siege.place.path("target");
        siege.compare(&target, &point);
        fs::remove_dir_all(target).unwrap();
    }
    println!("{} kills", siege.kills);
}

#[test]
fn garbage_collections_killed_at_any_moment_lose_nothing() {
    let seed = 106;
    let mut siege = Siege::new(seed, Shape::default());
    siege.complete();
    let clock = base::Env::system().clock;
    let mut round = 0;
    let mut whole = Duration::ZERO;
    while siege.kills < 20 {
        round += 1;
        assert!(
            round < 100,
            "seed {seed}: collections end before they can be killed"
        );
        siege.change(round);
        siege.complete();
        // The oldest go: what only they needed is dead, among what the others need.
        let points = siege.place.points();
        for point in points.iter().skip(2) {
            siege.place.dozo(0, &["point", "delete", point]);
            siege.kept.remove(point);
        }
        if whole.is_zero() {
            let began = clock.since_boot();
            siege.place.dozo(0, &["pool", "gc"]);
            whole = clock.since_boot() - began;
            continue;
        }
        let killed = siege.kill(&["pool", "gc"], whole);
        whole = match killed {
            true => whole * 9 / 8,
            false => whole * 3 / 4,
        };
        assert!(!siege.made_one(), "seed {seed}");
        match round % 3 {
            0 => siege.check_any(),
            1 => drop(siege.place.dozo(0, &["pool", "verify"])),
            _ => drop(siege.place.dozo(0, &["pool", "gc"])),
        }
    }
    siege.place.dozo(0, &["pool", "gc"]);
    siege.place.dozo(0, &["pool", "verify"]);
    for point in siege.kept.keys() {
        siege.check(point);
    }
    println!("{} kills in {round} rounds", siege.kills);
}

#[test]
fn a_run_that_is_asked_to_stop_leaves_no_half_point() {
    let seed = 105;
    let mut siege = Siege::new(seed, Shape::default());
    siege.complete();
    let mut stopped = 0;
    let mut round = 0;
    while stopped < 6 {
        round += 1;
        assert!(
            round < 80,
            "seed {seed}: runs end before they can be stopped"
        );
        siege.change(round);
        let child = siege.place.start(&["protect", "source"]);
        let delay = siege.delay(siege.whole);
        let signal = [Signal::INT, Signal::TERM][round as usize % 2];
        let status = end(child, delay, signal);
        let made = siege.made_one();
        match (status.code(), status.signal()) {
            (Some(0), None) => {
                assert!(made, "seed {seed}");
                siege.learn(true);
            }
            // Asked before it listened: it ends as every program does.
            (None, Some(number)) => {
                assert!(number == signal.as_raw() && !made, "seed {seed}: {status}");
                siege.learn(false);
            }
            (Some(1), None) => stopped += 1,
            _ => panic!("seed {seed}: {status}"),
        }
    }
    assert!(
        stopped > 0,
        "seed {seed}: no run was stopped while it worked"
    );
    siege.complete();
    // Nothing is left to do for the next one.
    siege.place.nothing_new("source");
    siege.check_any();
    println!("{stopped} of {round} stopped");
}
