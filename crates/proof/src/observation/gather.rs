//! Reads all of an [`Observation`].

use std::collections::BTreeMap;

use cofferdam_confinement::Plan;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcDir, ProcError, ProcFs};
use cofferdam_runtime::cgroup::Group;
use rustix::process::Pid;
use rustix::thread::CpuSet;
use thiserror::Error;

use super::container::{ContainerReading, look_up_in_root};
use super::filter::read_filters;
use super::group::{GroupReading, read_membership};
use super::population::Population;
use super::prepare::Prepared;
use super::{
    FilterWitness, Filters, Moment, NamespaceIds, Observation, Reading, Scope, Unreadable, descriptors,
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
    /// The container's other processes, where that was looked into.
    pub population: Option<Reading<Population>>,
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
pub(super) fn not_planned<T: Default>(planned: bool, read: impl FnOnce() -> Reading<T>) -> Reading<T> {
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
    observe_with(proc, subject, prepared, None)
}

/// [`observe`] with what was read of the container ahead.
///
/// # Errors
/// As [`observe`].
pub(crate) fn observe_with(
    proc: &ProcFs,
    subject: &Subject<'_>,
    prepared: &Prepared,
    ahead: Option<ContainerReading>,
) -> Result<Observation, ObserveError> {
    let pid = subject.pid.as_raw_nonzero().get();
    let process = proc.process(subject.pid).map_err(|source| ObserveError::Process { pid, source })?;
    let plan = subject.plan;
    let wanted = &plan.process;
    let scope = prepared.scope();
    let whole = scope == Scope::Container;
    let container = match ahead {
        Some(container) => container,
        None => ContainerReading::read(proc, &process, subject, prepared)?,
    };
    let mut paths = container.paths;
    // Also where the rest was read ahead: the folder may have been made since.
    paths.insert(wanted.cwd.clone(), look_up_in_root(&process, &container.root, &wanted.cwd));
    let scheduling = wanted.scheduler.is_some();
    Ok(Observation {
        moment: subject.moment,
        scope,
        status: reading(process.status()),
        stat: reading(process.stat()),
        uid_map: container.uid_map,
        gid_map: container.gid_map,
        setgroups: container.setgroups,
        observer: prepared.observer.clone(),
        namespaces: read_namespaces(&process, prepared),
        timens_offsets: not_planned(whole && plan.namespaces.time.is_new(), || {
            reading(process.timens_offsets())
        }),
        host_mounts: prepared.host_mounts.clone(),
        paths,
        sources: container.sources,
        root_source: prepared.root_source.clone(),
        container_root: prepared.container_root.clone(),
        device_nodes: container.device_nodes,
        mounts: container.mounts,
        limits: not_planned(!wanted.rlimits.is_empty(), || reading(process.limits())),
        oom_score_adj: not_planned(wanted.oom_score_adj.is_some(), || reading(process.oom_score_adj())),
        personality: not_planned(plan.personality.is_some(), || reading(process.personality())),
        memory_policy: not_planned(plan.memory_policy.is_some(), || reading(process.memory_policy())),
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
        group: GroupReading {
            limits: container.limits,
            membership: read_membership(&plan.cgroup, subject.group, subject.pid),
        },
        affinity: not_planned(wanted.cpu_affinity.is_some() && !whole, || read_affinity(subject.pid)),
        files: Ok(descriptors::read_files(&process, subject.pid)),
        inside: container.inside,
        net_links: container.net_links,
        loopback_up: container.loopback_up,
        network: container.network,
        preserved_fds: subject.preserved_fds,
        population: subject.population.clone(),
    })
}

pub(super) fn read_namespaces(process: &ProcDir, prepared: &Prepared) -> BTreeMap<Namespace, NamespaceIds> {
    let unread = || Err(Unreadable("not read".to_owned()));
    let ids = |kind| NamespaceIds {
        own: reading(process.namespace_number(kind)),
        host: prepared.host_namespaces.get(&kind).cloned().unwrap_or_else(unread),
        joined: prepared.joined_namespaces.get(&kind).cloned(),
    };
    Namespace::ALL.into_iter().map(|kind| (kind, ids(kind))).collect()
}

/// The processors that the process may run on, in ascending order.
fn read_affinity(pid: Pid) -> Reading<Vec<usize>> {
    let set = reading(rustix::thread::sched_getaffinity(Some(pid)))?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}
