//! The cgroup of a container that is being started: removed again if the start fails.

use std::io;
use std::os::fd::BorrowedFd;

use cofferdam_confinement::Cgroup;

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
    pub(crate) fn join(&self) -> io::Result<()> {
        Ok(())
    }
}
