//! `create` and `run`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cofferdam_confinement::Plan;
use cofferdam_runtime::lifecycle::{self, CreateIo, Fresh};
use cofferdam_runtime::oci;
use cofferdam_runtime::start;

use super::arguments::{Flag, Order, option, switch};
use super::error::CommandError;
use super::proof::Prover;
use super::supervise::{Supervisor, reap_orphans};
use super::terminal::end_lines_plainly;
use super::{Call, Command, Outcome, console};

const BUNDLE: Flag = option(
    "bundle",
    "b",
    "DIR",
    "path to the root of the bundle directory, defaults to the current directory",
);
const CONSOLE_SOCKET: Flag = option(
    "console-socket",
    "",
    "PATH",
    "path to an AF_UNIX socket which will receive the master end of the terminal",
);
const PIDFD_SOCKET: Flag = option(
    "pidfd-socket",
    "",
    "PATH",
    "path to an AF_UNIX socket which will receive a pidfd of the init process",
);
const PID_FILE: Flag = option("pid-file", "", "FILE", "specify the file to write the process id to");
const NO_PIVOT: Flag = switch(
    "no-pivot",
    "",
    "do not use pivot root to jail process inside rootfs: only where the root is a ramdisk",
);
const NO_NEW_KEYRING: Flag =
    switch("no-new-keyring", "", "do not create a new session keyring for the container");
const PRESERVE_FDS: Flag = option(
    "preserve-fds",
    "",
    "N",
    "pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
);

pub(super) const CREATE: Command = Command {
    name: "create",
    about: "create a container",
    usage: "<container-id>",
    flags: &[BUNDLE, CONSOLE_SOCKET, PIDFD_SOCKET, PID_FILE, NO_PIVOT, NO_NEW_KEYRING, PRESERVE_FDS],
    order: Order::Mixed,
    run: create,
};

pub(super) const RUN: Command = Command {
    name: "run",
    about: "create and run a container",
    usage: "<container-id>",
    flags: &[
        BUNDLE,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        switch("detach", "d", "detach from the container's process"),
        switch("keep", "", "do not delete the container after it exits"),
        PID_FILE,
        switch("no-subreaper", "", "disable the use of the subreaper used to reap reparented processes"),
        NO_PIVOT,
        NO_NEW_KEYRING,
        PRESERVE_FDS,
    ],
    order: Order::Mixed,
    run,
};

/// The flags that `create` and `run` share, and what they lead to.
struct Preparation {
    plan: Plan,
    bundle: PathBuf,
    io: CreateIo,
    console_socket: Option<PathBuf>,
    pidfd_socket: Option<PathBuf>,
    pid_file: Option<PathBuf>,
}

fn prepare(call: &Call, command: &'static str, detached: bool) -> Result<Preparation, CommandError> {
    let arguments = &call.arguments;
    let id = arguments.only_id(command)?;
    let bundle = arguments.value("bundle").unwrap_or(".");
    let (bundle, converted) = oci::load(
        id,
        Path::new(bundle),
        call.global.caller,
        arguments.has("no-pivot"),
        arguments.has("no-new-keyring"),
    )?;
    for warning in &converted.warnings {
        call.global.log.warning(warning);
    }
    let mut plan = converted.plan;
    // The container's root may be the one that this program's file belongs to (CVE-2019-5736).
    start::protect_from(&plan).map_err(CommandError::system("cannot protect the runtime's own program"))?;
    if let Some(profile) = &plan.process.seccomp {
        call.global.log.debug(&format!("seccomp filter flags: {}", flag_bits(profile.flags)));
    }
    let console_socket = arguments.value("console-socket").filter(|path| !path.is_empty()).map(PathBuf::from);
    check_terminal(plan.process.terminal, detached, console_socket.is_some())?;
    let preserved_fds = arguments.number::<u32>("preserve-fds")?.unwrap_or(0) + inherited_sockets(&mut plan);
    check_preserved(preserved_fds)?;
    let path = |name| arguments.value(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Preparation {
        plan,
        bundle,
        io: CreateIo { stdio: None, preserved_fds, start_later: command == "create" },
        console_socket,
        pidfd_socket: path("pidfd-socket"),
        pid_file: path("pid-file"),
    })
}

/// The kernel's bits of a filter's flags.
fn flag_bits(flags: cofferdam_confinement::seccomp::Flags) -> u32 {
    [(flags.tsync, 1), (flags.log, 2), (flags.spec_allow, 4), (flags.wait_killable_recv, 32)]
        .into_iter()
        .filter_map(|(set, bit)| set.then_some(bit))
        .sum()
}

