//! `exec`: one more process in a running container, under every control of its first one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use cofferdam_confinement::{IdMapping, IdMaps, MapWriter, Plan, Process, Setgroups};
use cofferdam_image::tree::walk::is_kernels_own;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::ContainerId;
use cofferdam_policy::{ExecOptions, plan_exec};
use cofferdam_proof::{Entrants, HostKey, Passed, Prepared, Receipt, Rule, Statement, Terms, gate};
use cofferdam_runtime::start::{Gated, StartIo, Stdio, Supervision, Target, enter};
use cofferdam_shim::ContainerState;
use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid, fchown, openat2};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};

use crate::error::{Error, Result};
use crate::exec_session::{ExecSession, Streams};
use crate::live::Live;
use crate::options::ExecRequest;
use crate::paths::Paths;

/// The most of an account file that is read from a container.
const MAX_ACCOUNT_FILE: usize = 4 << 20;

/// Starts the process; a session to relay its streams with, unless it is detached.
pub(crate) fn start(paths: &Paths, id: &ContainerId, request: &ExecRequest) -> Result<Option<ExecSession>> {
    let live = Live::find(paths, id)?;
    if live.state == ContainerState::Paused {
        return Err(Error::Paused { id: id.clone() });
    }
    let process = plan_process(&live, request)?;
    let (streams, stdio) = open_streams(&live.plan, &process, request)?;
    let io = StartIo {
        stdio,
        preserved_fds: 0,
        // One with a terminal may be left alone later; until then the terminal's end is its own.
        supervision: if request.detach || request.tty {
            Supervision::Detached
        } else {
            Supervision::DieWithParent
        },
        start_socket: None,
        bundle: live.dir.path().to_owned(),
    };
    let target =
        Target { plan: &live.plan, pid: live.pid, pidfd: live.pidfd.as_fd(), waits: false, subgroups: None };
    let entering = enter(&target, &process, io)?;
    let prover = Prover::prepare(paths, &live, &process)?;
    let mut created = entering.finish()?;
    let terminal = created.take_terminal();
    let gated = created.exec_to_gate()?;
    let passed = prover.gate(&gated)?;
    let released = gated.release(passed.permit)?;
    // Receipts of entrants stay as long as these live.
    if !released.has_ended()
        && let Err(error) = prover.keep(&process, passed.statement)
    {
        // Nothing would say how it was confined.
        let _ = pidfd_send_signal(&released.pidfd, Signal::KILL);
        return Err(error);
    }
    if request.detach {
        return Ok(None);
    }
    Ok(Some(ExecSession::new(released.pidfd, Streams { terminal, ..streams })))
}

/// What the proof needs beside the process itself: made while it readies itself.
struct Prover {
    plan: Plan,
    key: HostKey,
    proc: ProcFs,
    prepared: Prepared,
    entrants: Entrants,
}

impl Prover {
    fn prepare(paths: &Paths, live: &Live, process: &Process) -> Result<Self> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Verify {
            id: live.plan.container.clone(),
            source,
        };
        let key =
            HostKey::open_or_create(&paths.state().join("keys")).map_err(|error| failed(error.into()))?;
        let proc = ProcFs::open().map_err(|error| Error::io("open", "/proc", error.into()))?;
        let plan = live.plan.with_process(process.clone());
        let prepared = Prepared::entering(&proc, &plan, live.pid).map_err(|error| failed(error.into()))?;
        Ok(Self { plan, key, proc, prepared, entrants: Entrants::of(live.dir.small()) })
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Verify { id: self.plan.container.clone(), source: source.into() }
    }

    fn gate(&self, gated: &Gated) -> Result<Passed> {
        let terms = Terms {
            plan: &self.plan,
            prepared: &self.prepared,
            group: gated.group().group(),
            preserved_fds: 0,
            rule: Rule::Strict,
        };
        gate(&self.proc, gated, &terms, None).map_err(|error| self.failed(error))
    }

    /// Signs what was found: the process runs meanwhile.
    fn keep(&self, process: &Process, statement: Statement) -> Result<()> {
        let receipt = Receipt::seal(statement, &self.key).map_err(|error| self.failed(error))?;
        let kept = self.entrants.keep(process, &receipt, &self.proc);
        kept.map_err(|source| Error::io("keep the receipt of", "exec", source))
    }
}

