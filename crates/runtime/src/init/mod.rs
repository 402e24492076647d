//! The init side of a start: a fresh clone of this process that builds the container around itself and becomes its
//! program. It runs as ordinary code, since the process it was cloned from had one thread.
//!
//! Each step stands where it does because of what the steps after it take away; see the comments.

mod entrant;
mod namespaces;

pub(crate) use entrant::{Entrant, enter};
use namespaces::Clocks;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use cofferdam_confinement::{Plan, Process, Setgroups};
use cofferdam_kernel::clone::exit_now;
use cofferdam_kernel::fork::close_all_but;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, set_mask};
use cofferdam_kernel::task::{close_on_exec_from, reset_signals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::channel::{Channel, Message};
use crate::process::credentials::{self, Moment, seal};
use crate::process::filter::Filter;
use crate::process::lsm::{self, Label};
use crate::process::program::{Program, enter_working_directory, environment};
use crate::process::{affinity, settings, terminal};
use crate::rootfs::{Maker, Sources, assemble, pivot};
use crate::start::owned_group::Joiner;
use crate::start::{ContainerState, HookFolder, Status, Stdio, Supervision, run_hooks};
use crate::step::{Step, StepError, recording};

/// What the parent side leaves to init, by being copied into its address space.
pub(crate) struct Init<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) channel: Channel,
    pub(crate) group: Joiner,
    pub(crate) filter: Filter,
    /// Whether init opens the root and the mounts itself: the parent has no rights to.
    pub(crate) makes_sources: bool,
    /// Whether the parent traces it from its clone on.
    pub(crate) followed: bool,
    pub(crate) stdio: Option<Stdio>,
    pub(crate) preserved_fds: u32,
    pub(crate) supervision: Supervision,
    pub(crate) start_socket: Option<OwnedFd>,
    pub(crate) bundle: PathBuf,
}

/// The life of init. It never returns: it becomes the container's program, or says why not and ends.
pub(crate) fn run(mut init: Init<'_>) -> ! {
    let Err(error) = build_and_execute(&mut init);
    let _ = init.channel.send(&Message::from(&error), &[]);
    exit_now(1)
}

enum Never {}

fn build_and_execute(init: &mut Init<'_>) -> Result<Never, StepError> {
    let plan = init.plan;
    reset_signals();
    // Mount points are made with the same modes whatever the caller's umask is.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Its own session: no controlling terminal of the caller's, from which keys could be pushed (TIOCSTI).
    Step::Handshake.run("new session", || Ok(rustix::process::setsid()?))?;
    // The parent's first message comes after the id maps are written.
    let mut sources = Sources::receive(&init.channel, plan)?;
    let clocks = Clocks::open(&plan.namespaces)?;
    if init.followed || !init.makes_sources {
        become_untraceable()?;
    }
    // Before the cgroup namespace, whose root is the group at the time it is made.
    Step::JoinCgroup.apply("", || init.group.join())?;
    affinity::set_all()?;
    namespaces::enter(plan, clocks.as_ref())?;
    drop(clocks);
    if init.makes_sources && plan.namespaces.mount.is_new() {
        sources = Sources::make(plan, Maker { id_map: None, may_make_nodes: false })?;
    }
    // While the host's procfs is in sight: a container's own could be a fake (CVE-2025-52881, CVE-2019-19921).
    let proc = Step::LsmLabel.run("/proc", || Ok(ProcFs::open()?))?;
    lsm::check_modules(&plan.process)?;
    let label = Label::open(&plan.process, &proc)?;
    drop(proc);
    enter_root(init, &mut sources)?;
    drop(sources);
    settings::apply(plan, &plan.process)?;
    close_what_is_not_needed(init, &label)?;
    Step::Handshake.run("that init is ready", || init.channel.send(&Message::Ready, &[]))?;
    let shows_filter = wait_for_start(init)?;
    execute(init, &label, shows_filter)
}

