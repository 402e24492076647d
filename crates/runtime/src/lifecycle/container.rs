//! A container that is written down: what it is doing, and what can be done to it.

use std::os::fd::OwnedFd;
use std::path::Path;

use cofferdam_confinement::resources::Resources;
use cofferdam_names::ContainerId;
use cofferdam_wire_oci::{SPEC_VERSION, State, Status};
use rustix::process::Pid;

use super::error::LifecycleError;
use super::folder::{Folder, StateRoot};
use super::record::Record;
use crate::cgroup::{Group, Layout};

/// How a container is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// To look at it; it may change meanwhile.
    Look,
    /// To change it: other commands that want to wait until this value is dropped.
    Change,
}

/// A container that exists.
#[derive(Debug)]
pub struct Container {
    pub(super) id: ContainerId,
    pub(super) folder: Folder,
    pub(super) record: Record,
}

impl Container {
    /// Finds a container.
    ///
    /// # Errors
    /// If there is none with this id, or its record cannot be read.
    pub fn find(root: &StateRoot, id: &ContainerId, lookup: Lookup) -> Result<Self, LifecycleError> {
        let folder = root.open(id)?;
        if lookup == Lookup::Change {
            folder.lock(id)?;
        }
        let record = folder.read()?.ok_or_else(|| LifecycleError::Busy(id.clone()))?;
        Ok(Self { id: id.clone(), folder, record })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What is written down of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its folder of state.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its first process while that lives.
    #[must_use]
    pub fn init(&self) -> Option<(Pid, OwnedFd)> {
        self.record.init?.open()
    }

    /// Its cgroup; none where it was not given one, or it is gone.
    pub fn group(&self) -> Result<Option<Group>, LifecycleError> {
        let Some(path) = &self.record.plan.cgroup.path else { return Ok(None) };
        match Group::open(&Layout::detect()?, path) {
            Ok(group) => Ok(Some(group)),
            Err(crate::cgroup::error::CreateError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its cgroup, which a command cannot do without.
    pub fn needed_group(&self) -> Result<Group, LifecycleError> {
        self.group()?.ok_or(LifecycleError::NoGroup)
    }

    /// What it is doing, read from the kernel.
    pub fn status(&self) -> Result<Status, LifecycleError> {
        let Some(init) = self.record.init else {
            return Ok(if self.folder.is_locked() { Status::Creating } else { Status::Stopped });
        };
        if init.open().is_none() {
            return Ok(Status::Stopped);
        }
        if let Some(group) = self.group()?
            && group.is_frozen()?
        {
            return Ok(Status::Paused);
        }
        Ok(if self.folder.waits() { Status::Created } else { Status::Running })
    }

    /// Its state as OCI has it.
    pub fn state(&self) -> Result<State, LifecycleError> {
        let status = self.status()?;
        let pid = self.record.init.filter(|_| status != Status::Stopped).map_or(0, |init| init.pid);
        Ok(State {
            oci_version: SPEC_VERSION.to_owned(),
            id: self.id.to_string(),
            status,
            pid,
            bundle: self.record.bundle.to_string_lossy().into_owned(),
            annotations: self.record.plan.annotations.clone(),
        })
    }

    /// Stops all its processes where they are.
    pub fn pause(&self) -> Result<(), LifecycleError> {
        match self.status()? {
            Status::Running | Status::Created => Ok(self.needed_group()?.freeze()?),
            other => Err(LifecycleError::NotPausable(other.as_str())),
        }
    }

    /// Lets them go on.
    pub fn resume(&self) -> Result<(), LifecycleError> {
        match self.status()? {
            Status::Paused => Ok(self.needed_group()?.thaw()?),
            _ => Err(LifecycleError::NotPaused),
        }
    }

    /// The processes in it, as this process's pid namespace numbers them.
    pub fn processes(&self) -> Result<Vec<Pid>, LifecycleError> {
        match self.group()? {
            Some(group) => Ok(group.processes()?),
            None if self.record.plan.cgroup.path.is_some() => Ok(Vec::new()),
            None => Err(LifecycleError::NoGroup),
        }
    }

    /// Changes its limits, and writes down what they are now.
    pub fn update(&mut self, change: &Resources) -> Result<(), LifecycleError> {
        if self.status()? == Status::Stopped {
            return Err(LifecycleError::NotRunning);
        }
        let current = &self.record.plan.cgroup.resources;
        let new = current.updated(change);
        self.needed_group()?.update(current, &new)?;
        self.record.plan.cgroup.resources = new;
        self.folder.write(&self.record)
    }
}
