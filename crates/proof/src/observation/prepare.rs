//! What a reading needs besides the process itself, gathered ahead of the moment at which it stands at the gate.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use cofferdam_confinement::{MountKind, NamespaceSource, Plan, RootSource, Setgroups};
use cofferdam_kernel::mount::open_without_links;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, MountEntry, ProcDir, ProcError, ProcFs};
use cofferdam_names::Digest;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::descriptors::{OpenFile, open_file};
use super::gather::reading;
use super::{Observer, Reading, Scope, Unreadable};
use crate::planned_filter::PlannedFilter;
use crate::receipt::{Host, plan_digest};

/// The host's and the plan's side of a comparison. It can be made while the container is still being built, and kept for the
/// command that starts it: what the host looks like then says nothing about what was mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepared {
    pub(crate) host: Host,
    pub(crate) plan_digest: Digest,
    pub(crate) filter: Option<Result<PlannedFilter, String>>,
    pub(super) observer: Observer,
    pub(super) host_namespaces: BTreeMap<Namespace, Reading<u64>>,
    pub(super) joined_namespaces: BTreeMap<Namespace, Reading<u64>>,
    pub(super) host_mounts: Reading<Vec<HostMount>>,
    pub(super) sources: BTreeMap<usize, Reading<FileId>>,
    pub(super) root_source: Option<Reading<FileId>>,
    /// For a process that enters: the root of the container's first process.
    pub(super) container_root: Option<Reading<OpenFile>>,
}

/// A mount of the host's, as far as it says which part of which file system it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMount {
    /// `st_dev` of its files: major and minor number.
    pub device: (u32, u32),
    /// Which folder or file of its file system is its root.
    pub root: PathBuf,
}

