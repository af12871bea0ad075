//! Schedules as words.

use jiff::civil::{Time, Weekday};

use super::{Days, Schedule, SyncFrequency, SyncMinutes};
use crate::Lang;
use crate::retention::Policy;

pub(super) fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

pub(super) fn long(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn japanese(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "月",
        Weekday::Tuesday => "火",
        Weekday::Wednesday => "水",
        Weekday::Thursday => "木",
        Weekday::Friday => "金",
        Weekday::Saturday => "土",
        Weekday::Sunday => "日",
    }
}

/// Returns a time as `22:00`.
pub(super) fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

pub(super) fn sentence(schedule: &Schedule, policy: &Policy, lang: Lang) -> String {
    let zone = schedule.zone.iana_name().unwrap_or(match lang {
        Lang::En => "local time",
        Lang::Ja => "ローカル時刻",
    });
    let times: Vec<String> = schedule.times.iter().map(|time| clock(*time)).collect();
    let kept = policy.describe(lang);
    match lang {
        Lang::En => {
            let when = english_days(schedule);
            let at = list(&times);
            let what = match times.len() {
                1 => "One recovery point",
                _ => "Recovery points",
            };
            format!("{what} {when} at {at} ({zone}), {kept}.")
        }
        Lang::Ja => {
            let when = japanese_days(schedule);
            let at = times.join("、");
            format!("{when} {at} ({zone}) に回復ポイントを作成し、{kept}します。")
        }
    }
}

fn english_days(schedule: &Schedule) -> String {
    if schedule.days == Days::ALL {
        // "Every night" is what one says of a single run while people sleep.
        return match schedule.times.as_slice() {
            [time] if time.hour() >= 20 || time.hour() < 6 => "every night".to_owned(),
            _ => "every day".to_owned(),
        };
    }
    if let Some((first, last)) = range(schedule.days) {
        return format!("from {} to {}", long(first), long(last));
    }
    let days: Vec<String> = schedule
        .days
        .iter()
        .map(|d| format!("{}s", long(d)))
        .collect();
    format!("on {}", list(&days))
}

fn japanese_days(schedule: &Schedule) -> String {
    if schedule.days == Days::ALL {
        return "毎日".to_owned();
    }
    if let Some((first, last)) = range(schedule.days) {
        return format!("毎週{}曜日から{}曜日の", japanese(first), japanese(last));
    }
    let days: Vec<&str> = schedule.days.iter().map(japanese).collect();
    format!("毎週{}曜日の", days.join("・"))
}

/// Returns the first and the last of three or more days in a row.
fn range(days: Days) -> Option<(Weekday, Weekday)> {
    let first = days.iter().next()?;
    let last = days.iter().last()?;
    let count = days.iter().count();
    let span =
        usize::try_from(last.to_monday_zero_offset() - first.to_monday_zero_offset()).ok()? + 1;
    (count >= 3 && count == span).then_some((first, last))
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn frequency(frequency: SyncFrequency, lang: Lang) -> String {
    let SyncFrequency::Every(SyncMinutes(minutes)) = frequency else {
        return match lang {
            Lang::En => "just before each recovery point".to_owned(),
            Lang::Ja => "回復ポイントの直前".to_owned(),
        };
    };
    let whole_hours = minutes % 60 == 0;
    let n = if whole_hours { minutes / 60 } else { minutes };
    match (lang, whole_hours) {
        (Lang::En, true) if n == 1 => "every hour".to_owned(),
        (Lang::En, true) => format!("every {n} hours"),
        (Lang::En, false) => format!("every {n} minutes"),
        (Lang::Ja, true) => format!("{n} 時間ごと"),
        (Lang::Ja, false) => format!("{n} 分ごと"),
    }
}
