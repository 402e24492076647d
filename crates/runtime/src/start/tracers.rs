//! An init that another process starts (`create` and `start` of an OCI runtime) can be open to tracers while it waits, where the
//! runtime has no rights over the host: the gate's own tracer could not attach to it otherwise, as `following` has it. It is kept
//! from where processes with CAP_SYS_PTRACE are, which makes the kernel ask for nothing else.

use std::os::fd::AsFd;

use cofferdam_confinement::{Capabilities, NamespaceSource, Plan};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::ProcFs;
use rustix::fs::fstat;

use super::exec::Target;
use super::has_host_rights;
use super::join::Joined;
use crate::step::{Step, StepError};

/// The namespaces in which one process finds another, and has rights over it.
const COMMON: [Namespace; 2] = [Namespace::Pid, Namespace::User];

const REASON: &str = "with CAP_SYS_PTRACE processes there could take over one that is not confined yet, which an ordinary user's \
    runtime cannot keep them from here";

/// Whether any of the sets has CAP_SYS_PTRACE, now or by what it may get.
fn may_trace(sets: &Capabilities) -> bool {
    [sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient]
        .iter()
        .any(|set| set.contains(Capability::SYS_PTRACE))
}

/// Stops an init that would wait beside processes that may trace it, and one that may trace others that wait.
pub(super) fn check_joined(plan: &Plan, joined: &Joined) -> Result<(), StepError> {
    let mut numbers = Vec::new();
    for (kind, file) in joined.iter().filter(|(kind, _)| COMMON.contains(kind)) {
        let stat = Step::OpenNamespace.run(kind.link_name(), || Ok(fstat(file.as_fd())?))?;
        numbers.push((*kind, stat.st_ino));
    }
    if !numbers.is_empty() && may_trace(&plan.process.capabilities) {
        return Err(Step::JoinNamespace.refused("of another container", REASON));
    }
    let proc = Step::OpenNamespace.run("/proc", || Ok(ProcFs::open()?))?;
    for pid in Step::OpenNamespace.run("/proc", || Ok(proc.processes()?))? {
        // What cannot be looked at is another user's, and in no namespace of this one's.
        let Ok(process) = proc.process(pid) else { continue };
        let inside = |(kind, number): &(Namespace, u64)| {
            process.namespace_number(*kind).is_ok_and(|own| own == *number)
        };
        if !numbers.iter().any(inside) {
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

/// Stops a process from entering where it could trace what waits, or where what is there could trace it: in a container whose
/// first process still is the runtime's, and in one that shares the runtime's own user namespace, where being not dumpable
/// keeps off nobody who has the capability.
pub(super) fn check_entrant(target: &Target<'_>, entering: &Capabilities) -> Result<(), StepError> {
    let shares_user = target.plan.namespaces.user == NamespaceSource::Host;
    let may = may_trace(entering) || may_trace(&target.plan.process.capabilities);
    if has_host_rights() || !may || !(target.waits || shares_user) {
        return Ok(());
    }
    Err(Step::JoinNamespace.refused("of the container", REASON))
}
