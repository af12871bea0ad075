//! The change journal on real file systems: what it names is enough, and where it cannot know it says so.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use agent::backup::Report;
use agent::journal::{Ask, Journal, Missed};
use base::{ChunkId, SourceId, Timestamp, limits};
use format::entry::FileKey;
use sources::files::WalkOptions;
use testkit::{Dice, TempDir, tempdir, trees};

use crate::memory::{Memory, back_up_by};

/// A member that is synchronized by a journal.
struct Member {
    journal: Journal,
    memory: Memory,
    root: PathBuf,
    walk: WalkOptions,
    tree: Option<ChunkId>,
    now: Timestamp,
}

impl Member {
    /// Returns one that was synchronized once; `None`, said aloud, where changes cannot be followed.
    fn new(root: &Path) -> Option<Self> {
        let member = Self::unsynchronized(root)?;
        Some(member.synchronized())
    }

    fn unsynchronized(root: &Path) -> Option<Self> {
        match Journal::start() {
            Ok(journal) => Some(Self {
                journal,
                memory: Memory::default(),
                root: root.to_owned(),
                walk: WalkOptions::default(),
                tree: None,
                now: Timestamp::from_second(1_000_000_000).unwrap(),
            }),
            Err(error) => {
                eprintln!("SKIP (changes cannot be followed: {error})");
                None
            }
        }
    }

    fn synchronized(mut self) -> Self {
        let first = self.sync();
        assert_eq!(
            first.why.as_deref(),
            Some("changes are followed from now on")
        );
        self
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            source: SourceId([1; 16]),
            root: &self.root,
            walk: &self.walk,
            earlier: self.tree,
            everything: false,
            now: self.now,
        }
    }

    fn sync(&mut self) -> Synced {
        self.sync_with(|_| {})
    }

    /// Synchronizes; `meanwhile` happens when the run has begun.
    fn sync_with(&mut self, meanwhile: impl FnOnce(&Path)) -> Synced {
        let turn = self.journal.begin(&self.ask(), &self.memory);
        meanwhile(&self.root);
        let walk = WalkOptions {
            only: turn.only(),
            ..self.walk.clone()
        };
        let run = back_up_by(&self.memory, &self.root, self.tree, false, &walk);
        let why = turn.why().map(ToString::to_string);
        let ended = turn.done(run.root, &run.report);
        self.tree = Some(run.root);
        Synced {
            why,
            report: run.report,
            ended,
        }
    }

    /// Synchronizes by the journal, and checks that a look at everything finds nothing more.
    fn sync_by_journal(&mut self) -> Report {
        let report = self.sync().by_journal();
        self.assert_equal(&report);
        report
    }

    fn assert_equal(&self, report: &Report) {
        assert_equal(&self.memory, &self.root, self.tree, &self.walk, report);
    }
}

/// What a synchronization did.
pub(crate) struct Synced {
    /// Why it looked at everything, if it did.
    pub(crate) why: Option<String>,
    pub(crate) report: Report,
    pub(crate) ended: Result<(), Missed>,
}

impl Synced {
    /// Returns the report of one that looked at what the journal named, and nothing was amiss.
    pub(crate) fn by_journal(self) -> Report {
        assert_eq!(self.why, None);
        self.ended.expect("nothing was missed");
        self.report
    }
}

/// Reads everything below `root`, and checks that it is what `tree` has, and that a run reported as much.
pub(crate) fn assert_equal(
    memory: &Memory,
    root: &Path,
    tree: Option<ChunkId>,
    walk: &WalkOptions,
    report: &Report,
) {
    let check = back_up_by(memory, root, tree, true, walk).report;
    let differences = (check.changed, check.deleted, check.differed);
    assert_eq!(differences, (0, 0, 0), "found by a look at everything");
    let totals = |report: &Report| (report.entries, report.files, report.bytes);
    assert_eq!(totals(report), totals(&check), "entries, files and bytes");
}

pub(crate) fn tree_of(root: &Path, files: usize) {
    let shape = trees::Shape {
        dirs: files / 8,
        files,
        large_bytes: 700_000,
    };
    trees::build(root, 5, shape).unwrap();
}

