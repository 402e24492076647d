//! Namespaces that exist already: opened here, joined by a short-lived process that then clones init as our child.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use cofferdam_confinement::{NamespaceSource, Namespaces};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3};
use cofferdam_kernel::namespace::{Namespace, join};
use rustix::fs::{Mode, OFlags};

use super::following::{Made, as_parent, hide_followed, receive_from_joiner, tell_and_end};
use crate::channel::Channel;
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
) -> Result<Made, StepError> {
    let followed = init.followed;
    if joined.is_empty() {
        let request =
            CloneRequest { namespaces, into_cgroup: init.group.clone_into(), ..CloneRequest::default() };
        return match Step::Clone.run("init", || clone3(&request))? {
            Cloned::Child => {
                channel.leave_to_parent();
                init::run(init)
            }
            Cloned::Parent { pid, pidfd } => Ok(Made { pid, pidfd, tracee: None }),
        };
    }
    match Step::Clone.run("joiner", || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            channel.leave_to_parent();
            joiner(joined, namespaces, init)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(init);
            receive_from_joiner(pid, &pidfd, channel, followed)
        }
    }
}

/// The short-lived process between: joins, clones init as its sibling, tells and ends.
fn joiner(joined: &Joined, namespaces: u64, init: Init<'_>) -> ! {
    let hidden = match (init.followed, init.makes_sources) {
        (true, _) => hide_followed(&init.channel, &init.plan.process),
        (false, true) => Ok(()),
        (false, false) => init::become_untraceable(),
    };
    let cloned = hidden.and_then(|()| join_all(joined)).and_then(|()| {
        let request = CloneRequest {
            namespaces,
            into_cgroup: init.group.clone_into(),
            sibling: true,
            ..CloneRequest::default()
        };
        Step::Clone.run("init", || clone3(&request))
    });
    match cloned.map(as_parent) {
        Ok(None) => init::run(init),
        Ok(Some(cloned)) => tell_and_end(&init.channel, Ok(cloned)),
        Err(error) => tell_and_end(&init.channel, Err(error)),
    }
}
