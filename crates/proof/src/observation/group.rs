//! The container's control group: its limits as the kernel has them, and which groups the process is in.

use std::collections::HashSet;

use cofferdam_confinement::Cgroup;
use cofferdam_confinement::resources::Resources;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::ProcFs;
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

/// A process of the container that nothing is known of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its number on the host.
    pub pid: i32,
    /// The parent's, which is no process of the container.
    pub parent: i32,
}

/// The processes of the container whose parents are outside of it and that are not among `known`: somebody put them there
/// (nsenter(1), or a runtime that keeps no receipts). Of the container are those in its group and those in the pid namespace
/// of its first process; what they start has a parent among them, and what is left behind in a pid namespace gets that
/// namespace's first process as its parent.
///
/// # Errors
/// The processes cannot be listed.
pub fn strangers(proc: &ProcFs, group: Option<&Group>, first: Pid, known: &[Pid]) -> Reading<Vec<Stranger>> {
    let mut inside: HashSet<Pid> = match group {
        Some(group) => reading(group.processes())?.into_iter().collect(),
        None => HashSet::new(),
    };
    let namespace = |pid: Pid| proc.process(pid).and_then(|process| process.namespace_number(Namespace::Pid));
    let own = reading(namespace(first))?;
    let everything = rustix::process::geteuid().is_root();
    for pid in reading(proc.processes())? {
        match namespace(pid) {
            Ok(number) if number == own => drop(inside.insert(pid)),
            Ok(_) => {}
            Err(error) if error.is_gone() => {}
            // Another user's process cannot be looked at, and cannot be in an ordinary user's container.
            Err(_) if !everything => {}
            // Root may look at all but a few. One that has a single number is in the reader's own pid namespace, so in no
            // container's; any other could be in this one.
            Err(error) => match proc.process(pid).and_then(|process| process.status()) {
                Ok(status) if status.ns_pid.len() == 1 => {}
                Err(error) if error.is_gone() => {}
                _ => return reading(Err(error)),
            },
        }
    }
    let mut strangers = Vec::new();
    for pid in inside.iter().filter(|pid| !known.contains(pid)) {
        let status = match proc.process(*pid).and_then(|process| process.status()) {
            // One that has ended since it was listed is nobody's any more.
            Err(error) if error.is_gone() => continue,
            other => reading(other)?,
        };
        let born_here = Pid::from_raw(status.ppid).is_some_and(|parent| inside.contains(&parent));
        // One at its gate is known as soon as it runs.
        if !born_here && status.tracer_pid == 0 && status.state != b'Z' {
            strangers.push(Stranger { pid: status.pid, parent: status.ppid });
        }
    }
    Ok(strangers)
}
