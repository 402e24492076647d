//! Facts about one container, by one of its processes.

use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::proc::{MountEntry, parse_id_map, parse_mountinfo};
use serde::Serialize;

use crate::fact::{Fact, Unknown};
use crate::host::{Mounts, Process, Source};

/// What a container may use at most; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// Something of the host's that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HostPath {
    /// Where it is on the host.
    pub host: String,
    /// Where the container sees it.
    pub inside: String,
    /// Whether it may be written.
    pub writable: bool,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerFacts {
    /// Engine and id, or the process.
    pub name: String,
    /// One of its processes; the first one where it has its own process namespace.
    pub pid: u32,
    /// The effective user of that process, as the container sees it is not told: this is the host's number.
    pub uid: u32,
    /// The names of the namespaces that it shares with the host.
    pub shared: Fact<Vec<String>>,
    /// The host's user that stands behind the container's root; `None` where nobody does.
    pub root_is: Fact<Option<u64>>,
    /// What it may do.
    pub capabilities: CapSet,
    /// Whether it cannot gain rights by executing.
    pub no_new_privs: bool,
    /// Whether its system calls are filtered.
    pub filtered: bool,
    /// The label of AppArmor or SELinux; `None` where no such module is active.
    pub label: Fact<Option<String>>,
    /// Whether its root file system is read-only.
    pub root_read_only: Fact<bool>,
    /// Files and folders of the host that it sees.
    pub host_paths: Fact<Vec<HostPath>>,
    /// Paths below `/proc` and `/sys` that it may write although they belong to the whole host.
    pub kernel_paths: Fact<Vec<String>>,
    /// Mounts that pass on what is mounted below them.
    pub shared_mounts: Fact<Vec<String>>,
    /// Its limits.
    pub limits: Fact<Limits>,
    /// The names of the programs that run in it.
    pub programs: Vec<String>,
}

impl ContainerFacts {
    /// Whether root in it is the host's root.
    pub fn is_host_root(&self) -> Result<bool, Unknown> {
        Ok(*self.root_is.get()? == Some(0))
    }

    /// Whether it has the capability where it counts: on the host, without a user namespace between.
    pub fn has_on_host(&self, name: &str) -> Result<bool, Unknown> {
        let has = self.capabilities.iter().any(|capability| capability.name() == name);
        Ok(has && self.shares("user")?)
    }

    /// Whether it shares this kind of namespace with the host.
    pub fn shares(&self, namespace: &str) -> Result<bool, Unknown> {
        Ok(self.shared.get()?.iter().any(|name| name == namespace))
    }
}

/// All containers that run, by their processes.
pub(crate) fn all(
    source: &Source,
    processes: &Fact<Vec<Process>>,
    mounts: &Fact<Mounts>,
) -> Fact<Vec<ContainerFacts>> {
    let processes = match processes.get() {
        Ok(processes) => processes,
        Err(reason) => return Fact::Unknown(reason),
    };
    let mut found: Vec<ContainerFacts> = Vec::new();
    let mut named = std::collections::BTreeSet::new();
    for process in processes.iter().filter(|process| process.is_contained()) {
        let name = match process.container() {
            Some((engine, id)) if named.insert(id) => {
                format!("{engine} {}", id.get(..12).unwrap_or(id))
            }
            Some(_) => continue,
            None if process.is_first => format!("process {} ({})", process.pid, process.name),
            None => continue,
        };
        let mut facts = gather(source, process, mounts, &name);
        if let Some((_, id)) = process.container() {
            let same = |other: &&Process| other.container().is_some_and(|(_, other)| other == id);
            facts.programs = processes.iter().filter(same).map(|other| other.name.clone()).collect();
        }
        found.push(facts);
    }
    Fact::Known(found)
}

