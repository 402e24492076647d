//! Executes the steps of a build: each in a container of its own, in the zone `build`.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use cofferdam_build::execute::{MountSource, ReadyMount, RunEnd, RunId, RunOrder, Runner, RunnerError};
use cofferdam_build::plan::StepNetwork;
use cofferdam_confinement::{Flag, IdMaps, Mount, MountFlags, MountIdMap, MountKind, Propagation};
use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, set_mask};
use cofferdam_names::{ContainerId, ContainerPath, ZoneName};
use cofferdam_policy::{ContainerRequest, ImageConfig, NetworkMode};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::agent::AgentRelay;
use super::session::Session;
use crate::image::ReadyImage;
use crate::{Attach, AttachStream, Engine, RemoveOptions};

/// What steps are recorded with instead of an image's id.
const STEP_IMAGE: &str = "build-step";

/// Why a step stopped that had begun.
#[derive(Debug, Error)]
enum StepStopped {
    #[error("interrupted by {0}")]
    Signal(Signal),
    #[error("no step is under way")]
    Nothing,
    #[error("cannot pass on an ssh agent")]
    Agent(#[source] io::Error),
    #[error("{0:?} is no path in a container")]
    Target(String),
}

/// A step under way.
struct Running {
    id: ContainerId,
    stream: AttachStream,
    id_maps: Option<IdMaps>,
    agents: Vec<AgentRelay>,
}

pub(super) struct StepRunner<'e> {
    engine: &'e Engine,
    session: &'e Session,
    zone: &'e ZoneName,
    running: BTreeMap<RunId, Running>,
    next: u64,
}

impl<'e> StepRunner<'e> {
    pub(super) fn new(engine: &'e Engine, session: &'e Session, zone: &'e ZoneName) -> Self {
        Self { engine, session, zone, running: BTreeMap::new(), next: 0 }
    }

    /// Waits until one of them has something to say, or a signal has come.
    fn next_event(
        &mut self,
        signals: &SignalFd,
        output: &mut dyn FnMut(RunId, bool, &[u8]),
    ) -> Result<Option<(RunId, RunEnd)>, RunnerError> {
        let mut polled: Vec<PollFd<'_>> = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        for running in self.running.values() {
            polled.push(PollFd::from_borrowed_fd(running.stream.as_fd(), PollFlags::IN));
        }
        for fd in self.running.values().flat_map(|running| &running.agents).flat_map(AgentRelay::fds) {
            polled.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        rustix::io::retry_on_intr(|| poll(&mut polled, None)).map_err(io::Error::from)?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut rest = ready.get(1 + self.running.len()..).unwrap_or_default();
        for relay in self.running.values_mut().flat_map(|running| &mut running.agents) {
            let (own, others) = rest.split_at(relay.fds().count().min(rest.len()));
            relay.serve(own);
            rest = others;
        }
        if ready.first() == Some(&true)
            && let Some(arrived) = signals.read()?
        {
            return Err(StepStopped::Signal(arrived.signal).into());
        }
        for ((id, running), _) in self.running.iter().zip(ready.iter().skip(1)).filter(|(_, ready)| **ready) {
            let ended = running.stream.next(&mut |stderr, bytes| output(*id, stderr, bytes))?;
            if let Some(status) = ended {
                return Ok(Some((
                    *id,
                    RunEnd { code: i32::from(status.code), id_maps: running.id_maps.clone() },
                )));
            }
        }
        Ok(None)
    }
}

/// What is needed to start a step: also what is told of it to another process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StepOrder {
    platform: String,
    lower: Vec<PathBuf>,
    upper: PathBuf,
    work: PathBuf,
    args: Vec<String>,
    env: Vec<String>,
    user: String,
    workdir: String,
    network: StepNetwork,
    hosts: Vec<String>,
    mounts: Vec<ReadyMount>,
}

impl StepOrder {
    pub(super) fn of(order: &RunOrder<'_>) -> Self {
        Self {
            platform: order.step.platform.to_string(),
            lower: order.lower.to_vec(),
            upper: order.upper.to_owned(),
            work: order.work.to_owned(),
            args: order.step.args.clone(),
            env: order.step.env.iter().chain(order.env).cloned().collect(),
            user: order.step.user.clone(),
            workdir: order.step.workdir.clone(),
            network: order.step.network,
            hosts: order.step.hosts.clone(),
            mounts: order.mounts.to_vec(),
        }
    }
}

