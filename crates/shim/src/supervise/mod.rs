//! The shim's life: one thread, one poll(2), no more memory than it must have.

mod clients;
mod ending;
mod membership;
mod output;
mod outside;
mod probes;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use cofferdam_confinement::network::{Network, ZoneRules};
use cofferdam_kernel::children;
use cofferdam_kernel::readiness::ready;
use cofferdam_kernel::signal::{self, Signal, SignalFd, SignalSet};
use cofferdam_names::Timestamp;
use cofferdam_network::{Remains, RulesWatcher};
use cofferdam_rootless::Host;
use cofferdam_runtime::start::OwnedGroup;
use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;

use crate::event::Event;
use crate::launch::Launched;
use crate::log_writer::LogWriter;
use crate::spec::ShimSpec;
use crate::status::{ContainerState, Status};
use crate::streams::Streams;
use crate::{Listener, Lock};
pub(crate) use clients::Client;
use ending::Ended;
use output::Output;
pub(crate) use probes::{Probes, ProbesState};

/// What the engine does for a shim, which does not know its store.
pub trait Keeper {
    /// Points the plan of a container that shares another's namespaces at where these are now, and the orders at that
    /// container's first process. Nothing for a container that shares none.
    ///
    /// # Errors
    /// The other container does not run.
    fn rejoin(
        &self,
        spec: &mut ShimSpec,
        plan: &mut cofferdam_confinement::Plan,
    ) -> Result<(), Box<dyn std::error::Error>>;

    /// What the packet rules of the container's zone are now; none where nobody knows other ones than its plan's.
    ///
    /// # Errors
    /// They cannot be read.
    fn zone_rules(&self, spec: &ShimSpec, network: &Network) -> io::Result<Option<ZoneRules>>;

    /// The container's plan with its zone's packet rules as they are now, which is written down as well.
    ///
    /// # Errors
    /// It cannot be read or written.
    fn renewed(
        &self,
        spec: &ShimSpec,
        plan: &cofferdam_confinement::Plan,
    ) -> Result<cofferdam_confinement::Plan, Box<dyn std::error::Error>>;

    /// The name that the container has now: it can be given another one while it runs. None where it cannot be told.
    fn name(&self, spec: &ShimSpec) -> Option<String>;

    /// Takes the container out of the state: it has ended and was started with `--rm`. The caller holds its lock, and sees
    /// to its cgroup, if no process is left in it (`group_empty`).
    ///
    /// # Errors
    /// Whatever kept it from being removed.
    fn forget(&self, spec: &ShimSpec, group_empty: bool) -> Result<(), Box<dyn std::error::Error>>;

    /// Somebody has taken packet rules of ours away: they are looked at, and made anew where they are not as planned.
    fn mend(&self, spec: &ShimSpec);

    /// Removes the files of a container that is forgotten, when nobody waits any more.
    fn sweep(&self, spec: &ShimSpec);
}

/// How long a shim lives with the memory of the process it was forked from.
const HANDOVER_AFTER: Duration = Duration::from_millis(300);

/// The process that the shim watches.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    /// Absent after the shim has executed itself anew: it is found by its path when it is needed.
    pub(crate) group: Option<OwnedGroup>,
}

/// Everything that a shim holds.
#[derive(Debug)]
pub(crate) struct Supervisor<'k, K> {
    pub(crate) spec: ShimSpec,
    pub(crate) status: Status,
    pub(crate) lock: Lock,
    pub(crate) listener: Listener,
    signals: SignalFd,
    pub(crate) child: Option<Child>,
    pub(crate) streams: Streams,
    /// The connection to the keeper of its zone's resolver.
    pub(crate) membership: Option<OwnedFd>,
    /// When that is tried again, after the keeper has ended.
    join_at: Option<Instant>,
    /// The connection to the process that holds an ordinary user's network.
    pub(crate) host: Option<Host>,
    /// When it is looked whether there is one again, after that process has ended.
    pub(crate) host_at: Option<Instant>,
    pub(crate) clients: Vec<Client>,
    pub(crate) log: Option<LogWriter>,
    output: Output,
    /// What its last run has left of its network, until nobody waits any more.
    remains: Option<Remains>,
    /// Told when somebody takes away packet rules of ours, while the container has a link.
    firewall: Option<RulesWatcher>,
    /// Input that the container has not taken yet.
    pending_input: Vec<u8>,
    /// The input ends after what is pending.
    input_ends: bool,
    /// It is being stopped: more than killed, it ends with the event of that name.
    stopping: bool,
    /// When SIGKILL follows.
    kill_at: Option<Instant>,
    /// The probes of its health, while it runs; none if it has no health check.
    pub(crate) probes: Option<Probes>,
    /// When it is started again.
    restart_at: Option<Instant>,
    /// It was in such a delay, and a person stopped it.
    gave_up: bool,
    /// When the shim executes itself anew; none once it has.
    pub(crate) handover_at: Option<Instant>,
    keeper: &'k K,
}

