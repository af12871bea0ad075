//! What a restore makes of a tree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use agent::Monitor;
use agent::restore::{self, Plan, Report, Restore};
use base::fault::Code;
use base::{ChunkId, Fault};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::tree::{Boundary, Editor, extent_key, get};
use sources::files::restore::Conflict;
use testkit::{TempDir, tempdir, trees};

use crate::memory::{Memory, Watcher, back_up};

/// A source with every kind of entry, its tree, and a target that is not there yet.
pub(crate) struct Scene {
    pub(crate) source: TempDir,
    memory: Memory,
    root: ChunkId,
    place: TempDir,
    pub(crate) target: PathBuf,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        let source = tempdir().unwrap();
        let shape = trees::Shape {
            dirs: 12,
            files: 120,
            ..trees::Shape::default()
        };
        trees::build(source.path(), seed, shape).unwrap();
        let memory = Memory::default();
        let root = back_up(&memory, source.path(), None, false).root;
        Self::of(source, memory, root)
    }

    fn of(source: TempDir, memory: Memory, root: ChunkId) -> Self {
        let place = tempdir().unwrap();
        Self {
            source,
            memory,
            root,
            target: place.path().join("to"),
            place,
        }
    }

    fn mode(&self) -> u32 {
        fs::metadata(&self.target).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn restore<'a>(
        &'a self,
        selection: &'a [FileKey],
        conflict: Conflict,
        monitor: &'a dyn Monitor,
    ) -> Restore<'a> {
        Restore {
            root: self.root,
            reader: &self.memory,
            selection,
            target: &self.target,
            name: b"file",
            original: false,
            conflict,
            token: 1,
            monitor,
        }
    }

    pub(crate) fn execute(
        &self,
        selection: &[FileKey],
        conflict: Conflict,
    ) -> (Result<Report, Fault>, Watcher) {
        let watcher = Watcher::default();
        let report = restore::execute(&self.restore(selection, conflict, &watcher));
        (report, watcher)
    }

    fn plan(&self, selection: &[FileKey]) -> Result<Plan, Fault> {
        restore::plan(&self.restore(selection, Conflict::Skip, &Watcher::default()))
    }

    fn assert_equal(&self) {
        assert_eq!(describe(self.source.path()), describe(&self.target));
    }

    /// Returns a regular file of more than an inline one's size.
    pub(crate) fn a_file(&self) -> String {
        let all = describe(self.source.path());
        all.into_iter()
            .map(|(path, _)| path)
            .find(|path| {
                // Odd names are escaped in the description.
                let Ok(meta) = fs::symlink_metadata(self.source.path().join(path)) else {
                    return false;
                };
                meta.is_file()
                    && meta.len() > 1000
                    && std::os::unix::fs::MetadataExt::nlink(&meta) == 1
            })
            .unwrap()
    }
}

pub(crate) fn describe(root: &Path) -> Vec<(String, String)> {
    trees::describe(root)
        .unwrap()
        .into_iter()
        .map(|(path, what)| (path, format!("{what:?}")))
        .collect()
}

fn key(path: &str) -> FileKey {
    FileKey::from_path(path.as_bytes()).unwrap()
}

#[test]
fn what_comes_back_is_what_was() {
    for seed in 0..5 {
        let scene = Scene::new(seed);
        let (report, watcher) = scene.execute(&[], Conflict::Skip);
        assert_eq!(report.unwrap().failed, 0, "{:?}", watcher.warnings);
        scene.assert_equal();
    }
}

#[test]
fn a_plan_counts_and_changes_nothing() {
    let scene = Scene::new(1);
    let plan = scene.plan(&[]).unwrap();
    assert_eq!(fs::read_dir(scene.place.path()).unwrap().count(), 0);
    let report = scene.execute(&[], Conflict::Skip).0.unwrap();
    // The root is taken for one that stands there: it was opened before the first entry.
    assert_eq!((plan.entries, plan.same), (report.made + 1, 0));
    assert_eq!((plan.files, plan.bytes), (report.files, report.bytes));
    assert_eq!(report.same, 1);
    assert_eq!(plan.conflicts, 0);
}

#[test]
fn a_second_restore_finds_everything_done() {
    let scene = Scene::new(2);
    let first = scene.execute(&[], Conflict::Skip).0.unwrap();
    let plan = scene.plan(&[]).unwrap();
    let there = first.made + first.same;
    assert_eq!((plan.entries, plan.same, plan.conflicts), (0, there, 0));
    let second = scene.execute(&[], Conflict::Skip).0.unwrap();
    assert!(first.made > 100);
    assert_eq!((second.files, second.bytes, second.failed), (0, 0, 0));
    scene.assert_equal();
}

