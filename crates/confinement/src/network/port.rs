//! Protocols and ports.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{InvalidNetworkText, as_text};

/// A protocol above IP that rules can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the protocols' names")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
    /// ICMP, and ICMPv6 for IPv6.
    Icmp,
}

impl Protocol {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
        }
    }

    /// Its number in the packets of a family (IANA, protocol numbers).
    #[must_use]
    pub const fn number(self, v6: bool) -> u8 {
        match (self, v6) {
            (Self::Tcp, _) => 6,
            (Self::Udp, _) => 17,
            (Self::Sctp, _) => 132,
            (Self::Icmp, false) => 1,
            (Self::Icmp, true) => 58,
        }
    }

    /// Whether it has ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        !matches!(self, Self::Icmp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Tcp, Self::Udp, Self::Sctp, Self::Icmp]
            .into_iter()
            .find(|protocol| protocol.name() == text)
            .ok_or_else(|| InvalidNetworkText::new("protocol", text, "it is tcp, udp, sctp or icmp"))
    }
}

/// A protocol and the ports of one rule: `tcp/80`, `udp/5000-5100`, `icmp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Service {
    /// The protocol.
    pub protocol: Protocol,
    /// The first and the last port; none for all.
    pub ports: Option<(u16, u16)>,
}

as_text!(Service);

impl Service {
    /// Whether a packet to this port is meant.
    #[must_use]
    pub fn has(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol == protocol && self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
    }
}

impl FromStr for Service {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "it is a protocol (tcp, udp, sctp, icmp), with ports such as tcp/80 or udp/5000-5100";
        let invalid = || InvalidNetworkText::new("service", text, rule);
        let (protocol, ports) = match text.split_once('/') {
            Some((protocol, ports)) => (protocol, Some(port_range(ports).ok_or_else(invalid)?)),
            None => (text, None),
        };
        let protocol: Protocol = protocol.parse().map_err(|_| invalid())?;
        if ports.is_some() && !protocol.has_ports() {
            return Err(invalid());
        }
        Ok(Self { protocol, ports })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.protocol)?;
        match self.ports {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, "/{first}"),
            Some((first, last)) => write!(f, "/{first}-{last}"),
        }
    }
}

/// `80` or `8000-8100`, from 1 on.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last): (u16, u16) = (port(first)?, port(last)?);
    (first > 0 && first <= last).then_some((first, last))
}

/// Ports of the host that containers of a zone may publish: `[ADDRESS:]PORT[-PORT][/PROTOCOL]`; any address and any protocol
/// with ports where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublishRange {
    /// The host's address; none for any.
    pub address: Option<IpAddr>,
    /// The first and the last port.
    pub ports: (u16, u16),
    /// The protocol; none for any.
    pub protocol: Option<Protocol>,
}

as_text!(PublishRange);

impl PublishRange {
    /// Whether a port is one of them.
    #[must_use]
    pub fn allows(&self, port: &PublishedPort) -> bool {
        self.address.is_none_or(|address| port.address == Some(address))
            && (self.ports.0..=self.ports.1).contains(&port.host_port)
            && self.protocol.is_none_or(|protocol| protocol == port.protocol)
    }
}

impl FromStr for PublishRange {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "its form is [ADDRESS:]PORT[-PORT][/PROTOCOL]";
        let invalid = || InvalidNetworkText::new("range of ports to publish", text, rule);
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, protocol)) => (rest, Some(protocol.parse::<Protocol>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let (address, ports) = match rest.rsplit_once(':') {
            Some((address, ports)) => {
                let address =
                    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
                (Some(address.parse().map_err(|_| invalid())?), ports)
            }
            None => (None, rest),
        };
        if protocol.is_some_and(|protocol| !protocol.has_ports()) {
            return Err(invalid());
        }
        Ok(Self { address, ports: port_range(ports).ok_or_else(invalid)?, protocol })
    }
}

impl fmt::Display for PublishRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(address) => write!(f, "{address}:")?,
            None => {}
        }
        let (first, last) = self.ports;
        if first == last {
            write!(f, "{first}")?
        } else {
            write!(f, "{first}-{last}")?
        }
        self.protocol.map_or(Ok(()), |protocol| write!(f, "/{protocol}"))
    }
}

/// A port of the host that leads to one of the container's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPort {
    /// The host's address; none for all of them.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// One that has ports.
    pub protocol: Protocol,
}

impl fmt::Display for PublishedPort {
    /// The host's side.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}", std::net::SocketAddr::new(address, self.host_port))?,
            None => write!(f, "{}", self.host_port)?,
        }
        write!(f, "/{}", self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_ranges_read_as_they_are_shown() {
        for text in ["tcp", "icmp", "udp/53", "sctp/1-65535"] {
            assert_eq!(text.parse::<Service>().unwrap().to_string(), text);
        }
        for text in ["", "tcp/", "tcp/0", "tcp/9-8", "icmp/8", "tcp/65536", "ftp", "tcp/+5"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
        for text in ["80", "8000-8100/tcp", "127.0.0.1:80", "[::1]:80/udp"] {
            assert_eq!(text.parse::<PublishRange>().unwrap().to_string(), text);
        }
        for text in ["", "0", "80/icmp", "x:80", "127.0.0.1:"] {
            assert!(text.parse::<PublishRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_one_address_does_not_allow_all_addresses() {
        let port = |address: Option<&str>| PublishedPort {
            address: address.map(|text| text.parse().unwrap()),
            host_port: 8080,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let only: PublishRange = "127.0.0.1:8000-9000/tcp".parse().unwrap();
        assert!(only.allows(&port(Some("127.0.0.1"))));
        assert!(!only.allows(&port(None)) && !only.allows(&port(Some("10.0.0.1"))));
        let any: PublishRange = "8080".parse().unwrap();
        assert!(any.allows(&port(None)) && any.allows(&port(Some("10.0.0.1"))));
    }
}
