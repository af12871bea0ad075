//! The simulated disk forgets exactly what a real one may forget.

use std::collections::{BTreeMap, BTreeSet};

use objects::disk::{Disk, Errno, TMP_DIR};
use testkit::{Call, Injection, Knobs, Misdeed, SimDisk, Times};

type Files = BTreeMap<String, Vec<u8>>;

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.make_dir(TMP_DIR).expect("made");
    disk.make_dir("dir").expect("made");
    disk.checkpoint();
    disk
}

fn put(disk: &SimDisk, path: &str, bytes: &[u8], sync: bool) -> Result<(), Errno> {
    let mut draft = disk.draft()?;
    disk.write(&mut draft, bytes)?;
    if sync {
        disk.sync(&draft)?;
    }
    disk.publish(&mut draft, path)?;
    if sync {
        disk.sync(&draft)?;
    }
    Ok(())
}

/// Every different set of files a power cut now may leave.
fn after_power_cut(disk: &SimDisk) -> BTreeSet<Files> {
    disk.crash_states(disk.ops(), 1)
        .map(|d| d.files())
        .collect()
}

fn files<const N: usize>(files: [(&str, &[u8]); N]) -> Files {
    files
        .map(|(path, bytes)| (path.into(), bytes.into()))
        .into()
}

#[test]
fn what_is_synced_with_its_directory_survives_alone() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    disk.sync_dir("dir").expect("synced");
    assert_eq!(
        after_power_cut(&disk),
        [files([("dir/a", b"bytes")])].into()
    );
}

#[test]
fn without_a_directory_sync_the_name_may_vanish() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    let expected = [files([]), files([("dir/a", b"bytes")])];
    assert_eq!(after_power_cut(&disk), expected.into());
    // Neither another directory's sync nor the parent's helps.
    disk.sync_dir("").expect("synced");
    disk.sync_dir(TMP_DIR).expect("synced");
    assert_eq!(after_power_cut(&disk).len(), 2);
}

#[test]
fn without_a_file_sync_the_bytes_may_vanish() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", false).expect("put");
    disk.sync_dir("dir").expect("synced");
    let expected = [files([("dir/a", b"")]), files([("dir/a", b"bytes")])];
    assert_eq!(after_power_cut(&disk), expected.into());
}

#[test]
fn bytes_synced_before_they_had_a_name_may_vanish_from_under_it() {
    let disk = disk();
    let mut draft = disk.draft().expect("started");
    disk.write(&mut draft, b"bytes").expect("written");
    disk.sync(&draft).expect("synced");
    disk.publish(&mut draft, "dir/a").expect("published");
    // A name that comes by itself brings what was synced.
    let whole = files([("dir/a", b"bytes")]);
    assert_eq!(after_power_cut(&disk), [files([]), whole.clone()].into());
    let killed = disk.killed_at(disk.ops());
    disk.sync_dir("dir").expect("synced");
    let expected = [files([("dir/a", b"")]), whole.clone()];
    assert_eq!(after_power_cut(&disk), expected.into());
    // Synced with its name it stays, by whoever, and before or after the directory.
    disk.sync(&draft).expect("synced");
    assert_eq!(after_power_cut(&disk), [whole.clone()].into());
    let file = killed.open("dir/a").expect("opened");
    killed.sync_file(&file).expect("synced");
    killed.sync_dir("dir").expect("synced");
    assert_eq!(after_power_cut(&killed), [whole].into());
}

#[test]
fn without_a_sync_of_the_parent_a_directory_may_vanish_with_all_in_it() {
    let disk = disk();
    disk.make_dir("dir/new").expect("made");
    put(&disk, "dir/new/a", b"bytes", true).expect("put");
    disk.sync_dir("dir/new").expect("synced");
    let expected = [files([]), files([("dir/new/a", b"bytes")])];
    assert_eq!(after_power_cut(&disk), expected.into());
    disk.sync_dir("dir").expect("synced");
    assert_eq!(after_power_cut(&disk).len(), 1);
}

#[test]
fn a_removed_file_may_come_back_until_the_directory_is_synced() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    disk.sync_dir("dir").expect("synced");
    disk.remove("dir/a").expect("removed");
    assert_eq!(after_power_cut(&disk).len(), 2);
    disk.sync_dir("dir").expect("synced");
    assert_eq!(after_power_cut(&disk), [files([])].into());
}

