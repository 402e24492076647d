//! A mount of another container: it is cloned by a process that is in that container's mounts for a moment, since the kernel clones
//! only what stands in the caller's own mount namespace.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_confinement::{Mount, NamespaceSource, Plan};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::mount::{Depth, clone_tree, open_without_links};
use cofferdam_kernel::namespace::{Namespace, join};
use rustix::fs::{Mode, OFlags};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::channel::{Channel, Message};
use crate::init::become_untraceable;
use crate::step::{Step, StepError};

/// Where the plan's mount shows what another container has: that container's mount namespace, and the path there. Only the
/// /dev/shm that goes with a joined IPC namespace.
pub(super) fn shared_memory(plan: &Plan, mount: &Mount, source: &Path) -> Option<(PathBuf, PathBuf)> {
    let NamespaceSource::Join(ipc) = &plan.namespaces.ipc else { return None };
    let process = ipc.ancestors().nth(2).filter(|_| mount.target.as_str() == "/dev/shm")?;
    let inside = source.strip_prefix(process.join("root")).ok()?;
    Some((process.join("ns/mnt"), Path::new("/").join(inside)))
}

/// Clones the mount at `path` in that mount namespace.
pub(super) fn clone_there(namespace: &Path, path: &Path) -> Result<OwnedFd, StepError> {
    let subject = namespace.display().to_string();
    let file = Step::MountSource.run(&subject, || {
        Ok(rustix::fs::open(namespace, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    })?;
    let (ours, theirs) = Step::Channel.run("to another container's mounts", Channel::pair)?;
    let child = Step::MountSource.run(&subject, || clone3(&CloneRequest::default()))?;
    match child {
        Cloned::Child => {
            ours.leave_to_parent();
            let sent = match clone_inside(&file, path) {
                Ok(mount) => theirs.send(&Message::Ready, &[mount.as_fd()]),
                Err(error) => theirs.send(&Message::from(&error), &[]),
            };
            exit_now(i32::from(sent.is_err()));
        }
        Cloned::Parent { pidfd, .. } => {
            drop(theirs);
            let fds = ours.expect(&Message::Ready);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            fds?.into_iter().next().ok_or_else(|| Step::MountSource.refused(path.display(), "no mount came"))
        }
    }
}

/// It is in no pid namespace but the caller's, and not dumpable: the other container cannot reach it.
fn clone_inside(namespace: &OwnedFd, path: &Path) -> Result<OwnedFd, StepError> {
    become_untraceable()?;
    Step::MountSource.run(path.display(), || {
        join(Namespace::Mount, namespace.as_fd())?;
        let mount = open_without_links(path)?;
        let stat = rustix::fs::fstatfs(&mount)?;
        if u64::try_from(stat.f_type) != Ok(TMPFS) {
            return Err(io::Error::other("it is no tmpfs"));
        }
        clone_tree(mount, "", Depth::One)
    })
}

/// `TMPFS_MAGIC` of `<linux/magic.h>`.
const TMPFS: u64 = 0x0102_1994;
