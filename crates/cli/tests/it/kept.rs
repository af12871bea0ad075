//! On btrfs what changed is what two snapshots differ in, whichever process asks.

use std::fs;

use testkit::Image;

use crate::bench::Bench;
use crate::journal::looked_at;

#[test]
fn on_btrfs_a_command_alone_looks_at_what_differs_and_nothing_stays_of_what_leaves() {
    let Some(image) = Image::mount("btrfs", 256).unwrap() else {
        return;
    };
    let bench = Bench::new(62);
    let docs = image.path().join("docs");
    fs::create_dir_all(docs.join("many")).unwrap();
    for i in 0..1200 {
        fs::write(docs.join(format!("many/{i}")), i.to_string()).unwrap();
    }
    let hidden = image.path().join(".dozo-snapshots");
    let kept = || fs::read_dir(&hidden).map_or(0, Iterator::count);
    let docs = docs.to_str().unwrap();
    let protected = bench.run(&format!("protect {docs}"));
    assert_eq!(protected.exit, 0, "{}", protected.all());
    let first = "all 1,202 entries: no snapshot was kept to compare with";
    assert_eq!((looked_at(&bench).as_str(), kept()), (first, 1));
    fs::write(format!("{docs}/many/7"), "other than it was").unwrap();
    fs::remove_file(format!("{docs}/many/8")).unwrap();
    let synced = bench.run(&format!("sync {docs}"));
    assert_eq!(synced.exit, 0, "{}", synced.all());
    let looked = looked_at(&bench);
    assert!(
        looked.ends_with(" of 1,201 entries, by the change journal"),
        "{looked}"
    );
    assert_eq!(kept(), 1);
    let checked = bench.run(&format!("source check {docs}"));
    assert!(
        checked.all().contains("the replica equals the source"),
        "{}",
        checked.all()
    );
    let left = bench.run(&format!("group remove default {docs}"));
    assert_eq!(left.exit, 0, "{}", left.all());
    assert!(!hidden.try_exists().unwrap());
}
