//! The report of made-up results, to the letter.

use super::super::machine::Machine;
use super::super::result::{Comparison, SetFacts, ToolFacts, Usage};
use super::*;

fn sample(tool: Kind, run: u32, wall_s: f64, exit: i32) -> Sample {
    Sample {
        row: Row {
            set: Set::Src,
            work: Work::Full,
            cache: Cache::Cold,
        },
        tool,
        run,
        usage: Usage {
            wall_s,
            user_s: wall_s,
            system_s: 1.0,
            peak_bytes: 100_000_000 + u64::from(run),
            exit,
        },
        repository_bytes: 700 << 20,
        added_bytes: 600 << 20,
        local_bytes: 1 << 20,
        sync_s: 0.1,
        other_cpu_s: 0.0,
    }
}

fn results() -> Results {
    let tool = |tool, version: &str| ToolFacts {
        tool,
        version: version.into(),
    };
    Results {
        began: "2026-11-23T12:00:00Z".into(),
        runs: 2,
        long_s: None,
        machine: Machine {
            processor: "A processor".into(),
            cores: 2,
            memory_bytes: 24 << 30,
            kernel: "6.1.0".into(),
            system: "Debian".into(),
            file_system: "ext4".into(),
        },
        sets: vec![SetFacts {
            set: Set::Src,
            files: 10,
            directories: 2,
            bytes: 1 << 30,
            allocated_bytes: 2 << 30,
        }],
        tools: vec![
            tool(Kind::Dozo, "dozo 0.1.0"),
            tool(Kind::Bupstash, "bupstash-0.12.0"),
            tool(Kind::Restic, "restic 0.19.1"),
        ],
        missing: vec![Kind::Borg],
        samples: vec![
            sample(Kind::Dozo, 1, 10.0, 0),
            sample(Kind::Bupstash, 1, 20.0, 0),
            sample(Kind::Dozo, 2, 14.0, 0),
            sample(Kind::Bupstash, 2, 28.0, 0),
            sample(Kind::Restic, 2, 1.0, 1),
        ],
        comparisons: vec![Comparison {
            tool: Kind::Dozo,
            set: Set::Src,
            differences: 0,
            examples: Vec::new(),
        }],
        failures: vec!["full `src` with restic: exit 1: no such thing".into()],
    }
}

const EXPECTED: &str = "\
Measured 2026-11-23: A processor, 2 cores, 24 GiB, Linux 6.1.0, Debian, ext4. Median of 2 runs.

- `src`: 10 files in 2 directories, 1.00 GiB (2.00 allocated)
- dozo: dozo 0.1.0
- bupstash: bupstash-0.12.0
- restic: restic 0.19.1
- borg: not found, left out

| Wall seconds (CPU seconds) | dozo | bupstash | restic | dozo / fastest peer |
|---|---|---|---|---|
| full `src`, cold | 12.00 (13.0) | 24.00 (25.0) | - | 0.50 (bupstash) |

| Peak memory, MB (largest process, largest run) | dozo | bupstash | restic | dozo / smallest peer |
|---|---|---|---|---|
| full `src`, cold | 100 | 100 | - | 1.00 (bupstash) |

| Repository after the full backup, MiB | dozo | bupstash | restic | dozo / smallest peer |
|---|---|---|---|---|
| `src` | 700.0 | 700.0 | - | 1.00 (bupstash) |
| `src`, caches and keys beside it | 1.0 | 1.0 | - | - |

- Restored `src` compared with the original, equal: dozo.
- Failed: full `src` with restic: exit 1: no such thing
- Noise: other programs used at most 0 % of a core while a command ran; `sync` after a command took at most 0.1 s (not in the table).
";

#[test]
fn a_report_states_conditions_figures_and_failures() {
    assert_eq!(markdown(&results()), EXPECTED);
}

#[test]
fn a_round_of_changes_shows_what_it_added() {
    let mut results = results();
    results.samples.truncate(4);
    for (sample, added_mib) in results.samples.iter_mut().zip([20, 30, 24, 50]) {
        sample.row.work = Work::Mutated;
        sample.added_bytes = added_mib << 20;
    }
    let text = markdown(&results);
    assert!(text.contains("| mutated `src`, cold | 22.0 | 40.0 | - | 0.55 (bupstash) |"));
    assert!(
        !text.contains("after the full backup"),
        "no full backup was measured"
    );
}

#[test]
fn results_survive_being_kept() {
    let json = serde_json::to_string(&results()).unwrap();
    let back: Results = serde_json::from_str(&json).unwrap();
    assert_eq!(markdown(&back), EXPECTED);
}

#[test]
fn only_the_marked_region_of_a_page_is_replaced() {
    let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
    let new = replace_region(&page, "new\n").unwrap();
    assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
    assert_eq!(replace_region("no marks", "new"), None);
}

#[test]
fn the_median_of_an_even_count_lies_between() {
    assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
    assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![]), None);
}
