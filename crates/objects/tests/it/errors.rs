//! Every error a place can give, provoked.

use base::limits::OBJECT_BYTES_MAX;
use objects::disk::{Disk, Errno};
use objects::faulty::{self, Faulty, Misdeed};
use objects::{
    DeleteError, GetError, ListError, Local, Memory, ObjectName, Objects, OpenError, PutError,
};
use testkit::{Call, Knobs, SimDisk, Times};

use crate::crash::fault;

fn name(text: &str) -> ObjectName {
    text.parse().expect("valid")
}

fn place() -> (SimDisk, Local<SimDisk>) {
    let disk = SimDisk::new();
    let place = Local::create(disk.clone()).expect("created");
    place.put_new(&name("dir/there"), b"bytes").expect("put");
    (disk, place)
}

#[test]
fn a_sync_that_fails_twice_ends_writing() {
    let (disk, place) = place();
    disk.inject(fault(Call::Sync, 0, Errno::IO, Times::Always));
    let put = place.put_new(&name("dir/a"), b"bytes");
    assert!(matches!(put, Err(PutError::Failed { .. })), "{put:?}");
    // Two of the probe, two of the first object, two of this one.
    assert_eq!(disk.calls(Call::Sync), 6);
    let put = place.put_new(&name("dir/b"), b"bytes");
    assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
    let deleted = place.delete(&name("dir/there"));
    assert!(
        matches!(deleted, Err(DeleteError::ReadOnly { .. })),
        "{deleted:?}"
    );
    // Nothing was synced again, and reading goes on.
    assert_eq!(disk.calls(Call::Sync), 6);
    assert_eq!(place.get(&name("dir/there")).expect("read"), b"bytes");
}

#[test]
fn a_sync_that_fails_after_publishing_leaves_the_outcome_open_and_ends_writing() {
    for errno in [Errno::IO, Errno::NOSPC, Errno::MFILE] {
        let (disk, place) = place();
        disk.inject(fault(Call::Sync, 1, errno, Times::Once));
        let put = place.put_new(&name("dir/a"), b"bytes");
        assert!(matches!(put, Err(PutError::Unsure { .. })), "{put:?}");
        // Its directory is not synced either: that might keep a name without bytes.
        let synced = disk.calls(Call::SyncDir);
        for put in [
            place.put_new(&name("dir/b"), b"bytes"),
            place.settle(&name("dir/a")),
        ] {
            assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
        }
        assert_eq!(disk.calls(Call::SyncDir), synced);
    }
}

#[test]
fn a_write_that_fails_stores_nothing_and_does_not_end_writing() {
    for errno in [Errno::IO, Errno::PERM, Errno::NOMEM] {
        let (disk, place) = place();
        disk.inject(fault(Call::Write, 0, errno, Times::Once));
        let put = place.put_new(&name("dir/a"), b"bytes");
        assert!(matches!(put, Err(PutError::Failed { .. })), "{put:?}");
        assert_eq!(place.head(&name("dir/a")).expect("known"), None);
        place.put_new(&name("dir/a"), b"bytes").expect("put");
        assert_eq!(place.get(&name("dir/a")).expect("read"), b"bytes");
    }
}

#[test]
fn what_cannot_be_settled_is_not_said_to_be() {
    let (disk, place) = place();
    let missing = place.settle(&name("dir/missing"));
    assert!(
        matches!(missing, Err(PutError::Unsure { .. })),
        "{missing:?}"
    );
    place.settle(&name("dir/there")).expect("settled");
    disk.inject(fault(Call::Sync, 0, Errno::IO, Times::Once));
    let failed = place.settle(&name("dir/there"));
    assert!(matches!(failed, Err(PutError::Unsure { .. })), "{failed:?}");
    let again = place.settle(&name("dir/there"));
    assert!(matches!(again, Err(PutError::ReadOnly { .. })), "{again:?}");
}

#[test]
fn a_directory_sync_that_fails_leaves_the_outcome_open_and_ends_writing() {
    let (disk, place) = place();
    disk.inject(fault(Call::SyncDir, 0, Errno::IO, Times::Once));
    let put = place.put_new(&name("dir/a"), b"bytes");
    assert!(matches!(put, Err(PutError::Unsure { .. })), "{put:?}");
    let put = place.put_new(&name("dir/b"), b"bytes");
    assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
    let put = place.prepare(&[name("dir/c")]);
    assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
}

#[test]
fn a_full_disk_is_said_to_be_full_and_not_tried_again() {
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        for call in [Call::Draft, Call::Write, Call::Sync, Call::Publish] {
            let (disk, place) = place();
            let before = disk.calls(call);
            disk.inject(fault(call, 0, errno, Times::Always));
            let put = place.put_new(&name("dir/a"), b"bytes");
            assert!(
                matches!(put, Err(PutError::Full { .. })),
                "{call:?}: {put:?}"
            );
            assert_eq!(disk.calls(call), before + 1);
        }
    }
}

#[test]
fn a_full_disk_can_be_opened_read_and_freed() {
    let (disk, place) = place();
    drop(place);
    disk.set(Knobs {
        capacity_bytes: Some(5),
        ..Knobs::default()
    });
    let place = Local::open(disk).expect("opened");
    assert_eq!(
        place.space().expect("known").map(|space| space.free),
        Some(0)
    );
    assert!(matches!(
        place.put_new(&name("dir/a"), b"b"),
        Err(PutError::Full { .. })
    ));
    assert_eq!(place.get(&name("dir/there")).expect("read"), b"bytes");
    place.delete(&name("dir/there")).expect("deleted");
    place.put_new(&name("dir/a"), b"b").expect("put");
}

