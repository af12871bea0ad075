//! `dozo group set`: what a change of policy deletes is shown, asked for, and refused where nobody answers.

use crate::bench::{Bench, Said};

/// A source with a point of each of ten days, the oldest of which is held.
fn with_points(seed: u64) -> Bench {
    let bench = Bench::with_docs(seed);
    let first = bench.id("protect docs");
    bench.run(&format!("point hold {first}"));
    for _ in 1..10 {
        bench.hours(24);
        bench.id("point create docs");
    }
    bench
}

fn set(bench: &Bench, options: &str, answers: Option<&'static str>) -> Said {
    let line =
        format!("group set default --keep-days 3 --keep-weekly 0 --keep-monthly 0 {options}");
    let words: Vec<&str> = line.split_whitespace().collect();
    bench.run_answered(&words, answers)
}

fn points(bench: &Bench) -> usize {
    bench.run("point list").out.lines().count() - 1
}

#[test]
fn a_change_that_deletes_points_is_shown_and_refused_where_nobody_answers() {
    let bench = with_points(90);
    let before = bench.run("group show default").out;
    let shown = set(&bench, "--dry-run", None);
    assert_eq!(shown.exit, 0, "{}", shown.all());
    assert!(
        shown.out.contains("Deletes at once  5 recovery points\n"),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("kept for 3 days."), "{}", shown.out);
    assert!(
        shown.out.contains("/docs: 5 recovery points\n"),
        "{}",
        shown.out
    );
    // Id and time as the list has them; the oldest of all is held.
    let listed = bench.run("point list").out;
    let oldest = &listed.lines().nth(9).unwrap()[..28];
    assert!(
        shown.out.contains(&format!("\n  {oldest}\n")),
        "{oldest}\n{}",
        shown.out
    );
    let json = set(&bench, "--dry-run --json", None);
    let view: serde_json::Value = serde_json::from_str(&json.raw).unwrap();
    assert_eq!(view["schema"], "dozo.group.change/1");
    assert_eq!(
        (&view["expiring"], &view["members"][0]["count"]),
        (&5.into(), &5.into())
    );
    assert_eq!(view["members"][0]["points"].as_array().unwrap().len(), 5);

    let refused = set(&bench, "", None);
    assert_eq!(refused.exit, 5, "{}", refused.all());
    let said = "would delete 5 recovery points at once";
    assert!(refused.err.contains(said), "{}", refused.err);
    let japanese = set(&bench, "--lang ja", None);
    assert!(
        japanese.err.contains("回復ポイント 5 個"),
        "{}",
        japanese.err
    );
    assert_eq!(bench.run("group show default").out, before);
    assert_eq!(points(&bench), 10);
    let both = set(&bench, "--dry-run --yes", None);
    assert_eq!(both.exit, 2, "{}", both.all());
}

#[test]
fn whoever_is_there_is_asked_and_only_a_plain_yes_goes_on() {
    for answer in ["n\n", "\n", "", "maybe\n"] {
        let bench = with_points(91);
        let before = bench.run("group show default").out;
        let refused = set(&bench, "", Some(answer));
        assert_eq!(refused.exit, 5, "{}", refused.all());
        assert!(
            refused.err.contains("Delete 5 recovery points? [y/N]"),
            "{}",
            refused.err
        );
        assert!(
            refused.err.contains("/docs: 5 recovery points\n"),
            "{}",
            refused.err
        );
        assert_eq!(bench.run("group show default").out, before);
    }
    for (options, answer) in [("", Some("y\n")), ("", Some("YES\n")), ("--yes", None)] {
        let bench = with_points(92);
        let done = set(&bench, options, answer);
        assert_eq!(done.exit, 0, "{}", done.all());
        assert_eq!(done.err.contains("[y/N]"), answer.is_some());
        assert!(done.out.contains("kept for 3 days."), "{}", done.out);
        bench.hours(1);
        bench.id("point create docs");
        // The held one, those of four days, and the new one.
        assert_eq!(points(&bench), 6);
    }
}

#[test]
fn a_change_that_deletes_nothing_just_happens() {
    let bench = with_points(93);
    let done = bench.run("group set default --keep-days 12 --sync 4h");
    assert_eq!(done.exit, 0, "{}", done.all());
    assert!(done.out.contains("kept for 12 days"), "{}", done.out);
    let shown = bench.run("group set default --keep-days 11 --dry-run");
    assert!(
        shown.out.contains("Deletes at once  no recovery point\n"),
        "{}",
        shown.out
    );
    assert!(
        bench
            .run("group show default")
            .out
            .contains("kept for 12 days")
    );
}
