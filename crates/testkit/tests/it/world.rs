//! Time and chance repeat.

use std::time::Duration;

use testkit::{Dice, env};

#[test]
fn a_seed_determines_all_random_bytes() {
    let draw = |seed| {
        let (env, _) = env(seed);
        (env.bytes::<7>(), env.bytes::<100>())
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_ne!(draw(1).0[..], draw(1).1[..7]);
    assert_eq!(Dice::new(5).bytes(100), Dice::new(5).bytes(100));
    assert_ne!(Dice::new(5).bytes(100), Dice::new(6).bytes(100));
}

#[test]
fn the_clock_stands_still_until_it_is_moved() {
    let (env, handles) = env(1);
    let start = env.now();
    assert_eq!(start.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(env.now(), start);
    handles.clock.advance(Duration::from_secs(90));
    assert_eq!(env.now().as_second() - start.as_second(), 90);
    assert_eq!(env.clock.since_boot(), Duration::from_secs(3690));
}

#[test]
fn the_wall_clock_jumps_alone() {
    let (env, handles) = env(1);
    let start = env.now();
    handles.clock.set_wall(start - Duration::from_secs(1000));
    assert_eq!(env.now().as_second() - start.as_second(), -1000);
    assert_eq!(env.clock.since_boot(), Duration::from_secs(3600));
    handles.clock.reboot();
    assert_eq!(env.clock.since_boot(), Duration::ZERO);
}
