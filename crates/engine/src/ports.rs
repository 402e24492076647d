//! Ports of containers as listings show and filter them.

use cofferdam_policy::{ContainerRequest, ImageConfig};

/// A port, or several in a row, of one protocol: `80`, `8000-8010/udp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

impl std::str::FromStr for PortRange {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "its form is PORT[-PORT][/PROTOCOL]";
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| text.parse::<u16>().map_err(|_| FORM);
        let (first, last) = (port(first)?, port(last)?);
        if first > last || !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err(FORM);
        }
        Ok(Self { first, last, protocol: protocol.to_owned() })
    }
}

impl PortRange {
    /// Whether a port is of both.
    fn meets(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }
}

/// Whether the container publishes a port of the range: the one of its own, as in Docker.
pub(crate) fn is_published(request: &ContainerRequest, range: &PortRange) -> bool {
    request.network.publish.iter().filter_map(|text| own_port(text)).any(|port| port.meets(range))
}

/// Whether the container or its image exposes a port of the range.
pub(crate) fn is_exposed(request: &ContainerRequest, image: &ImageConfig, range: &PortRange) -> bool {
    let exposed = request.network.expose.iter().chain(&image.exposed_ports);
    exposed.filter_map(|text| text.parse::<PortRange>().ok()).any(|port| port.meets(range))
        || is_published(request, range)
}

/// The container's part of `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.
fn own_port(text: &str) -> Option<PortRange> {
    text.rsplit_once(':').map_or(text, |(_, own)| own).parse().ok()
}

/// The column `PORTS`: what is published with where to, then what is only exposed.
pub(crate) fn shown(request: &ContainerRequest, image: &ImageConfig) -> String {
    let with_protocol = |text: &str| if text.contains('/') { text.to_owned() } else { format!("{text}/tcp") };
    let published = request.network.publish.iter().map(|text| match text.rsplit_once(':') {
        Some((host, own)) => format!("{host}->{}", with_protocol(own)),
        None => with_protocol(text),
    });
    let exposed = request.network.expose.iter().chain(&image.exposed_ports);
    let only_exposed =
        exposed.filter(|text| text.parse::<PortRange>().is_ok_and(|range| !is_published(request, &range)));
    published.chain(only_exposed.map(|text| with_protocol(text))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_meet_by_number_and_protocol() {
        let mut request = ContainerRequest::new("x");
        request.network.publish = vec!["127.0.0.1:8080:80".to_owned(), "53:53/udp".to_owned()];
        request.network.expose = vec!["9000-9010".to_owned(), "80".to_owned()];
        let image = ImageConfig { exposed_ports: vec!["443/tcp".to_owned()], ..ImageConfig::default() };
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        for (text, published, exposed) in [
            ("80", true, true),
            ("8080", false, false),
            ("53", false, false),
            ("50-60/udp", true, true),
            ("9005", false, true),
            ("443/tcp", false, true),
        ] {
            assert_eq!(is_published(&request, &range(text)), published, "{text}");
            assert_eq!(is_exposed(&request, &image, &range(text)), exposed, "{text}");
        }
        assert_eq!(shown(&request, &image), "127.0.0.1:8080->80/tcp, 53->53/udp, 9000-9010/tcp, 443/tcp");
        for bad in ["", "x", "2-1", "80/icmp", "70000"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }
}
