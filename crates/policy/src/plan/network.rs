//! The container's link, addresses, ports and rules.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use cofferdam_confinement::network::{
    Address, AddressRange, LINK_PREFIX, Link, MOST_SEGMENTS, MacAddress, Network, PublishedPort, Segment,
};
use cofferdam_confinement::{NamespaceSource, Namespaces};

use super::{Planner, PolicyError, outlet};
use crate::zone::NetworkAccess;
use crate::{NetworkContext, NetworkMode, NetworkRequest, PortRequest};

/// The first place of a pool that is a container's, and the first that a person may ask for (`--ip`): those below are given.
const FIRST_PLACE: u32 = 16;
const FIRST_ASKED: u32 = 40_960;
/// More than any container publishes: a slip of the keyboard must not fill the host's tables.
const MOST_PORTS: usize = 4096;

const ADVICE: &str = "leave it out, or use --network none";

impl Planner<'_> {
    /// Whether the container is to have a link of its own, and in which segment; an empty name for the zone's own one.
    pub(super) fn segment(&self) -> Result<Option<String>, PolicyError> {
        let access = &self.zone.network.mode;
        let lack = outlet::lack(&self.context.host);
        let (asked, segment) = match &self.request.network.mode {
            // An ordinary user who has no pasta has none, unless something is asked for that is not to be had without.
            None if access.value == NetworkAccess::None
                || self.shares_users()
                || lack.is_some() && !self.asks_for_a_link() =>
            {
                return Ok(None);
            }
            None => ("network.mode = \"zone\"".to_owned(), String::new()),
            Some(NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_)) => return Ok(None),
            Some(NetworkMode::Bridge) => ("--network bridge".to_owned(), String::new()),
            Some(NetworkMode::Named(name)) => {
                let segment = if name == "zone" { String::new() } else { name.clone() };
                (format!("--network {name}"), segment)
            }
        };
        if access.value == NetworkAccess::None {
            let ceiling = "network.mode is \"none\": the container's own loopback is all there is";
            return Err(self.beyond(asked, &access.place, ceiling));
        }
        if self.shares_users() {
            let why = "a container that shares another's namespaces can have that one's network or none";
            return Err(PolicyError::not_built(asked, why));
        }
        if let Some((lack, advice)) = lack {
            return Err(PolicyError::lacks(asked, lack, advice));
        }
        Ok(Some(segment))
    }

    /// Whether the request has something that means nothing without a link.
    fn asks_for_a_link(&self) -> bool {
        self.refuse_without_link().is_err()
    }

    /// A container that joins namespaces of another has its users, whose ids the network namespace would belong to.
    fn shares_users(&self) -> bool {
        self.request.joined_containers().next().is_some()
    }

    /// The network of a container that has a link.
    pub(super) fn network(&self, namespaces: &Namespaces) -> Result<Option<Network>, PolicyError> {
        let segment = self.segment()?;
        let (Some(segment), NamespaceSource::New) = (segment, &namespaces.network) else {
            return self.refuse_without_link().map(|()| None);
        };
        let Some(host) = &self.context.network else {
            return Err(PolicyError::lacks("network", "the host's network could not be looked at", ADVICE));
        };
        let segments = self.segments(segment, host)?;
        let addresses = self.addresses(host)?;
        let link = self.link(host, addresses[0].address)?;
        let published = self.published(host)?;
        Ok(Some(Network {
            realm: host.realm.clone(),
            zone: self.zone.name.value.clone(),
            link,
            addresses,
            segments,
            labels: self.request.labels.clone(),
            outlet: self.outlet(host, &published)?,
            published,
            rules: self.zone.network.packet_rules(),
            resolver: true,
        }))
    }

    /// The segments that it is in; none for the zone's own one without further names.
    fn segments(&self, first: String, host: &NetworkContext) -> Result<Vec<Segment>, PolicyError> {
        let NetworkRequest { aliases, connected, .. } = &self.request.network;
        if first.is_empty() && aliases.is_empty() && connected.is_empty() {
            return Ok(Vec::new());
        }
        let mut segments = vec![Segment { name: first, aliases: aliases.clone() }];
        for (name, aliases) in connected {
            if segments.iter().all(|segment| segment.name != *name) {
                segments.push(Segment { name: name.clone(), aliases: aliases.clone() });
            }
        }
        let unknown = segments.iter().find(|it| !it.name.is_empty() && !host.segments.contains(&it.name));
        if let Some(Segment { name, .. }) = unknown {
            let rule = format!("zone `{}` has no network of this name", self.zone.name.value);
            return Err(PolicyError::invalid(format!("--network {name}"), rule));
        }
        if segments.len() > usize::from(MOST_SEGMENTS) {
            let rule = format!("a container is in at most {MOST_SEGMENTS} networks");
            return Err(PolicyError::invalid("--network", rule));
        }
        Ok(segments)
    }

    /// What has no meaning without a link.
    fn refuse_without_link(&self) -> Result<(), PolicyError> {
        let network = &self.request.network;
        let flags = [
            ("--publish", network.publish.first().cloned()),
            ("--publish-all", network.publish_all.then(String::new)),
            ("--ip", network.ip.clone()),
            ("--ip6", network.ip6.clone()),
            ("--mac-address", network.mac_address.clone()),
            ("--network-alias", network.aliases.first().cloned()),
            ("--network", network.connected.keys().next().cloned()),
        ];
        for (flag, value) in flags {
            if let Some(value) = value {
                let rule = "the container has no link of its own that this could be about";
                return Err(PolicyError::invalid(format!("{flag} {value}").trim_end(), rule));
            }
        }
        Ok(())
    }

    fn addresses(&self, host: &NetworkContext) -> Result<Vec<Address>, PolicyError> {
        let network = &self.request.network;
        let mut all = vec![self.address("--ip", network.ip.as_deref(), host.pool4, host.place)?];
        match host.pool6 {
            Some(pool6) => all.push(self.address("--ip6", network.ip6.as_deref(), pool6, host.place)?),
            None => {
                if let Some(ip6) = &network.ip6 {
                    let control = format!("--ip6 {ip6}");
                    return Err(PolicyError::lacks(control, "IPv6 is switched off on the host", ADVICE));
                }
            }
        }
        Ok(all)
    }

    fn address(
        &self,
        flag: &str,
        asked: Option<&str>,
        pool: AddressRange,
        place: u32,
    ) -> Result<Address, PolicyError> {
        let outside = || PolicyError::invalid(flag, "the pool of addresses has no such place");
        let gateway = pool.nth(1).ok_or_else(outside)?;
        let Some(text) = asked else {
            if self.context.host.rootless && place >= outlet::PLACES {
                return Err(outside());
            }
            return Ok(Address { address: pool.nth(FIRST_PLACE + place).ok_or_else(outside)?, gateway });
        };
        let (first, last) =
            (pool.nth(FIRST_ASKED).ok_or_else(outside)?, pool.nth(65_534).ok_or_else(outside)?);
        let address: Option<IpAddr> = text.parse().ok().filter(|address| (first..=last).contains(address));
        let address = address.ok_or_else(|| {
            let rule = format!("on this host it is an address from {first} to {last}");
            PolicyError::invalid(format!("{flag} {text}"), rule)
        })?;
        Ok(Address { address, gateway })
    }

    fn link(&self, host: &NetworkContext, address: IpAddr) -> Result<Link, PolicyError> {
        // No hardware address leaves the link: the last bytes are the IPv4 address's to be read easily.
        let [a, b, c, d] = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => address.octets().last_chunk().copied().unwrap_or_default(),
        };
        let mac = match &self.request.network.mac_address {
            None => MacAddress([0x02, 0xcf, a, b, c, d]),
            Some(text) => {
                text.parse().map_err(|error| PolicyError::invalid("--mac-address", format!("{error}")))?
            }
        };
        Ok(Link {
            host_name: format!("{LINK_PREFIX}{}", self.context.container.short()),
            name: "eth0".to_owned(),
            host_mac: MacAddress([0x06, 0xcf, a, b, c, d]),
            mac,
            mtu: host.mtu,
        })
    }

    fn published(&self, host: &NetworkContext) -> Result<Vec<PublishedPort>, PolicyError> {
        let mut free = host.free_ports.iter().copied();
        let mut all = BTreeSet::new();
        for (text, request) in self.port_requests()? {
            let (first, last) = request.container;
            let mut hosts: Box<dyn Iterator<Item = u16>> = match request.host {
                Some((first, last)) if request.choice().is_some() => {
                    let is_busy = |port: &u16| host.busy_ports.contains(&(request.protocol, *port));
                    Box::new((first..=last).filter(move |port| !is_busy(port)))
                }
                Some((first, last)) => Box::new(first..=last),
                None => Box::new(free.by_ref()),
            };
            for container_port in first..=last {
                let host_port = hosts.next().ok_or_else(|| {
                    PolicyError::lacks(
                        format!("--publish {text}"),
                        "no port is free",
                        "name one, or publish fewer",
                    )
                })?;
                let port = PublishedPort {
                    address: request.address,
                    host_port,
                    container_port,
                    protocol: request.protocol,
                };
                self.admit_port(&text, &port)?;
                let same = |other: &PublishedPort| {
                    (other.address, other.host_port, other.protocol)
                        == (port.address, host_port, port.protocol)
                };
                if all.iter().any(|other| same(other) && *other != port) {
                    return Err(PolicyError::invalid(
                        format!("--publish {text}"),
                        "the port is published twice",
                    ));
                }
                all.insert(port);
            }
        }
        if all.len() > MOST_PORTS {
            let rule = format!("a container publishes at most {MOST_PORTS} ports");
            return Err(PolicyError::invalid("--publish", rule));
        }
        Ok(all.into_iter().collect())
    }

    fn admit_port(&self, text: &str, port: &PublishedPort) -> Result<(), PolicyError> {
        if port.address == Some(Ipv6Addr::LOCALHOST.into()) {
            let rule =
                "no other link can answer for ::1; publish at 127.0.0.1, or at an IPv6 address of the host's";
            return Err(PolicyError::invalid(format!("--publish {text}"), rule));
        }
        if self.context.host.rootless {
            outlet::admit(&format!("--publish {text}"), port, self.context.host.lowest_port)?;
        }
        let ranges = &self.zone.network.publish;
        if ranges.value.iter().any(|range| range.allows(port)) {
            return Ok(());
        }
        let allowed: Vec<String> = ranges.value.iter().map(ToString::to_string).collect();
        let ceiling = format!("network.publish is [{}]", allowed.join(", "));
        Err(self.beyond(format!("--publish {text}"), &ranges.place, ceiling))
    }

    /// What `-p` and `-P` ask for, as typed and read.
    fn port_requests(&self) -> Result<Vec<(String, PortRequest)>, PolicyError> {
        let network = &self.request.network;
        let mut texts = network.publish.clone();
        if network.publish_all {
            let exposed = network.expose.iter().chain(&self.context.image.exposed_ports).cloned();
            texts.extend(exposed.collect::<BTreeSet<_>>());
        }
        let read = |text: String| match text.parse() {
            Ok(request) => Ok((text, request)),
            Err(error) => Err(PolicyError::invalid("--publish", format!("{error}"))),
        };
        texts.into_iter().map(read).collect()
    }
}
