//! A container's first process before it runs: waiting, then held at the gate.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use cofferdam_confinement::{Plan, Process};
use cofferdam_kernel::credentials::set_rlimit;
use cofferdam_kernel::ptrace::{Stop, Tracee};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::ending::wait_for_end;
use super::following::{Attention, Made};
use super::has_host_rights;
use super::hooks::{ContainerState, HookFolder, Status, run_hooks};
use super::owned_group::OwnedGroup;
use super::permit::Permit;
use super::witness::Witness;
use crate::cgroup::Group;
use crate::channel::{Channel, Message};
use crate::rootfs::{Maker, map_ids_inside};
use crate::step::{Step, StepError};

/// A process of ours that is killed and reaped when it is dropped, unless it was let go.
#[derive(Debug)]
struct Held {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.pidfd {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
            if waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).is_err() {
                // Not our child (an OCI `start` of what `create` made): there is nothing to reap, and who asks for its state
                // after the failure shall not hear that it runs.
                let _ = wait_for_end(pidfd);
            }
        }
    }
}

/// A container that is set up: its first process waits with the container's namespaces and root, its own
/// credentials not yet taken on. Dropping it undoes the start.
#[derive(Debug)]
pub struct Created {
    // Dropped in this order: the process ends before its group is removed.
    held: Held,
    channel: Channel,
    group: OwnedGroup,
    terminal: Option<OwnedFd>,
    /// Where it is traced already: then this thread goes on with it up to the gate.
    tracee: Option<Tracee>,
}

/// How long an entering process may take to be ready.
const READY: u32 = Attention::seconds(10);

impl Created {
    pub(super) fn new(made: Made, channel: Channel, group: OwnedGroup) -> Self {
        let Made { pid, pidfd, tracee } = made;
        Self { held: Held { pid, pidfd: Some(pidfd) }, channel, group, terminal: None, tracee }
    }

    /// Traces it from now on, if it is not traced already.
    pub(super) fn trace(&mut self) -> Result<(), StepError> {
        if self.tracee.is_none() {
            let traced = Step::Gate.run("trace init", || Tracee::seize(self.held.pid));
            // One that has ended cannot be traced: why it did is the reason.
            self.tracee = Some(traced.map_err(|error| self.channel.reported_failure().unwrap_or(error))?);
        }
        Ok(())
    }

    /// A container that another process created: its init waits on the other end of `channel`.
    #[must_use]
    pub fn adopt(pid: Pid, pidfd: OwnedFd, channel: OwnedFd, group: OwnedGroup) -> Self {
        Self::new(Made { pid, pidfd, tracee: None }, Channel::from_socket(channel), group)
    }

    /// The first process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.held.pid
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The master side of the container's terminal, to be taken once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The container's cgroup.
    #[must_use]
    pub fn group(&self) -> &OwnedGroup {
        &self.group
    }

    pub(super) fn set_terminal(&mut self, master: Option<OwnedFd>) {
        self.terminal = master;
    }

    /// Lets an entering process begin.
    pub(super) fn proceed(&self) -> Result<(), StepError> {
        self.channel.tell("of the process", &Message::Proceed, &[])
    }

    /// Waits until an entering process is ready.
    pub(super) fn serve_process(&mut self, process: &Process) -> Result<(), StepError> {
        Attention { tracee: self.tracee.as_ref(), limit: Some(READY) }.until_readable(&self.channel)?;
        self.channel.expect(&Message::Ready)?;
        self.limit(process)
    }

    /// Answers init until it is ready.
    pub(super) fn serve(&mut self, plan: &Plan, bundle: &Path, maker: Maker<'_>) -> Result<(), StepError> {
        loop {
            if self.tracee.is_some() {
                Attention { tracee: self.tracee.as_ref(), limit: None }.until_readable(&self.channel)?;
            }
            let (message, fds) = self.channel.next()?;
            match message {
                Message::RuntimeHooks => {
                    let state = ContainerState::new(plan, Status::Creating, Some(self.held.pid), bundle);
                    run_hooks("prestart", &plan.hooks.prestart, &state, HookFolder::Bundle)?;
                    run_hooks("createRuntime", &plan.hooks.create_runtime, &state, HookFolder::Bundle)?;
                    self.channel.tell("of the hooks", &Message::Proceed, &[])?;
                }
                Message::MapIds { mount } => {
                    map_ids_inside(plan, mount, fds.into_iter().next(), maker)?;
                    Step::Handshake.run("of an id map", || self.channel.send(&Message::Proceed, &[]))?;
                }
                Message::Terminal => self.terminal = fds.into_iter().next(),
                Message::Ready => break,
                other => return Err(Step::Handshake.refused("of the start", format!("unexpected {other:?}"))),
            }
        }
        self.limit(&plan.process)
    }

