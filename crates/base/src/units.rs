//! Sizes, counts, rates, durations and times for people, and sizes from people.
//!
//! Sizes are shown in powers of 1024 with three significant digits. Nothing here is meant to be parsed by
//! programs: they get plain numbers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Lang;
use crate::fault::{Code, Fault};

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Returns a size for people: `0 B`, `999 B`, `1.40 GiB`, `27.5 MiB`, `512 KiB`.
pub fn bytes(size_bytes: u64) -> String {
    if size_bytes < 1024 {
        return format!("{size_bytes} B");
    }
    let mut value = size_bytes as f64;
    let mut unit = 0;
    // 1023.5 and more would be shown as "1024".
    while value >= 1023.5 && unit + 1 < BINARY.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = decimals(value);
    format!("{value:.decimals$} {}", BINARY[unit])
}

/// Returns how many decimals make three significant digits, seeing that rounding may add a digit.
fn decimals(value: f64) -> usize {
    match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    }
}

/// Returns a number with its thousands separated: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a rate for people, `142 MiB/s`; `-` if no time has passed.
pub fn rate(size_bytes: u64, over: Duration) -> String {
    let seconds = over.as_secs_f64();
    if seconds <= 0.0 {
        return "-".to_owned();
    }
    format!("{}/s", bytes((size_bytes as f64 / seconds) as u64))
}

/// Returns a duration for people, in its two largest units: `350 ms`, `12 s`, `3 min 5 s`, `6 h 12 min`,
/// `2 d 4 h`.
pub fn duration(time: Duration, lang: Lang) -> String {
    let [day, hour, minute, second, milli] = match lang {
        Lang::En => [" d", " h", " min", " s", " ms"],
        Lang::Ja => [" 日", " 時間", " 分", " 秒", " ミリ秒"],
    };
    let s = time.as_secs();
    if s == 0 {
        return match time.as_millis() {
            0 => format!("0{second}"),
            ms => format!("{ms}{milli}"),
        };
    }
    let parts = [
        (s / 86_400, day),
        (s / 3_600 % 24, hour),
        (s / 60 % 60, minute),
        (s % 60, second),
    ];
    let largest = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let shown: Vec<String> = parts[largest..]
        .iter()
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    shown.join(" ")
}

/// Returns an instant for people, in a time zone: `2026-03-01 22:00 CET`.
pub fn time(time: Timestamp, zone: &TimeZone) -> String {
    let local = time.to_zoned_datetime(zone.clone());
    local.strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// Reads a size: a number, decimals allowed, and a unit: `4096`, `500 MiB`, `1.5GiB`, `2 TB`, `64k`. A
/// single letter is a power of 1024; `kB`, `MB` ... are powers of 1000. Case does not matter.
///
/// # Errors
/// [`Code::SizeInvalid`]: it is no such text, or larger than a `u64` holds.
pub fn parse_bytes(text: &str) -> Result<u64, Fault> {
    parse(text.trim()).ok_or_else(|| Fault::new(Code::SizeInvalid).with("text", text))
}

fn parse(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = scale(unit.trim_start())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More digits than these are below a byte of the largest unit.
    if whole.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(scale)?;
    let part = match fraction {
        "" => 0,
        digits => {
            digits.parse::<u128>().ok()? * scale / 10_u128.pow(u32::try_from(digits.len()).ok()?)
        }
    };
    u64::try_from(whole.checked_add(part)?).ok()
}

fn scale(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_lowercase();
    let mut letters = unit.chars();
    let Some(first) = letters.next() else {
        return Some(1);
    };
    let rest = letters.as_str();
    if first == 'b' && rest.is_empty() {
        return Some(1);
    }
    let power = u32::try_from("kmgtpe".find(first)?).ok()? + 1;
    match rest {
        "" | "ib" => Some(1024_u128.pow(power)),
        "b" => Some(1000_u128.pow(power)),
        _ => None,
    }
}
