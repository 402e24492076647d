//! Makes a container whose first process waits.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_confinement::Plan;
use cofferdam_names::Timestamp;

use super::container::Container;
use super::error::LifecycleError;
use super::folder::StateRoot;
use super::record::{InitProcess, Record};
use crate::start::{self, Created, StartIo, Stdio, Supervision};

/// What a creation is given beside the plan.
#[derive(Debug)]
pub struct CreateIo {
    /// Standard streams; those of this process where it is absent.
    pub stdio: Option<Stdio>,
    /// How many descriptors from 3 on the container inherits.
    pub preserved_fds: u32,
    /// Whether a later command starts it, on a socket; else this process does.
    pub start_later: bool,
}

/// A container that has just been made. Dropping it undoes everything, its record too.
#[derive(Debug)]
pub struct Fresh {
    // Dropped in this order: the process and its cgroup end before the record does.
    created: Option<Created>,
    container: Option<Container>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        drop(self.created.take());
        if let Some(container) = &self.container {
            let _ = container.folder.remove();
        }
    }
}

/// Makes a container by its plan. It is written down before its first process is made, so that whatever becomes of this
/// command, `delete` finds what there is to remove. `meanwhile` is done while its first process builds its root.
///
/// # Errors
/// If the id is taken, or a step fails; then nothing is left.
pub fn create(
    root: &StateRoot,
    plan: Plan,
    bundle: PathBuf,
    io: CreateIo,
    meanwhile: impl FnOnce(&Plan),
) -> Result<Fresh, LifecycleError> {
    let id = plan.container.clone();
    let folder = root.make(&id)?;
    let record = Record {
        plan,
        bundle,
        created: Timestamp::from(std::time::SystemTime::now()),
        init: None,
        preserved_fds: io.preserved_fds,
        owner: rustix::process::getuid().as_raw(),
    };
    let mut fresh = Fresh { created: None, container: Some(Container { id, folder, record }) };
    fresh.make(io, meanwhile)?;
    Ok(fresh)
}

impl Fresh {
    fn make(&mut self, io: CreateIo, meanwhile: impl FnOnce(&Plan)) -> Result<(), LifecycleError> {
        let Some(container) = &mut self.container else { return Ok(()) };
        container.folder.write(&container.record)?;
        let start_socket = if io.start_later { Some(container.folder.listen()?) } else { None };
        let start_io = StartIo {
            stdio: io.stdio,
            preserved_fds: io.preserved_fds,
            supervision: Supervision::Detached,
            start_socket,
            bundle: container.record.bundle.clone(),
        };
        let building = start::begin(&container.record.plan, start_io)?;
        meanwhile(&container.record.plan);
        let created = building.finish()?;
        let pid = created.pid();
        self.created = Some(created);
        let observed = InitProcess::observe(pid)
            .map_err(|error| LifecycleError::file("cannot look at", format!("/proc/{pid}"), error))?;
        container.record.init = Some(observed);
        container.folder.write(&container.record)
    }

    /// The master side of its terminal, to be taken once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.created.as_mut()?.take_terminal()
    }

    /// Its first process's number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.container.as_ref().and_then(|container| container.record.init).map_or(0, |init| init.pid)
    }

    /// Its folder of state.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.container.as_ref().map(Container::path)
    }

    /// A handle of its first process.
    #[must_use]
    pub fn pidfd(&self) -> Option<OwnedFd> {
        let (_, pidfd) = self.container.as_ref()?.init()?;
        Some(pidfd)
    }

    /// Lets the container outlive this command: its first process waits to be started.
    #[must_use]
    pub fn leave(mut self) -> Option<OwnedFd> {
        self.container = None;
        self.created.take().and_then(|created| created.leave().1)
    }

    /// Both parts, to be started by this command.
    pub(super) fn into_parts(mut self) -> Option<(Created, Container)> {
        Some((self.created.take()?, self.container.take()?))
    }
}
