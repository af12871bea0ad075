//! A disk that is full to the last byte: whatever asks for room is told, everything else works, and room heals it.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::trees::{self, Shape, describe};

use crate::program::{Place, attempt, is_root};

/// Runs with the program as `$0` and its place as the working directory. Somebody else fills the disk, and leaves a little
/// more in each round, so that the room ends at another moment of the command. Prints what each command ended with.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=160m none data
say() { local exit=0; "$0" "${@:2}" >>said 2>&1 || exit=$?; echo -n " $1 $exit"; }
"$0" protect docs >>said 2>&1
for left in {0..20}; do
    echo -n "$left"
    head -c 200m /dev/zero > data/other 2>/dev/null || true
    truncate -s -$((left * 64))k data/other
    date >> docs/changing
    say status status
    say point point create docs
    say history job list
    say restore restore docs --to full-$left
    rm data/other
    say heals point create docs
    echo
done
"#;

/// The same beside a server, which opened its catalog while there was room.
const BESIDE_A_SERVER: &str = r#"
mount -t tmpfs -o size=160m none data
say() { local exit=0; "$0" "${@:2}" >>said 2>&1 || exit=$?; echo -n " $1 $exit"; }
"$0" protect docs >>said 2>&1
"$0" up >>said 2>&1 &
until [ -S data/run/dozo.sock ]; do :; done
head -c 200m /dev/zero > data/other 2>/dev/null || true
say status status
say point point create docs
say restore restore docs --to full-20
say history job list
rm data/other
say heals point create docs
say history job list
kill $! && wait $!
"#;

/// Runs a script in a mount namespace of its own; returns what it printed, and what the program said. None where that
/// cannot be.
fn run(place: &Place, script: &str) -> Option<(String, String)> {
    if !is_root("a full file system") {
        return None;
    }
    if attempt("unshare --mount true", &[], &place.path(".")).exit != Some(0) {
        println!("SKIPPED: a full file system (no mount namespaces here)");
        return None;
    }
    let docs = place.directory("docs");
    place.directory("data");
    trees::build(&docs, 1, Shape::default()).unwrap();
    let program = place.command(&[]);
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "bash", "-euc", script]);
    shell.arg(program.get_program());
    let output = place.prepare(&mut shell).output().unwrap();
    let said = fs::read_to_string(place.path("said")).unwrap();
    Some((String::from_utf8(output.stdout).unwrap(), said))
}

#[test]
fn a_disk_full_to_the_last_byte_is_looked_at_and_restored_from_and_heals() {
    let place = Place::new();
    let Some((ended, said)) = run(&place, SCRIPT) else {
        return;
    };
    let lines: Vec<&str> = ended.lines().collect();
    assert_eq!(lines.len(), 21, "{ended}\n{said}");
    for (left, line) in lines.iter().enumerate() {
        let looked = |point| format!("{left} status 0 point {point} history 0 restore 0 heals 0");
        // The catalog's disk is too full to write to, or the pool's reserve is not there.
        assert!(
            [looked(5), looked(1)].contains(&(*line).to_owned()),
            "{line}\n{said}"
        );
    }
    for code in ["Code: PoolFull", "Code: DataDirectoryUnwritable"] {
        assert!(said.contains(code), "{code}\n{said}");
    }
    assert!(
        !said.contains("disk I/O error"),
        "the reason is told: {said}"
    );
    let tree = |path: &Path| {
        let mut tree = describe(path).unwrap();
        tree.remove("changing")
            .expect("it was written in each round");
        tree
    };
    assert_eq!(tree(&place.path("full-20")), tree(&place.path("docs")));
}

#[test]
fn a_server_whose_disk_fills_up_restores_and_never_waits_for_what_is_over() {
    let place = Place::new();
    let Some((ended, said)) = run(&place, BESIDE_A_SERVER) else {
        return;
    };
    let refused = |point| format!(" status 0 point {point} restore 0 history 0 heals 0 history 0");
    assert!([refused(5), refused(1)].contains(&ended), "{ended}\n{said}");
    let kept = describe(&place.path("full-20")).unwrap();
    assert_eq!(kept, describe(&place.path("docs")).unwrap());
}
