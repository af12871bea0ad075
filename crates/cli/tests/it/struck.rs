//! `kill -9` at each durable step of everything that changes something: nothing that was acknowledged is lost, and the next run completes.
//!
//! A step is an object that appears in the pool or goes, or a change to the catalog: the kernel tells of it (inotify), and the
//! program is killed right then, or a moment later. It begins again from the same data for the next step, until all of them
//! were visited or as many as were asked for, spread over the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use testkit::Dice;
use testkit::trees::{self, Shape, describe};

use crate::program::{Answer, Place, shell};

/// What a tree was: everything `describe` says, with a hash of every content.
type Tree = BTreeMap<String, String>;

/// Something that is killed, and what must hold afterwards.
struct Deed {
    name: &'static str,
    words: &'static [&'static str],
    /// Makes what it begins with.
    prepare: fn(&mut Victim),
    /// The exit codes of the next run, which finds it done in part, or altogether.
    exits: &'static [i32],
    /// What must hold after that.
    done: fn(&Victim),
}

/// The point that [`Deed::words`] mean by `POINT`.
const OLDEST: &str = "POINT";

/// What makes, reads and deletes points.
const POINT_DEEDS: &[Deed] = &[
    Deed {
        name: "backup",
        words: &["protect", "source"],
        prepare: |victim| victim.change(),
        exits: &[0],
        done: |_| {},
    },
    Deed {
        name: "restore",
        words: &["restore", "source", "--to", "target"],
        prepare: |victim| drop(victim.place.directory("target")),
        exits: &[0],
        done: Victim::target_is_complete,
    },
    Deed {
        name: "point delete",
        words: &["point", "delete", OLDEST],
        prepare: |_| {},
        exits: &[0, 4],
        done: |_| {},
    },
    Deed {
        name: "pool gc",
        words: &["pool", "gc"],
        prepare: Victim::delete_oldest,
        exits: &[0],
        done: |_| {},
    },
];

/// What concerns the pool and the server as a whole.
const POOL_DEEDS: &[Deed] = &[
    Deed {
        name: "pool verify",
        words: &["pool", "verify"],
        prepare: |victim| victim.damage(),
        exits: &[0, 3],
        done: |_| {},
    },
    Deed {
        name: "pool add",
        words: &["pool", "add", "big"],
        prepare: |victim| drop(victim.place.directory("big")),
        exits: &[0, 5],
        done: Victim::has_volume,
    },
    Deed {
        name: "pool drain",
        words: &["pool", "drain", "big"],
        prepare: |victim| victim.fill_volume(),
        exits: &[0],
        done: Victim::has_drained,
    },
    Deed {
        name: "pool remove",
        words: &["pool", "remove", "big"],
        prepare: |victim| {
            victim.fill_volume();
            victim.place.dozo(0, &["pool", "drain", "big"]);
        },
        exits: &[0, 4],
        done: Victim::has_no_volume,
    },
    Deed {
        name: "up",
        words: &["up", "--protect", "source", "--once"],
        prepare: |victim| victim.change(),
        exits: &[0],
        done: |_| {},
    },
];

/// A place whose program is killed.
struct Victim {
    place: Place,
    source: PathBuf,
    seed: u64,
    dice: Dice,
    changes: u64,
    kept: BTreeMap<String, Tree>,
    kills: usize,
}

impl Victim {
    fn new(seed: u64) -> Self {
        let place = Place::new();
        let source = place.directory("source");
        let shape = Shape {
            dirs: 3,
            files: 30,
            large_bytes: 300 << 10,
        };
        trees::build(&source, seed, shape).unwrap();
        let mut victim = Self {
            place,
            source,
            seed,
            dice: Dice::new(seed),
            changes: 0,
            kept: BTreeMap::new(),
            kills: 0,
        };
        victim.complete();
        victim.change();
        victim.complete();
        victim
    }

    /// Makes a point undisturbed.
    fn complete(&mut self) {
        let point = self.place.point("source");
        self.kept.insert(point, describe(&self.source).unwrap());
    }

    fn change(&mut self) {
        self.changes += 1;
        trees::change(&self.source, self.seed * 1000 + self.changes, 6).unwrap();
        let fresh = self.dice.bytes(400 << 10);
        fs::write(self.source.join("fresh"), fresh).unwrap();
    }

