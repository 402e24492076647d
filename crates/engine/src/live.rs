//! A running container, held by handles that no pid reuse can redirect.

use std::os::fd::OwnedFd;

use cofferdam_confinement::{CgroupPath, NamespaceSource, Plan};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcDir, ProcError, ProcFs};
use cofferdam_names::ContainerId;
use cofferdam_runtime::cgroup::{Group, Layout};
use cofferdam_shim::{ContainerDir, ContainerState, Lock};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, Result};
use crate::ownership;
use crate::paths::Paths;

/// A running container.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) dir: ContainerDir,
    pub(crate) plan: Plan,
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) state: ContainerState,
}

impl Live {
    /// Finds the container's first process. A container that does not run is an error that says so.
    pub(crate) fn find(paths: &Paths, id: &ContainerId) -> Result<Self> {
        let dir = paths.container(id);
        let not_running = || Error::NotRunning { id: id.clone() };
        let status = ownership::status(&dir, id)?;
        let pid = Pid::from_raw(status.pid).filter(|_| status.state.has_shim()).ok_or_else(not_running)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| not_running())?;
        // Looked at only now that the process is held: while the shim lives and says this pid, the pid is that process.
        let held = Lock::is_held(&paths.run_dir(id))
            .map_err(|source| Error::io("look for the shim of", id, source))?;
        if !held || ownership::status(&dir, id)?.pid != status.pid {
            return Err(not_running());
        }
        let plan = read_plan(&dir)?;
        Ok(Self { dir, plan, pid, pidfd, state: status.state })
    }

    /// Its cgroup, where it has one of its own.
    pub(crate) fn group(&self) -> Result<Option<Group>> {
        let Some(path) = &self.plan.cgroup.path else { return Ok(None) };
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Cgroup {
            id: self.plan.container.clone(),
            source,
        };
        let layout = Layout::detect().map_err(|error| failed(error.into()))?;
        Group::open(&layout, path).map(Some).map_err(|error| failed(error.into()))
    }

    /// The folder of its first process in the host's procfs. It is seen to be in the container's cgroup or user namespace: a
    /// number that the container's process has given up may be any process's of the host.
    pub(crate) fn process(&self) -> Result<ProcDir> {
        let failed =
            |error: ProcError| Error::io("look at the processes of", &self.plan.container, error.into());
        let proc = ProcFs::open().map_err(failed)?;
        let process = proc.process(self.pid).map_err(failed)?;
        let ours = match &self.plan.cgroup.path {
            Some(path) => is_in_group(&process, path).map_err(failed)?,
            None => self.is_in_other_namespace(&proc, &process).map_err(failed)?,
        };
        if ours { Ok(process) } else { Err(Error::NotRunning { id: self.plan.container.clone() }) }
    }

    /// Whether a process is not of this process's own user namespace, where the plan has another one.
    fn is_in_other_namespace(
        &self,
        proc: &ProcFs,
        process: &ProcDir,
    ) -> std::result::Result<bool, ProcError> {
        if self.plan.namespaces.user == NamespaceSource::Host {
            return Ok(true);
        }
        let own = proc.this_process()?.namespace_number(Namespace::User)?;
        Ok(process.namespace_number(Namespace::User)? != own)
    }
}

/// Whether a process is in a container's cgroup, or in one below it. The group's name holds the container's id and is nobody
/// else's; what stands before it depends on the cgroup namespace that this process looks from.
fn is_in_group(process: &ProcDir, path: &CgroupPath) -> std::result::Result<bool, ProcError> {
    let name = path.as_str().rsplit('/').next();
    let groups = process.cgroup()?;
    Ok(groups.iter().any(|group| group.path.split('/').any(|part| Some(part) == name)))
}

/// The plan that the container was made with.
pub(crate) fn read_plan(dir: &ContainerDir) -> Result<Plan> {
    let path = dir.plan();
    let text = std::fs::read(&path).map_err(|source| Error::io("read", path.display(), source))?;
    serde_json::from_slice(&text).map_err(|source| Error::io("understand", path.display(), source.into()))
}
