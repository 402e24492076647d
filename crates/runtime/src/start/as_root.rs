//! Work on files whose owners are ids of a container, by an ordinary user.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_confinement::IdMaps;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::fork::end_with;
use cofferdam_kernel::namespace::{Namespace, unshare};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::id_map::enter_user_namespace;
use crate::step::{Step, StepError};

const SUBJECT: &str = "of a process for the container's files";

/// Runs `work` in a process that is root of a new user namespace with these maps: it may do with files of all their ids what
/// root may do with its own. The process ends with the work, and shares nothing with this one but the file system.
///
/// # Errors
/// The maps cannot be written, or the work's own error number.
pub fn as_root_of(maps: &IdMaps, work: impl FnOnce() -> io::Result<()>) -> Result<(), StepError> {
    RootAside::start(maps, work)?.wait()
}

/// A process that is root of a user namespace, and that works beside this one. It has a mount namespace of its own, too: what it
/// mounts nobody else sees. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct RootAside {
    pidfd: Option<OwnedFd>,
}

impl RootAside {
    /// Starts it. `work` has this process's memory as it is now, and its open files.
    ///
    /// # Errors
    /// The kernel clones nothing.
    pub fn start(maps: &IdMaps, work: impl FnOnce() -> io::Result<()>) -> Result<Self, StepError> {
        let parent = rustix::process::getpid();
        match Step::IdMaps.run(SUBJECT, || clone3(&CloneRequest::default()))? {
            Cloned::Child => {
                let code = match enter(maps, parent).and_then(|()| work()) {
                    Ok(()) => 0,
                    Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
                };
                exit_now(code)
            }
            Cloned::Parent { pidfd, .. } => Ok(Self { pidfd: Some(pidfd) }),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The maps could not be written, or the work's own error number.
    pub fn wait(mut self) -> Result<(), StepError> {
        let Some(pidfd) = self.pidfd.take() else { return Ok(()) };
        Step::IdMaps.run(SUBJECT, || match wait_for(&pidfd)? {
            Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Err(io::Error::other("it was killed")),
        })
    }
}

impl Drop for RootAside {
    fn drop(&mut self) {
        if let Some(pidfd) = self.pidfd.take() {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = wait_for(&pidfd);
        }
    }
}

fn enter(maps: &IdMaps, parent: Pid) -> io::Result<()> {
    enter_user_namespace(maps).map_err(|error| error.source)?;
    // What it works on is half done if its parent is not there any more: the next command does it anew. Only now, because new
    // rights take the signal away (prctl(2)).
    end_with(parent)?;
    unshare(Namespace::Mount)
}

/// Its exit code; none if a signal has ended it.
fn wait_for(pidfd: &OwnedFd) -> io::Result<Option<i32>> {
    let ended = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED))?;
    Ok(ended.and_then(|status| status.exit_status()))
}
