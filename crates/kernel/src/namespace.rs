//! The eight kinds of namespace (namespaces(7)): their names and flags, making and joining them.
#![allow(unsafe_code, reason = "setns and unshare have no safe wrapper for all kinds")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use serde::{Deserialize, Serialize};

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// user_namespaces(7)
    User,
    /// mount_namespaces(7)
    Mount,
    /// pid_namespaces(7)
    Pid,
    /// network_namespaces(7)
    Network,
    /// ipc_namespaces(7)
    Ipc,
    /// uts_namespaces(7)
    Uts,
    /// cgroup_namespaces(7)
    Cgroup,
    /// time_namespaces(7)
    Time,
}

impl Namespace {
    /// All kinds; user first, because joining it first gives the rights to join the others.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Mount, Self::Pid, Self::Network, Self::Ipc, Self::Uts, Self::Cgroup, Self::Time];

    /// The name of its link under `/proc/PID/ns`.
    #[must_use]
    pub const fn link_name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Network => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Its `CLONE_NEW*` flag.
    #[must_use]
    pub const fn clone_flag(self) -> u64 {
        (match self {
            Self::User => linux_raw_sys::general::CLONE_NEWUSER,
            Self::Mount => linux_raw_sys::general::CLONE_NEWNS,
            Self::Pid => linux_raw_sys::general::CLONE_NEWPID,
            Self::Network => linux_raw_sys::general::CLONE_NEWNET,
            Self::Ipc => linux_raw_sys::general::CLONE_NEWIPC,
            Self::Uts => linux_raw_sys::general::CLONE_NEWUTS,
            Self::Cgroup => linux_raw_sys::general::CLONE_NEWCGROUP,
            Self::Time => linux_raw_sys::general::CLONE_NEWTIME,
        }) as u64
    }
}

/// Moves the calling thread, the only one of its process, into an existing namespace (setns(2)).
pub fn join(kind: Namespace, file: BorrowedFd<'_>) -> io::Result<()> {
    let flag = libc::c_int::try_from(kind.clone_flag()).map_err(io::Error::other)?;
    // SAFETY: plain numbers only; the descriptor is open for the whole call.
    if unsafe { libc::setns(file.as_raw_fd(), flag) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves the calling thread, the only one of its process, into several namespaces of a process at once (setns(2) with
/// a pidfd): into all of them or into none.
pub fn join_process(pidfd: BorrowedFd<'_>, kinds: impl IntoIterator<Item = Namespace>) -> io::Result<()> {
    let flags = kinds.into_iter().map(Namespace::clone_flag).fold(0, |flags, flag| flags | flag);
    let flags = libc::c_int::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: plain numbers only; the descriptor is open for the whole call.
    if unsafe { libc::setns(pidfd.as_raw_fd(), flags) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives the calling thread, the only one of its process, a new namespace (unshare(2)).
pub fn unshare(kind: Namespace) -> io::Result<()> {
    let flag = libc::c_int::try_from(kind.clone_flag()).map_err(io::Error::other)?;
    // SAFETY: plain numbers only; CLONE_FILES is not among the flags, so that no descriptor changes its meaning.
    if unsafe { libc::unshare(flag) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