/// Looks at the container of one process.
pub(crate) fn gather(source: &Source, process: &Process, host: &Fact<Mounts>, name: &str) -> ContainerFacts {
    const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let shared = match &process.own_namespaces {
        Some(own) => {
            let shared = NAMESPACES.iter().filter(|name| !own.iter().any(|have| have == *name));
            Fact::Known(shared.map(|name| (*name).to_owned()).collect())
        }
        None => Fact::unknown(format!("no permission to see the namespaces of process {}", process.pid)),
    };
    let mounts = mounts_of(source, process.pid);
    let seen = |look: fn(&[MountEntry]) -> Vec<String>| mounts.clone().map(|mounts| look(&mounts));
    ContainerFacts {
        name: name.to_owned(),
        pid: process.pid,
        uid: process.uid,
        root_is: root_of_map(source, process.pid),
        capabilities: process.capabilities,
        no_new_privs: process.no_new_privs,
        filtered: process.filtered,
        label: label(source, process.pid),
        root_read_only: mounts.clone().map(|mounts| {
            let root = mounts.iter().rev().find(|mount| mount.mount_point.as_os_str() == "/");
            root.is_some_and(|mount| mount.has("ro") || mount.super_has("ro"))
        }),
        host_paths: host_paths(&mounts, source).into(),
        kernel_paths: seen(kernel_paths),
        shared_mounts: seen(shared_mounts),
        limits: limits(source, process.pid, host).into(),
        programs: vec![process.name.clone()],
        shared,
    }
}

/// The label; a kernel without a module that gives labels has none, and says "invalid argument" when asked.
fn label(source: &Source, pid: u32) -> Fact<Option<String>> {
    let modules = ["/sys/fs/selinux", "/sys/module/apparmor", "/sys/fs/smackfs"];
    if modules.iter().all(|path| source.tree.exists(path) == Fact::Known(false)) {
        return Fact::Known(None);
    }
    source.tree.value(format!("/proc/{pid}/attr/current")).map(|label| {
        label.map(|label| label.trim_matches('\0').trim().to_owned()).filter(|label| !label.is_empty())
    })
}

