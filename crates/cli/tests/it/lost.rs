//! What is only a cache may be lost between any two commands: index and catalog come back from the pool.

use std::fs;
use std::path::Path;

use testkit::trees::{self, Shape, describe};

use crate::program::Place;

/// What of the data directory may be lost together.
const LOSSES: [&[&str]; 4] = [
    &["cache/index.redb"],
    &["cache"],
    &["catalog.db", "catalog.db-wal", "catalog.db-shm"],
    &["cache", "catalog.db", "catalog.db-wal", "catalog.db-shm"],
];

fn lose(data: &Path, names: &[&str]) {
    let mut lost = 0;
    for name in names {
        let path = data.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
            Ok(_) => fs::remove_file(&path).unwrap(),
            Err(_) => continue,
        }
        lost += 1;
    }
    assert!(lost > 0, "nothing of {names:?} was there to lose");
}

/// Everything that people told the server or made with it.
fn known(place: &Place) -> Vec<serde_json::Value> {
    let mut sources = place.json(&["source", "list"]);
    // Jobs are told by the catalog alone, and their history is lost with it.
    for source in sources["sources"].as_array_mut().unwrap() {
        let source = source.as_object_mut().unwrap();
        source.retain(|name, _| ["id", "name", "path", "group", "selection"].contains(&&**name));
        assert!(source.len() >= 4, "{source:?}");
    }
    vec![
        sources,
        place.json(&["point", "list"]),
        place.json(&["group", "list"]),
        place.json(&["group", "show", "Office"]),
        place.json(&["group", "show", "default"]),
    ]
}

#[test]
fn whatever_cache_is_lost_nothing_is() {
    let place = Place::new();
    let (docs, mail) = (place.directory("docs"), place.directory("mail"));
    trees::build(&docs, 1, Shape::default()).unwrap();
    trees::build(&mail, 2, Shape::default()).unwrap();
    let mut kept = vec![("docs", place.point("docs"), describe(&docs).unwrap())];
    place.dozo(
        0,
        &[
            "group",
            "create",
            "Office",
            "--at",
            "mon-fri 12:00",
            "--sync",
            "4h",
        ],
    );
    place.dozo(
        0,
        &[
            "group",
            "set",
            "Office",
            "--keep-days",
            "30",
            "--keep-yearly",
            "5",
        ],
    );
    let excluding = ["protect", "mail", "--group", "Office", "--exclude", "*.bak"];
    place.dozo(0, &excluding);
    for (round, loss) in LOSSES.iter().enumerate() {
        let before = known(&place);
        lose(&place.path("data"), loss);
        assert_eq!(known(&place), before, "{loss:?}");
        for (path, point, tree) in &kept {
            let restored = place.restore(path, point, &format!("{path}-{round}-{point}"));
            assert!(
                describe(&restored).unwrap() == *tree,
                "{path} {point} after {loss:?}"
            );
        }
        // And work goes on: with the cache lost again just before it, and nothing stored that the pool has.
        lose(&place.path("data"), loss);
        println!("lost: {loss:?}");
        place.nothing_new("docs");
        trees::change(&docs, round as u64, 20).unwrap();
        kept.push(("docs", place.point("docs"), describe(&docs).unwrap()));
    }
    assert_eq!(place.points().len(), 2 + 2 * LOSSES.len());
}
