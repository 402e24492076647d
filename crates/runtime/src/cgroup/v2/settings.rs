//! Limits as the files of cgroup v2 (`Documentation/admin-guide/cgroup-v2.rst`). Pure.

use cofferdam_confinement::resources::{
    BlockIoWeight, Cpu, CpuShares, DeviceNumber, DeviceRate, HugePageSize, Limit, Memory, Network,
    UnifiedFile,
};

use super::V2;
use crate::cgroup::error::Unenforceable;
use crate::cgroup::limits::{BlockIoWords, Dialect, Rate};
use crate::cgroup::setting::Reading;
use crate::cgroup::version::{page_size, unenforceable};
use crate::cgroup::{Controller, Setting};

impl Dialect for V2 {
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
        self::cpu(cpu)
    }

    fn block_io(&self) -> BlockIoWords {
        BlockIoWords {
            weights: ["io.bfq.weight", "io.weight"],
            no_weights: (
                "this kernel has no weights for block I/O",
                "use a kernel with BFQ (CONFIG_BFQ_GROUP_IOSCHED) or io.cost (CONFIG_BLK_CGROUP_IOCOST), or leave it out",
            ),
            no_leaf_weights: "cgroup v2 has no leaf weights",
        }
    }

    fn weight(&self, file: &'static str, device: Option<DeviceNumber>, weight: BlockIoWeight) -> Setting {
        let weight = io_weight(file, weight);
        let setting = |control, key: String| {
            Setting::whole(control, Controller::BlockIo, file, format!("{key} {weight}"))
                .reads_back(weight)
                .read_as(Reading::Line { key, absent: "" })
        };
        match device {
            None => setting("blockIO.weight", "default".to_owned()),
            Some(device) => setting("blockIO.weightDevice", device.to_string()).of(&device),
        }
    }

    fn rate(&self, control: &'static str, kind: Rate, rate: &DeviceRate) -> Setting {
        let field = match kind {
            Rate::ReadBps => "rbps",
            Rate::WriteBps => "wbps",
            Rate::ReadIops => "riops",
            Rate::WriteIops => "wiops",
        };
        let limit = if rate.rate == 0 { Limit::Max } else { Limit::Value(rate.rate) };
        let key = rate.device.to_string();
        Setting::whole(control, Controller::BlockIo, "io.max", format!("{key} {field}={limit}"))
            .reads_back(limit)
            .read_as(Reading::Field { key, field, absent: "max" })
    }

    fn huge_page_files(&self) -> [&'static str; 2] {
        ["max", "rsvd.max"]
    }

    /// Packets are marked by v1's controllers only.
    fn network(&self, _: Controller, _: &Network) -> Vec<Setting> {
        Vec::new()
    }
}

/// A file of v2, written as the caller has it.
pub(in crate::cgroup) fn unified(file: &UnifiedFile, value: &str) -> Vec<Setting> {
    let setting = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let fields: Vec<_> = words.filter_map(|word| Some(word.split_once('=')?.0.to_owned())).collect();
        let setting = Setting {
            control: format!("unified[{file}]").into(),
            controller: Controller::named(file.controller()),
            file: file.to_string().into(),
            value: line.to_owned(),
            planned: whole_units(file, line),
            reading: Reading::Words(line.split_whitespace().count()),
        };
        if !fields.is_empty() {
            setting.read_as(Reading::Fields { key: first.to_owned(), fields })
        } else if first == "default" || first.contains(':') {
            let rest = line.trim_start()[first.len()..].trim().to_owned();
            setting.reads_back(rest).read_as(Reading::Line { key: first.to_owned(), absent: "" })
        } else {
            setting
        }
    };
    value.lines().filter(|line| !line.trim().is_empty()).map(setting).collect()
}

