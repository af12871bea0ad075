//! A restore that lost power is run again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use agent::restore;
use agent::{Monitor, Progress, Warning};
use base::fault::Code;
use sources::files::restore::Conflict;
use testkit::Dice;

use crate::memory::Watcher;
use crate::restore::{Scene, describe};

/// Ends a restore before anything is settled: one of its writers panics, the others write all there is.
struct Cut {
    main: ThreadId,
    is_cut: AtomicBool,
}

impl Monitor for Cut {
    fn progress(&self, _: Progress) {
        let is_writer = thread::current().id() != self.main;
        assert!(
            !is_writer || self.is_cut.swap(true, Ordering::Relaxed),
            "the power is cut"
        );
    }

    fn warn(&self, _: Warning) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

fn restore_and_cut(scene: &Scene) {
    let cut = Cut {
        main: thread::current().id(),
        is_cut: AtomicBool::new(false),
    };
    let restore = scene.restore(&[], Conflict::Skip, &cut);
    catch_unwind(AssertUnwindSafe(|| restore::execute(&restore).map(|_| ())))
        .expect_err("it is cut off");
}

/// Returns the regular files below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Changes the content of a file as a power cut does, and nothing else.
fn tear(path: &Path, dice: &mut Dice) {
    let before = fs::metadata(path).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    match dice.index(4) {
        0 => file.set_len(0).unwrap(),
        1 => file.set_len(before.len() / 2).unwrap(),
        2 => {
            file.set_len(0).unwrap();
            file.set_len(before.len()).unwrap();
        }
        _ => {}
    }
    file.set_modified(before.modified().unwrap()).unwrap();
    fs::set_permissions(path, before.permissions()).unwrap();
}

/// Runs a restore, tears what it left, puts a file of somebody else among it, and runs it again.
fn check(seed: u64, prepare: impl Fn(&Scene)) -> Scene {
    let scene = Scene::new(seed);
    prepare(&scene);
    restore_and_cut(&scene);
    let mut dice = Dice::new(seed);
    let torn: Vec<_> = files(&scene.target);
    assert!(torn.len() > 50);
    torn.iter().for_each(|path| tear(path, &mut dice));
    let foreign = scene.target.join(scene.a_file());
    let mode = fs::metadata(&foreign).unwrap().permissions();
    fs::remove_file(&foreign).unwrap();
    fs::write(&foreign, "mine").unwrap();
    fs::set_permissions(&foreign, mode).unwrap();

    let (report, watcher) = scene.execute(&[], Conflict::Skip);
    let report = report.unwrap();
    assert_eq!(
        (report.skipped, report.failed),
        (1, 0),
        "{:?}",
        watcher.warnings
    );
    assert!(report.files > 20, "what was torn is counted as made");
    assert_eq!(
        watcher.warnings.lock().unwrap()[0].fault.code,
        Code::RestoreEntryKept
    );
    assert_eq!(fs::read(&foreign).unwrap(), b"mine");

    // Nobody owns it: without it all is as it was.
    fs::remove_file(&foreign).unwrap();
    let report = scene.execute(&[], Conflict::Skip).0.unwrap();
    assert_eq!((report.files, report.failed, report.skipped), (1, 0, 0));
    scene
}

#[test]
fn what_a_power_cut_tore_is_restored_by_the_next_run() {
    for seed in 0..4 {
        let scene = check(seed, |_| ());
        // The directory that lost a file for a moment has a time of its own.
        assert_eq!(everything_but_directories(&scene), NOTHING);
    }
}

#[test]
fn what_a_power_cut_tore_in_directories_that_stood_there_is_restored_by_the_next_run() {
    for seed in 0..4 {
        // In every second one, as hard links lead from one kind to the other.
        let scene = check(seed, |scene| {
            let dirs = describe(scene.source.path());
            let dirs = dirs.iter().filter(|(path, _)| !path.contains('\\'));
            for (path, _) in dirs.step_by(2) {
                let from = scene.source.path().join(path);
                if fs::symlink_metadata(from).is_ok_and(|metadata| metadata.is_dir()) {
                    fs::create_dir_all(scene.target.join(path)).unwrap();
                }
            }
        });
        assert_eq!(everything_but_directories(&scene), NOTHING);
    }
}

const NOTHING: [Vec<(String, String)>; 2] = [Vec::new(), Vec::new()];

/// Returns what is in one tree and not in the other.
fn everything_but_directories(scene: &Scene) -> [Vec<(String, String)>; 2] {
    let all = |root: &Path| -> BTreeSet<_> {
        let is_dir = |path: &str| fs::symlink_metadata(root.join(path)).is_ok_and(|m| m.is_dir());
        describe(root)
            .into_iter()
            .filter(|(path, _)| !is_dir(path))
            .collect()
    };
    let (was, is) = (all(scene.source.path()), all(&scene.target));
    [&was - &is, &is - &was].map(|only| only.into_iter().collect())
}

#[test]
fn a_restore_that_is_cancelled_leaves_no_mark_in_directories_that_stood_there() {
    let scene = Scene::new(6);
    fs::create_dir(&scene.target).unwrap();
    fs::set_permissions(&scene.target, PermissionsExt::from_mode(0o755)).unwrap();
    let marks = |scene: &Scene| {
        let marked = |path: &&PathBuf| fs::metadata(path).unwrap().mode() & 0o7777 == 0o1600;
        files(&scene.target).iter().filter(marked).count()
    };
    let watcher = Watcher::cancelling_after(60);
    let fault = restore::execute(&scene.restore(&[], Conflict::Skip, &watcher)).unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);
    assert_eq!(marks(&scene), 0);
    assert!(!files(&scene.target).is_empty());
    fs::remove_dir_all(&scene.target).unwrap();
    fs::create_dir(&scene.target).unwrap();
    fs::set_permissions(&scene.target, PermissionsExt::from_mode(0o755)).unwrap();
    restore_and_cut(&scene);
    assert!(marks(&scene) > 0, "one that is cut off does");
    let report = scene.execute(&[], Conflict::Skip).0.unwrap();
    assert_eq!((report.skipped, report.failed), (0, 0));
    assert_eq!(marks(&scene), 0);
}
