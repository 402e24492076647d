//! Durations: as people write them (`1h30m`) and as listings say them ("About a minute").

use std::time::Duration;

use thiserror::Error;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid duration {0:?}: it is numbers with units, such as 90s, 10m or 1h30m")]
pub(crate) struct InvalidDuration(String);

/// Units from the longest name down, with their nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration as Go writes it: decimal numbers, each with its unit, without a sign.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        total = scaled(number, *nanos).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = tail;
    }
    if text.is_empty() { Err(invalid()) } else { Ok(Duration::from_nanos(total)) }
}

/// A decimal number of units, in nanoseconds; nothing where it is no number or too large.
fn scaled(number: &str, nanos: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(part) * u128::from(nanos) / u128::from(scale);
    whole.checked_mul(nanos)?.checked_add(u64::try_from(part).ok()?)
}

/// The duration in the words of Docker's listings: "3 seconds", "About an hour", "5 weeks".
pub(crate) fn words(duration: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24;
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds + HOUR / 2) / HOUR;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., hours) if hours < 2 * DAY => format!("{hours} hours"),
        (.., hours) if hours < 14 * DAY => format!("{} days", hours / DAY),
        (.., hours) if hours < 60 * DAY => format!("{} weeks", hours / DAY / 7),
        (.., hours) if hours < 730 * DAY => format!("{} months", hours / DAY / 30),
        (.., hours) => format!("{} years", hours / DAY / 365),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        let secs = |text: &str| parse(text).unwrap().as_secs_f64();
        assert!((secs("1h30m") - 5400.0).abs() < 1e-9);
        assert!((secs("1.5s") - 1.5).abs() < 1e-9);
        assert!((secs("10ms") - 0.01).abs() < 1e-9);
        assert!((secs("0")).abs() < 1e-9);
        for bad in ["", "5", "m", "-1s", "1x", "1s2", ".s", "1..2s", "99999999999999h", "1 s"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_of_listings() {
        let say = |seconds| words(Duration::from_secs(seconds));
        assert_eq!(words(Duration::from_millis(999)), "Less than a second");
        assert_eq!(say(1), "1 second");
        assert_eq!(say(59), "59 seconds");
        assert_eq!(say(60), "About a minute");
        assert_eq!(say(119), "About a minute");
        assert_eq!(say(120), "2 minutes");
        assert_eq!(say(3599), "59 minutes");
        assert_eq!(say(3600), "About an hour");
        assert_eq!(say(2 * 3600), "2 hours");
        assert_eq!(say(47 * 3600), "47 hours");
        assert_eq!(say(48 * 3600), "2 days");
        assert_eq!(say(14 * 86400), "2 weeks");
        assert_eq!(say(61 * 86400), "2 months");
        assert_eq!(say(800 * 86400), "2 years");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9.hmsnu]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_seconds_read_back(seconds in 0u64..1_000_000_000) {
            prop_assert_eq!(parse(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