/// The kernel counts memory in whole pages and huge pages in whole huge pages.
fn whole_units(file: &UnifiedFile, line: &str) -> String {
    let unit = match file.controller() {
        "memory" => Some(page_size()),
        "hugetlb" => file
            .as_str()
            .split('.')
            .nth(1)
            .and_then(|size| HugePageSize::try_from(size).ok())
            .map(|size| size.bytes()),
        _ => None,
    };
    match (unit, line.trim().parse::<u64>()) {
        (Some(unit), Ok(number)) => (number - number % unit).to_string(),
        _ => line.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// `max` is what the kernel shows for a count that reaches its largest.
fn bytes(
    control: &'static str,
    controller: Controller,
    file: impl Into<std::borrow::Cow<'static, str>>,
    limit: Limit,
    unit: u64,
) -> Setting {
    let planned = match limit {
        Limit::Value(number) if number / page_size() < i64::MAX as u64 / page_size() => {
            Limit::Value(number - number % unit)
        }
        _ => Limit::Max,
    };
    Setting::whole(control, controller, file, limit).reads_back(planned)
}

fn memory(memory: &Memory) -> Result<Vec<Setting>, Unenforceable> {
    let on_v1_only = |control| unenforceable(control, "cgroup v2 has no such control", "leave it out");
    if memory.kernel_tcp.is_some() {
        return Err(on_v1_only("memory.kernelTCP"));
    }
    if memory.swappiness.is_some() {
        return Err(on_v1_only("memory.swappiness"));
    }
    if memory.disable_oom_killer == Some(true) {
        return Err(on_v1_only("memory.disableOOMKiller"));
    }
    if memory.use_hierarchy == Some(false) {
        return Err(unenforceable(
            "memory.useHierarchy",
            "cgroup v2 always counts children towards their group",
            "leave it out or set it to true",
        ));
    }
    // OCI's swap counts memory too, v2's does not. check_swap has seen to it that the difference exists.
    let swap = memory.swap.map(|swap| match (swap, memory.limit) {
        (Limit::Value(swap), Some(Limit::Value(limit))) => Limit::Value(swap - limit),
        _ => Limit::Max,
    });
    Ok([
        ("memory.limit", "memory.max", memory.limit),
        ("memory.swap", "memory.swap.max", swap),
        ("memory.reservation", "memory.low", memory.reservation),
    ]
    .into_iter()
    .filter_map(|(control, file, limit)| Some(bytes(control, Controller::Memory, file, limit?, page_size())))
    .collect())
}

/// v1's shares (2 to 262,144, usually 1,024) as v2's weight (1 to 10,000, usually 100): the conversion that runc and
/// crun agreed on in 2025, which maps both ends and the default onto each other. The straight line that came before
/// gave a default share the weight 39, below that of a group that was told nothing.
fn weight(shares: CpuShares) -> u32 {
    if shares <= CpuShares::MIN {
        return 1;
    }
    if shares >= CpuShares::MAX {
        return 10_000;
    }
    let log = f64::from(shares.get()).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // The default's exponent is 2, which floating point may miss by its last bit; rounding up must not make it 101.
    let weight = (10f64.powf(exponent) - 1e-9).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10,000")]
    let weight = weight.clamp(1.0, 10_000.0) as u32;
    weight
}

fn cpu(cpu: &Cpu) -> Result<Vec<Setting>, Unenforceable> {
    for (control, wanted) in [
        ("cpu.realtimeRuntime", cpu.realtime_runtime.is_some()),
        ("cpu.realtimePeriod", cpu.realtime_period.is_some()),
    ] {
        if wanted {
            return Err(unenforceable(
                control,
                "cgroup v2 has no limit on real-time tasks",
                "leave it out; without CAP_SYS_NICE a container cannot have real-time tasks",
            ));
        }
    }
    const PERIOD: u64 = 100_000;
    let idle = cpu.idle.unwrap_or(false);
    let max = (cpu.quota.is_some() || cpu.period.is_some())
        .then(|| format!("{} {}", cpu.quota.unwrap_or(Limit::Max), cpu.period.unwrap_or(PERIOD)));
    Ok([
        // As in v1: an idle group has the least weight and refuses another one.
        ("cpu.idle", "cpu.idle", cpu.idle.map(|idle| u8::from(idle).to_string())),
        ("cpu.shares", "cpu.weight", cpu.shares.filter(|_| !idle).map(|shares| weight(shares).to_string())),
        (if cpu.quota.is_some() { "cpu.quota" } else { "cpu.period" }, "cpu.max", max),
        ("cpu.burst", "cpu.max.burst", cpu.burst.map(|burst| burst.to_string())),
    ]
    .into_iter()
    .filter_map(|(control, file, value)| Some(Setting::whole(control, Controller::Cpu, file, value?)))
    .collect())
}

/// `io.weight` has 1 to 10,000 where OCI has 10 to 1,000; BFQ has OCI's own range.
fn io_weight(file: &str, weight: BlockIoWeight) -> u32 {
    let weight = u32::from(weight.get());
    if file == "io.bfq.weight" { weight } else { 1 + (weight - 10) * 9_999 / 990 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::limits::written::{by, expect, refused};
    use cofferdam_confinement::resources::{DeviceWeight, Resources, Swappiness};

    fn written(controller: Controller, resources: &Resources) -> Vec<(String, String, String)> {
        by(&V2, "io.weight", controller, resources)
    }

    #[test]
    fn shares_map_onto_weights_at_both_ends_and_at_the_default() {
        for (shares, expected) in [(2, 1), (1024, 100), (262_144, 10_000)] {
            assert_eq!(weight(CpuShares::try_from(shares).unwrap()), expected, "{shares}");
        }
        let weights: Vec<_> =
            (2..=262_144).step_by(97).map(|n| weight(CpuShares::try_from(n).unwrap())).collect();
        assert!(weights.is_sorted(), "more shares never weigh less");
    }

    #[test]
    fn swap_is_the_difference() {
        let mut resources = Resources::default();
        resources.memory.limit = Some(Limit::Value(page_size() * 10));
        resources.memory.swap = Some(Limit::Value(page_size() * 15));
        let (ten, five) = ((page_size() * 10).to_string(), (page_size() * 5).to_string());
        expect(
            &written(Controller::Memory, &resources),
            &[("memory.max", &ten, &ten), ("memory.swap.max", &five, &five)],
        );
        resources.memory.swap = Some(Limit::Max);
        expect(
            &written(Controller::Memory, &resources),
            &[("memory.max", &ten, &ten), ("memory.swap.max", "max", "max")],
        );
    }

    #[test]
    fn what_v2_lacks_is_named() {
        let memory = |memory| Resources { memory, ..Resources::default() };
        for (resources, control) in [
            (memory(Memory { kernel_tcp: Some(Limit::Max), ..Memory::default() }), "memory.kernelTCP"),
            (
                memory(Memory { swappiness: Swappiness::try_from(1).ok(), ..Memory::default() }),
                "memory.swappiness",
            ),
            (
                memory(Memory { disable_oom_killer: Some(true), ..Memory::default() }),
                "memory.disableOOMKiller",
            ),
        ] {
            assert_eq!(refused(&V2, Controller::Memory, &resources, true).control, control);
        }
        let mut resources = Resources::default();
        resources.cpu.realtime_runtime = Some(Limit::Value(1));
        assert_eq!(refused(&V2, Controller::Cpu, &resources, true).control, "cpu.realtimeRuntime");
    }

    #[test]
    fn processor_time_is_one_file() {
        let mut resources = Resources::default();
        resources.cpu.quota = Some(Limit::Value(5_000));
        expect(&written(Controller::Cpu, &resources), &[("cpu.max", "5000 100000", "5000 100000")]);
        resources.cpu.quota = None;
        resources.cpu.period = Some(10_000);
        expect(&written(Controller::Cpu, &resources), &[("cpu.max", "max 10000", "max 10000")]);
    }

    #[test]
    fn block_io_is_keyed_by_device() {
        let mut resources = Resources::default();
        let device = DeviceNumber { major: 8, minor: 0 };
        resources.block_io.weight = BlockIoWeight::try_from(10).ok();
        resources.block_io.weight_device =
            vec![DeviceWeight { device, weight: BlockIoWeight::try_from(1000).ok(), leaf_weight: None }];
        resources.block_io.read_bps = vec![DeviceRate { device, rate: 0 }];
        resources.block_io.write_iops = vec![DeviceRate { device, rate: 6 }];
        expect(
            &written(Controller::BlockIo, &resources),
            &[
                ("io.weight", "default 1", "1"),
                ("io.weight", "8:0 10000", "10000"),
                ("io.max", "8:0 rbps=max", "max"),
                ("io.max", "8:0 wiops=6", "6"),
            ],
        );
    }

    #[test]
    fn a_file_of_the_callers_reads_back_in_the_kernels_form() {
        let file = |name| UnifiedFile::try_from(name).unwrap();
        let odd = (page_size() * 2 + 1).to_string();
        for (name, value, planned) in [
            ("memory.high", odd.as_str(), (page_size() * 2).to_string()),
            ("memory.high", "max", "max".to_owned()),
            ("cpu.weight", "42", "42".to_owned()),
            ("cpu.max", "5000", "5000".to_owned()),
            ("io.max", "8:0 rbps=1  wbps=2", "8:0 rbps=1 wbps=2".to_owned()),
            ("io.weight", "default 7", "7".to_owned()),
            ("hugetlb.2MB.max", "2097153", "2097152".to_owned()),
        ] {
            let settings = unified(&file(name), value);
            assert_eq!(settings.len(), 1);
            assert_eq!((settings[0].value.as_str(), &settings[0].planned), (value, &planned), "{name}");
        }
        assert_eq!(unified(&file("io.max"), "8:0 rbps=1\n8:16 rbps=1\n").len(), 2);
    }
}
