//! `/proc/PID/timens_offsets` (time_namespaces(7)).

use super::parse::{ParseError, decimal, lines, words};

/// Offsets of the clocks of the time namespace in which the process's children are born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockOffsets {
    /// Seconds and nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic: (i64, u32),
    /// Seconds and nanoseconds of `CLOCK_BOOTTIME`.
    pub boottime: (i64, u32),
}

/// Reads the file's text.
pub fn parse_timens_offsets(bytes: &[u8]) -> Result<ClockOffsets, ParseError> {
    let mut offsets = ClockOffsets::default();
    for line in lines(bytes) {
        let mut words = words(line);
        let clock = words.next().unwrap_or_default();
        let value = (
            decimal("clock offset", words.next().unwrap_or_default())?,
            decimal("clock offset", words.next().unwrap_or_default())?,
        );
        match clock {
            // The kernel prints names; the numbers are what it takes.
            b"monotonic" | b"1" => offsets.monotonic = value,
            b"boottime" | b"7" => offsets.boottime = value,
            other => return Err(ParseError::new("clock name", other)),
        }
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_both_clocks() {
        let offsets =
            parse_timens_offsets(b"monotonic           0         0\nboottime        -5       300\n");
        assert_eq!(offsets, Ok(ClockOffsets { monotonic: (0, 0), boottime: (-5, 300) }));
        assert!(parse_timens_offsets(b"realtime 0 0\n").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_timens_offsets(&bytes);
        }
    }
}
