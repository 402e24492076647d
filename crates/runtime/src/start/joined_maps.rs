//! The id maps that a user namespace has already, for a container that joins it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::init::become_untraceable;
use cofferdam_confinement::{IdMapping, IdMaps, MapWriter, Setgroups};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_kernel::proc::{FileId, IdMapLine, ProcDir, ProcFs, SetgroupsState};
use rustix::fs::{Mode, OFlags, fstat};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Reads the maps of the user namespace at `path`, with the ids outside of it as this process sees them.
///
/// # Errors
/// If it cannot be opened, or is no user namespace that this process may join.
pub(crate) fn maps_of_namespace(path: &Path) -> io::Result<IdMaps> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let proc = ProcFs::open()?;
    let own = proc.this_process()?;
    let stat = fstat(&file)?;
    if own.namespace(Namespace::User)? == (FileId { dev: stat.st_dev, ino: stat.st_ino }) {
        // The kernel lets nobody join the user namespace that it is in.
        return read(&own);
    }
    let (wait, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match clone3(&CloneRequest::default())? {
        Cloned::Child => member(&file, &go, wait),
        Cloned::Parent { pid, pidfd } => {
            drop(go);
            // Ends with the byte that says that the namespace was joined, or with the member.
            let joined = rustix::io::read(&wait, &mut [0_u8; 4]);
            let maps = match joined {
                Ok(1) => proc.process(pid).map_err(io::Error::from).and_then(|member| read(&member)),
                Ok(_) => Err(io::Error::other("it is no user namespace that this process may join")),
                Err(errno) => Err(errno.into()),
            };
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            maps
        }
    }
}

/// A process that is in the namespace until it is killed: the maps of a namespace are read beside one of its processes.
fn member(file: &OwnedFd, go: &OwnedFd, wait: OwnedFd) -> ! {
    drop(wait);
    // The namespace's root must not reach into this process, which is the host's in all else (CVE-2016-9962).
    if become_untraceable().is_err()
        || join(Namespace::User, file.as_fd()).is_err()
        || rustix::io::write(go, b"j").is_err()
    {
        exit_now(1);
    }
    loop {
        // A parent that dies closes its end: then there is nobody to wait for.
        let mut polled = [rustix::event::PollFd::new(go, rustix::event::PollFlags::empty())];
        if rustix::event::poll(&mut polled, None).is_ok() {
            exit_now(0);
        }
    }
}

fn read(process: &ProcDir) -> io::Result<IdMaps> {
    let lines = |lines: Vec<IdMapLine>| {
        let line =
            |line: IdMapLine| IdMapping { container: line.inside, host: line.outside, size: line.size };
        lines.into_iter().map(line).collect()
    };
    let setgroups = match process.setgroups()? {
        SetgroupsState::Allow => Setgroups::Allow,
        SetgroupsState::Deny => Setgroups::Deny,
    };
    Ok(IdMaps {
        uids: lines(process.uid_map()?),
        gids: lines(process.gid_map()?),
        writer: MapWriter::Direct,
        setgroups,
    })
}
