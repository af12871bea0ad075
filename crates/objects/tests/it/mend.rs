//! Mending over every crash point and every failure: the damaged object or its own bytes, and nothing lost.

use std::sync::Arc;

use objects::disk::Errno;
use objects::{GetError, Local, Memory, ObjectName, Objects, PutError, Volume, Volumes};
use testkit::{Call, Dice, Knobs, SimDisk, Times};

use crate::crash::fault;

const OBJECT: &str = "packs/aa/1";
const KEPT: [&str; 2] = ["quarantine/1.1", "quarantine/1.2"];

fn name(text: &str) -> ObjectName {
    text.parse().expect("valid")
}

/// A disk with an object that was damaged, and what it was and is.
fn damaged(knobs: Knobs) -> (SimDisk, Vec<u8>, Vec<u8>) {
    let disk = SimDisk::new();
    let place = Local::create(disk.clone()).expect("created");
    let right = Dice::new(1).bytes(3000);
    place.put_new(&name(OBJECT), &right).expect("put");
    place.put_new(&name("packs/aa/2"), b"another").expect("put");
    disk.damage(OBJECT, |bytes| bytes[700] ^= 1);
    disk.checkpoint();
    disk.set(knobs);
    let wrong = place.get(&name(OBJECT)).expect("read");
    (disk, right, wrong)
}

/// Mends it under the first free name for what is kept.
fn mend(place: &impl Objects, right: &[u8]) -> Result<(), PutError> {
    let mend = |kept: &str| place.mend(&name(OBJECT), right, &name(kept));
    match mend(KEPT[0]) {
        Err(PutError::Exists { .. }) => mend(KEPT[1]),
        done => done,
    }
}

/// Returns whether the object is mended.
///
/// # Panics
/// If it is neither damaged nor mended, or mended and not kept.
fn is_mended(disk: SimDisk, right: &[u8], wrong: &[u8]) -> bool {
    let origin = disk.origin();
    let place = Local::open(disk).expect("opened");
    let found = place.get(&name(OBJECT)).expect("it is there");
    let kept = KEPT.map(|kept| match place.get(&name(kept)) {
        Ok(bytes) => {
            assert!(bytes == wrong, "something else is kept: {origin}");
            true
        }
        Err(GetError::Missing { .. }) => false,
        Err(error) => panic!("{error}: {origin}"),
    });
    let is_mended = found == right;
    assert!(is_mended || found == wrong, "neither: {origin}");
    assert!(!is_mended || kept.contains(&true), "not kept: {origin}");
    let other = place.get(&name("packs/aa/2")).expect("read");
    assert_eq!(other, b"another");
    is_mended
}

#[test]
fn an_object_is_damaged_or_mended_and_kept_after_every_crash() {
    for named_drafts in [false, true] {
        let (disk, right, wrong) = damaged(Knobs {
            named_drafts,
            ..Knobs::default()
        });
        let place = Local::open(disk.clone()).expect("opened");
        mend(&place, &right).expect("mended");
        let (mut states, mut mended) = (0, 0);
        for k in 0..=disk.ops() {
            for state in disk.crash_states(k, 1).chain([disk.killed_at(k)]) {
                states += 1;
                mended += usize::from(is_mended(state, &right, &wrong));
            }
        }
        for state in disk.crash_states(disk.ops(), 1) {
            assert!(
                is_mended(state, &right, &wrong),
                "what was promised is gone"
            );
        }
        assert!(mended > 0 && mended < states, "{mended} of {states}");
        println!(
            "{states} states of {} operations, mended in {mended}",
            disk.ops()
        );
    }
}

#[test]
fn mending_that_was_killed_is_done_again() {
    let (disk, right, wrong) = damaged(Knobs::default());
    mend(&Local::open(disk.clone()).expect("opened"), &right).expect("mended");
    for k in 0..=disk.ops() {
        let killed = disk.killed_at(k);
        // What is whole need not be mended, only be made to stay.
        let place = Local::open(killed.clone()).expect("opened");
        match place.get(&name(OBJECT)).expect("read") == right {
            true => place.settle(&name(OBJECT)).expect("settled"),
            false => mend(&place, &right).expect("mended"),
        }
        for state in killed.crash_states(killed.ops(), 1) {
            assert!(is_mended(state, &right, &wrong), "killed after {k}");
        }
        let drafts = killed
            .files()
            .into_keys()
            .filter(|path| path.starts_with(".tmp/"));
        assert_eq!(drafts.count(), 0);
    }
}