fn plan_process(live: &Live, request: &ExecRequest) -> Result<Process> {
    let same_ids = IdMapping { container: 0, host: 0, size: u32::MAX };
    let same = IdMaps {
        uids: vec![same_ids],
        gids: vec![same_ids],
        writer: MapWriter::Direct,
        setgroups: Setgroups::Allow,
    };
    let root = live.process()?.open_link("root");
    let root = root.map_err(|error| Error::io("open the root of", &live.plan.container, error.into()))?;
    let read = |name: &str| {
        read_inside(&root, name).map_err(|source| Error::io("read /etc of", &live.plan.container, source))
    };
    let options = ExecOptions {
        command: &request.command,
        env: &request.env,
        user: request.user.as_deref(),
        workdir: request.workdir.as_ref(),
        privileged: request.privileged,
        tty: request.tty,
        window: request.window,
        passwd: &read("etc/passwd")?,
        group: &read("etc/group")?,
        maps: live.plan.namespaces.id_maps.as_ref().unwrap_or(&same),
    };
    Ok(plan_exec(&live.plan, &options)?)
}

/// A file of the container as text; empty if it has none. Resolved inside its root. What the container has put in its place is
/// looked at before it is opened: a pipe would be waited for, and a file of /proc read for a container that may not read it
/// (/proc/kmsg is even emptied by that).
pub(crate) fn read_inside(root: &OwnedFd, name: &str) -> io::Result<String> {
    use std::io::Read;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = match openat2(root, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    if kind != rustix::fs::FileType::RegularFile {
        return Err(io::Error::other(format!("/{name} is no file")));
    }
    if is_kernels_own(&found)? {
        return Err(io::Error::other(format!("/{name} is of a file system of the kernel's own")));
    }
    // The same file, whatever is at its path by now.
    let file = std::fs::File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
    let mut bytes = Vec::new();
    file.take(MAX_ACCOUNT_FILE as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Pipes for a process without a terminal, owned by its user so that it can open `/dev/stdout`. A detached process gets
/// `/dev/null`, since nobody would read what it says.
fn open_streams(plan: &Plan, process: &Process, request: &ExecRequest) -> Result<(Streams, Option<Stdio>)> {
    let failed = |error: rustix::io::Errno| Error::io("make streams for", &plan.container, error.into());
    let none = Streams::default();
    if process.terminal {
        return Ok((none, None));
    }
    let null = |flags| rustix::fs::open("/dev/null", flags | OFlags::CLOEXEC, Mode::empty()).map_err(failed);
    if request.detach {
        let stdio = Stdio {
            stdin: null(OFlags::RDONLY)?,
            stdout: null(OFlags::WRONLY)?,
            stderr: null(OFlags::WRONLY)?,
        };
        return Ok((none, Some(stdio)));
    }
    let (stdin, ours_in) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let (ours_out, stdout) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let (ours_err, stderr) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    if rustix::process::geteuid().is_root() {
        let maps = plan.namespaces.id_maps.as_ref();
        let uid = maps.map_or(Some(process.user.uid), |maps| maps.host_uid(process.user.uid));
        let gid = maps.map_or(Some(process.user.gid), |maps| maps.host_gid(process.user.gid));
        for end in [&stdin, &stdout, &stderr] {
            fchown(end, uid.map(Uid::from_raw), gid.map(Gid::from_raw)).map_err(failed)?;
        }
    }
    let streams = Streams {
        stdin: request.interactive.then_some(ours_in),
        stdout: Some(ours_out),
        stderr: Some(ours_err),
        terminal: None,
    };
    Ok((streams, Some(Stdio { stdin, stdout, stderr })))
}
