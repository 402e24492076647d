//! Which of the eight namespaces are the container's own.

use std::path::PathBuf;

use cofferdam_kernel::namespace::Namespace;
use serde::{Deserialize, Serialize};

use crate::IdMaps;

/// Where one namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamespaceSource {
    /// The one that the engine runs in: not isolated.
    Host,
    /// A new one for this container.
    New,
    /// An existing one, by the path of its file (`/proc/PID/ns/...` or a bind mount of it).
    Join(PathBuf),
}

impl NamespaceSource {
    /// Whether the container gets a new one.
    #[must_use]
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New)
    }
}

/// An offset of one clock in a new time namespace (time_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockOffset {
    /// Seconds, may be negative.
    pub secs: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanosecs: u32,
}

/// The source of each namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespaces {
    /// Users and groups.
    pub user: NamespaceSource,
    /// The id maps: those to be written where `user` is new, and those that the joined namespace has where the plan's maker
    /// knows them (needed for id-mapped mounts).
    pub id_maps: Option<IdMaps>,
    /// Mounts.
    pub mount: NamespaceSource,
    /// Process ids.
    pub pid: NamespaceSource,
    /// Network devices, addresses, rules and ports.
    pub network: NamespaceSource,
    /// System V IPC and POSIX message queues.
    pub ipc: NamespaceSource,
    /// Host and domain name.
    pub uts: NamespaceSource,
    /// The root of the visible cgroup tree.
    pub cgroup: NamespaceSource,
    /// Boot-time and monotonic clocks.
    pub time: NamespaceSource,
    /// Offset of `CLOCK_MONOTONIC` where `time` is new.
    pub monotonic_offset: Option<ClockOffset>,
    /// Offset of `CLOCK_BOOTTIME` where `time` is new.
    pub boottime_offset: Option<ClockOffset>,
}

impl Namespaces {
    /// All namespaces of the host: the start from which a plan is built.
    #[must_use]
    pub fn host() -> Self {
        use NamespaceSource::Host;
        Self {
            user: Host,
            id_maps: None,
            mount: Host,
            pid: Host,
            network: Host,
            ipc: Host,
            uts: Host,
            cgroup: Host,
            time: Host,
            monotonic_offset: None,
            boottime_offset: None,
        }
    }

    /// The source of one kind.
    #[must_use]
    pub fn source(&self, kind: Namespace) -> &NamespaceSource {
        match kind {
            Namespace::User => &self.user,
            Namespace::Mount => &self.mount,
            Namespace::Pid => &self.pid,
            Namespace::Network => &self.network,
            Namespace::Ipc => &self.ipc,
            Namespace::Uts => &self.uts,
            Namespace::Cgroup => &self.cgroup,
            Namespace::Time => &self.time,
        }
    }

    /// The source of one kind, to be set.
    pub fn source_mut(&mut self, kind: Namespace) -> &mut NamespaceSource {
        match kind {
            Namespace::User => &mut self.user,
            Namespace::Mount => &mut self.mount,
            Namespace::Pid => &mut self.pid,
            Namespace::Network => &mut self.network,
            Namespace::Ipc => &mut self.ipc,
            Namespace::Uts => &mut self.uts,
            Namespace::Cgroup => &mut self.cgroup,
            Namespace::Time => &mut self.time,
        }
    }
}
