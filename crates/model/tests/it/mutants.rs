//! Every defence is missed when it is switched off: alone, or with the one that stands in for it.

use model::{Action, Rules, search};

use crate::safe::bounds;

/// One writer with two sessions, and one of everything else but collections, of which there are two. (Another writer may always
/// come to copy.)
const ONE: [u8; 10] = [2, 0, 0, 1, 1, 1, 2, 1, 1, 0];
/// Two writers, and an index that is lost once.
const TWO: [u8; 10] = [1, 1, 0, 1, 0, 0, 1, 1, 0, 1];
/// As [`ONE`], with less to read and to drop: what survives is searched to its end.
const ONE_ENDS: [u8; 10] = [2, 0, 0, 1, 1, 0, 2, 1, 0, 0];
/// States after which a mutant has survived; there are fewer.
const MOST: usize = 5_000_000;

/// Switches defences off.
macro_rules! without {
    ($($defence:ident),+) => {{
        let mut rules = Rules::default();
        $(rules.$defence = false;)+
        (stringify!($($defence)+), rules)
    }};
}

/// Defences that nothing stands in for.
fn alone() -> Vec<(&'static str, Rules)> {
    vec![
        without!(fenced_commits_are_void),
        without!(fenced_packs_are_refused),
        without!(commits_have_a_base),
        without!(packs_are_durable_first),
        without!(last_named_is_found),
        without!(unnamed_copies_do_not_count),
        without!(deleting_looks_again),
        without!(records_come_first),
        without!(orphans_have_no_session),
        without!(adoption_looks),
        without!(names_are_new),
        without!(replicas_are_live),
        without!(readers_are_live),
        without!(repacking_is_a_session),
    ]
}

/// Defences of which one of two is enough. Both are kept: one is safe, the other saves storing again what was just stored. That
/// new copies replace those in condemned packs follows from where chunks of several packs are found, so both go at once.
fn in_pairs() -> Vec<(&'static str, Rules)> {
    vec![
        without!(sessions_are_logged, commits_look_again),
        without!(deleting_waits, commits_look_again),
        without!(deleting_waits, deleting_is_atomic),
        without!(condemned_is_unknown, commits_look_again),
        without!(condemned_is_unknown, deleting_is_atomic),
        without!(
            copies_replace_condemned,
            last_named_is_found,
            commits_look_again
        ),
        without!(
            copies_replace_condemned,
            last_named_is_found,
            deleting_is_atomic
        ),
        without!(deleted_is_unknown, commits_look_again),
    ]
}

fn violation(of: [u8; 10], rules: &Rules) -> Option<Vec<Action>> {
    search(&bounds(of), rules, MOST).violation
}

#[test]
fn every_defence_that_nothing_stands_in_for_is_missed() {
    for (name, rules) in alone() {
        let way = violation(TWO, &rules).or_else(|| violation(ONE, &rules));
        let way = way.unwrap_or_else(|| panic!("{name} is not missed"));
        println!("without {name}: {} steps, {way:?}", way.len());
    }
}

#[test]
fn of_two_defences_that_stand_in_for_one_another_one_is_missed() {
    for (name, rules) in in_pairs() {
        let way = violation(ONE, &rules).unwrap_or_else(|| panic!("{name} are not missed"));
        println!("without {name}: {} steps, {way:?}", way.len());
    }
}

#[test]
fn either_of_two_defences_that_stand_in_for_one_another_is_enough() {
    for (name, rules) in [
        without!(sessions_are_logged),
        without!(commits_look_again),
        without!(deleting_waits),
        without!(deleting_is_atomic),
        without!(condemned_is_unknown),
        without!(copies_replace_condemned),
        without!(deleted_is_unknown),
    ] {
        for of in [ONE_ENDS, TWO] {
            let outcome = search(&bounds(of), &rules, MOST);
            assert_eq!(outcome.violation, None, "{name}");
            println!("without {name}: {} states", outcome.states);
            assert!(outcome.is_complete && outcome.freed > 0, "{name}");
        }
    }
}

/// With an index that never is built anew a chunk may be found in any of several packs.
#[test]
fn where_a_chunk_is_found_matters_only_when_an_index_is_built_anew() {
    let (name, rules) = without!(last_named_is_found);
    let outcome = search(&bounds(ONE_ENDS), &rules, MOST);
    assert_eq!(outcome.violation, None, "{name}");
    assert!(outcome.is_complete && outcome.freed > 0, "{name}");
}

#[test]
fn the_shortest_way_to_what_is_lost_is_told() {
    let (_, rules) = without!(orphans_have_no_session);
    let way = [
        Action::Open,
        Action::Miss,
        Action::Store,
        Action::SweepOrphan,
        Action::Commit,
    ];
    assert_eq!(violation(ONE, &rules), Some(way.to_vec()));
}
