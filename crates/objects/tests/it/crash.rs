//! The protocol over every crash point: what `put_new` reported as done is there, whole.

use objects::disk::Errno;
use objects::{GetError, Local, ObjectName, Objects, PutError};
use testkit::{Call, Dice, Injection, Knobs, Misdeed, SimDisk, Times};

/// What must be on the disk from an operation on, until another.
struct Promise {
    name: ObjectName,
    bytes: Vec<u8>,
    /// Operations done when `put_new` returned.
    stored: usize,
    /// Operations done when `delete` was called, and when it returned.
    deleted: Option<(usize, usize)>,
}

/// Puts into fresh and existing directories, deletes, and returns what was promised.
fn scenario(disk: &SimDisk) -> Vec<Promise> {
    let mut dice = Dice::new(3);
    let place = Local::create(disk.clone()).expect("created");
    let dirs = ["packs/aa", "packs/ab"].map(|dir| dir.parse().expect("valid"));
    place.prepare(&dirs).expect("prepared");
    let mut promises = Vec::new();
    let names = [
        "packs/aa/1",
        "log/1",
        "packs/ab/2",
        "packs/aa/3",
        "points/s1/p1",
        "log/2",
        "format",
    ];
    for (name, len) in names.into_iter().zip([3000, 200, 512, 700, 1500, 0, 64]) {
        let name: ObjectName = name.parse().expect("valid");
        let bytes = dice.bytes(len);
        place.put_new(&name, &bytes).expect("put");
        promises.push(Promise {
            name,
            bytes,
            stored: disk.ops(),
            deleted: None,
        });
    }
    let before = disk.ops();
    place.delete(&promises[3].name).expect("deleted");
    promises[3].deleted = Some((before, disk.ops()));
    promises
}

/// Opens the disk as after a crash at `k` and returns the first promise that is broken.
fn broken(disk: SimDisk, k: usize, promises: &[Promise]) -> Option<String> {
    let origin = disk.origin();
    let place = match Local::open(disk) {
        Ok(place) => place,
        Err(error) => return Some(format!("{error}: {origin}")),
    };
    promises.iter().find_map(|promise| {
        let (deleting, deleted) = promise.deleted.unwrap_or((usize::MAX, usize::MAX));
        let found = place.get(&promise.name);
        let held = match &found {
            Ok(bytes) => *bytes == promise.bytes && k < deleted,
            Err(GetError::Missing { .. }) => k < promise.stored || k > deleting,
            Err(_) => false,
        };
        let name = &promise.name;
        (!held).then(|| format!("{name} is {:?}: {origin}", found.map(|b| b.len())))
    })
}

/// Visits every crash point; returns how many states there were and the first broken promise.
fn explore(disk: &SimDisk, promises: &[Promise]) -> (usize, Option<String>) {
    let mut states = 0;
    for k in 0..=disk.ops() {
        for state in disk.crash_states(k, 1).chain([disk.killed_at(k)]) {
            states += 1;
            if let Some(what) = broken(state, k, promises) {
                return (states, Some(format!("{what}\n{disk:?}")));
            }
        }
    }
    (states, None)
}

#[test]
fn a_stored_object_is_whole_after_every_crash() {
    for named_drafts in [false, true] {
        let disk = SimDisk::new();
        disk.set(Knobs {
            named_drafts,
            ..Knobs::default()
        });
        let promises = scenario(&disk);
        let (states, first) = explore(&disk, &promises);
        assert_eq!(first, None);
        assert!(states > 100, "{states}");
        println!("{states} states of {} operations", disk.ops());
    }
}

#[test]
fn a_disk_that_ignores_syncs_breaks_the_promise() {
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
        let disk = SimDisk::new();
        disk.set(knobs);
        let promises = scenario(&disk);
        assert!(explore(&disk, &promises).1.is_some(), "{knobs:?}");
    }
}

