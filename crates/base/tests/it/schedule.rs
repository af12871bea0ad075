//! Schedules: daylight saving time never loses a run and never doubles one.

use std::collections::BTreeSet;

use base::Timestamp;
use base::fault::{Code, Lang};
use base::retention::Policy;
use base::schedule::{Schedule, SyncFrequency, parse_time, zone};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test's instant is one")
}

fn schedule(text: &str, zone_name: &str) -> Schedule {
    zone(zone_name)
        .and_then(|zone| Schedule::parse(text, zone))
        .expect("a test's schedule is one")
}

fn check(text: &str, zone_name: &str, after: &str, until: &str, expected: &[&str]) {
    let schedule = schedule(text, zone_name);
    let due: Vec<String> = schedule
        .occurrences(at(after), at(until))
        .map(|due| {
            due.to_zoned_datetime(schedule.zone().clone())
                .strftime("%a %F %H:%M%:z")
                .to_string()
        })
        .collect();
    assert_eq!(due, expected, "{text} {zone_name}");
}

#[test]
fn a_schedule_is_due_at_its_times_on_its_days() {
    check(
        "mon,fri 03:30,22:00",
        "Asia/Tokyo",
        "2026-03-01T00:00:00Z",
        "2026-03-06T13:00:00Z",
        &[
            "Mon 2026-03-02 03:30+09:00",
            "Mon 2026-03-02 22:00+09:00",
            "Fri 2026-03-06 03:30+09:00",
            "Fri 2026-03-06 22:00+09:00",
        ],
    );
}

#[test]
fn next_is_strictly_after() {
    let nightly = Schedule::nightly(TimeZone::UTC);
    let due = at("2026-03-01T22:00:00Z");
    assert_eq!(
        nightly.next_after(due - SignedDuration::from_nanos(1)),
        Some(due)
    );
    assert_eq!(nightly.next_after(due), Some(at("2026-03-02T22:00:00Z")));
    assert_eq!(nightly.next_after(Timestamp::MAX), None);
}

#[test]
fn a_time_that_the_clock_skips_runs_an_hour_later() {
    check(
        "02:30",
        "Europe/Berlin",
        "2026-03-28T00:00:00Z",
        "2026-03-30T12:00:00Z",
        &[
            "Sat 2026-03-28 02:30+01:00",
            "Sun 2026-03-29 03:30+02:00",
            "Mon 2026-03-30 02:30+02:00",
        ],
    );
}

#[test]
fn two_times_that_fall_together_are_one_run_and_stay_in_order() {
    check(
        "02:30,03:00,03:30",
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        "2026-03-29T12:00:00Z",
        &["Sun 2026-03-29 03:00+02:00", "Sun 2026-03-29 03:30+02:00"],
    );
}

#[test]
fn a_time_that_comes_twice_runs_once() {
    check(
        "02:30",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        "2026-10-26T12:00:00Z",
        &["Sun 2026-10-25 02:30+02:00", "Mon 2026-10-26 02:30+01:00"],
    );
}

#[test]
fn midnight_may_be_the_hour_that_is_skipped() {
    check(
        "00:00",
        "America/Sao_Paulo",
        "2018-11-03T12:00:00Z",
        "2018-11-05T12:00:00Z",
        &["Sun 2018-11-04 01:00-02:00", "Mon 2018-11-05 00:00-02:00"],
    );
}

#[test]
fn a_day_that_never_was_does_not_confuse_the_order() {
    check(
        "03:30,22:00",
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        "2012-01-01T00:00:00Z",
        &[
            "Thu 2011-12-29 03:30-10:00",
            "Thu 2011-12-29 22:00-10:00",
            "Sat 2011-12-31 03:30+14:00",
            "Sat 2011-12-31 22:00+14:00",
            "Sun 2012-01-01 03:30+14:00",
        ],
    );
}

#[test]
fn texts_read_back() {
    for (text, canonical) in [
        ("22:00", "22:00"),
        (" daily 9:05 ", "09:05"),
        ("22:00,12:00, 12:00", "12:00,22:00"),
        ("MON,Friday 03:30", "mon,fri 03:30"),
        ("mon-fri 12:00,22:00", "mon,tue,wed,thu,fri 12:00,22:00"),
        ("sat-mon 01:00", "mon,sat,sun 01:00"),
        ("mon-sun 01:00", "01:00"),
        ("sun-sat 01:00", "01:00"),
    ] {
        let read = schedule(text, "UTC");
        assert_eq!(read.to_string(), canonical);
        assert_eq!(schedule(canonical, "UTC"), read);
    }
}