fn mounts_of(source: &Source, pid: u32) -> Fact<Vec<MountEntry>> {
    let path = format!("/proc/{pid}/mountinfo");
    match source.tree.bytes_up_to(&path, 64 << 20) {
        Fact::Known(Some(bytes)) => parse_mountinfo(&bytes)
            .map_err(|error| Unknown(format!("cannot understand {path}: {error}")))
            .into(),
        Fact::Known(None) => Fact::unknown(format!("{path} does not exist")),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

fn root_of_map(source: &Source, pid: u32) -> Fact<Option<u64>> {
    let path = format!("/proc/{pid}/uid_map");
    let bytes = match source.tree.bytes(&path) {
        Fact::Known(bytes) => bytes.unwrap_or_default(),
        Fact::Unknown(reason) => return Fact::Unknown(reason),
    };
    match parse_id_map(&bytes) {
        Ok(lines) => {
            let line = lines.iter().find(|line| line.inside == 0);
            Fact::Known(line.map(|line| u64::from(line.outside)))
        }
        Err(error) => Fact::unknown(format!("cannot understand {path}: {error}")),
    }
}

/// Where the host has what a mount shows: the host's own mount of the same device whose root covers the mount's.
fn host_paths(mounts: &Fact<Vec<MountEntry>>, source: &Source) -> Result<Vec<HostPath>, Unknown> {
    // What the kernel fills is judged by itself; what an engine makes for the container lies below these.
    const OWN: [&str; 12] = [
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "mqueue",
        "devpts",
        "overlay",
        "fuse.fuse-overlayfs",
        "tracefs",
        "debugfs",
        "securityfs",
        "bpf",
    ];
    const ENGINES: [&str; 7] = [
        "/var/lib/docker/",
        "/var/lib/containers/",
        "/var/lib/containerd/",
        "/run/containers/",
        "/var/lib/cofferdam/",
        "/run/user/",
        "/var/lib/kubelet/pods/",
    ];
    let own = mounts.get()?;
    let host = mounts_of(source, 1);
    let host = host.get()?;
    let mut found = Vec::new();
    for mount in own
        .iter()
        .filter(|mount| mount.mount_point.as_os_str() != "/" && !OWN.contains(&mount.fstype.as_str()))
    {
        let origin = host.iter().filter(|other| other.device == mount.device).find_map(|other| {
            let rest = mount.root.strip_prefix(&other.root).ok()?;
            let path = if rest.as_os_str().is_empty() {
                other.mount_point.clone()
            } else {
                other.mount_point.join(rest)
            };
            Some(path.to_string_lossy().into_owned())
        });
        let Some(path) = origin else { continue };
        if ENGINES.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        found.push(HostPath {
            host: path,
            inside: mount.mount_point.to_string_lossy().into_owned(),
            writable: !(mount.has("ro") || mount.super_has("ro")),
        });
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Files of the whole host's below `/proc` and `/sys` that stand open for writing.
fn kernel_paths(mounts: &[MountEntry]) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["proc", "sysfs"] {
        for mount in mounts
            .iter()
            .filter(|mount| mount.fstype == kind && mount.root.as_os_str() == "/" && !mount.has("ro"))
        {
            let point = mount.mount_point.to_string_lossy();
            let dangerous: &[&str] =
                if kind == "proc" { &["sys", "sysrq-trigger", "irq", "bus"] } else { &["."] };
            for name in dangerous {
                let path =
                    if *name == "." { mount.mount_point.clone() } else { mount.mount_point.join(name) };
                let covered = mounts.iter().any(|other| {
                    other.id != mount.id
                        && other.mount_point == path
                        && (other.has("ro") || other.fstype == "tmpfs")
                });
                if !covered {
                    found.push(if *name == "." {
                        point.clone().into_owned()
                    } else {
                        format!("{point}/{name}")
                    });
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn shared_mounts(mounts: &[MountEntry]) -> Vec<String> {
    let shared = mounts.iter().filter(|mount| mount.peers.shared.is_some());
    shared.map(|mount| mount.mount_point.to_string_lossy().into_owned()).collect()
}

/// The limits of the control group that the process is in, and of those above it.
fn limits(source: &Source, pid: u32, host: &Fact<Mounts>) -> Result<Limits, Unknown> {
    let path = format!("/proc/{pid}/cgroup");
    let text = source.tree.text(&path).get()?.clone();
    let text = text.ok_or_else(|| Unknown(format!("{path} does not exist")))?;
    let mounts = host.get()?;
    let lowest = |controller: &str, v2: &str, v1: &str| -> Option<u64> {
        let group = |wanted: &str| {
            text.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                (controllers.split(',').any(|name| name == wanted))
                    .then(|| fields.next().unwrap_or("/").to_owned())
            })
        };
        let (point, group, file) = match group(controller) {
            Some(group) => {
                let mount = mounts.0.iter().find(|mount| mount.kind == "cgroup" && mount.has(controller))?;
                (&mount.point, group, v1)
            }
            None => {
                let mount = mounts.0.iter().find(|mount| mount.kind == "cgroup2")?;
                (&mount.point, group("")?, v2)
            }
        };
        let mut lowest = None;
        let mut folder = group.as_str();
        for _ in 0..32 {
            let value = source.tree.value(format!("{point}{folder}/{file}"));
            let number = value.known().cloned().flatten().and_then(|text| text.parse::<u64>().ok());
            // v1 writes no limit as a number that no machine has.
            let number = number.filter(|number| *number < 1 << 60);
            lowest = [lowest, number].into_iter().flatten().min();
            match folder.rsplit_once('/') {
                Some((above, _)) => folder = above,
                None => break,
            }
        }
        lowest
    };
    Ok(Limits {
        memory: lowest("memory", "memory.max", "memory.limit_in_bytes"),
        processes: lowest("pids", "pids.max", "pids.max"),
    })
}
