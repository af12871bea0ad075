//! Views: the live tree, and btrfs on a real image.

use std::path::Path;

use sources::Reason;
use sources::files::WalkOptions;
use sources::snapshot::{Btrfs, Level, Provider, SnapshotError, provider, take};
use testkit::Image;

use crate::tree::{make, walk};

#[test]
fn a_file_system_without_snapshots_is_read_live() {
    let dir = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    if Btrfs::fits(dir.path()) {
        eprintln!("SKIP (temporary directory is on btrfs): the live tree");
        return;
    }
    assert_eq!(provider(dir.path()).name(), "none");
    let (view, error) = take(dir.path(), false);
    assert!(error.is_none());
    assert_eq!(
        (&*view.path, view.level, view.device_as),
        (dir.path(), Level::Live, None)
    );
    assert!(matches!(
        Btrfs.view(dir.path()),
        Err(SnapshotError::Unsupported { .. } | SnapshotError::Denied { .. })
    ));
}

/// Makes and mounts a btrfs image; `None`, said aloud, where that is not possible.
pub(crate) fn btrfs() -> Option<Image> {
    Image::mount("btrfs", 256).unwrap()
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> bool {
    testkit::runs(program, arguments)
}

fn hidden(mount: &Path) -> usize {
    std::fs::read_dir(mount.join(".dozo-snapshots")).map_or(0, Iterator::count)
}

#[test]
fn btrfs_stands_still_while_the_tree_moves_on() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["d/f", "top"]);
    let live = walk(&mount, &WalkOptions::default());
    let (view, error) = take(&mount, false);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(view.level, Level::FileSystem);
    std::fs::write(mount.join("d/f"), "changed").unwrap();
    std::fs::remove_file(mount.join("top")).unwrap();
    let options = WalkOptions {
        device_as: view.device_as,
        leave_out: view.leave_out.clone(),
        ..WalkOptions::default()
    };
    let met = walk(&view.path, &options);
    assert_eq!(met.order, live.order);
    for path in ["d", "d/f", "top"] {
        // Device numbers too: an unchanged file must look unchanged.
        assert_eq!(met.entry(path), live.entry(path));
    }
    assert_eq!(met.entry("").mtime_ns, live.entry("").mtime_ns);
    let mut content = Vec::new();
    met.handle("d/f")
        .read_small(100, None, &mut content, &mut Vec::new())
        .unwrap();
    assert_eq!(content, b"d/f");
    // A part of a subvolume is seen through a snapshot of the whole.
    let (part, error) = take(&mount.join("d"), false);
    assert!(error.is_none());
    assert_eq!(hidden(&mount), 2);
    assert_eq!(walk(&part.path, &options).paths(), ["f"]);
    drop((part, view, met));
    assert!(!mount.join(".dozo-snapshots").try_exists().unwrap());
}

#[test]
fn leftovers_of_dead_runs_are_dropped_and_those_of_live_runs_stay() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["f"]);
    let alive = Btrfs.view(&mount).unwrap();
    let left = mount.join(".dozo-snapshots/run-0-1-0");
    let snapshot = |from: &Path, to: &Path| {
        let arguments = [
            "subvolume".as_ref(),
            "snapshot".as_ref(),
            "-r".as_ref(),
            from.as_ref(),
            to.as_ref(),
        ];
        assert!(run("btrfs", &arguments));
    };
    snapshot(&mount, &left);
    snapshot(&mount, &mount.join(".dozo-snapshots/not ours"));
    assert_eq!(hidden(&mount), 3);
    assert_eq!(Btrfs.sweep(&mount).unwrap(), 1);
    assert_eq!(hidden(&mount), 2);
    assert!(alive.path.join("f").try_exists().unwrap());
    drop(alive);
    assert_eq!((hidden(&mount), Btrfs.sweep(&mount).unwrap()), (1, 0));
}

#[test]
fn what_a_snapshot_does_not_have_is_told() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["f"]);
    assert!(run(
        "btrfs",
        &[
            "subvolume".as_ref(),
            "create".as_ref(),
            mount.join("own").as_ref()
        ]
    ));
    make(&mount, &["own/x", "other/"]);
    let (view, _) = take(&mount, false);
    let options = |one_file_system| WalkOptions {
        device_as: view.device_as,
        leave_out: view.leave_out.clone(),
        one_file_system,
        ..WalkOptions::default()
    };
    let met = walk(&view.path, &options(false));
    assert_eq!(met.paths(), ["f", "other", "own"]);
    assert_eq!(
        met.problems
            .iter()
            .map(|p| (&p.path[..], p.reason))
            .collect::<Vec<_>>(),
        [(&b"own"[..], Reason::NotInSnapshot)]
    );
    assert!(walk(&view.path, &options(true)).problems.is_empty());
    // Live, one file system ends at the subvolume.
    let one = WalkOptions {
        one_file_system: true,
        leave_out: vec![mount.join(".dozo-snapshots")],
        ..WalkOptions::default()
    };
    assert_eq!(walk(&mount, &one).paths(), ["f", "other", "own"]);

    assert!(run(
        "mount",
        &[
            "-t".as_ref(),
            "tmpfs".as_ref(),
            "none".as_ref(),
            mount.join("other").as_ref()
        ]
    ));
    let (live, error) = take(&mount, false);
    assert!(matches!(error, Some(SnapshotError::Mounts { .. })));
    assert_eq!((live.level, &live.path), (Level::Live, &mount));
    assert_eq!(take(&mount, true).0.level, Level::FileSystem);
    run("umount", &[mount.join("other").as_ref()]);
}
