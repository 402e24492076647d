//! The cgroup of a container that is being started: removed again if the start fails.

use std::io;
use std::os::fd::BorrowedFd;

use cofferdam_confinement::Cgroup;
use cofferdam_kernel::proc::ProcDir;

use crate::step::{Step, StepError};

/// A container's cgroup, or none where it stays in its caller's.
#[derive(Debug)]
pub struct OwnedGroup;

/// What the init side joins the group with.
#[derive(Debug)]
pub(crate) struct Joiner;

impl OwnedGroup {
    /// Makes the group with its limits, before any process is in it.
    pub(crate) fn create(cgroup: &Cgroup) -> Result<Self, StepError> {
        match &cgroup.path {
            None => Ok(Self),
            Some(path) => Err(Step::JoinCgroup.refused(path.as_str(), "the cgroup driver is not built yet")),
        }
    }

    /// No group of one's own: a process that enters a container is in the container's.
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn joiner(&self) -> Joiner {
        Joiner
    }

    pub(crate) fn clone_folder(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Keeps the group when this is dropped.
    pub fn leave(&mut self) {}
}

impl Joiner {
    /// Joins the groups that a process of the container is in.
    pub(crate) fn of_process(_: &ProcDir) -> Result<Self, StepError> {
        Ok(Self)
    }

    pub(crate) fn join(&self) -> io::Result<()> {
        Ok(())
    }
}
