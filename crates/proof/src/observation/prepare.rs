//! What a reading needs besides the process itself, gathered ahead of the moment at which it stands at the gate.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use cofferdam_confinement::{MountKind, NamespaceSource, Plan, RootSource, Setgroups};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, MountEntry, ProcDir, ProcError, ProcFs};
use cofferdam_names::Digest;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use thiserror::Error;

use super::gather::reading;
use super::{Observer, Reading, Unreadable};
use crate::planned_filter::PlannedFilter;
use crate::receipt::{Host, plan_digest};

/// The host's and the plan's side of a comparison. It can be made while the container is still being built.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) host: Host,
    pub(crate) plan_digest: Digest,
    pub(crate) filter: Option<Result<PlannedFilter, String>>,
    pub(super) observer: Observer,
    pub(super) host_namespaces: BTreeMap<Namespace, Reading<u64>>,
    pub(super) joined_namespaces: BTreeMap<Namespace, Reading<u64>>,
    pub(super) host_mounts: Reading<Vec<MountEntry>>,
    pub(super) sources: BTreeMap<usize, Reading<FileId>>,
    pub(super) root_source: Option<Reading<FileId>>,
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
            host: Host::read(proc).map_err(PrepareError::Host)?,
            plan_digest: plan_digest(plan)?,
            filter: plan.process.seccomp.as_ref().map(PlannedFilter::compile),
            observer: read_observer(&own, plan),
            host_namespaces: Namespace::ALL
                .into_iter()
                .map(|kind| (kind, reading(own.namespace_number(kind))))
                .collect(),
            joined_namespaces: joined.collect(),
            host_mounts: read_host_mounts(&own, plan),
            sources: read_sources(plan),
            root_source: match &plan.root.source {
                RootSource::Directory { path } => Some(file_id(path)),
                RootSource::Overlay { .. } => None,
            },
        })
    }
}

fn read_observer(own: &ProcDir, plan: &Plan) -> Observer {
    let shared = plan.namespaces.user == NamespaceSource::Host;
    let denied = plan.namespaces.id_maps.as_ref().is_some_and(|maps| maps.setgroups == Setgroups::Deny);
    Observer {
        uid_map: if shared { reading(own.uid_map()) } else { Ok(Vec::new()) },
        gid_map: if shared { reading(own.gid_map()) } else { Ok(Vec::new()) },
        groups: if denied { reading(own.status()).map(|status| status.groups) } else { Ok(Vec::new()) },
        exe: reading(own.target_id("exe")),
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
