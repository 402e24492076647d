//! A connection that is really tried: from a container's network namespace, or from the host's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_confinement::network::Protocol;
use cofferdam_kernel::namespace::{Namespace, join};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt,
};

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The other side answered.
    Answered(Duration),
    /// The other side said that nobody listens there: the packet has passed.
    Refused(Duration),
    /// Nothing came back. That is what a denied packet looks like; with UDP also one that nobody answers.
    Silent,
    /// It could not be sent, and why.
    Failed(String),
}

/// A connection that is under way.
#[derive(Debug)]
pub struct Trial {
    socket: Result<OwnedFd, io::Error>,
    begun: Instant,
    protocol: Protocol,
}

/// Begins one from a network namespace; from the caller's own one without it. The caller has one thread.
///
/// # Errors
/// The namespace cannot be entered, or left again. What the trial itself meets is no error here.
pub fn begin(namespace: Option<BorrowedFd<'_>>, to: SocketAddr, protocol: Protocol) -> io::Result<Trial> {
    let begun = Instant::now();
    let socket = match namespace {
        None => open(to, protocol),
        Some(namespace) => {
            let own = std::fs::File::open("/proc/thread-self/ns/net")?;
            join(Namespace::Network, namespace)?;
            let socket = open(to, protocol);
            join(Namespace::Network, own.as_fd())?;
            socket
        }
    };
    Ok(Trial { socket, begun, protocol })
}

fn open(to: SocketAddr, protocol: Protocol) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, None),
        Protocol::Udp => (SocketType::DGRAM, None),
        Protocol::Sctp => return Err(io::Error::other("SCTP is judged and not tried")),
        Protocol::Icmp if to.is_ipv4() => (SocketType::RAW, Some(rustix::net::ipproto::ICMP)),
        Protocol::Icmp => (SocketType::RAW, Some(rustix::net::ipproto::ICMPV6)),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, number)?;
    if protocol == Protocol::Icmp {
        // Its port is no port.
        connect(&socket, &SocketAddr::new(to.ip(), 0))?;
        send(&socket, &echo_request(to.ip()), SendFlags::empty())?;
        return Ok(socket);
    }
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    if protocol == Protocol::Udp {
        send(&socket, b"cofferdam zone test\n", SendFlags::empty())?;
    }
    Ok(socket)
}

/// An echo request (RFC 792, RFC 4443) with a number that nobody else uses at the time.
fn echo_request(to: IpAddr) -> Vec<u8> {
    let number = std::process::id().to_be_bytes();
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0, number[2], number[3], 0, 1];
    if to.is_ipv4() {
        let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let [.., high, low] = (!((sum & 0xffff) + (sum >> 16))).to_be_bytes();
        (message[2], message[3]) = (high, low);
    }
    message
}

/// Whether a message is the answer to [`echo_request`].
fn is_answer(received: &[u8], v4: bool) -> bool {
    // A raw socket of IPv4's gives the header too, whose length is in its first byte.
    let skip = if v4 { usize::from(received.first().copied().unwrap_or(0) & 0xf) * 4 } else { 0 };
    let number = std::process::id().to_be_bytes();
    let message = received.get(skip..).unwrap_or_default();
    message.first() == Some(if v4 { &0 } else { &129 }) && message.get(4..6) == Some(&number[2..])
}

impl Trial {
    /// Waits for its end.
    #[must_use]
    pub fn end(self, patience: Duration) -> Tried {
        let socket = match &self.socket {
            Ok(socket) => socket,
            Err(error) => return self.failure(error),
        };
        let last = self.begun + patience;
        loop {
            match self.wait(socket.as_fd(), last) {
                Ok(None) => return Tried::Silent,
                Ok(Some(true)) => return Tried::Answered(self.begun.elapsed()),
                Ok(Some(false)) => {}
                Err(error) => return self.failure(&error),
            }
        }
    }

    fn failure(&self, error: &io::Error) -> Tried {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::CONNREFUSED) => Tried::Refused(self.begun.elapsed()),
            // The host's own packets are refused at once.
            Some(Errno::PERM) => Tried::Silent,
            _ => Tried::Failed(error.to_string()),
        }
    }

    /// Whether it is answered; none at the end of all patience.
    fn wait(&self, socket: BorrowedFd<'_>, last: Instant) -> io::Result<Option<bool>> {
        let left = last.saturating_duration_since(Instant::now());
        let wanted = if self.protocol == Protocol::Tcp { PollFlags::OUT } else { PollFlags::IN };
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(socket, wanted)], Some(&timeout)) {
            Err(Errno::INTR) => return Ok(Some(false)),
            Ok(0) => return Ok(None),
            other => other?,
        };
        sockopt::socket_error(socket)??;
        if self.protocol == Protocol::Tcp {
            return Ok(Some(true));
        }
        let mut buffer = [0; 2048];
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        let v4 = sockopt::socket_domain(socket)? == AddressFamily::INET;
        Ok(Some(self.protocol != Protocol::Icmp || is_answer(&buffer[..length], v4)))
    }
}
