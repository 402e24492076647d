//! Points in time: RFC 3339 out, and in also what `--since` and `--until` take. All in UTC: a container engine's times
//! are compared between machines, and the local zone would need the C library's tables.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::duration;

/// A point in time, in nanoseconds since 1970; from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) u64);

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid time {0:?}: it is RFC 3339 (2026-11-23T10:00:00Z), Unix seconds, or how long ago (10m)")]
pub(crate) struct InvalidTimestamp(String);

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

impl Timestamp {
    /// The system's time.
    pub(crate) fn now() -> Self {
        SystemTime::now().into()
    }

    /// How long ago it is; zero for the future.
    pub(crate) fn age(self, now: Self) -> Duration {
        Duration::from_nanos(now.0.saturating_sub(self.0))
    }

    /// Reads a point in time; `10m` is that long before `now`.
    pub(crate) fn parse(text: &str, now: Self) -> Result<Self, InvalidTimestamp> {
        let invalid = || InvalidTimestamp(text.to_owned());
        if let Some(seconds) = unix_seconds(text) {
            return Ok(seconds);
        }
        if let Ok(ago) = duration::parse(text) {
            let ago = u64::try_from(ago.as_nanos()).map_err(|_| invalid())?;
            return Ok(Self(now.0.saturating_sub(ago)));
        }
        rfc3339(text).ok_or_else(invalid)
    }

    /// As `ps` shows it with `{{.CreatedAt}}`.
    pub(crate) fn listing(self) -> String {
        let (date, time, _) = self.parts();
        format!("{date} {time} +0000 UTC")
    }

    /// To the second: `2026-11-23T10:00:00Z`.
    pub(crate) fn seconds_rfc3339(self) -> String {
        let (date, time, _) = self.parts();
        format!("{date}T{time}Z")
    }

    fn parts(self) -> (String, String, u64) {
        let (seconds, nanos) = (self.0 / NANOS, self.0 % NANOS);
        let (year, month, day) = civil(seconds / DAY);
        let of_day = seconds % DAY;
        let time = format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
        (format!("{year:04}-{month:02}-{day:02}"), time, nanos)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time, nanos) = self.parts();
        write!(f, "{date}T{time}.{nanos:09}Z")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Self::now())
    }
}

/// `1763890000` or `1763890000.25`
fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') || fraction.len() > 9 {
        return None;
    }
    let nanos: u64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    whole.parse::<u64>().ok()?.checked_mul(NANOS)?.checked_add(nanos).map(Timestamp)
}

/// `2026-11-23`, with `T10:00`, `:00`, `.5` and `Z` or `+01:00` as they come.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00"),
    };
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?;
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = match clock.matches(':').count() {
        1 => numbers(clock, ':', &[2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
        _ => numbers(clock, ':', &[2, 2, 2])?,
    };
    let days_in_month = days_in_month(year, month)?;
    if !(1970..=2500).contains(&year)
        || day == 0
        || day > days_in_month
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let nanos: u64 = match fraction {
        "" => 0,
        digits if digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{digits:0<9}").parse().ok()?
        }
        _ => return None,
    };
    let local = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    let seconds = match zone.chars().next() {
        None | Some('Z' | 'z') if zone.len() <= 1 => local,
        Some(sign @ ('+' | '-')) => {
            let [hours, minutes] = numbers(zone.get(1..)?, ':', &[2, 2])?;
            let offset = hours * 3600 + minutes * 60;
            if sign == '+' { local.checked_sub(offset)? } else { local + offset }
        }
        _ => return None,
    };
    seconds.checked_mul(NANOS)?.checked_add(nanos).map(Timestamp)
}

/// Numbers of exactly so many digits with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: &[usize; N]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (slot, length) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != *length || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in_month(year: u64, month: u64) -> Option<u64> {
    match month {
        2 => Some(28 + u64::from(is_leap(year))),
        4 | 6 | 9 | 11 => Some(30),
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        _ => None,
    }
}

fn days_in_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

/// Days from 1970-01-01 to a date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let years: u64 = (1970..year).map(days_in_year).sum();
    let months: u64 = (1..month).map(|month| days_in_month(year, month)).sum::<Option<u64>>()?;
    Some(years + months + day - 1)
}

/// The date so many days after 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    // 400 years have 146,097 days: a far year takes no walk through all the years before it.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while let Some(length) = days_in_month(year, month).filter(|length| days >= *length) {
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn out_and_in() {
        let time = Timestamp(1_763_890_000 * NANOS + 5);
        assert_eq!(time.to_string(), "2025-11-23T09:26:40.000000005Z");
        assert_eq!(time.listing(), "2025-11-23 09:26:40 +0000 UTC");
        assert_eq!(time.seconds_rfc3339(), "2025-11-23T09:26:40Z");
        let now = time;
        let read = |text: &str| Timestamp::parse(text, now).map(|time| time.0);
        assert_eq!(read("1763890000"), Ok(1_763_890_000 * NANOS));
        assert_eq!(read("1763890000.000000005"), Ok(now.0));
        assert_eq!(read("2025-11-23T09:26:40Z"), Ok(1_763_890_000 * NANOS));
        assert_eq!(read("2025-11-23T10:26:40+01:00"), Ok(1_763_890_000 * NANOS));
        assert_eq!(read("2025-11-23T09:26"), Ok((1_763_890_000 - 40) * NANOS));
        assert_eq!(read("2025-11-23"), Ok((1_763_890_000 - 40 - 26 * 60 - 9 * 3600) * NANOS));
        assert_eq!(read("2024-02-29"), Ok(1_709_164_800 * NANOS));
        assert_eq!(read("10m"), Ok(now.0 - 600 * NANOS));
        for bad in [
            "",
            "now",
            "2025-13-01",
            "2025-02-29",
            "2025-11-23T24:00",
            "2025-11-23Z",
            "25-11-23",
            "-1",
            "1969-01-01",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_time_reads_back(nanos in 0u64..16_000_000_000_000_000_000) {
            let time = Timestamp(nanos);
            prop_assert_eq!(Timestamp::parse(&time.to_string(), Timestamp(0)), Ok(time));
        }

        #[test]
        fn never_panics(text in "[0-9TZ:+. -]{0,40}") {
            let _ = Timestamp::parse(&text, Timestamp(0));
        }
    }
}
