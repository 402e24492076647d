//! Work on files whose owners are ids of a container, by an ordinary user.

use std::io;
use std::os::fd::AsFd;

use cofferdam_confinement::IdMaps;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::id_map::enter_user_namespace;
use crate::step::{Step, StepError};

/// Runs `work` in a process that is root of a new user namespace with these maps: it may do with files of all their ids what
/// root may do with its own. The process ends with the work, and shares nothing with this one but the file system.
///
/// # Errors
/// The maps cannot be written, or the work's own error number.
pub fn as_root_of(maps: &IdMaps, work: impl FnOnce() -> io::Result<()>) -> Result<(), StepError> {
    let subject = "of a process for the container's files";
    match Step::IdMaps.run(subject, || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            let entered = enter_user_namespace(maps).map_err(|error| error.source);
            let code = match entered.and_then(|()| work()) {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            exit_now(code)
        }
        Cloned::Parent { pidfd, .. } => Step::IdMaps.run(subject, || {
            let ended =
                rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED))?;
            match ended.and_then(|status| status.exit_status()) {
                Some(0) => Ok(()),
                Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                None => Err(io::Error::other("it was killed")),
            }
        }),
    }
}
