//! The shim's ends of the container's streams.
//!
//! The container never gets a descriptor of the host's: not the client's terminal (whose input queue it could fill
//! with TIOCSTI), not the client's files. Bytes are passed on.

use std::io;
use std::os::fd::OwnedFd;

use cofferdam_confinement::Plan;
use cofferdam_runtime::start::Stdio;
use rustix::fs::{Gid, Uid, fchown};
use rustix::pipe::{PipeFlags, pipe_with};

/// The shim's ends.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Takes input; the terminal takes it in its place.
    pub(crate) stdin: Option<OwnedFd>,
    /// Gives output.
    pub(crate) stdout: Option<OwnedFd>,
    /// Gives errors.
    pub(crate) stderr: Option<OwnedFd>,
    /// Gives output and takes input.
    pub(crate) terminal: Option<OwnedFd>,
}

impl Streams {
    /// Makes pipes for a container without a terminal. Those of the container belong to its user, so that it can open
    /// `/dev/stdout` and its like.
    pub(crate) fn pipes(plan: &Plan, stdin_open: bool) -> io::Result<(Self, Stdio)> {
        let user = &plan.process.user;
        let owner = match &plan.namespaces.id_maps {
            Some(maps) => maps.host_uid(user.uid).zip(maps.host_gid(user.gid)),
            None => Some((user.uid, user.gid)),
        };
        let give = |end: &OwnedFd| match owner {
            // An ordinary user's container runs as that user, to whom the pipes belong already.
            Some((uid, gid)) if rustix::process::geteuid().is_root() => {
                fchown(end, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            }
            _ => Ok(()),
        };
        let (stdin, our_stdin) = pipe_with(PipeFlags::CLOEXEC)?;
        let (our_stdout, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (our_stderr, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        for end in [&stdin, &stdout, &stderr] {
            give(end)?;
        }
        for end in [&our_stdin, &our_stdout, &our_stderr] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        // Without -i the pipe is closed here: the container reads the end of its input at once.
        let ours = Self {
            stdin: stdin_open.then_some(our_stdin),
            stdout: Some(our_stdout),
            stderr: Some(our_stderr),
            terminal: None,
        };
        Ok((ours, Stdio { stdin, stdout, stderr }))
    }

    /// A container with a terminal.
    pub(crate) fn terminal(master: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { terminal: Some(master), ..Self::default() })
    }

    /// Where input goes.
    pub(crate) fn input(&self) -> Option<&OwnedFd> {
        self.stdin.as_ref().or(self.terminal.as_ref())
    }
}
