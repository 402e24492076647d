//! The first process of a container that was started with `--init`: starts the container's program, passes signals on to it,
//! and reaps whatever orphans come to it, since its process id is 1.
//!
//! It is our own program, bound into the container read-only, and runs with the container's rights and behind its filter: it
//! is the container's, and nothing of the host's listens to it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use cofferdam_kernel::clone::exit_now;
use cofferdam_kernel::fork::fork;
use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, send_to_child, set_mask};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions, WaitStatus, setpgid, wait};

/// The program's name inside the container ends with this.
pub const NAME: &str = "cofferdam-init";

/// Exit statuses of programs that cannot be executed, as shells and Docker give them.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const FAILED: u8 = 125;

/// Lives until the program has ended; answers its exit status, 128 and the number of the signal that ended it. Arguments are
/// the program and its own, after an optional `--`.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let mut arguments = arguments.skip_while(|argument| argument == "--").peekable();
    if arguments.peek().is_none() {
        complain("no program to start");
        return FAILED;
    }
    match supervise(arguments.collect()) {
        Ok(status) => status,
        Err(error) => {
            complain(&error.to_string());
            FAILED
        }
    }
}

/// Nobody is left to be told where standard error is gone.
fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{NAME}: {message}");
}

fn supervise(command: Vec<OsString>) -> io::Result<u8> {
    // Blocked before there is a child: a signal that comes now is passed on, where the kernel would drop it (pid 1 has no
    // default actions). The runtime blocked them before this program began, for the same reason.
    block(SignalSet::FULL)?;
    let signals = SignalFd::new(SignalSet::FULL)?;
    // fork(2): the container's filter has no clone3(2), whose flags it could not read.
    let Some(program) = fork()? else { exit_now(i32::from(become_program(&command))) };
    loop {
        let mut ready = [PollFd::new(&signals, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
        while let Some(arrived) = signals.read()? {
            match arrived.signal {
                Signal::CHLD => {
                    if let Some(status) = reap(program)? {
                        return Ok(status);
                    }
                }
                // For this process's own use of the terminal, which it has none of.
                Signal::TTIN | Signal::TTOU => {}
                // Another user's by now (a set-user-ID program): it gets none.
                signal => drop(send_to_child(program, signal)),
            }
        }
    }
}

/// Reaps all that has ended; the program's status once it is among them.
fn reap(program: Pid) -> io::Result<Option<u8>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => return Ok(Some(exit_status(status))),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn exit_status(status: WaitStatus) -> u8 {
    let code = status.exit_status().or(status.terminating_signal().map(|number| 128 + number)).unwrap_or(255);
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// In the child: a process group of its own, in the foreground of the terminal if there is one, so that keys reach it alone.
fn become_program(command: &[OsString]) -> u8 {
    let stdin = io::stdin();
    let grouped = setpgid(None, None);
    if grouped.is_ok() && rustix::termios::isatty(&stdin) {
        // SIGTTOU is still blocked. Without a controlling terminal there is no foreground to be in.
        let _ = rustix::termios::tcsetpgrp(&stdin, rustix::process::getpid());
    }
    let Some((program, arguments)) = command.split_first() else { return FAILED };
    if let Err(error) = set_mask(SignalSet::EMPTY) {
        complain(&error.to_string());
        return FAILED;
    }
    let error = Command::new(program).args(arguments).exec();
    complain(&format!("cannot execute {}: {error}", program.display()));
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_start_is_a_failure() {
        assert_eq!(run(std::iter::empty()), FAILED);
        assert_eq!(run(["--".into()].into_iter()), FAILED);
    }
}
