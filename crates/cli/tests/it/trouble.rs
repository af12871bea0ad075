//! Failures: four lines, the right exit code, nothing lost.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::bench::Bench;

/// Runs a command that must fail, and returns what it said in English.
fn fails(bench: &Bench, line: &str, exit: u8) -> String {
    let said = bench.run(line);
    assert_eq!(said.exit, exit, "{line}\n{}", said.all());
    assert_eq!(said.out, "", "{line}");
    let lines: Vec<&str> = said.err.lines().collect();
    let starts = ["", "Why: ", "Try: ", "Code: "];
    assert_eq!(lines.len(), starts.len(), "{line}\n{}", said.err);
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    said.all()
}

#[test]
fn a_failure_has_four_lines_and_an_exit_code() {
    let bench = Bench::with_docs(10);
    assert_snapshot!("fail_nothing_there", fails(&bench, "status", 4));
    assert!(!bench.data().try_exists().unwrap(), "looking makes nothing");
    assert_snapshot!("fail_path_missing", fails(&bench, "protect nowhere", 4));
    bench.id("protect docs");
    assert_snapshot!("fail_source_unknown", fails(&bench, "source show mail", 4));
    fails(&bench, "point show zzz", 4);
    fails(&bench, "point list mail", 4);
    fails(&bench, "group show mail", 4);
    fails(&bench, "job show zzz", 4);
    fails(&bench, "explain zzz", 4);
    let early = fails(&bench, "restore docs@2025-01-01 --to out", 4);
    assert!(early.contains("Code: PointNoneSoOld"), "{early}");
    assert!(early.contains("oldest recovery point is"), "{early}");
    fails(&bench, "restore docs nowhere --to out", 4);
    assert_snapshot!("fail_inside_pool", fails(&bench, "protect data/pool", 5));
    fails(&bench, "restore docs --to data/pool/x", 5);
    fails(&bench, "protect docs --group Other", 6);
    fails(&bench, "group create default", 6);
    fails(&bench, "group create a/b", 2);
    for wrong in ["often", "0m", "7h"] {
        let said = fails(&bench, &format!("group set default --sync {wrong}"), 2);
        assert!(said.contains("Try: Use `--sync` with"), "{said}");
    }
}

#[test]
fn a_prefix_of_two_sources_is_refused_with_both() {
    let bench = Bench::with_docs(11);
    bench.write("docs2/a", "a");
    bench.id("protect docs docs2");
    let place = bench.path("doc").display().to_string();
    assert_snapshot!(
        "fail_ambiguous",
        fails(&bench, &format!("source show {place}"), 2)
    );
}

#[test]
fn japanese_comes_by_option_and_by_locale() {
    let bench = Bench::new(12);
    assert_snapshot!("fail_japanese", bench.run("status --lang ja").all());
    let (mut world, _, err) = bench.world();
    world.variables.insert("LANG".into(), "ja_JP.UTF-8".into());
    cli::run(&["dozo".into(), "status".into()], &mut world);
    assert!(err.text().contains("理由: "), "{}", err.text());
    world.variables.insert("LC_ALL".into(), "C".into());
    cli::run(&["dozo".into(), "status".into()], &mut world);
    assert!(err.text().contains("Why: "), "{}", err.text());
}

#[test]
fn a_command_line_that_makes_no_sense_is_usage() {
    let bench = Bench::new(13);
    for line in [
        "",
        "restor",
        "protect",
        "restore docs",
        "restore docs --to a --original",
    ] {
        let said = bench.run(line);
        assert_eq!(said.exit, 2, "{line}\n{}", said.all());
        assert_eq!(said.out, "", "{line}");
        let code = "\nCode: UsageError";
        assert!(said.err.contains(code), "{line}\n{}", said.err);
    }
    assert_snapshot!("fail_usage", bench.run("restor docs").all());
    assert_eq!(bench.run("--help").exit, 0);
}

#[test]
fn a_pool_that_is_gone_is_not_made_anew() {
    let bench = Bench::with_docs(14);
    bench.id("protect docs");
    fs::rename(bench.path("data/pool"), bench.path("away")).unwrap();
    assert_snapshot!("fail_pool_missing", fails(&bench, "protect docs", 4));
    fails(&bench, "status", 4);
    fs::rename(bench.path("away"), bench.path("data/pool")).unwrap();
    bench.id("protect docs");
}

