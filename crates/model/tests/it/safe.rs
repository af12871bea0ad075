//! All states of bounded configurations: none is broken.

use model::{Bounds, Rules, search};

/// States of one configuration that are visited at most.
const MOST: usize = 30_000_000;

/// Sessions of each writer, then fences, deletions, drops, collections, repacks, reads, rebuilds.
const CONFIGURATIONS: [[u8; 10]; 6] = [
    [1, 1, 0, 1, 1, 0, 1, 1, 0, 1],
    [1, 1, 0, 1, 1, 0, 1, 1, 1, 0],
    [2, 0, 0, 1, 1, 1, 2, 1, 0, 0],
    [2, 0, 0, 1, 2, 0, 1, 1, 1, 1],
    [1, 1, 1, 0, 1, 0, 1, 0, 0, 0],
    [2, 1, 0, 1, 1, 0, 1, 0, 0, 0],
];

pub(crate) fn bounds(of: [u8; 10]) -> Bounds {
    let [
        a,
        b,
        c,
        fences,
        deletions,
        drops,
        collections,
        repacks,
        reads,
        rebuilds,
    ] = of;
    Bounds {
        sessions: [a, b, c],
        fences,
        deletions,
        drops,
        collections,
        repacks,
        reads,
        rebuilds,
    }
}

#[test]
fn no_order_of_steps_loses_a_chunk() {
    let mut states = 0;
    for configuration in CONFIGURATIONS {
        let outcome = search(&bounds(configuration), &Rules::default(), MOST);
        println!(
            "{configuration:?}: {} states, {} steps, space freed in {}",
            outcome.states, outcome.steps, outcome.freed
        );
        assert_eq!(outcome.violation, None, "{configuration:?}");
        assert!(outcome.is_complete, "{configuration:?}");
        assert!(outcome.freed > 0, "{configuration:?} proves little");
        states += outcome.states;
    }
    assert!(states >= 10_000_000, "{states} states");
}