#[test]
fn what_is_no_schedule_is_refused_with_the_part_that_is_wrong() {
    for (text, reason) in [
        ("", "\"\" is not a time; times are 00:00 to 23:59"),
        ("24:00", "\"24:00\" is not a time; times are 00:00 to 23:59"),
        ("22:0", "\"22:0\" is not a time; times are 00:00 to 23:59"),
        ("22:00,", "\"\" is not a time; times are 00:00 to 23:59"),
        ("22", "\"22\" is not a time; times are 00:00 to 23:59"),
        ("+1:00", "\"+1:00\" is not a time; times are 00:00 to 23:59"),
        (
            "mo 22:00",
            "\"mo\" is not a day; days are mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            "mon,,fri 22:00",
            "\"\" is not a day; days are mon, tue, wed, thu, fri, sat, sun",
        ),
    ] {
        let fault = Schedule::parse(text, TimeZone::UTC).unwrap_err();
        assert_eq!(fault.code, Code::ScheduleInvalid);
        assert_eq!(
            (fault.param("text"), fault.param("reason")),
            (Some(text), Some(reason))
        );
    }
    assert_eq!(zone("Mars/Base").unwrap_err().code, Code::ScheduleInvalid);
}

#[test]
fn schedules_are_sentences() {
    let policy = Policy {
        keep_days: 7,
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
    };
    for (text, en, ja) in [
        (
            "12:00,22:00",
            "Recovery points every day at 12:00 and 22:00 (UTC), kept for 7 days.",
            "毎日 12:00、22:00 (UTC) に回復ポイントを作成し、すべてを 7 日間保持します。",
        ),
        (
            "mon-fri 12:00",
            "One recovery point from Monday to Friday at 12:00 (UTC), kept for 7 days.",
            "毎週月曜日から金曜日の 12:00 (UTC) に回復ポイントを作成し、すべてを 7 日間保持します。",
        ),
        (
            "mon,wed,sat 03:30",
            "One recovery point on Mondays, Wednesdays and Saturdays at 03:30 (UTC), kept for 7 days.",
            "毎週月・水・土曜日の 03:30 (UTC) に回復ポイントを作成し、すべてを 7 日間保持します。",
        ),
    ] {
        let schedule = schedule(text, "UTC");
        assert_eq!(schedule.sentence(&policy, Lang::En), en);
        assert_eq!(schedule.sentence(&policy, Lang::Ja), ja);
    }
}

#[test]
fn synchronization_frequencies_read_back() {
    for (text, canonical, en, ja) in [
        ("15m", "15m", "every 15 minutes", "15 分ごと"),
        ("60 min", "1h", "every hour", "1 時間ごと"),
        ("90m", "90m", "every 90 minutes", "90 分ごと"),
        ("24H", "24h", "every 24 hours", "24 時間ごと"),
        (
            "before-point",
            "before-point",
            "just before each recovery point",
            "回復ポイントの直前",
        ),
    ] {
        let read: SyncFrequency = text.parse().unwrap();
        assert_eq!(read.to_string(), canonical);
        assert_eq!(
            (
                read.describe(Lang::En).as_str(),
                read.describe(Lang::Ja).as_str()
            ),
            (en, ja)
        );
    }
    for text in ["", "14m", "25h", "7h", "1d", "h", "-15m", "99999h", "1.5h"] {
        let fault = text.parse::<SyncFrequency>().unwrap_err();
        assert_eq!(
            (fault.code, fault.param("text")),
            (Code::SyncFrequencyInvalid, Some(text))
        );
    }
}

#[test]
fn intervals_begin_at_midnight_and_count_real_time() {
    let local = |zone_name: &str, frequency: &str, after: &str, until: &str| -> Vec<String> {
        let points = schedule("22:00", zone_name);
        let frequency: SyncFrequency = frequency.parse().unwrap();
        frequency
            .occurrences(at(after), at(until), &points)
            .map(|due| {
                due.to_zoned_datetime(points.zone().clone())
                    .strftime("%d %H:%M")
                    .to_string()
            })
            .collect()
    };
    assert_eq!(
        local(
            "Europe/Berlin",
            "6h",
            "2026-03-28T22:00:00Z",
            "2026-03-29T23:00:00Z"
        ),
        ["29 00:00", "29 07:00", "29 13:00", "29 19:00", "30 00:00"]
    );
    assert_eq!(
        local(
            "Europe/Berlin",
            "6h",
            "2026-10-24T21:00:00Z",
            "2026-10-25T23:00:00Z"
        ),
        [
            "25 00:00", "25 05:00", "25 11:00", "25 17:00", "25 23:00", "26 00:00"
        ]
    );
    assert_eq!(
        local(
            "America/Sao_Paulo",
            "24h",
            "2018-11-03T12:00:00Z",
            "2018-11-05T12:00:00Z"
        ),
        ["04 01:00", "05 00:00"]
    );
    assert_eq!(
        local(
            "Pacific/Apia",
            "12h",
            "2011-12-29T12:00:00Z",
            "2011-12-31T12:00:00Z"
        ),
        ["29 12:00", "31 00:00", "31 12:00", "01 00:00"]
    );
    assert_eq!(
        local(
            "UTC",
            "before-point",
            "2026-03-01T00:00:00Z",
            "2026-03-02T00:00:00Z"
        ),
        ["01 22:00"]
    );
}

