//! `exec`: one more process in a running container.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cofferdam_confinement::seccomp::Profile;
use cofferdam_confinement::{Plan, Process};
use cofferdam_kernel::capability::Capability;
use cofferdam_runtime::cgroup::Subgroups;
use cofferdam_runtime::lifecycle::{Container, LifecycleError, Lookup, send_seccomp_listener};
use cofferdam_runtime::oci;
use cofferdam_runtime::start::{self, StartIo, Supervision, Target};
use cofferdam_wire_oci::{self as wire, Status};

use super::arguments::{Arguments, Order, option, switch};
use super::error::{CommandError, UsageError};
use super::proof::{Prover, end_unreceipted};
use super::supervise::{Supervisor, reap_orphans};
use super::terminal::end_lines_plainly;
use super::{Call, Command, Outcome, console, create};

pub(super) const EXEC: Command = Command {
    name: "exec",
    about: "execute new process inside the container",
    usage: "<container-id> <command> [command options] || -p process.json <container-id>",
    flags: &[
        option(
            "console-socket",
            "",
            "PATH",
            "path to an AF_UNIX socket which will receive the master end of the terminal",
        ),
        option(
            "pidfd-socket",
            "",
            "PATH",
            "path to an AF_UNIX socket which will receive a pidfd of the process",
        ),
        option("cwd", "", "DIR", "current working directory in the container"),
        option("env", "e", "NAME=VALUE", "set environment variables"),
        switch("tty", "t", "allocate a pseudo-TTY"),
        option("user", "u", "UID[:GID]", "user and group of the process"),
        option("additional-gids", "g", "GID", "additional gids"),
        option("process", "p", "FILE", "path to the process.json"),
        switch("detach", "d", "detach from the container's process"),
        option("pid-file", "", "FILE", "specify the file to write the process id to"),
        option(
            "process-label",
            "",
            "LABEL",
            "set the asm process label for the process commonly used with selinux",
        ),
        option("apparmor", "", "PROFILE", "set the apparmor profile for the process"),
        switch("no-new-privs", "", "set the no new privileges value for the process"),
        option("cap", "c", "CAP", "add a capability to the bounding set for the process"),
        option(
            "preserve-fds",
            "",
            "N",
            "pass N additional file descriptors to the container (stdio + N in total)",
        ),
        option(
            "cgroup",
            "",
            "PATH",
            "run the process in an (existing) sub-cgroup(s). Format is [<controller>:]<cgroup>",
        ),
        switch("ignore-paused", "", "allow exec in a paused container"),
    ],
    order: Order::FlagsFirst,
    run,
};

fn run(call: &Call) -> Outcome {
    let arguments = &call.arguments;
    let (id, words) = match arguments.positional.split_first() {
        Some((id, words)) if !words.is_empty() || arguments.has("process") => (id, words),
        _ => {
            let given = arguments.positional.len();
            return Err(
                UsageError::Count { command: "exec", wanted: "a container and a command", given }.into()
            );
        }
    };
    let id = id.parse().map_err(UsageError::from)?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    match container.status()? {
        Status::Stopped | Status::Creating => {
            return Err(CommandError::Refused("cannot exec in a stopped container".to_owned()));
        }
        Status::Paused if !arguments.has("ignore-paused") => {
            return Err(CommandError::Refused(
                "cannot exec in a paused container (use --ignore-paused to override)".to_owned(),
            ));
        }
        _ => {}
    }
    let plan = &container.record().plan;
    // This may execute the program anew: before anything is read that can be read once only, such as a document from a
    // pipe.
    start::protect_from(plan).map_err(CommandError::system("cannot protect the runtime's own program"))?;
    let process = match arguments.value("process") {
        Some(path) => from_document(call, plan, Path::new(path))?,
        None => from_flags(arguments, plan, words)?,
    };
    execute(call, &container, &process)
}

