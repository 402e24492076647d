//! Limits on block devices.

use serde::{Deserialize, Serialize};

use super::ResourceError;

/// Relative weight of a group's block I/O: 10 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BlockIoWeight(u16);

impl BlockIoWeight {
    /// The weight.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for BlockIoWeight {
    type Error = ResourceError;
    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if (10..=1000).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ResourceError::BlockIoWeight(number))
        }
    }
}

impl From<BlockIoWeight> for u16 {
    fn from(weight: BlockIoWeight) -> u16 {
        weight.0
    }
}

/// The numbers of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "plain")]
pub struct DeviceNumber {
    pub major: u32,
    pub minor: u32,
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A weight for one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceWeight {
    /// Which device.
    pub device: DeviceNumber,
    /// Against other groups.
    pub weight: Option<BlockIoWeight>,
    /// Against the group's own children. Went away with the CFQ scheduler (Linux 5.0): no host can enforce it.
    pub leaf_weight: Option<BlockIoWeight>,
}

/// A rate for one device: bytes or operations each second; 0 takes the limit away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "said above")]
pub struct DeviceRate {
    pub device: DeviceNumber,
    pub rate: u64,
}

/// Limits on block devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockIo {
    /// Against other groups.
    pub weight: Option<BlockIoWeight>,
    /// Against the group's own children. Went away with the CFQ scheduler (Linux 5.0): no host can enforce it.
    pub leaf_weight: Option<BlockIoWeight>,
    /// Weights of single devices.
    pub weight_device: Vec<DeviceWeight>,
    /// Bytes read per second.
    pub read_bps: Vec<DeviceRate>,
    /// Bytes written per second.
    pub write_bps: Vec<DeviceRate>,
    /// Read operations per second.
    pub read_iops: Vec<DeviceRate>,
    /// Write operations per second.
    pub write_iops: Vec<DeviceRate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_between_10_and_1000() {
        assert_eq!(BlockIoWeight::try_from(10).unwrap().get(), 10);
        assert_eq!(BlockIoWeight::try_from(1000).unwrap().get(), 1000);
        for bad in [0, 9, 1001] {
            assert_eq!(BlockIoWeight::try_from(bad), Err(ResourceError::BlockIoWeight(bad)));
        }
    }
}
