//! A process that enters a running container: `exec`.

use std::os::fd::{AsFd, OwnedFd};

use cofferdam_confinement::{Plan, Process};
use cofferdam_kernel::clone::exit_now;
use cofferdam_kernel::credentials::{set_gid, set_uid};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_kernel::task::reset_signals;

use super::{Becoming, Never};
use crate::channel::{Channel, Message};
use crate::process::filter::Filter;
use crate::process::lsm::Label;
use crate::process::{affinity, settings, terminal};
use crate::start::owned_group::Joiner;
use crate::start::{Stdio, Supervision};
use crate::step::{Step, StepError};

/// What the parent side leaves to the entrant, by being copied into its address space.
pub(crate) struct Entrant<'a> {
    /// The container's plan, for what belongs to the container and not to the process.
    pub(crate) plan: &'a Plan,
    pub(crate) process: &'a Process,
    pub(crate) channel: Channel,
    pub(crate) group: Joiner,
    pub(crate) filter: Filter,
    /// The host's procfs: the container's own is not trusted.
    pub(crate) proc: ProcFs,
    /// The slave side of the terminal, where the process has one.
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) stdio: Option<Stdio>,
    pub(crate) preserved_fds: u32,
    pub(crate) supervision: Supervision,
}

/// The life of an entrant. It never returns: it becomes its program, or says why not and ends.
pub(crate) fn enter(mut entrant: Entrant<'_>) -> ! {
    let Err(error) = settle_and_execute(&mut entrant);
    let _ = entrant.channel.send(&Message::from(&error), &[]);
    exit_now(1)
}

/// The namespaces were joined by the process that cloned this one.
fn settle_and_execute(entrant: &mut Entrant<'_>) -> Result<Never, StepError> {
    let (plan, process) = (entrant.plan, entrant.process);
    reset_signals();
    // The channel belongs to the process that cloned this one until it has told who was cloned.
    entrant.channel.expect(&Message::Proceed)?;
    Step::Handshake.run("new session", || Ok(rustix::process::setsid()?))?;
    Step::JoinCgroup.apply("", || entrant.group.join())?;
    // After the cgroup, whose cpuset may have changed it.
    match &process.cpu_affinity {
        Some(affinity) => affinity::set(affinity.last.as_deref())?,
        None => affinity::set_all()?,
    }
    if plan.namespaces.id_maps.is_some() {
        Step::BecomeRoot.run("", || set_gid(0).and_then(|()| set_uid(0)))?;
    }
    let label = Label::open(process, &entrant.proc)?;
    if let Some(slave) = &entrant.terminal {
        terminal::enter(slave)?;
    } else if let Some(stdio) = entrant.stdio.take() {
        terminal::become_stdio([stdio.stdin.as_fd(), stdio.stdout.as_fd(), stdio.stderr.as_fd()])?;
    }
    settings::apply(plan, process)?;
    Step::Handshake.run("that the process is ready", || entrant.channel.send(&Message::Ready, &[]))?;
    let shows_filter = entrant.channel.expect_exec()?;
    Becoming {
        last_hooks: None,
        process,
        setgroups: plan.namespaces.id_maps.as_ref().map(|maps| maps.setgroups),
        filter: &entrant.filter,
        label: &label,
        preserved_fds: entrant.preserved_fds,
        supervision: entrant.supervision,
        channel: &entrant.channel,
        shows_filter,
    }
    .become_program()
}