/// Returns a directory and all those below it.
fn dirs_of(root: &Path) -> Vec<PathBuf> {
    let mut dirs = vec![root.to_owned()];
    let mut at = 0;
    while let Some(dir) = dirs.get(at).cloned() {
        at += 1;
        let found = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let mut found: Vec<_> = found
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.path())
            .collect();
        found.sort();
        dirs.extend(found);
    }
    dirs
}

/// Makes, moves and removes whole directories, links files, and replaces one kind of thing by another. `beside` is on the
/// same file system, outside of the source.
pub(crate) fn rearrange(root: &Path, beside: &Path, round: u64, dice: &mut Dice) {
    let dirs = dirs_of(root);
    let dir = dirs[dice.index(dirs.len())].clone();
    let other = dirs[dice.index(dirs.len())].clone();
    let new = |dir: &Path, what: &str| dir.join(format!("{what}{round}"));
    match dice.below(12) {
        0 => fs::create_dir_all(new(&dir, "made").join("deep/er")).unwrap(),
        1 | 2 if dir != root && !other.starts_with(&dir) => {
            fs::rename(&dir, new(&other, "moved")).unwrap();
        }
        3 if dir != root => {
            fs::remove_dir_all(&dir).unwrap();
            // Its inode may be the next to be used.
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("other"), "another directory").unwrap();
        }
        4 if dir != root => {
            fs::remove_dir_all(&dir).unwrap();
            fs::write(&dir, "a file in a directory's place").unwrap();
        }
        5 if dir != root => {
            // Changed while it is away, and back where it was.
            let away = new(beside, "away");
            fs::rename(&dir, &away).unwrap();
            fs::write(away.join(format!("changed{round}")), "while away").unwrap();
            fs::rename(&away, &dir).unwrap();
        }
        6 => {
            let away = new(beside, "in");
            fs::create_dir_all(away.join("from/outside")).unwrap();
            fs::write(away.join("from/file"), "from outside").unwrap();
            fs::rename(&away, new(&dir, "in")).unwrap();
        }
        7 if dir != root => fs::rename(&dir, new(beside, "out")).unwrap(),
        8 => {
            let file = new(&dir, "linked");
            fs::write(&file, vec![7; 3000]).unwrap();
            fs::hard_link(&file, new(&other, "link")).unwrap();
            fs::hard_link(&file, new(beside, "link")).unwrap();
        }
        9 => {
            // By a name that is not in the source.
            let link = fs::read_dir(beside)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let mut link: Vec<_> = link.filter(|path| path.is_file()).collect();
            link.sort();
            if let Some(link) = link.first() {
                match dice.once_in(2) {
                    true => fs::write(link, dice.bytes(2000)).unwrap(),
                    false => fs::remove_file(link).unwrap(),
                }
            }
        }
        10 => {
            symlink("target", new(&dir, "symlink")).unwrap();
            fs::set_permissions(&dir, PermissionsExt::from_mode(0o750)).unwrap();
        }
        _ => {
            for i in 0..30 {
                fs::write(dir.join(format!("many{round}-{i}")), dice.bytes(10)).unwrap();
            }
        }
    }
}

