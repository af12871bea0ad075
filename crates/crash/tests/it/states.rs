//! Crash states of histories from seeds (T4).

use crash::history::History;
use crash::states::{Effort, explore, explore_one};
use testkit::Knobs;

#[test]
fn no_crash_of_any_history_loses_a_point_or_breaks_a_store() {
    let seen = explore(1, 1_000_000, 2, Effort::default());
    let seen = seen.unwrap_or_else(|what| panic!("{what}"));
    println!("{seen:?}");
    assert!(seen.distinct > 5000 && seen.in_recovery > 1500, "{seen:?}");
    assert!(seen.went_on > 500 && seen.killed > 500, "{seen:?}");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 1..6 {
        let [one, other] = [(); 2].map(|()| History::new(seed));
        assert_eq!(format!("{:?}", one.disk), format!("{:?}", other.disk));
        assert_eq!(one.disk.files(), other.disk.files());
    }
}

#[test]
fn histories_hold_what_they_are_for() {
    let histories: Vec<History> = (1..40).map(History::new).collect();
    let collected: u64 = histories.iter().map(|history| history.collected).sum();
    let copied: u64 = histories.iter().map(|history| history.copied).sum();
    assert!(collected > 100 && copied > 50_000, "{collected}, {copied}");
    let steps: String = histories
        .iter()
        .flat_map(|history| history.steps.clone())
        .collect();
    for kind in [
        "backup of",
        "synchronization",
        "given up",
        "two sessions",
        "is deleted",
        "read while it goes",
        "dropped",
        "beside a session",
        "configured",
        "closed and opened",
        "killed and opened",
    ] {
        assert!(steps.matches(kind).count() > 3, "{kind}");
    }
}

/// Explores histories on a disk that lies until one is found out.
fn first_violation(knobs: Knobs) -> String {
    let found = (1..20).find_map(|seed| {
        let history = History::on(seed, knobs);
        explore_one(&history, Effort::default()).err()
    });
    found.unwrap_or_else(|| panic!("{knobs:?} goes unnoticed"))
}

#[test]
fn disks_that_ignore_syncs_are_noticed() {
    let what = first_violation(Knobs {
        ignore_file_sync: true,
        ..Knobs::default()
    });
    assert!(
        what.contains("repeat: cargo xtask crash t4 --seed"),
        "{what}"
    );
    first_violation(Knobs {
        ignore_dir_sync: true,
        ..Knobs::default()
    });
}
