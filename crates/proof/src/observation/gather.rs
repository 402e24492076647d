//! Reads all of an [`Observation`].

use std::collections::BTreeMap;

use cofferdam_confinement::{MountKind, NamespaceSource, Plan};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, MountEntry, ProcDir, ProcError, ProcFs, SetgroupsState};
use cofferdam_names::ContainerPath;
use cofferdam_runtime::cgroup::Group;
use rustix::process::Pid;
use rustix::thread::CpuSet;
use thiserror::Error;

use super::filter::read_filters;
use super::group::Stranger;
use super::group::read_group;
use super::paths::{ContainerRoot, PathState};
use super::prepare::Prepared;
use super::visit::read_inside;
use super::{
    FilterWitness, Filters, Inside, Moment, NamespaceIds, Observation, Reading, Scope, Unreadable,
    descriptors,
};

/// Which process is looked at, and against what.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The plan that it should be under.
    pub plan: &'a Plan,
    /// The container's first process, as the caller's pid namespace numbers it. At [`Moment::Start`] it is stopped
    /// under the calling thread (ptrace(2)); at [`Moment::Verify`] it is stopped for as long as its filters are read.
    pub pid: Pid,
    /// When.
    pub moment: Moment,
    /// The container's control group; none where it has none of its own, or it cannot be opened.
    pub group: Option<&'a Group>,
    /// How many descriptors from 3 on were handed to it on purpose (`--preserve-fds`).
    pub preserved_fds: u32,
    /// The filter as its installation was seen, where `PTRACE_SECCOMP_GET_FILTER` is not allowed.
    pub filter_witness: Option<FilterWitness>,
    /// The processes of the container that came into it in no known way, where that was looked into: [`strangers`].
    pub strangers: Option<Reading<Vec<Stranger>>>,
}

/// The process could not be looked at at all.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// Its folder cannot be opened: it is gone, or hidden.
    #[error("cannot look at process {pid}")]
    Process {
        /// The process.
        pid: i32,
        /// Why.
        #[source]
        source: ProcError,
    },
    /// The caller entered the container's namespaces to read them, and could not come back.
    #[error("cannot return from the namespaces of process {pid}")]
    Lost {
        /// The process.
        pid: i32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What was read, or why not.
pub(super) fn reading<T, E: std::error::Error + 'static>(result: Result<T, E>) -> Reading<T> {
    result.map_err(|error| Unreadable::from_error(&error))
}

/// A reading that the plan gives no reason for.
fn not_planned<T: Default>(planned: bool, read: impl FnOnce() -> Reading<T>) -> Reading<T> {
    if planned { read() } else { Ok(T::default()) }
}