    fn delete_oldest(&mut self) {
        let point = self.place.points().pop().unwrap();
        self.place.dozo(0, &["point", "delete", &point]);
        self.kept.remove(&point);
    }

    /// Loses a sector of each pack of content.
    fn damage(&self) {
        for pack in packs(&self.place.path("data/pool")) {
            let mut bytes = fs::read(&pack).unwrap();
            let at = bytes.len() / 3;
            bytes[at..at + 512].fill(0);
            fs::remove_file(&pack).unwrap();
            fs::write(&pack, bytes).unwrap();
        }
    }

    /// Has a second volume, which holds all content.
    fn fill_volume(&self) {
        self.place.dozo(0, &["pool", "add", "big"]);
        let (from, to) = (self.place.path("data/pool"), self.place.path("big"));
        for pack in packs(&from) {
            fs::rename(&pack, to.join(pack.strip_prefix(&from).unwrap())).unwrap();
        }
    }

    /// Keeps a copy of what the program keeps.
    fn save(&self) {
        let line = "mkdir saved; rsync -a --exclude /saved --exclude /source ./ saved/";
        shell(line, &[], &self.place.path("."));
    }

    /// Makes everything what it was; directories stay themselves, as a volume knows its pool by that.
    fn put_back(&self) {
        let line = "rsync -a --delete --checksum --exclude /saved --exclude /source saved/ ./";
        shell(line, &[], &self.place.path("."));
    }

    /// Kills a deed at so many of its steps, and looks at what that leaves.
    fn kill(&mut self, deed: &Deed, kills: usize) {
        (deed.prepare)(self);
        self.save();
        let points = self.place.points();
        let words: Vec<&str> = deed
            .words
            .iter()
            .map(|word| match *word {
                OLDEST => points.last().unwrap().as_str(),
                word => word,
            })
            .collect();
        let whole = self.strike(&words, usize::MAX, Duration::ZERO).0;
        let began = self.kills;
        for n in 0..kills.min(whole) {
            self.put_back();
            let step = 1 + n * whole / kills.min(whole);
            let delay = Duration::from_micros([0, self.dice.below(3000)][n % 2]);
            let (_, status) = self.strike(&words, step, delay);
            let killed = status.signal() == Some(9);
            assert!(
                killed || deed.exits.contains(&status.code().unwrap()),
                "seed {}: {status}",
                self.seed
            );
            self.kills += usize::from(killed);
            println!(
                "seed {}: {} killed at step {step} of {whole}: {status}",
                self.seed, deed.name
            );
            self.look(deed, &words);
        }
        println!(
            "seed {}: {} kills in {} of {whole} steps",
            self.seed,
            self.kills - began,
            deed.name
        );
    }

    /// Runs the program until it did so many steps, kills it a moment later, and returns how many it did and how it ended.
    fn strike(&self, words: &[&str], steps: usize, delay: Duration) -> (usize, ExitStatus) {
        let watch = Watch::new(&[
            self.place.path("data"),
            self.place.path("big"),
            self.place.path("target"),
        ]);
        let mut child = self.place.start(words);
        let seen = watch.wait(steps, &mut child);
        std::thread::sleep(delay);
        // It has ended, or will: one that was not waited for keeps its number.
        child.kill().unwrap();
        (seen, child.wait().unwrap())
    }

    /// What was acknowledged is there and restores, the next run completes, and so does what it made.
    fn look(&self, deed: &Deed, words: &[&str]) {
        let found = self.listed();
        for point in self.kept.keys().filter(|point| !found.contains(*point)) {
            let is_meant = words == ["point", "delete", point];
            assert!(is_meant, "seed {}: {point} is lost", self.seed);
        }
        // Damaged packs are mended by the next run only.
        let is_damaged = deed.name == "pool verify";
        if !is_damaged {
            self.restore(&found);
        }
        let next = Answer::of(self.place.command(words).output().unwrap());
        let exit = next.exit.unwrap();
        assert!(
            deed.exits.contains(&exit),
            "seed {}: {}",
            self.seed,
            next.all()
        );
        let mut made = self.listed();
        if !is_damaged {
            made.retain(|point| !found.contains(point));
        }
        self.restore(&made);
        (deed.done)(self);
        if self.kills.is_multiple_of(4) {
            self.place.dozo(0, &["pool", "gc"]);
        }
        self.place.dozo(0, &["pool", "verify"]);
    }

