//! clone3(2) used as a fork into new namespaces.
#![allow(unsafe_code, reason = "clone3 has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general::{CLONE_INTO_CGROUP, CLONE_PARENT, CLONE_PIDFD, clone_args};
use rustix::process::Pid;

/// What the new process is cloned with.
#[derive(Debug, Default)]
pub struct CloneRequest<'a> {
    /// `CLONE_NEW*` flags ([`crate::namespace::Namespace::clone_flag`]).
    pub namespaces: u64,
    /// A cgroup v2 folder that the child starts in.
    pub into_cgroup: Option<BorrowedFd<'a>>,
    /// The child becomes a sibling: a child of the caller's parent, which also reaps it.
    pub sibling: bool,
    /// The parent gets no signal at the child's end, and an ordinary wait(2) does not see it.
    pub silent: bool,
}

/// Which side of the clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The caller.
    Parent {
        /// The child, as the caller's pid namespace numbers it.
        pid: Pid,
        /// A handle that no pid reuse can redirect (close-on-exec).
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// Refuses a process of several threads. unshare(2) of `CLONE_THREAD` does nothing but that check, and it works where
/// no procfs shows this process: in a mount and pid namespace that was just joined.
fn require_one_thread() -> io::Result<()> {
    // SAFETY: plain numbers only; with one thread the call changes nothing, with several it fails.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return Ok(());
    }
    Err(io::Error::other("the process has several threads, and a clone may start from one only"))
}

/// Clones the calling process, which must have one thread only: its copy goes on with ordinary Rust code, and a lock
/// that another thread held at that moment would stay locked in it for ever.
pub fn clone3(request: &CloneRequest<'_>) -> io::Result<Cloned> {
    require_one_thread()?;
    let mut pidfd: RawFd = -1;
    let mut args = clone_args {
        flags: request.namespaces | u64::from(CLONE_PIDFD),
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        // A sibling inherits the exit signal; giving one as well is EINVAL.
        exit_signal: if request.sibling || request.silent { 0 } else { libc::SIGCHLD as u64 },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if request.sibling {
        args.flags |= u64::from(CLONE_PARENT);
    }
    if let Some(folder) = request.into_cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = folder.as_raw_fd() as u64;
    }
    // SAFETY: `args` and `pidfd` are live for the whole call, which writes at most one RawFd through `args.pidfd`.
    // Without CLONE_VM the child gets its own copy of the address space, on the same stack pointer; and there is one
    // thread (checked above; no other can appear meanwhile), so no lock of the allocator or of std is left held.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<clone_args>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: with CLONE_PIDFD the kernel stored a new descriptor there, which nothing else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| io::Error::other("clone3 gave a process id out of range"))?;
            Ok(Cloned::Parent { pid, pidfd })
        }
    }
}

/// Ends the calling process at once, without running destructors or flushing what its parent may hold as well.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes no pointer and does not return.
    unsafe { libc::_exit(code) }
}