/// Who would hold the other end of a terminal.
pub(super) fn check_terminal(terminal: bool, detached: bool, socket: bool) -> Result<(), CommandError> {
    let refuse = |text: &str| Err(CommandError::Refused(text.to_owned()));
    match (terminal, detached, socket) {
        (true, true, false) => {
            refuse("cannot allocate tty if the runtime will detach without setting console socket")
        }
        (false, _, true) | (_, false, true) => {
            refuse("cannot use console socket if the runtime will not detach or allocate tty")
        }
        _ => Ok(()),
    }
}

/// Sockets that systemd opened for the container (sd_listen_fds(3)): they are descriptors 3 and up.
fn inherited_sockets(plan: &mut Plan) -> u32 {
    let count = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    if count > 0 {
        plan.process.env.push(format!("LISTEN_FDS={count}"));
        plan.process.env.push("LISTEN_PID=1".to_owned());
    }
    count
}

/// A descriptor that is to be passed on must be one: what stands in its place later could be one of ours.
pub(super) fn check_preserved(count: u32) -> Result<(), CommandError> {
    for number in 3..3_u32.saturating_add(count) {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err() {
            return Err(CommandError::Refused(format!(
                "please check that preserved-fd {} (of {count}) is present",
                number - 3
            )));
        }
    }
    Ok(())
}

impl Preparation {
    /// Hands out what the caller asked for of a container that was just created.
    fn hand_out(&self, fresh: &mut Fresh) -> Result<Option<OwnedFd>, CommandError> {
        let terminal = fresh.take_terminal();
        if let (Some(socket), Some(terminal)) = (&self.console_socket, &terminal) {
            console::send_fd(socket, "/dev/ptmx", terminal.as_fd())?;
            return Ok(None);
        }
        if let Some(terminal) = &terminal {
            end_lines_plainly(terminal).map_err(CommandError::system("cannot set up the terminal"))?;
        }
        Ok(terminal)
    }

    fn hand_out_pid(&self, pid: i32) -> Result<(), CommandError> {
        self.pid_file.as_deref().map_or(Ok(()), |path| console::write_pid(path, pid))
    }

    fn hand_out_pidfd(&self, pidfd: Option<&OwnedFd>) -> Result<(), CommandError> {
        match (&self.pidfd_socket, pidfd) {
            (Some(socket), Some(pidfd)) => console::send_fd(socket, "pidfd", pidfd.as_fd()),
            _ => Ok(()),
        }
    }

    /// Makes the container, and what the gate needs while it builds its root.
    fn make(&mut self, call: &Call) -> Result<(Fresh, Prover), CommandError> {
        let io = CreateIo { stdio: self.io.stdio.take(), ..self.io };
        let preserved_fds = io.preserved_fds;
        let mut prover = None;
        let fresh =
            lifecycle::create(&call.global.root, self.plan.clone(), self.bundle.clone(), io, |plan| {
                prover = Some(Prover::prepare(plan, preserved_fds))
            })?;
        let prover = prover.unwrap_or_else(|| Prover::prepare(&self.plan, preserved_fds))?;
        Ok((fresh, prover))
    }
}

fn create(call: &Call) -> Outcome {
    let mut preparation = prepare(call, "create", true)?;
    let (mut fresh, prover) = preparation.make(call)?;
    if let Some(folder) = fresh.path() {
        prover.leave(folder)?;
    }
    preparation.hand_out(&mut fresh)?;
    if preparation.pidfd_socket.is_some() {
        preparation.hand_out_pidfd(fresh.pidfd().as_ref())?;
    }
    preparation.hand_out_pid(fresh.pid())?;
    drop(fresh.leave());
    Ok(ExitCode::SUCCESS)
}

fn run(call: &Call) -> Outcome {
    let detached = call.arguments.has("detach");
    let mut preparation = prepare(call, "run", detached)?;
    if !detached && !call.arguments.has("no-subreaper") {
        reap_orphans()?;
    }
    // Signals wait from here on, so that none that was meant for the container ends this process first.
    let supervisor = if detached { None } else { Some(Supervisor::prepare()?) };
    let (mut fresh, mut prover) = preparation.make(call)?;
    let terminal = preparation.hand_out(&mut fresh)?;
    let (container, released) = fresh.start(&mut prover)?;
    // Of a container that goes with its end, and has ended, nobody asks for a receipt any more.
    let is_over = supervisor.is_some() && !call.arguments.has("keep") && released.has_ended();
    let kept = if is_over { Ok(()) } else { prover.keep(&call.global.root, container.path()) };
    let handed = kept
        .and_then(|()| preparation.hand_out_pid(released.pid.as_raw_nonzero().get()))
        .and_then(|()| preparation.hand_out_pidfd(Some(&released.pidfd)));
    if let Err(error) = handed {
        container.delete(true)?;
        return Err(error);
    }
    let Some(supervisor) = supervisor else { return Ok(ExitCode::SUCCESS) };
    let code = supervisor.wait(&released.pidfd, released.pid, terminal)?;
    if !call.arguments.has("keep") {
        container.delete(true)?;
    }
    Ok(ExitCode::from(code))
}
