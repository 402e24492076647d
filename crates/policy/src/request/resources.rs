//! Limits: `--memory`, `--cpus`, `--pids-limit`, `--ulimit`, ...

use std::path::PathBuf;
use std::str::FromStr;

use cofferdam_kernel::rlimit::Resource;
use serde::{Deserialize, Serialize};

use super::InvalidOption;
use crate::{ByteSize, Ceiling, CpuCount};

/// Cgroup limits, as `run` and `update` take them; absent ones are left to the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceRequest {
    /// `--cpus`
    pub cpus: Option<CpuCount>,
    /// `--cpu-shares`, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// `--cpu-period` in microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota` in microseconds per period; -1 for none.
    pub cpu_quota: Option<i64>,
    /// `--cpu-rt-period` in microseconds.
    pub cpu_rt_period: Option<u64>,
    /// `--cpu-rt-runtime` in microseconds per period.
    pub cpu_rt_runtime: Option<i64>,
    /// `--cpuset-cpus`: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`
    pub cpuset_mems: Option<String>,
    /// `--memory` in bytes.
    pub memory: Option<ByteSize>,
    /// `--memory-swap`: memory and swap together, in bytes.
    pub memory_swap: Option<Ceiling>,
    /// `--memory-reservation` in bytes.
    pub memory_reservation: Option<ByteSize>,
    /// `--memory-swappiness`, 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// `--oom-kill-disable`
    pub oom_kill_disable: bool,
    /// `--pids-limit`
    pub pids_limit: Option<Ceiling>,
    /// `--blkio-weight`, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// `--blkio-weight-device`
    pub blkio_weight_devices: Vec<DeviceWeight>,
    /// `--device-read-bps`, bytes per second.
    pub device_read_bps: Vec<DeviceRate>,
    /// `--device-write-bps`, bytes per second.
    pub device_write_bps: Vec<DeviceRate>,
    /// `--device-read-iops`, operations per second.
    pub device_read_iops: Vec<DeviceRate>,
    /// `--device-write-iops`, operations per second.
    pub device_write_iops: Vec<DeviceRate>,
}

impl ResourceRequest {
    /// All throttles of devices.
    pub fn rates(&self) -> impl Iterator<Item = &DeviceRate> {
        self.device_read_bps
            .iter()
            .chain(&self.device_write_bps)
            .chain(&self.device_read_iops)
            .chain(&self.device_write_iops)
    }
}

/// A throttle of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRate {
    /// The device's file on the host.
    pub device: PathBuf,
    /// Bytes or operations per second.
    pub rate: u64,
}

impl FromStr for DeviceRate {
    type Err = InvalidOption;
    /// `/dev/sda:1mb`; a plain number for operations.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || InvalidOption::new("device rate", text, "its form is /dev/NAME:RATE");
        let (device, rate) = text.rsplit_once(':').ok_or_else(refuse)?;
        let rate: ByteSize = rate.parse().map_err(|_| refuse())?;
        if device.starts_with("/dev/") {
            Ok(Self { device: device.into(), rate: rate.0 })
        } else {
            Err(refuse())
        }
    }
}

/// The I/O weight of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceWeight {
    /// The device's file on the host.
    pub device: PathBuf,
    /// 10 to 1000.
    pub weight: u16,
}

impl FromStr for DeviceWeight {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || InvalidOption::new("device weight", text, "its form is /dev/NAME:10..1000");
        let (device, weight) = text.rsplit_once(':').ok_or_else(refuse)?;
        let weight: u16 = weight.parse().map_err(|_| refuse())?;
        if device.starts_with("/dev/") && (10..=1000).contains(&weight) {
            Ok(Self { device: device.into(), weight })
        } else {
            Err(refuse())
        }
    }
}

/// `--ulimit NAME=SOFT[:HARD]`; `u64::MAX` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are getrlimit(2)'s")]
pub struct Ulimit {
    pub resource: Resource,
    pub soft: u64,
    pub hard: u64,
}

impl FromStr for Ulimit {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("ulimit", text, rule);
        let (name, limits) = text.split_once('=').ok_or_else(|| refuse("its form is NAME=SOFT[:HARD]"))?;
        let resource = name.parse().map_err(|_| refuse("no resource limit has this name"))?;
        let number = |word: &str| match word {
            "-1" | "unlimited" => Ok(u64::MAX),
            _ => word.parse::<u64>().map_err(|_| refuse("a limit is a number, or -1 for unlimited")),
        };
        let (soft, hard) = match limits.split_once(':') {
            Some((soft, hard)) => (number(soft)?, number(hard)?),
            None => (number(limits)?, number(limits)?),
        };
        if soft > hard {
            return Err(refuse("the soft limit is at most the hard one"));
        }
        Ok(Self { resource, soft, hard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits() {
        let limit: Ulimit = "nofile=10:20".parse().unwrap();
        assert_eq!((limit.resource.name(), limit.soft, limit.hard), ("RLIMIT_NOFILE", 10, 20));
        assert_eq!("core=-1".parse::<Ulimit>().unwrap().hard, u64::MAX);
        for bad in ["nofile", "x=1", "nofile=2:1", "nofile=a", "nofile=1:2:3"] {
            assert!(bad.parse::<Ulimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_and_weights() {
        assert_eq!("/dev/sda:1mb".parse::<DeviceRate>().unwrap().rate, 1 << 20);
        assert_eq!("/dev/sda:100".parse::<DeviceRate>().unwrap().rate, 100);
        assert!("sda:1".parse::<DeviceRate>().is_err());
        assert_eq!("/dev/sda:500".parse::<DeviceWeight>().unwrap().weight, 500);
        assert!("/dev/sda:5".parse::<DeviceWeight>().is_err());
    }
}