fn execute(call: &Call, container: &Container, process: &Process) -> Outcome {
    let arguments = &call.arguments;
    let plan = &container.record().plan;
    let detached = arguments.has("detach");
    let path = |name| arguments.value(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let console_socket = path("console-socket");
    create::check_terminal(process.terminal, detached, console_socket.is_some())?;
    let preserved_fds = arguments.number::<u32>("preserve-fds")?.unwrap_or(0);
    create::check_preserved(preserved_fds)?;
    let supervisor = if detached { None } else { Some(Supervisor::prepare()?) };
    if !detached {
        reap_orphans()?;
    }
    let (pid, pidfd) = container
        .init()
        .ok_or_else(|| CommandError::Refused("cannot exec in a stopped container".to_owned()))?;
    let io = StartIo {
        stdio: None,
        preserved_fds,
        supervision: Supervision::Detached,
        start_socket: None,
        bundle: container.record().bundle.clone(),
    };
    let subgroups = subgroups(arguments)?;
    let waits = container.status()? == Status::Created;
    let target = Target { plan, pid, pidfd: pidfd.as_fd(), waits, subgroups: subgroups.as_ref() };
    let entering = start::enter(&target, process, io)?;
    let planned = plan.with_process(process.clone());
    let mut prover = Prover::entering(&planned, pid, preserved_fds)?;
    let mut created = entering.finish()?;
    if let Some(mask) = process.cpu_affinity.as_ref().and_then(|affinity| affinity.initial.as_deref()) {
        // The process that joins the namespaces is called nsexec in runc's log, and looked for by that name.
        let mask = start::affinity_mask(mask).unwrap_or_default();
        call.global.log.debug(&format!("joiner (nsexec): affinity: {mask}"));
    }
    let mut terminal = created.take_terminal();
    if let (Some(socket), Some(master)) = (&console_socket, &terminal) {
        console::send_fd(socket, "/dev/ptmx", master.as_fd())?;
        terminal = None;
    }
    if let Some(terminal) = &terminal {
        end_lines_plainly(terminal).map_err(CommandError::system("cannot set up the terminal"))?;
    }
    let gated = if process.seccomp.as_ref().is_some_and(Profile::notifies) {
        let state = container.state()?;
        created.exec_to_gate_asking(|listener| send_seccomp_listener(plan, state, listener))?
    } else {
        created.exec_to_gate()?
    };
    if let Some(file) = path("pid-file") {
        console::write_pid(&file, gated.pid().as_raw_nonzero().get())?;
    }
    if let (Some(socket), Some(pidfd)) = (path("pidfd-socket"), gated.pidfd()) {
        console::send_fd(&socket, "pidfd", pidfd)?;
    }
    let permit = prover.examine(&planned, &gated).map_err(|error| LifecycleError::Gate(error.into()))?;
    let released = gated.release(permit)?;
    // Receipts of entrants stay as long as these live.
    if !released.has_ended() {
        prover
            .keep_entrant(&call.global.root, container, process)
            .inspect_err(|_| end_unreceipted(&released))?;
    }
    match supervisor {
        None => Ok(ExitCode::SUCCESS),
        Some(supervisor) => Ok(ExitCode::from(supervisor.wait(&released.pidfd, released.pid, terminal)?)),
    }
}

fn subgroups(arguments: &Arguments) -> Result<Option<Subgroups>, CommandError> {
    if !arguments.has("cgroup") {
        return Ok(None);
    }
    Subgroups::parse(arguments.values("cgroup"))
        .map(Some)
        .map_err(|error| CommandError::Refused(format!("--cgroup: {error}")))
}

/// The process of a document, as containerd and Docker pass it.
fn from_document(call: &Call, plan: &Plan, path: &Path) -> Result<Process, CommandError> {
    let wire: wire::Process = oci::read_document(path)?;
    let mut warnings = Vec::new();
    let seccomp = plan.process.seccomp.clone();
    let mut process =
        oci::process("process", &wire, plan.namespaces.id_maps.as_ref(), seccomp, &mut warnings)?;
    for warning in warnings {
        call.global.log.warning(&warning);
    }
    process.create_cwd = false;
    if process.cpu_affinity.is_none() {
        process.cpu_affinity = plan.process.cpu_affinity.clone();
    }
    Ok(process)
}

/// The container's own process with what the flags change of it.
fn from_flags(arguments: &Arguments, plan: &Plan, words: &[String]) -> Result<Process, CommandError> {
    let mut process = Process {
        args: words.to_vec(),
        create_cwd: false,
        window: None,
        signals_wait: false,
        ..plan.process.clone()
    };
    process.terminal = arguments.has("tty");
    process.env.extend(arguments.values("env").map(str::to_owned));
    if let Some(cwd) = arguments.value("cwd") {
        process.cwd = cwd.parse().map_err(UsageError::from)?;
    }
    process.no_new_privileges |= arguments.has("no-new-privs");
    let label = |flag| arguments.value(flag).filter(|text| !text.is_empty()).map(str::to_owned);
    process.apparmor_profile = label("apparmor").or(process.apparmor_profile);
    process.selinux_label = label("process-label").or(process.selinux_label);
    for name in arguments.values("cap") {
        let capability: Capability =
            name.parse().map_err(|error| CommandError::Refused(format!("--cap: {error}")))?;
        let sets = &mut process.capabilities;
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.insert(capability);
        }
        // Ambient needs inheritable, and OCI gives a process inheritable capabilities only where its author says so
        // (CVE-2022-29162).
        if sets.inheritable.contains(capability) {
            sets.ambient.insert(capability);
        }
    }
    change_user(arguments, plan, &mut process)?;
    Ok(process)
}

fn change_user(arguments: &Arguments, plan: &Plan, process: &mut Process) -> Result<(), CommandError> {
    let number = |flag: &'static str, text: &str| {
        text.parse::<u32>().map_err(|_| UsageError::NotANumber { flag, text: text.to_owned() })
    };
    if let Some(user) = arguments.value("user").filter(|user| !user.is_empty()) {
        let (uid, gid) = user.split_once(':').map_or((user, None), |(uid, gid)| (uid, Some(gid)));
        process.user.uid = number("user", uid)?;
        if let Some(gid) = gid {
            process.user.gid = number("user", gid)?;
        }
    }
    for gid in arguments.values("additional-gids") {
        process.user.additional_gids.push(number("additional-gids", gid)?);
    }
    if let Some(maps) = &plan.namespaces.id_maps {
        let (uid, gid) = (process.user.uid, process.user.gid);
        if maps.host_uid(uid).is_none() || maps.host_gid(gid).is_none() {
            return Err(CommandError::Refused(format!(
                "user {uid}:{gid} is not mapped in the container's user namespace"
            )));
        }
    }
    Ok(())
}
