//! Whether somebody listens at the place of a container's name server, told by the kernel: a place that is taken cannot be taken.

use std::io;
use std::net::{IpAddr, SocketAddr};

use cofferdam_kernel::socket::bind_to_link;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// The port of DNS.
pub(crate) const PORT: u16 = 53;

/// How it is shown that both kinds of questions are heard.
pub(crate) const HEARD: &str = "udp and tcp";

/// Which kinds of questions to an address are heard that come by a link.
pub(crate) fn heard(address: IpAddr, link: &str) -> io::Result<String> {
    let mut kinds = Vec::new();
    for (kind, name) in [(SocketType::DGRAM, "udp"), (SocketType::STREAM, "tcp")] {
        if is_taken(address, link, kind)? {
            kinds.push(name);
        }
    }
    Ok(if kinds.is_empty() { "nobody listens".to_owned() } else { kinds.join(" and ") })
}

fn is_taken(address: IpAddr, link: &str, kind: SocketType) -> io::Result<bool> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind_to_link(&socket, link)?;
    match bind(&socket, &SocketAddr::new(address, PORT)) {
        Ok(()) => Ok(false),
        Err(Errno::ADDRINUSE) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
