//! What a pool's own parity is good for, and a pool without it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::Place;

fn packs(place: &Place) -> Vec<PathBuf> {
    let shelves = fs::read_dir(place.path("data/pool/packs")).unwrap();
    let packs = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    packs.map(|pack| pack.unwrap().path()).collect()
}

/// Loses a sector in the middle of a file.
fn lose_sector(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 3;
    bytes[at..at + 512].fill(0);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_lost_sector_is_mended_unless_the_pool_was_made_without_parity() {
    for (parity, exit) in [("on", 3), ("off", 8)] {
        let place = Place::new();
        let docs = place.directory("docs");
        fs::write(docs.join("data"), testkit::Dice::new(1).bytes(2 << 20)).unwrap();
        let mut first = place.command(&["protect", "docs"]);
        assert!(
            first
                .env("DOZO_PARITY", parity)
                .output()
                .unwrap()
                .status
                .success()
        );
        let before: Vec<Vec<u8>> = packs(&place)
            .iter()
            .map(|pack| fs::read(pack).unwrap())
            .collect();
        packs(&place).iter().for_each(|pack| lose_sector(pack));
        let said = place.dozo(exit, &["pool", "verify"]);
        let after: Vec<Vec<u8>> = packs(&place)
            .iter()
            .map(|pack| fs::read(pack).unwrap())
            .collect();
        assert_eq!(after == before, parity == "on", "{}", said.all());
        assert_eq!(
            said.err.contains("repaired"),
            parity == "on",
            "{}",
            said.err
        );
        // Without it the paths are named that are hurt.
        assert_eq!(
            said.err.contains("docs/data: chunk "),
            parity == "off",
            "{}",
            said.err
        );
        if parity == "on" {
            place.dozo(0, &["pool", "verify", "--deep"]);
            let point = place.points().remove(0);
            let back = place.restore("docs", &point, "back");
            assert_eq!(
                fs::read(back.join("data")).unwrap(),
                fs::read(docs.join("data")).unwrap()
            );
        }
    }
}

#[test]
fn a_part_of_the_pool_is_verified_at_a_rate() {
    let place = Place::new();
    let docs = place.directory("docs");
    fs::write(docs.join("data"), testkit::Dice::new(2).bytes(1 << 20)).unwrap();
    place.point("docs");
    place.dozo(0, &["pool", "verify", "--sample", "10%", "--rate", "50M"]);
    place.dozo(2, &["pool", "verify", "--sample", "0"]);
    place.dozo(2, &["pool", "verify", "--rate", "fast"]);
    let said = place
        .command(&["protect", "docs"])
        .env("DOZO_PARITY", "maybe")
        .output();
    assert!(said.unwrap().status.success(), "the pool is there already");
    let other = Place::new();
    other.directory("docs");
    let said = other
        .command(&["protect", "docs"])
        .env("DOZO_PARITY", "maybe")
        .output();
    assert_eq!(said.unwrap().status.code(), Some(2));
    assert!(!other.path("data/pool/format").try_exists().unwrap());
}

#[test]
fn a_pool_is_nearly_full_when_it_was_said_to_be() {
    let place = Place::new();
    place.directory("docs");
    place.point("docs");
    let status = |percent: &str| {
        let output = place
            .command(&["status"])
            .env("DOZO_POOL_WARN", percent)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    // The disk that the tests run on is neither empty nor full.
    let (exit, shown) = status("1");
    assert_eq!(exit, Some(0), "{shown}");
    assert!(shown.contains("is nearly full"), "{shown}");
    let (exit, shown) = status("100");
    assert_eq!(exit, Some(0), "{shown}");
    assert!(!shown.contains("is nearly full"), "{shown}");
    for percent in ["0", "101", "half", "85 %"] {
        assert_eq!(status(percent).0, Some(2), "{percent}");
    }
}