#[test]
fn what_the_journal_names_is_enough_whatever_happens() {
    for seed in 0..6 {
        let dir = tempdir().unwrap();
        let (root, beside) = (dir.path().join("root"), dir.path().join("beside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&beside).unwrap();
        tree_of(&root, 120);
        let Some(mut member) = Member::new(&root) else {
            return;
        };
        let mut dice = Dice::new(seed);
        let mut changed = 0;
        for round in 0..25 {
            for step in 0..dice.below(4) {
                rearrange(&root, &beside, round * 10 + step, &mut dice);
                trees::change(&root, seed * 1000 + round, 3).unwrap();
            }
            changed += member.sync_by_journal().changed;
        }
        assert!(changed > 100, "{changed}");
    }
}

#[test]
fn only_what_changed_is_looked_at() {
    let dir = tempdir().unwrap();
    for i in 0..4000 {
        let sub = dir.path().join(format!("{}", i % 40));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(i.to_string()), i.to_string()).unwrap();
    }
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    assert_eq!(member.sync().report.changed, 0);
    fs::write(dir.path().join("7/7"), "seven").unwrap();
    let report = member.sync_by_journal();
    assert_eq!(report.changed, 1);
    // The file, the way to it, and the sample with the ways to it.
    let most = limits::SAMPLED_ENTRIES as u64 + 50;
    assert!(
        report.looked <= most,
        "{} of {}",
        report.looked,
        report.entries
    );
    assert_eq!(report.entries, 4041);
}

#[test]
fn the_sample_comes_round_to_everything() {
    let dir = tempdir().unwrap();
    let entries = 3 * limits::SAMPLED_ENTRIES;
    for i in 0..entries {
        fs::write(dir.path().join(format!("{i:05}")), "x").unwrap();
    }
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    let mut looked = 0;
    for _ in 0..4 {
        looked += member.sync_by_journal().looked;
    }
    assert!(looked >= entries as u64, "{looked} of {entries}");
}

#[test]
fn a_run_that_is_not_finished_takes_nothing_away() {
    let dir = tempdir().unwrap();
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    fs::write(dir.path().join("file"), "new").unwrap();
    for _ in 0..3 {
        // It failed.
        drop(member.journal.begin(&member.ask(), &member.memory));
    }
    assert_eq!(
        member.sync_by_journal().changed,
        2,
        "the file and its directory"
    );
}

#[test]
fn what_changes_while_a_run_looks_is_for_the_next() {
    let dir = tempdir().unwrap();
    tree_of(dir.path(), 60);
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    for round in 0..10 {
        let synced = member.sync_with(|root| trees::change(root, round, 20).unwrap());
        assert_eq!(synced.why, None);
        synced.ended.expect("what just changed was not missed");
    }
    member.sync_by_journal();
}

#[test]
fn a_marker_that_comes_or_goes_is_heeded() {
    let dir = tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::write(at("a/b/c/file"), "file").unwrap();
    let Some(mut member) = Member::unsynchronized(dir.path()) else {
        return;
    };
    member.walk.exclude_if_present = vec![b".nobackup".to_vec()];
    member.walk.cachedir_tag = true;
    member.walk.exclude = vec!["*.tmp".to_owned()];
    let mut member = member.synchronized();
    fs::write(at("a/b/.nobackup"), "").unwrap();
    assert_eq!(member.sync_by_journal().entries, 4, "to the marker");
    fs::write(at("a/b/c/later"), "later").unwrap();
    fs::write(at("a/x.tmp"), "left out").unwrap();
    assert_eq!(member.sync_by_journal().entries, 4);
    fs::remove_file(at("a/b/.nobackup")).unwrap();
    assert_eq!(member.sync_by_journal().entries, 6);
    fs::write(at("a/b/CACHEDIR.TAG"), "no tag yet").unwrap();
    assert_eq!(member.sync_by_journal().entries, 7);
    let tag = "Signature: 8a477f597d28d172789f06886806bc55";
    fs::write(at("a/b/CACHEDIR.TAG"), tag).unwrap();
    assert_eq!(member.sync_by_journal().entries, 4);
}

#[test]
fn what_was_in_trouble_is_looked_at_again() {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    let turn = member.journal.begin(&member.ask(), &member.memory);
    let only = turn.only().unwrap();
    assert!(!only.touches(&["a", "b", "c"]));
    let key = FileKey::from_path(b"a/b").unwrap();
    let report = Report {
        unsettled: vec![key],
        ..Report::default()
    };
    turn.done(member.tree.unwrap(), &report).unwrap();
    let turn = member.journal.begin(&member.ask(), &member.memory);
    assert!(turn.only().unwrap().touches(&["a", "b", "c"]));
    let report = Report {
        unsettled: vec![FileKey::root(); limits::UNSETTLED_MAX + 1],
        ..Report::default()
    };
    turn.done(member.tree.unwrap(), &report).unwrap();
    assert_eq!(
        member.sync().why.as_deref(),
        Some("too many entries were in trouble")
    );
}

#[test]
fn whatever_speaks_against_the_journal_makes_the_run_look_at_everything() {
    let dir = tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("root/a")).unwrap();
    let Some(mut member) = Member::new(&at("root")) else {
        return;
    };
    let expect = |member: &mut Member, why: &str| {
        assert_eq!(member.sync().why.as_deref(), Some(why));
        member.sync_by_journal();
    };
    // Another directory in its place.
    fs::rename(at("root"), at("was")).unwrap();
    fs::create_dir_all(at("root/a")).unwrap();
    let replaced = "the source, or what is mounted below it, is not what it was";
    expect(&mut member, replaced);
    // Other rules.
    member.walk.exclude = vec!["x".to_owned()];
    expect(&mut member, "what is left out of the source has changed");
    // Another replica.
    fs::write(at("root/file"), "file").unwrap();
    let walk = WalkOptions::default();
    let other = back_up_by(&member.memory, &member.root, member.tree, false, &walk);
    member.tree = Some(other.root);
    expect(&mut member, "the replica was made by another run");
    // A day later, and with the clock set back.
    for hours in [24, -1000_i64] {
        member.now = after(member.now, hours);
        expect(&mut member, "everything is looked at once in 24 hours");
    }
    member.now = after(member.now, 23);
    member.sync_by_journal();
}

