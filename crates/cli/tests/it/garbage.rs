//! `dozo pool gc`: deleted points give their space back, and nothing else changes.

use std::fs;

use crate::bench::{Bench, contents};

/// Text that does not compress, of about so many bytes.
fn noise(seed: u64, bytes: usize) -> String {
    let digits = testkit::Dice::new(seed).bytes(bytes / 2);
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_deleted_point_gives_its_space_back() {
    let bench = Bench::with_docs(70);
    bench.write("docs/large", &noise(1, 3_000_000));
    let old = bench.id("protect docs");
    fs::remove_file(bench.path("docs/large")).unwrap();
    bench.hours(1);
    let kept = bench.id("point create docs");

    let nothing = bench.run("pool gc");
    assert_eq!(nothing.exit, 0, "{}", nothing.all());
    assert!(nothing.err.contains("is needed"), "{}", nothing.all());
    assert_eq!(bench.run(&format!("point delete {old}")).exit, 0);

    let packs = || {
        let shelves = fs::read_dir(bench.data().join("pool/packs")).unwrap();
        let in_shelf = |shelf: fs::DirEntry| fs::read_dir(shelf.path()).unwrap().count();
        shelves.map(|shelf| in_shelf(shelf.unwrap())).sum::<usize>()
    };
    let before = packs();
    let planned = bench.run("pool gc --dry-run");
    assert_eq!(planned.exit, 0, "{}", planned.all());
    assert!(
        planned.err.contains("would give back 1."),
        "{}",
        planned.all()
    );
    assert_eq!(packs(), before);

    let done = bench.run("pool gc");
    assert_eq!(done.exit, 0, "{}", done.all());
    assert!(done.err.contains("gave back 1."), "{}", done.all());
    assert!(packs() < before);
    let verified = bench.run("pool verify");
    assert_eq!(verified.exit, 0, "{}", verified.all());
    let restored = bench.run(&format!("restore docs@{kept} --to back"));
    assert_eq!(restored.exit, 0, "{}", restored.all());
    assert_eq!(contents(&bench.path("back")), contents(&bench.path("docs")));
}

#[test]
fn what_it_did_is_there_for_programs() {
    let bench = Bench::with_docs(71);
    bench.write("docs/large", &noise(2, 3_000_000));
    let old = bench.id("protect docs");
    fs::remove_file(bench.path("docs/large")).unwrap();
    bench.id("point create docs");
    assert_eq!(bench.run(&format!("point delete {old}")).exit, 0);
    let said = bench.run("pool gc --dry-run --json");
    let view: serde_json::Value = serde_json::from_str(&said.raw).unwrap();
    let outcome = &view["jobs"][0]["outcome"];
    assert_eq!(outcome["dry_run"], true);
    assert!(outcome["freed"].as_u64().unwrap() > 1_000_000, "{outcome}");
    assert_eq!(view["jobs"][0]["kind"], "collect");
}

#[test]
fn a_held_point_keeps_what_it_needs() {
    let bench = Bench::with_docs(72);
    bench.write("docs/large", &noise(3, 300_000));
    let old = bench.id("protect docs");
    assert_eq!(bench.run(&format!("point hold {old}")).exit, 0);
    fs::remove_file(bench.path("docs/large")).unwrap();
    bench.id("point create docs");
    assert_ne!(bench.run(&format!("point delete {old}")).exit, 0);
    assert_eq!(bench.run("pool gc").exit, 0);
    let restored = bench.run(&format!("restore docs@{old} --to back"));
    assert_eq!(restored.exit, 0, "{}", restored.all());
    assert!(bench.path("back/large").try_exists().unwrap());
}

#[test]
fn where_there_is_no_pool_nothing_is_collected() {
    let bench = Bench::new(73);
    let said = bench.run("pool gc");
    assert_ne!(said.exit, 0, "{}", said.all());
    assert!(said.err.contains("Code: "), "{}", said.err);
}
