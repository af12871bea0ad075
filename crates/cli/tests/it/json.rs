//! Every read answers with JSON that names its schema.

use crate::bench::Bench;

fn schema(bench: &Bench, line: &str) -> String {
    let said = bench.run(&format!("{line} --json"));
    assert_eq!(said.exit, 0, "{line}\n{}", said.all());
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    value["schema"].as_str().unwrap().to_owned()
}

#[test]
fn every_read_names_its_schema() {
    let bench = Bench::with_docs(20);
    let point = bench.id("protect docs");
    let listed = bench.run("job list --json").raw;
    let jobs: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let job = jobs["jobs"][0]["id"].as_str().unwrap();
    for (line, expected) in [
        ("status", "dozo.status/1"),
        ("pool status", "dozo.pool.status/1"),
        ("source list", "dozo.source.list/1"),
        ("source show docs", "dozo.source/1"),
        ("group list", "dozo.group.list/1"),
        ("group show default", "dozo.group/1"),
        ("point list", "dozo.point.list/1"),
        ("point list docs", "dozo.point.list/1"),
        (&format!("point show {point}"), "dozo.point/1"),
        (&format!("point browse {point}"), "dozo.point.browse/1"),
        ("job list", "dozo.job.list/1"),
        (&format!("job show {job}"), "dozo.job/1"),
        (&format!("job watch {job}"), "dozo.job/1"),
        ("restore docs --to out --plan", "dozo.restore.plan/1"),
        ("explain PoolFull", "dozo.explain/1"),
        ("explain", "dozo.explain/1"),
    ] {
        assert_eq!(schema(&bench, line), expected, "{line}");
    }
}

#[test]
fn a_name_of_any_bytes_is_whole_in_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let bench = Bench::with_docs(21);
    let odd = bench.path("docs").join(OsStr::from_bytes(b"odd\xff\n"));
    std::fs::write(odd, "odd").unwrap();
    let point = bench.id("protect docs");
    let text = bench.run(&format!("point browse {point}")).out;
    assert!(text.contains(r"odd\xff\x0a"), "{text}");
    let json = bench.run(&format!("point browse {point} --json")).raw;
    assert!(json.contains(r#""hex": "6f6464ff0a""#), "{json}");
}
