//! What a plan needs to know beside the zone and the request: facts that the engine gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_confinement::network::{AddressRange, Protocol};
use cofferdam_confinement::resources::NumberList;
use cofferdam_confinement::{DeviceKind, IdMaps, Mount, Root, StackedLayers, WindowSize};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_names::{ContainerId, ZoneName};
use serde::{Deserialize, Serialize};

use crate::{HealthWords, ImageOrigin};

/// What an image says of its containers (OCI image-spec, config.md).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// `NAME=value`
    pub env: Vec<String>,
    /// `ENTRYPOINT`
    pub entrypoint: Vec<String>,
    /// `CMD`
    pub cmd: Vec<String>,
    /// `USER`; empty for root.
    pub user: String,
    /// `WORKDIR`; empty for `/`.
    pub workdir: String,
    /// `VOLUME`
    pub volumes: Vec<String>,
    /// `STOPSIGNAL`
    pub stop_signal: Option<String>,
    /// `LABEL`: shown, never read as configuration.
    pub labels: BTreeMap<String, String>,
    /// `EXPOSE`
    pub exposed_ports: Vec<String>,
    /// `HEALTHCHECK`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthWords>,
    /// `SHELL`: the one that a health check's line is given to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// How cgroups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CgroupMode {
    /// One hierarchy per controller (and perhaps a v2 tree beside them).
    V1,
    /// The unified hierarchy alone.
    V2,
    /// None is mounted.
    None,
}

/// A range of ids on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdRange {
    /// Its first id.
    pub first: u32,
    /// How many.
    pub size: u32,
}

/// What this host is and has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
    /// How cgroups are mounted.
    pub cgroup_mode: CgroupMode,
    /// The controllers that the engine may use below its own part of the tree (`memory`, `cpu`, `pids`, ...).
    pub cgroup_controllers: BTreeSet<String>,
    /// Whether the engine may make cgroups: always as root, by delegation otherwise.
    pub cgroup_delegated: bool,
    /// Active security modules, from /sys/kernel/security/lsm.
    pub lsms: Vec<String>,
    /// Whether the engine is an ordinary user.
    pub rootless: bool,
    /// The engine's effective user.
    pub uid: u32,
    /// The engine's effective group.
    pub gid: u32,
    /// The engine's permitted capabilities.
    pub capabilities: CapSet,
    /// The engine's hard limit of open files.
    pub nofile_hard: u64,
    /// The engine's `oom_score_adj`.
    pub oom_score_adj: i32,
    /// Online processors.
    pub cpus: u32,
    /// Which processors are online; read only where a set of them is asked for.
    #[serde(default)]
    pub online_cpus: Option<NumberList>,
    /// Which memory nodes are online; read only where a set of them is asked for.
    #[serde(default)]
    pub online_mems: Option<NumberList>,
    /// Bytes of memory.
    pub memory: u64,
    /// Optional tools that were found (`newuidmap`, `newgidmap`, `apparmor_parser`, ...).
    pub tools: BTreeSet<String>,
    /// Whether the engine may open /dev/net/tun, as an ordinary user's network needs.
    #[serde(default)]
    pub tun: bool,
    /// The lowest port that the engine may listen at (`net.ipv4.ip_unprivileged_port_start`).
    #[serde(default)]
    pub lowest_port: u16,
}

/// The ids set aside for the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum IdAllocation {
    /// Container ids 0 to size - 1 are the host's from `first` on, for users and groups alike (engine is root).
    Range(IdRange),
    /// Container id 0 is the engine's own user and group, and there is no other (rootless without ranges).
    OwnId,
    /// Container id 0 is the engine's own; the following are the subordinate ranges in order (rootless with
    /// newuidmap(1), subuid(5)).
    Subordinate {
        /// From /etc/subuid.
        uids: Vec<IdRange>,
        /// From /etc/subgid.
        gids: Vec<IdRange>,
    },
}

/// A bind mount's source as the engine found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindSource {
    /// Absolute, without symbolic links, `.` and `..`: what is checked against the zone and what is mounted.
    pub canonical: PathBuf,
    /// Whether it is a folder.
    pub directory: bool,
}

