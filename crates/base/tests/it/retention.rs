//! Retention read as a calendar, and against an implementation too simple to be wrong.

use base::fault::{Code, Lang};
use base::limits::RETENTION_COUNT_MAX;
use base::retention::{Policy, Reason, Verdict, plan};
use base::schedule::{Schedule, zone};
use base::{PointId, Timestamp};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test's instant is one")
}

fn id(n: u32) -> PointId {
    PointId(u128::from(n).to_be_bytes())
}

fn policy(counts: [u32; 5]) -> Policy {
    let [keep_days, daily, weekly, monthly, yearly] = counts;
    Policy {
        keep_days,
        daily,
        weekly,
        monthly,
        yearly,
    }
}

/// Runs for `days` days from 2025-01-01: every night a point at 22:00 UTC, then everything expired goes.
/// Returns what is left, as `date reasons`.
fn run(days: i64, policy: &Policy) -> Vec<String> {
    let mut points = Vec::new();
    let mut now = at("2025-01-01T22:00:00Z");
    for n in 0..days {
        points.push((id(n as u32), now));
        let plan = plan(&points, policy, now, &TimeZone::UTC);
        points = points
            .into_iter()
            .zip(plan)
            .filter(|(_, (_, v))| v.keeps())
            .map(|(p, _)| p)
            .collect();
        now += SignedDuration::from_secs(DAY);
    }
    now -= SignedDuration::from_secs(DAY);
    let verdicts = plan(&points, policy, now, &TimeZone::UTC);
    let line = |((_, time), (_, verdict)): (&(PointId, Timestamp), (PointId, Verdict))| {
        let Verdict::Keep { reasons, .. } = verdict else {
            panic!("it was kept a moment ago");
        };
        let reasons: Vec<&str> = reasons.iter().map(|r| r.describe(Lang::En)).collect();
        format!("{} {}", time.strftime("%a %F"), reasons.join(" "))
    };
    points.iter().zip(verdicts).map(line).collect()
}

fn check(days: i64, counts: [u32; 5], expected: &[&str]) {
    assert_eq!(run(days, &policy(counts)), expected);
}

#[test]
fn three_days_are_today_and_the_three_full_days_before() {
    check(
        10,
        [3, 0, 0, 0, 0],
        &[
            "Tue 2025-01-07 days",
            "Wed 2025-01-08 days",
            "Thu 2025-01-09 days",
            "Fri 2025-01-10 newest days",
        ],
    );
}

#[test]
fn the_default_after_a_year_and_a_half() {
    let left = run(547, &Policy::default());
    let older: Vec<&str> = left
        .iter()
        .map(String::as_str)
        .take(left.len() - 13)
        .collect();
    assert_eq!(
        older,
        [
            "Thu 2025-07-31 monthly",
            "Sun 2025-08-31 monthly",
            "Tue 2025-09-30 monthly",
            "Fri 2025-10-31 monthly",
            "Sun 2025-11-30 monthly",
            "Wed 2025-12-31 monthly",
            "Sat 2026-01-31 monthly",
            "Sat 2026-02-28 monthly",
            "Tue 2026-03-31 monthly",
            "Thu 2026-04-30 monthly",
            "Sun 2026-05-10 weekly",
            "Sun 2026-05-17 weekly",
            "Sun 2026-05-24 weekly",
            "Sun 2026-05-31 weekly monthly",
            "Sun 2026-06-07 weekly",
            "Sun 2026-06-14 weekly",
            "Wed 2026-06-17 days",
            "Thu 2026-06-18 days",
        ]
    );
    assert_eq!(
        left[left.len() - 1],
        "Wed 2026-07-01 newest days weekly monthly"
    );
}

