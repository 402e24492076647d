//! Fork of a process that goes on alone: the daemons of fork(2), without an exec.
#![allow(unsafe_code, reason = "the child closes descriptors by number")]

use std::io;
use std::os::fd::{AsFd, RawFd};

use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::clone::{CloneRequest, Cloned, clone3, exit_now};

/// Runs `child` in a grandchild process, which is nobody's child here (it needs no reaping), has a session of its own,
/// `/` as its working directory and `/dev/null` as its standard streams, and of the other descriptors only `keep`.
///
/// The grandchild runs `child` and nothing else: it ends with the answer as its exit code, without running destructors
/// of this process. What `child` uses must own or borrow no descriptor whose number is not in `keep`. Here, `child` and
/// what it owns are dropped before this returns.
///
/// # Errors
/// A clone's, or that of the steps before `child` runs.
pub fn detached(keep: &[RawFd], child: impl FnOnce() -> i32) -> io::Result<()> {
    match clone3(&CloneRequest::default())? {
        Cloned::Child => middle(keep, child),
        Cloned::Parent { pidfd, .. } => {
            let ended = loop {
                match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => break other?,
                }
            };
            match ended.and_then(|status| status.exit_status()) {
                Some(0) => Ok(()),
                Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                None => Err(io::Error::other("the process between was killed")),
            }
        }
    }
}

/// The process between: its child is orphaned when it ends, so that the caller never has to reap it.
fn middle(keep: &[RawFd], child: impl FnOnce() -> i32) -> ! {
    let code = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    // The session is made here: its member, the child, is not its leader and can get no terminal by opening one.
    if let Err(error) = prepare(keep) {
        exit_now(code(&error));
    }
    match clone3(&CloneRequest::default()) {
        Ok(Cloned::Child) => exit_now(child()),
        Ok(Cloned::Parent { .. }) => exit_now(0),
        Err(error) => exit_now(code(&error)),
    }
}

fn prepare(keep: &[RawFd]) -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    drop(null);
    close_all_but(keep)
}

/// Closes every descriptor from 3 on whose number is not in `keep`.
///
/// Only for a fresh clone that never returns to the frames of the process it was cloned from: what these own is closed
/// under them. The caller's own values must own or borrow only what is in `keep`.
///
/// # Errors
/// Those of close_range(2).
pub fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<RawFd> = keep.to_vec();
    kept.sort_unstable();
    let mut first: RawFd = 3;
    for fd in kept.into_iter().chain([RawFd::MAX]) {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd.saturating_add(1));
    }
    Ok(())
}

fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: no pointer is passed. Owners of the closed descriptors exist only in frames that this process never
    // returns to: it runs the caller's closure, which borrows none of them (documented), and then ends at once.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
