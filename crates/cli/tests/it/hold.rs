//! A recovery point that is held stays, whatever else is asked for.

use crate::bench::Bench;

#[test]
fn a_held_point_stays_until_it_is_released() {
    let bench = Bench::with_docs(64);
    let point = bench.id("protect docs");
    let list = || bench.run("point list").out;

    let held = bench.run(&format!("point hold {point} --reason case-7"));
    assert_eq!(held.exit, 0, "{}", held.all());
    assert!(held.out.contains("it does not expire"), "{}", held.out);
    assert!(list().contains("it is released"), "{}", list());
    assert!(list().contains("held: case-7"), "{}", list());
    let said = bench.run(&format!("point delete {point}"));
    assert_eq!(said.exit, 6, "{}", said.all());
    assert!(said.err.contains("Code: PointHeld"), "{}", said.err);
    assert!(said.err.contains("case-7"), "{}", said.err);

    let released = bench.run(&format!("point release {point}"));
    assert_eq!(released.exit, 0, "{}", released.all());
    assert!(!list().contains("case-7"), "{}", list());
    assert_eq!(bench.run(&format!("point delete {point}")).exit, 0);
    let gone = bench.run(&format!("point hold {point}"));
    assert_eq!(gone.exit, 4, "{}", gone.all());
}
