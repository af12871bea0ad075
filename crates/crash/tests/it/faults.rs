//! Calls that fail or lie (T5, T9).

use crash::faults::sweep;

#[test]
fn no_call_that_fails_or_lies_loses_what_was_acknowledged() {
    let seen = sweep(1, 50_000, 2).unwrap_or_else(|what| panic!("{what}"));
    println!("{seen:?}");
    assert!(seen.withstood > 2000 && seen.opened > 1000, "{seen:?}");
    assert!(seen.failed.len() >= 8, "{seen:?}");
}
