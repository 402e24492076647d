//! What it sees of files: `-v`, `--mount`, `--tmpfs`, `--read-only`, `--device`, ...

use clap::Args;
use cofferdam_policy::{
    ByteSize, ContainerRequest, DeviceRequest, DeviceRuleRequest, InvalidOption, TmpfsRequest, VolumeRequest,
};

/// What it sees of files.
#[derive(Debug, Clone, Args)]
pub(super) struct FileFlags {
    /// Bind mount a host path, or mount a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<VolumeRequest>,
    /// Attach a file system mount
    #[arg(long, value_name = "type=TYPE,source=...,target=...", value_parser = mount)]
    mount: Vec<VolumeRequest>,
    /// Mount the volumes of another container: CONTAINER[:ro|rw]
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// The driver of new volumes: local is the only one
    #[arg(long, value_name = "DRIVER", value_parser = ["local"])]
    volume_driver: Option<String>,
    /// Mount a tmpfs
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    tmpfs: Vec<TmpfsRequest>,
    /// Mount the container's root read-only
    #[arg(long)]
    read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<ByteSize>,
    /// Add a host device
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]")]
    device: Vec<DeviceRequest>,
    /// Add a rule to the list of allowed devices
    #[arg(long, value_name = "RULE")]
    device_cgroup_rule: Vec<DeviceRuleRequest>,
}

impl FileFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) {
        request.volumes = self.volume;
        request.volumes.extend(self.mount);
        request.volumes_from = self.volumes_from;
        request.tmpfs = self.tmpfs;
        request.read_only = self.read_only;
        request.shm_size = self.shm_size;
        request.devices = self.device;
        request.device_cgroup_rules = self.device_cgroup_rule;
    }
}

fn mount(text: &str) -> Result<VolumeRequest, InvalidOption> {
    VolumeRequest::parse_mount(text)
}
