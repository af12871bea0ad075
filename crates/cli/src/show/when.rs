//! Times for people: in the local zone, with how long ago that is.

use api::Time;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where and when something is shown.
#[derive(Clone, Debug)]
pub struct Here {
    /// The time.
    pub now: Timestamp,
    /// The zone people here live in.
    pub zone: TimeZone,
}

impl Here {
    /// Returns the time of day with its day: `today 21:00`, `yesterday 21:00`, `2026-11-20 21:00`.
    pub fn time(&self, time: Time) -> String {
        let local = time.0.to_zoned_datetime(self.zone.clone());
        let today = self.now.to_zoned_datetime(self.zone.clone()).date();
        let clock = local.strftime("%H:%M");
        let day = local.date();
        if day == today {
            return format!("today {clock}");
        }
        if today.yesterday().is_ok_and(|yesterday| day == yesterday) {
            return format!("yesterday {clock}");
        }
        if today.tomorrow().is_ok_and(|tomorrow| day == tomorrow) {
            return format!("tomorrow {clock}");
        }
        format!("{day} {clock}")
    }

    /// Returns the exact time and how far away it is: `2026-11-23 21:00:05 (3 h ago)`.
    pub fn exact(&self, time: Time) -> String {
        let local = time.0.to_zoned_datetime(self.zone.clone());
        format!(
            "{} ({})",
            local.strftime("%Y-%m-%d %H:%M:%S"),
            self.distance(time)
        )
    }

    /// Returns how far away a time is, in its largest unit: `just now`, `3 h ago`, `in 2 days`.
    pub fn distance(&self, time: Time) -> String {
        let seconds = self.now.as_second() - time.0.as_second();
        let (count, unit) = match seconds.unsigned_abs() {
            s if s < 60 => return "just now".to_owned(),
            s if s < 3600 => (s / 60, "min"),
            s if s < 48 * 3600 => (s / 3600, "h"),
            s => (s / 86400, "days"),
        };
        if seconds > 0 {
            format!("{count} {unit} ago")
        } else {
            format!("in {count} {unit}")
        }
    }

    /// Returns the day and time without words, for columns that are compared: `2026-11-23 21:00`.
    pub fn column(&self, time: Time) -> String {
        let local = time.0.to_zoned_datetime(self.zone.clone());
        local.strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// Returns the same for file names: `2026-11-23T21-00-05`.
    pub fn for_name(&self, time: Time) -> String {
        let local = time.0.to_zoned_datetime(self.zone.clone());
        local.strftime("%Y-%m-%dT%H-%M-%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_near_when_they_are_near() {
        let here = Here {
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            zone: TimeZone::get("Asia/Tokyo").unwrap(),
        };
        let check = |time: &str, near: &str, far: &str| {
            let time = Time(time.parse().unwrap());
            assert_eq!(
                (here.time(time).as_str(), here.distance(time).as_str()),
                (near, far)
            );
        };
        check("2026-11-23T11:59:30Z", "today 20:59", "just now");
        check("2026-11-22T16:00:00Z", "today 01:00", "20 h ago");
        check("2026-11-22T14:00:00Z", "yesterday 23:00", "22 h ago");
        check("2026-11-01T00:00:00Z", "2026-11-01 09:00", "22 days ago");
        check("2026-11-24T12:00:00Z", "tomorrow 21:00", "in 24 h");
    }
}
