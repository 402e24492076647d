//! The plan of one container.

use std::collections::BTreeMap;

use cofferdam_names::{ContainerId, ContainerPath, ZoneName};
use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::{Cgroup, Device, Hooks, MemoryPolicy, Mount, Namespaces, Process, Root};

/// The version of the plan's JSON shape. It grows by one with each change that an old reader would get wrong.
pub const SCHEMA_VERSION: u32 = 1;

/// What the machine does for one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`SCHEMA_VERSION`] of the code that wrote it.
    pub schema: u32,
    /// Whose plan it is.
    pub container: ContainerId,
    /// The zone it was made under; none for a bundle that an OCI caller brought.
    pub zone: Option<ZoneName>,
    /// Which namespaces are new, joined or the host's, and the id maps and clock offsets that belong to them.
    pub namespaces: Namespaces,
    /// The root file system.
    pub root: Root,
    /// What is mounted in it, in this order.
    pub mounts: Vec<Mount>,
    /// Device nodes to make (or to bind from the host, where a user namespace forbids making them).
    pub devices: Vec<Device>,
    /// Paths hidden from the container: files behind `/dev/null`, folders behind an empty read-only tmpfs.
    pub masked_paths: Vec<ContainerPath>,
    /// Paths made read-only in place.
    pub readonly_paths: Vec<ContainerPath>,
    /// Name in the UTS namespace.
    pub hostname: Option<String>,
    /// NIS domain name in the UTS namespace.
    pub domainname: Option<String>,
    /// Kernel parameters; only those that belong to one of the container's own namespaces. The parts of a name are
    /// separated by dots, and a `/` stands for a dot within a part (`net.ipv4.conf.eth0/100.rp_filter`).
    pub sysctls: BTreeMap<String, String>,
    /// Whether the loopback link of a new network namespace is brought up.
    pub loopback_up: bool,
    /// The container's link, addresses, published ports and packet rules; none where its network namespace has its own
    /// loopback only, or is not new.
    #[serde(default)]
    pub network: Option<Network>,
    /// Network devices of the host that move into the container (OCI 1.3 `linux.netDevices`): host name to new name.
    pub net_devices: BTreeMap<String, String>,
    /// Whether the first process joins a session keyring of its own (keyrings(7)), so that it sees none of its caller's keys.
    pub session_keyring: bool,
    /// Execution domain (personality(2)): the raw value, absent to leave it.
    pub personality: Option<u64>,
    /// From which nodes its processes get their memory; absent to leave it (OCI 1.3 `linux.memoryPolicy`).
    #[serde(default)]
    pub memory_policy: Option<MemoryPolicy>,
    /// Where the container is accounted and limited.
    pub cgroup: Cgroup,
    /// The container's first process.
    pub process: Process,
    /// Programs run on the host's behalf around the container's life.
    pub hooks: Hooks,
    /// Carried for callers that ask for them back; never read as configuration.
    pub annotations: BTreeMap<String, String>,
}

impl Plan {
    /// The plan of the same container with another process in the place of its first one: what `exec` carries out.
    #[must_use]
    pub fn with_process(&self, process: Process) -> Self {
        Self { process, ..self.clone() }
    }
}
