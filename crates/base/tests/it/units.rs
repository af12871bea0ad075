//! Sizes, counts, rates and durations as people read and write them.

use std::time::Duration;

use base::Lang;
use base::fault::Code;
use base::units::{bytes, count, duration, parse_bytes, rate, time};
use proptest::prelude::*;

#[test]
fn sizes_have_three_digits_and_a_unit() {
    for (size, text) in [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1536, "1.50 KiB"),
        (10_239, "10.0 KiB"),
        (102_400, "100 KiB"),
        (1_048_063, "1023 KiB"),
        (1_048_064, "1.00 MiB"),
        (1_048_576, "1.00 MiB"),
        (1_503_238_553, "1.40 GiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(bytes(size), text, "{size}");
    }
}

#[test]
fn counts_separate_thousands() {
    for (n, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (1_234_567, "1,234,567"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(count(n), text);
    }
}

#[test]
fn rates_are_per_second() {
    assert_eq!(rate(10 << 20, Duration::from_secs(4)), "2.50 MiB/s");
    assert_eq!(rate(10, Duration::ZERO), "-");
}

#[test]
fn durations_show_their_two_largest_units() {
    for (ms, en, ja) in [
        (0, "0 s", "0 秒"),
        (350, "350 ms", "350 ミリ秒"),
        (1_999, "1 s", "1 秒"),
        (185_000, "3 min 5 s", "3 分 5 秒"),
        (180_000, "3 min", "3 分"),
        (22_320_000, "6 h 12 min", "6 時間 12 分"),
        (86_400_000, "1 d", "1 日"),
        (86_405_000, "1 d", "1 日"),
        (187_200_000, "2 d 4 h", "2 日 4 時間"),
    ] {
        let shown = |lang| duration(Duration::from_millis(ms), lang);
        assert_eq!(
            (shown(Lang::En).as_str(), shown(Lang::Ja).as_str()),
            (en, ja)
        );
    }
}

#[test]
fn times_name_their_zone() {
    let zone = base::schedule::zone("Europe/Berlin").unwrap();
    let at = "2026-03-01T21:00:30Z".parse().unwrap();
    assert_eq!(time(at, &zone), "2026-03-01 22:00 CET");
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, size) in [
        ("0", 0),
        ("4096", 4096),
        ("12 B", 12),
        ("64k", 64 << 10),
        ("500MiB", 500 << 20),
        ("1.5 GiB", 3 << 29),
        ("2TB", 2_000_000_000_000),
        ("1.25 kB", 1250),
        (" 1 gib ", 1 << 30),
        ("16383PiB", 16_383 << 50),
        ("1.0000000001 B", 1),
    ] {
        assert_eq!(parse_bytes(text).unwrap(), size, "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in [
        "", "GiB", "-1", "1.2.3", "1 GiBB", "1 ZiB", "16EiB", "1e3", "0x10", ".5", "1 K B", "١",
    ] {
        let fault = parse_bytes(text).unwrap_err();
        assert_eq!(
            (fault.code, fault.param("text")),
            (Code::SizeInvalid, Some(text))
        );
    }
}

proptest! {
    /// A size shown and read again is off by the digits that were not shown, and by no more.
    #[test]
    fn a_size_reads_back_from_what_is_shown(size in 0_u64..1 << 62) {
        let back = parse_bytes(&bytes(size)).unwrap();
        prop_assert!(back.abs_diff(size) as f64 <= size as f64 * 0.0051, "{} {}", size, back);
    }

    #[test]
    fn reading_a_size_never_panics(text in ".{0,40}") {
        let _ = parse_bytes(&text);
    }
}
