//! Questions on their way to servers: each has a socket of its own, which its keeper connected.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::framed::Framed;
use super::poller::{Poller, Source};
use crate::resolver::Ticket;

#[derive(Debug)]
enum Exchange {
    /// The socket has not come yet.
    Expected {
        stream: bool,
        packet: Vec<u8>,
    },
    Datagrams(OwnedFd),
    /// And whether it is waited for that more can be written.
    Stream(Framed, bool),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Exchanges(HashMap<Ticket, Exchange>);

/// Answers that are read from one socket in a turn: a flood of guesses does not hold up the others.
const TURN: usize = 16;

impl Exchanges {
    /// A packet that is to be sent when its socket comes.
    pub(super) fn expect(&mut self, ticket: Ticket, stream: bool, packet: Vec<u8>) {
        self.0.insert(ticket, Exchange::Expected { stream, packet });
    }

    /// Sends it. False where that cannot be done; true also where nobody wants it any more.
    pub(super) fn begin(&mut self, poller: &Poller, ticket: Ticket, socket: OwnedFd) -> bool {
        let Some(Exchange::Expected { stream, packet }) = self.0.remove(&ticket) else { return true };
        let begun = rustix::io::ioctl_fionbio(&socket, true).map_err(io::Error::from).and_then(|()| {
            poller.add(&socket, Source::Exchange(ticket))?;
            if !stream {
                send(&socket, &packet, SendFlags::NOSIGNAL)?;
                return Ok(Exchange::Datagrams(socket));
            }
            let mut framed = Framed::new(socket, usize::from(u16::MAX));
            framed.push(&packet)?;
            let left = framed.flush()?;
            poller.want_room(&framed, Source::Exchange(ticket), left)?;
            Ok(Exchange::Stream(framed, left))
        });
        begun.map(|exchange| self.0.insert(ticket, exchange)).is_ok()
    }

    /// The answers that have come.
    ///
    /// # Errors
    /// The socket has failed, or its stream has ended: the server is not there.
    pub(super) fn read(
        &mut self,
        poller: &Poller,
        ticket: Ticket,
        buffer: &mut [u8],
    ) -> io::Result<Vec<Vec<u8>>> {
        match self.0.get_mut(&ticket) {
            None | Some(Exchange::Expected { .. }) => Ok(Vec::new()),
            Some(Exchange::Datagrams(socket)) => read_datagrams(socket.as_fd(), buffer),
            Some(Exchange::Stream(framed, waits_for_room)) => {
                let left = framed.flush()?;
                if left != *waits_for_room {
                    poller.want_room(&*framed, Source::Exchange(ticket), left)?;
                    *waits_for_room = left;
                }
                if left {
                    return Ok(Vec::new());
                }
                let open = framed.fill(buffer)?;
                let mut messages = Vec::new();
                while let Some(message) = framed.next()? {
                    messages.push(message);
                }
                if open || !messages.is_empty() {
                    Ok(messages)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            }
        }
    }

    /// Closes a socket.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.0.remove(&ticket);
    }
}

fn read_datagrams(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    while messages.len() < TURN {
        match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, length)) => messages.push(buffer.get(..length).unwrap_or_default().to_vec()),
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            // What came before it counts.
            Err(_) if !messages.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(messages)
}
