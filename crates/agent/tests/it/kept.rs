//! The change journal over kept snapshots, on a real btrfs image: what it names is enough, and where it cannot know it
//! says so.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use agent::backup::Report;
use agent::journal::Ask;
use agent::journal::kept::Keeper;
use base::{ChunkId, SourceId, Timestamp, limits};
use format::entry::FileKey;
use sources::files::WalkOptions;
use sources::snapshot::{View, take};
use testkit::{Dice, Image, runs, trees};

use crate::journal::{Synced, after, assert_equal, rearrange, tree_of};
use crate::memory::{Memory, back_up_by};

mod names;

const SOURCE: SourceId = SourceId([1; 16]);

/// A member that is synchronized by kept snapshots.
struct Member {
    keeper: Keeper,
    memory: Memory,
    root: PathBuf,
    records: PathBuf,
    walk: WalkOptions,
    tree: Option<ChunkId>,
    now: Timestamp,
    everything: bool,
}

impl Member {
    /// Returns one that was synchronized once. What it remembers is in a directory beside the image's own.
    fn new(image: &Image, root: &Path) -> Self {
        let mut member = Self::unsynchronized(image, root);
        let first = member.sync();
        assert_eq!(
            first.why.as_deref(),
            Some("no snapshot was kept to compare with")
        );
        member
    }

    fn unsynchronized(image: &Image, root: &Path) -> Self {
        let records = image.path().parent().unwrap().join("records");
        Self {
            keeper: Keeper::new(records.clone()),
            memory: Memory::default(),
            root: root.to_owned(),
            records,
            walk: WalkOptions::default(),
            tree: None,
            now: Timestamp::from_second(1_000_000_000).unwrap(),
            everything: false,
        }
    }

    /// Begins anew with nothing but what is on disk.
    fn restart(&mut self) {
        self.keeper = Keeper::new(self.records.clone());
    }

    fn view(&self) -> (View, WalkOptions) {
        let (view, why) = take(&self.root, self.walk.one_file_system);
        assert!(why.is_none(), "{why:?}");
        let walk = WalkOptions {
            device_as: view.device_as,
            ..self.walk.clone()
        };
        (view, walk)
    }

    fn sync(&mut self) -> Synced {
        self.sync_with(|_| {})
    }

    /// Synchronizes; `alter` may have its way with the report.
    fn sync_with(&mut self, alter: impl FnOnce(&mut Report)) -> Synced {
        let ask = Ask {
            source: SOURCE,
            root: &self.root,
            walk: &self.walk,
            earlier: self.tree,
            everything: self.everything,
            now: self.now,
        };
        let (view, walk) = self.view();
        let turn = self.keeper.begin(&ask, &view, &self.memory);
        let turn = turn.expect("a snapshot");
        let walk = WalkOptions {
            only: turn.only(),
            ..walk
        };
        let mut run = back_up_by(&self.memory, &view.path, self.tree, false, &walk);
        alter(&mut run.report);
        let why = turn.why().map(ToString::to_string);
        let ended = turn.done(run.root, &run.report, view);
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
        let (view, walk) = self.view();
        assert_equal(&self.memory, &view.path, self.tree, &walk, report);
    }

    fn expect(&mut self, why: &str) {
        assert_eq!(self.sync().why.as_deref(), Some(why));
        self.sync_by_journal();
    }
}

fn btrfs() -> Option<Image> {
    Image::mount("btrfs", 512).unwrap()
}

