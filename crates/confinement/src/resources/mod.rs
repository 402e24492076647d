//! Limits of a container's group, for cgroup v1 and v2 alike: OCI runtime-spec, config-linux.md, "Control groups",
//! in types that hold only what is valid. Kernel documents: `Documentation/admin-guide/cgroup-v1/` and `cgroup-v2.rst`.
//!
//! Everything absent is "no limit of ours": the kernel's default for a new group. What a host cannot enforce is an error
//! when the limits are applied (`cofferdam-runtime`), never ignored.

mod block_io;
mod cpu;
pub mod devices;
mod limit;
mod memory;
mod names;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use block_io::{BlockIo, BlockIoWeight, DeviceNumber, DeviceRate, DeviceWeight};
pub use cpu::{Cpu, CpuShares, NumberList};
pub use devices::{DeviceAccess, DeviceRule, DeviceRuleKind};
pub use limit::Limit;
pub use memory::{Memory, Swappiness};
pub use names::{HugePageSize, InterfaceName, RdmaDevice, UnifiedFile};

/// A value that no kernel takes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ResourceError {
    #[error("memory swappiness {0}: it is 0 to 100")]
    Swappiness(u64),
    #[error("cpu shares {0}: they are 2 to 262144")]
    CpuShares(u64),
    #[error("invalid list {0:?}: it is numbers and ranges up to 65535, such as 0-3,7")]
    NumberList(String),
    #[error("block I/O weight {0}: it is 10 to 1000")]
    BlockIoWeight(u16),
    #[error("invalid device access {0:?}: it is letters of 'rwm', at least one")]
    DeviceAccess(String),
    #[error("invalid huge page size {0:?}: it is a number and KB, MB or GB, such as 2MB")]
    HugePageSize(String),
    #[error("invalid RDMA device name {0:?}")]
    RdmaDevice(String),
    #[error("invalid network interface name {0:?}: it is 1 to 15 visible characters without '/' and ':'")]
    InterfaceName(String),
    #[error(
        "{0:?} is not a limit of cgroup v2: it is a file name such as memory.high, and of the cgroup.* files only the limits"
    )]
    UnifiedFile(String),
}

/// Ceilings of one remote-memory device; at least one is set where the device is named at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct RdmaLimit {
    pub hca_handles: Option<u32>,
    pub hca_objects: Option<u32>,
}

/// Marks on the packets of a group (v1 only).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `net_cls.classid`
    pub class_id: Option<u32>,
    /// `net_prio.ifpriomap`, by interface.
    pub priorities: BTreeMap<InterfaceName, u32>,
}

/// The limits of one group. The default limits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Memory and swap.
    pub memory: Memory,
    /// Processors.
    pub cpu: Cpu,
    /// How many tasks (processes and threads) there may be.
    pub pids: Option<Limit>,
    /// Block devices.
    pub block_io: BlockIo,
    /// Bytes of huge pages, by page size.
    pub huge_pages: BTreeMap<HugePageSize, Limit>,
    /// Remote memory, by device.
    pub rdma: BTreeMap<RdmaDevice, RdmaLimit>,
    /// Packets.
    pub network: Network,
    /// Control files of cgroup v2, written as they are after everything above.
    pub unified: BTreeMap<UnifiedFile, String>,
    /// Device nodes, in order: the last rule that matches decides. Empty where none is controlled (every node that the
    /// file permissions allow; the case of a rootless container, which cannot make nodes and cannot load a filter).
    pub devices: Vec<DeviceRule>,
}

impl Resources {
    /// These limits after a change: what `change` decides replaces what is here, everything else stays.
    #[must_use]
    pub fn updated(&self, change: &Self) -> Self {
        let mut new = self.clone();
        new.memory.update(&change.memory);
        new.cpu.update(&change.cpu);
        new.block_io.update(&change.block_io);
        replace(&mut new.pids, &change.pids);
        replace(&mut new.network.class_id, &change.network.class_id);
        new.network.priorities.extend(change.network.priorities.clone());
        new.huge_pages.extend(change.huge_pages.clone());
        new.rdma.extend(change.rdma.clone());
        new.unified.extend(change.unified.clone());
        if !change.devices.is_empty() {
            new.devices.clone_from(&change.devices);
        }
        new
    }
}

/// A decision replaces an earlier one; its absence does not.
fn replace<T: Clone>(current: &mut Option<T>, change: &Option<T>) {
    if change.is_some() {
        current.clone_from(change);
    }
}

impl Memory {
    fn update(&mut self, change: &Self) {
        replace(&mut self.limit, &change.limit);
        // Memory and swap together cannot be limited where memory is not: lifting the one lifts the other.
        if change.limit == Some(Limit::Max) && self.swap.is_some() {
            self.swap = Some(Limit::Max);
        }
        replace(&mut self.reservation, &change.reservation);
        replace(&mut self.swap, &change.swap);
        replace(&mut self.kernel, &change.kernel);
        replace(&mut self.kernel_tcp, &change.kernel_tcp);
        replace(&mut self.swappiness, &change.swappiness);
        replace(&mut self.disable_oom_killer, &change.disable_oom_killer);
        replace(&mut self.use_hierarchy, &change.use_hierarchy);
        self.check_before_update = change.check_before_update;
    }
}

