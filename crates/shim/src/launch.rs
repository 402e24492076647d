//! From a plan to a running container: set-up, gate, go, receipt.

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::{Network, ZoneRules};
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_kernel::proc::ProcFs;
use cofferdam_network::{ConnectError, Connected};
use cofferdam_proof::{
    ContainerReading, GateError, HostKey, Prepared, Receipt, Rule, Statement, Terms, gate,
};
use cofferdam_resolver::keeper::JoinError;
use cofferdam_rootless::Host;
use cofferdam_runtime::cgroup::Group;
use cofferdam_runtime::start::{Building, Gated, OwnedGroup, Permit, Released, StartIo, Supervision, begin};
use cofferdam_runtime::step::Step;
use rustix::process::{Pid, Signal, pidfd_send_signal};

use crate::failure::Failure;
use crate::names::Candidate;
use crate::spec::ShimSpec;
use crate::streams::Streams;
use crate::supervise::Keeper;
use crate::users_network::publish;

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) group: OwnedGroup,
    pub(crate) streams: Streams,
    /// Its membership in its zone's resolver.
    pub(crate) membership: Option<OwnedFd>,
}

/// How often a start begins anew because its zone was changed meanwhile.
const TRIES: usize = 5;

/// Why an attempt to start came to nothing.
enum Refusal {
    /// Before the container had a link, its zone's rules were found to be others than it was planned with.
    ZoneChanged(Failure),
    /// Anything else.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Starts the container, as its zone is now. If anything fails, nothing of it is left but its folder.
pub(crate) fn launch(
    plan: &Plan,
    spec: &ShimSpec,
    host: Option<&Host>,
    keeper: &impl Keeper,
) -> Result<Launched, Failure> {
    let rules = |network: &Network| keeper.zone_rules(spec, network);
    let mut renewed = None;
    let mut tries = TRIES;
    loop {
        let plan = renewed.as_ref().unwrap_or(plan);
        tries -= 1;
        match attempt(plan, spec, host, &rules) {
            Ok(launched) => return Ok(launched),
            Err(Refusal::ZoneChanged(_)) if tries > 0 => {}
            Err(Refusal::ZoneChanged(failure) | Refusal::Failed(failure)) => return Err(failure),
        }
        let found = keeper.renewed(spec, plan);
        renewed = Some(found.map_err(|error| Failure::during("follow the zone's change", error.as_ref()))?);
    }
}

/// What a container's zone says now.
type RulesNow<'a> = dyn Fn(&Network) -> std::io::Result<Option<ZoneRules>> + 'a;

/// Starts it once.
fn attempt(
    plan: &Plan,
    spec: &ShimSpec,
    host: Option<&Host>,
    rules: &RulesNow<'_>,
) -> Result<Launched, Refusal> {
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
    let building = begin(plan, io)?;
    let prover = Prover::prepare(plan, spec)?;
    if let Some(joined) = spec.joined.as_ref().filter(|joined| !joined.still_runs(&prover.proc)) {
        let id = joined.container.short();
        let text = format!("container {id}, whose namespaces are shared, has ended");
        return Err(Failure::plain(text).into());
    }
    let connected = connect(plan, &building, rules)?;
    publish(plan, host)?;
    let candidate = candidate(plan, spec)?;
    let joining = match &candidate {
        Some(candidate) => Some(candidate.begin().map_err(not_joined)?),
        None => None,
    };
    let mut created = building.finish()?;
    // Its keeper has had that time for it. The gate looks whether somebody listens.
    let membership = match joining {
        Some(joining) => Some(joining.finish().map_err(not_joined)?),
        None => None,
    };
    let streams = match streams {
        Some(streams) => streams,
        None => {
            let master = created.take_terminal();
            let master = master.ok_or_else(|| Failure::plain("the container has made no terminal"))?;
            Streams::terminal(master)
                .map_err(|error| Failure::during("use the container's terminal", &error))?
        }
    };
    let mut ahead = None;
    let gated = created.exec_to_gate_meanwhile(|pid, group| ahead = Some(prover.look_ahead(pid, group)))?;
    let (permit, statement) = prover.prove(&gated, ahead.transpose()?.flatten())?;
    let released = gated.release(permit)?;
    // Of a container that goes with its end, and has ended, nobody asks for a receipt any more.
    let is_over = spec.remove && !spec.keep && released.has_ended();
    if !is_over && let Err(failure) = prover.keep(statement) {
        end(released);
        return Err(failure.into());
    }
    if let Some(connected) = connected {
        connected.keep();
    }
    Ok(Launched { pid: released.pid, pidfd: released.pidfd, group: released.group, streams, membership })
}

/// What the container is to its zone's resolver, if it has one.
fn candidate(plan: &Plan, spec: &ShimSpec) -> Result<Option<Candidate>, Failure> {
    let (Some(network), Some(orders)) = (&plan.network, &spec.resolver) else { return Ok(None) };
    if Step::NameServer.is_left_out(&network.zone) {
        return Ok(None);
    }
    Step::NameServer.run(&network.zone, || Ok(()))?;
    Candidate::new(&spec.id, spec.name(), network, orders).map(Some)
}

fn not_joined(error: JoinError) -> Failure {
    Failure::during("give the container its name server", &error)
}

/// Gives the container its link and rules, if it is to have any.
fn connect(plan: &Plan, building: &Building<'_>, rules: &RulesNow<'_>) -> Result<Option<Connected>, Refusal> {
    let Some(network) = &plan.network else { return Ok(None) };
    let namespace = building.network_namespace()?;
    match cofferdam_network::connect(network, namespace.as_fd(), &|| rules(network)) {
        Ok(connected) => Ok(Some(connected)),
        Err(ConnectError::Step(error)) => Err(error.into()),
        Err(error) => {
            let failure = Failure::during("connect the container", &error);
            Err(match error {
                ConnectError::ZoneChanged => Refusal::ZoneChanged(failure),
                _ => Refusal::Failed(failure),
            })
        }
    }
}

/// What the proof needs beside the process itself: made while init builds its root.
struct Prover<'a> {
    plan: &'a Plan,
    spec: &'a ShimSpec,
    key: HostKey,
    proc: ProcFs,
    prepared: Prepared,
}

