//! What follows when the container's first process has ended.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use cofferdam_confinement::Plan;
use cofferdam_kernel::signal::Signal;
use cofferdam_names::Timestamp;
use cofferdam_policy::RestartPolicy;
use cofferdam_runtime::cgroup::{Group, Layout};
use cofferdam_runtime::start::OwnedGroup;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::WaitIdStatus;

use super::{Keeper, Source, Supervisor};
use crate::ExitStatus;
use crate::failure::Failure;
use crate::launch::launch;
use crate::status::ContainerState;

/// How the first process ended, as wait(2) told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    code: u8,
    signal: Option<Signal>,
}

impl Ended {
    pub(super) fn from_wait(status: &WaitIdStatus) -> Self {
        let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
        match status.terminating_signal() {
            Some(number) => Self { code: byte(128 + number), signal: Signal::from_number(number) },
            None => Self { code: byte(status.exit_status().unwrap_or(255)), signal: None },
        }
    }
}

/// What the container leaves of its cgroup.
#[derive(Debug)]
struct LeftGroup {
    /// One of its processes was killed for want of memory.
    oom_killed: bool,
    /// No process is left in it.
    empty: bool,
    group: OwnedGroup,
}

/// What the shim does next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Restart(Instant),
    Gone,
}

/// How long a client may leave output untaken after the end before it counts as gone.
const LAST_OUTPUT: Duration = Duration::from_secs(10);
/// A container that ran this long starts the delays anew (as Docker's).
const STABLE: Duration = Duration::from_secs(10);
/// The first delay before a restart, and the longest.
const DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Whether a policy starts the container again.
fn wants_restart(policy: RestartPolicy, code: u8, restarts: u32, stopped_by_user: bool) -> bool {
    if stopped_by_user {
        return false;
    }
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure { max_retries } => {
            code != 0 && max_retries.is_none_or(|most| restarts < most)
        }
    }
}

/// The delay before the next start: doubled each time.
fn delay(restarts: u32) -> Duration {
    let (first, longest) = DELAY;
    first.saturating_mul(2u32.saturating_pow(restarts.min(16))).min(longest)
}

