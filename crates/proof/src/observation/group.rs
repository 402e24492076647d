//! The container's control group: its limits as the kernel has them, and which groups the process is in.

use cofferdam_confinement::Cgroup;
use cofferdam_confinement::resources::Resources;
use cofferdam_runtime::cgroup::{Group, Observation};
use rustix::process::Pid;

use super::gather::reading;
use super::{Reading, Unreadable};

/// What was read of a control group: the kernel's spelling of each planned value beside what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReading {
    /// The limits, and the group's owner where it is handed over.
    pub limits: Reading<Vec<Observation>>,
    /// One for each hierarchy: in one of several a process could be left out, and its limits there with it.
    pub membership: Reading<Vec<Observation>>,
}

/// Why there is nothing to read, if there is not: none where the plan asks for no group.
fn without_group(planned: &Cgroup) -> Reading<Vec<Observation>> {
    match &planned.path {
        Some(path) => Err(Unreadable(format!("its group {} cannot be opened", path.as_str()))),
        None if planned.resources == Resources::default() => Ok(Vec::new()),
        None => Err(Unreadable("it has no group of its own".to_owned())),
    }
}

/// Reads the limits that the plan asks for. `group` is the container's group, none where it could not be opened.
pub(crate) fn read_limits(planned: &Cgroup, group: Option<&Group>) -> Reading<Vec<Observation>> {
    let Some(group) = group else { return without_group(planned) };
    let mut limits = reading(group.observe(&planned.resources))?;
    limits.extend(planned.owner.and_then(|uid| group.observe_owner(uid)));
    Ok(limits)
}

/// Reads which groups the process is in.
pub(crate) fn read_membership(
    planned: &Cgroup,
    group: Option<&Group>,
    pid: Pid,
) -> Reading<Vec<Observation>> {
    let Some(group) = group else { return without_group(planned) };
    reading(group.observe_membership(pid))
}