#[test]
fn a_disk_that_ignores_syncs_loses_what_is_mended() {
    let file = Knobs {
        ignore_file_sync: true,
        ..Knobs::default()
    };
    let dir = Knobs {
        ignore_dir_sync: true,
        ..Knobs::default()
    };
    for knobs in [file, dir] {
        let (disk, right, wrong) = damaged(knobs);
        mend(&Local::open(disk.clone()).expect("opened"), &right).expect("mended");
        let look = || {
            for k in 0..=disk.ops() {
                for state in disk.crash_states(k, 1) {
                    is_mended(state, &right, &wrong);
                }
            }
        };
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look));
        assert!(looked.is_err(), "{knobs:?}");
    }
}

#[test]
fn any_call_of_mending_that_fails_leaves_the_object_damaged_or_mended() {
    let calls = [
        Call::MakeDir,
        Call::Draft,
        Call::Write,
        Call::Sync,
        Call::Link,
        Call::SyncDir,
        Call::Replace,
    ];
    for (call, errno) in calls
        .into_iter()
        .flat_map(|call| [Errno::IO, Errno::NOSPC, Errno::ROFS].map(|errno| (call, errno)))
    {
        for passes in 0.. {
            let (disk, right, wrong) = damaged(Knobs::default());
            let place = Local::open(disk.clone()).expect("opened");
            disk.inject(fault(call, passes, errno, Times::Always));
            let mended = mend(&place, &right);
            let is_over = mended.is_ok();
            let is_unsure = matches!(mended, Err(PutError::Unsure { .. }));
            let states = disk.crash_states(disk.ops(), 1);
            for state in states.chain([disk.killed_at(disk.ops())]) {
                let is_mended = is_mended(state, &right, &wrong);
                assert!(
                    is_mended == is_over || is_unsure,
                    "{call:?} {passes} {errno:?}"
                );
            }
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn mending_is_refused_before_anything_is_changed() {
    let (disk, right, wrong) = damaged(Knobs::default());
    let before = disk.files();
    let read_only = Local::read_only(disk.clone());
    let refused = mend(&read_only, &right);
    assert!(
        matches!(refused, Err(PutError::ReadOnly { .. })),
        "{refused:?}"
    );
    let place = Local::open(disk.clone()).expect("opened");
    let large = vec![0; base::limits::OBJECT_BYTES_MAX + 1];
    let refused = mend(&place, &large);
    assert!(
        matches!(refused, Err(PutError::TooLarge { .. })),
        "{refused:?}"
    );
    let missing = place.mend(&name("packs/aa/3"), &right, &name("quarantine/3.1"));
    assert!(
        matches!(missing, Err(PutError::Failed { .. })),
        "{missing:?}"
    );
    assert_eq!(disk.files(), before);
    assert!(!is_mended(disk, &right, &wrong));
}

#[test]
fn what_is_on_a_volume_is_mended_and_kept_there() {
    let (home, disk) = (Arc::new(Memory::new()), Arc::new(Memory::new()));
    disk.put_new(&name(OBJECT), b"damaged").expect("put");
    let volume = Volume {
        name: String::from("disk"),
        place: Some(disk.clone()),
        drains: false,
    };
    let is_spread = |name: &ObjectName| name.as_str().starts_with("packs/");
    let place = Volumes::new(home.clone(), vec![volume], is_spread, |_| true);
    mend(&place, b"right").expect("mended");
    assert_eq!(place.get(&name(OBJECT)).expect("read"), b"right");
    assert_eq!(disk.get(&name(OBJECT)).expect("read"), b"right");
    assert_eq!(disk.get(&name(KEPT[0])).expect("read"), b"damaged");
    assert_eq!(home.list("").expect("listed"), []);
}