impl<K: Keeper> Supervisor<'_, K> {
    /// Kills what is left, collects the last output, and decides how to go on. The first process stays a zombie until what is
    /// written down does not name its pid any more: whoever looks it up must not find another process.
    pub(super) fn end(&mut self, ended: Ended) -> io::Result<Next> {
        self.end_probes();
        // Before the output is read: what is left could go on writing.
        let mut left = self.empty_group();
        let disconnected = self.end_network();
        self.drain()?;
        let first = self.child.as_ref().map(|child| child.pid);
        let oom_killed = left.as_ref().is_some_and(|left| left.oom_killed);
        self.child = None;
        self.kill_at = None;
        self.handover_at = None;
        let status = ExitStatus { code: ended.code, signal: ended.signal, oom_killed };
        let now = Timestamp::from(SystemTime::now());
        let stable = self.status.started.is_some_and(|started| now.since(started) >= STABLE);
        self.status.pid = 0;
        self.status.finished = Some(now);
        self.status.exit = Some(status);
        if oom_killed {
            self.tell("oom", &[]);
        }
        self.tell("die", &[("exitCode", ended.code.to_string())]);
        let policy = self.spec.restart;
        if !wants_restart(policy, ended.code, self.status.restarts, self.status.stopped_by_user) {
            return self.finish(status, left, disconnected);
        }
        self.remove_group(&mut left);
        let wait = delay(if stable { 0 } else { self.status.restarts });
        self.status.restarts += 1;
        self.status.state = ContainerState::Restarting;
        self.write_status()?;
        if let Some(first) = first {
            rustix::process::waitpid(Some(first), rustix::process::WaitOptions::NOHANG)?;
        }
        // Who is attached or waits wanted this run's end.
        self.clients.retain_mut(|client| !client.tell_end(status));
        Ok(Next::Restart(Instant::now() + wait))
    }

    /// The container has ended for good: `--rm`, then tell everybody.
    fn finish(
        &mut self,
        status: ExitStatus,
        mut left: Option<LeftGroup>,
        disconnected: bool,
    ) -> io::Result<Next> {
        self.status.state = ContainerState::Exited;
        let mut forgotten = false;
        if !self.spec.remove || self.spec.keep {
            self.remove_group(&mut left);
            self.write_status()?;
            if self.stopping {
                self.tell("stop", &[]);
            }
            // Its owner is gone with this process; what is at the path would only make clients wait.
            let _ = std::fs::remove_file(self.spec.run().socket());
        } else if !disconnected {
            // Its record leads the next command's clean-up to what is left of its network.
            self.status.state = ContainerState::Dead;
            self.write_status()?;
        } else {
            // A group that is empty is removed when nobody waits any more.
            match self.keeper.forget(&self.spec, left.as_ref().is_some_and(|left| left.empty)) {
                Ok(()) => forgotten = true,
                Err(error) => {
                    self.status.state = ContainerState::Dead;
                    let failure = Failure::during("remove the container", error.as_ref());
                    self.status.error = Some(failure.chain());
                    self.write_status()?;
                }
            }
        }
        for client in &mut self.clients {
            client.tell_end(status);
        }
        if forgotten {
            // A client waits for the end of its connection as well.
            self.clients.clear();
            self.remove_group(&mut left);
            self.keeper.sweep(&self.spec);
        }
        Ok(Next::Gone)
    }

    /// Reads what is in the streams at the container's end, and no more: another container that was given one of their ends may
    /// go on to write for ever.
    fn drain(&mut self) -> io::Result<()> {
        let end = Instant::now() + LAST_OUTPUT;
        for source in [Source::Stdout, Source::Stderr, Source::Terminal] {
            let waiting =
                self.stream(source).as_ref().map(|stream| rustix::io::ioctl_fionread(stream.as_fd()));
            let mut left = waiting.and_then(Result::ok).unwrap_or(0);
            while left > 0 {
                self.await_all_clients(end)?;
                let read = self.pump(source)?;
                if read == 0 {
                    break;
                }
                left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
            }
        }
        self.await_all_clients(end)?;
        self.streams = crate::streams::Streams::default();
        self.pending_input.clear();
        self.input_ends = false;
        Ok(())
    }

    /// Waits until every client has taken what it is owed, or counts as gone.
    fn await_all_clients(&mut self, end: Instant) -> io::Result<()> {
        while self.is_owed() {
            self.await_clients(end)?;
        }
        Ok(())
    }

    /// Waits until a client can take output; those that do not in time have gone.
    fn await_clients(&mut self, end: Instant) -> io::Result<()> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            for client in self.clients.iter_mut().filter(|client| client.owed) {
                (client.owed, client.gone) = (false, true);
            }
            return Ok(());
        }
        let owed = self.clients.iter().filter(|client| client.owed);
        let mut fds: Vec<_> =
            owed.map(|client| PollFd::from_borrowed_fd(client.connection.as_fd(), PollFlags::OUT)).collect();
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        self.deliver();
        Ok(())
    }

    /// Takes the container's link and packet rules away; false if something stays, for the next command's clean-up.
    fn end_network(&mut self) -> bool {
        self.leave_resolver();
        if !self.spec.connected {
            return true;
        }
        self.withdraw();
        let ended = self.read_plan().and_then(|plan| match &plan.network {
            Some(network) => Ok(Some(cofferdam_network::disconnect(network)?)),
            None => Ok(None),
        });
        match ended {
            Ok(remains) => self.remains = remains,
            Err(failure) => {
                self.status.error = Some(failure.chain());
                return false;
            }
        }
        true
    }

    /// Kills every process that is left in the container's group; none if it has none that could be found.
    fn empty_group(&mut self) -> Option<LeftGroup> {
        let owned = self.child.as_mut().and_then(|child| child.group.take());
        let owned = owned.or_else(|| self.open_group().map(OwnedGroup::existing))?;
        let group = owned.group()?;
        let oom_killed = group.oom_kills().is_ok_and(|count| count > 0);
        let empty = group.kill_all().is_ok();
        Some(LeftGroup { oom_killed, empty, group: owned })
    }

    /// Removes what is left of a group. What cannot be removed is left to the next command's clean-up.
    fn remove_group(&mut self, left: &mut Option<LeftGroup>) {
        let Some(mut left) = left.take() else { return };
        if let Some(Err(error)) = left.group.group().map(Group::destroy) {
            self.status.error = Some(Failure::during("remove the cgroup", &error).chain());
        }
        // Once is enough.
        left.group.keep();
    }

    /// Kills every process that is left in the container's group, and removes it.
    pub(super) fn end_group(&mut self) {
        let mut left = self.empty_group();
        // What stays is in the status, and the next command's.
        let _ = self.end_network();
        self.remove_group(&mut left);
    }

    /// The container's group by its path in the plan; none if it has none.
    fn open_group(&self) -> Option<Group> {
        let plan = self.read_plan().ok()?;
        let layout = Layout::detect().ok()?;
        Group::open(&layout, plan.cgroup.path.as_ref()?).ok()
    }

    /// Freezes or thaws the container's processes.
    pub(super) fn freeze(&mut self, frozen: bool) -> Result<(), Failure> {
        let opened = self.open_group_unless_held();
        let held = self.child.as_ref().and_then(|child| child.group.as_ref()).and_then(|owned| owned.group());
        let group = held.or(opened.as_ref());
        let group =
            group.ok_or_else(|| Failure::plain("the container has no cgroup that could be frozen"))?;
        let done = if frozen { group.freeze() } else { group.thaw() };
        let word = if frozen { "freeze the container" } else { "thaw the container" };
        done.map_err(|error| Failure::during(word, &error))
    }

    fn open_group_unless_held(&self) -> Option<Group> {
        let held = self.child.as_ref().is_some_and(|child| child.group.is_some());
        if held { None } else { self.open_group() }
    }

    pub(super) fn read_plan(&self) -> Result<Plan, Failure> {
        let path = self.spec.container_dir().plan();
        let read = std::fs::read(path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        read.map_err(|error| Failure::during("read the plan", &error))
    }

    /// Starts the container again. True when the shim is to end.
    pub(super) fn restart(&mut self) -> io::Result<bool> {
        let started = self.read_plan().and_then(|mut plan| {
            let found = self.keeper.rejoin(&mut self.spec, &mut plan);
            found.map_err(|error| Failure::during("start the container again", error.as_ref()))?;
            if let Some(name) = self.keeper.name(&self.spec) {
                self.spec.attributes.insert("name".to_owned(), name);
            }
            launch(&plan, &self.spec, self.host.as_ref(), self.keeper)
        });
        match started {
            Ok(launched) => {
                self.adopt(launched)?;
                Ok(false)
            }
            Err(failure) => {
                self.status = self.status.of_failed_start(&failure);
                let disconnected = self.end_network();
                self.finish(self.status.exit.unwrap_or_default(), None, disconnected)?;
                Ok(true)
            }
        }
    }

    /// A stop between two starts: the next one does not come, and the shim ends at once.
    pub(super) fn give_up_restart(&mut self) {
        self.status.stopped_by_user = true;
        self.spec.restart = RestartPolicy::No;
        self.gave_up = self.restart_at.take().is_some();
    }

    /// Ends a shim whose restart was given up.
    pub(super) fn finish_given_up(&mut self) -> io::Result<()> {
        let status = self.status.exit.unwrap_or_default();
        let disconnected = self.end_network();
        self.finish(status, None, disconnected)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_restart_as_dockers_do() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        let retries = |max_retries| OnFailure { max_retries };
        for (policy, code, restarts, stopped, expected) in [
            (No, 1, 0, false, false),
            (Always, 0, 9, false, true),
            (Always, 0, 0, true, false),
            (UnlessStopped, 1, 0, false, true),
            (UnlessStopped, 1, 0, true, false),
            (retries(None), 0, 0, false, false),
            (retries(None), 1, 1000, false, true),
            (retries(Some(2)), 1, 1, false, true),
            (retries(Some(2)), 1, 2, false, false),
        ] {
            assert_eq!(
                wants_restart(policy, code, restarts, stopped),
                expected,
                "{policy:?} {code} {restarts}"
            );
        }
    }

    #[test]
    fn delays_double_up_to_a_minute() {
        assert_eq!(delay(0), Duration::from_millis(100));
        assert_eq!(delay(3), Duration::from_millis(800));
        assert_eq!(delay(40), Duration::from_secs(60));
    }
}
