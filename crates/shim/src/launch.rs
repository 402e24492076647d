//! From a plan to a running container: set-up, gate, receipt, go.

use cofferdam_confinement::Plan;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_proof::{GateError, HostKey, Moment, Receipt, Subject, Verdict, compare_group, verify};
use cofferdam_runtime::cgroup::Group;
use cofferdam_runtime::start::{OwnedGroup, StartIo, Supervision, create};
use rustix::process::Pid;

use crate::failure::Failure;
use crate::spec::ShimSpec;
use crate::streams::Streams;

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    pub(crate) pidfd: std::os::fd::OwnedFd,
    pub(crate) group: OwnedGroup,
    pub(crate) streams: Streams,
}

/// Starts the container. If anything fails, nothing of it is left but its folder.
pub(crate) fn launch(plan: &Plan, spec: &ShimSpec) -> Result<Launched, Failure> {
    let pipes = if plan.process.terminal {
        None
    } else {
        let made = Streams::pipes(plan, spec.stdin_open);
        Some(made.map_err(|error| Failure::during("make the container's streams", &error))?)
    };
    let (streams, stdio) = pipes.map_or((None, None), |(streams, stdio)| (Some(streams), Some(stdio)));
    let io = StartIo {
        stdio,
        preserved_fds: 0,
        supervision: Supervision::DieWithParent,
        start_socket: None,
        bundle: spec.dir.clone(),
    };
    let mut created = create(plan, io)?;
    let streams = match streams {
        Some(streams) => streams,
        None => {
            let master = created.take_terminal();
            let master = master.ok_or_else(|| Failure::plain("the container has made no terminal"))?;
            Streams::terminal(master)
                .map_err(|error| Failure::during("use the container's terminal", &error))?
        }
    };
    let gated = created.exec_to_gate()?;
    prove(plan, spec, gated.pid(), gated.group().group())?;
    let released = gated.release()?;
    Ok(Launched { pid: released.pid, pidfd: released.pidfd, group: released.group, streams })
}

/// Reads the kernel back while the program waits for its first instruction, and keeps the signed receipt. The receipt of
/// a refused start is kept as well: it says why.
fn prove(plan: &Plan, spec: &ShimSpec, pid: Pid, group: Option<&Group>) -> Result<(), Failure> {
    let key =
        HostKey::open_or_create(&spec.keys).map_err(|error| Failure::during("sign the receipt", &error))?;
    let proc = ProcFs::open().map_err(|error| Failure::during("open /proc", &error))?;
    let subject = Subject { plan, pid, moment: Moment::Start, preserved_fds: 0, filter_witness: None };
    let statement =
        verify(&proc, &subject, &key)?.statement.with_findings(compare_group(&plan.cgroup, group, pid));
    let envelope = statement.sign(&key).map_err(GateError::Json)?;
    let receipt = Receipt { statement, envelope };
    let path = spec.container_dir().receipt();
    serde_json::to_vec(&receipt.envelope)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(path, text))
        .map_err(|error| Failure::during("keep the receipt", &error))?;
    match receipt.statement.verdict {
        Verdict::Holds => Ok(()),
        Verdict::Unknown | Verdict::Differs => Err(GateError::Refused(Box::new(receipt)).into()),
    }
}
