//! Points in time on the command line: what `--since` and `--until` take, and how listings show a time. All in UTC:
//! a container engine's times are compared between machines.

use std::time::SystemTime;

use cofferdam_names::Timestamp;
use thiserror::Error;

use crate::duration;

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid time {0:?}: it is RFC 3339 (2026-11-23T10:00:00Z), Unix seconds, or how long ago (10m)")]
pub(crate) struct InvalidTime(String);

/// The system's time.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Reads a point in time; `10m` is ten minutes ago.
pub(crate) fn parse(text: &str) -> Result<Timestamp, InvalidTime> {
    before(text, now())
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, InvalidTime> {
    match (duration::parse(text), text.parse()) {
        (_, Ok(time)) => Ok(time),
        (Ok(ago), Err(_)) => Ok(now.before(ago)),
        _ => Err(InvalidTime(text.to_owned())),
    }
}

/// As `ps` shows it with `{{.CreatedAt}}`: `2026-11-23 10:00:00 +0000 UTC`.
pub(crate) fn listing(time: Timestamp) -> String {
    let text = seconds(time);
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

/// To the second: `2026-11-23T10:00:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    format!("{}Z", whole.trim_end_matches('Z'))
}

/// "3 seconds ago"
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", duration::words(now.since(time)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_the_command_line() {
        let now = Timestamp::from_unix(1_763_890_000, 5);
        let read = |text: &str| before(text, now);
        assert_eq!(read("1763890000.000000005"), Ok(now));
        assert_eq!(read("2025-11-23T10:26:40.000000005+01:00"), Ok(now));
        assert_eq!(read("10m"), Ok(Timestamp::from_unix(1_763_889_400, 5)));
        for bad in ["", "now", "2025-13-01", "2025-02-29"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(listing(now), "2025-11-23 09:26:40 +0000 UTC");
        assert_eq!(seconds(now), "2025-11-23T09:26:40Z");
        assert_eq!(ago(Timestamp::from_unix(1_763_889_997, 5), now), "3 seconds ago");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9TZhms:+. -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
