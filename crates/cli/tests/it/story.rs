//! A folder is protected, looked at, lost, and given back.

use std::fs;

use insta::assert_snapshot;

use crate::bench::{Bench, contents};

#[test]
fn a_folder_is_protected_again_and_again() {
    let bench = Bench::with_docs(1);
    assert_snapshot!("protect_first", bench.run("protect docs").all());
    bench.hours(20);
    bench.write("docs/letter.txt", "Dear readers,\n");
    assert_snapshot!("protect_again", bench.run("protect docs").all());
    bench.hours(1);
    assert_snapshot!("sync", bench.run("sync docs").all());
    bench.hours(1);
    assert_snapshot!("status", bench.run("status").all());
    assert_snapshot!("source_list", bench.run("source list").all());
    assert_snapshot!("source_show", bench.run("source show web01:").all());
    assert_snapshot!("source_check", bench.run("source check docs").all());
    assert_snapshot!("point_list", bench.run("point list docs").all());
    assert_snapshot!("job_list", bench.run("job list").all());
    assert_snapshot!("pool_status", bench.run("pool status").all());
}

#[test]
fn a_point_is_shown_browsed_and_deleted() {
    let bench = Bench::with_docs(2);
    let first = bench.id("protect docs");
    bench.hours(24);
    bench.id("point create docs");
    let prefix = &first[..6];
    assert_snapshot!(
        "point_show",
        bench.run(&format!("point show {prefix}")).all()
    );
    let listed = bench.run(&format!("point browse {prefix}")).out;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|l| l.rsplit("  ").next())
        .collect();
    assert_eq!(
        names,
        ["NAME", "letter.txt", "newest -> letter.txt", "plans/"]
    );
    let inner = bench.run(&format!("point browse {prefix} plans")).out;
    assert!(inner.contains("16.6 KiB"), "{inner}");
    assert_snapshot!(
        "point_delete",
        bench.run(&format!("point delete {prefix}")).all()
    );
    let gone = bench.run(&format!("point show {prefix}"));
    assert_eq!(gone.exit, 4);
}

#[test]
fn a_lost_folder_comes_back() {
    let bench = Bench::with_docs(3);
    bench.id("protect docs");
    let before = contents(&bench.path("docs"));
    fs::remove_dir_all(bench.path("docs")).unwrap();
    let docs = bench.path("docs").display().to_string();
    assert_snapshot!(
        "restore_plan",
        bench
            .run(&format!("restore {docs} --original --plan"))
            .all()
    );
    assert!(
        !bench.path("docs").try_exists().unwrap(),
        "a plan does nothing"
    );
    assert_snapshot!(
        "restore_original",
        bench.run(&format!("restore {docs} --original")).all()
    );
    assert_eq!(contents(&bench.path("docs")), before);
    let again = bench.run(&format!("restore {docs} --original --plan"));
    let said = again.all();
    assert!(
        said.contains("0 files in 0 entries, 0 B; 6 are there already"),
        "{said}"
    );
}

#[test]
fn a_lost_folder_is_named_as_it_was() {
    let bench = Bench::with_docs(9);
    std::os::unix::fs::symlink("docs", bench.path("link")).unwrap();
    bench.write("other/docs-too/a", "a");
    bench.id("protect other/docs-too");
    bench.id("protect link");
    let address = bench.run("source show link").out;
    assert!(address.contains("/docs\n"), "{address}");
    let refused = bench.run("restore other/docs --to out");
    assert_eq!(refused.exit, 4, "{}", refused.all());
    fs::remove_dir_all(bench.path("docs")).unwrap();
    for (i, name) in ["docs", "./docs/", "other/../docs@newest"]
        .iter()
        .enumerate()
    {
        let said = bench.run(&format!("restore {name} --to out{i}"));
        assert_eq!(said.exit, 0, "{}", said.all());
    }
    let missing = bench.run("protect docs");
    assert!(
        missing.err.contains("SourcePathMissing"),
        "{}",
        missing.all()
    );
    let missing = bench.run("sync docs");
    assert!(
        missing.err.contains("SourcePathMissing"),
        "{}",
        missing.all()
    );
}

#[test]
fn a_data_directory_that_is_left_out_is_told() {
    let bench = Bench::with_docs(19);
    let told = "Left out: the data directory /tmp/dozo-place/data; ";
    let said = bench.run("protect docs");
    assert!(!said.err.contains(told), "{}", said.all());
    let shown = bench.run("source show docs").out;
    assert!(!shown.contains("Always left out"), "{shown}");
    let said = bench.run("protect docs .");
    assert_eq!(said.err.matches(told).count(), 1, "{}", said.all());
    let shown = bench.run("source show .").out;
    let line = "Always left out  /tmp/dozo-place/data, the data directory\n";
    assert!(shown.contains(line), "{shown}");
    let shown = bench.run("source show . --json").out;
    let value = "\"data_dir_left_out\": \"/tmp/dozo-place/data\"";
    assert!(shown.contains(value), "{shown}");
}