    fn listed(&self) -> BTreeSet<String> {
        self.place.points().into_iter().collect()
    }

    fn target_is_complete(&self) {
        let target = describe(&self.place.path("target")).unwrap();
        let newest = self.place.points().remove(0);
        assert_eq!(target, self.kept[&newest], "seed {}", self.seed);
    }

    /// A run that comes after is refused because the volume is there already, and for nothing else.
    fn has_volume(&self) {
        let status = self.place.dozo(0, &["pool", "status"]).text();
        assert!(
            status.contains("big     ok"),
            "seed {}: {status}",
            self.seed
        );
    }

    fn has_drained(&self) {
        assert_eq!(
            packs(&self.place.path("big")),
            Vec::<PathBuf>::new(),
            "seed {}",
            self.seed
        );
    }

    fn has_no_volume(&self) {
        let status = self.place.dozo(0, &["pool", "status"]).text();
        assert!(!status.contains("VOLUME"), "seed {}: {status}", self.seed);
        // And what was one can be one again.
        self.place.dozo(0, &["pool", "add", "big"]);
        self.has_volume();
    }

    /// Restores points; one that nobody knows has to be what the source is.
    fn restore(&self, points: &BTreeSet<String>) {
        let source = describe(&self.source).unwrap();
        for point in points {
            let restored = self.place.restore("source", point, "restored");
            let expected = self.kept.get(point).unwrap_or(&source);
            assert_eq!(
                &describe(&restored).unwrap(),
                expected,
                "seed {}: {point}",
                self.seed
            );
            fs::remove_dir_all(restored).unwrap();
        }
    }
}

/// Returns the packs of content beneath a place.
fn packs(pool: &Path) -> Vec<PathBuf> {
    let shelves = fs::read_dir(pool.join("packs")).unwrap();
    let packs = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    packs.map(|pack| pack.unwrap().path()).collect()
}

/// Hears of steps.
struct Watch(OwnedFd);

impl Watch {
    fn new(roots: &[PathBuf]) -> Self {
        let watch = Self(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap());
        roots
            .iter()
            .filter(|root| root.is_dir())
            .for_each(|root| watch.add(root));
        watch
    }

    fn add(&self, directory: &Path) {
        let steps =
            WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
        inotify::add_watch(&self.0, directory, steps).unwrap();
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            // What is not durable, or can be lost, is no step.
            let is_passing = [".tmp", "cache", "run"]
                .iter()
                .any(|name| entry.file_name() == *name);
            if entry.file_type().unwrap().is_dir() && !is_passing {
                self.add(&entry.path());
            }
        }
    }

    /// Waits until there were so many steps or the program is over, and returns how many there were.
    fn wait(&self, steps: usize, child: &mut Child) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut seen = 0;
        loop {
            let is_over = child.try_wait().unwrap().is_some();
            while seen < steps && reader.next().is_ok() {
                seen += 1;
            }
            if seen >= steps || is_over {
                return seen;
            }
            let patience = Timespec {
                tv_sec: 0,
                tv_nsec: 5_000_000,
            };
            let mut heard = [PollFd::new(&self.0, PollFlags::IN)];
            poll(&mut heard, Some(&patience)).unwrap();
        }
    }
}

/// Kills every deed at so many of its steps, from seeds until there were `kills`.
fn strike(deeds: &[Deed], first: u64, kills: usize, each: usize) {
    let mut done = 0;
    for seed in first.. {
        for deed in deeds {
            let mut victim = Victim::new(seed);
            victim.kill(deed, each);
            done += victim.kills;
        }
        if done >= kills {
            println!("{done} kills, nothing lost");
            return;
        }
        assert!(seed < first + kills as u64, "{done} kills only");
    }
}

#[test]
fn whoever_is_killed_at_any_step_with_points_loses_nothing() {
    strike(POINT_DEEDS, 201, 52, 14);
}

#[test]
fn whoever_is_killed_at_any_step_with_the_pool_loses_nothing() {
    strike(POOL_DEEDS, 202, 52, 12);
}

#[test]
#[ignore = "an hour: every step of every deed, from many seeds"]
fn nothing_is_lost_in_five_thousand_kills() {
    std::thread::scope(|scope| {
        scope.spawn(|| strike(POINT_DEEDS, 301, 2500, usize::MAX));
        scope.spawn(|| strike(POOL_DEEDS, 401, 2500, usize::MAX));
    });
}
