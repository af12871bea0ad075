//! What people type for a source, a recovery point and a time.

use api::request::PointChoice;
use api::view::SourceView;
use api::{Problem, Time};
use base::fault::Code;
use base::{Fault, Lang, schedule};
use jiff::civil::{self, Date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Reads a time: what [`schedule::parse_time`] reads, and the words `now`, `today`, `yesterday`, `14:00` (today) and
/// `3 days ago`. A day means its last moment, so that the newest recovery point of that day is meant.
/// `None` if it is none of these.
pub fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    let local = now.to_zoned_datetime(zone.clone());
    let last_moment = |day: Date| zone.to_timestamp(day.to_datetime(civil::Time::MAX)).ok();
    match text {
        "now" => return Some(now),
        "today" => return last_moment(local.date()),
        "yesterday" => return last_moment(local.date().yesterday().ok()?),
        _ => {}
    }
    if let Some(span) = text.strip_suffix("ago") {
        let span: Span = span.trim().parse().ok()?;
        return Some(local.checked_sub(span).ok()?.timestamp());
    }
    if text.len() <= "23:59:59".len() && text.contains(':') {
        let time = text.parse::<civil::Time>().ok()?;
        return zone.to_timestamp(local.date().to_datetime(time)).ok();
    }
    schedule::parse_time(text, zone).ok()
}

/// Reads what stands behind the `@`: a point's id or a time. Ids begin with a digit below 8 and hold no
/// `-` or `:`, so that none of the words for a time can be one.
///
/// # Errors
/// `TimeInvalid`: it can be neither.
pub fn choice(text: &str, now: Timestamp, zone: &TimeZone) -> Result<PointChoice, Fault> {
    if text == "newest" || text == "latest" {
        return Ok(PointChoice::Newest);
    }
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    if digit_first && text.len() <= 26 && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(PointChoice::Id(text.to_owned()));
    }
    let time = time(text, now, zone);
    let time = time.ok_or_else(|| Fault::new(Code::TimeInvalid).with("text", text))?;
    Ok(PointChoice::At(Time(time)))
}

/// Finds the source and the recovery point that `SOURCE[@POINT|@TIME]` means, if one is named. A source with an `@` in its
/// own name is found first. `find` finds a source by what people type for it; a fault is told in `language`.
///
/// # Errors
/// There is no such source, or several, or what stands behind the `@` makes no sense.
pub fn source_and_point(
    text: &str,
    now: Timestamp,
    zone: &TimeZone,
    language: Lang,
    find: impl Fn(&str) -> Result<SourceView, Problem>,
) -> Result<(SourceView, Option<PointChoice>), Problem> {
    match (find(text), text.rsplit_once('@')) {
        (Ok(source), _) => Ok((source, None)),
        (Err(_), Some((source, point))) => {
            let source = find(source)?;
            let choice = choice(point, now, zone);
            let choice = choice.map_err(|f| Problem::of(&f, language))?;
            Ok((source, Some(choice)))
        }
        (Err(problem), None) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let now = "2026-11-23T03:00:00Z".parse().unwrap();
        let found = time(text, now, &zone);
        assert_eq!(
            found.map(|t| t.to_string()).as_deref(),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        check("2026-11-20T01:02:03Z", Some("2026-11-20T01:02:03Z"));
        check("2026-11-20T01:02:03+09:00", Some("2026-11-19T16:02:03Z"));
        check("2026-11-20 14:00", Some("2026-11-20T05:00:00Z"));
        check("2026-11-20T14:00:05", Some("2026-11-20T05:00:05Z"));
        check("2026-11-20", Some("2026-11-20T14:59:59.999999999Z"));
        check("yesterday", Some("2026-11-22T14:59:59.999999999Z"));
        check("today", Some("2026-11-23T14:59:59.999999999Z"));
        check("now", Some("2026-11-23T03:00:00Z"));
        check("08:30", Some("2026-11-22T23:30:00Z"));
        check("3 days ago", Some("2026-11-20T03:00:00Z"));
        check("", None);
        check("tomorrowish", None);
        check("2026-02-30", None);
    }

    #[test]
    fn an_id_is_never_taken_for_a_time() {
        let zone = TimeZone::UTC;
        let now = Timestamp::UNIX_EPOCH;
        for id in ["0", "20261123", "12", "7zzzzzzzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(
                choice(id, now, &zone).ok(),
                Some(PointChoice::Id(id.to_owned()))
            );
        }
        assert!(matches!(
            choice("yesterday", now, &zone),
            Ok(PointChoice::At(_))
        ));
        assert_eq!(choice("newest", now, &zone).ok(), Some(PointChoice::Newest));
        for wrong in ["", "tomorrow", "zz", "2026-13-01"] {
            let refused = choice(wrong, now, &zone).map_err(|fault| fault.code);
            assert_eq!(refused, Err(Code::TimeInvalid), "{wrong:?}");
        }
    }
}
