//! A point in time as logs, events and statuses write it (RFC 3339).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::text::InvalidName;

const NANOS: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Nanoseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 with nine decimals in UTC, so that texts sort as times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i128);

impl Timestamp {
    /// The time of these seconds and nanoseconds since the epoch.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self(i128::from(seconds) * NANOS + i128::from(nanos))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(NANOS)).unwrap_or(i64::MAX)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn unix_nanos(self) -> i128 {
        self.0
    }

    /// The time so much earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)))
    }

    /// How long ago `earlier` was; zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = u64::try_from((self.0 - earlier.0).max(0)).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos)
    }

    /// The nanoseconds after the whole second.
    fn subsecond(self) -> u32 {
        u32::try_from(self.0.rem_euclid(NANOS)).unwrap_or(0)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(nanos(after)),
            Err(before) => Self(-nanos(before.duration())),
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian; years start in March while we count).
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// The day counted from 1970-01-01: the other way round.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.unix_seconds();
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let rest = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let nanos = self.subsecond();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Timestamp {
    type Err = InvalidName;
    /// Reads RFC 3339 (`2026-11-23T12:00:00.5+01:00`; the time, its parts from the end, and the offset may be left
    /// out: UTC) and Unix seconds (`1795000000.25`), which is what Docker's `--since` takes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "it is RFC 3339 (2026-11-23T12:00:00Z) or Unix seconds";
        parse(text).ok_or_else(|| InvalidName::new("time", text, rule))
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    if !text.get(1..)?.contains('-') && !text.contains(':') {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        return Some(Timestamp::from_unix(whole.parse().ok()?, fraction_nanos(fraction)?));
    }
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut parts = date.splitn(3, '-').map(|part| number(part, 4));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset) = split_offset(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':').map(|part| number(part, 2));
    let hour = parts.next()??;
    let minute = parts.next().unwrap_or(Some(0))?;
    let second = parts.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = day_number(year, month, day);
    // A day that its month does not have lands in the next one.
    if civil(days) != (year, u32::try_from(month).ok()?, u32::try_from(day).ok()?) {
        return None;
    }
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp::from_unix(seconds, fraction_nanos(fraction)?))
}

/// The clock's text and its offset from UTC in seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let span = number(hours, 2)? * 3600 + number(minutes, 2)? * 60;
    Some((&time[..at], if time[at..].starts_with('-') { -span } else { span }))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn fraction_nanos(text: &str) -> Option<u32> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{text:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let text = |seconds, nanos| Timestamp::from_unix(seconds, nanos).to_string();
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(951_782_400, 5), "2000-02-29T00:00:00.000000005Z");
        assert_eq!(text(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z");
        let parse = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(parse("2000-02-29T01:30:00.5+01:30"), Timestamp::from_unix(951_782_400, 500_000_000));
        assert_eq!(parse("2000-02-29"), Timestamp::from_unix(951_782_400, 0));
        assert_eq!(parse("951782400.25"), Timestamp::from_unix(951_782_400, 250_000_000));
        for bad in
            ["", "x", "2000-13-01", "2001-02-29", "2000-01-01T25:00:00Z", "2000-01-01T00:00:00+1", "1.x", "ä"]
        {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_time_reads_back_as_written(seconds in -62_000_000_000i64..250_000_000_000, nanos in 0u32..1_000_000_000) {
            let time = Timestamp::from_unix(seconds, nanos);
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
