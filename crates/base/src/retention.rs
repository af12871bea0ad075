//! Which recovery points are kept, and until when: a pure function of the points, the policy and a time.
//!
//! The rules, all in the calendar of one time zone:
//! - **days**: every point is kept for `keep_days` days, counted from the end of its day.
//! - **daily, weekly, monthly, yearly** (grandfather, father, son): the newest point of each day, ISO week
//!   (Monday to Sunday), month and year is kept for that many days, weeks, months, years, counted from the
//!   end of its day, week, month, year. 0 switches the class off.
//! - The newest point is always kept, so that a source that is no longer backed up never loses its last one.
//! - A point dated later than `now` is kept, and takes part in nothing else: a clock that was wrong for an
//!   hour must not push real points out of their week.
//!
//! All points of one period expire, as its holder, at the same moment. So planning again after the expired
//! ones are gone changes nothing for the others, and a promise of 8 weeks is never kept a day short.
//!
//! The caller chooses `now`: for anything that deletes it is the log's retention clock, never the wall
//! clock. A class's holder is only final when its period is over: until then a newer point takes its place.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::fault::{Code, Fault};
use crate::limits::RETENTION_COUNT_MAX;
use crate::{Lang, PointId};

/// How long recovery points are kept. See the module for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Days for which every point is kept.
    pub keep_days: u32,
    /// Days for which the newest point of each day is kept.
    pub daily: u32,
    /// Weeks for which the newest point of each ISO week is kept.
    pub weekly: u32,
    /// Months for which the newest point of each month is kept.
    pub monthly: u32,
    /// Years for which the newest point of each year is kept.
    pub yearly: u32,
}

/// Everything for 14 days, then one a week for 8 weeks and one a month for 12 months.
impl Default for Policy {
    fn default() -> Self {
        Self {
            keep_days: 14,
            daily: 0,
            weekly: 8,
            monthly: 12,
            yearly: 0,
        }
    }
}

/// A rule that keeps a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is the newest of all.
    Newest,
    /// It is dated in the future.
    Future,
    /// It is younger than [`Policy::keep_days`].
    Days,
    /// It is its day's newest.
    Daily,
    /// It is its week's newest.
    Weekly,
    /// It is its month's newest.
    Monthly,
    /// It is its year's newest.
    Yearly,
}

/// What the policy says about one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep {
        /// Every rule that keeps it; never empty.
        reasons: Vec<Reason>,
        /// When the last of the dated rules lets go, as things are; `None` if only
        /// [`Reason::Newest`] or [`Reason::Future`] keeps it, which have no date.
        expires_at: Option<Timestamp>,
    },
    /// No rule keeps it any more.
    Expire,
}

impl Verdict {
    /// Returns whether the point stays.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Keep { .. })
    }
}

/// Decides about every point of one source, in the order given. `now` is the only time it knows.
#[must_use]
pub fn plan(
    points: &[(PointId, Timestamp)],
    policy: &Policy,
    now: Timestamp,
    zone: &TimeZone,
) -> Vec<(PointId, Verdict)> {
    let past = || points.iter().filter(|(_, time)| *time <= now);
    let newest = past().max_by_key(|(id, time)| (*time, *id));
    let holders = Holders::among(past(), zone);
    let verdict = |(id, time): &(PointId, Timestamp)| {
        let mut reasons = Vec::new();
        if *time > now {
            reasons.push(Reason::Future);
            return Verdict::Keep {
                reasons,
                expires_at: None,
            };
        }
        if newest.is_some_and(|(newest, _)| newest == id) {
            reasons.push(Reason::Newest);
        }
        let mut expires_at = None;
        for class in CLASSES {
            let day = zone.to_datetime(*time).date();
            let count = class.count(policy);
            if count == 0 || !holders.holds(class, day, *id) {
                continue;
            }
            let until = class.end(day, count, zone);
            if now < until {
                reasons.push(class.reason());
                expires_at = expires_at.max(Some(until));
            }
        }
        match reasons.is_empty() {
            true => Verdict::Expire,
            false => Verdict::Keep {
                reasons,
                expires_at,
            },
        }
    };
    points
        .iter()
        .map(|point| (point.0, verdict(point)))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Days,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

const CLASSES: [Class; 5] = [
    Class::Days,
    Class::Daily,
    Class::Weekly,
    Class::Monthly,
    Class::Yearly,
];

impl Class {
    fn reason(self) -> Reason {
        match self {
            Self::Days => Reason::Days,
            Self::Daily => Reason::Daily,
            Self::Weekly => Reason::Weekly,
            Self::Monthly => Reason::Monthly,
            Self::Yearly => Reason::Yearly,
        }
    }

    fn count(self, policy: &Policy) -> u32 {
        match self {
            Self::Days => policy.keep_days,
            Self::Daily => policy.daily,
            Self::Weekly => policy.weekly,
            Self::Monthly => policy.monthly,
            Self::Yearly => policy.yearly,
        }
    }

    /// Returns the first day of the period a day lies in.
    fn first_day(self, day: Date) -> Date {
        match self {
            Self::Days | Self::Daily => day,
            Self::Weekly => {
                let since_monday = day.weekday().to_monday_zero_offset();
                day.saturating_sub(Span::new().days(since_monday))
            }
            Self::Monthly => day.first_of_month(),
            Self::Yearly => day.first_of_year(),
        }
    }

    /// Returns when a point of that day is let go: `count` whole periods after the end of its own. A date
    /// beyond the calendar's end is never.
    fn end(self, day: Date, count: u32, zone: &TimeZone) -> Timestamp {
        let periods = i64::from(count.min(RETENTION_COUNT_MAX)) + 1;
        let span = match self {
            Self::Days | Self::Daily => Span::new().try_days(periods),
            Self::Weekly => Span::new().try_weeks(periods),
            Self::Monthly => Span::new().try_months(periods),
            Self::Yearly => Span::new().try_years(periods),
        };
        span.and_then(|span| self.first_day(day).checked_add(span))
            .and_then(|day| zone.to_timestamp(day.at(0, 0, 0, 0)))
            .unwrap_or(Timestamp::MAX)
    }
}

/// The newest point of every period.
struct Holders(HashMap<(Class, Date), (Timestamp, PointId)>);

impl Holders {
    fn among<'a>(points: impl Iterator<Item = &'a (PointId, Timestamp)>, zone: &TimeZone) -> Self {
        let mut holders = HashMap::new();
        for (id, time) in points {
            let day = zone.to_datetime(*time).date();
            // Every point holds its own place among those kept by age.
            for class in CLASSES.into_iter().filter(|class| *class != Class::Days) {
                let holder = holders
                    .entry((class, class.first_day(day)))
                    .or_insert((*time, *id));
                *holder = (*holder).max((*time, *id));
            }
        }
        Self(holders)
    }

    fn holds(&self, class: Class, day: Date, id: PointId) -> bool {
        class == Class::Days
            || self
                .0
                .get(&(class, class.first_day(day)))
                .is_some_and(|(_, holder)| *holder == id)
    }
}

