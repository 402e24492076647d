//! Limits: `--memory`, `--cpus`, `--pids-limit`, `--ulimit`, ...

use clap::Args;
use cofferdam_policy::{
    ByteSize, Ceiling, ContainerRequest, CpuCount, DeviceRate, DeviceWeight, ResourceRequest, Ulimit,
};

/// What `update` can change as well.
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitFlags {
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL")]
    cpus: Option<CpuCount>,
    /// CPU shares, relative to other containers (2 to 262144)
    #[arg(short = 'c', long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// CPU CFS period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// CPU CFS quota in microseconds (-1: none)
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<i64>,
    /// CPU real-time period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<u64>,
    /// CPU real-time runtime in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_runtime: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<ByteSize>,
    /// Memory and swap together (-1: unlimited swap)
    #[arg(long, value_name = "BYTES")]
    memory_swap: Option<Ceiling>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<ByteSize>,
    /// Processes in the container, at most (-1: unlimited)
    #[arg(long, value_name = "NUMBER")]
    pids_limit: Option<Ceiling>,
    /// Block I/O weight (10 to 1000)
    #[arg(long, value_name = "WEIGHT", value_parser = clap::value_parser!(u16).range(10..=1000))]
    blkio_weight: Option<u16>,
}

impl LimitFlags {
    /// Puts them into a request; what was not given stays absent.
    pub(crate) fn apply(self, resources: &mut ResourceRequest) {
        resources.cpus = self.cpus;
        resources.cpu_shares = self.cpu_shares;
        resources.cpu_period = self.cpu_period;
        resources.cpu_quota = self.cpu_quota;
        resources.cpu_rt_period = self.cpu_rt_period;
        resources.cpu_rt_runtime = self.cpu_rt_runtime;
        resources.cpuset_cpus = self.cpuset_cpus;
        resources.cpuset_mems = self.cpuset_mems;
        resources.memory = self.memory;
        resources.memory_swap = self.memory_swap;
        resources.memory_reservation = self.memory_reservation;
        resources.pids_limit = self.pids_limit;
        resources.blkio_weight = self.blkio_weight;
    }
}

/// Limits that are set at the start only.
#[derive(Debug, Clone, Args)]
pub(super) struct StartLimitFlags {
    /// A resource limit (getrlimit(2))
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<Ulimit>,
    /// Tune memory swappiness (0 to 100)
    #[arg(long, value_name = "PERCENT", value_parser = swappiness)]
    memory_swappiness: Option<u64>,
    /// Disable the out-of-memory killer for the container
    #[arg(long)]
    oom_kill_disable: bool,
    /// Block I/O weight of one device
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<DeviceWeight>,
    /// Limit the read rate from a device, in bytes per second
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_bps: Vec<DeviceRate>,
    /// Limit the write rate to a device, in bytes per second
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_bps: Vec<DeviceRate>,
    /// Limit the read rate from a device, in operations per second
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_iops: Vec<DeviceRate>,
    /// Limit the write rate to a device, in operations per second
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_iops: Vec<DeviceRate>,
}

impl StartLimitFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) {
        request.ulimits = self.ulimit;
        let resources = &mut request.resources;
        // -1 is Docker's word for "as the host has it".
        resources.memory_swappiness = self.memory_swappiness.filter(|percent| *percent <= 100);
        resources.oom_kill_disable = self.oom_kill_disable;
        resources.blkio_weight_devices = self.blkio_weight_device;
        resources.device_read_bps = self.device_read_bps;
        resources.device_write_bps = self.device_write_bps;
        resources.device_read_iops = self.device_read_iops;
        resources.device_write_iops = self.device_write_iops;
    }
}

fn swappiness(text: &str) -> Result<u64, &'static str> {
    match text {
        "-1" => Ok(u64::MAX),
        _ => {
            text.parse().ok().filter(|percent| *percent <= 100).ok_or("it is 0 to 100, or -1 for the host's")
        }
    }
}
