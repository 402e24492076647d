//! The end of a process that was killed.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a killed process may take to end: it can be in the kernel, in the middle of a large write.
const KILLED: Duration = Duration::from_secs(10);

/// Waits until a killed process has ended, whoever its parent is; it is not reaped. False if it would not end.
pub(crate) fn wait_for_end(pidfd: impl AsFd) -> io::Result<bool> {
    ends_within(pidfd, KILLED)
}

/// Waits for the end of a process, whoever its parent is; it is not reaped. False if the time is over first.
pub(super) fn ends_within(pidfd: impl AsFd, time: Duration) -> io::Result<bool> {
    let end = Instant::now() + time;
    loop {
        let left =
            Timespec::try_from(end.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