    /// Only this side may raise a hard limit. Last, because a low limit hinders what comes before.
    fn limit(&self, process: &Process) -> Result<(), StepError> {
        for limit in &process.rlimits {
            Step::Rlimit.apply(limit.resource.name(), || {
                set_rlimit(Some(self.held.pid), limit.resource, limit.soft, limit.hard)
            })?;
        }
        Ok(())
    }

    /// Lets the container outlive this process, as `create` of an OCI runtime does: nothing is undone on drop.
    #[must_use]
    pub fn leave(mut self) -> (Pid, Option<OwnedFd>) {
        let pidfd = self.held.pidfd.take();
        self.group.keep();
        (self.held.pid, pidfd)
    }

    /// Lets init take on its credentials and execute its program, and holds it there: no instruction of the program
    /// has run when this returns. If the program cannot be executed the error says why. A filter that asks an agent is refused:
    /// [`Created::exec_to_gate_asking`] is for it.
    pub fn exec_to_gate(self) -> Result<Gated, StepError> {
        self.exec_to_gate_meanwhile(|_, _| ())
    }

    /// As [`Created::exec_to_gate`]; `meanwhile` is done while init executes its program, with its number and its cgroup. Not
    /// done where this process has to follow each of init's calls.
    pub fn exec_to_gate_meanwhile(
        mut self,
        meanwhile: impl FnOnce(Pid, Option<&Group>),
    ) -> Result<Gated, StepError> {
        if !has_host_rights() {
            return self.exec_to_gate_witnessing();
        }
        let tracee = self.begin_exec()?;
        meanwhile(self.held.pid, self.group.group());
        self.wait_for_exec(&tracee)?;
        self.check_silence()?;
        Ok(Gated { created: self, tracee, witnessed: Vec::new() })
    }

    /// As [`Created::exec_to_gate`], for a filter that asks an agent: `agent` gets the filter's listener as soon as the filter
    /// is in force. Init may be waiting for the agent from then on, in its exec for one.
    pub fn exec_to_gate_asking<E: From<StepError>>(
        mut self,
        agent: impl FnOnce(OwnedFd) -> Result<(), E>,
    ) -> Result<Gated, E> {
        let tracee = self.begin_exec()?;
        let listener = self.wait_for_listener(&tracee)?;
        agent(listener)?;
        self.wait_for_exec(&tracee)?;
        self.check_silence()?;
        Ok(Gated { created: self, tracee, witnessed: Vec::new() })
    }

    /// The exec under a tracer that may not read filters back (only CAP_SYS_ADMIN of the host may): it watches init's
    /// system calls and keeps the programs that init shows it and hands to seccomp(2) with success.
    fn exec_to_gate_witnessing(mut self) -> Result<Gated, StepError> {
        let tracee = self.take_tracee()?;
        Step::Gate.run("stop init", || tracee.interrupt())?;
        let mut witness = Witness::default();
        let mut told = false;
        loop {
            match Step::Gate.run("wait for the exec", || tracee.wait())? {
                Stop::Exec => break,
                Stop::Ended(_) => return Err(self.why_ended()),
                Stop::Call => {
                    Step::Gate.run("look at a call of init", || witness.look(&tracee, &self.channel))?;
                }
                Stop::Interrupted if !told => {
                    self.channel.tell("of the exec", &Message::ExecShowing, &[])?;
                    told = true;
                }
                Stop::Interrupted | Stop::Cloned => {}
                Stop::Signal(signal) => {
                    Step::Gate.run("resume init", || tracee.resume_to_call(signal))?;
                    continue;
                }
            }
            Step::Gate.run("resume init", || tracee.resume_to_call(0))?;
        }
        self.check_silence()?;
        Ok(Gated { created: self, tracee, witnessed: witness.into_installed() })
    }

    /// Traced before it goes on, so that it cannot get past its exec unseen.
    fn begin_exec(&mut self) -> Result<Tracee, StepError> {
        let tracee = self.take_tracee()?;
        self.channel.tell("of the exec", &Message::Exec, &[])?;
        Ok(tracee)
    }

    fn take_tracee(&mut self) -> Result<Tracee, StepError> {
        match self.tracee.take() {
            Some(tracee) => Ok(tracee),
            None => Step::Gate.run("trace init", || Tracee::seize(self.held.pid)),
        }
    }

