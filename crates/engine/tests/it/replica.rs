//! The replica's state machine, every pair of it.

use std::fmt::Write;

use engine::replica::{Doubt, Happening, State, next};

const STATES: [State; 8] = [
    State::Pending,
    State::Creating,
    State::Ok,
    State::Inconsistent(Doubt::Paused),
    State::Checking(None),
    State::Checking(Some(Doubt::Paused)),
    State::Missing,
    State::Inactive,
];

const HAPPENINGS: [(&str, Happening); 11] = [
    ("sync started", Happening::SyncStarted),
    ("sync done", Happening::SyncDone),
    ("sync ended", Happening::SyncEnded),
    ("check started", Happening::CheckStarted),
    ("check passed", Happening::CheckPassed),
    ("check ended", Happening::CheckEnded),
    ("doubted: damaged", Happening::Doubted(Doubt::Damaged)),
    ("lost", Happening::Lost),
    ("stopped", Happening::Stopped),
    ("resumed with it", Happening::Resumed(true)),
    ("resumed without", Happening::Resumed(false)),
];

fn word(state: State) -> String {
    match state.doubt() {
        Some(doubt) => format!("{} ({})", state.name(), doubt.name()),
        None => state.name().to_owned(),
    }
}

#[test]
fn every_state_answers_every_happening() {
    let mut table = String::new();
    for state in STATES {
        writeln!(table, "{}:", word(state)).unwrap();
        for (name, happening) in HAPPENINGS {
            if let Ok(after) = next(state, happening) {
                writeln!(table, "  {name} -> {}", word(after)).unwrap();
            }
        }
    }
    assert_eq!(table, include_str!("replica.txt"), "{table}");
}

#[test]
fn a_refusal_leaves_the_state_named() {
    let refused = next(State::Inactive, Happening::SyncStarted).unwrap_err();
    assert_eq!(refused.state, State::Inactive);
    assert_eq!(
        refused.to_string(),
        "a replica that is inactive cannot do this"
    );
}

#[test]
fn states_and_doubts_read_back_from_their_names() {
    for state in STATES {
        assert_eq!(State::parse(state.name(), state.doubt()), Some(state));
    }
    for doubt in Doubt::ALL {
        assert_eq!(Doubt::parse(doubt.name()), Some(doubt));
    }
    assert_eq!(State::parse("ok", Some(Doubt::Paused)), None);
}
