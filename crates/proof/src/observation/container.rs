//! What is read of a container as a whole: its namespaces' contents, mounts and limits. None of it is changed by an execve(2),
//! so it can be read while the first process is becoming its program.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use cofferdam_confinement::{MountKind, NamespaceSource, Plan};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, IdMapLine, MountEntry, ProcDir, ProcFs, SetgroupsState};
use cofferdam_names::ContainerPath;
use cofferdam_network::Part;
use cofferdam_runtime::cgroup::{Group, Observation as Value};
use rustix::process::Pid;

use super::gather::{not_planned, read_namespaces, reading};
use super::group::read_limits;
use super::paths::{ContainerRoot, DeviceNode, PathState};
use super::prepare::Prepared;
use super::visit::read_inside;
use super::{Inside, Moment, ObserveError, Reading, Scope, Subject, Unreadable};

/// What was read of a container as a whole. For a process that entered, only what is needed to tell where its files are.
#[derive(Debug)]
pub struct ContainerReading {
    pub(super) inside: Reading<Inside>,
    pub(super) uid_map: Reading<Vec<IdMapLine>>,
    pub(super) gid_map: Reading<Vec<IdMapLine>>,
    pub(super) setgroups: Reading<SetgroupsState>,
    pub(super) mounts: Reading<Vec<MountEntry>>,
    /// Whether its paths may be looked up.
    pub(super) root: Reading<()>,
    pub(super) paths: BTreeMap<ContainerPath, Reading<PathState>>,
    pub(super) sources: BTreeMap<usize, Reading<FileId>>,
    pub(super) device_nodes: Reading<Vec<DeviceNode>>,
    pub(super) limits: Reading<Vec<Value>>,
    pub(super) net_links: Reading<Vec<String>>,
    pub(super) loopback_up: Reading<bool>,
    pub(super) network: Reading<Vec<Part>>,
}

impl ContainerReading {
    /// Reads it once the container is set up, while its first process takes on its credentials and executes its program.
    /// None where that cannot be done yet: programs of the plan's author still run in the container (startContainer hooks).
    ///
    /// # Errors
    /// The process is not there, or the caller is left in namespaces that are not its own and must end.
    pub fn ahead(
        proc: &ProcFs,
        plan: &Plan,
        pid: Pid,
        group: Option<&Group>,
        prepared: &Prepared,
    ) -> Result<Option<Self>, ObserveError> {
        if !plan.hooks.start_container.is_empty() || prepared.scope() == Scope::Entered {
            return Ok(None);
        }
        let process = proc
            .process(pid)
            .map_err(|source| ObserveError::Process { pid: pid.as_raw_nonzero().get(), source })?;
        let subject = Subject {
            plan,
            pid,
            moment: Moment::Start,
            group,
            preserved_fds: 0,
            filter_witness: None,
            population: None,
        };
        Self::read(proc, &process, &subject, prepared).map(Some)
    }

    pub(super) fn read(
        proc: &ProcFs,
        process: &ProcDir,
        subject: &Subject<'_>,
        prepared: &Prepared,
    ) -> Result<Self, ObserveError> {
        let plan = subject.plan;
        let whole = prepared.scope() == Scope::Container;
        let inside = if whole && needs_visit(plan) {
            read_inside(proc, subject.pid, plan, &read_namespaces(process, prepared))?
        } else {
            Ok(Inside::default())
        };
        let mounts = reading(process.mountinfo());
        let root = open_root(process, plan, subject.moment, &mounts);
        let new_user = whole && plan.namespaces.user != NamespaceSource::Host;
        Ok(Self {
            inside,
            uid_map: reading(process.uid_map()),
            gid_map: reading(process.gid_map()),
            setgroups: if new_user { reading(process.setgroups()) } else { Ok(SetgroupsState::Allow) },
            mounts,
            paths: if whole { read_paths(&root, plan) } else { BTreeMap::new() },
            sources: read_sources(prepared, &root, plan),
            device_nodes: not_planned(whole, || root.as_ref().map_err(Clone::clone)?.device_nodes()),
            root: root.map(drop),
            limits: not_planned(whole, || read_limits(&plan.cgroup, subject.group)),
            net_links: not_planned(whole && looks_at_links(plan, subject.moment), || read_net_links(process)),
            loopback_up: not_planned(whole && plan.loopback_up, || read_loopback(process)),
            network: not_planned(whole && plan.network.is_some(), || read_network(process, plan)),
        })
    }
}

