//! The cgroup of a container that is being started: removed again if the start fails.

use std::io;
use std::os::fd::BorrowedFd;

use cofferdam_confinement::Cgroup;
use rustix::process::Pid;

use crate::cgroup::{Group, Joiner as GroupJoiner, Layout, Subgroups};
use crate::step::{Step, StepError};

/// A container's cgroup, or none where it stays in its caller's. It is removed when this is dropped, unless it was kept.
#[derive(Debug)]
pub struct OwnedGroup {
    group: Option<Group>,
    kept: bool,
}

impl OwnedGroup {
    /// Makes the group with its limits, before any process is in it.
    pub(crate) fn create(cgroup: &Cgroup) -> Result<Self, StepError> {
        let Some(path) = &cgroup.path else { return Ok(Self::none()) };
        let group = Step::Cgroup.run(path.as_str(), || {
            let layout = Layout::detect().map_err(io::Error::other)?;
            Group::create(&layout, path, &cgroup.resources).map_err(io::Error::other)
        })?;
        let owned = Self { group: Some(group), kept: false };
        if let (Some(group), Some(owner)) = (owned.group(), cgroup.owner) {
            Step::Cgroup.run("hand it over", || group.delegate_to(owner).map_err(io::Error::other))?;
        }
        Ok(owned)
    }

    /// No group of one's own: a process that enters a container is in the container's.
    pub(crate) fn none() -> Self {
        Self { group: None, kept: true }
    }

    /// A group that exists already and stays when this is dropped.
    #[must_use]
    pub fn existing(group: Group) -> Self {
        Self { group: Some(group), kept: true }
    }

    /// The group of a container that a process enters, and what it joins the groups with: those that the container's first
    /// process is in, or those that are named, below the container's own.
    pub(crate) fn entered(
        cgroup: &Cgroup,
        first: Pid,
        subgroups: Option<&Subgroups>,
    ) -> Result<(Self, Joiner), StepError> {
        let path = match (&cgroup.path, subgroups) {
            (Some(path), _) => path,
            (None, None) => return Ok((Self::none(), Joiner(None))),
            (None, Some(_)) => {
                return Err(Step::JoinCgroup.refused("", "the container has no cgroup of its own"));
            }
        };
        Step::JoinCgroup.run("of the container", || {
            let layout = Layout::detect().map_err(io::Error::other)?;
            let joiner = match subgroups {
                None => layout.joiner_beside(first, path),
                Some(subgroups) => layout.joiner_below(path, subgroups),
            };
            let group = Group::open(&layout, path).map_err(io::Error::other)?;
            Ok((Self::existing(group), Joiner(Some(joiner.map_err(io::Error::other)?))))
        })
    }

    /// The group, where there is one.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    pub(crate) fn joiner(&self) -> Result<Joiner, StepError> {
        let Some(group) = &self.group else { return Ok(Joiner(None)) };
        Ok(Joiner(Some(Step::Cgroup.run("", || group.joiner().map_err(io::Error::other))?)))
    }

    /// Keeps the group when this is dropped.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for OwnedGroup {
    fn drop(&mut self) {
        if let Some(group) = self.group.as_ref().filter(|_| !self.kept) {
            // The start failed and says why; a group that is still busy is found by its path by the next clean-up.
            let _ = group.destroy();
        }
    }
}

/// What the init side joins the group with.
#[derive(Debug)]
pub(crate) struct Joiner(Option<GroupJoiner>);

impl Joiner {
    /// The v2 folder to be cloned into.
    pub(crate) fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().and_then(GroupJoiner::clone_into)
    }

    /// Puts the calling process into the v1 hierarchies, and closes the doors behind it.
    pub(crate) fn join(&mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |joiner| joiner.join().map_err(io::Error::other))
    }
}
