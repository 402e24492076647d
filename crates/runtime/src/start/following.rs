//! Processes that are traced from their clone on, where this process has no rights over the host.
//!
//! With host rights a process that becomes part of a container is not dumpable from the start: no process of the container's may
//! look into it, and the gate's tracer attaches when the time has come. Without them nobody could attach then. So the tracer is
//! there first, while the process still is an ordinary one of the user's; then it stops being dumpable, and only then it goes where
//! others are. From there on a process of the container's cannot trace it, read its memory or open what it has open, whatever
//! capabilities it has in its user namespace (ptrace(2), "Ptrace access mode checking").

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_confinement::Process;
use cofferdam_kernel::clone::{Cloned, exit_now};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_kernel::ptrace::{Stop, Tracee};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::set_oom_score;
use crate::channel::{Channel, Message};
use crate::init;
use crate::step::{Step, StepError};

/// A process that was cloned for a container.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    /// Where it is traced from its clone on.
    pub(super) tracee: Option<Tracee>,
}

/// The joiner's side: once the tracer is there, nobody else can come. What has to be written to its own files in /proc is
/// written before, since they are root's afterwards; the process that it clones inherits it.
pub(super) fn hide_followed(channel: &Channel, process: &Process) -> Result<(), StepError> {
    channel.expect(&Message::Proceed)?;
    if process.oom_score_adj.is_some() {
        let own = Step::OomScore.run("of the joiner", || Ok(ProcFs::open()?.this_process()?))?;
        set_oom_score(process, &own)?;
    }
    init::become_untraceable()
}

/// The joiner tells which process it cloned, and ends.
pub(super) fn tell_and_end(channel: &Channel, cloned: Result<(Pid, OwnedFd), StepError>) -> ! {
    let (message, pidfd) = match cloned {
        Ok((pid, pidfd)) => (Message::Cloned { pid: pid.as_raw_nonzero().get() }, Some(pidfd)),
        Err(error) => (Message::from(&error), None),
    };
    let fds: Vec<BorrowedFd<'_>> = pidfd.iter().map(AsFd::as_fd).collect();
    let sent = channel.send(&message, &fds);
    exit_now(i32::from(sent.is_err()))
}

/// What the joiner's clone gave, on its side that goes on.
pub(super) fn as_parent(cloned: Cloned) -> Option<(Pid, OwnedFd)> {
    match cloned {
        Cloned::Child => None,
        Cloned::Parent { pid, pidfd } => Some((pid, pidfd)),
    }
}

/// The parent's side: waits for the joiner's word on which process it cloned, and for its end. A followed joiner is traced, and
/// what it clones is from its first moment on.
pub(super) fn receive_from_joiner(
    joiner: Pid,
    pidfd: &OwnedFd,
    channel: &Channel,
    followed: bool,
) -> Result<Made, StepError> {
    if !followed {
        let told = receive_cloned(channel);
        let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        return told.map(|(pid, pidfd)| Made { pid, pidfd, tracee: None });
    }
    let joiner = Step::Gate.run("trace the joiner", || Tracee::seize_with_clones(joiner))?;
    channel.tell("of the joiner", &Message::Proceed, &[])?;
    Attention { tracee: Some(&joiner), limit: None }.until_readable(channel)?;
    let told = receive_cloned(channel);
    // Its end is reaped here in any case.
    let ended = Step::Gate.run("wait for the joiner", || wait_for_end(&joiner));
    let (pid, pidfd) = told?;
    ended?;
    let tracee = Step::Gate.run("trace init", || Tracee::of_clone(pid))?;
    Ok(Made { pid, pidfd, tracee: Some(tracee) })
}

fn receive_cloned(channel: &Channel) -> Result<(Pid, OwnedFd), StepError> {
    let (message, fds) = channel.next()?;
    let pidfd = fds.into_iter().next();
    match (message, pidfd) {
        (Message::Cloned { pid }, Some(pidfd)) => Pid::from_raw(pid).map(|pid| (pid, pidfd)),
        _ => None,
    }
    .ok_or_else(|| Step::Handshake.refused("of the joiner", "it did not tell which process it cloned"))
}

fn wait_for_end(tracee: &Tracee) -> io::Result<()> {
    loop {
        match tracee.wait()? {
            Stop::Ended(_) => return Ok(()),
            stop => let_on(tracee, stop)?,
        }
    }
}

fn let_on(tracee: &Tracee, stop: Stop) -> io::Result<()> {
    match stop {
        // A stop that somebody else asks for would be for ever: the container's root may send signals to what enters.
        Stop::Signal(libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) => tracee.resume(0),
        Stop::Signal(signal) => tracee.resume(signal),
        Stop::Ended(_) => Ok(()),
        Stop::Interrupted | Stop::Call | Stop::Exec | Stop::Cloned => tracee.resume(0),
    }
}

/// Waiting for the other side of a channel while that is traced: a signal that it gets stops it, and it has to be let on.
pub(super) struct Attention<'a> {
    pub(super) tracee: Option<&'a Tracee>,
    /// So many pauses at most. They are counted and not timed: a machine that sleeps meanwhile makes nobody late.
    pub(super) limit: Option<u32>,
}

/// Between two looks at a tracee. What it says is heard at once.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

impl Attention<'_> {
    /// How many pauses make this many seconds.
    pub(super) const fn seconds(seconds: u32) -> u32 {
        seconds * 200
    }

    /// Waits until there is something to receive, be it the end.
    pub(super) fn until_readable(&self, channel: &Channel) -> Result<(), StepError> {
        let mut pauses = 0_u32;
        loop {
            let ready = Step::Handshake.run("", || {
                let mut polled = [PollFd::new(channel, PollFlags::IN)];
                match poll(&mut polled, Some(&PAUSE)) {
                    Err(Errno::INTR) => Ok(false),
                    other => Ok(other? > 0),
                }
            })?;
            if ready {
                return Ok(());
            }
            pauses = pauses.saturating_add(1);
            if self.limit.is_some_and(|limit| pauses >= limit) {
                let reason = "it did not answer in time: something in the container keeps it from going on";
                return Err(Step::Handshake.refused("of the process", reason));
            }
            let Some(tracee) = self.tracee else { continue };
            Step::Gate.run("attend to init", || match tracee.wait_at_most(std::time::Duration::ZERO) {
                Ok(Some(stop)) => let_on(tracee, stop),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            })?;
        }
    }
}