/// A volume of the engine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeSource {
    /// The folder that holds its files; absolute, without links.
    pub folder: PathBuf,
    /// The zone whose containers made it.
    pub zone: ZoneName,
}

/// A device file of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "stat(2)'s fields")]
pub struct HostDevice {
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
}

/// Another container whose namespaces are to be shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its zone.
    pub zone: ZoneName,
    /// The file of each of its namespaces.
    pub namespaces: BTreeMap<Namespace, PathBuf>,
    /// Its id maps.
    pub id_maps: Option<IdMaps>,
    /// Whether it was started with `--ipc shareable`.
    pub ipc_shareable: bool,
}

/// What the host has for a container's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkContext {
    /// Whose zones these are: the state folder.
    pub realm: String,
    /// Where IPv4 addresses are from; the first is the host's.
    pub pool4: AddressRange,
    /// Where IPv6 addresses are from; none where the host has no IPv6.
    pub pool6: Option<AddressRange>,
    /// The place in the pools that no other container has.
    pub place: u32,
    /// The largest packet towards the internet, in bytes.
    pub mtu: u32,
    /// The segments of the zone.
    pub segments: Vec<String>,
    /// Ports of the host that nobody uses, for those that are published without a number.
    pub free_ports: Vec<u16>,
    /// Ports that are in use, of the ranges out of which one is to be chosen.
    pub busy_ports: BTreeSet<(Protocol, u16)>,
}

/// What each device file of the host is, by its path.
pub type HostDevices = BTreeMap<PathBuf, HostDevice>;

/// An image whose files are mounted into a container of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountedImage {
    /// Its id.
    pub id: String,
    /// Its layers, topmost first.
    pub lower: Vec<PathBuf>,
    /// One image that shows all of them.
    pub stack: Option<StackedLayers>,
    /// Where it is from, and who signed it.
    pub origin: ImageOrigin,
}

/// Everything that a plan is made from, beside the zone and the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanContext {
    /// What runs the image's programs, where they are another processor's.
    pub interpreter: Option<PathBuf>,
    /// The new container's id.
    pub container: ContainerId,
    /// The ids set aside for it.
    pub ids: IdAllocation,
    /// The root that the engine made ready; whether it is read-only is the plan's choice.
    pub root: Root,
    /// Mounts that belong to the image itself, before all others: image `host` has the host's `/usr` this way.
    pub image_mounts: Vec<Mount>,
    /// What the image says.
    pub image: ImageConfig,
    /// Where it is from, and who signed it.
    pub origin: ImageOrigin,
    /// The image's /etc/passwd; empty if it has none.
    pub passwd: String,
    /// The image's /etc/group; empty if it has none.
    pub group: String,
    /// Facts of the host.
    pub host: HostFacts,
    /// The container's folder on the host, in which the engine writes [`crate::EtcFiles`] as `hostname`, `hosts` and
    /// `resolv.conf`; absolute.
    pub state_dir: PathBuf,
    /// The engine's state and run folders: never brought into a container; absolute, without links.
    pub engine_dirs: Vec<PathBuf>,
    /// Our own program on the host, for `--init`: called as `PROGRAM -- COMMAND...` under a name that ends with `-init`.
    /// Absent where it has no such role.
    pub init_program: Option<PathBuf>,
    /// What each source of [`crate::ContainerRequest::bind_sources`] is; those that do not exist are left out.
    pub bind_sources: BTreeMap<PathBuf, BindSource>,
    /// What each of [`crate::ContainerRequest::volume_names`] is, or will be once the container is allowed.
    pub volumes: BTreeMap<String, VolumeSource>,
    /// What each of [`crate::ContainerRequest::mounted_images`] is, by name.
    pub mounted_images: BTreeMap<String, MountedImage>,
    /// What each of [`crate::ContainerRequest::device_sources`] is; those that are no devices are left out.
    pub host_devices: HostDevices,
    /// What each of [`crate::ContainerRequest::joined_containers`] is; those that do not run are left out.
    pub joined: BTreeMap<String, JoinedContainer>,
    /// The host's network; none where it cannot give a container one, or need not.
    pub network: Option<NetworkContext>,
    /// The client's terminal size where `-t` is given.
    pub window: Option<WindowSize>,
}
