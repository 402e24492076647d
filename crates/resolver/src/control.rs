//! What a resolver and its keeper say to each other, on a socket that keeps the borders of messages (unix(7), SOCK_SEQPACKET).
//!
//! The resolver parses what strangers send, so its keeper trusts nothing it says: it names servers by their place in the keeper's own
//! list, gets sockets that are connected already, and asks for addresses that the keeper looks at again.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, accept_with, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::opened::Change;
use crate::resolver::Ticket;

/// The longest message; settings come in a file.
const LONGEST: usize = 16 << 10;

/// From the keeper. Each has one descriptor where its text says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// These settings from now on: the descriptor is a file with [`crate::Settings`] as JSON. [`Report::Applied`] follows.
    Settings {
        /// Repeated in the report.
        generation: u64,
    },
    /// The descriptor is a bound datagram socket, for the packets of this client (or of all, where the socket is not connected).
    Datagrams {
        /// Names the socket.
        number: u32,
    },
    /// The descriptor is a listening stream socket, for the same.
    Listener {
        /// Names the socket; a datagram socket may have the same number.
        number: u32,
    },
    /// The sockets of that number are no longer served.
    Close {
        /// Which ones.
        number: u32,
    },
    /// The descriptor is a socket connected to the server that was asked for, or none could be had.
    Exchange {
        /// Whose.
        ticket: Ticket,
    },
    /// The changes were carried out, or were not.
    Changed {
        /// Whose.
        ticket: Ticket,
        /// Whether they were.
        done: bool,
    },
}

/// From the resolver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Report {
    /// The settings of this generation are in force.
    Applied {
        /// Which ones.
        generation: u64,
    },
    /// A new socket is wanted, connected to a server.
    Exchange {
        /// Repeated in the answer.
        ticket: Ticket,
        /// Which server of the keeper's list.
        server: u16,
        /// By TCP.
        stream: bool,
    },
    /// Addresses are to be opened and closed.
    Change {
        /// Repeated in the answer.
        ticket: Ticket,
        /// In this order.
        changes: Vec<Change>,
    },
    /// A name was not answered, or an address of it.
    Denied {
        /// Who asked.
        client: IpAddr,
        /// For which name, made printable.
        name: String,
        /// Of which type.
        kind: u16,
        /// The address that the name may not lead to.
        address: Option<IpAddr>,
    },
}

/// One end.
#[derive(Debug)]
pub struct Control(OwnedFd);

impl Control {
    /// Both ends: blocking, closed by an exec.
    ///
    /// # Errors
    /// socketpair(2)'s.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    /// An end that was handed over.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The next one of this process's own user who waits at a listening socket that does not block; none if nobody waits.
    ///
    /// # Errors
    /// accept(2)'s. There may be no descriptor left: who waits goes on waiting, and the socket stays ready.
    pub fn accept(listener: impl AsFd) -> io::Result<Option<Self>> {
        let own = rustix::process::geteuid();
        loop {
            match accept_with(&listener, SocketFlags::CLOEXEC) {
                // The folder lets nobody else in; this is for one whose owner has opened it.
                Ok(socket) if socket_peercred(&socket).is_ok_and(|peer| peer.uid == own) => {
                    return Ok(Some(Self(socket)));
                }
                Ok(_) | Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The socket, to be handed over.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.0
    }

    /// Makes sends and receives fail with `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// ioctl(2)'s.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.0, true)?)
    }

    /// Sends a message, with at most one descriptor.
    ///
    /// # Errors
    /// sendmsg(2)'s.
    pub fn send<M: Serialize>(&self, message: &M, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > LONGEST {
            return Err(io::Error::other("the message is too long"));
        }
        let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); 64];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("a descriptor does not fit"));
        }
        rustix::io::retry_on_intr(|| {
            sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)
        })?;
        Ok(())
    }

    /// Receives a message and the descriptor that came with it; none at the end of the connection.
    ///
    /// # Errors
    /// recvmsg(2)'s, or the message is none of the kind.
    pub fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Option<OwnedFd>)>> {
        let mut bytes = vec![0; LONGEST + 1];
        let mut space = [MaybeUninit::uninit(); 64];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        let mut fds = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fd = fds.next().and_then(|mut fds| fds.next());
        drop(fds);
        if received.bytes == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
        Ok(Some((message, fd)))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptor() {
        let (here, there) = Control::pair().unwrap();
        here.send(&Order::Listener { number: 1 }, Some(here.as_fd())).unwrap();
        let (message, fd) = there.receive::<Order>().unwrap().unwrap();
        assert_eq!(message, Order::Listener { number: 1 });
        assert!(fd.is_some());
        drop((here, fd));
        assert!(there.receive::<Order>().unwrap().is_none());
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let (here, there) = Control::pair().unwrap();
        here.send(&serde_json::json!({"open": "everything"}), None).unwrap();
        assert!(there.receive::<Report>().is_err());
    }
}
