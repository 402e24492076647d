//! The sockets at which one container asks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use cofferdam_kernel::socket::bind_to_link;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::membership::Member;

/// Connections that wait to be taken.
const BACKLOG: i32 = 32;

/// One container's sockets. They are bound to its link: nobody else's packets get there, what it sends too much of is dropped
/// from its own queues, and the kernel knows whose question each packet is without looking at its source.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) datagrams: Vec<OwnedFd>,
    pub(super) streams: Vec<OwnedFd>,
}

impl Sockets {
    /// Makes them: one of each kind at each address.
    pub(super) fn open(member: &Member) -> io::Result<Self> {
        let mut sockets = Self::default();
        for &gateway in &member.gateways {
            sockets.datagrams.push(one(member, gateway, SocketType::DGRAM)?);
            let stream = one(member, gateway, SocketType::STREAM)?;
            listen(&stream, BACKLOG)?;
            sockets.streams.push(stream);
        }
        Ok(sockets)
    }
}

fn one(member: &Member, address: IpAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // A connection of an earlier keeper's may still be there.
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if let Some(link) = &member.link {
        bind_to_link(&socket, link)?;
    }
    bind(&socket, &SocketAddr::new(address, member.port))?;
    Ok(socket)
}
