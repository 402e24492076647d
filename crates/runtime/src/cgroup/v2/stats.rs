//! What v2's controllers count.

use std::path::Path;

use cofferdam_confinement::resources::Limit;

use crate::cgroup::Controller;
use crate::cgroup::control_file::{self, ControlFileError, keyed_number};
use crate::cgroup::stats::{
    BlockIoStats, HugePageStats, IoCount, MemoryStats, MemoryUse, Stats, device, huge_page_sizes,
    keyed_numbers, number,
};

/// Adds what `controller` counts. A group that was not handed the controller has none of its files.
pub(super) fn read(controller: Controller, folder: &Path, stats: &mut Stats) -> Result<(), ControlFileError> {
    let file = |name: &str| control_file::read_if_there(&folder.join(name));
    match controller {
        Controller::Cpu => {
            let text = file("cpu.stat")?.unwrap_or_default();
            let nanoseconds = |key| keyed_number(&text, key).unwrap_or(0) * 1000;
            stats.cpu.usage = nanoseconds("usage_usec");
            stats.cpu.user = nanoseconds("user_usec");
            stats.cpu.system = nanoseconds("system_usec");
            stats.cpu.throttled = nanoseconds("throttled_usec");
            stats.cpu.periods = keyed_number(&text, "nr_periods").unwrap_or(0);
            stats.cpu.throttled_periods = keyed_number(&text, "nr_throttled").unwrap_or(0);
        }
        Controller::Memory => stats.memory = memory(folder)?,
        Controller::Pids => {
            stats.pids.current = file("pids.current")?.as_deref().and_then(number).unwrap_or(0);
            stats.pids.limit = file("pids.max")?.as_deref().map(limit);
        }
        Controller::BlockIo => stats.block_io = block_io(&file("io.stat")?.unwrap_or_default()),
        Controller::HugeTlb => {
            for size in huge_page_sizes() {
                let Some(usage) = file(&format!("hugetlb.{size}.current"))? else { continue };
                let events = file(&format!("hugetlb.{size}.events"))?.unwrap_or_default();
                let pages = HugePageStats {
                    usage: number(&usage).unwrap_or(0),
                    max_usage: 0,
                    failures: keyed_number(&events, "max").unwrap_or(0),
                };
                stats.huge_pages.insert(size, pages);
            }
        }
        Controller::Cpuacct
        | Controller::Cpuset
        | Controller::Devices
        | Controller::Freezer
        | Controller::Rdma
        | Controller::NetCls
        | Controller::NetPrio => {}
    }
    Ok(())
}

fn limit(text: &str) -> Limit {
    number(text).map_or(Limit::Max, Limit::Value)
}

fn memory(folder: &Path) -> Result<MemoryStats, ControlFileError> {
    let file = |name: &str| control_file::read_if_there(&folder.join(name));
    let value = |name: &str| -> Result<u64, ControlFileError> {
        Ok(file(name)?.as_deref().and_then(number).unwrap_or(0))
    };
    let events = file("memory.events")?.unwrap_or_default();
    let swap_events = file("memory.swap.events")?.unwrap_or_default();
    let details = keyed_numbers(&file("memory.stat")?.unwrap_or_default());
    let memory = MemoryUse {
        usage: value("memory.current")?,
        max_usage: value("memory.peak")?,
        failures: keyed_number(&events, "max").unwrap_or(0),
        limit: file("memory.max")?.as_deref().map(limit),
    };
    let swap_limit = file("memory.swap.max")?.as_deref().map(limit);
    let swap = MemoryUse {
        usage: memory.usage + value("memory.swap.current")?,
        max_usage: 0,
        failures: keyed_number(&swap_events, "max").unwrap_or(0),
        limit: memory.limit.zip(swap_limit).map(|(memory, swap)| match (memory, swap) {
            (Limit::Value(memory), Limit::Value(swap)) => Limit::Value(memory.saturating_add(swap)),
            _ => Limit::Max,
        }),
    };
    let kernel = MemoryUse { usage: details.get("kernel").copied().unwrap_or(0), ..MemoryUse::default() };
    let oom_kills = keyed_number(&events, "oom_kill").unwrap_or(0);
    Ok(MemoryStats { memory, swap, kernel, kernel_tcp: MemoryUse::default(), details, oom_kills })
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`, in v1's words.
fn block_io(text: &str) -> BlockIoStats {
    let mut stats = BlockIoStats::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(device) = words.next().and_then(device) else { continue };
        for (field, value) in words.filter_map(|word| word.split_once('=')) {
            let (counts, operation) = match field {
                "rbytes" => (&mut stats.bytes, "Read"),
                "wbytes" => (&mut stats.bytes, "Write"),
                "dbytes" => (&mut stats.bytes, "Discard"),
                "rios" => (&mut stats.operations, "Read"),
                "wios" => (&mut stats.operations, "Write"),
                "dios" => (&mut stats.operations, "Discard"),
                _ => continue,
            };
            let Some(count) = number(value) else { continue };
            counts.push(IoCount { device, operation: operation.to_owned(), count });
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_io_is_told_in_v1s_words() {
        let stats = block_io("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5\n");
        assert_eq!(stats.total_bytes("Read"), 15);
        assert_eq!(stats.total_bytes("Write"), 20);
        assert_eq!(stats.operations.len(), 3);
    }
}
