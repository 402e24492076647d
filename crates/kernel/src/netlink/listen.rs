//! Being told of changes: netlink(7)'s multicast groups.
#![allow(unsafe_code, reason = "filtering a socket has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::net::netlink::SocketAddrNetlink;

use super::message::Received;
use super::{Family, Socket};

/// `NFNLGRP_CONNTRACK_NEW`: connections that begin.
pub const CONNECTIONS_NEW: u32 = 1;
/// `NFNLGRP_NFTABLES`: changes of packet rules.
pub const PACKET_RULES: u32 = 7;

/// A socket that is told of what happens in the network namespace in which it was made, and never waits.
#[derive(Debug)]
pub struct Listener(Socket);

impl Listener {
    /// Opens one for the members of a group, one of the first 32.
    pub fn open(family: Family, group: u32) -> io::Result<Self> {
        let listener = Self(Socket::open(family)?);
        let mask = 1_u32.checked_shl(group.wrapping_sub(1)).unwrap_or(0);
        // With a port of its own: what the kernel itself begins is not told to port 0.
        rustix::net::bind(&listener.0, &SocketAddrNetlink::new(0, mask))?;
        Ok(listener)
    }

    /// From now on only datagrams whose first message is of one of these kinds: the kernel drops the others, and nobody is
    /// woken for them.
    pub fn only(&self, kinds: &[u16]) -> io::Result<()> {
        let count = u8::try_from(kinds.len()).map_err(io::Error::other)?;
        let step = |code: u16, yes: u8, k: u32| libc::sock_filter { code, jt: yes, jf: 0, k };
        // BPF_LD | BPF_H | BPF_ABS: the two bytes at 4, `nlmsg_type`, which a filter reads in the network's order.
        let mut program = vec![step(0x28, 0, 4)];
        for (place, kind) in (0_u8..).zip(kinds) {
            // BPF_JMP | BPF_JEQ | BPF_K: to the last step.
            program.push(step(0x15, count - place, u32::from(u16::from_be_bytes(kind.to_ne_bytes()))));
        }
        // BPF_RET | BPF_K: nothing of it, and all of it.
        program.extend([step(0x06, 0, 0), step(0x06, 0, u32::MAX)]);
        let filter = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(io::Error::other)?,
            filter: program.as_mut_ptr(),
        };
        let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).map_err(io::Error::other)?;
        // SAFETY: `filter` and the program that it points to are live for the call, which copies them.
        let attached = unsafe {
            libc::setsockopt(
                self.0.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const filter).cast(),
                size,
            )
        };
        if attached == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Takes what has arrived so far. False where some of it was lost, because it came faster than it was taken.
    pub fn read(&self, mut take: impl FnMut(&Received<'_>)) -> io::Result<bool> {
        let mut whole = true;
        loop {
            let received = self.0.receive_now(|message| {
                take(message);
                Ok(())
            });
            match received {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(whole),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => whole = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// The socket, to ask for more on it.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.0
    }

    /// One that is told of what was asked for on it.
    #[must_use]
    pub fn from_socket(socket: Socket) -> Self {
        Self(socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