impl Cpu {
    fn update(&mut self, change: &Self) {
        replace(&mut self.shares, &change.shares);
        replace(&mut self.quota, &change.quota);
        replace(&mut self.burst, &change.burst);
        replace(&mut self.period, &change.period);
        replace(&mut self.realtime_runtime, &change.realtime_runtime);
        replace(&mut self.realtime_period, &change.realtime_period);
        replace(&mut self.cpus, &change.cpus);
        replace(&mut self.mems, &change.mems);
        replace(&mut self.idle, &change.idle);
    }
}

impl BlockIo {
    fn update(&mut self, change: &Self) {
        replace(&mut self.weight, &change.weight);
        replace(&mut self.leaf_weight, &change.leaf_weight);
        for new in &change.weight_device {
            match self.weight_device.iter_mut().find(|old| old.device == new.device) {
                Some(old) => {
                    replace(&mut old.weight, &new.weight);
                    replace(&mut old.leaf_weight, &new.leaf_weight);
                }
                None => self.weight_device.push(*new),
            }
        }
        for (rates, change) in [
            (&mut self.read_bps, &change.read_bps),
            (&mut self.write_bps, &change.write_bps),
            (&mut self.read_iops, &change.read_iops),
            (&mut self.write_iops, &change.write_iops),
        ] {
            for new in change {
                match rates.iter_mut().find(|old| old.device == new.device) {
                    Some(old) => old.rate = new.rate,
                    None => rates.push(*new),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Resources {
        let device = DeviceNumber { major: 8, minor: 0 };
        Resources {
            memory: Memory {
                limit: Some(Limit::Value(1 << 20)),
                swap: Some(Limit::Max),
                swappiness: Some(Swappiness::try_from(10).unwrap()),
                ..Memory::default()
            },
            cpu: Cpu {
                shares: Some(CpuShares::DEFAULT),
                quota: Some(Limit::Value(50_000)),
                cpus: Some(NumberList::try_from("0-1").unwrap()),
                ..Cpu::default()
            },
            pids: Some(Limit::Value(10)),
            block_io: BlockIo { read_bps: vec![DeviceRate { device, rate: 1 }], ..BlockIo::default() },
            huge_pages: BTreeMap::from([(HugePageSize::try_from("2MB").unwrap(), Limit::Value(0))]),
            rdma: BTreeMap::from([(
                RdmaDevice::try_from("mlx5_0").unwrap(),
                RdmaLimit { hca_handles: Some(1), hca_objects: None },
            )]),
            network: Network { class_id: Some(1), priorities: BTreeMap::new() },
            unified: BTreeMap::from([(UnifiedFile::try_from("memory.high").unwrap(), "max".to_owned())]),
            devices: devices::default_rules(),
        }
    }

    #[test]
    fn json_keeps_everything_and_takes_nothing_unknown() {
        for resources in [Resources::default(), everything()] {
            let json = serde_json::to_string(&resources).unwrap();
            assert_eq!(serde_json::from_str::<Resources>(&json).unwrap(), resources, "{json}");
        }
        let mut json = serde_json::to_value(Resources::default()).unwrap();
        json["memory"]["limt"] = 1.into();
        assert!(serde_json::from_value::<Resources>(json).is_err());
    }

    #[test]
    fn lifting_the_memory_limit_lifts_that_of_swap() {
        let memory = |limit, swap| Resources {
            memory: Memory { limit, swap, ..Memory::default() },
            ..Resources::default()
        };
        let (some, max) = (Some(Limit::Value(8)), Some(Limit::Max));
        assert_eq!(memory(some, some).updated(&memory(max, None)), memory(max, max));
        assert_eq!(memory(some, None).updated(&memory(max, None)), memory(max, None));
        assert_eq!(memory(some, some).updated(&memory(None, max)), memory(some, max));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let device = DeviceNumber { major: 8, minor: 0 };
        let change = Resources {
            pids: Some(Limit::Max),
            cpu: Cpu { quota: Some(Limit::Max), ..Cpu::default() },
            block_io: BlockIo { read_bps: vec![DeviceRate { device, rate: 9 }], ..BlockIo::default() },
            ..Resources::default()
        };
        let updated = everything().updated(&change);
        assert_eq!(updated.pids, Some(Limit::Max));
        assert_eq!(updated.cpu.quota, Some(Limit::Max));
        assert_eq!(updated.block_io.read_bps, [DeviceRate { device, rate: 9 }]);
        assert_eq!(updated.memory, everything().memory);
        assert_eq!(updated.devices, everything().devices);
        assert_eq!(everything().updated(&Resources::default()), everything());
        assert_eq!(Resources::default().updated(&everything()), everything());
    }
}
