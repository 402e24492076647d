//! Limits become settings of control files: what both versions of the interface have in common. Pure.

use cofferdam_confinement::resources::{
    BlockIo, BlockIoWeight, Cpu, DeviceNumber, DeviceRate, Limit, Memory, Network, Resources,
};

use super::error::Unenforceable;
use super::version::{check_swap, rdma_setting, unenforceable};
use super::{Controller, Setting};

/// Which operations on a device a rate holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "plain")]
pub(super) enum Rate {
    ReadBps,
    WriteBps,
    ReadIops,
    WriteIops,
}

/// What a version says of block I/O.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockIoWords {
    /// The file of weights by its names, of which a kernel has one at most.
    pub(super) weights: [&'static str; 2],
    /// Why there is none, and what to do.
    pub(super) no_weights: (&'static str, &'static str),
    /// Why there are no leaf weights.
    pub(super) no_leaf_weights: &'static str,
}

/// How one version writes limits.
pub(super) trait Dialect {
    /// Bytes that the kernel counts in units of `unit` bytes.
    fn bytes(
        &self,
        control: &'static str,
        controller: Controller,
        file: String,
        limit: Limit,
        unit: u64,
    ) -> Setting;

    /// Memory; swap is known to be at least the limit.
    fn memory(&self, memory: &Memory) -> Result<Vec<Setting>, Unenforceable>;

    /// Processor time.
    fn cpu(&self, cpu: &Cpu) -> Result<Vec<Setting>, Unenforceable>;

    /// What it says of block I/O.
    fn block_io(&self) -> BlockIoWords;

    /// A weight in `file`, of one device or of all others.
    fn weight(&self, file: &'static str, device: Option<DeviceNumber>, weight: BlockIoWeight) -> Setting;

    /// A rate of one device.
    fn rate(&self, control: &'static str, kind: Rate, rate: &DeviceRate) -> Setting;

    /// The ends of the names of both files of huge pages: pages in use, and pages reserved by mmap(2), without which a
    /// process over the limit dies by SIGBUS.
    fn huge_page_files(&self) -> [&'static str; 2];

    /// Marks of network packets.
    fn network(&self, controller: Controller, network: &Network) -> Vec<Setting>;
}

/// The values that `controller` is told. `has` says whether a group of this hierarchy has a file of that name; it is asked
/// only where kernels differ.
pub(super) fn settings(
    dialect: &(impl Dialect + ?Sized),
    controller: Controller,
    resources: &Resources,
    has: &dyn Fn(&str) -> bool,
) -> Result<Vec<Setting>, Unenforceable> {
    Ok(match controller {
        Controller::Memory => {
            check_swap(resources)?;
            dialect.memory(&resources.memory)?
        }
        Controller::Cpu => dialect.cpu(&resources.cpu)?,
        Controller::Cpuset => cpuset(&resources.cpu),
        Controller::Pids => resources
            .pids
            .map(|limit| Setting::whole("pids.limit", Controller::Pids, "pids.max", limit))
            .into_iter()
            .collect(),
        Controller::BlockIo => block_io(dialect, &resources.block_io, has)?,
        Controller::HugeTlb => huge_pages(dialect, resources),
        Controller::Rdma => {
            resources.rdma.iter().map(|(device, limit)| rdma_setting(device, limit)).collect()
        }
        Controller::NetCls | Controller::NetPrio => dialect.network(controller, &resources.network),
        Controller::Cpuacct | Controller::Devices | Controller::Freezer => Vec::new(),
    })
}

fn cpuset(cpu: &Cpu) -> Vec<Setting> {
    [("cpu.cpus", "cpuset.cpus", &cpu.cpus), ("cpu.mems", "cpuset.mems", &cpu.mems)]
        .into_iter()
        .filter_map(|(control, file, list)| {
            Some(Setting::whole(control, Controller::Cpuset, file, list.as_ref()?))
        })
        .collect()
}

fn block_io(
    dialect: &(impl Dialect + ?Sized),
    block_io: &BlockIo,
    has: &dyn Fn(&str) -> bool,
) -> Result<Vec<Setting>, Unenforceable> {
    let words = dialect.block_io();
    if block_io.leaf_weight.is_some() || block_io.weight_device.iter().any(|one| one.leaf_weight.is_some()) {
        return Err(unenforceable("blockIO.leafWeight", words.no_leaf_weights, "leave it out"));
    }
    let mut settings = Vec::new();
    if block_io.weight.is_some() || !block_io.weight_device.is_empty() {
        let (reason, remedy) = words.no_weights;
        let file = words.weights.into_iter().find(|file| has(file));
        let file = file.ok_or_else(|| unenforceable("blockIO.weight", reason, remedy))?;
        settings.extend(block_io.weight.map(|weight| dialect.weight(file, None, weight)));
        let devices = block_io.weight_device.iter();
        settings.extend(devices.filter_map(|one| Some(dialect.weight(file, Some(one.device), one.weight?))));
    }
    for (control, kind, rates) in [
        ("blockIO.throttleReadBpsDevice", Rate::ReadBps, &block_io.read_bps),
        ("blockIO.throttleWriteBpsDevice", Rate::WriteBps, &block_io.write_bps),
        ("blockIO.throttleReadIOPSDevice", Rate::ReadIops, &block_io.read_iops),
        ("blockIO.throttleWriteIOPSDevice", Rate::WriteIops, &block_io.write_iops),
    ] {
        settings.extend(rates.iter().map(|rate| dialect.rate(control, kind, rate).of(&rate.device)));
    }
    Ok(settings)
}

fn huge_pages(dialect: &(impl Dialect + ?Sized), resources: &Resources) -> Vec<Setting> {
    let both = |(size, limit): (&cofferdam_confinement::resources::HugePageSize, &Limit)| {
        dialect.huge_page_files().map(|end| {
            let file = format!("hugetlb.{size}.{end}");
            dialect.bytes("hugepageLimits", Controller::HugeTlb, file, *limit, size.bytes()).of(size)
        })
    };
    resources.huge_pages.iter().flat_map(both).collect()
}

/// What the tests of both dialects share.
#[cfg(test)]
pub(super) mod written {
    use super::super::error::Unenforceable;
    use super::{Controller, Dialect, Resources, settings};

    /// Settings as file, value and what it reads back as, for kernels whose file of weights is `weights`.
    pub(crate) fn by(
        dialect: &impl Dialect,
        weights: &str,
        controller: Controller,
        resources: &Resources,
    ) -> Vec<(String, String, String)> {
        settings(dialect, controller, resources, &|file| file == weights)
            .unwrap()
            .into_iter()
            .map(|setting| (setting.file.into_owned(), setting.value, setting.planned))
            .collect()
    }

    /// Why limits are refused.
    pub(crate) fn refused(
        dialect: &impl Dialect,
        controller: Controller,
        resources: &Resources,
        has_files: bool,
    ) -> Unenforceable {
        settings(dialect, controller, resources, &|_| has_files).unwrap_err()
    }

    pub(crate) fn expect(written: &[(String, String, String)], expected: &[(&str, &str, &str)]) {
        let written: Vec<_> = written
            .iter()
            .map(|(file, value, planned)| (file.as_str(), value.as_str(), planned.as_str()))
            .collect();
        assert_eq!(written, expected);
    }
}