/// Takes away what a run has left of its network. What stays goes with the container's namespace, or with its next start.
fn clear(remains: Option<Remains>) {
    let _ = remains.map(Remains::clear);
}

/// What woke the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Listener,
    Client(usize),
    Input,
    Stdout,
    Stderr,
    Terminal,
    Membership,
    Host,
    Firewall,
}

/// The signals that a shim reads: ends of children, and the requests to end that a machine's shutdown sends.
fn watched() -> SignalSet {
    [Signal::CHLD, Signal::TERM, Signal::INT, Signal::HUP].into_iter().collect()
}

/// Blocks what is read through the descriptor. Everything else has its default action again: the client that the shim
/// was forked from had its own.
pub(crate) fn watch_signals() -> io::Result<SignalFd> {
    signal::set_mask(watched())?;
    SignalFd::new(watched())
}

impl<'k, K: Keeper> Supervisor<'k, K> {
    pub(crate) fn new(
        spec: ShimSpec,
        status: Status,
        lock: Lock,
        listener: Listener,
        signals: SignalFd,
        keeper: &'k K,
    ) -> Self {
        let log = spec.log.map(|options| LogWriter::new(spec.container_dir().log(), options));
        Self {
            spec,
            status,
            lock,
            listener,
            signals,
            child: None,
            streams: Streams::default(),
            membership: None,
            join_at: None,
            host: None,
            host_at: None,
            clients: Vec::new(),
            log,
            output: Output::default(),
            firewall: None,
            pending_input: Vec::new(),
            input_ends: false,
            stopping: false,
            kill_at: None,
            probes: None,
            restart_at: None,
            gave_up: false,
            handover_at: None,
            remains: None,
            keeper,
        }
    }

    /// Takes over a container that has just been released.
    pub(crate) fn adopt(&mut self, launched: Launched) -> io::Result<()> {
        let Launched { pid, pidfd, group, streams, membership } = launched;
        self.child = Some(Child { pid, pidfd, group: Some(group) });
        self.streams = streams;
        self.membership = membership;
        self.status.state = ContainerState::Running;
        self.status.pid = pid.as_raw_nonzero().get();
        self.status.started = Some(Timestamp::from(SystemTime::now()));
        self.status.error = None;
        self.status.exit = None;
        self.handover_at = Some(Instant::now() + HANDOVER_AFTER);
        self.watch_firewall();
        self.begin_probes();
        self.write_status()?;
        self.tell("start", &[]);
        Ok(())
    }

    pub(crate) fn write_status(&self) -> io::Result<()> {
        self.status.write(&self.spec.container_dir().status()).map_err(io::Error::other)
    }

    /// Adds an event. A full disk must not end a container, so a failure is not one of the shim's.
    pub(crate) fn tell(&self, action: &str, more: &[(&str, String)]) {
        let mut attributes = self.spec.attributes.clone();
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let event = Event::now("container", action, self.spec.id.as_str(), attributes);
        let _ = event.append(&self.spec.events);
    }

