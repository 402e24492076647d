//! What the kernel says about one process: gathered once ([`observe`]), then compared without any further I/O.

mod container;
mod descriptors;
mod filter;
mod gather;
mod group;
mod paths;
mod population;
mod prepare;
mod visit;

use std::collections::BTreeMap;
use std::fmt;

use cofferdam_confinement::seccomp::Program;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{
    ClockOffsets, FileId, IdMapLine, Limit, MountEntry, ProcessStat, SetgroupsState, Status,
};
use cofferdam_kernel::task::SchedAttr;
use cofferdam_names::{ContainerPath, Digest};
use serde::{Deserialize, Serialize};

pub use container::ContainerReading;
pub use descriptors::{OpenFile, OpenFiles};
pub(crate) use gather::observe_with;
pub use gather::{ObserveError, Subject, observe};
pub use group::GroupReading;
pub(crate) use group::{read_limits, read_membership};
pub use paths::{DeviceNode, PathState};
pub use population::{Acquaintances, Member, Population, Stranger, population};
pub use prepare::{HostMount, PrepareError, Prepared};

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable(pub String);

impl Unreadable {
    /// The error with all its causes on one line.
    pub(crate) fn from_error(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self(text)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something read, or why it could not be. Nothing is ever guessed in place of what could not be read.
pub type Reading<T> = Result<T, Unreadable>;

/// When the process is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Stopped at its exec, before the first instruction of the container's own.
    Start,
    /// Later, while it runs: it may have given up rights of its own, changed its folder and opened files.
    Verify,
}

/// Which process of a container is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The first one: it stands for the whole container.
    #[default]
    Container,
    /// One that entered later (`exec`): its own controls, and that it is in the container and nowhere else.
    Entered,
}

/// The numbers of one kind of namespace (namespaces(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceIds {
    /// The process's.
    pub own: Reading<u64>,
    /// The observer's: the host's.
    pub host: Reading<u64>,
    /// The one that it must be in, where that is known: that of the file which the plan joins; for a process that entered,
    /// that of the container's first process.
    pub joined: Option<Reading<u64>>,
}

/// The system call filters of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters {
    /// The programs, oldest first, read back through `PTRACE_SECCOMP_GET_FILTER`.
    pub installed: Reading<Vec<Program>>,
    /// The digest of a program that was seen being installed, where reading back is not allowed.
    pub witnessed: Option<FilterWitness>,
}

/// A program that the tracer saw a traced process hand to seccomp(2), between two readings of `Seccomp_filters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterWitness {
    /// Digest of the instructions.
    pub program: Digest,
    /// How many filters the process had afterwards.
    pub filters: u32,
}

/// Names and values that only a process inside the namespaces can read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inside {
    /// Host name in the UTS namespace.
    pub hostname: String,
    /// NIS domain name in the UTS namespace.
    pub domainname: String,
    /// The planned kernel parameters by name; absent where the file could not be read.
    pub sysctls: BTreeMap<String, Option<String>>,
    /// Whether ids in the values are the container's own: they were read from inside its user namespace.
    pub own_ids: bool,
}

