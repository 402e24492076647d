//! `-p`, as Docker writes it: `[[ADDRESS:][HOST_PORT[-PORT]]:]PORT[-PORT][/PROTOCOL]`.

use std::net::IpAddr;
use std::str::FromStr;

use cofferdam_confinement::network::Protocol;

use super::InvalidOption;

/// Ports to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRequest {
    /// The host's address; none for all.
    pub address: Option<IpAddr>,
    /// The host's first and last port; none for any that is free.
    pub host: Option<(u16, u16)>,
    /// The container's first and last port.
    pub container: (u16, u16),
    /// The protocol.
    pub protocol: Protocol,
}

impl PortRequest {
    /// The range of the host's ports out of which one is to be chosen, if it names one.
    #[must_use]
    pub fn choice(&self) -> Option<(u16, u16)> {
        self.host.filter(|(first, last)| last - first > self.container.1 - self.container.0)
    }

    /// How many ports of the host are to be chosen for it.
    #[must_use]
    pub fn chosen(&self) -> usize {
        if self.host.is_some() { 0 } else { usize::from(self.container.1 - self.container.0) + 1 }
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten()
    };
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

impl FromStr for PortRequest {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "its form is [[ADDRESS:][HOST_PORT[-PORT]]:]PORT[-PORT][/tcp|udp|sctp]";
        let invalid = |rule: &str| InvalidOption::new("published port", text, rule);
        let (ports, protocol) = match text.rsplit_once('/') {
            Some((ports, protocol)) => {
                let protocol: Protocol = protocol.to_ascii_lowercase().parse().map_err(|_| invalid(form))?;
                (ports, protocol)
            }
            None => (text, Protocol::Tcp),
        };
        if !protocol.has_ports() {
            return Err(invalid(form));
        }
        let (rest, container) =
            ports.rsplit_once(':').map_or((None, ports), |(rest, last)| (Some(rest), last));
        let container = range(container).filter(|(first, _)| *first > 0).ok_or_else(|| invalid(form))?;
        let (address, host) = match rest {
            None => (None, ""),
            Some(rest) => match rest.rsplit_once(':') {
                Some((address, host)) => (Some(address), host),
                None => (None, rest),
            },
        };
        let address = match address {
            None | Some("") => None,
            Some(address) => {
                let plain = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
                let address: IpAddr = plain.parse().map_err(|_| invalid(form))?;
                // All addresses of one family are all that the host has.
                (!address.is_unspecified()).then_some(address)
            }
        };
        let host = match host {
            // Docker's 0 stands for any that is free, as nothing does.
            "" | "0" => None,
            host => Some(range(host).filter(|(first, _)| *first > 0).ok_or_else(|| invalid(form))?),
        };
        let width = |(first, last): (u16, u16)| last - first;
        match host {
            Some(host) if width(host) != width(container) && width(container) != 0 => {
                Err(invalid("the two ranges have different lengths"))
            }
            _ => Ok(Self { address, host, container, protocol }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ports = (u16, u16);

    fn read(text: &str) -> (Option<String>, Option<Ports>, Ports, Protocol) {
        let port: PortRequest = text.parse().unwrap();
        (port.address.map(|it| it.to_string()), port.host, port.container, port.protocol)
    }

    #[test]
    fn dockers_forms() {
        let tcp = Protocol::Tcp;
        assert_eq!(read("80"), (None, None, (80, 80), tcp));
        assert_eq!(read("8080:80"), (None, Some((8080, 8080)), (80, 80), tcp));
        assert_eq!(read("127.0.0.1:8080:80/udp").0.unwrap(), "127.0.0.1");
        assert_eq!(read("127.0.0.1::80"), (Some("127.0.0.1".to_owned()), None, (80, 80), tcp));
        assert_eq!(read("[::1]:8080:80").0.unwrap(), "::1");
        assert_eq!(read("0.0.0.0:8080:80").0, None);
        assert_eq!(read("7000-7002:8000-8002/sctp").2, (8000, 8002));
        assert_eq!(read("7000-7009:80"), (None, Some((7000, 7009)), (80, 80), tcp));
        assert_eq!(read("0:80").1, None);
        assert_eq!("3000-3005".parse::<PortRequest>().unwrap().chosen(), 6);
        for text in
            ["", "a", "80/ftp", "80/icmp", "0", "1.2.3:80:80", "7000-7001:80-82", "9-8", ":", "80:", "+80"]
        {
            assert!(text.parse::<PortRequest>().is_err(), "{text}");
        }
    }
}
