//! The parent side of `exec`: a new process in a running container, held at the gate as its first one was.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_confinement::{CpuAffinity, NamespaceSource, Plan, Process};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::{Namespace, join, join_process};
use cofferdam_kernel::proc::{ProcDir, ProcFs};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, dumpable_behavior, pidfd_send_signal, set_dumpable_behavior, waitid,
};

use super::following::{Made, as_parent, hide_followed, receive_from_joiner, tell_and_end};
use super::owned_group::OwnedGroup;
use super::{Created, StartIo, has_host_rights, own_program, set_oom_score, tracers};
use crate::cgroup::Subgroups;
use crate::channel::{Channel, Message};
use crate::init::{self, Entrant};
use crate::process::affinity;
use crate::process::filter::Filter;
use crate::process::terminal;
use crate::rootfs::root_dir::RootDir;
use crate::step::{Step, StepError};

/// The container to enter.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Its first process.
    pub pid: Pid,
    /// The handle of its first process.
    pub pidfd: BorrowedFd<'a>,
    /// Whether its first process still is the runtime's, which waits to be started.
    pub waits: bool,
    /// Groups below the container's own to join; without them, those that its first process is in.
    pub subgroups: Option<&'a Subgroups>,
}

/// A process in a container that readies itself: [`Entering::finish`] goes on with it. Dropping it ends it.
#[derive(Debug)]
pub struct Entering<'p> {
    process: &'p Process,
    created: Created,
}

impl Entering<'_> {
    /// Waits until it waits before it takes on its credentials: [`Created::exec_to_gate`] goes on with it. Its terminal, if
    /// it has one, is to be taken from the result.
    pub fn finish(mut self) -> Result<Created, StepError> {
        self.created.serve_process(self.process)?;
        Ok(self.created)
    }
}

/// Makes a process in the container, which readies itself meanwhile: time for the caller's own work.
pub fn enter<'p>(target: &Target<'_>, process: &'p Process, io: StartIo) -> Result<Entering<'p>, StepError> {
    own_program::check(target.plan)?;
    let filter = Filter::compile(process.seccomp.as_ref())?;
    let proc = Step::Handshake.run("/proc", || Ok(ProcFs::open()?))?;
    let container = Step::Handshake.run("/proc of the container", || Ok(proc.process(target.pid)?))?;
    tracers::check_entrant(target, &process.capabilities)?;
    let kinds = namespaces_to_join(target.plan, &proc, &container)?;
    let console =
        if process.terminal { Some(open_terminal(target.plan, process, &container)?) } else { None };
    let (master, slave) = console.map_or((None, None), |console| (Some(console.master), Some(console.slave)));
    let (ours, theirs) = Step::Channel.run("between runtime and process", Channel::pair)?;
    let (group, joiner) = OwnedGroup::entered(&target.plan.cgroup, target.pid, target.subgroups)?;
    let entrant = Entrant {
        plan: target.plan,
        process,
        channel: theirs,
        group: joiner,
        filter,
        proc,
        terminal: slave,
        stdio: io.stdio,
        preserved_fds: io.preserved_fds,
        supervision: io.supervision,
    };
    let made = clone_entrant(target, &kinds, &ours, entrant)?;
    let (pid, followed) = (made.pid, made.tracee.is_some());
    let mut created = Created::new(made, ours, group);
    // Also where it was not followed: who may send signals in the container shall not stop it.
    created.trace()?;
    created.proceed()?;
    if !followed {
        let dir = Step::Handshake.run("/proc of the process", || Ok(ProcFs::open()?.process(pid)?))?;
        set_oom_score(process, &dir)?;
    }
    created.set_terminal(master);
    Ok(Entering { process, created })
}