#[test]
fn weeks_are_iso_weeks_over_the_turn_of_the_year() {
    check(
        8,
        [0, 0, 2, 0, 1],
        &[
            "Sun 2025-01-05 weekly",
            "Wed 2025-01-08 newest weekly yearly",
        ],
    );
    let points = [
        (id(1), at("2024-12-31T12:00:00Z")),
        (id(2), at("2025-01-05T12:00:00Z")),
    ];
    let verdicts = plan(
        &points,
        &policy([0, 0, 9, 0, 0]),
        at("2025-01-06T00:00:00Z"),
        &TimeZone::UTC,
    );
    assert_eq!(
        verdicts[0].1,
        Verdict::Expire,
        "one ISO week, 2025-W01, has one holder"
    );
}

#[test]
fn years_keep_their_last_point() {
    check(
        800,
        [0, 0, 0, 0, 5],
        &[
            "Wed 2025-12-31 yearly",
            "Thu 2026-12-31 yearly",
            "Thu 2027-03-11 newest yearly",
        ],
    );
}

#[test]
fn a_point_lives_until_the_end_of_its_last_period() {
    let time = at("2026-01-31T21:00:00Z");
    let berlin = zone("Europe/Berlin").unwrap();
    for (counts, end) in [
        ([1, 0, 0, 0, 0], "2026-02-01T23:00:00Z"),
        ([0, 2, 0, 0, 0], "2026-02-02T23:00:00Z"),
        ([0, 0, 1, 0, 0], "2026-02-08T23:00:00Z"),
        ([0, 0, 0, 2, 0], "2026-03-31T22:00:00Z"),
        ([0, 0, 0, 0, 1], "2027-12-31T23:00:00Z"),
        ([1, 2, 1, 2, 0], "2026-03-31T22:00:00Z"),
    ] {
        let last = at(end) - SignedDuration::from_nanos(1);
        let newer = (id(2), at(end));
        let older = [(id(1), time), (id(3), at("2026-01-01T00:00:00Z"))];
        let judge = |points: &[(PointId, Timestamp)], now| {
            plan(points, &policy(counts), now, &berlin)[0].1.clone()
        };
        match judge(&older, last) {
            Verdict::Keep { expires_at, .. } => assert_eq!(expires_at, Some(at(end)), "{counts:?}"),
            Verdict::Expire => panic!("{counts:?} expired early"),
        }
        assert_eq!(
            judge(&[older[0], older[1], newer], at(end)),
            Verdict::Expire,
            "{counts:?}"
        );
    }
}

#[test]
fn the_newest_point_stays_for_ever() {
    let points = [
        (id(1), at("2020-01-01T00:00:00Z")),
        (id(2), at("2020-01-02T00:00:00Z")),
    ];
    let verdicts = plan(
        &points,
        &policy([1, 1, 1, 1, 1]),
        at("2099-01-01T00:00:00Z"),
        &TimeZone::UTC,
    );
    assert_eq!(verdicts[0].1, Verdict::Expire);
    let newest = Verdict::Keep {
        reasons: vec![Reason::Newest],
        expires_at: None,
    };
    assert_eq!(verdicts[1].1, newest);
}

#[test]
fn a_point_from_the_future_stays_and_displaces_nothing() {
    let points = [
        (id(1), at("2026-03-02T22:00:00Z")),
        (id(2), at("2026-03-03T22:00:00Z")),
    ];
    let verdicts = plan(
        &points,
        &policy([0, 0, 1, 0, 0]),
        at("2026-03-02T23:00:00Z"),
        &TimeZone::UTC,
    );
    let week = at("2026-03-16T00:00:00Z");
    let reasons = vec![Reason::Newest, Reason::Weekly];
    assert_eq!(
        verdicts[0].1,
        Verdict::Keep {
            reasons,
            expires_at: Some(week)
        }
    );
    let future = Verdict::Keep {
        reasons: vec![Reason::Future],
        expires_at: None,
    };
    assert_eq!(verdicts[1].1, future);
}