#[test]
fn a_file_system_that_became_read_only_is_said_to_be() {
    for call in [Call::Draft, Call::Publish, Call::Remove] {
        let (disk, place) = place();
        disk.inject(fault(call, 0, Errno::ROFS, Times::Always));
        if call == Call::Remove {
            let deleted = place.delete(&name("dir/there"));
            assert!(
                matches!(deleted, Err(DeleteError::ReadOnly { .. })),
                "{deleted:?}"
            );
        } else {
            let put = place.put_new(&name("dir/a"), b"bytes");
            assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
        }
    }
}

#[test]
fn opening_read_only_changes_nothing() {
    let (disk, place) = place();
    drop(place);
    let before = disk.ops();
    let place = Local::read_only(disk.clone());
    assert_eq!(place.get(&name("dir/there")).expect("read"), b"bytes");
    assert_eq!(place.list("").expect("listed").len(), 1);
    for put in [
        place.put_new(&name("dir/a"), b"bytes"),
        place.settle(&name("dir/there")),
        place.prepare(&[name("dir")]),
    ] {
        assert!(matches!(put, Err(PutError::ReadOnly { .. })), "{put:?}");
    }
    assert_eq!(disk.ops(), before);
}

#[test]
fn rotten_bytes_are_told_from_other_failures() {
    let (disk, place) = place();
    let there = name("dir/there");
    for errno in [Errno::IO, Errno::BADMSG, Errno::UCLEAN] {
        disk.inject(fault(Call::Read, 0, errno, Times::Once));
        assert!(matches!(
            place.get(&there),
            Err(GetError::Unreadable { .. })
        ));
    }
    disk.inject(fault(Call::Open, 0, Errno::ACCESS, Times::Once));
    assert!(matches!(place.get(&there), Err(GetError::Failed { .. })));
    disk.inject(fault(Call::List, 0, Errno::IO, Times::Once));
    assert!(matches!(place.list(""), Err(ListError::Failed { .. })));
    disk.inject(fault(Call::Remove, 0, Errno::ACCESS, Times::Once));
    assert!(matches!(
        place.delete(&there),
        Err(DeleteError::Failed { .. })
    ));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_held() {
    let large = vec![0; OBJECT_BYTES_MAX + 1];
    let (disk, place) = place();
    let memory = Memory::new();
    for put in [
        place.put_new(&name("dir/a"), &large),
        memory.put_new(&name("dir/a"), &large),
    ] {
        assert!(matches!(put, Err(PutError::TooLarge { .. })));
    }
    disk.damage("dir/there", |bytes| bytes.resize(OBJECT_BYTES_MAX + 1, 0));
    assert!(matches!(
        place.get(&name("dir/there")),
        Err(GetError::TooLarge { .. })
    ));
    assert_eq!(
        place.get_range(&name("dir/there"), 0, 5).expect("read"),
        b"bytes"
    );
}

#[test]
fn a_file_system_unfit_for_storage_is_refused() {
    for call in [Call::SyncDir, Call::Publish, Call::Sync, Call::Read] {
        let disk = SimDisk::new();
        drop(Local::open(disk.clone()).expect("opened"));
        // Opening syncs the root; what fails is the probe.
        let passes = u64::from(call == Call::SyncDir);
        disk.inject(fault(call, passes, Errno::INVAL, Times::Always));
        let created = Local::create(disk);
        assert!(matches!(created, Err(OpenError::Unfit { .. })), "{call:?}");
    }
}

#[test]
fn opening_says_what_failed() {
    let disk = SimDisk::new();
    disk.inject(fault(Call::MakeDir, 0, Errno::NOSPC, Times::Once));
    disk.inject(fault(Call::MakeDir, 0, Errno::ACCESS, Times::Once));
    disk.inject(fault(Call::MakeDir, 1, Errno::ACCESS, Times::Once));
    assert!(matches!(
        Local::open(disk.clone()),
        Err(OpenError::Full { .. })
    ));
    assert!(matches!(Local::open(disk), Err(OpenError::Failed { .. })));
}

#[test]
fn stale_drafts_are_removed_unless_a_writer_is_alive() {
    let disk = SimDisk::new();
    let writer = Local::create(disk.clone()).expect("created");
    let mut draft = disk.draft().expect("started");
    disk.write(&mut draft, b"half").expect("written");
    disk.publish(&mut draft, ".tmp/draft-of-a-killed-process")
        .expect("named");
    let second = Local::open(disk.clone()).expect("opened");
    assert_eq!(disk.files().len(), 1);
    drop((writer, second));
    drop(Local::open(disk.clone()).expect("opened"));
    assert_eq!(disk.files().len(), 0);
}

#[test]
fn a_faulty_place_fails_at_the_call_ordered() {
    let place = Faulty::new(Memory::new());
    place.fail(faulty::Call::Put, 1, Misdeed::Full, faulty::Times::Once);
    place.fail(
        faulty::Call::Put,
        3,
        Misdeed::UnsureDone,
        faulty::Times::Always,
    );
    place.put_new(&name("a"), b"1").expect("put");
    assert!(matches!(
        place.put_new(&name("b"), b"2"),
        Err(PutError::Full { .. })
    ));
    place.put_new(&name("b"), b"2").expect("put");
    assert!(matches!(
        place.put_new(&name("c"), b"3"),
        Err(PutError::Unsure { .. })
    ));
    assert_eq!(place.get(&name("c")).expect("it was stored"), b"3");
    assert!(matches!(
        place.put_new(&name("d"), b"4"),
        Err(PutError::Unsure { .. })
    ));
    assert_eq!(place.calls(faulty::Call::Put), 5);
    place.heal();
    place.put_new(&name("e"), b"5").expect("put");
}
