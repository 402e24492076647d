//! Fork of a process that goes on alone: the daemons of fork(2), without an exec.
#![allow(unsafe_code, reason = "the child closes descriptors by number")]

use std::io;
use std::os::fd::RawFd;

use crate::clone::{CloneRequest, Cloned, clone3, exit_now};

/// Runs `child` in a process of its own, which has a session of its own, `/` as its working directory and `/dev/null` as its
/// standard streams, and of the other descriptors only `keep`. What `child` gets is an error if one of these could not be
/// had. Nobody is told of its end: it stays a zombie until this process ends, which is meant to be soon.
///
/// It leads its session: whatever it opens that may be a terminal it opens with `O_NOCTTY`.
///
/// It runs `child` and nothing else: it ends with the answer as its exit code, without running destructors
/// of this process. What `child` uses must own or borrow no descriptor whose number is not in `keep`. Here, `child` and
/// what it owns are dropped before this returns.
///
/// # Errors
/// The clone's.
pub fn detached(keep: &[RawFd], child: impl FnOnce(io::Result<()>) -> i32) -> io::Result<()> {
    match clone3(&CloneRequest { silent: true, ..CloneRequest::default() })? {
        Cloned::Child => exit_now(child(prepare(keep))),
        Cloned::Parent { .. } => Ok(()),
    }
}

/// The same, but for a child whose end this process is told of by `SIGCHLD`, and which it reaps.
///
/// # Errors
/// The clone's.
pub fn child(keep: &[RawFd], child: impl FnOnce(io::Result<()>) -> i32) -> io::Result<rustix::process::Pid> {
    match clone3(&CloneRequest::default())? {
        Cloned::Child => exit_now(child(prepare(keep))),
        Cloned::Parent { pid, .. } => Ok(pid),
    }
}

/// In a child: the end of its parent, whose number this is, is its own from here on (`PR_SET_PDEATHSIG`), also one that came before this.
/// It does not last when the child comes to rights that it had not.
///
/// # Errors
/// The parent has ended, or the system call's.
pub fn end_with(parent: rustix::process::Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if rustix::process::getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("its parent has ended"))
    }
}

/// Copies the calling process, which must have one thread only, with fork(2): for a process whose system call filter knows
/// neither clone3(2) nor [`crate::clone`]'s way to count threads. The child's process id, and none in the child.
///
/// # Errors
/// There are several threads, or procfs does not tell; or the system call's.
pub fn fork() -> io::Result<Option<rustix::process::Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the process has several threads, and a fork may start from one only"));
    }
    // SAFETY: there is one thread (no other can appear meanwhile), so no lock of the allocator or of std is left held in the
    // child, which goes on with ordinary Rust code in its own copy of the memory.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => rustix::process::Pid::from_raw(pid)
            .map(Some)
            .ok_or_else(|| io::Error::other("fork gave no process id")),
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

/// Closes this process's copy of a descriptor that belongs to the process it was cloned from.
///
/// Only for a fresh clone that never returns to the frames of that process, whose owner of the descriptor must not be used or
/// dropped here.
///
/// # Errors
/// Those of close_range(2).
pub fn close_copy(fd: RawFd) -> io::Result<()> {
    close_range(fd, fd)
}

fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: no pointer is passed. Owners of the closed descriptors exist only in frames that this process never
    // returns to: it runs the caller's closure, which borrows none of them (documented), and then ends at once.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
