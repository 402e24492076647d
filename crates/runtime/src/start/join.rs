//! Namespaces that exist already: opened here, joined by a short-lived process that then clones init as our child.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cofferdam_confinement::{NamespaceSource, Namespaces};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::{Namespace, join};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::channel::{Channel, Message};
use crate::init::{self, Init};
use crate::step::{Step, StepError};

/// The namespaces to join.
pub(crate) type Joined = Vec<(Namespace, OwnedFd)>;

/// Opens the files of the namespaces that the plan joins.
pub(super) fn open(namespaces: &Namespaces) -> Result<Joined, StepError> {
    let mut joined = Vec::new();
    for kind in Namespace::ALL {
        if let NamespaceSource::Join(path) = namespaces.source(kind) {
            joined.push((kind, open_one(kind, path)?));
        }
    }
    Ok(joined)
}

fn open_one(kind: Namespace, path: &Path) -> Result<OwnedFd, StepError> {
    Step::OpenNamespace.run(format_args!("{} {}", kind.link_name(), path.display()), || {
        Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    })
}

/// Joins all of them (setns(2) checks that each is of its kind).
///
/// With the caller's own rights first: a namespace need not belong to the user namespace that is joined with it, and then
/// that one's root may not join it. What the caller may not join waits until it has the rights of the user namespace.
pub(crate) fn join_all(joined: &Joined) -> Result<(), StepError> {
    let (user, others): (Vec<_>, Vec<_>) = joined.iter().partition(|(kind, _)| *kind == Namespace::User);
    let mut waiting = Vec::new();
    for (kind, file) in others {
        match join(*kind, file.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !user.is_empty() => {
                waiting.push((*kind, file));
            }
            other => Step::JoinNamespace.run(kind.link_name(), || other)?,
        }
    }
    for (kind, file) in user.into_iter().map(|(kind, file)| (*kind, file)).chain(waiting) {
        Step::JoinNamespace.run(kind.link_name(), || join(kind, file.as_fd()))?;
    }
    Ok(())
}

/// Clones init into the new namespaces and those joined, as a child of this process.
pub(super) fn clone_init(
    joined: &Joined,
    namespaces: u64,
    channel: &Channel,
    init: Init<'_>,
) -> Result<(Pid, OwnedFd), StepError> {
    if joined.is_empty() {
        let request =
            CloneRequest { namespaces, into_cgroup: init.group.clone_into(), ..CloneRequest::default() };
        return match Step::Clone.run("init", || clone3(&request))? {
            Cloned::Child => {
                channel.leave_to_parent();
                init::run(init)
            }
            Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        };
    }
    match Step::Clone.run("joiner", || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            channel.leave_to_parent();
            joiner(joined, namespaces, init)
        }
        Cloned::Parent { pidfd, .. } => {
            drop(init);
            let told = receive_cloned(channel);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            told
        }
    }
}

/// The short-lived process between: joins, clones init as its sibling, tells and ends.
fn joiner(joined: &Joined, namespaces: u64, init: Init<'_>) -> ! {
    let hidden = if init.makes_sources { Ok(()) } else { init::become_untraceable() };
    let cloned = hidden.and_then(|()| join_all(joined)).and_then(|()| {
        let request = CloneRequest {
            namespaces,
            into_cgroup: init.group.clone_into(),
            sibling: true,
            ..CloneRequest::default()
        };
        Step::Clone.run("init", || clone3(&request))
    });
    let (message, pidfd) = match cloned {
        Ok(Cloned::Child) => init::run(init),
        Ok(Cloned::Parent { pid, pidfd }) => {
            (Message::Cloned { pid: pid.as_raw_nonzero().get() }, Some(pidfd))
        }
        Err(error) => (Message::from(&error), None),
    };
    let fds: Vec<BorrowedFd<'_>> = pidfd.iter().map(AsFd::as_fd).collect();
    let sent = init.channel.send(&message, &fds);
    exit_now(i32::from(sent.is_err()))
}

/// Waits for the joiner's word on which process it cloned.
pub(super) fn receive_cloned(channel: &Channel) -> Result<(Pid, OwnedFd), StepError> {
    let (message, fds) = channel.next()?;
    let pidfd = fds.into_iter().next();
    match (message, pidfd) {
        (Message::Cloned { pid }, Some(pidfd)) => Pid::from_raw(pid).map(|pid| (pid, pidfd)),
        _ => None,
    }
    .ok_or_else(|| Step::Handshake.refused("of the joiner", "it did not tell which process it cloned"))
}
