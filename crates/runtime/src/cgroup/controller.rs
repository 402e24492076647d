//! The kernel's controllers, and which of them a set of limits needs.

use std::fmt;

use cofferdam_confinement::resources::{BlockIo, Cpu, Memory, Resources};

/// A cgroup controller. v1's `cpuacct` is part of v2's `cpu`; v2 freezes and filters devices without a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Controller {
    Memory,
    Cpu,
    Cpuacct,
    Cpuset,
    Pids,
    BlockIo,
    Devices,
    Freezer,
    HugeTlb,
    Rdma,
    NetCls,
    NetPrio,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Memory,
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Pids,
        Self::BlockIo,
        Self::Devices,
        Self::Freezer,
        Self::HugeTlb,
        Self::Rdma,
        Self::NetCls,
        Self::NetPrio,
    ];

    /// The name in `/proc/cgroups`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Pids => "pids",
            Self::BlockIo => "blkio",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::HugeTlb => "hugetlb",
            Self::Rdma => "rdma",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
        }
    }

    /// The name in `cgroup.controllers`.
    #[must_use]
    pub const fn v2_name(self) -> &'static str {
        match self {
            Self::BlockIo => "io",
            other => other.name(),
        }
    }

    /// The controller with this name of v1 or v2.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "io" {
            return Some(Self::BlockIo);
        }
        Self::ALL.into_iter().find(|controller| controller.name() == name)
    }

    /// The controls of `resources` that this controller enforces, as OCI names them; empty if it is not needed.
    /// Device rules and v2's own files are not among them: they do not hang on one controller.
    pub(super) fn controls(self, resources: &Resources) -> Vec<&'static str> {
        let controls: &[(bool, &'static str)] = match self {
            Self::Memory => &memory_controls(&resources.memory),
            Self::Cpu => &cpu_controls(&resources.cpu),
            Self::Cpuset => {
                &[(resources.cpu.cpus.is_some(), "cpu.cpus"), (resources.cpu.mems.is_some(), "cpu.mems")]
            }
            Self::Pids => &[(resources.pids.is_some(), "pids.limit")],
            Self::BlockIo => &block_io_controls(&resources.block_io),
            Self::HugeTlb => &[(!resources.huge_pages.is_empty(), "hugepageLimits")],
            Self::Rdma => &[(!resources.rdma.is_empty(), "rdma")],
            Self::NetCls => &[(resources.network.class_id.is_some(), "network.classID")],
            Self::NetPrio => &[(!resources.network.priorities.is_empty(), "network.priorities")],
            Self::Cpuacct | Self::Devices | Self::Freezer => &[],
        };
        controls.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn memory_controls(memory: &Memory) -> [(bool, &'static str); 7] {
    [
        (memory.limit.is_some(), "memory.limit"),
        (memory.reservation.is_some(), "memory.reservation"),
        (memory.swap.is_some(), "memory.swap"),
        (memory.kernel_tcp.is_some(), "memory.kernelTCP"),
        (memory.swappiness.is_some(), "memory.swappiness"),
        (memory.disable_oom_killer == Some(true), "memory.disableOOMKiller"),
        (memory.use_hierarchy == Some(false), "memory.useHierarchy"),
    ]
}

fn cpu_controls(cpu: &Cpu) -> [(bool, &'static str); 7] {
    [
        (cpu.shares.is_some(), "cpu.shares"),
        (cpu.quota.is_some(), "cpu.quota"),
        (cpu.period.is_some(), "cpu.period"),
        (cpu.burst.is_some(), "cpu.burst"),
        (cpu.realtime_runtime.is_some(), "cpu.realtimeRuntime"),
        (cpu.realtime_period.is_some(), "cpu.realtimePeriod"),
        (cpu.idle.is_some(), "cpu.idle"),
    ]
}

fn block_io_controls(block_io: &BlockIo) -> [(bool, &'static str); 7] {
    [
        (block_io.weight.is_some(), "blockIO.weight"),
        (block_io.leaf_weight.is_some(), "blockIO.leafWeight"),
        (!block_io.weight_device.is_empty(), "blockIO.weightDevice"),
        (!block_io.read_bps.is_empty(), "blockIO.throttleReadBpsDevice"),
        (!block_io.write_bps.is_empty(), "blockIO.throttleWriteBpsDevice"),
        (!block_io.read_iops.is_empty(), "blockIO.throttleReadIOPSDevice"),
        (!block_io.write_iops.is_empty(), "blockIO.throttleWriteIOPSDevice"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_confinement::resources::Limit;

    #[test]
    fn v2_calls_blkio_io() {
        assert_eq!(Controller::named("io"), Some(Controller::BlockIo));
        assert_eq!(Controller::named("blkio"), Some(Controller::BlockIo));
        assert_eq!(Controller::named("perf_event"), None);
    }

    #[test]
    fn no_limit_needs_no_controller() {
        let mut resources = Resources::default();
        assert!(Controller::ALL.iter().all(|controller| controller.controls(&resources).is_empty()));
        resources.memory.disable_oom_killer = Some(false);
        resources.memory.use_hierarchy = Some(true);
        assert!(Controller::Memory.controls(&resources).is_empty(), "that is how it is anyway");
        resources.pids = Some(Limit::Max);
        assert_eq!(Controller::Pids.controls(&resources), ["pids.limit"]);
    }
}
