//! Names found in all recovery points, and points compared.

use std::fs;

use base::limits::PAGE_ENTRIES_MAX;
use insta::assert_snapshot;

use crate::bench::Bench;

/// Three points of a folder that changes between them; returns their ids.
fn history(bench: &Bench) -> [String; 3] {
    let first = bench.id("protect docs");
    bench.hours(24);
    bench.write("docs/plans/garden.txt", &"carrots and beans\n".repeat(1000));
    bench.write("docs/plans/Garden shed.txt", "wood\n");
    let second = bench.id("protect docs");
    bench.hours(24);
    fs::remove_file(bench.path("docs/plans/garden.txt")).unwrap();
    bench.write("docs/letter.txt", "Dear readers,\n");
    [first, second, bench.id("protect docs")]
}

#[test]
fn a_name_is_found_in_every_point_that_has_it() {
    let bench = Bench::with_docs(31);
    history(&bench);
    assert_snapshot!("find", bench.run("find garden").all());
    assert_snapshot!("find_nothing", bench.run("find nothing").all());
    assert_snapshot!("find_refused", bench.run("find a[").all());
    let json = bench.run("find --json *.txt").out;
    assert!(json.contains("\"schema\": \"dozo.find/1\""), "{json}");
    let only = bench.run("find letter --source docs").out;
    assert!(only.contains("letter.txt"), "{only}");
    assert_eq!(bench.run("find letter --source elsewhere").exit, 4);
}

#[test]
fn points_are_compared() {
    let bench = Bench::with_docs(32);
    let [first, second, third] = history(&bench);
    // Times of directories are those of the test's own run: what is shown of files is enough here.
    let files = |text: String| {
        let lines = text.lines().filter(|line| !line.contains("/  ("));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let diff = |a: &str, b: &str, path: &str| bench.run(&format!("point diff {a} {b} {path}"));
    assert_snapshot!("point_diff", files(diff(&first, &second, "").all()));
    assert_snapshot!("point_diff_back", files(diff(&third, &first, "").all()));
    assert_snapshot!(
        "point_diff_path",
        diff(&first, &third, "plans/garden.txt").all()
    );
    assert_snapshot!("point_diff_same", diff(&first, &first, "").all());
    assert_eq!(diff(&first, &second, "nowhere").exit, 4);
}

#[test]
fn a_source_that_is_damaged_is_named_and_the_others_are_searched() {
    let bench = Bench::with_docs(33);
    bench.id("protect docs");
    let mut lost = 0;
    for directory in fs::read_dir(bench.path("data/pool/meta")).unwrap() {
        for pack in fs::read_dir(directory.unwrap().path()).unwrap() {
            fs::remove_file(pack.unwrap().path()).unwrap();
            lost += 1;
        }
    }
    assert!(lost > 0);
    bench.write("more/letter.txt", "Dear reader,\n");
    bench.id("protect more");
    let found = bench.run("find letter");
    assert_eq!(found.exit, 8);
    let text = found.all();
    assert!(text.contains("docs could not be searched"), "{text}");
    assert!(found.out.contains("letter.txt"), "{}", found.out);
}

#[test]
fn a_list_of_several_pages_is_one_document() {
    let bench = Bench::new(37);
    let docs = bench.path("docs");
    fs::create_dir(&docs).unwrap();
    let first = bench.id("protect docs");
    let count = 2 * usize::try_from(PAGE_ENTRIES_MAX).unwrap() + 1;
    for number in 0..count {
        fs::write(docs.join(format!("file {number}")), "").unwrap();
    }
    let point = bench.id("protect docs");
    for (line, list, is_found) in [
        ("find file* --json", "found", true),
        (&format!("point browse {point} --json"), "entries", true),
        (
            &format!("point diff {first} {point} --json"),
            "changes",
            true,
        ),
        ("find nothing --json", "found", false),
        (&format!("point browse {first} --json"), "entries", false),
        (
            &format!("point diff {point} {point} --json"),
            "changes",
            false,
        ),
    ] {
        let said = bench.run(line);
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        let document: serde_json::Value = serde_json::from_str(&said.raw).unwrap();
        let items = document[list].as_array().unwrap();
        let files = items
            .iter()
            .filter(|item| item.to_string().contains("file "));
        assert_eq!(files.count(), if is_found { count } else { 0 }, "{line}");
        assert!(document["next"].is_null(), "{line}");
        // As if it had been written at once.
        let whole = serde_json::to_string_pretty(&document).unwrap();
        assert_eq!(said.raw.lines().count(), whole.lines().count(), "{line}");
    }
}