    fn wait_for_exec(&mut self, tracee: &Tracee) -> Result<(), StepError> {
        loop {
            match Step::Gate.run("wait for the exec", || tracee.wait())? {
                Stop::Exec => return Ok(()),
                Stop::Interrupted | Stop::Call | Stop::Cloned => {
                    Step::Gate.run("resume init", || tracee.resume(0))?
                }
                Stop::Signal(signal) => Step::Gate.run("resume init", || tracee.resume(signal))?,
                Stop::Ended(_) => return Err(self.why_ended()),
            }
        }
    }

    /// Waits for the message that brings the listener, and lets init go on where a signal stops it before.
    fn wait_for_listener(&mut self, tracee: &Tracee) -> Result<OwnedFd, StepError> {
        let pause = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        loop {
            let readable = Step::Handshake.run("of the listener", || {
                let mut polled = [PollFd::new(&self.channel, PollFlags::IN)];
                match poll(&mut polled, Some(&pause)) {
                    Err(Errno::INTR) => Ok(false),
                    other => Ok(other? > 0),
                }
            })?;
            if readable {
                let (message, fds) = self.channel.next()?;
                return match (message, fds.into_iter().next()) {
                    (Message::SeccompListener, Some(listener)) => Ok(listener),
                    (other, _) => {
                        Err(Step::Handshake.refused("of the listener", format!("unexpected {other:?}")))
                    }
                };
            }
            match Step::Gate.run("wait for the filter", || tracee.wait_at_most(Duration::ZERO))? {
                None => {}
                Some(Stop::Interrupted | Stop::Call | Stop::Cloned) => {
                    Step::Gate.run("resume init", || tracee.resume(0))?
                }
                Some(Stop::Signal(signal)) => Step::Gate.run("resume init", || tracee.resume(signal))?,
                Some(Stop::Ended(_)) => return Err(self.why_ended()),
                Some(Stop::Exec) => return Err(Step::Seccomp.refused("", "the filter asks no agent")),
            }
        }
    }

    /// Init has nothing more to say once it has executed its program, which closed its end of the channel.
    fn check_silence(&self) -> Result<(), StepError> {
        match self.channel.receive() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(Step::Handshake.failed("of the exec", error)),
            Ok((Message::SeccompListener, _)) => {
                Err(Step::Seccomp.refused("", "the filter asks an agent, and no one hands its listener over"))
            }
            Ok((message, _)) => match message.into_failure() {
                Err(failure) => Err(failure),
                Ok(other) => Err(Step::Handshake.refused("of the exec", format!("unexpected {other:?}"))),
            },
        }
    }

    /// Init ended before its exec: its last message says why.
    fn why_ended(&mut self) -> StepError {
        loop {
            match self.channel.receive() {
                Ok((Message::SeccompListener, _)) => {}
                Ok((message, _)) => {
                    return match message.into_failure() {
                        Err(failure) => failure,
                        Ok(other) => Step::Exec.refused("", format!("init ended after {other:?}")),
                    };
                }
                Err(_) => {
                    return Step::Exec
                        .refused("", "init ended without a word; its filter may have killed it");
                }
            }
        }
    }
}

/// A container whose program has been executed and is stopped before its first instruction: everything that will
/// confine it is in force and can be read back. Dropping it kills it.
#[derive(Debug)]
pub struct Gated {
    created: Created,
    tracee: Tracee,
    witnessed: Vec<Vec<u8>>,
}

impl Gated {
    /// The first process, stopped and traced by this thread.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.created.held.pid
    }

    /// Its pidfd.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.created.held.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The container's cgroup.
    #[must_use]
    pub fn group(&self) -> &OwnedGroup {
        &self.created.group
    }

    /// The filters that it was seen installing, where this process may not read them back: the bytes of their instructions.
    #[must_use]
    pub fn witnessed(&self) -> &[Vec<u8>] {
        &self.witnessed
    }

    /// Opens the gate: the program runs. Gives its pid, its pidfd and its cgroup.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used once")]
    pub fn release(self, permit: Permit) -> Result<Released, StepError> {
        if !permit.is_for(self.pid()) {
            return Err(Step::Gate.refused("let the program go", "the permit is for another process"));
        }
        let Self { created, tracee, .. } = self;
        Step::Gate.run("let the program go", || tracee.detach(0))?;
        let Created { mut held, mut group, .. } = created;
        group.keep();
        let pidfd = held.pidfd.take();
        let pidfd = pidfd.ok_or_else(|| Step::Gate.refused("", "the process has no handle"))?;
        Ok(Released { pid: held.pid, pidfd, group })
    }
}

/// A running container's first process and its cgroup, now the caller's to look after.
#[derive(Debug)]
pub struct Released {
    /// The first process.
    pub pid: Pid,
    /// Its handle.
    pub pidfd: OwnedFd,
    /// Its cgroup.
    pub group: OwnedGroup,
}

impl Released {
    /// Whether the first process has ended by now.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }
}