#[test]
fn what_is_in_the_way_stays_unless_told_otherwise() {
    let scene = Scene::new(3);
    let file = scene.a_file();
    let at = scene.target.join(&file);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(&at, "mine").unwrap();
    let plan = scene.plan(&[]).unwrap();
    assert_eq!(plan.conflict_paths, [file.as_bytes()]);
    for conflict in [Conflict::Overwrite, Conflict::Rename] {
        let watcher = Watcher::default();
        let more = restore::plan(&scene.restore(&[], conflict, &watcher)).unwrap();
        let size = fs::metadata(scene.source.path().join(&file)).unwrap().len();
        assert_eq!(
            (more.entries, more.files, more.bytes, more.same),
            (
                plan.entries + 1,
                plan.files + 1,
                plan.bytes + size,
                plan.same
            )
        );
    }
    let (skipped, watcher) = scene.execute(&[], Conflict::Skip);
    let skipped = skipped.unwrap();
    assert_eq!((skipped.skipped, skipped.failed), (1, 0));
    assert_eq!((plan.entries, plan.same), (skipped.made, skipped.same));
    assert_eq!((plan.files, plan.bytes), (skipped.files, skipped.bytes));
    let named: Vec<_> = watcher.warnings.into_inner().unwrap();
    assert_eq!(named[0].path, file.as_bytes());
    assert_eq!(named[0].fault.code, Code::RestoreEntryKept);
    assert_eq!(fs::read(&at).unwrap(), b"mine");
    let renamed = scene.execute(&[], Conflict::Rename).0.unwrap();
    assert_eq!(renamed.renamed, 1);
    assert_eq!(fs::read(&at).unwrap(), b"mine");
    let overwritten = scene.execute(&[], Conflict::Overwrite).0.unwrap();
    assert_eq!(overwritten.skipped, 0);
    assert_eq!(
        fs::read(&at).unwrap(),
        fs::read(scene.source.path().join(&file)).unwrap()
    );
}

#[test]
fn a_plan_does_not_promise_to_replace_a_directory() {
    let scene = Scene::new(3);
    let file = scene.a_file();
    fs::create_dir_all(scene.target.join(&file).join("precious")).unwrap();
    for conflict in [Conflict::Skip, Conflict::Overwrite, Conflict::Rename] {
        let watcher = Watcher::default();
        let plan = restore::plan(&scene.restore(&[], conflict, &watcher)).unwrap();
        let (report, _) = scene.execute(&[], conflict);
        let report = report.unwrap();
        assert_eq!(
            (plan.entries, plan.files, plan.bytes, plan.refused),
            (report.made, report.files, report.bytes, report.failed),
            "{conflict:?}"
        );
        let in_the_way = [plan.conflict_paths, plan.refused_paths].concat();
        assert_eq!(in_the_way, [file.as_bytes()], "{conflict:?}");
    }
    assert!(scene.target.join(&file).join("precious").is_dir());
}

