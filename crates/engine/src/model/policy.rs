//! What a group promises its members.

use std::time::Duration;

use base::retention;
use base::schedule::{self, Schedule};
use base::{Fault, Lang, Timestamp, fault::Code};
use jiff::tz::TimeZone;

pub use base::schedule::SyncFrequency;

/// How far ahead a schedule is looked at to find its longest gap: two weeks hold every day of the week twice.
const GAP_DAYS: i64 = 15;
/// How late a point may be, at least, before a promise counts as broken: the time a backup takes.
const TOLERANCE_MIN: Duration = Duration::from_secs(2 * 3600);

/// Synchronization, recovery points, retention and checks: the goals of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When recovery points are made, and the time zone of everything here.
    pub points: Schedule,
    /// When replicas are synchronized apart from that.
    pub sync: SyncFrequency,
    /// How long points are kept.
    pub retention: retention::Policy,
    /// Whether a replica that becomes inconsistent is checked at once, without anybody asking.
    pub check_on_inconsistency: bool,
    /// When replicas are checked anyway.
    pub check: Option<Schedule>,
    /// The greatest age of the newest good point; without one, what the schedule implies.
    pub promise: Option<Duration>,
}

impl Policy {
    /// Returns the policy that needs no thought: one point every night, 14 days, 8 weeks, 12 months.
    pub fn standard(zone: TimeZone) -> Self {
        Self {
            points: Schedule::nightly(zone),
            sync: SyncFrequency::BeforePoint,
            retention: retention::Policy::default(),
            check_on_inconsistency: true,
            check: None,
            promise: None,
        }
    }

    /// Returns the time zone.
    pub fn zone(&self) -> &TimeZone {
        self.points.zone()
    }

    /// Says whether it makes sense.
    ///
    /// # Errors
    /// `PolicyInvalid` with what contradicts what.
    pub fn check_sense(&self) -> Result<(), Fault> {
        self.retention.check()?;
        if schedule::zone_name(self.zone()).is_none() {
            return Err(Fault::new(Code::PolicyInvalid).with(
                "reason",
                "the computer's time zone has no name; give it one in the variable TZ, as TZ=Europe/Berlin",
            ));
        }
        if self.promise.is_some_and(|promise| promise.is_zero()) {
            return Err(Fault::new(Code::PolicyInvalid).with(
                "reason",
                "no recovery point can be younger than no time at all",
            ));
        }
        Ok(())
    }

    /// Returns the greatest age of the newest good point that keeps the promise: the one given, or the
    /// schedule's longest gap in the days after `now` plus a quarter of it, at least two hours.
    pub fn promise(&self, now: Timestamp) -> Duration {
        if let Some(promise) = self.promise {
            return promise;
        }
        let until = now + jiff::SignedDuration::from_hours(24 * GAP_DAYS);
        let mut gap = Duration::ZERO;
        let mut before = None;
        for due in self.points.occurrences(now, until) {
            if let Some(before) = before {
                gap = gap.max(between(before, due));
            }
            before = Some(due);
        }
        gap + (gap / 4).max(TOLERANCE_MIN)
    }

    /// Returns the policy as sentences, for a person to approve.
    pub fn sentence(&self, lang: Lang) -> String {
        let mut text = self.points.sentence(&self.retention, lang);
        if let SyncFrequency::Every(_) = self.sync {
            let often = self.sync.describe(lang);
            text.push_str(&match lang {
                Lang::En => format!(" Synchronized {often}."),
                Lang::Ja => format!("{often}に同期します。"),
            });
        }
        text
    }
}

/// Returns the time from one instant to a later one; none if it is not later.
pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}