#[test]
fn of_two_points_at_one_instant_one_is_the_newest() {
    let time = at("2026-03-02T22:00:00Z");
    for points in [
        [(id(1), time), (id(2), time)],
        [(id(2), time), (id(1), time)],
    ] {
        let verdicts = plan(&points, &policy([0, 0, 1, 0, 0]), time, &TimeZone::UTC);
        let kept: Vec<PointId> = verdicts
            .iter()
            .filter(|(_, v)| v.keeps())
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(kept, [id(2)]);
    }
}

#[test]
fn the_calendars_end_is_not_an_error() {
    let points = [(id(1), at("9990-01-01T00:00:00Z"))];
    let far = policy([RETENTION_COUNT_MAX; 5]);
    let verdicts = plan(&points, &far, at("9998-01-01T00:00:00Z"), &TimeZone::UTC);
    match &verdicts[0].1 {
        Verdict::Keep { expires_at, .. } => assert_eq!(*expires_at, Some(Timestamp::MAX)),
        Verdict::Expire => panic!("a hundred years are not over"),
    }
    assert!(plan(&[], &far, Timestamp::MIN, &TimeZone::UTC).is_empty());
}

#[test]
fn a_policy_that_keeps_nothing_or_too_much_is_refused() {
    assert!(Policy::default().check().is_ok());
    assert!(policy([0, 0, 0, 0, RETENTION_COUNT_MAX]).check().is_ok());
    for counts in [[0; 5], [1, 0, RETENTION_COUNT_MAX + 1, 0, 0], [u32::MAX; 5]] {
        assert_eq!(
            policy(counts).check().unwrap_err().code,
            Code::PolicyInvalid
        );
    }
}

#[test]
fn a_policy_is_a_sentence() {
    let nightly = Schedule::nightly(zone("Asia/Tokyo").unwrap());
    assert_eq!(
        nightly.sentence(&Policy::default(), Lang::En),
        "One recovery point every night at 22:00 (Asia/Tokyo), kept for 14 days, one a week for 8 weeks, \
         one a month for 12 months."
    );
    assert_eq!(
        nightly.sentence(&Policy::default(), Lang::Ja),
        "毎日 22:00 (Asia/Tokyo) に回復ポイントを作成し、すべてを 14 日間、週ごとの最新を 8 週間、\
         月ごとの最新を 12 か月間保持します。"
    );
    assert_eq!(
        policy([0, 1, 0, 0, 5]).describe(Lang::En),
        "kept one a day for 1 day, one a year for 5 years"
    );
}

/// The calendar by hand: days since 1970, weeks since the Monday before it, months and years since year 0.
fn period_numbers(seconds: i64) -> [i64; 5] {
    let days = seconds.div_euclid(DAY);
    let (mut year, mut left) = (1970, days);
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    while left >= if leap(year) { 366 } else { 365 } {
        left -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    [
        days,
        days,
        (days + 3).div_euclid(7),
        year * 12 + month as i64,
        year,
    ]
}

/// For each point, looks at every other: quadratic, without a calendar library, without shared state.
fn naive(points: &[(PointId, i64)], counts: [u32; 5], now: i64) -> Vec<Vec<Reason>> {
    let classes = [
        Reason::Days,
        Reason::Daily,
        Reason::Weekly,
        Reason::Monthly,
        Reason::Yearly,
    ];
    let today = period_numbers(now);
    let judge = |(id, time): &(PointId, i64)| {
        if *time > now {
            return vec![Reason::Future];
        }
        let numbers = period_numbers(*time);
        let newer = |class: Option<usize>| {
            points.iter().any(|(other, t)| {
                *t <= now
                    && (*t, *other) > (*time, *id)
                    && class.is_none_or(|class| period_numbers(*t)[class] == numbers[class])
            })
        };
        let mut reasons = Vec::new();
        if !newer(None) {
            reasons.push(Reason::Newest);
        }
        for class in 0..5 {
            let young = today[class] - numbers[class] <= i64::from(counts[class]);
            if counts[class] > 0 && young && (class == 0 || !newer(Some(class))) {
                reasons.push(classes[class]);
            }
        }
        reasons
    };
    points.iter().map(judge).collect()
}

fn reasons(verdict: &Verdict) -> Vec<Reason> {
    match verdict {
        Verdict::Keep { reasons, .. } => reasons.clone(),
        Verdict::Expire => Vec::new(),
    }
}

fn points_of(times: &[i64]) -> Vec<(PointId, Timestamp)> {
    let point = |(n, time): (usize, &i64)| {
        (
            id(n as u32),
            Timestamp::from_second(*time).expect("it is in the calendar"),
        )
    };
    times.iter().enumerate().map(point).collect()
}

prop_compose! {
    /// Points over some years around 2024 (a leap year), crowded enough to share days.
    fn some_times()(times in prop::collection::vec(0..3 * 365 * 24_i64, 0..60)) -> Vec<i64> {
        times.into_iter().map(|hours| 1_672_531_200 + hours * 3600).collect()
    }
}

fn some_counts() -> impl Strategy<Value = [u32; 5]> {
    (0..20_u32, 0..20_u32, 0..12_u32, 0..15_u32, 0..3_u32)
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e])
}

