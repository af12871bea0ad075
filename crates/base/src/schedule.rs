//! When recovery points are due and when sources synchronize: times of the day in a time zone, and intervals.
//!
//! Daylight saving time is neither a reason to miss a run nor to run twice:
//! - a time that the clock skips runs as much later as the clock was moved (02:30 becomes 03:30);
//! - a time that comes twice runs the first time;
//! - two times that fall on one instant that way are one run.
//!
//! Everything is computed from the instant given; nothing here asks for the time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::Lang;
use crate::fault::{Code, Fault};
use crate::limits::{SCHEDULE_TIMES_MAX, SYNC_MINUTES_MAX, SYNC_MINUTES_MIN};
use crate::retention::Policy;

mod words;

/// Days beyond the next scheduled one that can still hold an earlier run: a clock that skips a whole day
/// (Samoa, 2011-12-30) moves a run a day later.
const SKIPPED_DAYS_MAX: i32 = 2;

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Days(u8);

impl Days {
    /// All seven.
    pub const ALL: Self = Self(0x7f);

    /// Returns whether a day is among them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }

    /// Returns them, Monday first.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        Weekday::Monday
            .cycle_forward()
            .take(7)
            .filter(move |day| self.contains(*day))
    }
}

/// When recovery points are due: at least one time of the day on at least one day of the week.
///
/// Its text is `22:00`, `mon-fri 12:00,22:00` or `mon,fri 03:30`; the time zone is beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Never empty.
    days: Days,
    /// Ascending, no two alike, never empty.
    times: Vec<Time>,
    zone: TimeZone,
}

impl Schedule {
    /// Returns every day at 22:00.
    pub fn nightly(zone: TimeZone) -> Self {
        Self {
            days: Days::ALL,
            times: vec![Time::constant(22, 0, 0, 0)],
            zone,
        }
    }

    /// Reads a schedule from its text.
    ///
    /// # Errors
    /// [`Code::ScheduleInvalid`] says which part is wrong.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, Fault> {
        let (days, times) = parse_schedule(text).map_err(|reason| invalid(text, reason))?;
        Ok(Self { days, times, zone })
    }

    /// Returns the days on which it is due.
    pub fn days(&self) -> Days {
        self.days
    }

    /// Returns the times of the day at which it is due.
    pub fn times(&self) -> &[Time] {
        &self.times
    }

    /// Returns the time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns when it is due next, strictly after `time`; `None` at the end of the calendar.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(time).date();
        let mut day = today.saturating_sub(Span::new().days(SKIPPED_DAYS_MAX));
        let mut best: Option<Timestamp> = None;
        let mut left = 7 + 2 * SKIPPED_DAYS_MAX + 1;
        while left > 0 {
            let found = self.on(day).filter(|due| *due > time).min();
            if found.is_some() && best.is_none() {
                left = SKIPPED_DAYS_MAX + 1;
            }
            best = [best, found].into_iter().flatten().min();
            left -= 1;
            match day.tomorrow() {
                Ok(tomorrow) => day = tomorrow,
                Err(_) => break,
            }
        }
        best
    }

    /// Returns every instant it is due after `after` and not after `until`, in order.
    pub fn occurrences(
        &self,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after), |due| self.next_after(*due))
            .take_while(move |due| *due <= until)
    }

    /// Returns the instants of one day's runs; none if the day is not scheduled.
    fn on(&self, day: Date) -> impl Iterator<Item = Timestamp> {
        let times: &[Time] = match self.days.contains(day.weekday()) {
            true => &self.times,
            false => &[],
        };
        // The "compatible" reading: the later side of a gap, the first of a repeated hour.
        times
            .iter()
            .filter_map(move |time| self.zone.to_timestamp(day.to_datetime(*time)).ok())
    }

    /// Returns schedule and retention as a sentence, for a person to approve.
    pub fn sentence(&self, policy: &Policy, lang: Lang) -> String {
        words::sentence(self, policy, lang)
    }
}

/// The text that [`Schedule::parse`] reads.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Days::ALL {
            let days: Vec<&str> = self.days.iter().map(words::short).collect();
            write!(f, "{} ", days.join(","))?;
        }
        let times: Vec<String> = self.times.iter().map(|time| words::clock(*time)).collect();
        f.write_str(&times.join(","))
    }
}