impl<'a> Prover<'a> {
    fn prepare(plan: &'a Plan, spec: &'a ShimSpec) -> Result<Self, Failure> {
        let key = HostKey::open_or_create(&spec.keys)
            .map_err(|error| Failure::during("sign the receipt", &error))?;
        let proc = ProcFs::open().map_err(|error| Failure::during("open /proc", &error))?;
        let prepared = Prepared::new(&proc, plan).map_err(GateError::Prepare)?;
        Ok(Self { plan, spec, key, proc, prepared })
    }

    /// What of the container can be read while its first process executes its program.
    fn look_ahead(&self, pid: Pid, group: Option<&Group>) -> Result<Option<ContainerReading>, Failure> {
        let read = ContainerReading::ahead(&self.proc, self.plan, pid, group, &self.prepared);
        Ok(read.map_err(GateError::Observe)?)
    }

    /// Reads the kernel back while the program waits for its first instruction. The receipt of a start that is refused is
    /// kept as well: it says why.
    fn prove(&self, gated: &Gated, ahead: Option<ContainerReading>) -> Result<(Permit, Statement), Failure> {
        let terms = Terms {
            plan: self.plan,
            prepared: &self.prepared,
            group: gated.group().group(),
            preserved_fds: 0,
            rule: Rule::Strict,
        };
        match gate(&self.proc, gated, &terms, ahead) {
            Ok(passed) => Ok((passed.permit, passed.statement)),
            Err(error) => {
                if let GateError::Refused { statement, .. } = &error {
                    self.keep(Statement::clone(statement))?;
                }
                Err(error.into())
            }
        }
    }

    /// Signs what was found: the program runs meanwhile.
    fn keep(&self, statement: Statement) -> Result<(), Failure> {
        let receipt = Receipt::seal(statement, &self.key).map_err(GateError::Json)?;
        receipt
            .keep(&self.spec.container_dir().receipt())
            .map_err(|error| Failure::during("keep the receipt", &error))
    }
}

/// Ends a container that runs and has no receipt: nothing would say how it was confined.
fn end(released: Released) {
    let _ = pidfd_send_signal(&released.pidfd, Signal::KILL);
    let _ = rustix::process::waitid(
        rustix::process::WaitId::PidFd(released.pidfd.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    if let Some(group) = released.group.group() {
        // A group that is still busy is found by its path by the next clean-up.
        let _ = group.kill_all();
        let _ = group.destroy();
    }
}