#[test]
fn a_kept_write_may_be_torn_at_sectors_and_nowhere_else() {
    let disk = disk();
    let bytes: Vec<u8> = (0..2048).map(|i| (i / 512 + 1) as u8).collect();
    put(&disk, "dir/a", &bytes, false).expect("put");
    disk.sync_dir("dir").expect("synced");
    let mut found = BTreeSet::new();
    for seed in 0..1000 {
        for state in disk.crash_states(disk.ops(), seed) {
            let bytes = state.files().remove("dir/a").expect("named");
            for (i, sector) in bytes.chunks(512).enumerate() {
                let whole = sector.iter().all(|b| *b == sector[0]) && sector.len() == 512;
                assert!(
                    whole && [0, i as u8 + 1].contains(&sector[0]),
                    "{}",
                    state.origin()
                );
            }
            found.insert(bytes);
        }
    }
    // 8 subsets of sectors with the last one; 8 without it, each with or without zeros in its place.
    assert_eq!(found.len(), 8 + 2 * 8);
    assert!(found.contains(&bytes));
}

#[test]
fn all_subsets_of_ten_are_tried_and_samples_of_more() {
    let disk = disk();
    for i in 0..10 {
        put(&disk, &format!("dir/{i}"), b"", true).expect("put");
    }
    assert_eq!(after_power_cut(&disk).len(), 1024);
    for i in 10..30 {
        put(&disk, &format!("dir/{i}"), b"", true).expect("put");
    }
    let states = after_power_cut(&disk);
    for expected in [0, 1, 2, 29, 30] {
        assert!(
            states.iter().any(|files| files.len() == expected),
            "{expected}"
        );
    }
    assert!(states.len() > 2 + 30 + 28 + 190);
    let again: BTreeSet<_> = disk
        .crash_states(disk.ops(), 1)
        .map(|d| d.files())
        .collect();
    assert_eq!(states, again);
}

#[test]
fn every_earlier_crash_point_can_be_visited() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    disk.sync_dir("dir").expect("synced");
    for k in 0..disk.ops() {
        assert!(disk.crash_states(k, 1).any(|d| d.files().is_empty()), "{k}");
    }
    disk.checkpoint();
    assert_eq!(disk.ops(), 0);
    assert_eq!(after_power_cut(&disk).len(), 1);
}

#[test]
fn a_killed_process_leaves_everything_visible_and_no_more_durable() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    let killed = disk.killed_at(disk.ops());
    assert_eq!(killed.files(), files([("dir/a", b"bytes")]));
    assert_eq!(after_power_cut(&killed).len(), 2);
    killed.sync_dir("dir").expect("synced");
    assert_eq!(after_power_cut(&killed).len(), 1);
}

#[test]
fn a_sync_after_a_failed_one_makes_nothing_durable() {
    let disk = disk();
    disk.inject(Injection {
        call: Call::Sync,
        passes: 0,
        misdeed: Misdeed::Fails(Errno::IO),
        times: Times::Once,
    });
    let mut draft = disk.draft().expect("started");
    disk.write(&mut draft, b"bytes").expect("written");
    assert_eq!(disk.sync(&draft), Err(Errno::IO));
    assert_eq!(disk.sync(&draft), Ok(()));
    disk.publish(&mut draft, "dir/a").expect("published");
    disk.sync_dir("dir").expect("synced");
    assert!(after_power_cut(&disk).contains(&files([("dir/a", b"")])));
    assert_eq!(disk.calls(Call::Sync), 2);
}

#[test]
fn a_lying_disk_says_that_it_synced() {
    let knobs = [
        Knobs {
            ignore_file_sync: true,
            ..Knobs::default()
        },
        Knobs {
            ignore_dir_sync: true,
            ..Knobs::default()
        },
    ];
    for knobs in knobs {
        let disk = disk();
        disk.set(knobs);
        put(&disk, "dir/a", b"bytes", true).expect("put");
        disk.sync_dir("dir").expect("synced");
        assert_eq!(after_power_cut(&disk).len(), 2, "{knobs:?}");
    }
}