/// Reads everything that the controls compare.
///
/// What cannot be read is kept as such in the observation, and becomes [`crate::Verdict::Unknown`].
///
/// # Errors
/// The process is not there, or the caller is left in namespaces that are not its own and must end.
pub fn observe(
    proc: &ProcFs,
    subject: &Subject<'_>,
    prepared: &Prepared,
) -> Result<Observation, ObserveError> {
    let pid = subject.pid.as_raw_nonzero().get();
    let process = proc.process(subject.pid).map_err(|source| ObserveError::Process { pid, source })?;
    let plan = subject.plan;
    let wanted = &plan.process;
    let scope = prepared.scope();
    let whole = scope == Scope::Container;
    let namespaces = read_namespaces(&process, prepared);
    let inside = if whole && needs_visit(plan) {
        read_inside(proc, subject.pid, plan, &namespaces)?
    } else {
        Ok(Inside::default())
    };
    let mounts = reading(process.mountinfo());
    let root = open_root(&process, plan, subject.moment, &mounts);
    let scheduling = wanted.scheduler.is_some();
    let new_user = whole && plan.namespaces.user != NamespaceSource::Host;
    Ok(Observation {
        moment: subject.moment,
        scope,
        status: reading(process.status()),
        stat: reading(process.stat()),
        uid_map: reading(process.uid_map()),
        gid_map: reading(process.gid_map()),
        setgroups: if new_user { reading(process.setgroups()) } else { Ok(SetgroupsState::Allow) },
        observer: prepared.observer.clone(),
        namespaces,
        timens_offsets: not_planned(whole && plan.namespaces.time.is_new(), || {
            reading(process.timens_offsets())
        }),
        host_mounts: prepared.host_mounts.clone(),
        paths: read_paths(&root, plan, scope),
        sources: read_sources(prepared, &root, plan),
        root_source: prepared.root_source.clone(),
        container_root: prepared.container_root.clone(),
        device_nodes: not_planned(whole, || root.as_ref().map_err(Clone::clone)?.device_nodes()),
        mounts,
        limits: not_planned(!wanted.rlimits.is_empty(), || reading(process.limits())),
        oom_score_adj: not_planned(wanted.oom_score_adj.is_some(), || reading(process.oom_score_adj())),
        personality: not_planned(plan.personality.is_some(), || reading(process.personality())),
        scheduler: not_planned(scheduling, || reading(cofferdam_kernel::task::scheduler(subject.pid))),
        io_priority: not_planned(wanted.io_priority.is_some(), || {
            reading(cofferdam_kernel::task::io_priority(subject.pid))
        }),
        security_label: not_planned(wanted.selinux_label.is_some(), || reading(process.security_label())),
        apparmor_label: not_planned(wanted.apparmor_profile.is_some(), || reading(process.apparmor_label())),
        filters: Filters {
            installed: not_planned(wanted.seccomp.is_some(), || read_filters(subject.pid, subject.moment)),
            witnessed: subject.filter_witness.clone(),
        },
        group: read_group(&plan.cgroup, subject.group, scope, subject.pid),
        affinity: not_planned(wanted.cpu_affinity.is_some() && !whole, || read_affinity(subject.pid)),
        files: Ok(descriptors::read_files(&process)),
        inside,
        net_links: not_planned(whole && !plan.net_devices.is_empty(), || read_net_links(&process)),
        loopback_up: not_planned(whole && plan.loopback_up, || read_loopback(&process)),
        preserved_fds: subject.preserved_fds,
        strangers: subject.strangers.clone(),
    })
}

fn read_namespaces(process: &ProcDir, prepared: &Prepared) -> BTreeMap<Namespace, NamespaceIds> {
    let unread = || Err(Unreadable("not read".to_owned()));
    let ids = |kind| NamespaceIds {
        own: reading(process.namespace_number(kind)),
        host: prepared.host_namespaces.get(&kind).cloned().unwrap_or_else(unread),
        joined: prepared.joined_namespaces.get(&kind).cloned(),
    };
    Namespace::ALL.into_iter().map(|kind| (kind, ids(kind))).collect()
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

/// The processors that the process may run on, in ascending order.
fn read_affinity(pid: Pid) -> Reading<Vec<usize>> {
    let set = reading(rustix::thread::sched_getaffinity(Some(pid)))?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
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

fn read_paths(
    root: &Reading<ContainerRoot>,
    plan: &Plan,
    scope: Scope,
) -> BTreeMap<ContainerPath, Reading<PathState>> {
    let look_up = |path: &ContainerPath| {
        let state = root.as_ref().map_err(Clone::clone).and_then(|root| root.look_up(path));
        (path.clone(), state)
    };
    if scope == Scope::Entered {
        return BTreeMap::from([look_up(&plan.process.cwd)]);
    }
    let targets = plan.mounts.iter().map(|mount| &mount.target);
    let devices = plan.devices.iter().map(|device| &device.path);
    let others = [&plan.process.cwd];
    let all = targets.chain(devices).chain(&plan.masked_paths).chain(&plan.readonly_paths).chain(others);
    all.map(look_up).collect()
}

/// The names before the colons of `net/dev`, after its two lines of headings.
fn read_net_links(process: &ProcDir) -> Reading<Vec<String>> {
    let text = reading(process.read("net/dev"))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect())
}

/// The kernel lists 127.0.0.1 as a local address exactly while the loopback link is up and has it.
fn read_loopback(process: &ProcDir) -> Reading<bool> {
    let text = reading(process.read("net/fib_trie"))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim);
    Ok(lines.any(|line| line == "|-- 127.0.0.1"))
}
