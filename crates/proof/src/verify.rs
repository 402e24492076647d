//! A running container looked at: its first process, which stands for all of it, and those that entered.

use std::time::Duration;

use cofferdam_confinement::Plan;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_runtime::cgroup::Group;
use rustix::process::Pid;

use crate::entrants::Entrants;
use crate::gate::{GateError, Receipt, examine};
use crate::host_key::HostKey;
use crate::observation::{Moment, Prepared, Subject};
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
    let strangers = |entered: &[(Pid, crate::Entrant)], guests: &[Pid]| {
        let own = entered.iter().map(|(pid, _)| *pid).chain([running.first]);
        let known: Vec<Pid> = own.chain(guests.iter().copied()).collect();
        crate::observation::strangers(proc, running.group, running.first, &known)
    };
    // Elsewhere what is left behind goes to the host's first process, and has a parent outside without having come from there.
    let alone = running.plan.namespaces.pid.is_new();
    let mut unknown = if alone { strangers(&entered, &[]) } else { Ok(Vec::new()) };
    if unknown.as_ref().is_ok_and(|unknown| !unknown.is_empty()) {
        // One of them may be an exec's, whose receipt is just being written.
        std::thread::sleep(SETTLING);
        entered = running.entrants.living(proc, key.public()).map_err(failed)?;
        unknown = strangers(&entered, &(running.guests)());
    }
    let subject = Subject {
        plan: running.plan,
        pid: running.first,
        moment: Moment::Verify,
        group: running.group,
        preserved_fds: 0,
        filter_witness: witness_of_start(running.start, key.public(), proc, running.first),
        strangers: Some(unknown),
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
            strangers: None,
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
