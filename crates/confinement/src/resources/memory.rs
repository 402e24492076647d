//! Memory limits.

use serde::{Deserialize, Serialize};

use super::{Limit, ResourceError};

/// How willingly the kernel swaps this group's pages: 0 to 100 (v1's `memory.swappiness`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Swappiness(u8);

impl Swappiness {
    /// The percentage.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Swappiness {
    type Error = ResourceError;
    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match u8::try_from(number) {
            Ok(percent) if percent <= 100 => Ok(Self(percent)),
            _ => Err(ResourceError::Swappiness(number)),
        }
    }
}

impl From<Swappiness> for u64 {
    fn from(swappiness: Swappiness) -> u64 {
        swappiness.0.into()
    }
}

/// Memory limits. All sizes are bytes; the kernel rounds them down to whole pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Ceiling of memory.
    pub limit: Option<Limit>,
    /// What reclaim leaves alone as long as it can (v1 `memory.soft_limit_in_bytes`, v2 `memory.low`).
    pub reservation: Option<Limit>,
    /// Ceiling of memory *and* swap together, as OCI counts it; v2 is told the difference.
    pub swap: Option<Limit>,
    /// Ceiling of kernel memory. Accepted and not enforced: Linux dropped it in 5.16, and OCI lets a runtime ignore it.
    pub kernel: Option<Limit>,
    /// Ceiling of TCP buffers (v1 only).
    pub kernel_tcp: Option<Limit>,
    /// v1 only.
    pub swappiness: Option<Swappiness>,
    /// A group at its ceiling waits instead of losing a process (v1 only).
    pub disable_oom_killer: Option<bool>,
    /// Children count towards this group. Linux does nothing else since 5.11, so `false` cannot be had.
    pub use_hierarchy: Option<bool>,
    /// An update that sets `limit` below what is in use is refused, instead of reclaiming or killing.
    pub check_before_update: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swappiness_is_a_percentage() {
        assert_eq!(Swappiness::try_from(100).unwrap().get(), 100);
        for bad in [101, 256, u64::MAX] {
            assert_eq!(Swappiness::try_from(bad), Err(ResourceError::Swappiness(bad)));
        }
    }
}