#[test]
fn an_object_written_again_after_a_failed_sync_is_whole_after_every_crash() {
    // Every first sync of the scenario fails once; those of the probe make no promise.
    let mut visited = 0;
    for passes in (2..16).step_by(2) {
        let disk = SimDisk::new();
        disk.inject(fault(Call::Sync, passes, Errno::IO, Times::Once));
        let promises = scenario(&disk);
        let (states, first) = explore(&disk, &promises);
        assert_eq!(first, None);
        assert_eq!(disk.calls(Call::Sync), 2 + 7 * 2 + 1);
        visited += states;
    }
    println!("{visited} states after a failed sync");
}

#[test]
fn what_a_killed_writer_left_is_durable_once_settled() {
    let disk = SimDisk::new();
    let promises = scenario(&disk);
    for k in 0..=disk.ops() {
        let killed = disk.killed_at(k);
        let place = Local::open(killed.clone()).expect("opened");
        let found = place.list("").expect("listed");
        for listed in &found {
            place.settle(&listed.name).expect("settled");
        }
        for state in killed.crash_states(killed.ops(), 1) {
            let after = Local::open(state)
                .expect("opened")
                .list("")
                .expect("listed");
            assert_eq!(after, found, "killed after {k}");
        }
    }
    assert_eq!(promises.len(), 7);
}

#[test]
fn what_a_killed_writer_left_in_the_root_is_durable_once_opened() {
    let disk = SimDisk::new();
    let promises = scenario(&disk);
    let in_root = |disk: SimDisk| {
        let mut found = Local::open(disk).expect("opened").list("").expect("listed");
        found.retain(|listed| listed.name.dir().is_empty());
        found
    };
    let mut seen = 0;
    for k in 0..=disk.ops() {
        let killed = disk.killed_at(k);
        let found = in_root(killed.clone());
        seen += found.len();
        for state in killed.crash_states(killed.ops(), 1) {
            assert_eq!(in_root(state), found, "killed after {k}");
        }
    }
    assert!(seen > 0 && promises.len() == 7);
}

#[test]
fn opening_and_settling_the_last_object_never_make_a_name_durable_without_its_bytes() {
    let disk = SimDisk::new();
    let promises = scenario(&disk);
    let whole = |listed: &objects::Listed| {
        let promise = promises.iter().find(|p| p.name == listed.name);
        promise.is_some_and(|promise| promise.bytes.len() as u64 == listed.bytes)
    };
    for k in 0..=disk.ops() {
        let killed = disk.killed_at(k);
        let place = Local::open(killed.clone()).expect("opened");
        let found = place.list("").expect("listed");
        let is_found = |promise: &&Promise| found.iter().any(|l| l.name == promise.name);
        if let Some(last) = promises.iter().rfind(is_found) {
            place.settle(&last.name).expect("settled");
        }
        for cut in k..=killed.ops() {
            for state in killed.crash_states(cut, 1) {
                let origin = state.origin();
                let found = Local::read_only(state).list("").expect("listed");
                assert!(
                    found.iter().all(whole),
                    "killed after {k}, {origin}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn a_refused_object_is_never_there_half() {
    let calls = [Call::Draft, Call::Write, Call::Publish, Call::MakeDir];
    for call in calls {
        let disk = SimDisk::new();
        let place = Local::create(disk.clone()).expect("created");
        disk.inject(fault(call, 0, Errno::NOSPC, Times::Once));
        let name: ObjectName = "log/1".parse().expect("valid");
        let refused = place.put_new(&name, &[7; 2000]);
        assert!(matches!(refused, Err(PutError::Full { .. })), "{call:?}");
        assert_eq!(place.list("").expect("listed"), []);
        for state in disk.crash_states(disk.ops(), 1) {
            let origin = state.origin();
            let found = Local::read_only(state).list("").expect("listed");
            assert_eq!(found, [], "{call:?} {origin}");
        }
        // Room is made: it goes on without anything else.
        place.put_new(&name, &[7; 2000]).expect("put");
    }
}

pub(crate) fn fault(call: Call, passes: u64, errno: Errno, times: Times) -> Injection {
    Injection {
        call,
        passes,
        misdeed: Misdeed::Fails(errno),
        times,
    }
}
