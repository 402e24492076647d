//! Lets a container's first process become its program: held at the gate until its keeper agrees.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use cofferdam_confinement::Plan;
use cofferdam_confinement::seccomp::Profile;
use cofferdam_wire_oci::{ContainerProcessState, SPEC_VERSION, State, Status};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};

use rustix::process::Pid;

use super::container::Container;
use super::create::Fresh;
use super::error::LifecycleError;
use crate::cgroup::Group;
use crate::start::{
    self, ContainerState, Created, Gated, HookFolder, OwnedGroup, Permit, Released, run_hooks,
};

/// Who decides whether a program may run.
pub trait Gatekeeper {
    /// A look at the container, with its first process and its cgroup, while that process executes its program. Not always
    /// called.
    fn look_ahead(&mut self, plan: &Plan, pid: Pid, group: Option<&Group>);

    /// Looks at the stopped program and everything that confines it, and permits it to run.
    ///
    /// # Errors
    /// It is refused.
    fn look(&mut self, plan: &Plan, gated: &Gated) -> Result<Permit, Refusal>;
}

/// Why a keeper refuses.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

impl Container {
    /// Starts a container that another command created.
    ///
    /// # Errors
    /// If it does not wait to be started, its program cannot be executed or the keeper refuses; then it has stopped.
    pub fn start(&mut self, keeper: &mut dyn Gatekeeper) -> Result<Released, LifecycleError> {
        match self.status()? {
            Status::Created => {}
            Status::Stopped | Status::Creating => return Err(LifecycleError::HasStopped),
            Status::Running | Status::Paused => return Err(LifecycleError::AlreadyRunning),
        }
        let (pid, pidfd) = self.init().ok_or(LifecycleError::HasStopped)?;
        let channel = self.folder.connect()?;
        // Other than in a failed creation, the group stays when the start fails: `delete` removes it with the record.
        let group = self.group()?.map_or_else(OwnedGroup::none, OwnedGroup::existing);
        let created = Created::adopt(pid, pidfd, channel, group);
        self.open_gate(created, keeper)
    }

    fn open_gate(
        &mut self,
        created: Created,
        keeper: &mut dyn Gatekeeper,
    ) -> Result<Released, LifecycleError> {
        let asks = self.record.plan.process.seccomp.as_ref().is_some_and(Profile::notifies);
        let gated = if asks {
            let mut state = self.state()?;
            state.status = Status::Created;
            let plan = &self.record.plan;
            created.exec_to_gate_asking(|listener| send_seccomp_listener(plan, state, listener))
        } else {
            let plan = &self.record.plan;
            created
                .exec_to_gate_meanwhile(|pid, group| keeper.look_ahead(plan, pid, group))
                .map_err(LifecycleError::from)
        };
        self.folder.end_waiting()?;
        let gated = gated?;
        let permit = keeper.look(&self.record.plan, &gated).map_err(LifecycleError::Gate)?;
        let released = gated.release(permit)?;
        let plan = &self.record.plan;
        if !plan.hooks.poststart.is_empty() {
            let state =
                ContainerState::new(plan, start::Status::Running, Some(released.pid), &self.record.bundle);
            if let Err(error) = run_hooks("poststart", &plan.hooks.poststart, &state, HookFolder::Bundle) {
                // As runc does: a container whose start was not completed does not run on.
                let _ = rustix::process::pidfd_send_signal(&released.pidfd, rustix::process::Signal::KILL);
                let _ = start::wait_for_end(&released.pidfd);
                return Err(error.into());
            }
        }
        Ok(released)
    }
}

impl Fresh {
    /// Starts what this command has just created. Then it lives on without the command.
    ///
    /// # Errors
    /// If its program cannot be executed or the keeper refuses; then nothing is left of it.
    pub fn start(self, keeper: &mut dyn Gatekeeper) -> Result<(Container, Released), LifecycleError> {
        let (created, mut container) = self.into_parts().ok_or(LifecycleError::HasStopped)?;
        match container.open_gate(created, keeper) {
            Ok(released) => Ok((container, released)),
            Err(error) => {
                let _ = container.delete_now();
                Err(error)
            }
        }
    }
}

/// Hands the listener of a filter to the agent that the profile names, with the container's state (config-linux.md,
/// "The Container Process State").
///
/// # Errors
/// If the profile names no agent, or the agent does not take it.
pub fn send_seccomp_listener(plan: &Plan, state: State, listener: OwnedFd) -> Result<(), LifecycleError> {
    let agent = plan.process.seccomp.as_ref().and_then(|profile| profile.listener.as_ref());
    let Some(agent) = agent else {
        return Err(LifecycleError::Agent {
            path: "(none)".into(),
            source: io::Error::other("the profile names no agent"),
        });
    };
    let message = ContainerProcessState {
        oci_version: SPEC_VERSION.to_owned(),
        fds: vec!["seccompFd".to_owned()],
        pid: state.pid,
        metadata: agent.metadata.clone(),
        state,
        other: std::collections::BTreeMap::new(),
    };
    send(&agent.path, &message, &listener)
        .map_err(|source| LifecycleError::Agent { path: agent.path.clone(), source })
}

fn send(path: &Path, message: &ContainerProcessState, listener: &OwnedFd) -> io::Result<()> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let bytes = serde_json::to_vec(message)?;
    let fds = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(&socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