#[test]
fn points_in_time_are_read_in_the_zone() {
    let berlin = zone("Europe/Berlin").unwrap();
    for (text, instant) in [
        ("2026-03-01T14:30:00+09:00", "2026-03-01T05:30:00Z"),
        ("2026-03-01T14:30Z", "2026-03-01T14:30:00Z"),
        ("2026-03-01T14:30", "2026-03-01T13:30:00Z"),
        (" 2026-03-01 14:30:05 ", "2026-03-01T13:30:05Z"),
        ("2026-03-01", "2026-03-01T22:59:59.999999999Z"),
    ] {
        assert_eq!(parse_time(text, &berlin).unwrap(), at(instant), "{text}");
    }
    for text in [
        "",
        "yesterday",
        "2026-02-30",
        "14:30",
        "2026-03-01T25:00",
        "2026-03-01T10:00+99:00",
    ] {
        let fault = parse_time(text, &berlin).unwrap_err();
        assert_eq!(
            (fault.code, fault.param("text")),
            (Code::TimeInvalid, Some(text))
        );
    }
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
];

fn text_of(days: u8, minutes: &BTreeSet<u16>) -> String {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<&str> = (0..7)
        .filter(|n| days >> n & 1 == 1)
        .map(|n| names[n])
        .collect();
    let times: Vec<String> = minutes
        .iter()
        .map(|m| format!("{:02}:{:02}", m / 60, m % 60))
        .collect();
    format!("{} {}", days.join(","), times.join(","))
}

proptest! {
    /// Every scheduled time of every scheduled day is one run, and there is no other run.
    #[test]
    fn no_run_is_lost_and_none_is_doubled(
        zone_name in prop::sample::select(&ZONES[..]),
        days in 1_u8..128,
        minutes in prop::collection::btree_set(0_u16..1440, 1..5),
        start in 0..16_i32 * 365,
    ) {
        let schedule = schedule(&text_of(days, &minutes), zone_name);
        let zone = schedule.zone();
        let first = date(2005, 1, 1).checked_add(start.days()).unwrap();
        let instant = |day: jiff::civil::Date, minute: u16| {
            let time = day.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
            zone.to_timestamp(time).unwrap()
        };
        let (after, until) = (instant(first, 0), instant(first.checked_add(30.days()).unwrap(), 0));
        let all: BTreeSet<Timestamp> = (-3..34)
            .map(|n| first.checked_add(n.days()).unwrap())
            .filter(|day| days >> day.weekday().to_monday_zero_offset() & 1 == 1)
            .flat_map(|day| minutes.iter().map(move |minute| (day, *minute)))
            .map(|(day, minute)| instant(day, minute))
            .filter(|due| *due > after && *due <= until)
            .collect();
        let got: Vec<Timestamp> = schedule.occurrences(after, until).collect();
        prop_assert_eq!(got, all.into_iter().collect::<Vec<_>>());
    }

    /// Synchronizations are never further apart than their interval, and always go forward.
    #[test]
    fn an_interval_is_never_exceeded(
        zone_name in prop::sample::select(&ZONES[..]),
        minutes in prop::sample::select(&[15_u16, 45, 60, 90, 360, 720, 1440][..]),
        start in 1_100_000_000..1_700_000_000_i64,
    ) {
        let points = schedule("22:00", zone_name);
        let frequency = SyncFrequency::every(minutes).unwrap();
        let mut time = Timestamp::from_second(start).unwrap();
        for _ in 0..100 {
            let next = frequency.next_after(time, &points).unwrap();
            prop_assert!(next > time);
            prop_assert!(next.duration_since(time) <= SignedDuration::from_mins(i64::from(minutes)));
            time = next;
        }
    }

    #[test]
    fn reading_never_panics(text in "[a-z0-9:, -]{0,30}|.{0,30}") {
        let _ = Schedule::parse(&text, TimeZone::UTC);
        let _ = text.parse::<SyncFrequency>();
        let _ = parse_time(&text, &TimeZone::UTC);
    }
}
