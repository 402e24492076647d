//! The container's control group: its limits as the kernel has them, and which groups the process is in.

use cofferdam_confinement::Cgroup;
use cofferdam_confinement::resources::Resources;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_runtime::cgroup::{Group, Observation};
use rustix::process::Pid;

use super::gather::reading;
use super::{Reading, Scope, Unreadable};

/// What was read of a control group: the kernel's spelling of each planned value beside what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReading {
    /// The limits, and the group's owner where it is handed over.
    pub limits: Reading<Vec<Observation>>,
    /// One for each hierarchy: in one of several a process could be left out, and its limits there with it.
    pub membership: Reading<Vec<Observation>>,
}

/// Reads what the plan asks for. `group` is the container's group, none where it could not be opened.
pub(crate) fn read_group(planned: &Cgroup, group: Option<&Group>, scope: Scope, pid: Pid) -> GroupReading {
    let Some(group) = group else {
        let why = match &planned.path {
            Some(path) => Unreadable(format!("its group {} cannot be opened", path.as_str())),
            None if planned.resources == Resources::default() => {
                return GroupReading { limits: Ok(Vec::new()), membership: Ok(Vec::new()) };
            }
            None => Unreadable("it has no group of its own".to_owned()),
        };
        return GroupReading { limits: Err(why.clone()), membership: Err(why) };
    };
    let limits = match scope {
        Scope::Entered => Ok(Vec::new()),
        Scope::Container => reading(group.observe(&planned.resources)).map(|mut limits| {
            limits.extend(planned.owner.and_then(|uid| group.observe_owner(uid)));
            limits
        }),
    };
    GroupReading { limits, membership: reading(group.observe_membership(pid)) }
}

/// A process of the container that nothing is known of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its number on the host.
    pub pid: i32,
    /// The parent's, which is no process of the container.
    pub parent: i32,
}

/// The processes of the group whose parents are outside of it and that are not among `known`: somebody put them there
/// (nsenter(1), or a runtime that keeps no receipts). What a process of the container starts has a parent in it, and what is
/// left behind in a pid namespace gets the namespace's first process as its parent.
///
/// # Errors
/// The group's processes cannot be listed.
pub fn strangers(proc: &ProcFs, group: Option<&Group>, known: &[Pid]) -> Reading<Vec<Stranger>> {
    let Some(group) = group else { return Ok(Vec::new()) };
    let members = reading(group.processes())?;
    let inside: std::collections::BTreeSet<i32> =
        members.iter().map(|member| member.as_raw_nonzero().get()).collect();
    let stranger = |pid: &Pid| {
        // One that has ended since it was listed is nobody's any more.
        let status = proc.process(*pid).and_then(|process| process.status()).ok()?;
        // One at its gate is known as soon as it runs.
        let outside = !inside.contains(&status.ppid) && status.tracer_pid == 0 && status.state != b'Z';
        outside.then_some(Stranger { pid: status.pid, parent: status.ppid })
    };
    Ok(members.iter().filter(|pid| !known.contains(pid)).filter_map(stranger).collect())
}
