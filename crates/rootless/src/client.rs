//! The side of shims, keepers and commands.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use cofferdam_kernel::capability::{CapSet, Capability};
use cofferdam_kernel::credentials::{ThreadSets, set_ambient, set_capabilities};
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_resolver::control::Control;
use cofferdam_resolver::keeper::{is_gone, open, reach};
use rustix::process::Pid;
use thiserror::Error;

use crate::wire::{Answer, Request, Shown, Way};

/// Pasta may take some time to begin on a busy machine; a process that has not answered for so long will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no network.
#[derive(Debug, Error)]
pub enum ReachError {
    /// The process that holds it could not be reached or started.
    #[error("reach the process that holds this user's network")]
    Reach(#[source] io::Error),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// The inode of the user namespace that the kernel begins with (`USER_NS_INIT_INO`).
const INITIAL: u64 = 0xEFFF_FFFD;

/// Whether this process would have to enter the network of an ordinary user's containers before it could change it: it is such a
/// user's, and is not in it.
#[must_use]
pub fn must_enter() -> bool {
    let admin = 1 << Capability::NET_ADMIN.number();
    let may = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.bits() & admin != 0);
    let initial = rustix::fs::stat("/proc/self/ns/user").is_ok_and(|it| it.st_ino == INITIAL);
    !rustix::process::geteuid().is_root() && is_outside(may, initial)
}

/// The right alone says nothing: in the host's own user namespace a user may have it too (PAM, setpriv), over the host's network.
fn is_outside(may: bool, initial: bool) -> bool {
    initial || !may
}

/// A connection to the process that holds the network, which lives at least as long.
#[derive(Debug)]
pub struct Host(Control);

impl Host {
    /// Reaches the one that listens at `path`, which `spawn` starts on a listening socket if there is none.
    ///
    /// # Errors
    /// [`ReachError::Reach`]
    pub fn reach(path: &Path, spawn: impl Fn(OwnedFd) -> io::Result<()>) -> Result<Self, ReachError> {
        reach(path, PATIENCE, &spawn).map(Self).map_err(ReachError::Reach)
    }

    /// Reaches the one that listens at `path`; none if there is none.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match open(path) {
            Ok(control) => Ok(Some(Self(control))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A connection that was handed over.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self(Control::from_socket(socket))
    }

    /// The connection, to be handed over.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.0.into_socket()
    }

    /// The namespaces, which are made with the first that asks.
    ///
    /// # Errors
    /// [`ReachError`]
    pub fn namespaces(&self) -> Result<Namespaces, ReachError> {
        let (first, user) = self.ask(&Request::Join)?;
        let (Answer::User, Some(user)) = (first, user) else { return Err(strange()) };
        let (second, network) = self.receive()?;
        let (Answer::Network, Some(network)) = (second, network) else { return Err(strange()) };
        Ok(Namespaces { user, network })
    }

    /// Opens a container's own way, for as long as this connection lasts.
    ///
    /// # Errors
    /// [`ReachError`]
    pub fn publish(&self, way: &Way) -> Result<(), ReachError> {
        self.ask(&Request::Publish(way.clone())).map(drop)
    }

    /// Closes it.
    ///
    /// # Errors
    /// [`ReachError`]
    pub fn withdraw(&self) -> Result<(), ReachError> {
        self.ask(&Request::Withdraw).map(drop)
    }

    /// A socket of the host's network that is connected to a name server, or is about to be.
    ///
    /// # Errors
    /// [`ReachError`]
    pub fn exchange(&self, server: SocketAddr, stream: bool) -> Result<OwnedFd, ReachError> {
        self.ask(&Request::Exchange { server, stream })?.1.ok_or_else(strange)
    }

    /// What there is.
    ///
    /// # Errors
    /// [`ReachError`]
    pub fn show(&self) -> Result<Shown, ReachError> {
        match self.ask(&Request::Show)?.0 {
            Answer::Shown(shown) => Ok(shown),
            _ => Err(strange()),
        }
    }

    fn ask(&self, request: &Request) -> Result<(Answer, Option<OwnedFd>), ReachError> {
        self.0.send(request, None).map_err(ReachError::Reach)?;
        self.receive()
    }

    fn receive(&self) -> Result<(Answer, Option<OwnedFd>), ReachError> {
        match self.0.receive::<Answer>().map_err(ReachError::Reach)? {
            Some((Answer::Refused(reason), _)) => Err(ReachError::Refused(reason)),
            Some(other) => Ok(other),
            None => Err(ReachError::Reach(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsFd for Host {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn strange() -> ReachError {
    ReachError::Reach(io::Error::other("it answered something else"))
}

/// The namespaces of a user's containers with links.
#[derive(Debug)]
pub struct Namespaces {
    user: OwnedFd,
    network: OwnedFd,
}

impl Namespaces {
    /// Those of a process that is in them. The caller makes sure that the number is still that process's.
    ///
    /// # Errors
    /// They cannot be opened, or are this process's own: such a one is no container's.
    pub fn of_process(pid: Pid) -> io::Result<Self> {
        let [user, network] = namespaces_of(pid)?;
        let found = Self { user, network };
        if found.are_own() {
            return Err(io::Error::other("the process is not in a network of its own"));
        }
        Ok(found)
    }

    /// Whether this process is in them.
    #[must_use]
    pub fn are_own(&self) -> bool {
        let stat = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|it| (it.st_dev, it.st_ino)).ok();
        let own = File::open("/proc/self/ns/net").ok();
        own.and_then(|own| stat(own.as_fd())).is_some_and(|own| Some(own) == stat(self.network.as_fd()))
    }

    /// Moves this process, which has one thread, into both, for good. It has all rights in them, and keeps these when it executes
    /// another program of ours.
    ///
    /// # Errors
    /// Those of setns(2): another user's namespaces cannot be entered.
    pub fn enter(&self) -> io::Result<()> {
        join(Namespace::User, self.user.as_fd())?;
        join(Namespace::Network, self.network.as_fd())?;
        let permitted = CapSet::from_bits(rustix::thread::capabilities(None)?.permitted.bits());
        set_capabilities(ThreadSets { effective: permitted, permitted, inheritable: permitted })?;
        set_ambient(permitted)
    }
}

/// A process's user namespace and its network namespace.
pub(crate) fn namespaces_of(pid: Pid) -> io::Result<[OwnedFd; 2]> {
    let process = ProcFs::open().and_then(|proc| proc.process(pid)).map_err(io::Error::other)?;
    let open = |kind| process.open_namespace(kind).map_err(io::Error::other);
    Ok([open(Namespace::User)?, open(Namespace::Network)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_over_the_hosts_network_makes_nobody_one_who_is_inside() {
        assert!(is_outside(false, true) && is_outside(true, true), "in the host's user namespace");
        assert!(is_outside(false, false), "in another one, without rights in it");
        assert!(!is_outside(true, false));
    }

    #[test]
    fn the_namespaces_of_the_host_are_nobodys_network() {
        assert!(Namespaces::of_process(rustix::process::getpid()).is_err());
    }
}
