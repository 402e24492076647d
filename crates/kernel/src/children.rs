//! Ended children that are looked at before they are reaped.
#![allow(unsafe_code, reason = "rustix's waitid(2) does not tell whose status it is")]

use std::io;

use rustix::process::Pid;

/// One of the caller's children that has ended, if there is one. It stays a zombie, and its number its own, until it is
/// reaped.
///
/// # Errors
/// Those of waitid(2), but for having no children.
pub fn ended() -> io::Result<Option<Pid>> {
    loop {
        // SAFETY: siginfo_t is plain numbers, for which all zeroes is a value; waitid leaves it so where no child has ended.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is live for the whole call, which writes one siginfo_t to it.
        if unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) } == 0 {
            // SAFETY: waitid fills in the fields of SIGCHLD, of which si_pid is one; it is 0 where no child has ended.
            return Ok(Pid::from_raw(unsafe { info.si_pid() }));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(None),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn a_child_that_has_ended_is_seen_and_can_still_be_waited_for() {
        let mut child = Command::new("true").spawn().unwrap();
        // Other tests of this program may have children too, so only this one's status is certain.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while super::ended().unwrap().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(child.wait().unwrap().success());
    }
}
