//! Removes everything of a container.

use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerId;
use cofferdam_wire_oci::Status;

use super::container::{Container, Lookup};
use super::error::LifecycleError;
use super::folder::StateRoot;
use crate::start::{self, ContainerState, HookFolder, run_hooks};

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
            match start::wait_for_end(&pidfd) {
                Ok(true) => {}
                Ok(false) => return Err(LifecycleError::WouldNotEnd),
                Err(source) => return Err(LifecycleError::Signal { signal: 9, source }),
            }
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
