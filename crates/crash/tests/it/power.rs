//! Power cuts on real file systems (T13).

use crash::power::{Omitted, Seen, cut};
use crash::recorder::{BTRFS, EXT4, Kind, XFS};

fn seen(kind: Kind, omitted: Omitted, images: usize) -> Option<Seen> {
    let seen = cut(kind, omitted, 1, images).unwrap_or_else(|what| panic!("{what}"))?;
    let found = seen.violations.len();
    let first = seen.violations.first();
    println!(
        "{} without {omitted:?}: {} images, {} looked at, {} points, {} writes, {} flushes, {found} violations {first:?}",
        kind.name, seen.images, seen.mounted, seen.points, seen.writes, seen.flushes
    );
    Some(seen)
}

fn loses_nothing(kind: Kind) {
    if let Some(seen) = seen(kind, Omitted::Nothing, 100) {
        assert_eq!(seen.violations, Vec::<String>::new());
        assert!(seen.points > 100 && seen.flushes > 100, "{seen:?}");
    }
}

#[test]
fn a_power_cut_on_ext4_loses_nothing() {
    loses_nothing(EXT4);
}

#[test]
fn a_power_cut_on_xfs_loses_nothing() {
    loses_nothing(XFS);
}

#[test]
fn a_power_cut_on_btrfs_loses_nothing() {
    loses_nothing(BTRFS);
}

#[test]
fn power_cuts_find_syncs_that_are_left_out() {
    for (kind, omitted) in [
        (EXT4, Omitted::Files),
        (EXT4, Omitted::AfterPublishing),
        (XFS, Omitted::AfterPublishing),
        (BTRFS, Omitted::AfterPublishing),
    ] {
        if let Some(seen) = seen(kind, omitted, 16) {
            let name = kind.name;
            assert!(seen.violations.len() > 1, "{omitted:?} on {name}: {seen:?}");
        }
    }
}