/// When a source synchronizes.
///
/// Its text is `15m`, `1h`, `24h` or `before-point`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncFrequency {
    /// Every so many minutes, counted from the day's local midnight; see [`SyncFrequency::every`].
    Every(SyncMinutes),
    /// Just before each recovery point.
    BeforePoint,
}

/// A number of minutes from 15 to 1440 that divides a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncMinutes(u16);

impl SyncMinutes {
    /// Returns the number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl SyncFrequency {
    /// Returns the frequency of every so many minutes.
    ///
    /// # Errors
    /// [`Code::SyncFrequencyInvalid`]: less than 15 minutes, more than a day, or no divisor of a day (the
    /// times would differ from day to day).
    pub fn every(minutes: u16) -> Result<Self, Fault> {
        let refuse = |reason: String| Err(invalid_frequency(&format!("{minutes}m"), reason));
        if !(SYNC_MINUTES_MIN..=SYNC_MINUTES_MAX).contains(&minutes) {
            return refuse("A synchronization interval is from 15 minutes to 24 hours".to_owned());
        }
        if !SYNC_MINUTES_MAX.is_multiple_of(minutes) {
            return refuse(
                "A synchronization interval has to divide a day, as 15m, 1h or 6h do".to_owned(),
            );
        }
        Ok(Self::Every(SyncMinutes(minutes)))
    }

    /// Returns when the source synchronizes next, strictly after `time`; `None` at the end of the calendar.
    ///
    /// Intervals begin anew at each local midnight and count real time, so on a day that is shorter or
    /// longer by an hour the last of them differs, and none is missed.
    pub fn next_after(self, time: Timestamp, points: &Schedule) -> Option<Timestamp> {
        let Self::Every(minutes) = self else {
            return points.next_after(time);
        };
        let zone = points.zone();
        let today = zone.to_datetime(time).date();
        // Two days around: a clock put back over midnight, or one that skips a day, makes today's midnight
        // lie after `time` or tomorrow's fall on the day after.
        let midnights = (-SKIPPED_DAYS_MAX..=SKIPPED_DAYS_MAX + 1).filter_map(|days| {
            let day = today.checked_add(Span::new().days(days)).ok()?;
            zone.to_timestamp(day.at(0, 0, 0, 0)).ok()
        });
        let midnights: Vec<Timestamp> = midnights.collect();
        let start = *midnights.iter().filter(|start| **start <= time).max()?;
        let interval = i64::from(minutes.0) * 60;
        let runs = time.duration_since(start).as_secs() / interval + 1;
        let next = start
            .checked_add(SignedDuration::from_secs(runs * interval))
            .ok()?;
        let day_after = midnights.iter().filter(|start| **start > time).min();
        Some(day_after.map_or(next, |start| next.min(*start)))
    }

    /// Returns every instant the source synchronizes after `after` and not after `until`, in order.
    pub fn occurrences(
        self,
        after: Timestamp,
        until: Timestamp,
        points: &Schedule,
    ) -> impl Iterator<Item = Timestamp> {
        let next = move |time| self.next_after(time, points);
        std::iter::successors(next(after), move |due| next(*due))
            .take_while(move |due| *due <= until)
    }

    /// Returns the frequency as words.
    pub fn describe(self, lang: Lang) -> String {
        words::frequency(self, lang)
    }
}

/// The text that reads back.
impl fmt::Display for SyncFrequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(SyncMinutes(m)) if m % 60 == 0 => write!(f, "{}h", m / 60),
            Self::Every(SyncMinutes(m)) => write!(f, "{m}m"),
            Self::BeforePoint => f.write_str("before-point"),
        }
    }
}

impl FromStr for SyncFrequency {
    type Err = Fault;

    /// # Errors
    /// [`Code::SyncFrequencyInvalid`]: it is no such text, or see [`SyncFrequency::every`].
    fn from_str(text: &str) -> Result<Self, Fault> {
        let wanted = text.trim().to_ascii_lowercase();
        if wanted == "before-point" {
            return Ok(Self::BeforePoint);
        }
        let end = wanted
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(wanted.len());
        let (number, unit) = wanted.split_at(end);
        let scale = match unit.trim() {
            "m" | "min" => Some(1),
            "h" => Some(60),
            _ => None,
        };
        let minutes = scale
            .zip(number.parse::<u16>().ok())
            .and_then(|(scale, n)| n.checked_mul(scale))
            .ok_or_else(|| {
                invalid_frequency(
                    text,
                    "A synchronization interval is written 15m, 1h, 24h or before-point",
                )
            })?;
        Self::every(minutes).map_err(|fault| match fault.param("reason") {
            Some(reason) => invalid_frequency(text, reason),
            None => fault,
        })
    }
}

