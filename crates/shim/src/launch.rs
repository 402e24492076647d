//! From a plan to a running container: set-up, gate, receipt, go.

use cofferdam_confinement::Plan;
use cofferdam_confinement::seccomp::Program;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_proof::{
    FilterWitness, GateError, HostKey, Moment, Prepared, Receipt, Subject, Verdict, compare_group, examine,
};
use cofferdam_runtime::start::{Gated, OwnedGroup, StartIo, Supervision, create};
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
    // Only an administrator may read a filter back; others watch it being installed.
    let (gated, witnessed) = if rustix::process::geteuid().is_root() {
        (created.exec_to_gate()?, Vec::new())
    } else {
        created.exec_to_gate_witnessing()?
    };
    prove(plan, spec, &gated, &witnessed)?;
    let released = gated.release()?;
    Ok(Launched { pid: released.pid, pidfd: released.pidfd, group: released.group, streams })
}

/// Reads the kernel back while the program waits for its first instruction, and keeps the signed receipt. The receipt of
/// a refused start is kept as well: it says why.
fn prove(plan: &Plan, spec: &ShimSpec, gated: &Gated, witnessed: &[Vec<u8>]) -> Result<(), Failure> {
    let (pid, group) = (gated.pid(), gated.group().group());
    let key =
        HostKey::open_or_create(&spec.keys).map_err(|error| Failure::during("sign the receipt", &error))?;
    let proc = ProcFs::open().map_err(|error| Failure::during("open /proc", &error))?;
    let filter_witness = match witnessed {
        [program] => witness(program, &proc, pid)?,
        _ => None,
    };
    let subject = Subject { plan, pid, moment: Moment::Start, preserved_fds: 0, filter_witness };
    let prepared = Prepared::new(&proc, plan).map_err(GateError::Prepare)?;
    let found = examine(&proc, &subject, &prepared).map_err(GateError::Observe)?;
    let statement = found.with_findings(compare_group(&plan.cgroup, group, pid));
    let receipt = Receipt::seal(statement, &key).map_err(GateError::Json)?;
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

/// The one filter that the process was seen installing.
fn witness(program: &[u8], proc: &ProcFs, pid: Pid) -> Result<Option<FilterWitness>, Failure> {
    let during = |error: std::io::Error| Failure::during("count the filters of the first process", &error);
    let program = Program::from_bytes(program).map_err(|error| during(std::io::Error::other(error)))?;
    let status = proc.process(pid).and_then(|process| process.status());
    let count = status.map_err(|error| during(error.into()))?.seccomp_filters;
    Ok(count.map(|filters| FilterWitness { program: program.digest(), filters }))
}
