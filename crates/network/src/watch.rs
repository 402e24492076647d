//! What passes and what is denied, as it happens: the group of nfnetlink_log that denied packets are told to, and the beginnings
//! of connections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cofferdam_kernel::netlink::{CONNECTIONS_NEW, Family, Listener, Request, Socket, attribute};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::connections;
use crate::rules::LOG_GROUP;

/// `NFNL_SUBSYS_ULOG`: a packet, and what is to be told.
const PACKET: u16 = 4 << 8;
const CONFIG: u16 = (4 << 8) | 1;
/// `NFULA_PAYLOAD`, `NFULA_PREFIX`
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
/// `IPCTNL_MSG_CT_NEW`
const CONNECTION: u16 = 1 << 8;
/// `struct nfgenmsg`
const PART: usize = 4;
/// As much of a packet as says where it goes.
const COPIED: u32 = 128;

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether it passed.
    pub passed: bool,
    /// The zone whose rules denied it.
    pub zone: Option<String>,
    /// Who began, and who was asked.
    pub from: IpAddr,
    /// See `from`.
    pub to: IpAddr,
    /// The protocol's number (IANA).
    pub protocol: u8,
    /// The port that was asked.
    pub port: Option<u16>,
}

/// The two sockets that are told.
#[derive(Debug)]
pub struct Watch {
    denied: Listener,
    begun: Listener,
}

impl Watch {
    /// Begins to watch the caller's network namespace.
    ///
    /// # Errors
    /// The kernel refuses: another program watches already, or the caller is not root.
    pub fn open() -> io::Result<Self> {
        let denied = Socket::open(Family::Netfilter)?;
        let group = LOG_GROUP.to_be_bytes();
        let part = [0, 0, group[0], group[1]];
        // `NFULNL_CFG_CMD_BIND`; then the beginning of each packet (`NFULNL_COPY_PACKET`).
        denied.tell(Request::new(CONFIG, 0, &part).with(|config| {
            config.put(1, &[1]);
        }))?;
        denied.tell(Request::new(CONFIG, 0, &part).with(|config| {
            let range = COPIED.to_be_bytes();
            config.put(2, &[range[0], range[1], range[2], range[3], 2, 0]);
        }))?;
        let begun = Listener::open(Family::Netfilter, CONNECTIONS_NEW)?;
        Ok(Self { denied: Listener::from_socket(denied), begun })
    }

    /// Waits for at most this long and takes what has been seen. The second is false where some of it was lost.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn next(&self, patience: Duration) -> io::Result<(Vec<Seen>, bool)> {
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut fds =
            [&self.denied, &self.begun].map(|it| PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN));
        match poll(&mut fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => return Ok((Vec::new(), true)),
            other => other?,
        };
        let mut seen = Vec::new();
        let mut whole = self.denied.read(|message| {
            if message.kind == PACKET {
                seen.extend(denial(message.after(PART)));
            }
        })?;
        whole &= self.begun.read(|message| {
            if message.kind == CONNECTION {
                seen.extend(connections::parse(message.after(PART)).map(|known| Seen {
                    passed: true,
                    zone: None,
                    from: known.from,
                    to: known.to,
                    protocol: known.protocol,
                    port: known.port,
                }));
            }
        })?;
        Ok((seen, whole))
    }
}

/// A denied packet, from the attributes of the message about it.
fn denial(attributes: &[u8]) -> Option<Seen> {
    let prefix = attribute(attributes, PREFIX).unwrap_or_default();
    let prefix = String::from_utf8_lossy(prefix);
    let zone = prefix.split("zone=").nth(1).and_then(|rest| rest.split([' ', '\0']).next());
    let (from, to, protocol, rest) = packet(attribute(attributes, PAYLOAD)?)?;
    // TCP, UDP and SCTP have their ports first.
    let port = [6, 17, 132].contains(&protocol).then(|| rest.get(2..4)?.try_into().ok()).flatten();
    let port = port.map(u16::from_be_bytes);
    Some(Seen { passed: false, zone: zone.map(str::to_owned), from, to, protocol, port })
}

/// Addresses, protocol and what follows the header of an IP packet.
fn packet(bytes: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    match bytes.first()? >> 4 {
        4 => {
            let address = |at: usize| Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?).into());
            let header = usize::from(bytes[0] & 0xf) * 4;
            Some((address(12)?, address(16)?, *bytes.get(9)?, bytes.get(header..)?))
        }
        6 => {
            let address = |at: usize| Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?).into());
            Some((address(8)?, address(24)?, *bytes.get(6)?, bytes.get(40..)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_is_read() {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend([0, 5, 0, 53, 0, 8, 0, 0]);
        let (from, to, protocol, rest) = packet(&bytes).unwrap();
        assert_eq!((from.to_string(), to.to_string(), protocol), ("10.0.0.1".into(), "10.0.0.2".into(), 17));
        assert_eq!(rest.get(2..4), Some(&[0, 53][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (packet(&bytes), denial(&bytes));
        }
    }
}
