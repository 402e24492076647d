//! netlink(7): requests to the kernel and its answers, for every family that there is.

mod listen;
mod message;

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::socket::set_option;
pub use listen::{CONNECTIONS_NEW, Listener, PACKET_RULES};
pub use message::{
    ACK, APPEND, Attributes, CREATE, DUMP, EXCLUSIVE, REPLACE, Received, Request, attribute, attributes,
    u32_at,
};
use message::{NLMSG_DONE, NLMSG_ERROR};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The largest datagram that the kernel makes for a dump is 32 KiB; one link with many virtual functions can be larger.
const DATAGRAM: usize = 128 << 10;
/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` (`<linux/netfilter/nfnetlink.h>`).
const BATCH: (u16, u16) = (0x10, 0x11);

/// Which part of the kernel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses and routes: rtnetlink(7).
    Route,
    /// Packet rules and connections: nfnetlink.
    Netfilter,
}

impl Family {
    fn protocol(self) -> Option<Protocol> {
        match self {
            // Number 0.
            Self::Route => None,
            Self::Netfilter => Some(netlink::NETFILTER),
        }
    }
}

/// A socket that speaks to the network namespace in which it was made, wherever it is used.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    sequence: Cell<u32>,
    /// For what is received; made when it is needed.
    buffer: RefCell<Vec<MaybeUninit<u8>>>,
}

impl Socket {
    /// Opens one for the caller's network namespace.
    pub fn open(family: Family) -> io::Result<Self> {
        let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
        Ok(Self::from_fd(socket_with(AddressFamily::NETLINK, kind, flags, family.protocol())?))
    }

    /// One that was opened elsewhere.
    #[must_use]
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self { socket, sequence: Cell::new(0), buffer: RefCell::default() }
    }

    fn next(&self) -> u32 {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        sequence
    }

    /// Sends a request and waits until the kernel has done it.
    pub fn tell(&self, request: Request) -> io::Result<()> {
        self.ask(&request.acknowledged(), |_| None::<()>).map(drop)
    }

    /// Sends requests together and waits until the kernel has done them, one after another, each by itself. The first failure is
    /// told with its place; what follows it was done or not, each by itself.
    pub fn tell_all(&self, requests: Vec<Request>) -> Result<(), (usize, io::Error)> {
        let first = self.sequence.get().wrapping_add(1);
        let count = requests.len();
        let mut bytes = Vec::new();
        for (place, request) in requests.into_iter().enumerate() {
            request.acknowledged().write(self.next(), &mut bytes).map_err(|error| (place, error))?;
        }
        self.send(&bytes).map_err(|error| (0, error))?;
        let (mut left, mut failure) = (count, None);
        while left > 0 {
            let answered = self.receive(|message| {
                let place = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if place < count && message.kind == NLMSG_ERROR {
                    left = left.saturating_sub(1);
                    if let Some(Err(error)) = message.error() {
                        failure.get_or_insert((place, error));
                    }
                }
                Ok(())
            });
            answered.map_err(|error| (0, error))?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sends requests of one subsystem of nfnetlink as one transaction: all of them or none. A failure is told with the place of
    /// the first request that failed, where it is one's.
    pub fn transact(&self, subsystem: u8, requests: Vec<Request>) -> Result<(), (Option<usize>, io::Error)> {
        let none = |error| (None, error);
        let count = requests.len();
        if count == 0 {
            return Ok(());
        }
        // `struct nfgenmsg`: any family, version 0, and the subsystem's number in the network's order.
        let part = [0, 0, 0, subsystem];
        let mut bytes = Vec::new();
        let begin = self.next();
        Request::new(BATCH.0, 0, &part).write(begin, &mut bytes).map_err(none)?;
        for (place, request) in requests.into_iter().enumerate() {
            let request = if place + 1 == count { request.acknowledged() } else { request };
            request.write(self.next(), &mut bytes).map_err(none)?;
        }
        Request::new(BATCH.1, 0, &part).write(self.next(), &mut bytes).map_err(none)?;
        self.send(&bytes).map_err(none)?;
        let (mut done, mut failure) = (false, None);
        while !done {
            self.receive(|message| {
                let place = usize::try_from(message.sequence.wrapping_sub(begin)).unwrap_or(usize::MAX);
                if place > count || message.kind != NLMSG_ERROR {
                    return Ok(());
                }
                if let Some(Err(error)) = message.error() {
                    failure.get_or_insert((place.checked_sub(1), error));
                    // The whole was refused: nothing else answers.
                    done |= place == 0;
                }
                done |= place == count;
                Ok(())
            })
            .map_err(none)?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sends a request and takes what `parse` makes of the answers.
    pub fn ask<T>(
        &self,
        request: &Request,
        mut parse: impl FnMut(&Received<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let sequence = self.next();
        let mut bytes = Vec::new();
        request.write(sequence, &mut bytes)?;
        self.send(&bytes)?;
        let (mut found, mut done) = (Vec::new(), false);
        while !done {
            self.receive(|message| {
                if message.sequence != sequence {
                    return Ok(());
                }
                match message.kind {
                    NLMSG_DONE => done = true,
                    NLMSG_ERROR => {
                        done = true;
                        message.error().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
                    }
                    _ => found.extend(parse(message)),
                }
                Ok(())
            })?;
            // A question about one thing is answered by one message, without an end.
            done |= !found.is_empty() && !request.is_dump();
        }
        Ok(found)
    }

    /// The same for a dump of which the request's header says what is wanted of it (`NETLINK_GET_STRICT_CHK`, netlink(7)).
    pub fn ask_strictly<T>(
        &self,
        request: &Request,
        parse: impl FnMut(&Received<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.set_strict(true)?;
        let found = self.ask(request, parse);
        self.set_strict(false)?;
        found
    }

    fn set_strict(&self, yes: bool) -> io::Result<()> {
        let option = (libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK);
        set_option(&self.socket, option, &i32::from(yes).to_ne_bytes())
    }

    /// Whether the kernel's answer to a dump has a message that is wanted; the rest of it is not waited for, and comes before the
    /// answers to what is asked afterwards, which does not take it for these.
    pub fn any(&self, request: &Request, wanted: impl Fn(&Received<'_>) -> bool) -> io::Result<bool> {
        let sequence = self.next();
        let mut bytes = Vec::new();
        request.write(sequence, &mut bytes)?;
        self.send(&bytes)?;
        let mut found = None;
        while found.is_none() {
            self.receive(|message| {
                match message.kind {
                    _ if message.sequence != sequence || found.is_some() => {}
                    NLMSG_DONE => found = Some(false),
                    NLMSG_ERROR => return message.error().unwrap_or(Ok(())),
                    _ => found = wanted(message).then_some(true),
                }
                Ok(())
            })?;
        }
        Ok(found.unwrap_or(false))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // A transaction is one datagram, however long.
        let size = bytes.len().saturating_mul(2);
        if size > 64 << 10 {
            // Refused without CAP_NET_ADMIN over the host: then the send says whether it fits.
            let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&self.socket, size);
        }
        send(&self.socket, bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Takes the messages of one datagram, and waits for it.
    fn receive(&self, take: impl FnMut(&Received<'_>) -> io::Result<()>) -> io::Result<()> {
        self.receive_by(RecvFlags::TRUNC, take)
    }

    /// The same without waiting. The buffer is given back: whoever listens mostly idles.
    fn receive_now(&self, take: impl FnMut(&Received<'_>) -> io::Result<()>) -> io::Result<()> {
        let received = self.receive_by(RecvFlags::TRUNC | RecvFlags::DONTWAIT, take);
        self.buffer.replace(Vec::new());
        received
    }

    fn receive_by(
        &self,
        flags: RecvFlags,
        mut take: impl FnMut(&Received<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = self.buffer.borrow_mut();
        buffer.resize(DATAGRAM, MaybeUninit::uninit());
        let (datagram, length) = loop {
            match recv(&self.socket, buffer.as_mut_slice(), flags) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    let ((datagram, _), length) = other?;
                    break (datagram, length);
                }
            }
        };
        if length > datagram.len() {
            return Err(io::Error::other("the kernel's answer does not fit the buffer"));
        }
        Received::all(datagram).try_for_each(|message| take(&message))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