/// Returns the time zone of that name (`Europe/Berlin`, `UTC`).
///
/// # Errors
/// [`Code::ScheduleInvalid`]: there is none.
pub fn zone(name: &str) -> Result<TimeZone, Fault> {
    let rules = || DateTimeParser::new().parse_time_zone(name);
    TimeZone::get(name).or_else(|_| rules()).map_err(|_| {
        invalid(
            name,
            "There is no such time zone; names are written as Europe/Berlin or Asia/Tokyo",
        )
    })
}

/// Returns what [`zone`] reads a time zone back from: its name, its offset, or its rules as POSIX writes them. `None` if it
/// is a table without a name. Where the system does not know its own zone it is UTC.
pub fn zone_name(zone: &TimeZone) -> Option<String> {
    if zone.is_unknown() {
        return Some("UTC".to_owned());
    }
    match zone.iana_name() {
        Some(name) => Some(name.to_owned()),
        None => DateTimePrinter::new().time_zone_to_string(zone).ok(),
    }
}

/// Reads a point in time: a date (its last instant, so that everything of that day counts), a date and a time
/// in `zone`, or one with its offset or `Z`.
///
/// # Errors
/// [`Code::TimeInvalid`]: it is none of these.
pub fn parse_time(text: &str, zone: &TimeZone) -> Result<Timestamp, Fault> {
    let wanted = text.trim();
    let refuse = || Fault::new(Code::TimeInvalid).with("text", text);
    if let Ok(instant) = wanted.parse::<Timestamp>() {
        return Ok(instant);
    }
    if wanted.contains(['[', '+']) || wanted.ends_with(['Z', 'z']) {
        return Err(refuse());
    }
    let is_date = wanted.len() <= "2026-03-01".len();
    let civil = match is_date {
        true => wanted.parse::<Date>().map(|day| day.to_datetime(Time::MAX)),
        false => wanted.parse(),
    };
    civil
        .and_then(|civil| zone.to_timestamp(civil))
        .map_err(|_| refuse())
}

fn invalid(text: &str, reason: impl fmt::Display) -> Fault {
    Fault::new(Code::ScheduleInvalid)
        .with("text", text)
        .with("reason", reason)
}

fn invalid_frequency(text: &str, reason: impl fmt::Display) -> Fault {
    Fault::new(Code::SyncFrequencyInvalid)
        .with("text", text)
        .with("reason", reason)
}

fn parse_schedule(text: &str) -> Result<(Days, Vec<Time>), String> {
    let lower = text.trim().to_ascii_lowercase();
    let (days, times) = match lower.split_once(char::is_whitespace) {
        Some((days, times)) if !days.contains(':') => (parse_days(days)?, times.trim()),
        _ => (Days::ALL, lower.as_str()),
    };
    let mut times = times
        .split(',')
        .map(|time| parse_clock(time.trim()))
        .collect::<Result<Vec<Time>, String>>()?;
    times.sort_unstable();
    times.dedup();
    match times.len() <= SCHEDULE_TIMES_MAX {
        true => Ok((days, times)),
        false => Err(format!("A day has at most {SCHEDULE_TIMES_MAX} times")),
    }
}

fn parse_days(text: &str) -> Result<Days, String> {
    if matches!(text, "daily" | "every-day") {
        return Ok(Days::ALL);
    }
    let mut days = Days(0);
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        for day in first.cycle_forward().take(7) {
            days.0 |= Days::bit(day);
            if day == last {
                break;
            }
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<Weekday, String> {
    Days::ALL
        .iter()
        .find(|day| text == words::short(*day) || text == words::long(*day).to_ascii_lowercase())
        .ok_or_else(|| {
            format!("\"{text}\" is not a day; days are mon, tue, wed, thu, fri, sat, sun")
        })
}

fn parse_clock(text: &str) -> Result<Time, String> {
    let number = |digits: &str| match digits.len() {
        1 | 2 if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<i8>().ok(),
        _ => None,
    };
    text.split_once(':')
        .filter(|(_, minute)| minute.len() == 2)
        .and_then(|(hour, minute)| Time::new(number(hour)?, number(minute)?, 0, 0).ok())
        .ok_or_else(|| format!("\"{text}\" is not a time; times are 00:00 to 23:59"))
}
