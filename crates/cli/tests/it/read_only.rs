//! A pool or a data directory where nothing can be written: one looks and restores, and nothing else happens.

use std::path::PathBuf;
use std::process::Command;

use testkit::trees::{self, Shape, describe};

use crate::program::{Answer, Place, attempt, is_root, shell};

/// Makes `$1` read-only for itself and the program in the other words, and for nobody else.
const READ_ONLY: &str = "mount --bind $0 $0 && mount -o remount,bind,ro $0 && exec \"$@\"";

/// Makes `$1` read-only, but for the pool in it, which lies elsewhere.
const POOL_ELSEWHERE: &str = "mount --bind $0 $0 && mount -o remount,bind,ro $0 && mount --bind elsewhere $0/pool && exec \"$@\"";

/// Runs the program while a part of the data directory is on a read-only file system.
fn read_only(place: &Place, part: &str, words: &[&str]) -> Answer {
    with_mounts(place, READ_ONLY, part, words)
}

/// Runs the program among mounts that are its own.
fn with_mounts(place: &Place, mounts: &str, part: &str, words: &[&str]) -> Answer {
    let program = place.command(words);
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", mounts, part]);
    command.arg(program.get_program()).args(program.get_args());
    Answer::of(place.prepare(&mut command).output().unwrap())
}

/// Everything in the data directory with its bytes and times, without the lock, which says who looked last.
fn contents(place: &Place) -> Vec<u8> {
    shell(
        "find . -not -name lock -printf '%p %s %T@ %y\n' | sort; find . -type f -not -name lock | sort | xargs sha256sum",
        &[],
        &place.path("data"),
    )
}

/// Returns a place with two points of a tree, and their ids; none where nothing can be mounted.
fn with_points() -> Option<(Place, PathBuf, String)> {
    if !is_root("read-only file systems") {
        return None;
    }
    let place = Place::new();
    if attempt("unshare --mount true", &[], &place.path(".")).exit != Some(0) {
        println!("SKIPPED: read-only file systems (no mount namespaces here)");
        return None;
    }
    let docs = place.directory("docs");
    trees::build(&docs, 1, Shape::default()).unwrap();
    place.point("docs");
    let point = place.point("docs");
    Some((place, docs, point))
}

fn everything_that_reads_works_and_nothing_else(part: &str) {
    let Some((place, docs, point)) = with_points() else {
        return;
    };
    let run = |words: &[&str]| read_only(&place, part, words);
    let listed = place.dozo(0, &["point", "list", "--json"]).out;
    let jobs = place.json(&["job", "list"])["jobs"].clone();
    let before = contents(&place);

    let status = run(&["status"]).text();
    let told = "Nothing can be protected: the pool ";
    assert!(status.contains(told), "{status}");
    assert!(run(&["pool", "status"]).text().contains("read-only"));
    assert_eq!(run(&["point", "list", "--json"]).out, listed);
    let shown: serde_json::Value =
        serde_json::from_slice(&run(&["job", "list", "--json"]).out).unwrap();
    assert_eq!(shown["jobs"], jobs, "history is shown");
    for words in [
        &["source", "list"][..],
        &["source", "show", "docs"],
        &["group", "list"],
        &["group", "show", "default"],
        &["point", "show", &point],
        &["point", "browse", &point],
        &["restore", "docs", "--to", "out", "--plan"],
        &["explain", "PoolReadOnly"],
    ] {
        let answer = run(words);
        assert_eq!(answer.exit, Some(0), "{words:?}\n{}", answer.all());
    }
    for words in [
        &["protect", "docs"][..],
        &["sync", "docs"],
        &["point", "create", "docs"],
        &["point", "delete", &point],
        &["source", "check", "docs"],
        &["group", "create", "other"],
        &["group", "set", "default", "--sync", "1h"],
        &["group", "remove", "default", "docs"],
        &["up"],
    ] {
        let answer = run(words);
        assert_eq!(answer.exit, Some(5), "{words:?}\n{}", answer.all());
        assert!(answer.err.contains("Code: PoolReadOnly"), "{answer:?}");
    }
    let answer = run(&["restore", "docs", "--to", "out"]);
    assert_eq!(answer.exit, Some(0), "{}", answer.all());
    assert_eq!(
        describe(&place.path("out")).unwrap(),
        describe(&docs).unwrap()
    );
    if part == "data" {
        assert_eq!(contents(&place), before, "nothing was touched");
    }

    // Once it can be written again, everything is as before.
    assert!(!place.dozo(0, &["status"]).text().contains(told));
    assert_eq!(place.dozo(0, &["point", "list", "--json"]).out, listed);
    place.point("docs");
}

#[test]
fn a_read_only_pool_is_looked_at_and_restored_from() {
    everything_that_reads_works_and_nothing_else("data/pool");
}

#[test]
fn a_read_only_data_directory_is_looked_at_and_restored_from() {
    everything_that_reads_works_and_nothing_else("data");
}

#[test]
fn a_writable_pool_of_a_read_only_data_directory_is_not_touched() {
    let Some((place, docs, _)) = with_points() else {
        return;
    };
    shell("cp -a data/pool elsewhere", &[], &place.path("."));
    std::fs::write(place.path("elsewhere/.tmp/draft-1-1"), "of somebody").unwrap();
    let all = || {
        let line = "find elsewhere -printf '%p %s %T@ %y\n' | sort";
        shell(line, &[], &place.path("."))
    };
    let before = all();
    let words = ["restore", "docs", "--to", "out"];
    let answer = with_mounts(&place, POOL_ELSEWHERE, "data", &words);
    assert_eq!(answer.exit, Some(0), "{}", answer.all());
    assert_eq!(
        describe(&place.path("out")).unwrap(),
        describe(&docs).unwrap()
    );
    assert!(all() == before, "nothing was touched");
}

#[test]
fn a_read_only_copy_of_what_a_kill_left_is_looked_at_and_restored_from() {
    let Some((place, docs, _)) = with_points() else {
        return;
    };
    let mut server = place.start(&["up"]);
    let socket = place.path("data/run/dozo.sock");
    while !socket.try_exists().unwrap() {
        std::thread::yield_now();
    }
    // Somebody owns it: who looks at it through a read-only mount is answered by the owner.
    let answer = read_only(&place, "data", &["status"]);
    assert!(
        answer.text().contains("Every member has a recovery point"),
        "{}",
        answer.all()
    );
    server.kill().unwrap();
    server.wait().unwrap();

    let before = contents(&place);
    let answer = read_only(&place, "data", &["restore", "docs", "--to", "out"]);
    assert_eq!(answer.exit, Some(0), "{}", answer.all());
    assert_eq!(
        describe(&place.path("out")).unwrap(),
        describe(&docs).unwrap()
    );
    let jobs = read_only(&place, "data", &["job", "list"]).text();
    assert!(jobs.contains("protect"), "{jobs}");
    assert_eq!(contents(&place), before, "nothing was touched");
}
