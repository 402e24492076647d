//! How the client's terminal or pipes are connected to a container: `-a`, `-d`, `-i`, `-t`, `--detach-keys`.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use cofferdam_confinement::WindowSize;
use cofferdam_engine::{Attach, AttachStream, Error, ExecSession, RelayEnd, RelayOptions};

use crate::detach_keys::DetachKeys;
use crate::report::{Outcome, Report};
use crate::session::start_failure;

/// `--detach-keys` and `--sig-proxy`, for every command that attaches.
#[derive(Debug, Clone, Args)]
pub(crate) struct RelayFlags {
    /// The keys that leave the container running and give the terminal back
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<DetachKeys>,
    /// Pass signals on to the container's process
    #[arg(
        long,
        action = ArgAction::Set,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = true
    )]
    pub(crate) sig_proxy: bool,
}

/// One of the three streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs, reason = "the streams' names")]
pub(crate) enum StreamName {
    #[value(alias = "STDIN")]
    Stdin,
    #[value(alias = "STDOUT")]
    Stdout,
    #[value(alias = "STDERR")]
    Stderr,
}

/// The streams that a client attaches to: those named by `-a`, or output always and input with `-i`.
pub(crate) fn wanted(named: &[StreamName], interactive: bool) -> Attach {
    let has = |stream| named.contains(&stream);
    if named.is_empty() {
        return Attach { stdin: interactive, stdout: true, stderr: true };
    }
    Attach { stdin: has(StreamName::Stdin), stdout: has(StreamName::Stdout), stderr: has(StreamName::Stderr) }
}

/// The size of the client's terminal, where it has one.
pub(crate) fn window() -> Option<WindowSize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout())
        .or_else(|_| rustix::termios::tcgetwinsize(std::io::stdin()))
        .ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(WindowSize { rows: size.ws_row, columns: size.ws_col })
}

/// A terminal for the container whose input is no terminal would hang or garble: refused, as by Docker.
pub(crate) fn check_terminal(tty: bool, stdin: bool) -> Result<(), Report> {
    if tty && stdin && !std::io::stdin().is_terminal() {
        return Err(Report::new("the input device is not a TTY")
            .hint("leave out -t, or -i if the command reads nothing"));
    }
    Ok(())
}

/// Streams of a process that can be connected to the client's own.
pub(crate) trait Streams {
    /// Passes bytes, sizes and signals until the process ends or the client detaches.
    fn relay(self, options: &RelayOptions<'_>) -> Result<RelayEnd, Error>;
}

impl Streams for AttachStream {
    fn relay(self, options: &RelayOptions<'_>) -> Result<RelayEnd, Error> {
        AttachStream::relay(self, options)
    }
}

impl Streams for ExecSession {
    fn relay(self, options: &RelayOptions<'_>) -> Result<RelayEnd, Error> {
        ExecSession::relay(self, options)
    }
}

/// Connects the streams that are wanted; the exit status is the process's, or 0 where the client detached.
pub(crate) fn relay(streams: impl Streams, attach: Attach, tty: bool, flags: &RelayFlags) -> Outcome {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    stdout.lock().flush()?;
    let keys = flags.detach_keys.clone().unwrap_or_default();
    let options = RelayOptions {
        stdin: attach.stdin.then(|| stdin.as_fd()),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        tty,
        detach_keys: keys.into_bytes(),
        forward_signals: flags.sig_proxy && !tty,
    };
    match streams.relay(&options).map_err(start_failure)? {
        RelayEnd::Exited(status) => Ok(ExitCode::from(status.code)),
        RelayEnd::Detached => {
            // The cursor is where the container's prompt left it.
            writeln!(stderr.lock(), "\nread escape sequence")?;
            Ok(ExitCode::SUCCESS)
        }
        RelayEnd::Interrupted => Err(Report::new("got 3 SIGTERM/SIGINTs, forcefully exiting")
            .hint("the container may go on: see `cofferdam ps`")),
    }
}