proptest! {
    /// The plan is what the naive one says, whatever the points.
    #[test]
    fn the_plan_is_the_naive_plan(
        times in some_times(),
        counts in some_counts(),
        now in 1_672_531_200 + 365 * DAY..1_672_531_200 + 4 * 365 * DAY,
        hours in -12..=14_i8,
    ) {
        let zone = TimeZone::fixed(jiff::tz::offset(hours));
        let shift = i64::from(hours) * 3600;
        let points = points_of(&times);
        let local: Vec<_> = points.iter().map(|(id, t)| (*id, t.as_second() + shift)).collect();
        let verdicts = plan(&points, &policy(counts), Timestamp::from_second(now).unwrap(), &zone);
        let got: Vec<_> = verdicts.iter().map(|(_, verdict)| reasons(verdict)).collect();
        prop_assert_eq!(got, naive(&local, counts, now + shift));
    }

    /// Planning again without the expired points changes nothing: nobody was kept for their sake.
    #[test]
    fn expiring_is_idempotent(times in some_times(), counts in some_counts(), days in 0..1500_i64) {
        let zone = zone("America/St_Johns").unwrap();
        let now = Timestamp::from_second(1_672_531_200 + days * DAY).unwrap();
        let points = points_of(&times);
        let first = plan(&points, &policy(counts), now, &zone);
        let kept = |point: &&(PointId, Timestamp)| first.iter().any(|(id, v)| *id == point.0 && v.keeps());
        let left: Vec<_> = points.iter().filter(kept).copied().collect();
        let again = plan(&left, &policy(counts), now, &zone);
        let before: Vec<_> = first.into_iter().filter(|(_, v)| v.keeps()).collect();
        prop_assert_eq!(again, before);
    }

    /// A date that was shown is kept: a point does not expire before it unless a newer one takes its place.
    #[test]
    fn a_point_expires_when_it_was_said_to(times in some_times(), counts in some_counts()) {
        let zone = zone("Europe/Berlin").unwrap();
        let points = points_of(&times);
        let Some(now) = points.iter().map(|(_, time)| *time).max() else { return Ok(()); };
        for (n, (_, verdict)) in plan(&points, &policy(counts), now, &zone).iter().enumerate() {
            let Verdict::Keep { expires_at: Some(end), reasons } = verdict else { continue };
            let before = plan(&points, &policy(counts), *end - SignedDuration::from_secs(1), &zone);
            prop_assert!(before[n].1.keeps());
            let after = plan(&points, &policy(counts), *end, &zone);
            prop_assert_eq!(after[n].1.keeps(), reasons.contains(&Reason::Newest));
        }
    }
}