impl Policy {
    /// Says whether the policy makes sense.
    ///
    /// # Errors
    /// [`Code::PolicyInvalid`]: it keeps nothing, or for longer than [`RETENTION_COUNT_MAX`] periods.
    pub fn check(&self) -> Result<(), Fault> {
        let counts = CLASSES.map(|class| class.count(self));
        let invalid = |reason: String| Err(Fault::new(Code::PolicyInvalid).with("reason", reason));
        if counts.iter().all(|count| *count == 0) {
            return invalid("it would keep only the newest recovery point".to_owned());
        }
        match counts.iter().max() {
            Some(most) if *most > RETENTION_COUNT_MAX => invalid(format!(
                "{most} is more than {RETENTION_COUNT_MAX}, the most of any class"
            )),
            _ => Ok(()),
        }
    }

    /// Returns the policy as words: "kept for 14 days, one a week for 8 weeks, one a month for 12 months".
    pub fn describe(&self, lang: Lang) -> String {
        let parts: Vec<String> = CLASSES
            .into_iter()
            .filter(|class| class.count(self) > 0)
            .map(|class| class.words(class.count(self), lang))
            .collect();
        match (lang, parts.is_empty()) {
            (Lang::En, false) => format!("kept {}", parts.join(", ")),
            (Lang::En, true) => "kept until there is a newer one".to_owned(),
            (Lang::Ja, false) => format!("{}保持", parts.join("、")),
            (Lang::Ja, true) => "最新のもののみ保持".to_owned(),
        }
    }
}

impl Class {
    fn words(self, count: u32, lang: Lang) -> String {
        if lang == Lang::Ja {
            return match self {
                Self::Days => format!("すべてを {count} 日間"),
                Self::Daily => format!("日ごとの最新を {count} 日間"),
                Self::Weekly => format!("週ごとの最新を {count} 週間"),
                Self::Monthly => format!("月ごとの最新を {count} か月間"),
                Self::Yearly => format!("年ごとの最新を {count} 年間"),
            };
        }
        let (which, unit) = match self {
            Self::Days => ("", "day"),
            Self::Daily => ("one a day ", "day"),
            Self::Weekly => ("one a week ", "week"),
            Self::Monthly => ("one a month ", "month"),
            Self::Yearly => ("one a year ", "year"),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("{which}for {count} {unit}{plural}")
    }
}

impl Reason {
    /// Returns the reason in a word or two, for a column.
    pub fn describe(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::Newest, Lang::En) => "newest",
            (Self::Newest, Lang::Ja) => "最新",
            (Self::Future, Lang::En) => "in the future",
            (Self::Future, Lang::Ja) => "未来の日付",
            (Self::Days, Lang::En) => "days",
            (Self::Days, Lang::Ja) => "日数",
            (Self::Daily, Lang::En) => "daily",
            (Self::Daily, Lang::Ja) => "日次",
            (Self::Weekly, Lang::En) => "weekly",
            (Self::Weekly, Lang::Ja) => "週次",
            (Self::Monthly, Lang::En) => "monthly",
            (Self::Monthly, Lang::Ja) => "月次",
            (Self::Yearly, Lang::En) => "yearly",
            (Self::Yearly, Lang::Ja) => "年次",
        }
    }
}
