//! A running container looked at: its first process, which stands for all of it, and those that entered.

use std::time::Duration;

use cofferdam_confinement::Plan;
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_runtime::cgroup::Group;
use rustix::process::Pid;

use crate::controls::population::holds;
use crate::entrants::Entrants;
use crate::gate::{GateError, Receipt, examine};
use crate::host_key::HostKey;
use crate::observation::{Acquaintances, Moment, Population, Prepared, Subject, population};
use crate::receipt::witness_of_start;

/// Which container is looked at.
pub struct Running<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Its first process.
    pub first: Pid,
    /// Its control group; none where it has none of its own, or it cannot be opened.
    pub group: Option<&'a Group>,
    /// The host's side.
    pub prepared: &'a Prepared,
    /// The receipt of its start, as stored: where the filter cannot be read back it says what was seen.
    pub start: &'a [u8],
    /// The processes that entered it.
    pub entrants: &'a Entrants,
    /// Tells the processes of other containers that share its pid namespace, by its own plan or theirs: their first ones, and
    /// those that entered them. Asked only where there are processes that nothing else accounts for.
    pub guests: &'a dyn Fn() -> Vec<Pid>,
}

impl std::fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("plan", &self.plan.container)
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// How long an `exec` may take from letting its process run to keeping its receipt.
const SETTLING: Duration = Duration::from_millis(50);

/// Reads everything back and signs what was found, whatever that is: the container's receipt first, then one for each process
/// that entered it and still runs.
///
/// # Errors
/// The first process cannot be looked at, or a receipt cannot be made.
pub fn verify_all(proc: &ProcFs, running: &Running<'_>, key: &HostKey) -> Result<Vec<Receipt>, GateError> {
    let failed = |error: std::io::Error| GateError::Entrants(error);
    let mut entered = running.entrants.living(proc, key.public()).map_err(failed)?;
    let own: Vec<Namespace> =
        Namespace::ALL.into_iter().filter(|kind| running.plan.namespaces.source(*kind).is_new()).collect();
    let look = |entered: &[(Pid, crate::Entrant)], guests: &[Pid]| {
        let held = entered.iter().map(|(_, entrant)| &entrant.process.capabilities);
        let entered_capabilities =
            held.fold(CapSet::EMPTY, |all, sets| all.union(sets.bounding).union(sets.inheritable));
        let entered: Vec<Pid> = entered.iter().map(|(pid, _)| *pid).collect();
        let known = Acquaintances { first: running.first, entered: &entered, guests };
        let found = population(proc, running.group, &own, &known);
        found.map(|found| Population { entered_capabilities, ..found })
    };
    let mut others = look(&entered, &[]);
    if others.as_ref().is_ok_and(|others| !holds(running.plan, others)) {
        // One of them may be an exec's, whose receipt is just being written, or another container's.
        std::thread::sleep(SETTLING);
        entered = running.entrants.living(proc, key.public()).map_err(failed)?;
        others = look(&entered, &(running.guests)());
    }
    let subject = Subject {
        plan: running.plan,
        pid: running.first,
        moment: Moment::Verify,
        group: running.group,
        preserved_fds: 0,
        filter_witness: witness_of_start(running.start, key.public(), proc, running.first),
        population: Some(others),
    };
    let mut receipts = vec![Receipt::seal(examine(proc, &subject, running.prepared)?, key)?];
    for (pid, entrant) in entered {
        let start = serde_json::to_vec(&entrant.receipt)?;
        let plan = running.plan.with_process(entrant.process);
        let prepared = Prepared::entering(proc, &plan, running.first)?;
        let subject = Subject {
            plan: &plan,
            pid,
            moment: Moment::Verify,
            group: running.group,
            preserved_fds: 0,
            filter_witness: witness_of_start(&start, key.public(), proc, pid),
            population: None,
        };
        match examine(proc, &subject, &prepared) {
            Ok(statement) => receipts.push(Receipt::seal(statement, key)?),
            // It has ended since it was listed.
            Err(crate::ObserveError::Process { source, .. }) if source.is_gone() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(receipts)
}