/// Why nothing can be prepared.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The observer's own part of `/proc` cannot be read.
    #[error("cannot read the host's identity")]
    Host(#[source] ProcError),
    /// The plan cannot be written as JSON.
    #[error("cannot digest the plan")]
    Plan(#[from] serde_json::Error),
    /// The container that a process enters cannot be looked at.
    #[error("cannot look at the container's first process")]
    Container(#[source] ProcError),
}

impl Prepared {
    /// Reads the host's side, compiles the plan's filter, digests the plan. The caller is where the container's
    /// "host" namespaces are.
    ///
    /// # Errors
    /// The host's identity cannot be read, or the plan cannot be written as JSON.
    pub fn new(proc: &ProcFs, plan: &Plan) -> Result<Self, PrepareError> {
        let own = proc.this_thread().map_err(PrepareError::Host)?;
        let joined = Namespace::ALL.into_iter().filter_map(|kind| match plan.namespaces.source(kind) {
            NamespaceSource::Join(path) => Some((kind, namespace_file(path))),
            NamespaceSource::Host | NamespaceSource::New => None,
        });
        Ok(Self {
            joined_namespaces: joined.collect(),
            host_mounts: read_host_mounts(&own, plan),
            sources: read_sources(plan),
            root_source: match &plan.root.source {
                RootSource::Directory { path } => Some(file_id(path)),
                RootSource::Overlay { .. } => None,
            },
            ..Self::of_any(proc, &own, plan)?
        })
    }

    /// The same for a process that enters the container whose first process is `first`; `plan` is the container's with that
    /// process in it ([`Plan::with_process`]).
    ///
    /// # Errors
    /// As [`Prepared::new`], and if the first process cannot be looked at.
    pub fn entering(proc: &ProcFs, plan: &Plan, first: Pid) -> Result<Self, PrepareError> {
        let own = proc.this_thread().map_err(PrepareError::Host)?;
        let container = proc.process(first).map_err(PrepareError::Container)?;
        let foreign = |kind: &Namespace| *plan.namespaces.source(*kind) != NamespaceSource::Host;
        Ok(Self {
            joined_namespaces: numbers(&container, Namespace::ALL.into_iter().filter(foreign)),
            container_root: Some(open_file(&container, "root")),
            ..Self::of_any(proc, &own, plan)?
        })
    }

    /// What is the same for a first process and for one that enters.
    fn of_any(proc: &ProcFs, own: &ProcDir, plan: &Plan) -> Result<Self, PrepareError> {
        Ok(Self {
            host: Host::read(proc).map_err(PrepareError::Host)?,
            plan_digest: plan_digest(plan)?,
            filter: plan.process.seccomp.as_ref().map(PlannedFilter::compile),
            observer: read_observer(own, plan),
            host_namespaces: numbers(own, Namespace::ALL),
            joined_namespaces: BTreeMap::new(),
            host_mounts: Ok(Vec::new()),
            sources: BTreeMap::new(),
            root_source: None,
            container_root: None,
        })
    }

    pub(crate) fn scope(&self) -> Scope {
        if self.container_root.is_some() { Scope::Entered } else { Scope::Container }
    }
}

fn numbers(
    process: &ProcDir,
    kinds: impl IntoIterator<Item = Namespace>,
) -> BTreeMap<Namespace, Reading<u64>> {
    kinds.into_iter().map(|kind| (kind, reading(process.namespace_number(kind)))).collect()
}

fn read_observer(own: &ProcDir, plan: &Plan) -> Observer {
    let shared = plan.namespaces.user == NamespaceSource::Host;
    let denied = plan.namespaces.id_maps.as_ref().is_some_and(|maps| maps.setgroups == Setgroups::Deny);
    Observer {
        uid_map: if shared { reading(own.uid_map()) } else { Ok(Vec::new()) },
        gid_map: if shared { reading(own.gid_map()) } else { Ok(Vec::new()) },
        groups: if denied { reading(own.status()).map(|status| status.groups) } else { Ok(Vec::new()) },
        exe: reading(own.target_id("exe")),
        interpreter: plan.process.interpreter.as_deref().map(file_id),
    }
}

/// The number of the namespace behind a file, which must be one of the kernel's (nsfs).
fn namespace_file(path: &Path) -> Reading<u64> {
    /// `NSFS_MAGIC` of `<linux/magic.h>`.
    const NSFS: u64 = 0x6e73_6673;
    let failed = |errno| Unreadable(format!("cannot read {}: {errno}", path.display()));
    let file =
        rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let kind = rustix::fs::fstatfs(file.as_fd()).map_err(failed)?.f_type;
    if u64::try_from(kind) != Ok(NSFS) {
        return Err(Unreadable(format!("{} is no namespace", path.display())));
    }
    Ok(rustix::fs::fstat(&file).map_err(failed)?.st_ino)
}

/// The identity of a file of the host, links followed.
fn file_id(path: &Path) -> Reading<FileId> {
    let stat = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS)
        .map_err(|errno| Unreadable(format!("cannot read {}: {errno}", path.display())))?;
    Ok(FileId { dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino })
}

/// The same of a file that no link leads to: one that was put into the path since the plan was made leads elsewhere, and what
/// is there is not what the plan means.
fn plain_file_id(path: &Path) -> Reading<FileId> {
    let failed = |why: String| Unreadable(format!("cannot read {}: {why}", path.display()));
    let file = open_without_links(path).map_err(|error| failed(error.to_string()))?;
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::EMPTY_PATH;
    let stat = rustix::fs::statx(&file, c"", flags, StatxFlags::BASIC_STATS)
        .map_err(|errno| failed(errno.to_string()))?;
    Ok(FileId { dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino })
}

fn read_sources(plan: &Plan) -> BTreeMap<usize, Reading<FileId>> {
    let binds = plan.mounts.iter().enumerate().filter_map(|(place, mount)| match &mount.kind {
        MountKind::Bind { source, .. } if plan.root.inside(source).is_some() => None,
        MountKind::Bind { source, resolved: false, .. } => Some((place, file_id(source))),
        MountKind::Bind { source, resolved: true, .. } => Some((place, plain_file_id(source))),
        MountKind::Filesystem { .. } | MountKind::Image { .. } | MountKind::Cgroup | MountKind::Remount => {
            None
        }
    });
    binds.collect()
}

/// The host's mounts below the folders that are bound with everything below them, the root's among them.
fn read_host_mounts(own: &ProcDir, plan: &Plan) -> Reading<Vec<HostMount>> {
    let folder = |mount: &cofferdam_confinement::Mount| match &mount.kind {
        MountKind::Bind { source, recursive: true, resolved: true, .. } => Some(source.clone()),
        MountKind::Bind { source, recursive: true, resolved: false, .. } => {
            Some(source.canonicalize().unwrap_or_else(|_| source.clone()))
        }
        _ => None,
    };
    let mut folders: Vec<PathBuf> = plan.mounts.iter().filter_map(folder).collect();
    if let RootSource::Directory { path } = &plan.root.source {
        folders.push(path.canonicalize().unwrap_or_else(|_| path.clone()));
    }
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let below = |entry: &MountEntry| folders.iter().any(|folder| entry.mount_point.starts_with(folder));
    let mounts = reading(own.mountinfo())?.into_iter().filter(below);
    Ok(mounts.map(|entry| HostMount { device: entry.device, root: entry.root }).collect())
}
