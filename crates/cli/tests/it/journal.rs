//! A server that stays follows what changes.

use cli::backend;
use cli::session::Manner;

use base::Lang;

use crate::bench::Bench;

const MANNER: Manner = Manner {
    json: false,
    language: Lang::En,
};

/// Returns what the newest job looked at, as a person is told.
pub(crate) fn looked_at(bench: &Bench) -> String {
    let jobs = bench.run("job list --json").raw;
    let jobs: serde_json::Value = serde_json::from_str(&jobs).unwrap();
    let id = jobs["jobs"][0]["id"].as_str().unwrap();
    let shown = bench.run(&format!("job show {id}")).raw;
    let line = shown.lines().find(|line| line.starts_with("Looked at"));
    line.unwrap_or_default()["Looked at".len()..]
        .trim()
        .to_owned()
}

#[test]
fn a_synchronization_looks_at_what_changed_and_says_so() {
    let bench = Bench::with_docs(61);
    bench.id("protect docs");
    let alone = "all 6 entries: only a server that stays follows changes";
    assert_eq!(looked_at(&bench), alone);
    let (mut world, _, _) = bench.world();
    let owner = backend::own(&mut world, &bench.data(), MANNER).unwrap();
    owner.serve(None).unwrap();
    owner.follow_changes();
    bench.run("sync docs");
    let first = looked_at(&bench);
    if first.contains("changes cannot be followed") {
        eprintln!("SKIP ({first})");
        owner.close(&mut world);
        return;
    }
    assert!(
        first.ends_with(": changes are followed from now on"),
        "{first}"
    );
    for i in 0..600 {
        bench.write(&format!("docs/many/{i}"), "one of many\n");
    }
    bench.run("sync docs");
    bench.run("sync docs");
    bench.write("docs/many/7", "seven\n");
    let synced = bench.run("sync docs");
    assert!(synced.all().contains("1 changed"), "{}", synced.all());
    let looked = looked_at(&bench);
    assert!(
        looked.ends_with("entries, by the change journal"),
        "{looked}"
    );
    let (part, whole) = looked.split_once(" of ").unwrap();
    let whole = whole.split(' ').next().unwrap();
    assert!(
        part.parse::<u32>().unwrap() < whole.parse().unwrap(),
        "{looked}"
    );
    let checked = bench.run("source check docs");
    assert_eq!(checked.exit, 0, "{}", checked.all());
    assert!(
        checked.all().contains("the replica equals the source"),
        "{}",
        checked.all()
    );
    // What is restored is what is there.
    let point = bench.id("point create docs");
    let restored = bench.run(&format!("restore {point} --to out"));
    assert_eq!(restored.exit, 0, "{}", restored.all());
    owner.close(&mut world);
    let diff = std::process::Command::new("diff")
        .arg("-r")
        .args([bench.path("docs"), bench.path("out")])
        .output()
        .unwrap();
    assert!(
        diff.status.success(),
        "{}",
        String::from_utf8_lossy(&diff.stdout)
    );
}
