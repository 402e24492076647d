//! What v1's controllers count.

use std::path::Path;

use cofferdam_confinement::resources::Limit;

use crate::cgroup::Controller;
use crate::cgroup::control_file::{self, ControlFileError, keyed_number};
use crate::cgroup::stats::{
    HugePageStats, IoCount, MemoryUse, Stats, device, huge_page_sizes, keyed_numbers, number,
};

/// Adds what `controller` counts.
pub(super) fn read(controller: Controller, folder: &Path, stats: &mut Stats) -> Result<(), ControlFileError> {
    let file = |name: &str| control_file::read(&folder.join(name));
    let value = |name: &str| -> Result<u64, ControlFileError> {
        Ok(control_file::read_if_there(&folder.join(name))?.as_deref().and_then(number).unwrap_or(0))
    };
    match controller {
        Controller::Cpu => {
            let text = file("cpu.stat")?;
            stats.cpu.periods = keyed_number(&text, "nr_periods").unwrap_or(0);
            stats.cpu.throttled_periods = keyed_number(&text, "nr_throttled").unwrap_or(0);
            stats.cpu.throttled = keyed_number(&text, "throttled_time").unwrap_or(0);
        }
        Controller::Cpuacct => {
            stats.cpu.usage = value("cpuacct.usage")?;
            stats.cpu.user = value("cpuacct.usage_user")?;
            stats.cpu.system = value("cpuacct.usage_sys")?;
            stats.cpu.per_cpu = file("cpuacct.usage_percpu")?.split_whitespace().filter_map(number).collect();
        }
        Controller::Memory => {
            stats.memory.memory = memory(folder, "memory")?;
            stats.memory.swap = memory(folder, "memory.memsw")?;
            stats.memory.kernel = memory(folder, "memory.kmem")?;
            stats.memory.kernel_tcp = memory(folder, "memory.kmem.tcp")?;
            stats.memory.details = keyed_numbers(&file("memory.stat")?);
            stats.memory.oom_kills = keyed_number(&file("memory.oom_control")?, "oom_kill").unwrap_or(0);
        }
        Controller::Pids => {
            stats.pids.current = value("pids.current")?;
            stats.pids.limit = Some(number(&file("pids.max")?).map_or(Limit::Max, Limit::Value));
        }
        Controller::BlockIo => {
            stats.block_io.bytes = counts(&file("blkio.throttle.io_service_bytes_recursive")?);
            stats.block_io.operations = counts(&file("blkio.throttle.io_serviced_recursive")?);
        }
        Controller::HugeTlb => {
            for size in huge_page_sizes() {
                let usage = HugePageStats {
                    usage: value(&format!("hugetlb.{size}.usage_in_bytes"))?,
                    max_usage: value(&format!("hugetlb.{size}.max_usage_in_bytes"))?,
                    failures: value(&format!("hugetlb.{size}.failcnt"))?,
                };
                stats.huge_pages.insert(size, usage);
            }
        }
        Controller::Cpuset
        | Controller::Devices
        | Controller::Freezer
        | Controller::Rdma
        | Controller::NetCls
        | Controller::NetPrio => {}
    }
    Ok(())
}

/// The four files of one kind of memory; a kernel without swap accounting has none for `memory.memsw`.
fn memory(folder: &Path, prefix: &str) -> Result<MemoryUse, ControlFileError> {
    // The largest count there is, whatever the page size, stands for "no ceiling".
    const UNLIMITED: u64 = i64::MAX as u64 - (1 << 16);
    let value = |name: &str| -> Result<Option<u64>, ControlFileError> {
        let text = control_file::read_if_there(&folder.join(format!("{prefix}.{name}")))?;
        Ok(text.as_deref().and_then(number))
    };
    Ok(MemoryUse {
        usage: value("usage_in_bytes")?.unwrap_or(0),
        max_usage: value("max_usage_in_bytes")?.unwrap_or(0),
        failures: value("failcnt")?.unwrap_or(0),
        limit: value("limit_in_bytes")?
            .map(|limit| if limit >= UNLIMITED { Limit::Max } else { Limit::Value(limit) }),
    })
}

/// Lines `8:0 Read 4096`; the sum over all devices (`Total 4096`) is left out.
fn counts(text: &str) -> Vec<IoCount> {
    let count = |line: &str| {
        let mut words = line.split_whitespace();
        Some(IoCount {
            device: device(words.next()?)?,
            operation: words.next()?.to_owned(),
            count: words.next()?.parse().ok()?,
        })
    };
    text.lines().filter_map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_io_counts_are_by_device() {
        let counts = counts("8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n");
        assert_eq!(counts.len(), 2);
        assert_eq!((counts[0].operation.as_str(), counts[0].count), ("Read", 4096));
    }
}
