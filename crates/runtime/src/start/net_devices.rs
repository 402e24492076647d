//! Network devices of the host that move into the container (OCI runtime-spec 1.3, config-linux.md, "Network Devices").

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_confinement::Plan;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_kernel::proc::ProcDir;
use cofferdam_kernel::rtnetlink::{Link, RouteSocket};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::channel::{Channel, Message};
use crate::step::{Step, StepError};

/// Moves the plan's devices from the caller's network namespace into that of the container's first process, with their
/// permanent addresses, and brings them up. What is in the way of one of them is found out before the first is moved.
pub(super) fn move_all(plan: &Plan, init: &ProcDir) -> Result<(), StepError> {
    if plan.net_devices.is_empty() {
        return Ok(());
    }
    let namespace =
        Step::NetDevice.run("the container's namespace", || Ok(init.open_namespace(Namespace::Network)?))?;
    let here = Step::NetDevice.run("the host's namespace", RouteSocket::open)?;
    let there = route_socket_in(namespace.as_fd())?;
    let mut taken: Vec<String> = Step::NetDevice
        .run("the container's namespace", || there.links())?
        .into_iter()
        .map(|link| link.name)
        .collect();
    let mut moves = Vec::new();
    for (name, new_name) in &plan.net_devices {
        moves.push(Step::NetDevice.run(name, || {
            let missing = || io::Error::new(io::ErrorKind::NotFound, "the host has no such network device");
            let link = here.link(name)?.ok_or_else(missing)?;
            let new_name = free_name(new_name, &taken)?;
            taken.push(new_name.clone());
            Ok((link, new_name))
        })?);
    }
    for (link, new_name) in &moves {
        Step::NetDevice.apply(&link.name, || move_one(link, new_name, namespace.as_fd(), &here, &there))?;
    }
    Ok(())
}

fn move_one(
    link: &Link,
    new_name: &str,
    namespace: BorrowedFd<'_>,
    here: &RouteSocket,
    there: &RouteSocket,
) -> io::Result<()> {
    let addresses = here.permanent_global_addresses(link.index)?;
    here.move_link(link.index, namespace, new_name)?;
    let lost = || io::Error::other("it is not there after its move");
    let moved = there.link(new_name)?.ok_or_else(lost)?;
    for address in &addresses {
        there.add_address(moved.index, address)?;
    }
    there.set_up(moved.index)
}

/// The name that a device gets: it must be free, or end in `%d`, which stands for the first number that is free.
fn free_name(wanted: &str, taken: &[String]) -> io::Result<String> {
    let is_free = |name: &str| taken.iter().all(|other| other != name);
    let numbered = match wanted.strip_suffix("%d") {
        Some(stem) => (0..=taken.len()).map(|number| format!("{stem}{number}")).find(|name| is_free(name)),
        None => Some(wanted.to_owned()).filter(|name| is_free(name)),
    };
    let in_use = || {
        let problem = format!("the container has a network device {wanted:?} already");
        io::Error::new(io::ErrorKind::AlreadyExists, problem)
    };
    numbered.ok_or_else(in_use)
}

/// A netlink socket speaks to the namespace in which it was made: a short-lived process goes there, makes one and hands it
/// over.
fn route_socket_in(namespace: BorrowedFd<'_>) -> Result<RouteSocket, StepError> {
    let subject = "the container's namespace";
    let (ours, theirs) = Step::NetDevice.run(subject, Channel::pair)?;
    match Step::NetDevice.run(subject, || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            drop(ours);
            let made = join(Namespace::Network, namespace).and_then(|()| RouteSocket::open());
            let sent = match made {
                Ok(socket) => theirs.send(&Message::Ready, &[socket.as_fd()]),
                Err(error) => theirs.send(&Message::from(&Step::NetDevice.failed(subject, error)), &[]),
            };
            exit_now(i32::from(sent.is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(theirs);
            let fds = ours.expect(&Message::Ready);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            let socket: Option<OwnedFd> = fds?.into_iter().next();
            let none = || Step::NetDevice.refused(subject, "no socket came back from it");
            socket.map(RouteSocket::from_socket).ok_or_else(none)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_free_or_numbered() {
        let taken = ["lo", "eth0", "eth1"].map(str::to_owned);
        assert_eq!(free_name("eth2", &taken).unwrap(), "eth2");
        assert_eq!(free_name("eth%d", &taken).unwrap(), "eth2");
        assert_eq!(free_name("net%d", &taken).unwrap(), "net0");
        assert_eq!(free_name("eth0", &taken).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