    /// Runs until the container has ended for good.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            for source in ready {
                self.serve(source)?;
            }
            self.clients.retain(|client| !client.gone);
            if let Some(ended) = self.reap()? {
                match self.end(ended)? {
                    ending::Next::Restart(at) => {
                        self.restart_at = Some(at);
                        clear(self.remains.take());
                    }
                    ending::Next::Gone => {
                        let remains = self.remains.take();
                        // The lock and all clients: from here on nobody waits for this process.
                        drop(self);
                        clear(remains);
                        return Ok(());
                    }
                }
            }
            if self.on_deadlines()? {
                return Ok(());
            }
        }
    }

    /// Waits for something to do. What is waited for depends on what is under way: output that a client has not taken
    /// stops the reading of more, and input that the container has not taken stops the reading of clients.
    fn wait(&self) -> io::Result<Vec<Source>> {
        let timeout = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        ready(self.watched_sources(), timeout)
    }

    fn watched_sources(&self) -> Vec<(Source, PollFd<'_>)> {
        let mut watched = Vec::with_capacity(8);
        let mut add = |source, fd, flags| watched.push((source, PollFd::from_borrowed_fd(fd, flags)));
        add(Source::Signals, self.signals.as_fd(), PollFlags::IN);
        add(Source::Listener, self.listener.as_fd(), PollFlags::IN);
        for (number, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            if self.pending_input.is_empty() {
                flags |= PollFlags::IN;
            }
            if client.owed {
                flags |= PollFlags::OUT;
            }
            // Not even a hang-up is of use while nothing can be done about it.
            if !flags.is_empty() {
                add(Source::Client(number), client.connection.as_fd(), flags);
            }
        }
        if let Some(firewall) = &self.firewall {
            add(Source::Firewall, firewall.as_fd(), PollFlags::IN);
        }
        if let Some(input) = self.streams.input().filter(|_| !self.pending_input.is_empty()) {
            add(Source::Input, input.as_fd(), PollFlags::OUT);
        }
        if let Some(membership) = &self.membership {
            // Nothing comes by it but its end.
            add(Source::Membership, membership.as_fd(), PollFlags::IN);
        }
        if let Some(host) = &self.host {
            add(Source::Host, host.as_fd(), PollFlags::IN);
        }
        if self.output.is_empty() {
            for (source, stream) in [
                (Source::Stdout, &self.streams.stdout),
                (Source::Stderr, &self.streams.stderr),
                (Source::Terminal, &self.streams.terminal),
            ] {
                if let Some(stream) = stream {
                    add(source, stream.as_fd(), PollFlags::IN);
                }
            }
        }
        watched
    }

    fn serve(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Signals => self.on_signals(),
            Source::Listener => self.on_connect(),
            Source::Client(number) => self.on_client(number),
            Source::Input => self.feed(),
            Source::Firewall => {
                self.on_firewall();
                Ok(())
            }
            Source::Stdout | Source::Stderr | Source::Terminal => self.pump(source).map(drop),
            Source::Host => {
                self.lose_host();
                Ok(())
            }
            Source::Membership => {
                self.lose_membership();
                Ok(())
            }
        }
    }

    /// A request to end is passed on as a stop: the machine goes down, or somebody mistook the shim for the container.
    fn on_signals(&mut self) -> io::Result<()> {
        while let Some(arrived) = self.signals.read()? {
            if arrived.signal != Signal::CHLD {
                self.stop(None, None)?;
            }
        }
        Ok(())
    }

    /// Listens for changes of the packet rules, if the container has a link. Without it the next start finds what is missing.
    pub(crate) fn watch_firewall(&mut self) {
        self.firewall = self.spec.connected.then(RulesWatcher::open).and_then(Result::ok);
    }

    fn on_firewall(&mut self) {
        match self.firewall.as_ref().map(RulesWatcher::has_lost_rules) {
            Some(Ok(true)) if self.child.is_some() => self.keeper.mend(&self.spec),
            // The container goes on without being watched; the next start and `verify` look too.
            Some(Err(_)) => self.firewall = None,
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.kill_at, self.restart_at, self.handover_at, self.join_at, self.host_at, self.probe_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. True when the shim is to end.
    fn on_deadlines(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.signal(Signal::KILL)?;
            self.tell("kill", &[("signal", Signal::KILL.number().to_string())]);
        }
        if self.handover_at.is_some_and(|at| at <= now) {
            self.handover_at = None;
            if self.is_idle() {
                crate::handover::execute_anew(self)?;
            } else {
                self.handover_at = Some(now + HANDOVER_AFTER);
            }
        }
        if self.join_at.is_some_and(|at| at <= now) {
            self.join_again();
        }
        if self.host_at.is_some_and(|at| at <= now) {
            self.look_for_host();
        }
        if self.probe_at().is_some_and(|at| at <= now) {
            self.on_probe_due();
        }
        if self.gave_up {
            self.finish_given_up()?;
            return Ok(true);
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            return self.restart();
        }
        Ok(false)
    }

    /// Undoes a start that could not be recorded.
    pub(crate) fn abandon(&mut self) {
        // Each of these is of use even if another fails.
        let _ = self.signal(Signal::KILL);
        if let Some(child) = &self.child {
            let _ = rustix::process::waitpid(Some(child.pid), rustix::process::WaitOptions::empty());
        }
        self.end_group();
    }

    /// Whether nothing is half done, so that the shim can become a new program.
    fn is_idle(&self) -> bool {
        self.child.is_some()
            && self.output.is_empty()
            && self.pending_input.is_empty()
            && !self.input_ends
            && !self.stopping
            && self.kill_at.is_none()
            && self.restart_at.is_none()
    }

    /// Reaps orphans that came to this process because it is the reaper of its descendants, and finds the end of the
    /// container's first process, which is not reaped yet.
    fn reap(&mut self) -> io::Result<Option<Ended>> {
        use rustix::process::{WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
        while let Some(pid) = children::ended()? {
            match self.child.as_ref().filter(|child| child.pid == pid) {
                Some(child) => {
                    let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
                    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), looking)?;
                    return Ok(status.map(|status| Ended::from_wait(&status)));
                }
                None => {
                    let reaped = waitpid(Some(pid), WaitOptions::NOHANG)?;
                    self.on_child_ended(pid, reaped.and_then(|(_, status)| status.exit_status()));
                }
            }
        }
        Ok(None)
    }
}
