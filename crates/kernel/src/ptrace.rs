//! ptrace(2), as far as a gate needs it: seize a task, stop it at its exec, look, let go.
#![allow(unsafe_code, reason = "ptrace has no safe wrapper")]

use std::io;

use rustix::process::Pid;

/// A task that this thread traces. When the tracer dies the kernel kills the tracee (`PTRACE_O_EXITKILL`), so a
/// traced task can never run on unobserved.
#[derive(Debug)]
pub struct Tracee {
    pid: Pid,
}

/// What a wait for the tracee brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It has executed its new program, of which no instruction has run.
    Exec,
    /// It stopped for a request of its tracer (`PTRACE_INTERRUPT`).
    Interrupted,
    /// It is at the entry or at the exit of a system call ([`Tracee::resume_to_call`]).
    Call,
    /// It has cloned another task, which is traced as well.
    Cloned,
    /// It is about to get this signal.
    Signal(i32),
    /// It ended: the raw wait status.
    Ended(i32),
}

/// A system call of a traced task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It is about to be run.
    Entry {
        /// Its number.
        number: u64,
        /// Its arguments.
        args: [u64; 6],
    },
    /// It has been run.
    Exit {
        /// What it returns: negative for an error number.
        result: i64,
    },
}

fn request(operation: libc::c_uint, pid: Pid, address: usize, data: usize) -> io::Result<libc::c_long> {
    // SAFETY: the callers below pass plain numbers for `address` and `data` in operations that take plain numbers;
    // none of these operations writes to this process's memory.
    let result = unsafe { libc::ptrace(operation, pid.as_raw_nonzero().get(), address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Stop at an exec, mark stops at calls, and kill the task when its tracer ends.
const OPTIONS: i32 = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;

impl Tracee {
    /// Attaches to a running task without stopping it; it will stop at its next exec.
    pub fn seize(pid: Pid) -> io::Result<Self> {
        request(libc::PTRACE_SEIZE, pid, 0, usize::try_from(OPTIONS).unwrap_or(0))?;
        Ok(Self { pid })
    }

    /// As [`Tracee::seize`], and what it clones is traced from its first moment on: [`Tracee::of_clone`].
    pub fn seize_with_clones(pid: Pid) -> io::Result<Self> {
        let options = OPTIONS | libc::PTRACE_O_TRACECLONE;
        request(libc::PTRACE_SEIZE, pid, 0, usize::try_from(options).unwrap_or(0))?;
        Ok(Self { pid })
    }

    /// A task that was cloned by one that this thread traces with its clones. It has not begun to run, and does when this
    /// returns; what it clones itself is not traced.
    pub fn of_clone(pid: Pid) -> io::Result<Self> {
        let tracee = Self { pid };
        match tracee.wait()? {
            Stop::Interrupted => {}
            other => return Err(io::Error::other(format!("a new task is at {other:?}"))),
        }
        request(libc::PTRACE_SETOPTIONS, pid, 0, usize::try_from(OPTIONS).unwrap_or(0))?;
        tracee.resume(0)?;
        Ok(tracee)
    }

    /// Attaches only to look at a task that must go on living if the tracer dies.
    pub fn seize_to_look(pid: Pid) -> io::Result<Self> {
        request(libc::PTRACE_SEIZE, pid, 0, 0)?;
        Ok(Self { pid })
    }

    /// The task.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Asks the task to stop.
    pub fn interrupt(&self) -> io::Result<()> {
        request(libc::PTRACE_INTERRUPT, self.pid, 0, 0).map(drop)
    }

    /// Lets a stopped task go on, with a signal to deliver or 0.
    pub fn resume(&self, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_CONT, self.pid, 0, usize::try_from(signal).unwrap_or(0)).map(drop)
    }

    /// Lets a stopped task go on up to the next entry or exit of a system call, with a signal to deliver or 0.
    pub fn resume_to_call(&self, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_SYSCALL, self.pid, 0, usize::try_from(signal).unwrap_or(0)).map(drop)
    }

    /// Which call the task is at, in [`Stop::Call`].
    pub fn call(&self) -> io::Result<Call> {
        // SAFETY: the struct is plain numbers, for which all zeroes is a value.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::ptrace_syscall_info>();
        // SAFETY: `info` is live and has the `size` bytes that the kernel may write.
        let result = unsafe {
            libc::ptrace(
                libc::PTRACE_GET_SYSCALL_INFO,
                self.pid.as_raw_nonzero().get(),
                size,
                (&raw mut info).cast::<libc::c_void>(),
            )
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: `op` says that the kernel filled in this member of the union.
                let entry = unsafe { info.u.entry };
                Ok(Call::Entry { number: entry.nr, args: entry.args })
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: as above.
                let exit = unsafe { info.u.exit };
                Ok(Call::Exit { result: exit.sval })
            }
            _ => Err(io::Error::other("the task is at no system call")),
        }
    }

    /// Lets a stopped task go for good, with a signal to deliver or 0.
    pub fn detach(self, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_DETACH, self.pid, 0, usize::try_from(signal).unwrap_or(0)).map(drop)
    }

    /// Waits for the next stop or the end of the task, at most this long. None: it has not stopped, is still traced, and
    /// is let go when the calling thread ends.
    pub fn wait_at_most(&self, limit: std::time::Duration) -> io::Result<Option<Stop>> {
        const PAUSE: std::time::Duration = std::time::Duration::from_micros(200);
        let start = std::time::Instant::now();
        loop {
            let mut status = 0;
            // SAFETY: `status` is live for the call, which writes at most one int.
            let result = unsafe {
                libc::waitpid(self.pid.as_raw_nonzero().get(), &raw mut status, libc::__WALL | libc::WNOHANG)
            };
            match result {
                -1 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                0 if start.elapsed() >= limit => return Ok(None),
                0 => std::thread::sleep(PAUSE),
                _ => return Ok(Some(read_stop(status))),
            }
        }
    }

    /// Waits for the next stop or the end of the task.
    pub fn wait(&self) -> io::Result<Stop> {
        let mut status = 0;
        loop {
            // SAFETY: `status` is live for the call, which writes one int.
            let result =
                unsafe { libc::waitpid(self.pid.as_raw_nonzero().get(), &raw mut status, libc::__WALL) };
            if result == -1 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            return Ok(read_stop(status));
        }
    }
}

fn read_stop(status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended(status);
    }
    match status >> 16 {
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        libc::PTRACE_EVENT_STOP => Stop::Interrupted,
        libc::PTRACE_EVENT_CLONE => Stop::Cloned,
        _ if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 => Stop::Call,
        _ => Stop::Signal(libc::WSTOPSIG(status)),
    }
}
