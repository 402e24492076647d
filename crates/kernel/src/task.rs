//! What a process says of itself to the kernel before it becomes another program: scheduling, keyring, descriptors.
#![allow(unsafe_code, reason = "these system calls have no safe wrapper in rustix")]

use std::io;
use std::os::fd::RawFd;

/// Arguments of sched_setattr(2): the kernel's `struct sched_attr` of 48 bytes (version 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the scheduling policy of the calling thread (sched_setattr(2)).
pub fn set_scheduler(mut attr: SchedAttr) -> io::Result<()> {
    attr.size = 48;
    // SAFETY: `attr` is live for the call and its `size` field tells the kernel how much of it to read.
    checked(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) })
}

/// The scheduling policy of a process (sched_getattr(2)).
pub fn scheduler(pid: rustix::process::Pid) -> io::Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    // SAFETY: `attr` is live for the call, which writes at most the 48 bytes that it is told of, its whole size.
    checked(unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            pid.as_raw_nonzero().get(),
            &raw mut attr,
            size_of::<SchedAttr>(),
            0,
        )
    })?;
    Ok(attr)
}

/// Sets the I/O priority of the calling process (ioprio_set(2)); class 1 to 3, level 0 to 7.
pub fn set_io_priority(class: u8, level: u8) -> io::Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let value = (libc::c_int::from(class) << CLASS_SHIFT) | libc::c_int::from(level);
    // SAFETY: plain numbers only.
    checked(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) })
}

/// The I/O priority of a process as ioprio_get(2) gives it: class << 13 | level.
pub fn io_priority(pid: rustix::process::Pid) -> io::Result<u16> {
    const WHO_PROCESS: libc::c_int = 1;
    // SAFETY: plain numbers only.
    let value = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, pid.as_raw_nonzero().get()) };
    checked(value)?;
    u16::try_from(value).map_err(io::Error::other)
}

/// Sets the execution domain (personality(2)).
pub fn set_personality(persona: u64) -> io::Result<()> {
    // SAFETY: plain numbers only.
    checked(libc::c_long::from(unsafe { libc::personality(persona) }))
}

/// Sets from which nodes the calling process gets its memory (set_mempolicy(2)): a mode with its flags, and a bit for each
/// node, the lowest first.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> io::Result<()> {
    // One more than there are, because the kernel takes one off.
    let bits = nodes.len() * 64 + 1;
    // SAFETY: the kernel reads `bits - 1` bits, which are those of the slice.
    checked(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes.as_ptr(), bits) })
}

/// Gives the process a new, empty session keyring of this name (keyctl_join_session_keyring(3)).
pub fn join_new_session_keyring(name: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: `name` is NUL-ended and live for the call.
    checked(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
}

/// Marks every descriptor from `first` on close-on-exec (close_range(2)).
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    let first = u32::try_from(first).map_err(io::Error::other)?;
    // SAFETY: the call only sets a flag on descriptors; none is closed, so no owner is left with a dangling one.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
}

/// Makes the terminal the controlling one of the caller's new session (`TIOCSCTTY`).
pub fn set_controlling_terminal(terminal: impl std::os::fd::AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(terminal)?)
}

/// Empties the signal mask and gives every standard signal its default action: a mask, and a signal that is ignored,
/// survive exec otherwise. (The real-time signals have no meaning that a caller could have handed down.)
pub fn reset_signals() {
    // SAFETY: SIG_DFL is a valid action for every signal; those that cannot be changed answer EINVAL, which is right
    // to ignore. The empty set is initialised by sigemptyset before it is read.
    unsafe {
        for signal in 1..=31 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
