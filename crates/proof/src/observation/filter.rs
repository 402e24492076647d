//! Reading the installed system call filters back.

use std::time::Duration;

use cofferdam_confinement::seccomp::Program;
use cofferdam_kernel::ptrace::{Stop, Tracee};
use cofferdam_kernel::seccomp::read_filter;
use rustix::process::Pid;

use super::gather::reading;
use super::{Moment, Reading, Unreadable};

/// How long a running process gets to stop. It stops at once unless it sleeps in an uninterruptible way.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// The programs of a process, oldest first. At the start it is stopped under this thread already; later it is stopped
/// for the time of the reading (some of its system calls may return EINTR for that, see signal(7)).
pub(super) fn read_filters(pid: Pid, moment: Moment) -> Reading<Vec<Program>> {
    match moment {
        Moment::Start => read_all(pid),
        Moment::Verify => {
            let tracee = reading(Tracee::seize_to_look(pid))?;
            reading(tracee.interrupt())?;
            let stop = reading(tracee.wait_at_most(STOP_WAIT))?;
            let (filters, signal) = match stop {
                None => return Err(Unreadable("the process did not stop within 2 seconds".to_owned())),
                Some(Stop::Ended(_)) => return Err(Unreadable("the process ended".to_owned())),
                Some(Stop::Signal(signal)) => (read_all(pid), signal),
                Some(Stop::Interrupted | Stop::Call | Stop::Exec | Stop::Cloned) => (read_all(pid), 0),
            };
            reading(tracee.detach(signal))?;
            filters
        }
    }
}

fn read_all(pid: Pid) -> Reading<Vec<Program>> {
    let mut programs = Vec::new();
    while let Some(program) = reading(read_filter(pid, programs.len()))? {
        programs.push(Program::from_instructions(program));
    }
    Ok(programs)
}