/// From here on no process in a joined pid namespace may trace this one or open its /proc/PID/exe, which still is the
/// host's program (CVE-2016-9962, CVE-2019-5736). Not before the id maps are written.
///
/// Without the host's rights the gate's own tracer cannot attach to it after that, so it does before (`start::following`). Where
/// that cannot be, because another process will start the container, it stays open; what keeps others off there is that this
/// process holds more capabilities than they do (ptrace(2), "Ptrace access mode checking"). That counts for nothing with
/// a process that has CAP_SYS_PTRACE: `start::tracers` keeps the two apart.
pub(crate) fn become_untraceable() -> Result<(), StepError> {
    Step::Handshake.run("not dumpable", || Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?))
}

/// Builds the root, runs the hooks that want to see it, and moves into it.
fn enter_root(init: &mut Init<'_>, sources: &mut Sources) -> Result<(), StepError> {
    let plan = init.plan;
    let assembled =
        if plan.namespaces.mount.is_new() { Some(assemble(plan, sources, &init.channel)?) } else { None };
    if !(plan.hooks.prestart.is_empty() && plan.hooks.create_runtime.is_empty()) {
        Step::Handshake.run("of the hooks", || init.channel.send(&Message::RuntimeHooks, &[]))?;
        init.channel.expect(&Message::Proceed)?;
    }
    if !plan.hooks.create_container.is_empty() {
        let own_pid = Some(rustix::process::getpid());
        let state = ContainerState::new(plan, Status::Creating, own_pid, &init.bundle);
        // As runc does: these hooks find the container's files in their working directory.
        if let Some(assembled) = &assembled {
            Step::Root.run("/", || Ok(rustix::process::fchdir(&assembled.root)?))?;
        }
        run_hooks("createContainer", &plan.hooks.create_container, &state, HookFolder::Current)?;
    }
    let Some(assembled) = assembled else {
        return attach_streams(init, None);
    };
    let console = if plan.process.terminal {
        Some(terminal::open(plan.process.user.uid, plan.process.window, &assembled.root)?)
    } else {
        None
    };
    if let Some(console) = &console {
        terminal::bind_console(console, &assembled.root)?;
    }
    pivot(plan, &assembled)?;
    attach_streams(init, console)
}

fn attach_streams(init: &mut Init<'_>, console: Option<terminal::Terminal>) -> Result<(), StepError> {
    if let Some(console) = console {
        Step::Terminal.run("master", || init.channel.send(&Message::Terminal, &[console.master.as_fd()]))?;
        return terminal::enter(&console.slave);
    }
    match init.stdio.take() {
        Some(stdio) => {
            terminal::become_stdio([stdio.stdin.as_fd(), stdio.stdout.as_fd(), stdio.stderr.as_fd()])
        }
        None => Ok(()),
    }
}

/// A container may wait for long to be started, and all that time processes that share its pid namespace could look for a
/// way to the host in what its init holds open (CVE-2024-21626 was one left open by mistake): it holds its ways to the
/// runtime, what it inherits to the program, and nothing else.
fn close_what_is_not_needed(init: &Init<'_>, label: &Label) -> Result<(), StepError> {
    let inherited = 3..3_i32.saturating_add(i32::try_from(init.preserved_fds).unwrap_or(i32::MAX));
    let mut keep: Vec<RawFd> = inherited.collect();
    keep.push(init.channel.as_fd().as_raw_fd());
    keep.extend(init.start_socket.iter().map(AsRawFd::as_raw_fd));
    keep.extend(label.files().map(|file| file.as_raw_fd()));
    keep.extend(recording());
    Step::Handshake.apply("close descriptors", || close_all_but(&keep))
}

/// Waits for the word to start: of this start's own parent, or of another process on the start socket. Gives whether that one
/// wants to be shown the filter.
fn wait_for_start(init: &mut Init<'_>) -> Result<bool, StepError> {
    if let Some(socket) = init.start_socket.take() {
        let connection = Step::Handshake.run("of the start", || accept_or_end(&socket))?;
        init.channel = Channel::from_socket(connection);
    }
    init.channel.expect_exec()
}