#[test]
fn without_its_key_the_pool_stays_shut() {
    let bench = Bench::with_docs(15);
    bench.id("protect docs");
    let key = bench.path("data/server.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert_snapshot!("fail_key_missing", fails(&bench, "status", 5));
    fs::write(&key, "dozo-key-1 0000").unwrap();
    fails(&bench, "status", 5);
    fs::write(&key, text).unwrap();
    bench.id("protect docs");
}

#[test]
fn index_and_catalog_come_back_from_the_pool() {
    let bench = Bench::with_docs(16);
    bench.id("protect docs");
    let before = bench.run("point list").out;
    fs::remove_dir_all(bench.path("data/cache")).unwrap();
    assert_eq!(bench.run("point list").out, before);
    fs::remove_file(bench.path("data/catalog.db")).unwrap();
    assert_eq!(bench.run("point list").out, before);
    let again = bench.run("protect docs");
    assert!(again.err.contains("0 B new in the pool"), "{}", again.all());
}

#[test]
fn what_cannot_be_read_is_a_warning_and_exit_3() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything, so nothing would be in the way.
        return;
    }
    let bench = Bench::with_docs(17);
    bench.write("docs/secret", "secret\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(bench.path("docs/secret"), mode).unwrap();
    let said = bench.run("protect docs");
    assert_eq!(said.exit, 3, "{}", said.all());
    assert!(said.err.contains("secret"), "{}", said.all());
}

#[test]
fn damaged_packs_are_told_and_a_check_says_what_it_repaired() {
    let bench = Bench::with_docs(18).without_parity();
    bench.id("protect docs");
    damage(&bench.path("data/pool/packs"));

    let said = bench.run("pool verify");
    assert_eq!(said.exit, 8, "{}", said.all());
    for part in [
        "damaged or missing",
        "recovery point cannot be restored",
        "docs: ",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.all());
    }
    let said = bench.run("restore docs --to out");
    assert_eq!(said.exit, 8, "{}", said.all());
    assert!(said.err.contains("stored data of"), "{}", said.all());
    let shown = bench.run("pool status").out;
    assert!(shown.contains("Unreadable"), "{shown}");
    let shown = bench.run("status").out;
    assert!(shown.contains("cannot be read"), "{shown}");
    assert!(shown.contains("Something needs attention"), "{shown}");
    assert!(shown.contains("- Pack "), "{shown}");

    let said = bench.run("source check docs");
    assert_eq!(said.exit, 3, "{}", said.all());
    let repaired = "differed and w";
    assert!(said.err.contains(repaired), "{}", said.all());
    let shown = bench.run("job list").out;
    assert!(shown.contains("done with warnings"), "{shown}");
    // What was stored anew harms nobody any more.
    let shown = bench.run("pool status").out;
    assert!(!shown.contains("Unreadable"), "{shown}");
    assert!(
        shown.contains("Superseded") && shown.contains("damaged and stored anew"),
        "{shown}"
    );
    let shown = bench.run("status").out;
    assert!(!shown.contains("Something needs attention"), "{shown}");
    let said = bench.run("pool verify");
    assert_eq!(said.exit, 0, "{}", said.all());
    assert!(
        said.err.contains("everything is as it was written"),
        "{}",
        said.all()
    );
    let said = bench.run("source check docs");
    assert_eq!(said.exit, 0, "{}", said.all());
    assert_eq!(bench.run("restore docs --to whole").exit, 0);
}

/// Flips a byte in every line of 32 of each pack's contents.
fn damage(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        for byte in bytes[80..half].iter_mut().step_by(32) {
            *byte ^= 1;
        }
        // What is stored may not be writable, but it may be replaced.
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_damaged_log_record_is_told_as_long_as_it_is_damaged() {
    let bench = Bench::with_docs(19);
    bench.id("protect docs");
    let record = bench.path("data/pool/log/00000000000000000002");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[1..]).unwrap();
    let said = bench.run("pool verify");
    assert_eq!(said.exit, 3, "{}", said.all());
    assert!(said.err.contains("1 object was repaired"), "{}", said.all());
    assert_eq!(fs::read(&record).unwrap(), whole);

    // Without its copy it stays damaged.
    fs::remove_dir_all(bench.path("data/pool/copies/log")).unwrap();
    fs::remove_file(&record).unwrap();
    fs::write(&record, &whole[1..]).unwrap();
    let said = bench.run("pool verify");
    assert_eq!(said.exit, 8, "{}", said.all());
    assert!(
        said.err.contains("every recovery point can be restored"),
        "{}",
        said.all()
    );
    let shown = bench.run("status").out;
    assert!(shown.contains("Something needs attention"), "{shown}");
    fs::write(&record, &whole).unwrap();
    assert_eq!(bench.run("pool verify").exit, 0);
    let shown = bench.run("status").out;
    assert!(!shown.contains("Something needs attention"), "{shown}");
}

#[test]
fn the_list_of_codes_is_in_the_language_of_each() {
    let bench = Bench::new(36);
    let list = bench.run("explain --lang ja").out;
    let titles: Vec<&str> = list.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(titles, ["コード", "重大度", "内容"]);
    for code in ["PoolFull", "CodeUnknown", "IndexRebuilt"] {
        let line = list.lines().find(|line| line.starts_with(code)).unwrap();
        let severity = line.split_whitespace().nth(1).unwrap();
        let alone = bench.run(&format!("explain {code} --lang ja")).out;
        assert!(
            alone.starts_with(&format!("{code} ({severity})")),
            "{alone}"
        );
    }
}
