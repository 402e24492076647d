//! Processor limits.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Limit, ResourceError};

/// Relative weight of a group in v1's unit: 2 to 262,144, where 1,024 is an ordinary share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct CpuShares(u32);

impl CpuShares {
    /// Smallest.
    pub const MIN: Self = Self(2);
    /// What a group has that was told nothing.
    pub const DEFAULT: Self = Self(1024);
    /// Largest.
    pub const MAX: Self = Self(262_144);

    /// The number of shares.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for CpuShares {
    type Error = ResourceError;
    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(shares) if (Self::MIN.0..=Self::MAX.0).contains(&shares) => Ok(Self(shares)),
            _ => Err(ResourceError::CpuShares(number)),
        }
    }
}

impl From<CpuShares> for u64 {
    fn from(shares: CpuShares) -> u64 {
        shares.0.into()
    }
}

/// A set of processors or memory nodes, never empty: the kernel's list format (cpuset(7), "List format").
///
/// Written in the canonical form, which is also the kernel's own when it is read back: ascending, without overlap,
/// neighbours joined (`0-3,7`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NumberList(Vec<(u32, u32)>);

impl NumberList {
    /// The largest number a list may hold: more than any kernel has processors.
    pub const LARGEST: u32 = 65_535;

    /// Its ranges, first and last number included, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether every number of this list is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|(first, last)| other.0.iter().any(|(from, to)| from <= first && last <= to))
    }

    fn parse_range(part: &str) -> Option<(u32, u32)> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let (first, last): (u32, u32) = (number(first.trim())?, number(last.trim())?);
        (first <= last && last <= Self::LARGEST).then_some((first, last))
    }
}

impl TryFrom<&str> for NumberList {
    type Error = ResourceError;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let invalid = || ResourceError::NumberList(text.to_owned());
        let mut ranges =
            text.trim().split(',').map(Self::parse_range).collect::<Option<Vec<_>>>().ok_or_else(invalid)?;
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(previous) if first <= previous.1 + 1 => previous.1 = previous.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Ok(Self(joined))
    }
}

impl TryFrom<String> for NumberList {
    type Error = ResourceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(text.as_str())
    }
}

impl fmt::Display for NumberList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl From<NumberList> for String {
    fn from(list: NumberList) -> String {
        list.to_string()
    }
}

/// Processor limits. All times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Weight against other groups when processors are short.
    pub shares: Option<CpuShares>,
    /// Processor time that the group may use in each period.
    pub quota: Option<Limit>,
    /// Unused time that it may save up, on top of `quota`.
    pub burst: Option<u64>,
    /// Length of a period; the kernel has 100,000 where it is absent.
    pub period: Option<u64>,
    /// Time that its real-time tasks may use in each real-time period (v1 only; none by default).
    pub realtime_runtime: Option<Limit>,
    /// Length of a real-time period (v1 only).
    pub realtime_period: Option<u64>,
    /// The processors that it may run on.
    pub cpus: Option<NumberList>,
    /// The memory nodes that it may allocate from.
    pub mems: Option<NumberList>,
    /// Its tasks run only when no one else wants the processor (`cpu.idle`).
    pub idle: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_to_the_kernels_range() {
        for good in [2, 1024, 262_144] {
            assert_eq!(u64::from(CpuShares::try_from(good).unwrap()), good);
        }
        for bad in [0, 1, 262_145, u64::MAX] {
            assert_eq!(CpuShares::try_from(bad), Err(ResourceError::CpuShares(bad)));
        }
    }

    #[test]
    fn a_list_is_written_as_the_kernel_writes_it() {
        for (text, canonical) in [
            ("0", "0"),
            ("3,1,2", "1-3"),
            ("0-1,2-3", "0-3"),
            ("7,0-3,2", "0-3,7"),
            (" 0 , 2-2 ", "0,2"),
            ("5-9,1-6", "1-9"),
        ] {
            assert_eq!(NumberList::try_from(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in ["", ",", "0,", "a", "3-1", "-1", "1-", "0-99999999999", "65536", "0 1", "+1", "1\n\n2"] {
            assert!(NumberList::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_subset_is_within_the_other_lists_ranges() {
        let list = |text| NumberList::try_from(text).unwrap();
        assert!(list("1,3").is_subset(&list("0-3")));
        assert!(!list("1,4").is_subset(&list("0-3,5")));
        assert!(list("2-3").is_subset(&list("0-1,2,3")));
    }
}
