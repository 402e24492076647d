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
    /// It is about to get this signal.
    Signal(i32),
    /// It ended: the raw wait status.
    Ended(i32),
}

fn request(operation: libc::c_uint, pid: Pid, address: usize, data: usize) -> io::Result<libc::c_long> {
    // SAFETY: the callers below pass plain numbers for `address` and `data` in operations that take plain numbers;
    // none of these operations writes to this process's memory.
    let result = unsafe { libc::ptrace(operation, pid.as_raw_nonzero().get(), address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl Tracee {
    /// Attaches to a running task without stopping it; it will stop at its next exec.
    pub fn seize(pid: Pid) -> io::Result<Self> {
        let options = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
        request(libc::PTRACE_SEIZE, pid, 0, usize::try_from(options).unwrap_or(0))?;
        Ok(Self { pid })
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
        _ => Stop::Signal(libc::WSTOPSIG(status)),
    }
}