/// Waits for a connection. Meanwhile the signals that end an ordinary process end this one: the first process of a pid
/// namespace has to see to that itself (pid_namespaces(7)), and who kills a container that was created and not started
/// expects it to be gone.
fn accept_or_end(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let ending: SignalSet = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].into_iter().collect();
    let before = block(ending)?;
    let signals = SignalFd::new(ending)?;
    loop {
        let mut polled =
            [PollFd::new(socket, PollFlags::IN), PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [start, _] = polled.map(|fd| !fd.revents().is_empty());
        if let Some(arrived) = signals.read()? {
            exit_now(128 + arrived.signal.number());
        }
        if start {
            match accept_with(socket, SocketFlags::CLOEXEC) {
                Err(Errno::INTR) => {}
                other => {
                    set_mask(before)?;
                    return Ok(other?);
                }
            }
        }
    }
}

/// Becomes the program.
fn execute(init: &Init<'_>, label: &Label, shows_filter: bool) -> Result<Never, StepError> {
    let plan = init.plan;
    Becoming {
        last_hooks: Some((plan, &init.bundle)),
        process: &plan.process,
        setgroups: plan.namespaces.id_maps.as_ref().map(|maps| maps.setgroups),
        filter: &init.filter,
        label,
        preserved_fds: init.preserved_fds,
        supervision: init.supervision,
        channel: &init.channel,
        shows_filter,
    }
    .become_program()
}

/// What the last steps need, the same for a container's first process and for one that enters later.
struct Becoming<'a> {
    /// Whose startContainer hooks are to run, and the bundle that they are told of.
    last_hooks: Option<(&'a Plan, &'a Path)>,
    process: &'a Process,
    setgroups: Option<Setgroups>,
    filter: &'a Filter,
    label: &'a Label,
    preserved_fds: u32,
    supervision: Supervision,
    channel: &'a Channel,
    /// Whether the parent side is shown the filter before it is installed.
    shows_filter: bool,
}

impl Becoming<'_> {
    /// Gives up everything that is not the container's, and becomes its program.
    fn become_program(&self) -> Result<Never, StepError> {
        let process = self.process;
        // Descriptors are closed by the exec itself, so that the channel can still tell of a failure.
        let first = i32::try_from(self.preserved_fds).unwrap_or(i32::MAX).saturating_add(3);
        Step::Exec.apply("close descriptors on exec", || close_on_exec_from(first))?;
        if process.signals_wait {
            Step::Exec.run("block signals", || block(SignalSet::FULL))?;
        }
        self.label.apply()?;
        // The folder may be one that only root can enter (an image's WORKDIR /root with another USER), or one that only the
        // final user can (a file system that squashes root).
        let entered = enter_working_directory(&process.cwd, process.create_cwd);
        seal(process, self.filter, Moment::BeforeCredentials, self.channel, self.shows_filter)?;
        credentials::take_on(process, self.setgroups, self.supervision)?;
        match entered {
            Err(error) if error.errno() == Some(libc::EACCES) => {
                enter_working_directory(&process.cwd, false)?;
            }
            other => other?,
        }
        let program = Program::find(process)?;
        seal(process, self.filter, Moment::AfterCredentials, self.channel, self.shows_filter)?;
        if let Some((plan, bundle)) = self.last_hooks {
            run_last_hooks(plan, bundle)?;
        }
        Err(program.execute())
    }
}

/// The startContainer hooks are programs of the container's own files, which an image can have chosen. So they run with
/// everything in force that confines the container's program, and not before.
fn run_last_hooks(plan: &Plan, bundle: &Path) -> Result<(), StepError> {
    let mut hooks = plan.hooks.start_container.clone();
    if hooks.is_empty() {
        return Ok(());
    }
    for hook in hooks.iter_mut().filter(|hook| hook.env.is_empty()) {
        hook.env = environment(&plan.process);
    }
    let state = ContainerState::new(plan, Status::Created, Some(rustix::process::getpid()), bundle);
    run_hooks("startContainer", &hooks, &state, HookFolder::Current)
}
