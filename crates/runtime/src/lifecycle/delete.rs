//! Removes everything of a container.

use std::time::{Duration, Instant};

use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerId;
use cofferdam_wire_oci::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::container::{Container, Lookup};
use super::error::LifecycleError;
use super::folder::StateRoot;
use crate::start::{self, ContainerState, HookFolder, run_hooks};

/// How long a killed process may take to end: it can be in the kernel, in the middle of a large write.
const END: Duration = Duration::from_secs(10);

impl Container {
    /// Deletes a container: its processes, cgroup and record, and runs its poststop hooks. Without `force` one that runs
    /// is left alone.
    ///
    /// # Errors
    /// If it runs and may not be killed, or something of it cannot be removed; then its record stays, to try again.
    pub fn delete(self, force: bool) -> Result<(), LifecycleError> {
        match self.status()? {
            Status::Stopped | Status::Created => {}
            _ if force => {}
            other => {
                return Err(LifecycleError::NotStopped { id: self.id.clone(), status: other.as_str() });
            }
        }
        self.delete_now()
    }

    /// Deletes it whatever it does.
    pub(super) fn delete_now(&self) -> Result<(), LifecycleError> {
        let group = self.group()?;
        if let Some((_, pidfd)) = self.init() {
            self.kill(Signal::KILL).or_else(|error| match error {
                // It ended meanwhile.
                LifecycleError::NotRunning | LifecycleError::Signal { .. } => Ok(()),
                other => Err(other),
            })?;
            wait_for_end(&pidfd)?;
        }
        if let Some(group) = &group {
            group.kill_all()?;
            group.destroy()?;
        }
        let hooks = &self.record.plan.hooks.poststop;
        let state = ContainerState::new(&self.record.plan, start::Status::Stopped, None, &self.record.bundle);
        // runtime.md: a poststop hook that fails is told about, and the container is deleted all the same.
        let told = run_hooks("poststop", hooks, &state, HookFolder::Bundle);
        self.folder.remove()?;
        Ok(told?)
    }
}

/// Deletes what is left of a container whose creation was cut short before its record was written, or whose record
/// cannot be read. Nothing is known of it but its folder.
///
/// # Errors
/// If another command is at work on it, or the folder cannot be removed.
pub(super) fn remove_remains(root: &StateRoot, id: &ContainerId) -> Result<(), LifecycleError> {
    let folder = root.open(id)?;
    folder.lock(id)?;
    folder.remove()
}

impl StateRoot {
    /// Deletes a container by id; with `force`, whatever state its record is in.
    ///
    /// # Errors
    /// As [`Container::delete`], and if there is none.
    pub fn delete(&self, id: &ContainerId, force: bool) -> Result<(), LifecycleError> {
        match Container::find(self, id, Lookup::Change) {
            Ok(container) => container.delete(force),
            Err(LifecycleError::Busy(_) | LifecycleError::Record { .. }) if force => remove_remains(self, id),
            Err(error) => Err(error),
        }
    }
}

/// Waits until a killed process has ended. If it is this process's child it is reaped, so that nothing is left of it.
fn wait_for_end(pidfd: &rustix::fd::OwnedFd) -> Result<(), LifecycleError> {
    let end = Instant::now() + END;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return Err(LifecycleError::WouldNotEnd),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(LifecycleError::Signal { signal: 9, source: error.into() }),
        }
    }
}