#[test]
fn neither_the_data_directory_nor_a_pool_elsewhere_is_in_a_recovery_point() {
    let bench = Bench::new(36);
    bench.write("disk/docs/letter.txt", "Dear reader,\n");
    fs::create_dir_all(bench.path("disk/[elsewhere]")).unwrap();
    fs::create_dir_all(bench.data()).unwrap();
    std::os::unix::fs::symlink(bench.path("disk/[elsewhere]"), bench.path("data/pool")).unwrap();
    let point = bench.id("protect .");
    let names = |path: &str| bench.run(&format!("point browse {point} {path}")).out;
    assert!(names("disk").contains("docs"), "{}", names("disk"));
    assert!(!names("disk").contains("elsewhere"), "{}", names("disk"));
    assert!(!names("").contains("data"), "{}", names(""));
    let refused = bench.run("protect disk/[elsewhere]/packs");
    assert!(
        refused.err.contains("Code: SourceInsidePool"),
        "{}",
        refused.all()
    );
}

#[test]
fn a_path_that_is_not_protected_is_not_taken_for_another_one() {
    let bench = Bench::new(37);
    bench.write("home/alice/a", "a");
    bench.write("home/a/a", "a");
    bench.id("protect home/alice");
    let place = bench.path("home/a").display().to_string();
    for path in ["home/a", place.as_str()] {
        for line in [
            "sync",
            "point create",
            "source check",
            "group remove default",
        ] {
            let said = bench.run(&format!("{line} {path}"));
            assert_eq!(said.exit, 4, "{line} {path}: {}", said.all());
            assert!(said.err.contains("Code: SourceUnknown"), "{}", said.err);
        }
    }
    assert_eq!(bench.run("group create other").exit, 0);
    let said = bench.run(&format!("group add other {place}"));
    assert!(said.out.contains("/home/a "), "{}", said.all());
    let listed = bench.run("source list").out;
    let group = |end: &str| listed.lines().find(|l| l.contains(end)).unwrap().to_owned();
    assert!(group("/home/alice").contains("default"), "{listed}");
}

#[test]
fn a_restore_never_overwrites_unless_told_to() {
    let bench = Bench::with_docs(4);
    bench.id("protect docs");
    bench.write("docs/letter.txt", "Mine!\n");
    let skipped = bench.run("restore docs letter.txt --original");
    assert_snapshot!("restore_skip", skipped.all());
    assert_eq!(fs::read(bench.path("docs/letter.txt")).unwrap(), b"Mine!\n");
    let taken = bench.run("restore docs letter.txt --original --on-conflict overwrite");
    assert_eq!(taken.exit, 0, "{}", taken.all());
    assert_eq!(
        fs::read(bench.path("docs/letter.txt")).unwrap(),
        b"Dear reader,\n"
    );
}

#[test]
fn a_point_is_chosen_by_time_and_by_id() {
    let bench = Bench::with_docs(5);
    let first = bench.id("protect docs");
    bench.hours(48);
    bench.write("docs/letter.txt", "Dear readers,\n");
    bench.id("point create docs");
    for (i, which) in [
        format!("docs@{first}"),
        "docs@2026-01-01".into(),
        "docs@yesterday".into(),
    ]
    .iter()
    .enumerate()
    {
        let said = bench.run(&format!("restore {which} letter.txt --to out{i}"));
        assert_eq!(said.exit, 0, "{}", said.all());
        let restored = fs::read_to_string(bench.path(&format!("out{i}/letter.txt"))).unwrap();
        assert_eq!(restored, "Dear reader,\n", "{which}");
    }
    let newest = bench.run("restore docs letter.txt --to newest");
    assert_eq!(newest.exit, 0, "{}", newest.all());
    let restored = fs::read_to_string(bench.path("newest/letter.txt")).unwrap();
    assert_eq!(restored, "Dear readers,\n");
}

#[test]
fn a_restore_beside_gets_a_directory_of_its_own() {
    let bench = Bench::with_docs(6);
    bench.id("protect docs");
    assert_snapshot!("restore_beside", bench.run("restore docs --beside").all());
    let beside = bench.path("docs.restored-2026-01-01T01-00-00");
    assert_eq!(contents(&beside), contents(&bench.path("docs")));
}

#[test]
fn groups_hold_members_under_one_policy() {
    let bench = Bench::with_docs(7);
    bench.write("mail/inbox", "one\n");
    let create = "group create Office --at mon-fri,sat --keep-days 30";
    assert_snapshot!("group_create_refused", bench.run(create).all());
    let create = [
        "group",
        "create",
        "Office",
        "--at",
        "mon-fri 12:00,22:00",
        "--sync",
        "4h",
    ];
    assert_snapshot!("group_create", bench.run_words(&create).all());
    assert_snapshot!("group_add", bench.run("group add Office mail docs").all());
    assert_snapshot!(
        "group_set",
        bench
            .run("group set Office --keep-days 30 --keep-yearly 5")
            .all()
    );
    assert_snapshot!("group_list", bench.run("group list").all());
    assert_snapshot!("group_remove", bench.run("group remove Office mail").all());
    assert_snapshot!("group_show", bench.run("group show Office").all());
}

#[test]
fn up_proves_a_restore_and_says_what_next() {
    let bench = Bench::with_docs(8);
    assert_snapshot!("up_once", bench.run("up --protect docs --once").all());
}
