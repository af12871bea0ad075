//! Snapshots that stay from one run to the next, and what differs between two, on a real btrfs image.

use std::ops::ControlFlow;
use std::path::Path;

use sources::files::WalkOptions;
use sources::snapshot::{
    Btrfs, CompareError, Difference, Kept, Level, Pair, Provider, Snapshot, Under, View, take,
};
use testkit::runs;

use crate::snapshot::btrfs;
use crate::tree::{make, walk};

fn snapshot(path: &Path) -> Snapshot {
    let view = Btrfs.view(path).unwrap();
    view.into_snapshot().unwrap()
}

fn keep(path: &Path) -> Kept {
    snapshot(path).keep("kept-test".to_owned()).unwrap()
}

/// Returns what has changed since `kept`, each path once, without passing names.
fn changed(kept: &Kept, path: &Path) -> Result<Vec<String>, CompareError> {
    let now = snapshot(path);
    let pair = Pair::open(kept, &now)?;
    let mut paths = std::collections::BTreeSet::new();
    let mut add = |path: &[u8]| {
        let path = String::from_utf8_lossy(path).into_owned();
        let is_passing = path.starts_with('o') && path.matches('-').count() == 2;
        if !is_passing && !path.starts_with(".dozo-snapshots") {
            paths.insert(path);
        }
    };
    let whole = pair.differences(&mut |difference| {
        match difference {
            Difference::Made(path) | Difference::Gone(path) | Difference::Changed(path) => {
                add(path)
            }
            Difference::Moved { from, to } => [from, to].into_iter().for_each(&mut add),
            Difference::Linked { name, other } => [name, other].into_iter().for_each(&mut add),
        }
        ControlFlow::Continue(())
    })?;
    assert!(whole.is_continue());
    Ok(paths.into_iter().collect())
}

#[test]
fn the_kernel_tells_what_has_changed_since_a_kept_snapshot() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(
        &mount,
        &["a/b/file", "a/moved", "a/gone", "still/life", "way/to"],
    );
    std::fs::hard_link(mount.join("a/moved"), mount.join("still/link")).unwrap();
    let kept = keep(&mount);
    assert_eq!(changed(&kept, &mount).unwrap(), [""; 0]);
    std::fs::write(mount.join("a/b/file"), "other").unwrap();
    std::fs::rename(mount.join("a/moved"), mount.join("way/moved")).unwrap();
    std::fs::remove_file(mount.join("a/gone")).unwrap();
    std::fs::create_dir(mount.join("new")).unwrap();
    std::fs::write(mount.join("new/file"), "new").unwrap();
    let expected = [
        "",
        "a",
        "a/b/file",
        "a/gone",
        "a/moved",
        "new",
        "new/file",
        "still/link",
        "way",
        "way/moved",
    ];
    assert_eq!(changed(&kept, &mount).unwrap(), expected);
    let now = snapshot(&mount);
    let pair = Pair::open(&kept, &now).unwrap();
    assert_eq!(pair.in_old(b"way/moved").unwrap(), None);
    let Some(Under {
        is_dir: false,
        linked: Some(inode),
    }) = pair.in_new(b"way/moved").unwrap()
    else {
        panic!("it has two names")
    };
    assert_eq!(
        pair.in_old(b"a/moved").unwrap().unwrap().linked,
        Some(inode)
    );
    assert!(pair.in_old(b"a").unwrap().unwrap().is_dir);
    let mut count = 0;
    let some = pair.differences(&mut |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(some.unwrap().is_break());
    assert_eq!(count, 1);
}

