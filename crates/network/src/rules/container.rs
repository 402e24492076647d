//! What a container adds to the table: elements of sets, and no rule.

use std::net::IpAddr;

use cofferdam_confinement::network::{LabelSelector, NamePattern, Network, PublishedPort};
use cofferdam_names::ZoneName;

use super::condition::address_bytes;
use super::segment::segments;
use super::{Tag, set};
use crate::nft::Element;

/// A link's name as the kernel compares it.
fn name_bytes(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// Parts of a key, each padded to four bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(Vec::new(), |mut all, part| {
        all.extend(*part);
        all.resize(all.len().next_multiple_of(4), 0);
        all
    })
}

/// The elements that are this container's alone.
pub(crate) fn elements(network: &Network) -> Vec<Element> {
    let link = name_bytes(&network.link.host_name);
    let mut all = Vec::new();
    for pair in &network.addresses {
        let family = usize::from(pair.address.is_ipv6());
        let address = address_bytes(pair.address);
        all.extend([
            Element::key(set::SOURCES[family], joined(&[&link, &address])),
            Element::value(set::GATEWAY_OF[family], link.clone(), address_bytes(pair.gateway)),
            Element::key(set::SELF[family], joined(&[&address, &address])),
        ]);
        all.extend(tags(network).map(|tag| Element::key(set::MEMBERS[family], joined(&[&address, &tag.0]))));
        all.extend(network.published.iter().filter_map(|port| published(port, pair.address)));
        all.extend(inward(network).filter_map(|port| published(&port, pair.address)));
    }
    all
}

/// Its ports as connections from outside come to them, where something else listens at the host's address: at the outlet's.
fn inward(network: &Network) -> impl Iterator<Item = PublishedPort> {
    let addresses = network.outlet.iter().flat_map(|outlet| &outlet.addresses);
    addresses.flat_map(|pair| {
        let limited = network.published.iter().filter(|port| port.address.is_some());
        limited.map(|port| PublishedPort { address: Some(pair.address), ..*port })
    })
}

/// What it shares with others.
pub(crate) fn shared_elements(network: &Network) -> Vec<Element> {
    let gateway = |pair: &cofferdam_confinement::network::Address| {
        Element::key(set::GATEWAYS[usize::from(pair.gateway.is_ipv6())], address_bytes(pair.gateway))
    };
    network.addresses.iter().map(gateway).collect()
}

/// An address that names of a rule stand for.
pub(crate) fn named(realm: &str, zone: &ZoneName, pattern: &NamePattern, address: IpAddr) -> Element {
    let tag = Tag::name(realm, zone, pattern);
    Element::key(set::NAMED[usize::from(address.is_ipv6())], joined(&[&tag.0, &address_bytes(address)]))
}

/// What stands for the container in rules: its segments and labels.
fn tags(network: &Network) -> impl Iterator<Item = Tag> {
    let (realm, zone) = (&network.realm, &network.zone);
    let labels = network.labels.iter().map(move |(key, value)| {
        Tag::label(realm, zone, &LabelSelector { key: key.clone(), value: value.clone() })
    });
    segments(network).map(|segment| segment.tag).chain(labels)
}

/// The way from a port of the host to the container; none where the address is of the other family.
fn published(port: &PublishedPort, to: IpAddr) -> Option<Element> {
    let family = usize::from(to.is_ipv6());
    let target = joined(&[&address_bytes(to), &port.container_port.to_be_bytes()]);
    let protocol = [port.protocol.number(to.is_ipv6())];
    let service: [&[u8]; 2] = [&protocol, &port.host_port.to_be_bytes()];
    match port.address {
        None => Some(Element::value(set::PUBLISHED_ANY[family], joined(&service), target)),
        Some(address) if address.is_ipv6() == to.is_ipv6() => {
            let key = joined(&[&address_bytes(address), service[0], service[1]]);
            Some(Element::value(set::PUBLISHED[family], key, target))
        }
        Some(_) => None,
    }
}

/// The ways from a port to the container.
pub(crate) fn ways(port: &PublishedPort, network: &Network) -> impl Iterator<Item = Element> {
    network.addresses.iter().filter_map(|pair| published(port, pair.address))
}

/// Whether an element is the way from this port.
pub(crate) fn is_way_of(element: &Element, port: &PublishedPort, network: &Network) -> bool {
    ways(port, network).any(|way| way == *element)
}

/// The address in the value of a published port.
pub(crate) fn target_address(target: &[u8]) -> Option<IpAddr> {
    match target.len() {
        8 => Some(IpAddr::from(*target.first_chunk::<4>()?)),
        20 => Some(IpAddr::from(*target.first_chunk::<16>()?)),
        _ => None,
    }
}
