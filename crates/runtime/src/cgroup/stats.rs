//! What a group has used.

use std::collections::BTreeMap;

use cofferdam_confinement::resources::{DeviceNumber, Limit};
use serde::{Deserialize, Serialize};

use super::Group;
use super::control_file::ControlFileError;

/// What a group has used. What the host does not count is zero or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the parts say it")]
pub struct Stats {
    pub cpu: CpuStats,
    pub memory: MemoryStats,
    pub pids: PidsStats,
    pub block_io: BlockIoStats,
    /// By page size (`2MB`).
    pub huge_pages: BTreeMap<String, HugePageStats>,
}

/// Processor time; all times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuStats {
    /// In all.
    pub usage: u64,
    /// In the processes' own code.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// In all, by processor (v1 only).
    pub per_cpu: Vec<u64>,
    /// Periods of the quota that have passed while the group had work.
    pub periods: u64,
    /// Those in which it used up its quota.
    pub throttled_periods: u64,
    /// How long it had to wait for that.
    pub throttled: u64,
}

/// One kind of memory; bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Now.
    pub usage: u64,
    /// At most so far; zero if the kernel does not say.
    pub max_usage: u64,
    /// How often the ceiling was hit.
    pub failures: u64,
    /// The ceiling; absent if the kernel does not say.
    pub limit: Option<Limit>,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryStats {
    /// Memory.
    pub memory: MemoryUse,
    /// Memory and swap together, as OCI counts it (v2's own files count swap alone).
    pub swap: MemoryUse,
    /// Kernel memory.
    pub kernel: MemoryUse,
    /// TCP buffers (v1 only).
    pub kernel_tcp: MemoryUse,
    /// `memory.stat`
    pub details: BTreeMap<String, u64>,
    /// Processes killed for a lack of memory.
    pub oom_kills: u64,
}

impl MemoryStats {
    /// Memory in use without the file pages that the kernel can take back at once: what `docker stats` shows.
    #[must_use]
    pub fn working_set(&self) -> u64 {
        let inactive = ["total_inactive_file", "inactive_file"].iter().find_map(|key| self.details.get(*key));
        self.memory.usage.saturating_sub(inactive.copied().unwrap_or(0))
    }

    /// The page cache.
    #[must_use]
    pub fn cache(&self) -> u64 {
        ["cache", "file"].iter().find_map(|key| self.details.get(*key)).copied().unwrap_or(0)
    }
}

/// Tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// The ceiling.
    pub limit: Option<Limit>,
}

/// One count of block I/O.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoCount {
    /// Which device.
    pub device: DeviceNumber,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard` or `Total`, as v1 spells them.
    pub operation: String,
    /// Bytes or operations.
    pub count: u64,
}

/// Block I/O.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlockIoStats {
    /// Bytes.
    pub bytes: Vec<IoCount>,
    /// Operations.
    pub operations: Vec<IoCount>,
}

impl BlockIoStats {
    /// Bytes of one operation over all devices.
    #[must_use]
    pub fn total_bytes(&self, operation: &str) -> u64 {
        self.bytes.iter().filter(|count| count.operation == operation).map(|count| count.count).sum()
    }
}

/// Huge pages of one size; bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HugePageStats {
    /// Now.
    pub usage: u64,
    /// At most so far; zero if the kernel does not say.
    pub max_usage: u64,
    /// How often the ceiling was hit.
    pub failures: u64,
}

impl Group {
    /// What the group has used up to now.
    pub fn stats(&self) -> Result<Stats, ControlFileError> {
        let mut stats = Stats::default();
        for place in self.places() {
            for controller in &place.hierarchy.controllers {
                place.version().read_stats(*controller, &place.folder, &mut stats)?;
            }
        }
        Ok(stats)
    }
}

/// A number with nothing around it but white space; `max` is none.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The lines `KEY NUMBER` of a file.
pub(super) fn keyed_numbers(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), number(value)?))
        })
        .collect()
}

/// `8:16`
pub(super) fn device(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// The page sizes for which the kernel has huge pages, as its control files name them.
pub(super) fn huge_page_sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let kilobytes: u64 =
                name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            Some(match kilobytes {
                size if size % (1 << 20) == 0 => format!("{}GB", size >> 20),
                size if size % (1 << 10) == 0 => format!("{}MB", size >> 10),
                size => format!("{size}KB"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_set_leaves_out_what_can_be_taken_back() {
        let mut memory = MemoryStats {
            memory: MemoryUse { usage: 100, ..MemoryUse::default() },
            ..MemoryStats::default()
        };
        assert_eq!(memory.working_set(), 100);
        memory.details = keyed_numbers("inactive_file 30\ntotal_inactive_file 40\ncache 5\nodd\n");
        assert_eq!(memory.working_set(), 60);
        assert_eq!(memory.cache(), 5);
    }

    #[test]
    fn device_numbers() {
        assert_eq!(device("8:16"), Some(DeviceNumber { major: 8, minor: 16 }));
        assert_eq!(device("Total"), None);
    }
}