pub(crate) fn after(time: Timestamp, hours: i64) -> Timestamp {
    Timestamp::from_second(time.as_second() + hours * 3600).unwrap()
}

/// A directory that something is mounted on as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(kind: &str, options: &str, at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", kind, "-o", options, kind]).arg(at);
        mount
            .status()
            .is_ok_and(|s| s.success())
            .then(|| Self(at.to_owned()))
    }

    /// Unmounts, which must not be refused because of the journal.
    fn end(self) {
        let done = Command::new("umount").arg(&self.0).status().unwrap();
        std::mem::forget(self);
        assert!(done.success(), "nothing keeps it busy");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_file_system_mounted_anew_is_looked_at_whole_and_can_be_unmounted_before() {
    let dir: TempDir = tempdir().unwrap();
    let Some(mounted) = Mounted::new("tmpfs", "size=10m", dir.path()) else {
        eprintln!("SKIP (nothing can be mounted)");
        return;
    };
    fs::write(dir.path().join("old"), "old").unwrap();
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    member.sync_by_journal();
    // Remounted it is the same file system.
    let mut remount = Command::new("mount");
    remount.args(["-o", "remount,size=20m"]).arg(dir.path());
    assert!(remount.status().unwrap().success());
    fs::write(dir.path().join("new"), "new").unwrap();
    assert_eq!(member.sync_by_journal().changed, 2);
    mounted.end();
    let mounted = Mounted::new("tmpfs", "size=10m", dir.path()).unwrap();
    fs::write(dir.path().join("other"), "other").unwrap();
    let synced = member.sync();
    assert_eq!(synced.report.deleted, 2);
    assert!(synced.why.is_some());
    member.sync_by_journal();
    mounted.end();
}

#[test]
fn what_is_mounted_below_a_source_is_always_looked_at() {
    let dir: TempDir = tempdir().unwrap();
    let below = dir.path().join("a/mnt");
    fs::create_dir_all(&below).unwrap();
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    let Some(mounted) = Mounted::new("tmpfs", "size=10m", &below) else {
        eprintln!("SKIP (nothing can be mounted)");
        return;
    };
    let replaced = "the source, or what is mounted below it, is not what it was";
    assert_eq!(member.sync().why.as_deref(), Some(replaced));
    fs::create_dir(below.join("sub")).unwrap();
    fs::write(below.join("sub/file"), "file").unwrap();
    assert_eq!(member.sync_by_journal().changed, 3);
    mounted.end();
    assert_eq!(member.sync().why.as_deref(), Some(replaced));
    member.sync_by_journal();
}

#[test]
fn a_change_that_nobody_told_of_is_found_by_the_sample_and_ends_the_trust() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "before").unwrap();
    let Some(mut member) = Member::new(dir.path()) else {
        return;
    };
    fs::write(&path, "after").unwrap();
    // The run after the change ends with the tree that was before it: the journal believes that it has the change.
    let turn = member.journal.begin(&member.ask(), &member.memory);
    turn.done(member.tree.unwrap(), &Report::default()).unwrap();
    let synced = member.sync();
    assert_eq!(synced.why, None);
    let missed = synced.ended.expect_err("the sample holds it").0;
    assert_eq!(missed, [FileKey::from_path(b"file").unwrap()]);
    member.assert_equal(&synced.report);
    let synced = member.sync();
    assert_eq!(synced.why.as_deref(), Some("a change was missed before"));
}
