//! Limits as the files of cgroup v1 (`Documentation/admin-guide/cgroup-v1/`). Pure.

use cofferdam_confinement::resources::{
    BlockIoWeight, Cpu, DeviceNumber, DeviceRate, InterfaceName, Limit, Memory, Network,
};

use super::V1;
use crate::cgroup::error::Unenforceable;
use crate::cgroup::limits::{BlockIoWords, Dialect, Rate};
use crate::cgroup::setting::Reading;
use crate::cgroup::version::{page_size, unenforceable};
use crate::cgroup::{Controller, Setting};

impl Dialect for V1 {
    fn bytes(
        &self,
        control: &'static str,
        controller: Controller,
        file: String,
        limit: Limit,
        unit: u64,
    ) -> Setting {
        bytes(control, controller, file, limit, unit)
    }

    fn memory(&self, memory: &Memory) -> Result<Vec<Setting>, Unenforceable> {
        self::memory(memory)
    }

    fn cpu(&self, cpu: &Cpu) -> Result<Vec<Setting>, Unenforceable> {
        Ok(self::cpu(cpu))
    }

    fn block_io(&self) -> BlockIoWords {
        BlockIoWords {
            weights: ["blkio.bfq.weight", "blkio.weight"],
            no_weights: (
                "this kernel has no weights for block I/O in cgroup v1",
                "use a kernel with the BFQ scheduler (CONFIG_BFQ_GROUP_IOSCHED), or leave it out",
            ),
            no_leaf_weights: "leaf weights went away with the CFQ scheduler in Linux 5.0",
        }
    }

    fn weight(&self, file: &'static str, device: Option<DeviceNumber>, weight: BlockIoWeight) -> Setting {
        let Some(device) = device else {
            return Setting::whole("blockIO.weight", Controller::BlockIo, file, weight.get());
        };
        let (file, line) = (format!("{file}_device"), format!("{device} {}", weight.get()));
        Setting::whole("blockIO.weightDevice", Controller::BlockIo, file, line)
            .reads_back(weight.get())
            .read_as(Reading::Line { key: device.to_string(), absent: "" })
            .of(&device)
    }

    fn rate(&self, control: &'static str, kind: Rate, rate: &DeviceRate) -> Setting {
        let file = match kind {
            Rate::ReadBps => "blkio.throttle.read_bps_device",
            Rate::WriteBps => "blkio.throttle.write_bps_device",
            Rate::ReadIops => "blkio.throttle.read_iops_device",
            Rate::WriteIops => "blkio.throttle.write_iops_device",
        };
        Setting::whole(control, Controller::BlockIo, file, format!("{} {}", rate.device, rate.rate))
            .reads_back(rate.rate)
            .read_as(Reading::Line { key: rate.device.to_string(), absent: "0" })
    }

    fn huge_page_files(&self) -> [&'static str; 2] {
        ["limit_in_bytes", "rsvd.limit_in_bytes"]
    }

    fn network(&self, controller: Controller, network: &Network) -> Vec<Setting> {
        match controller {
            Controller::NetCls => class_id(network),
            Controller::NetPrio => priorities(network),
            _ => Vec::new(),
        }
    }
}

/// The kernel counts in units of `unit` bytes, rounds down, and its largest count is that of `LONG_MAX` bytes in pages.
fn bytes(
    control: &'static str,
    controller: Controller,
    file: impl Into<std::borrow::Cow<'static, str>>,
    limit: Limit,
    unit: u64,
) -> Setting {
    const LARGEST: u64 = i64::MAX as u64;
    let largest = LARGEST - LARGEST % page_size();
    let largest = largest - largest % unit;
    match limit {
        Limit::Max => Setting::whole(control, controller, file, "-1").reads_back(largest),
        Limit::Value(number) => {
            let planned = (number - number % unit).min(largest);
            Setting::whole(control, controller, file, number).reads_back(planned)
        }
    }
}