/// All that was read of one process.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each is the file of /proc/PID with the same name, unless said otherwise")]
pub struct Observation {
    pub moment: Moment,
    pub scope: Scope,
    pub status: Reading<Status>,
    pub stat: Reading<ProcessStat>,
    pub uid_map: Reading<Vec<IdMapLine>>,
    pub gid_map: Reading<Vec<IdMapLine>>,
    pub setgroups: Reading<SetgroupsState>,
    pub observer: Observer,
    pub namespaces: BTreeMap<Namespace, NamespaceIds>,
    pub timens_offsets: Reading<ClockOffsets>,
    pub mounts: Reading<Vec<MountEntry>>,
    /// What the host has mounted below the folders that the plan binds with everything below them.
    pub host_mounts: Reading<Vec<HostMount>>,
    /// The planned paths, as they are found inside the container's root.
    pub paths: BTreeMap<ContainerPath, Reading<PathState>>,
    /// The identities of the host's files that the plan mounts, by their place in `plan.mounts`.
    pub sources: BTreeMap<usize, Reading<FileId>>,
    /// The identity of the folder that the plan makes the root, where it is one.
    pub root_source: Option<Reading<FileId>>,
    /// The root of the container's first process, for one that entered.
    pub container_root: Option<Reading<OpenFile>>,
    /// The nodes in the container's `/dev` and its folders, other mounts left out.
    pub device_nodes: Reading<Vec<DeviceNode>>,
    pub limits: Reading<Vec<Limit>>,
    pub oom_score_adj: Reading<i32>,
    pub personality: Reading<u64>,
    /// As `/proc/PID/numa_maps` words it.
    pub memory_policy: Reading<Option<String>>,
    /// sched_getattr(2)
    pub scheduler: Reading<SchedAttr>,
    /// Value of ioprio_get(2).
    pub io_priority: Reading<u16>,
    pub security_label: Reading<Option<String>>,
    pub apparmor_label: Reading<Option<String>>,
    pub filters: Filters,
    /// The container's control group; of it, for a process that entered, only its membership.
    pub group: GroupReading,
    /// sched_getaffinity(2)
    pub affinity: Reading<Vec<usize>>,
    pub files: Reading<OpenFiles>,
    pub inside: Reading<Inside>,
    /// Names of the links in `/proc/PID/net/dev`.
    pub net_links: Reading<Vec<String>>,
    /// Whether 127.0.0.1 is a local address in `/proc/PID/net/fib_trie`.
    pub loopback_up: Reading<bool>,
    /// The container's link and the host's rules for it, each part beside what is planned.
    pub network: Reading<Vec<cofferdam_network::Part>>,
    /// How many descriptors from 3 on were handed over on purpose.
    pub preserved_fds: u32,
    /// The container's other processes, where that was looked into.
    pub population: Option<Reading<Population>>,
}

/// The process that looks. What the plan gives no reason to read is empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Observer {
    /// Its `uid_map`, where the plan shares its user namespace.
    pub uid_map: Reading<Vec<IdMapLine>>,
    /// Its `gid_map`, where the plan shares its user namespace.
    pub gid_map: Reading<Vec<IdMapLine>>,
    /// Its supplementary groups, where the plan denies setgroups(2).
    pub groups: Reading<Vec<u32>>,
    /// Its program: the runtime itself.
    pub exe: Reading<FileId>,
    /// The plan's interpreter for programs of another processor, where it has one.
    pub interpreter: Option<Reading<FileId>>,
}

impl Observation {
    /// An observation in which nothing could be read.
    #[must_use]
    pub fn nothing(moment: Moment, why: &str) -> Self {
        fn unread<T>(why: &str) -> Reading<T> {
            Err(Unreadable(why.to_owned()))
        }
        Self {
            moment,
            scope: Scope::Container,
            status: unread(why),
            stat: unread(why),
            uid_map: unread(why),
            gid_map: unread(why),
            setgroups: unread(why),
            observer: Observer {
                uid_map: unread(why),
                gid_map: unread(why),
                groups: unread(why),
                exe: unread(why),
                interpreter: None,
            },
            namespaces: BTreeMap::new(),
            timens_offsets: unread(why),
            mounts: unread(why),
            host_mounts: unread(why),
            paths: BTreeMap::new(),
            sources: BTreeMap::new(),
            root_source: None,
            container_root: None,
            device_nodes: unread(why),
            limits: unread(why),
            oom_score_adj: unread(why),
            personality: unread(why),
            memory_policy: unread(why),
            scheduler: unread(why),
            io_priority: unread(why),
            security_label: unread(why),
            apparmor_label: unread(why),
            filters: Filters { installed: unread(why), witnessed: None },
            group: GroupReading { limits: unread(why), membership: unread(why) },
            affinity: unread(why),
            files: unread(why),
            inside: unread(why),
            net_links: unread(why),
            loopback_up: unread(why),
            network: unread(why),
            preserved_fds: 0,
            population: Some(unread(why)),
        }
    }
}