#[test]
fn a_kept_snapshot_stays_until_it_is_removed_and_is_in_no_view() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["d/f"]);
    let kept = keep(&mount);
    let other = snapshot(&mount).keep("kept-other".to_owned()).unwrap();
    assert_eq!(Btrfs.sweep(&mount).unwrap(), 0, "not left by a dead run");
    assert_eq!(walk(&mount, &WalkOptions::default()).paths(), ["d", "d/f"]);
    let (view, _) = take(&mount, false);
    assert_eq!(view.level, Level::FileSystem);
    assert_eq!(view.snapshot().unwrap().subvolumes(), Some(&[][..]));
    assert_eq!(
        walk(&view.path, &WalkOptions::default()).paths(),
        ["d", "d/f"]
    );
    // A directory of the same name anywhere else is like any other.
    make(&mount, &["d/.dozo-snapshots/f"]);
    let met = walk(&mount, &WalkOptions::default());
    assert_eq!(
        met.paths(),
        ["d", "d/.dozo-snapshots", "d/f", "d/.dozo-snapshots/f"]
    );
    view.into_snapshot()
        .unwrap()
        .drop_kept("kept-o", None)
        .unwrap();
    assert!(matches!(
        changed(&other, &mount),
        Err(CompareError::Gone(_))
    ));
    assert!(changed(&kept, &mount).is_ok());
    kept.remove().unwrap();
    assert!(!mount.join(".dozo-snapshots").try_exists().unwrap());
    kept.remove().unwrap();
}

#[test]
fn a_snapshot_that_is_not_what_it_was_is_compared_with_nothing() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["f"]);
    let kept = keep(&mount);
    let at = mount.join(".dozo-snapshots/kept-test");
    let writable = |is_so: &str| {
        let arguments = ["property", "set", "-f", "-ts"].map(std::ffi::OsStr::new);
        let rest = [at.as_os_str(), "ro".as_ref(), is_so.as_ref()];
        assert!(runs("btrfs", arguments.into_iter().chain(rest)));
    };
    writable("false");
    assert!(matches!(changed(&kept, &mount), Err(CompareError::Gone(_))));
    std::fs::write(at.join("f"), "written").unwrap();
    writable("true");
    assert!(matches!(changed(&kept, &mount), Err(CompareError::Gone(_))));
    // Another subvolume in its place: what the snapshot is of is what counts.
    let kept = snapshot(&mount).keep("kept-again".to_owned()).unwrap();
    let other = mount.join("other");
    assert!(runs(
        "btrfs",
        [
            "subvolume".as_ref(),
            "snapshot".as_ref(),
            mount.as_os_str(),
            other.as_os_str()
        ]
    ));
    assert!(matches!(
        changed(&kept, &other),
        Err(CompareError::OtherSubvolume)
    ));
}

#[test]
fn subvolumes_that_a_snapshot_does_not_have_are_known() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["a/b/f"]);
    let create = |path: &str| {
        let path = mount.join(path);
        assert!(runs(
            "btrfs",
            ["subvolume".as_ref(), "create".as_ref(), path.as_os_str()]
        ));
    };
    create("top");
    create("a/b/deep");
    let names = |view: &View| {
        let below = view.snapshot().unwrap().subvolumes().unwrap();
        let mut names: Vec<_> = below
            .iter()
            .map(|b| String::from_utf8(b.path.clone()).unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&Btrfs.view(&mount.join("a")).unwrap()),
        ["a/b/deep", "top"]
    );
    for i in 0..300 {
        create(&format!("a/{i}"));
    }
    assert_eq!(names(&Btrfs.view(&mount).unwrap()).len(), 302);
    for i in 300..1100 {
        create(&format!("a/{i}"));
    }
    assert_eq!(
        Btrfs.view(&mount).unwrap().snapshot().unwrap().subvolumes(),
        None
    );
}

#[test]
fn a_directory_that_is_left_out_is_left_out_of_a_snapshot() {
    let Some(image) = btrfs() else { return };
    let mount = image.path();
    make(&mount, &["f", "dozo/pool/pack"]);
    let view = Btrfs.view(&mount).unwrap();
    let options = WalkOptions {
        device_as: view.device_as,
        leave_out: vec![mount.join("dozo")],
        ..WalkOptions::default()
    };
    assert_eq!(walk(&view.path, &options).paths(), ["f"]);
}
