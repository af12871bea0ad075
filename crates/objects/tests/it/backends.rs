//! Every place passes the same checks, and a place that does not is found out.

use std::sync::Arc;

use objects::conformance::{Report, run};
use objects::disk::{Publishing, RealDisk};
use objects::faulty::{Call, Faulty, Misdeed, Times};
use objects::{Local, Memory, Objects, Volume, Volumes};
use testkit::{Knobs, SimDisk, env, tempdir};

fn check(open: &dyn Fn() -> Box<dyn Objects>) -> Report {
    run(&env(1).0, open)
}

fn passes(open: &dyn Fn() -> Box<dyn Objects>) {
    let report = check(open);
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(report.checks.len(), 12);
}

#[test]
fn memory_conforms() {
    let place = Arc::new(Memory::new());
    passes(&|| Box::new(place.clone()));
}

#[test]
fn a_directory_conforms_however_files_are_published() {
    for how in [
        None,
        Some(Publishing::Unnamed),
        Some(Publishing::Link),
        Some(Publishing::Rename),
    ] {
        let root = tempdir().expect("a temporary directory");
        passes(&|| {
            let disk = RealDisk::create(root.path()).expect("created");
            let disk = match how {
                Some(how) => disk.publishing(how),
                None => disk,
            };
            Box::new(Local::create(disk).expect("fit"))
        });
    }
}

#[test]
fn volumes_conform() {
    let home = Arc::new(Memory::new());
    let places = [Arc::new(Memory::new()), Arc::new(Memory::new())];
    passes(&|| {
        let volumes = places.iter().enumerate().map(|(i, place)| Volume {
            name: format!("v{i}"),
            place: Some(place.clone()),
            drains: false,
        });
        let (volumes, home) = (volumes.collect(), home.clone());
        Box::new(Volumes::new(home, volumes, |_| true, |_| true))
    });
}

#[test]
fn a_simulated_disk_conforms() {
    for named_drafts in [false, true] {
        let disk = SimDisk::new();
        disk.set(Knobs {
            named_drafts,
            read_bytes_max: Some(1000),
            ..Knobs::default()
        });
        passes(&|| Box::new(Local::create(disk.clone()).expect("fit")));
    }
}

#[test]
fn a_faulty_place_without_orders_conforms() {
    let place = Arc::new(Faulty::new(Memory::new()));
    passes(&|| Box::new(place.clone()));
}

#[test]
fn a_place_that_fails_is_found_out() {
    let calls = [
        Call::Prepare,
        Call::Put,
        Call::Settle,
        Call::Mend,
        Call::Get,
        Call::List,
        Call::Head,
        Call::Delete,
    ];
    for call in calls {
        let place = Arc::new(Faulty::new(Memory::new()));
        place.fail(call, 0, Misdeed::Failed, Times::Always);
        let report = check(&|| Box::new(place.clone()));
        assert!(!report.failures().is_empty(), "{call:?}");
        assert!(report.to_string().contains("FAILED"));
    }
}

#[test]
fn a_place_that_changes_bytes_is_found_out() {
    let place = Arc::new(Faulty::new(Memory::new()));
    place.fail(Call::Get, 0, Misdeed::FlippedBit, Times::Always);
    assert!(!check(&|| Box::new(place.clone())).failures().is_empty());
}

#[test]
fn two_places_taken_for_one_are_found_out() {
    let report = check(&|| Box::new(Memory::new()));
    assert!(!report.failures().is_empty());
}
