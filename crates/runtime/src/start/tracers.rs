//! Where this process has no rights over the host, its children stay open to tracers until they execute the container's
//! program: the gate's own tracer could not attach to them either. So none of them goes where a tracer may be.

use std::os::fd::AsFd;

use cofferdam_confinement::Capabilities;
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcDir, ProcFs};
use rustix::fs::fstat;

use super::has_host_rights;
use super::join::Joined;
use crate::step::{Step, StepError};

/// The namespaces in which one process finds another, and has rights over it.
const COMMON: [Namespace; 2] = [Namespace::Pid, Namespace::User];

const REASON: &str = "processes of this container may have CAP_SYS_PTRACE, and would trace the one that enters before it is \
    confined: an ordinary user's runtime enters no such container";

/// Whether any of the sets has CAP_SYS_PTRACE, now or by what it may get.
fn may_trace(sets: &Capabilities) -> bool {
    [sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient]
        .iter()
        .any(|set| set.contains(Capability::SYS_PTRACE))
}

/// Stops a process with these capabilities from being made in a container that others of ours enter later.
pub(super) fn check_entrant(
    sets: &Capabilities,
    container: &Capabilities,
    dir: &ProcDir,
) -> Result<(), StepError> {
    if has_host_rights() {
        return Ok(());
    }
    if may_trace(sets) || may_trace(container) {
        return Err(Step::JoinNamespace.refused("of the container", REASON));
    }
    let number =
        |kind| Step::OpenNamespace.run("of the container", || Ok((kind, dir.namespace_number(kind)?)));
    let numbers: Vec<_> = COMMON.into_iter().map(number).collect::<Result<_, _>>()?;
    check_members(&numbers)
}

/// Stops a first process that joins what such processes are in.
pub(super) fn check_joined(joined: &Joined) -> Result<(), StepError> {
    if joined.is_empty() || has_host_rights() {
        return Ok(());
    }
    let mut numbers = Vec::new();
    for (kind, file) in joined.iter().filter(|(kind, _)| COMMON.contains(kind)) {
        let stat = Step::OpenNamespace.run(kind.link_name(), || Ok(fstat(file.as_fd())?))?;
        numbers.push((*kind, stat.st_ino));
    }
    check_members(&numbers)
}

/// No process of these namespaces may have it. One that is not there yet cannot come by it later: another runtime of this
/// user's would stop here as well.
fn check_members(namespaces: &[(Namespace, u64)]) -> Result<(), StepError> {
    let proc = Step::OpenNamespace.run("/proc", || Ok(ProcFs::open()?))?;
    for pid in Step::OpenNamespace.run("/proc", || Ok(proc.processes()?))? {
        // What cannot be looked at is another user's, and in no namespace of this one's.
        let Ok(process) = proc.process(pid) else { continue };
        let inside = |(kind, number): &(Namespace, u64)| {
            process.namespace_number(*kind).is_ok_and(|own| own == *number)
        };
        if !namespaces.iter().any(inside) {
            continue;
        }
        let Ok(status) = process.status() else { continue };
        let sets = [status.cap_bounding, status.cap_permitted, status.cap_inheritable, status.cap_ambient];
        if sets.iter().any(|set| set.contains(Capability::SYS_PTRACE)) {
            return Err(Step::JoinNamespace.refused(format_args!("of process {}", status.pid), REASON));
        }
    }
    Ok(())
}
