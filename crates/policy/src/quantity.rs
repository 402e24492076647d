//! Amounts as people write them: sizes, processors, ceilings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidOption;

/// Binary size suffixes from the largest down, with their number of bits.
const SUFFIXES: [(char, u32); 5] = [('p', 50), ('t', 40), ('g', 30), ('m', 20), ('k', 10)];

/// A number of bytes. Read from `512m`, `1.5g`, `64KiB`, `4096`: powers of 1024, as Docker reads sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("size", text, rule);
        let form = "it is a number with b, k, m, g, t or p after it, or none of them";
        let lower = text.trim().to_ascii_lowercase();
        let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let bits = match &lower[number.len()..] {
            "" | "b" => 0,
            suffix => {
                let known = SUFFIXES.iter().find(|(letter, _)| suffix.starts_with(*letter));
                let (_, bits) = known.ok_or_else(|| refuse(form))?;
                if !matches!(&suffix[1..], "" | "b" | "ib") {
                    return Err(refuse(form));
                }
                *bits
            }
        };
        let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
            return Err(refuse(form));
        }
        let too_large = || refuse("it is below 16 exbibytes");
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let bytes = whole.checked_mul(1 << bits).ok_or_else(too_large)?;
        let part = decimal_fraction(fraction, 1 << bits);
        Ok(Self(bytes.checked_add(part).ok_or_else(too_large)?))
    }
}

/// `0.fraction` of a unit, rounded down. At most nine digits, so that the product fits.
fn decimal_fraction(fraction: &str, unit: u64) -> u64 {
    let (mut sum, mut scale) = (0u128, 1u128);
    for digit in fraction.bytes() {
        sum = sum * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(sum * u128::from(unit) / scale).unwrap_or(u64::MAX)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SUFFIXES.iter().find(|(_, bits)| self.0 != 0 && self.0.is_multiple_of(1 << bits));
        match exact {
            Some((letter, bits)) => write!(f, "{}{letter}", self.0 >> bits),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Processors in billionths, as the Docker API's `NanoCpus`. Read from `1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuCount(pub u64);

impl CpuCount {
    /// One processor.
    pub const ONE: u64 = 1_000_000_000;

    /// Microseconds of processor time in each period of so many microseconds.
    #[must_use]
    pub fn quota(self, period: u64) -> u64 {
        u64::try_from(u128::from(self.0) * u128::from(period) / u128::from(Self::ONE)).unwrap_or(u64::MAX)
    }
}

impl FromStr for CpuCount {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            let rule = "it is a number of at least 0.01 with at most nine decimals, such as 1.5";
            InvalidOption::new("number of processors", text, rule)
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty())
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > 9
        {
            return Err(refuse());
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| refuse())? };
        let part = decimal_fraction(fraction, Self::ONE);
        let nano = whole.checked_mul(Self::ONE).and_then(|nano| nano.checked_add(part)).ok_or_else(refuse)?;
        if nano < Self::ONE / 100 { Err(refuse()) } else { Ok(Self(nano)) }
    }
}

impl fmt::Display for CpuCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / Self::ONE, self.0 % Self::ONE);
        if part == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{part:09}").trim_end_matches('0'))
    }
}

/// An upper bound, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// `-1`, `unlimited`
    Unlimited,
    /// At most this much.
    Max(u64),
}

impl Ceiling {
    /// Whether this bound is as tight as the other, or tighter.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Unlimited) => true,
            (Self::Unlimited, Self::Max(_)) => false,
            (Self::Max(own), Self::Max(max)) => own <= max,
        }
    }
}

impl FromStr for Ceiling {
    type Err = InvalidOption;
    /// A size as [`ByteSize`] reads it (a plain number for counts), or `-1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-1" | "unlimited" => Ok(Self::Unlimited),
            _ => text.parse::<ByteSize>().map(|size| Self::Max(size.0)),
        }
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Max(max) => write!(f, "{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_reads_them() {
        let size = |text: &str| text.parse::<ByteSize>().unwrap().0;
        assert_eq!(size("4096"), 4096);
        assert_eq!(size("64k"), 65_536);
        assert_eq!(size("512M"), 512 << 20);
        assert_eq!(size("1.5g"), 3 << 29);
        assert_eq!(size("1 GiB"), 1 << 30);
        assert_eq!(size("10b"), 10);
        for bad in ["", "m", "-1", "1x", "1mm", "1.2.3", "1e3", "99999999p", "ä", "0.0000000001"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert_eq!(ByteSize(3 << 29).to_string(), "1536m");
        assert_eq!(ByteSize(0).to_string(), "0");
        assert_eq!(ByteSize(1025).to_string(), "1025");
    }

    #[test]
    fn processors() {
        let cpus = |text: &str| text.parse::<CpuCount>().unwrap();
        assert_eq!(cpus("1.5").quota(100_000), 150_000);
        assert_eq!(cpus(".5").0, 500_000_000);
        assert_eq!(cpus("2").to_string(), "2");
        assert_eq!(cpus("0.25").to_string(), "0.25");
        for bad in ["", ".", "0", "-1", "a", "1.0000000001", "0.001"] {
            assert!(bad.parse::<CpuCount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ceilings_order() {
        assert!(Ceiling::Max(1).is_within(Ceiling::Max(1)));
        assert!(Ceiling::Max(1).is_within(Ceiling::Unlimited));
        assert!(!Ceiling::Unlimited.is_within(Ceiling::Max(1)));
        assert!(!Ceiling::Max(2).is_within(Ceiling::Max(1)));
    }
}