fn memory(memory: &Memory) -> Result<Vec<Setting>, Unenforceable> {
    if memory.use_hierarchy == Some(false) {
        return Err(unenforceable(
            "memory.useHierarchy",
            "since Linux 5.11 children always count towards their group",
            "leave it out or set it to true",
        ));
    }
    let mut settings: Vec<_> = [
        ("memory.limit", "memory.limit_in_bytes", memory.limit),
        ("memory.swap", "memory.memsw.limit_in_bytes", memory.swap),
        ("memory.reservation", "memory.soft_limit_in_bytes", memory.reservation),
        ("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp),
    ]
    .into_iter()
    .filter_map(|(control, file, limit)| Some(bytes(control, Controller::Memory, file, limit?, page_size())))
    .collect();
    if let Some(swappiness) = memory.swappiness {
        settings.push(Setting::whole(
            "memory.swappiness",
            Controller::Memory,
            "memory.swappiness",
            swappiness.get(),
        ));
    }
    if let Some(disabled) = memory.disable_oom_killer {
        settings.push(
            Setting::whole(
                "memory.disableOOMKiller",
                Controller::Memory,
                "memory.oom_control",
                u8::from(disabled),
            )
            .read_as(Reading::Line { key: "oom_kill_disable".to_owned(), absent: "" }),
        );
    }
    Ok(settings)
}

fn cpu(cpu: &Cpu) -> Vec<Setting> {
    let time = |limit: Limit| limit.value().map_or_else(|| "-1".to_owned(), |number| number.to_string());
    let idle = cpu.idle.unwrap_or(false);
    [
        // An idle group has the least weight there is, and the kernel refuses another one. Out of idleness it comes back
        // with the default weight, so the order matters: idle first.
        ("cpu.idle", "cpu.idle", cpu.idle.map(|idle| u8::from(idle).to_string())),
        ("cpu.shares", "cpu.shares", cpu.shares.filter(|_| !idle).map(|shares| shares.get().to_string())),
        ("cpu.period", "cpu.cfs_period_us", cpu.period.map(|period| period.to_string())),
        ("cpu.quota", "cpu.cfs_quota_us", cpu.quota.map(time)),
        ("cpu.burst", "cpu.cfs_burst_us", cpu.burst.map(|burst| burst.to_string())),
        ("cpu.realtimePeriod", "cpu.rt_period_us", cpu.realtime_period.map(|period| period.to_string())),
        ("cpu.realtimeRuntime", "cpu.rt_runtime_us", cpu.realtime_runtime.map(time)),
    ]
    .into_iter()
    .filter_map(|(control, file, value)| Some(Setting::whole(control, Controller::Cpu, file, value?)))
    .collect()
}

fn class_id(network: &Network) -> Vec<Setting> {
    network
        .class_id
        .map(|id| Setting::whole("network.classID", Controller::NetCls, "net_cls.classid", id))
        .into_iter()
        .collect()
}

fn priorities(network: &Network) -> Vec<Setting> {
    let setting = |(interface, priority): (&InterfaceName, &u32)| {
        Setting::whole(
            "network.priorities",
            Controller::NetPrio,
            "net_prio.ifpriomap",
            format!("{interface} {priority}"),
        )
        .reads_back(priority)
        .read_as(Reading::Line { key: format!("{interface}"), absent: "0" })
        .of(interface)
    };
    network.priorities.iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::limits::written::{by, expect, refused};
    use cofferdam_confinement::resources::{CpuShares, DeviceWeight, HugePageSize, NumberList, Resources};

    fn written(controller: Controller, resources: &Resources) -> Vec<(String, String, String)> {
        by(&V1, "blkio.bfq.weight", controller, resources)
    }

    #[test]
    fn memory_is_counted_in_whole_pages_and_lifted_by_minus_one() {
        let mut resources = Resources::default();
        resources.memory.limit = Some(Limit::Value(page_size() * 3 + 1));
        resources.memory.swap = Some(Limit::Max);
        let (three, largest) = (page_size() * 3, i64::MAX as u64 - i64::MAX as u64 % page_size());
        expect(
            &written(Controller::Memory, &resources),
            &[
                ("memory.limit_in_bytes", &(three + 1).to_string(), &three.to_string()),
                ("memory.memsw.limit_in_bytes", "-1", &largest.to_string()),
            ],
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let mut resources = Resources::default();
        resources.memory.swap = Some(Limit::Value(1));
        let refused = |resources: &Resources| refused(&V1, Controller::Memory, resources, true).control;
        assert_eq!(refused(&resources), "memory.swap");
        resources.memory.limit = Some(Limit::Value(2));
        assert_eq!(refused(&resources), "memory.swap");
        resources.memory.swap = None;
        resources.memory.use_hierarchy = Some(false);
        assert_eq!(refused(&resources), "memory.useHierarchy");
    }

    #[test]
    fn an_idle_group_is_told_no_shares() {
        let mut resources = Resources::default();
        resources.cpu.idle = Some(true);
        resources.cpu.shares = Some(CpuShares::DEFAULT);
        expect(&written(Controller::Cpu, &resources), &[("cpu.idle", "1", "1")]);
        resources.cpu.idle = Some(false);
        expect(
            &written(Controller::Cpu, &resources),
            &[("cpu.idle", "0", "0"), ("cpu.shares", "1024", "1024")],
        );
    }

    #[test]
    fn processor_time_and_lists() {
        let mut resources = Resources::default();
        resources.cpu.quota = Some(Limit::Max);
        resources.cpu.period = Some(50_000);
        resources.cpu.cpus = Some(NumberList::try_from("1,0").unwrap());
        expect(
            &written(Controller::Cpu, &resources),
            &[("cpu.cfs_period_us", "50000", "50000"), ("cpu.cfs_quota_us", "-1", "-1")],
        );
        expect(&written(Controller::Cpuset, &resources), &[("cpuset.cpus", "0-1", "0-1")]);
    }

    #[test]
    fn block_io_goes_to_bfq_and_to_the_throttle_files() {
        let mut resources = Resources::default();
        let device = DeviceNumber { major: 8, minor: 16 };
        resources.block_io.weight = BlockIoWeight::try_from(100).ok();
        resources.block_io.weight_device =
            vec![DeviceWeight { device, weight: BlockIoWeight::try_from(50).ok(), leaf_weight: None }];
        resources.block_io.write_iops = vec![DeviceRate { device, rate: 9 }];
        expect(
            &written(Controller::BlockIo, &resources),
            &[
                ("blkio.bfq.weight", "100", "100"),
                ("blkio.bfq.weight_device", "8:16 50", "50"),
                ("blkio.throttle.write_iops_device", "8:16 9", "9"),
            ],
        );
        assert_eq!(refused(&V1, Controller::BlockIo, &resources, false).control, "blockIO.weight");
        resources.block_io.leaf_weight = BlockIoWeight::try_from(50).ok();
        assert_eq!(refused(&V1, Controller::BlockIo, &resources, true).control, "blockIO.leafWeight");
    }

    #[test]
    fn huge_pages_are_limited_in_use_and_in_reserve() {
        let mut resources = Resources::default();
        resources.huge_pages.insert(HugePageSize::try_from("2MB").unwrap(), Limit::Value((5 << 20) + 7));
        let five = ((5u64 << 20) + 7).to_string();
        expect(
            &written(Controller::HugeTlb, &resources),
            &[
                ("hugetlb.2MB.limit_in_bytes", &five, &(4u64 << 20).to_string()),
                ("hugetlb.2MB.rsvd.limit_in_bytes", &five, &(4u64 << 20).to_string()),
            ],
        );
    }
}