/// The namespaces that are not the caller's own already: joining one's own user namespace again is an error.
fn namespaces_to_join(plan: &Plan, proc: &ProcFs, container: &ProcDir) -> Result<Vec<Namespace>, StepError> {
    let own = Step::OpenNamespace.run("own", || Ok(proc.this_process()?))?;
    let mut kinds = Vec::new();
    for kind in Namespace::ALL {
        if *plan.namespaces.source(kind) == NamespaceSource::Host {
            continue;
        }
        let differs = Step::OpenNamespace
            .run(kind.link_name(), || Ok(own.namespace_number(kind)? != container.namespace_number(kind)?))?;
        if differs && !Step::JoinNamespace.is_left_out(kind.link_name()) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// Opens the terminal from outside: the container runs, and could have put anything in the place of its ptmx.
fn open_terminal(
    plan: &Plan,
    process: &Process,
    container: &ProcDir,
) -> Result<terminal::Terminal, StepError> {
    let root =
        Step::Terminal.run("root of the container", || Ok(RootDir::new(container.open_link("root")?)))?;
    let owner = match &plan.namespaces.id_maps {
        None => Some(process.user.uid),
        Some(maps) => maps.host_uid(process.user.uid),
    };
    let owner = owner
        .ok_or_else(|| Step::Terminal.refused(process.user.uid, "the id maps do not cover this user"))?;
    terminal::open(owner, process.window, &root)
}

/// Clones the entrant into the namespaces. With the host's rights it is cloned straight into the pid namespace and joins the
/// others itself. Otherwise, and where its affinity has to be set before, a short-lived process joins them all and clones it
/// as its sibling, our child: who has the rights of the container's user namespace alone may join the others only from there.
fn clone_entrant(
    target: &Target<'_>,
    kinds: &[Namespace],
    channel: &Channel,
    entrant: Entrant<'_>,
) -> Result<Made, StepError> {
    let followed = !has_host_rights();
    if !followed && kinds.contains(&Namespace::Pid) && entrant.process.cpu_affinity.is_none() {
        return clone_into_pid_namespace(target, kinds, channel, entrant).map(|(pid, pidfd)| Made {
            pid,
            pidfd,
            tracee: None,
        });
    }
    match Step::Clone.run("joiner", || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            channel.leave_to_parent();
            joiner(target, kinds, followed, entrant)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(entrant);
            receive_from_joiner(pid, &pidfd, channel, followed)
        }
    }
}

/// Makes the container's pid namespace that of this process's next child, for that one child.
fn clone_into_pid_namespace(
    target: &Target<'_>,
    kinds: &[Namespace],
    channel: &Channel,
    entrant: Entrant<'_>,
) -> Result<(Pid, OwnedFd), StepError> {
    let own = Step::OpenNamespace
        .run("own pid", || Ok(entrant.proc.this_process()?.open_namespace(Namespace::Pid)?))?;
    let dumpable = Step::Handshake.run("dumpable", || Ok(dumpable_behavior()?))?;
    // The child is untraceable from its first moment on: the container's processes see it before it is one of them.
    init::become_untraceable()?;
    let cloned =
        Step::JoinNamespace.run("pid", || join_process(target.pidfd, [Namespace::Pid])).and_then(|()| {
            let into_cgroup = entrant.group.clone_into();
            Step::Clone.run("process", || clone3(&CloneRequest { into_cgroup, ..CloneRequest::default() }))
        });
    if let Ok(Cloned::Child) = cloned {
        channel.leave_to_parent();
        drop(own);
        let others = kinds.iter().copied().filter(|kind| *kind != Namespace::Pid);
        let joined = Step::JoinNamespace.run("of the container", || join_process(target.pidfd, others));
        match joined {
            Ok(()) => init::enter(entrant),
            Err(error) => {
                let sent = entrant.channel.send(&Message::from(&error), &[]);
                exit_now(1 + i32::from(sent.is_err()));
            }
        }
    }
    let restored = Step::JoinNamespace
        .run("own pid", || join(Namespace::Pid, own.as_fd()))
        .and_then(|()| Step::Handshake.run("dumpable", || Ok(set_dumpable_behavior(dumpable)?)));
    let (pid, pidfd) = match cloned? {
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
        Cloned::Child => {
            return Err(Step::Clone.refused("process", "it is the child, which went another way"));
        }
    };
    match restored {
        Ok(()) => Ok((pid, pidfd)),
        Err(error) => {
            // It is in no hand that would end it: the first error is the one to tell.
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            Err(error)
        }
    }
}

fn joiner(target: &Target<'_>, kinds: &[Namespace], followed: bool, entrant: Entrant<'_>) -> ! {
    let hidden =
        if followed { hide_followed(&entrant.channel, entrant.process) } else { init::become_untraceable() };
    let wanted: &Option<CpuAffinity> = &entrant.process.cpu_affinity;
    let cloned = hidden
        .and_then(|()| affinity::set(wanted.as_ref().and_then(|affinity| affinity.initial.as_deref())))
        .and_then(|()| {
            Step::JoinNamespace.run("of the container", || join_process(target.pidfd, kinds.iter().copied()))
        })
        .and_then(|()| {
            let into_cgroup = entrant.group.clone_into();
            Step::Clone.run("process", || {
                clone3(&CloneRequest { into_cgroup, sibling: true, ..CloneRequest::default() })
            })
        });
    match cloned.map(as_parent) {
        Ok(None) => init::enter(entrant),
        Ok(Some(cloned)) => tell_and_end(&entrant.channel, Ok(cloned)),
        Err(error) => tell_and_end(&entrant.channel, Err(error)),
    }
}
