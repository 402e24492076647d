//! Facts about listening sockets (`/proc/net/tcp` and its like, proc_pid_net(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// A socket that waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs, reason = "the words say it")]
pub struct Listening {
    pub protocol: Protocol,
    pub address: IpAddr,
    pub port: u16,
    /// The user whose process opened it.
    pub uid: u32,
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words say it")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Listening {
    /// Whether only this host reaches it.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback(),
        }
    }
}

/// All listening sockets of the network namespace.
pub(crate) fn gather(source: &Source) -> Fact<Vec<Listening>> {
    if !source.is_running() {
        return Fact::unknown("no system runs in the tree");
    }
    let read = || -> Result<Vec<Listening>, Unknown> {
        let mut sockets = Vec::new();
        for (file, protocol) in
            [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)]
        {
            let text = source.tree.bytes_up_to(format!("/proc/net/{file}"), 64 << 20);
            let Some(bytes) = text.get()?.clone() else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            sockets.extend(text.lines().skip(1).filter_map(|line| parse(line, protocol)));
        }
        sockets.sort();
        sockets.dedup();
        Ok(sockets)
    };
    read().into()
}

fn parse(line: &str, protocol: Protocol) -> Option<Listening> {
    const LISTEN: &str = "0A";
    const UNCONNECTED: &str = "07";
    let mut fields = line.split_whitespace();
    let (local, remote, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
    let waits = match protocol {
        Protocol::Tcp => state == LISTEN,
        Protocol::Udp => state == UNCONNECTED && remote.ends_with(":0000"),
    };
    let (address, port) = local.split_once(':')?;
    let uid = fields.nth(3)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listening { protocol, address: address_of(address)?, port, uid }).filter(|_| waits)
}

/// The kernel prints each 32-bit word of an address in the machine's own order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_states() {
        let line =
            "   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 1 1 x";
        let socket = parse(line, Protocol::Tcp).unwrap();
        assert_eq!((socket.port, socket.uid, socket.is_local()), (2375, 1000, true));
        assert!(parse(&line.replace(" 0A ", " 01 "), Protocol::Tcp).is_none(), "connected");
        let all = line.replace("0100007F", &"0".repeat(32));
        assert!(!parse(&all, Protocol::Tcp).unwrap().is_local());
        assert!(parse("garbage", Protocol::Udp).is_none());
    }
}
