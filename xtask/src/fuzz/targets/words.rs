//! What people and programs type: requests, answers, schedules, sizes, times; and the fields everything stored is made of.

use api::document::Document;
use api::{PathText, request, view};
use base::retention::{Policy, plan};
use base::schedule::{Schedule, parse_time, zone};
use base::units::parse_bytes;
use base::{PointId, Timestamp};
use format::wire::Reader;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::Target;

pub(super) fn targets() -> Vec<Target> {
    vec![
        fields(),
        requests(),
        answers(),
        schedule(),
        retention(),
        sizes(),
        names(),
    ]
}

fn lines(samples: &[&str]) -> Vec<Vec<u8>> {
    samples
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Fields, one after the other, of the types that the input's own bytes choose.
fn fields() -> Target {
    let corpus = vec![
        vec![4, 0x80, 1, 5, 3, b'a', b'b', b'c', 6, 1, 7, 2, b'h', b'i'],
        vec![0, 1, 2, 1, 1, 2, 3, 4, 2, 1, 2, 3, 4, 5, 6, 7, 8, 8, 40],
    ];
    Target::new("fields", corpus, |input| {
        let mut reader = Reader::new(input);
        while !reader.is_empty() {
            let before = reader.rest().len();
            let read = reader.u8().and_then(|kind| match kind % 9 {
                0 => reader.u16().map(drop),
                1 => reader.u32().map(drop),
                2 => reader.u64().map(drop),
                3 => reader.i64().map(drop),
                4 => reader.varint().map(drop),
                5 => reader.bytes(1 << 20).map(drop),
                6 => reader.flag().map(drop),
                7 => reader.text(1 << 20).map(drop),
                _ => reader.len(1000).map(drop),
            });
            if read.is_err() {
                return Ok(false);
            }
            assert!(reader.rest().len() < before, "a reader that does not go on");
        }
        Ok(true)
    })
}

fn is<T: DeserializeOwned>(input: &[u8]) -> bool {
    serde_json::from_slice::<T>(input).is_ok()
}

fn requests() -> Target {
    let corpus = lines(&[
        r#"{"paths":["/etc","2f746d70"],"group":"g","address":"host"}"#,
        r#"{"point":{"latest":"x"},"destination":{"directory":"/r"},"on_conflict":"skip"}"#,
        r#"{"name":"files","goals":{"sync_minutes":15,"points":"daily 18:00"}}"#,
        r#"{"reason":"why","until":"2027-01-01T00:00:00Z"}"#,
        r#"{"path":"a/b","limit":1000,"after":null}"#,
        r#"{"text":"*.txt","from":{"point":"x","key":"00"},"ignore_case":true}"#,
        "null",
        r#"{}"#,
        r#"{"members":["a","b"]}"#,
    ]);
    Target::new("request", corpus, |input| {
        let read = [
            is::<request::Protect>(input),
            is::<request::PointChoice>(input),
            is::<request::Destination>(input),
            is::<request::Restore>(input),
            is::<request::CreateGroup>(input),
            is::<request::ChangeGoals>(input),
            is::<request::ChangeRetention>(input),
            is::<request::Members>(input),
            is::<request::Hold>(input),
            is::<request::Browse>(input),
            is::<request::Diff>(input),
            is::<request::Find>(input),
            is::<request::Entries>(input),
            is::<request::Ranges>(input),
            is::<request::Read>(input),
            is::<serde_json::Value>(input),
        ];
        Ok(read.contains(&true))
    })
}

fn answers() -> Target {
    let corpus = lines(&[
        r#"{"schema":"dozo.job.list/1","jobs":[]}"#,
        r#"{"schema":"dozo.group.list/1","groups":[],"more":1}"#,
        r#"{"type":"about:blank","title":"t","status":404,"code":"PointUnknown","detail":"d","params":{"a":"b"}}"#,
        r#"["2027-01-01T00:00:00.123Z",1,-1,1e308,"\ud83d\ude00"]"#,
    ]);
    Target::new("answer", corpus, |input| {
        let read = [
            is::<Document<view::GroupListView>>(input),
            is::<Document<view::GroupView>>(input),
            is::<Document<view::JobListView>>(input),
            is::<Document<view::JobView>>(input),
            is::<Document<view::PointListView>>(input),
            is::<Document<view::EntryListView>>(input),
            is::<Document<view::FullEntryListView>>(input),
            is::<Document<view::RangeListView>>(input),
            is::<Document<view::FindView>>(input),
            is::<Document<view::DiffView>>(input),
            is::<Document<view::SourceListView>>(input),
            is::<Document<view::StatusView>>(input),
            is::<Document<view::PoolView>>(input),
            is::<api::Problem>(input),
            is::<Vec<api::Time>>(input),
            is::<serde_json::Value>(input),
        ];
        Ok(read.contains(&true))
    })
}

fn schedule() -> Target {
    let corpus = lines(&[
        "daily 18:00",
        "mon,wed,fri 06:30,12:00",
        "mon-fri 23:59",
        "18:00",
    ]);
    Target::new("schedule", corpus, |input| {
        let Ok(input) = std::str::from_utf8(input) else {
            return Ok(false);
        };
        let Ok(schedule) = Schedule::parse(input, TimeZone::UTC) else {
            return Ok(false);
        };
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let mut at = now;
        for _ in 0..3 {
            let Some(next) = schedule.next_after(at) else {
                return Err(format!("{input:?} has an end"));
            };
            assert!(next > at, "time goes on");
            at = next;
        }
        let [en, ja] = [base::Lang::En, base::Lang::Ja];
        let _ = [en, ja].map(|lang| schedule.sentence(&Policy::default(), lang));
        Ok(true)
    })
}

/// Inputs are a policy, a time and points.
fn retention() -> Target {
    let sample = |days: u32, step: i64, count: i64| {
        let mut out = Vec::new();
        for keep in [days, 7, 4, 12, 1] {
            out.extend_from_slice(&keep.to_le_bytes());
        }
        for i in 0..count {
            out.extend_from_slice(&(1_800_000_000 - step * i).to_le_bytes());
        }
        out
    };
    let corpus = vec![
        sample(3, 86_400, 40),
        sample(0, 3_600, 60),
        sample(99, 1, 9),
    ];
    Target::new("retention", corpus, |input| {
        let mut fields = Reader::new(input);
        let mut keep = [0; 5];
        for keep in &mut keep {
            let Ok(read) = fields.u32() else {
                return Ok(false);
            };
            *keep = read;
        }
        let policy = Policy {
            keep_days: keep[0],
            daily: keep[1],
            weekly: keep[2],
            monthly: keep[3],
            yearly: keep[4],
        };
        let mut points = Vec::new();
        while let Ok(time) = fields.i64() {
            if let Ok(time) = Timestamp::from_second(time) {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(points.len() as u64).to_le_bytes());
                points.push((PointId(id), time));
            }
        }
        points.truncate(500);
        if policy.check().is_err() {
            return Ok(false);
        }
        let now = points
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |(_, time)| *time);
        let verdicts = plan(&points, &policy, now, &TimeZone::UTC);
        assert_eq!(verdicts.len(), points.len(), "one for each");
        Ok(true)
    })
}

fn sizes() -> Target {
    let corpus = lines(&[
        "10 GiB",
        "1.5T",
        "1024",
        "2027-01-01 18:00",
        "2027-01-01T00:00:00Z",
        "Asia/Tokyo",
    ]);
    Target::new("unit", corpus, |input| {
        let Ok(input) = std::str::from_utf8(input) else {
            return Ok(false);
        };
        let read = [
            parse_bytes(input).is_ok(),
            parse_time(input, &TimeZone::UTC).is_ok(),
            zone(input).is_ok(),
        ];
        Ok(read.contains(&true))
    })
}

/// Ids, and names of any bytes as hexadecimal digits.
fn names() -> Target {
    let corpus = vec![
        PointId([7; 16]).to_string().into_bytes(),
        b"2f657463".to_vec(),
    ];
    Target::new("name", corpus, |input| {
        let Ok(input) = std::str::from_utf8(input) else {
            return Ok(false);
        };
        let id = input.parse::<PointId>();
        if let Ok(id) = id {
            assert_eq!(id.to_string().parse(), Ok(id), "an id is its text");
        }
        Ok(id.is_ok() || PathText::from_hex(input).is_some())
    })
}