#[test]
fn named_drafts_may_survive_beside_or_instead_of_the_published_name() {
    let disk = disk();
    disk.set(Knobs {
        named_drafts: true,
        ..Knobs::default()
    });
    put(&disk, "dir/a", b"bytes", true).expect("put");
    let bytes = &b"bytes"[..];
    let expected = [
        files([]),
        files([("dir/a", bytes)]),
        files([(".tmp/draft-0", bytes)]),
        files([("dir/a", bytes), (".tmp/draft-0", bytes)]),
    ];
    assert_eq!(after_power_cut(&disk), expected.into());
}

#[test]
fn a_full_disk_takes_what_fits_and_gives_back_what_is_removed() {
    let disk = disk();
    disk.set(Knobs {
        capacity_bytes: Some(10),
        ..Knobs::default()
    });
    put(&disk, "dir/a", b"12345678", true).expect("put");
    assert_eq!(disk.space().map(|space| space.free), Ok(2));
    assert_eq!(put(&disk, "dir/b", b"123", true), Err(Errno::NOSPC));
    // The failed draft is gone.
    assert_eq!(disk.space().map(|space| space.free), Ok(2));
    disk.remove("dir/a").expect("removed");
    put(&disk, "dir/b", b"123", true).expect("put");
}

#[test]
fn injected_errors_come_at_their_call() {
    let disk = disk();
    let injection = Injection {
        call: Call::Write,
        passes: 1,
        misdeed: Misdeed::Fails(Errno::NOSPC),
        times: Times::Always,
    };
    disk.inject(injection);
    put(&disk, "dir/a", b"bytes", true).expect("put");
    assert_eq!(put(&disk, "dir/b", b"bytes", true), Err(Errno::NOSPC));
    assert_eq!(put(&disk, "dir/c", b"bytes", true), Err(Errno::NOSPC));
    assert_eq!(disk.files().len(), 1);
}

#[test]
fn damage_is_durable() {
    let disk = disk();
    put(&disk, "dir/a", b"bytes", true).expect("put");
    disk.sync_dir("dir").expect("synced");
    disk.damage("dir/a", |bytes| bytes[0] ^= 1);
    assert_eq!(
        after_power_cut(&disk),
        [files([("dir/a", b"cytes")])].into()
    );
}

#[test]
fn fingerprints_are_equal_where_names_and_bytes_are() {
    let disk = disk();
    let knobs = Knobs {
        named_drafts: true,
        ..Knobs::default()
    };
    disk.set(knobs);
    for (path, bytes) in [("dir/a", 1), ("dir/b", 2), ("dir/c", 2)] {
        put(&disk, path, &[bytes; 1500], false).expect("put");
    }
    disk.remove("dir/b").expect("removed");
    let mut seen = BTreeMap::new();
    for k in 0..=disk.ops() {
        let mut states = disk.crash_states(k, 1);
        while let Some(state) = states.next_state() {
            let print = state.fingerprint();
            let found = state.disk();
            assert_eq!(found.fingerprint(), print, "{}", found.origin());
            let files = found.files();
            assert_eq!(*seen.entry(print).or_insert_with(|| files.clone()), files);
        }
    }
    let different: BTreeSet<_> = seen.values().collect();
    assert_eq!(different.len(), seen.len());
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn files_stored_at_once_are_the_same_files_and_more_is_pending() {
    let one_by_one = disk();
    for path in ["dir/a", "dir/b", "dir/c"] {
        put(&one_by_one, path, path.as_bytes(), true).expect("put");
        one_by_one.sync_dir("dir").expect("synced");
    }
    let pending = |disk: &SimDisk| {
        let points = 0..=disk.ops();
        points.map(|k| disk.crash_states(k, 1).pending()).max()
    };
    let before = pending(&one_by_one);
    let at_once = one_by_one.killed_at(one_by_one.ops());
    at_once.store_at_once(0, &[""], 3, 7);
    assert_eq!(at_once.ops(), one_by_one.ops());
    assert!(pending(&at_once) > before, "{at_once:?}");
    assert_eq!(at_once.killed_at(at_once.ops()).files(), one_by_one.files());
    let elsewhere = one_by_one.killed_at(one_by_one.ops());
    elsewhere.store_at_once(0, &["dir"], 3, 7);
    assert_eq!(
        format!("{elsewhere:?}"),
        format!("{:?}", one_by_one.killed_at(one_by_one.ops()))
    );
}