/// Returns the names of the snapshots that there are.
fn kept(mount: &Path) -> Vec<String> {
    let names = fs::read_dir(mount.join(".dozo-snapshots"));
    let names = names.into_iter().flatten();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_two_snapshots_differ_in_is_enough_whatever_happens() {
    for seed in 0..4 {
        let Some(image) = btrfs() else { return };
        let (root, beside) = (image.path().join("root"), image.path().join("beside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&beside).unwrap();
        tree_of(&root, 120);
        // A part of a subvolume, whose files have names elsewhere in it, and the whole.
        let source = match seed % 2 {
            0 => root.clone(),
            _ => image.path(),
        };
        let mut member = Member::new(&image, &source);
        let mut dice = Dice::new(seed);
        let mut changed = 0;
        for round in 0..25 {
            for step in 0..dice.below(4) {
                rearrange(&root, &beside, round * 10 + step, &mut dice);
                trees::change(&root, seed * 1000 + round, 3).unwrap();
            }
            if dice.once_in(2) {
                member.restart();
            }
            changed += member.sync_by_journal().changed;
            assert_eq!(kept(&image.path()).len(), 1);
        }
        assert!(changed > 100, "{changed}");
    }
}

#[test]
fn a_file_named_outside_below_a_directory_that_moved_is_found_in_the_source() {
    let Some(image) = btrfs() else { return };
    let at = |path: &str| image.path().join(path);
    // By the order of their inodes the kernel moves `x`, writes to the file by its name in `y`, then moves `y`: the file
    // never has that path in either snapshot.
    fs::create_dir_all(at("beside/x")).unwrap();
    fs::write(at("beside/file"), "before").unwrap();
    fs::create_dir(at("beside/x/y")).unwrap();
    fs::hard_link(at("beside/file"), at("beside/x/y/link")).unwrap();
    fs::create_dir(at("root")).unwrap();
    fs::hard_link(at("beside/file"), at("root/file")).unwrap();
    fs::remove_file(at("beside/file")).unwrap();
    let mut member = Member::new(&image, &at("root"));
    fs::rename(at("beside/x"), at("beside/x2")).unwrap();
    fs::rename(at("beside/x2/y"), at("beside/z")).unwrap();
    fs::write(at("beside/z/link"), "after").unwrap();
    assert_eq!(member.sync_by_journal().changed, 1);
}

#[test]
fn only_what_differs_is_looked_at_also_after_a_restart_and_a_mount() {
    let Some(image) = btrfs() else { return };
    for i in 0..4000 {
        let sub = image.path().join(format!("{}", i % 40));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(i.to_string()), i.to_string()).unwrap();
    }
    let mut member = Member::new(&image, &image.path());
    fs::write(image.path().join("7/7"), "seven").unwrap();
    member.restart();
    let report = member.sync_by_journal();
    assert_eq!(report.changed, 1);
    // The file, the way to it, and the sample with the ways to it.
    let most = limits::SAMPLED_ENTRIES as u64 + 50;
    let (looked, entries) = (report.looked, report.entries);
    assert!(looked <= most, "{looked} of {entries}");
    assert_eq!(entries, 4041);
    assert!(image.unmount(), "nothing keeps it busy");
    assert!(image.mount_again());
    fs::remove_file(image.path().join("8/8")).unwrap();
    let report = member.sync();
    // Its device may have another number now.
    assert!(report.why.is_none() || report.why.unwrap().contains("is not what it was"));
    assert_eq!(report.report.deleted, 1);
}

#[test]
fn a_snapshot_bears_the_names_of_its_source_and_its_tree_and_there_is_one() {
    let Some(image) = btrfs() else { return };
    fs::write(image.path().join("file"), "one").unwrap();
    let mut member = Member::new(&image, &image.path());
    for i in 0..3 {
        fs::write(image.path().join("file"), i.to_string()).unwrap();
        member.sync_by_journal();
        let tree = member.tree.unwrap();
        let names = kept(&image.path());
        let [name] = &names[..] else {
            panic!("{names:?}")
        };
        assert!(
            name.starts_with(&format!("kept-{SOURCE}-{tree}-")),
            "{name}"
        );
    }
    // What a run that was killed has left without a record.
    let hidden = image.path().join(".dozo-snapshots");
    let left = hidden.join(format!("kept-{SOURCE}-left"));
    let arguments = ["subvolume", "snapshot", "-r"].map(std::ffi::OsStr::new);
    let paths = [image.path().into_os_string(), left.into_os_string()];
    let arguments = arguments.iter().copied().chain(paths.iter().map(|p| &**p));
    assert!(runs("btrfs", arguments));
    assert_eq!(kept(&image.path()).len(), 2);
    member.sync_by_journal();
    assert_eq!(kept(&image.path()).len(), 1);
}

#[test]
fn a_run_that_is_not_finished_takes_nothing_away_and_leaves_nothing() {
    let Some(image) = btrfs() else { return };
    let mut member = Member::new(&image, &image.path());
    let before = kept(&image.path());
    fs::write(image.path().join("file"), "new").unwrap();
    for _ in 0..3 {
        let ask = Ask {
            source: SOURCE,
            root: &member.root,
            walk: &member.walk,
            earlier: member.tree,
            everything: false,
            now: member.now,
        };
        let (view, _) = member.view();
        drop(member.keeper.begin(&ask, &view, &member.memory));
        drop(view);
        assert_eq!(kept(&image.path()), before);
    }
    let report = member.sync_by_journal();
    assert_eq!(report.changed, 2, "the file and its directory");
}

#[test]
fn what_is_no_longer_protected_leaves_no_snapshot() {
    let Some(image) = btrfs() else { return };
    let member = Member::new(&image, &image.path());
    member.keeper.release_all_but(&HashSet::from([SOURCE]));
    assert_eq!(kept(&image.path()).len(), 1);
    // Not mounted at the moment: another time.
    assert!(image.unmount());
    member.keeper.release(&SOURCE);
    assert!(image.mount_again());
    assert_eq!(kept(&image.path()).len(), 1);
    member.keeper.release_all_but(&HashSet::new());
    let left = fs::read_dir(image.path()).unwrap().count();
    assert_eq!(left, 0, "not even their directory");
    assert_eq!(fs::read_dir(&member.records).unwrap().count(), 0);
}

#[test]
fn whatever_speaks_against_the_snapshots_makes_the_run_look_at_everything() {
    let Some(image) = btrfs() else { return };
    let at = |path: &str| image.path().join(path);
    fs::create_dir_all(at("root/a")).unwrap();
    let mut member = Member::new(&image, &at("root"));
    // Another directory in its place.
    fs::rename(at("root"), at("was")).unwrap();
    fs::create_dir_all(at("root/a")).unwrap();
    member.expect("the source, or what is mounted below it, is not what it was");
    // Other rules.
    member.walk.exclude = vec!["x".to_owned()];
    member.expect("what is left out of the source has changed");
    // Another replica.
    fs::write(at("root/file"), "file").unwrap();
    let (view, walk) = member.view();
    let other = back_up_by(&member.memory, &view.path, member.tree, false, &walk);
    drop(view);
    member.tree = Some(other.root);
    member.expect("the replica was made by another run");
    // A day later, and with the clock set back.
    for hours in [24, -1000_i64] {
        member.now = after(member.now, hours);
        member.expect("everything is looked at once in 24 hours");
    }
    member.now = after(member.now, 23);
    member.sync_by_journal();
    // The snapshot is gone.
    let names = kept(&image.path());
    let snapshot = at(".dozo-snapshots").join(&names[0]);
    let delete = [
        "subvolume".as_ref(),
        "delete".as_ref(),
        snapshot.as_os_str(),
    ];
    assert!(runs("btrfs", delete));
    member.expect("the snapshot that was kept is not there, or not what it was");
    // The record is damaged.
    fs::write(member.records.join(SOURCE.to_string()), "dozo").unwrap();
    member.expect("no snapshot was kept to compare with");
    // More differs than can be remembered.
    member.everything = true;
    assert_eq!(member.sync().why.as_deref(), Some("everything is compared"));
    member.everything = false;
    member.sync_by_journal();
    // Too many entries in trouble.
    let trouble = vec![FileKey::root().child(b"a").unwrap(); limits::UNSETTLED_MAX + 1];
    let synced = member.sync_with(|report| report.unsettled = trouble);
    assert_eq!(synced.why, None);
    member.expect("too many entries were in trouble");
}

/// Returns whether of a file system one in so many is free, when everything has been written.
fn is_free(mount: &Path, one_in: u64) -> bool {
    assert!(runs("sync", ["-f".as_ref(), mount.as_os_str()]));
    let found = rustix::fs::statvfs(mount).unwrap();
    found.f_bavail * one_in >= found.f_blocks
}

/// Writes to a file system until so little of it is free, one in so many.
fn fill(mount: &Path, one_in: u64) {
    fs::create_dir_all(mount.join("fill")).unwrap();
    let mut dice = Dice::new(one_in);
    for n in 0.. {
        if !is_free(mount, one_in) {
            return;
        }
        let file = mount.join(format!("fill/{one_in}-{n}"));
        fs::write(file, dice.bytes(4 << 20)).unwrap();
    }
}

#[test]
fn where_nearly_nothing_is_free_no_snapshot_is_kept() {
    let Some(image) = btrfs() else { return };
    let (mount, at) = (image.path(), |path: &str| image.path().join(path));
    fs::create_dir(at("root")).unwrap();
    let mut member = Member::new(&image, &at("root"));
    let mut sync = |content: &str| {
        fs::write(at("root/file"), content).unwrap();
        let synced = member.sync();
        member.assert_equal(&synced.report);
        (synced.why, kept(&mount).len())
    };
    fill(&mount, limits::KEPT_FREE_ONE_IN / 2);
    assert_eq!(sync("room"), (None, 1));
    fill(&mount, limits::KEPT_FREE_ONE_IN);
    // What was kept is good for this run, and goes.
    assert_eq!(sync("no room"), (None, 0));
    let not_kept = Some("no snapshot was kept to compare with".to_owned());
    assert_eq!(sync("still none"), (not_kept.clone(), 0));
    fs::remove_dir_all(at("fill")).unwrap();
    // The snapshot that went had all of it, and its space comes back when the kernel has gone through it.
    assert!(runs(
        "btrfs",
        ["subvolume".as_ref(), "sync".as_ref(), mount.as_os_str()]
    ));
    while !is_free(&mount, limits::KEPT_FREE_ONE_IN / 2) {}
    assert_eq!(sync("room again"), (not_kept, 1));
    assert_eq!(sync("as before"), (None, 1));
}

#[test]
fn what_was_in_trouble_is_looked_at_again_after_a_restart() {
    let Some(image) = btrfs() else { return };
    let root = image.path();
    fs::create_dir_all(root.join("a/b")).unwrap();
    let mut member = Member::new(&image, &root);
    let key = FileKey::from_path(b"a/b").unwrap();
    member.sync_with(|report| report.unsettled = vec![key]);
    member.restart();
    let ask = Ask {
        source: SOURCE,
        root: &root,
        walk: &member.walk,
        earlier: member.tree,
        everything: false,
        now: member.now,
    };
    let (view, _) = member.view();
    let turn = member.keeper.begin(&ask, &view, &member.memory).unwrap();
    assert!(turn.only().unwrap().touches(&["a", "b", "c"]));
}

#[test]
fn subvolumes_that_come_go_and_move_below_a_source_are_heeded() {
    let Some(image) = btrfs() else { return };
    let at = |path: &str| image.path().join(path);
    fs::create_dir_all(at("a/b")).unwrap();
    let mut member = Member::unsynchronized(&image, &image.path());
    // Otherwise each is warned of, and looked at because of that.
    member.walk.one_file_system = true;
    member.sync();
    let changes: [(&[&str], &str); 3] = [
        (&["subvolume", "create"], "a/b/sub"),
        (&["subvolume", "create"], "top"),
        (&["subvolume", "delete"], "top"),
    ];
    let why = Some("subvolumes below the source came or went");
    for (command, path) in changes {
        let path = at(path);
        let command = command.iter().map(std::ffi::OsStr::new);
        assert!(runs("btrfs", command.chain([path.as_os_str()])));
        assert_eq!(member.sync().why.as_deref(), why);
        // It has no times of its own in a snapshot: none that stay.
        let synced = member.sync();
        assert_eq!((synced.why, synced.ended.is_ok()), (None, true));
    }
    fs::rename(at("a/b/sub"), at("a/b/other")).unwrap();
    assert_eq!(member.sync().why.as_deref(), why);
    // With the directory that it stands in it is told.
    fs::rename(at("a/b"), at("b")).unwrap();
    let synced = member.sync();
    assert_eq!((synced.why, synced.ended.is_ok()), (None, true));
    assert_eq!(synced.report.entries, 4);
}

#[test]
fn a_marker_that_comes_or_goes_is_heeded() {
    let Some(image) = btrfs() else { return };
    let at = |path: &str| image.path().join(path);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::write(at("a/b/c/file"), "file").unwrap();
    let mut member = Member::unsynchronized(&image, &image.path());
    member.walk.exclude_if_present = vec![b".nobackup".to_vec()];
    member.walk.cachedir_tag = true;
    member.walk.exclude = vec!["*.tmp".to_owned()];
    member.sync();
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
fn a_difference_that_was_not_told_is_found_by_the_sample_and_ends_the_trust() {
    let Some(image) = btrfs() else { return };
    let path = image.path().join("file");
    fs::write(&path, "before").unwrap();
    let mut member = Member::new(&image, &image.path());
    let before = member.tree;
    fs::write(&path, "after").unwrap();
    member.sync_by_journal();
    // A tree that does not have the change, in a record that says it does.
    let record = member.records.join(SOURCE.to_string());
    let hex = |tree: Option<ChunkId>| tree.unwrap().to_string();
    let text = fs::read_to_string(&record).unwrap();
    let (body, _) = text.rsplit_once("check ").unwrap();
    let body = body.replace(
        &format!("tree {}", hex(member.tree)),
        &format!("tree {}", hex(before)),
    );
    let check = format::seal::Sealer::hash(body.as_bytes());
    fs::write(&record, format!("{body}check {check}\n")).unwrap();
    member.tree = before;
    let synced = member.sync();
    assert_eq!(synced.why, None);
    let missed = synced.ended.expect_err("the sample holds it").0;
    assert_eq!(missed, [FileKey::from_path(b"file").unwrap()]);
    assert!(kept(&image.path()).is_empty());
    let synced = member.sync();
    assert_eq!(synced.why.as_deref(), Some("a change was missed before"));
}
