//! Reads all of an [`Observation`].

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_confinement::{MountKind, NamespaceSource, Plan, RootSource};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, MountEntry, ProcDir, ProcError, ProcFs};
use cofferdam_names::ContainerPath;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::process::Pid;
use thiserror::Error;

use super::filter::read_filters;
use super::paths::{ContainerRoot, PathState};
use super::visit::read_inside;
use super::{
    FilterWitness, Filters, Inside, Moment, NamespaceIds, Observation, Observer, Reading, Unreadable,
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
    /// How many descriptors from 3 on were handed to it on purpose (`--preserve-fds`).
    pub preserved_fds: u32,
    /// The filter as its installation was seen, where `PTRACE_SECCOMP_GET_FILTER` is not allowed.
    pub filter_witness: Option<FilterWitness>,
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

/// Reads everything that the controls compare.
///
/// What cannot be read is kept as such in the observation, and becomes [`crate::Verdict::Unknown`].
///
/// # Errors
/// The process is not there, or the caller is left in namespaces that are not its own and must end.
pub fn observe(proc: &ProcFs, subject: &Subject<'_>) -> Result<Observation, ObserveError> {
    let pid = subject.pid.as_raw_nonzero().get();
    let process = proc.process(subject.pid).map_err(|source| ObserveError::Process { pid, source })?;
    let own = proc.this_thread().map_err(|source| ObserveError::Process { pid: 0, source })?;
    let plan = subject.plan;
    let namespaces = read_namespaces(&process, &own, plan);
    let observer = read_observer(&own);
    let inside = if needs_visit(plan) {
        read_inside(proc, subject.pid, plan, &namespaces, observer.as_ref().ok())?
    } else {
        Ok(Inside::default())
    };
    let mounts = reading(process.mountinfo());
    let root = open_root(&process, plan, subject.moment, &mounts);
    Ok(Observation {
        moment: subject.moment,
        status: reading(process.status()),
        stat: reading(process.stat()),
        uid_map: reading(process.uid_map()),
        gid_map: reading(process.gid_map()),
        setgroups: reading(process.setgroups()),
        observer,
        namespaces,
        timens_offsets: reading(process.timens_offsets()),
        host_mounts: read_host_mounts(&own, plan),
        paths: read_paths(&root, plan),
        sources: read_sources(plan),
        root_source: match &plan.root.source {
            RootSource::Directory { path } => Some(file_id(path)),
            RootSource::Overlay { .. } => None,
        },
        device_nodes: root.as_ref().map_err(Clone::clone).and_then(ContainerRoot::device_nodes),
        mounts,
        limits: reading(process.limits()),
        oom_score_adj: reading(process.oom_score_adj()),
        personality: reading(process.personality()),
        scheduler: reading(cofferdam_kernel::task::scheduler(subject.pid)),
        io_priority: reading(cofferdam_kernel::task::io_priority(subject.pid)),
        security_label: reading(process.security_label()),
        apparmor_label: reading(process.apparmor_label()),
        filters: Filters {
            installed: if plan.process.seccomp.is_some() {
                read_filters(subject.pid, subject.moment)
            } else {
                Ok(Vec::new())
            },
            witnessed: subject.filter_witness.clone(),
        },
        cgroup: reading(process.cgroup()),
        files: Ok(descriptors::read_files(&process, &own)),
        inside,
        net_links: if plan.net_devices.is_empty() { Ok(Vec::new()) } else { read_net_links(&process) },
        loopback_up: if plan.loopback_up { read_loopback(&process) } else { Ok(false) },
        preserved_fds: subject.preserved_fds,
    })
}

fn read_observer(own: &ProcDir) -> Reading<Observer> {
    Ok(Observer {
        status: reading(own.status())?,
        uid_map: reading(own.uid_map())?,
        gid_map: reading(own.gid_map())?,
    })
}

fn read_namespaces(process: &ProcDir, own: &ProcDir, plan: &Plan) -> BTreeMap<Namespace, NamespaceIds> {
    let ids = |kind| NamespaceIds {
        own: reading(process.namespace(kind)),
        host: reading(own.namespace(kind)),
        joined: match plan.namespaces.source(kind) {
            NamespaceSource::Join(path) => Some(file_id(path)),
            NamespaceSource::Host | NamespaceSource::New => None,
        },
    };
    Namespace::ALL.into_iter().map(|kind| (kind, ids(kind))).collect()
}

/// Whether the plan says anything that can only be read from inside the namespaces.
fn needs_visit(plan: &Plan) -> bool {
    plan.hostname.is_some() || plan.domainname.is_some() || !plan.sysctls.is_empty()
}

/// The identity of a file of the host, links followed.
fn file_id(path: &Path) -> Reading<FileId> {
    let stat = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS)
        .map_err(|errno| Unreadable(format!("cannot read {}: {errno}", path.display())))?;
    Ok(FileId { dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino })
}

fn read_sources(plan: &Plan) -> BTreeMap<usize, Reading<FileId>> {
    let binds = plan.mounts.iter().enumerate().filter_map(|(place, mount)| match &mount.kind {
        MountKind::Bind { source, .. } => Some((place, file_id(source))),
        MountKind::Filesystem { .. } | MountKind::Cgroup | MountKind::Remount => None,
    });
    binds.collect()
}

fn read_host_mounts(own: &ProcDir, plan: &Plan) -> Reading<Vec<MountEntry>> {
    let recursive =
        plan.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Bind { recursive: true, .. }));
    if recursive { reading(own.mountinfo()) } else { Ok(Vec::new()) }
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

fn read_paths(root: &Reading<ContainerRoot>, plan: &Plan) -> BTreeMap<ContainerPath, Reading<PathState>> {
    let targets = plan.mounts.iter().map(|mount| &mount.target);
    let devices = plan.devices.iter().map(|device| &device.path);
    let others = [&plan.process.cwd];
    let all = targets.chain(devices).chain(&plan.masked_paths).chain(&plan.readonly_paths).chain(others);
    all.map(|path| {
        let state = root.as_ref().map_err(Clone::clone).and_then(|root| root.look_up(path));
        (path.clone(), state)
    })
    .collect()
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