impl StepRunner<'_> {
    pub(super) fn start_order(&mut self, order: StepOrder) -> Result<RunId, RunnerError> {
        let id = RunId(self.next);
        self.next += 1;
        let mut request = ContainerRequest::new(STEP_IMAGE);
        request.command = order.args;
        request.platform = Some(order.platform);
        request.zone = Some(self.zone.clone());
        request.name = Some(self.session.container(id.0).parse()?);
        request.log_driver = Some("none".to_owned());
        request.rm = true;
        request.network.mode = match order.network {
            StepNetwork::None => Some(NetworkMode::None),
            StepNetwork::Host => Some(NetworkMode::Host),
            StepNetwork::Zone => None,
        };
        request.network.add_hosts = order.hosts;
        let agents = order.mounts.iter().filter_map(agent).collect::<io::Result<_>>();
        let agents = agents.map_err(StepStopped::Agent)?;
        let image = ReadyImage {
            id: STEP_IMAGE.to_owned(),
            layers: order.lower,
            stack: None,
            mounts: order.mounts.iter().map(mount).collect::<Result<_, StepStopped>>()?,
            config: ImageConfig {
                env: order.env,
                user: order.user,
                workdir: order.workdir,
                ..ImageConfig::default()
            },
        };
        let attach = Attach { stdin: false, stdout: true, stderr: true };
        let step = self.engine.run_step(&request, image, &order.upper, &order.work, attach)?;
        let running = Running { id: step.id, stream: step.stream, id_maps: step.id_maps, agents };
        self.running.insert(id, running);
        Ok(id)
    }
}

impl Runner for StepRunner<'_> {
    fn start(&mut self, order: &RunOrder<'_>) -> Result<RunId, RunnerError> {
        self.start_order(StepOrder::of(order))
    }

    fn wait(&mut self, output: &mut dyn FnMut(RunId, bool, &[u8])) -> Result<(RunId, RunEnd), RunnerError> {
        if self.running.is_empty() {
            return Err(StepStopped::Nothing.into());
        }
        let signals = || [Signal::INT, Signal::TERM, Signal::HUP].into_iter().collect::<SignalSet>();
        let before = block(signals())?;
        let waited = SignalFd::new(signals()).map_err(RunnerError::from).and_then(|signals| {
            loop {
                if let Some(ended) = self.next_event(&signals, output)? {
                    return Ok(ended);
                }
            }
        });
        set_mask(before)?;
        let (id, end) = waited?;
        self.running.remove(&id);
        Ok((id, end))
    }

    fn stop_all(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            // What cannot be ended now is found by the next command.
            let _ = self.engine.remove(&running.id, &RemoveOptions { force: true, volumes: true });
        }
    }
}

impl Drop for StepRunner<'_> {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// The socket of a mount that is about an agent.
fn agent(mount: &ReadyMount) -> Option<io::Result<AgentRelay>> {
    match &mount.source {
        MountSource::Agent { path, agent, mode, owner } => Some(AgentRelay::open(path, agent, *mode, *owner)),
        _ => None,
    }
}

/// A build's mount in the words of a plan. What is bound was made by the build: a container's numbers are its owners.
fn mount(ready: &ReadyMount) -> Result<Mount, StepStopped> {
    let target: ContainerPath =
        ready.target.parse().map_err(|_| StepStopped::Target(ready.target.clone()))?;
    let inert = MountFlags { nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP };
    let bind = |path: &PathBuf| MountKind::Bind {
        source: path.clone(),
        resolved: true,
        recursive: false,
        id_map: MountIdMap::Container { recursive: false },
    };
    let (kind, flags) = match &ready.source {
        MountSource::Path { path, readonly } => {
            let readonly = if *readonly { Flag::Set } else { Flag::Keep };
            (bind(path), MountFlags { readonly, ..inert })
        }
        MountSource::Agent { path, .. } => (bind(path), inert),
        MountSource::Tmpfs { size } => {
            let mut options = vec!["mode=1777".to_owned()];
            options.extend(size.map(|size| format!("size={size}")));
            let (fstype, source) = ("tmpfs".to_owned(), "tmpfs".to_owned());
            (MountKind::Filesystem { fstype, source, options, copy_up: false }, inert)
        }
    };
    let propagation = match kind {
        MountKind::Bind { .. } => vec![Propagation::Rprivate],
        _ => Vec::new(),
    };
    Ok(Mount { target, kind, flags, recursive_flags: MountFlags::KEEP, propagation })
}
