//! `dozo pool add`, `drain`, `remove`: a pool of several directories.

use std::fs;

use crate::bench::Bench;

#[test]
fn a_directory_becomes_a_volume_goes_away_comes_back_and_is_taken_out() {
    let bench = Bench::with_docs(80);
    let point = bench.id("protect docs");
    let added = bench.run("pool add big");
    assert_eq!(added.exit, 0, "{}", added.all());
    assert!(added.out.contains("big     ok"), "{}", added.out);
    // As if it had had the most room: all content goes there.
    for shelf in fs::read_dir(bench.data().join("pool/packs")).unwrap() {
        let shelf = shelf.unwrap();
        for pack in fs::read_dir(shelf.path()).unwrap() {
            let pack = pack.unwrap();
            let to = bench.path("big/packs").join(shelf.file_name());
            fs::rename(pack.path(), to.join(pack.file_name())).unwrap();
        }
    }
    assert_eq!(bench.run("pool verify").exit, 0);

    fs::rename(bench.path("big"), bench.path("gone")).unwrap();
    let status = bench.run("pool status");
    assert!(status.out.contains("away: "), "{}", status.out);
    let listed = bench.run("point list");
    assert!(listed.out.contains("waits for a volume"), "{}", listed.out);
    let overview = bench.run("status");
    assert!(overview.out.contains("Volume big"), "{}", overview.out);
    let restored = bench.run(&format!("restore docs@{point} --to back"));
    assert_eq!(restored.exit, 7, "{}", restored.all());
    assert!(restored.err.contains("VolumeMissing"), "{}", restored.err);
    // What it holds is waited for; what comes is stored elsewhere.
    bench.write("docs/later", &"something new\n".repeat(1000));
    bench.hours(1);
    let made = bench.run("point create docs");
    assert_eq!(made.exit, 0, "{}", made.all());
    let japanese = bench.run("--lang ja pool drain big");
    assert_eq!(japanese.exit, 7, "{}", japanese.all());
    assert!(japanese.err.contains("ボリューム big"), "{}", japanese.err);

    fs::rename(bench.path("gone"), bench.path("big")).unwrap();
    assert!(!bench.run("point list").out.contains("waits"));
    let restored = bench.run(&format!("restore docs@{point} --to back"));
    assert_eq!(restored.exit, 0, "{}", restored.all());
    let garden = |place: &str| fs::read_to_string(bench.path(place).join("plans/garden.txt"));
    assert_eq!(garden("back").unwrap(), garden("docs").unwrap());

    let full = bench.run("pool remove big");
    assert_eq!(full.exit, 6, "{}", full.all());
    let drained = bench.run("pool drain big");
    assert_eq!(drained.exit, 0, "{}", drained.all());
    assert_eq!(bench.run("pool remove big").exit, 0);
    assert!(!bench.run("pool status").out.contains("VOLUME"));
    assert_eq!(bench.run("pool verify").exit, 0);
    let unknown = bench.run("pool drain big");
    assert_eq!(unknown.exit, 4, "{}", unknown.all());
}

#[test]
fn what_cannot_be_a_volume_is_refused() {
    let bench = Bench::with_docs(81);
    bench.id("protect docs");
    let inside = bench.run("pool add data/pool/more");
    assert_eq!(inside.exit, 5, "{}", inside.all());
    let full = bench.run("pool add docs");
    assert_eq!(full.exit, 5, "{}", full.all());
    assert!(full.err.contains("not empty"), "{}", full.err);
    let name = bench.run("pool add big --name No");
    assert_eq!(name.exit, 2, "{}", name.all());
    let device = bench.run("pool add /dev/null --name nothing");
    assert_eq!(device.exit, 5, "{}", device.all());
}

#[test]
fn a_volume_inside_a_source_is_not_backed_up_into_itself() {
    let bench = Bench::with_docs(82);
    bench.id("protect docs");
    assert_eq!(bench.run("pool add docs/disk").exit, 0);
    bench.hours(1);
    let point = bench.id("point create docs");
    let listed = bench.run(&format!("point browse {point} disk"));
    assert!(!listed.out.contains("volume"), "{}", listed.all());
}
