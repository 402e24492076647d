//! The first process of the namespaces: it makes or enters them, opens a socket there, and waits for its end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::client::namespaces_of;
use cofferdam_confinement::IdMaps;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::fork::{close_all_but, end_with};
use cofferdam_kernel::link::make_lasting_tap;
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_kernel::rtnetlink::RouteSocket;
use cofferdam_resolver::control::Control;
use cofferdam_runtime::start::write_id_maps;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitId, WaitIdOptions, getpid, pidfd_send_signal, set_dumpable_behavior,
    waitid,
};

/// The namespaces, as long as this lives; processes and sockets in them keep them longer.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) pid: Pid,
    pidfd: OwnedFd,
    /// The anchor waits for its end, or for a link to be made.
    control: Control,
    pub(super) user: OwnedFd,
    pub(super) network: OwnedFd,
    /// Speaks to the network namespace.
    pub(super) routes: RouteSocket,
}

impl Anchor {
    /// Makes new namespaces with these ids, or enters those of a process.
    pub(super) fn new(maps: &IdMaps, adopt: Option<i32>) -> io::Result<Self> {
        let (ours, theirs) = Control::pair()?;
        let parent = getpid();
        let namespaces = match adopt {
            Some(_) => 0,
            None => Namespace::User.clone_flag() | Namespace::Network.clone_flag(),
        };
        match clone3(&CloneRequest { namespaces, ..CloneRequest::default() })? {
            Cloned::Child => exit_now(i32::from(wait(&theirs, adopt, parent).is_err())),
            Cloned::Parent { pid, pidfd } => {
                drop(theirs);
                // Dropped if anything fails: then the anchor ends, by the end of its socket.
                let socket = match ours.receive::<bool>()? {
                    Some((true, Some(socket))) => socket,
                    _ => return Err(io::Error::other("the namespaces cannot be made or entered")),
                };
                if adopt.is_none() {
                    write_id_maps(pid, maps).map_err(io::Error::other)?;
                }
                let [user, network] = namespaces_of(pid)?;
                let routes = RouteSocket::from_socket(socket);
                Ok(Self { pid, pidfd, control: ours, user, network, routes })
            }
        }
    }
}

impl Anchor {
    /// Makes a link that waits for a program at its other end.
    pub(super) fn make_link(&self, name: &str) -> io::Result<()> {
        self.control.send(&name, None)?;
        match self.control.receive::<Result<(), String>>()? {
            Some((made, _)) => made.map_err(io::Error::other),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

/// The anchor's life.
fn wait(control: &Control, adopt: Option<i32>, parent: Pid) -> io::Result<()> {
    end_with(parent)?;
    close_all_but(&[control.as_fd().as_raw_fd()])?;
    if let Some(pid) = adopt {
        let [user, network] = namespaces_of(Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?)?;
        join(Namespace::User, user.as_fd())?;
        join(Namespace::Network, network.as_fd())?;
    }
    // Pasta finds the namespaces in its folder of /proc.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    // A link announces its addresses once it has them: pasta learns from that which one is ours. Without IPv6 there is none.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/ndisc_notify", "1");
    let routes = RouteSocket::open()?;
    control.send(&true, Some(routes.as_fd()))?;
    while let Some((name, _)) = control.receive::<String>()? {
        let made = make_lasting_tap(&name).map_err(|error| error.to_string());
        control.send(&made, None)?;
    }
    Ok(())
}