/// What stands at a path of the process's root, if its paths may be looked up.
pub(super) fn look_up_in_root(
    process: &ProcDir,
    allowed: &Reading<()>,
    path: &ContainerPath,
) -> Reading<PathState> {
    allowed.clone()?;
    reading(process.open_link("root")).map(ContainerRoot::new)?.look_up(path)
}

/// Whether the plan says anything that can only be read from inside the namespaces.
fn needs_visit(plan: &Plan) -> bool {
    plan.hostname.is_some() || plan.domainname.is_some() || !plan.sysctls.is_empty()
}

fn open_root(
    process: &ProcDir,
    plan: &Plan,
    moment: Moment,
    mounts: &Reading<Vec<MountEntry>>,
) -> Reading<ContainerRoot> {
    let planned_fuse = plan.mounts.iter().any(
        |mount| matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype.starts_with("fuse")),
    );
    let fuse = |mounts: &Vec<MountEntry>| mounts.iter().any(|mount| mount.fstype.starts_with("fuse"));
    // A FUSE server that the container runs answers path look-ups when it likes, or never.
    if moment == Moment::Verify && !planned_fuse && mounts.as_ref().is_ok_and(fuse) {
        let why =
            "the container has mounted a FUSE file system, which could hold a look at its paths up for ever";
        return Err(Unreadable(why.to_owned()));
    }
    reading(process.open_link("root")).map(ContainerRoot::new)
}

/// The host's files were looked at before; what is bound from the container's own root is looked at there.
fn read_sources(
    prepared: &Prepared,
    root: &Reading<ContainerRoot>,
    plan: &Plan,
) -> BTreeMap<usize, Reading<FileId>> {
    let look_up = |path: ContainerPath| match root.as_ref().map_err(Clone::clone)?.look_up(&path)? {
        PathState::Present { file, .. } => Ok(file),
        PathState::Absent => Err(Unreadable(format!("{path} is not in the container"))),
    };
    let mut sources = prepared.sources.clone();
    for (place, mount) in plan.mounts.iter().enumerate() {
        let MountKind::Bind { source, .. } = &mount.kind else { continue };
        if let (Some(inside), true) = (plan.root.inside(source), prepared.scope() == Scope::Container) {
            sources.insert(place, look_up(inside));
        }
    }
    sources
}

fn read_paths(root: &Reading<ContainerRoot>, plan: &Plan) -> BTreeMap<ContainerPath, Reading<PathState>> {
    let look_up = |path: &ContainerPath| {
        let state = root.as_ref().map_err(Clone::clone).and_then(|root| root.look_up(path));
        (path.clone(), state)
    };
    let targets = plan.mounts.iter().map(|mount| &mount.target);
    let devices = plan.devices.iter().map(|device| &device.path);
    let all = targets.chain(devices).chain(&plan.masked_paths).chain(&plan.readonly_paths);
    all.map(look_up).collect()
}

/// At the start a new network namespace has no link but its own loopback and what is planned: nothing else was put there yet.
fn looks_at_links(plan: &Plan, moment: Moment) -> bool {
    !plan.net_devices.is_empty() || (moment == Moment::Verify && plan.namespaces.network.is_new())
}

/// The names before the colons of `net/dev`, after its two lines of headings.
fn read_net_links(process: &ProcDir) -> Reading<Vec<String>> {
    let text = reading(process.read("net/dev"))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect())
}

/// The link as it is at both ends, and the host's packet rules.
fn read_network(process: &ProcDir, plan: &Plan) -> Reading<Vec<Part>> {
    let Some(network) = &plan.network else { return Ok(Vec::new()) };
    let namespace = reading(process.open_namespace(Namespace::Network))?;
    reading(cofferdam_network::observe(network, namespace.as_fd()))
}

/// The kernel lists 127.0.0.1 as a local address exactly while the loopback link is up and has it.
fn read_loopback(process: &ProcDir) -> Reading<bool> {
    let text = reading(process.read("net/fib_trie"))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim);
    Ok(lines.any(|line| line == "|-- 127.0.0.1"))
}