#[test]
fn a_selection_brings_its_directories_and_nothing_else() {
    let scene = Scene::new(4);
    let file = scene.a_file();
    let (report, _) = scene.execute(&[key(&file)], Conflict::Skip);
    assert_eq!(report.unwrap().files, 1);
    let all = describe(scene.source.path());
    let found = describe(&scene.target);
    let expected: Vec<_> = all
        .into_iter()
        .filter(|(path, _)| path.is_empty() || *path == file || Path::new(&file).starts_with(path))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn overlapping_selections_are_restored_once() {
    let scene = Scene::new(4);
    let file = scene.a_file();
    let dir = Path::new(&file)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let twice = [key(&file), key(&dir), key(""), key(&file)];
    let (report, watcher) = scene.execute(&twice, Conflict::Skip);
    assert_eq!(report.unwrap().failed, 0, "{:?}", watcher.warnings);
    scene.assert_equal();
}

#[test]
fn a_path_that_is_not_there_is_refused_before_anything_is_made() {
    let scene = Scene::new(4);
    let (report, _) = scene.execute(&[key("no/such")], Conflict::Skip);
    assert_eq!(report.unwrap_err().code, Code::RestorePathUnknown);
    assert_eq!(fs::read_dir(scene.place.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_file_is_named_and_the_rest_comes_back() {
    let (source, memory, root, chunk) = three_large_files();
    memory.damage(chunk);
    let scene = Scene::of(source, memory, root);
    let (report, watcher) = scene.execute(&[], Conflict::Skip);
    assert_eq!(
        (
            report.unwrap().files,
            watcher.warnings.lock().unwrap().len()
        ),
        (2, 1)
    );
    assert_eq!(watcher.warnings.lock().unwrap()[0].path, b"two");
    assert!(
        !scene.target.join("two").try_exists().unwrap(),
        "no half file"
    );
}

impl Scene {
    /// Changes an entry of the tree.
    fn change(&mut self, path: &str, change: impl FnOnce(&mut FileEntry)) {
        let path = key(path);
        let mut entry: FileEntry = get(&self.memory, &self.root, &path.0).unwrap().unwrap();
        change(&mut entry);
        let boundary = Boundary::new(&[1; 32]);
        let mut editor = Editor::new(&self.memory, &self.memory, &boundary, Some(self.root));
        editor.put(&path.0, &entry).unwrap();
        self.root = editor.finish().unwrap();
    }
}

#[test]
fn an_attribute_that_the_target_has_no_room_for_is_told_and_the_rest_comes_back() {
    let (source, memory, root, _) = three_large_files();
    let mut scene = Scene::of(source, memory, root);
    let large = |name: &str| (name.as_bytes().to_vec(), vec![7; 60_000]);
    scene.change("one", |entry| {
        entry.xattrs = vec![large("user.a"), large("user.b")]
    });
    // Of the root itself they are set last of all.
    scene.change("", |entry| {
        entry.xattrs = vec![large("user.c"), large("user.d")]
    });
    let (report, watcher) = scene.execute(&[], Conflict::Skip);
    let warnings = watcher.warnings.lock().unwrap();
    let has_room = rustix::fs::getxattr(&scene.target, "user.d", &mut [0; 60_000]).is_ok();
    let paths: Vec<&[u8]> = warnings.iter().map(|warning| &*warning.path).collect();
    match has_room {
        true => println!("SKIPPED: no room for attributes (this file system has some)"),
        false => {
            assert!(paths.contains(&&b"one"[..]), "{warnings:?}");
            assert!(paths.contains(&&b""[..]), "{warnings:?}");
        }
    }
    let report = report.unwrap();
    assert_eq!((report.files, report.failed), (3, paths.len() as u64));
}

#[test]
fn a_file_whose_map_is_not_as_long_as_it_is_is_damaged() {
    for (pieces, size) in [
        (&[(0, 1000), (1000, 1000)][..], 2001),
        (&[(0, 1000), (1001, 1000)], 2001),
        (&[(0, 1000), (999, 1000)], 2000),
        (&[(1, 1000)], 1001),
        (&[(0, 1000), (1000, u64::MAX)], 999),
    ] {
        let (source, memory, root, chunk) = three_large_files();
        let mut scene = Scene::of(source, memory, root);
        let boundary = Boundary::new(&[1; 32]);
        let mut map = Editor::<Extent>::new(&scene.memory, &scene.memory, &boundary, None);
        for (at, len) in pieces {
            let extent = match u32::try_from(*len) {
                Ok(len) => Extent::Data {
                    chunk,
                    offset: 0,
                    len,
                },
                Err(_) => Extent::Hole { len: *len },
            };
            map.put(&extent_key(*at), &extent).unwrap();
        }
        let map = map.finish().unwrap();
        scene.change("two", |entry| {
            entry.node = Node::File(Content::Map(map));
            entry.size = size;
        });
        let (report, watcher) = scene.execute(&[], Conflict::Skip);
        assert_eq!(report.unwrap().damaged, 1, "{pieces:?}");
        let code = watcher.warnings.lock().unwrap()[0].fault.code;
        assert_eq!(code, Code::TreeDamaged);
        assert!(!scene.target.join("two").try_exists().unwrap());
    }
}

#[test]
fn a_store_that_is_away_for_the_moment_ends_the_restore_and_damages_nothing() {
    let (source, memory, root, chunk) = three_large_files();
    memory.take_away(chunk);
    let scene = Scene::of(source, memory, root);
    let (report, watcher) = scene.execute(&[], Conflict::Skip);
    assert_eq!(report.unwrap_err().code, Code::PoolUnreadable);
    assert!(watcher.warnings.lock().unwrap().is_empty());
}

/// A source of three files, backed up, and a chunk in the middle of the one named `two`.
fn three_large_files() -> (TempDir, Memory, ChunkId, ChunkId) {
    let source = tempdir().unwrap();
    let mut dice = testkit::Dice::new(9);
    for name in ["one", "two", "three"] {
        let noise: Vec<u8> = (0..3 << 20).map(|_| dice.index(256) as u8).collect();
        fs::write(source.path().join(name), noise).unwrap();
    }
    let memory = Memory::default();
    let root = back_up(&memory, source.path(), None, false).root;
    let entry: FileEntry = get(&memory, &root, &key("two").0).unwrap().unwrap();
    let Node::File(Content::Extents(extents)) = entry.node else {
        panic!("extents")
    };
    let Extent::Data { chunk, .. } = extents[1] else {
        panic!("data")
    };
    (source, memory, root, chunk)
}

#[test]
fn a_cancelled_restore_goes_on_where_it_was() {
    let scene = Scene::new(6);
    let watcher = Watcher::cancelling_after(20);
    let fault = restore::execute(&scene.restore(&[], Conflict::Skip, &watcher)).unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);
    // The target is marked as ours, so that the next run gives it what is its due.
    assert_eq!(scene.mode(), 0o1700);
    let (report, watcher) = scene.execute(&[], Conflict::Skip);
    assert_eq!(report.unwrap().skipped, 0, "{:?}", watcher.warnings);
    scene.assert_equal();
}

#[test]
fn a_target_that_stood_there_keeps_its_mode_unless_it_was_asked_for() {
    let scene = Scene::new(4);
    let file = [key(&scene.a_file())];
    let before = || {
        fs::remove_dir_all(&scene.target).ok();
        fs::create_dir(&scene.target).unwrap();
        fs::set_permissions(&scene.target, PermissionsExt::from_mode(0o1777)).unwrap();
    };
    let source = fs::metadata(scene.source.path()).unwrap();
    let source = source.permissions().mode() & 0o7777;
    let cases: [(&[FileKey], _, _, _); 6] = [
        (&file, Conflict::Skip, false, 0o1777),
        (&file, Conflict::Overwrite, false, 0o1777),
        (&file, Conflict::Overwrite, true, 0o1777),
        (&[], Conflict::Rename, false, 0o1777),
        (&[], Conflict::Overwrite, false, source),
        (&[], Conflict::Skip, true, source),
    ];
    for (selection, conflict, original, mode) in cases {
        before();
        let watcher = Watcher::default();
        let restore = Restore {
            original,
            ..scene.restore(selection, conflict, &watcher)
        };
        let report = restore::execute(&restore).unwrap();
        assert_eq!(report.failed, 0, "{:?}", watcher.warnings);
        assert_eq!(scene.mode(), mode, "{conflict:?}, original: {original}");
    }
}

#[test]
fn a_source_that_is_one_file_comes_back_under_its_name() {
    let source = tempdir().unwrap();
    let file = source.path().join("file");
    fs::write(&file, vec![5; 10_000]).unwrap();
    let memory = Memory::default();
    let root = back_up(&memory, &file, None, false).root;
    assert_eq!(memory.stored_bytes.load(Ordering::Relaxed), 10_000);
    let scene = Scene::of(source, memory, root);
    scene.execute(&[], Conflict::Skip).0.unwrap();
    assert_eq!(fs::read(scene.target.join("file")).unwrap(), [5; 10_000]);
    assert_ne!(
        scene.mode() & 0o1700,
        0o1700,
        "no entry says what the target is: it is made as any is"
    );
}

#[test]
fn a_link_in_the_original_place_is_refused_and_one_that_was_named_is_followed() {
    let scene = Scene::new(4);
    let elsewhere = scene.place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink("elsewhere", &scene.target).unwrap();
    let watcher = Watcher::default();
    let slashed = scene.target.join("");
    for target in [&scene.target, &slashed] {
        let restore = Restore {
            original: true,
            target,
            ..scene.restore(&[], Conflict::Overwrite, &watcher)
        };
        let planned = restore::plan(&restore).unwrap_err();
        let executed = restore::execute(&restore).unwrap_err();
        for fault in [planned, executed] {
            assert_eq!(fault.code, Code::RestoreTargetUnwritable);
            assert!(
                format!("{fault:?}").contains("a symbolic link stands there"),
                "{fault:?}"
            );
        }
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let named = scene.execute(&[], Conflict::Skip).0.unwrap();
    assert_eq!(named.failed, 0);
    assert!(fs::read_dir(&elsewhere).unwrap().count() > 0);
    // The way there may lead through links.
    let way = scene.target.join("original");
    let restore = Restore {
        original: true,
        target: &way,
        ..scene.restore(&[], Conflict::Skip, &watcher)
    };
    assert_eq!(restore::execute(&restore).unwrap().failed, 0);
    assert_eq!(
        describe(scene.source.path()),
        describe(&elsewhere.join("original"))
    );
}
