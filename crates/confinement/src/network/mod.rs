//! The network of a container that has a link of its own: its link, addresses, published ports and the packet rules of its
//! zone, as data. The crate `cofferdam-network` carries it out.

mod address;
mod port;
mod rule;
mod rule_text;

use std::collections::BTreeMap;
use std::net::IpAddr;

use cofferdam_names::ZoneName;
use serde::{Deserialize, Serialize};

pub use address::{AddressRange, InvalidNetworkText, MacAddress};
pub use port::{Protocol, PublishRange, PublishedPort, Service};
pub use rule::{LabelSelector, NamePattern, Rule, Target, ZoneRules};

/// Where clouds give out a machine's credentials, and what else it has, to whoever asks from it: no word of a rule means these, and
/// no name leads to them. 169.254.0.0/16, where most of them are, is kept out as a whole.
pub const METADATA: [&str; 6] = [
    // Alibaba, Azure, Oracle's older one.
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    // Oracle, Amazon (and its name and time servers), Google.
    "fd00:c1::a9fe:a9fe",
    "fd00:ec2::/32",
    "fd20:ce::254",
];

/// The network of one container that has a link of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Whose zones these are: the state folder. Zones with the same name below two of them are two zones.
    pub realm: String,
    /// The zone: for its rules, and for those of others that name it.
    pub zone: ZoneName,
    /// The link.
    pub link: Link,
    /// At most one of IPv4 and one of IPv6, in this order, and at least one.
    pub addresses: Vec<Address>,
    /// The segments of the zone that it is in (Docker's networks); none for the zone's own one.
    pub segments: Vec<Segment>,
    /// Labels given by the person who started it, which rules may name. Those of its image are not among them.
    pub labels: BTreeMap<String, String>,
    /// Ports of the host that lead to it.
    pub published: Vec<PublishedPort>,
    /// The rules of its zone.
    pub rules: ZoneRules,
    /// Whether its name server is the zone's own, at the gateways' addresses.
    pub resolver: bool,
    /// Where a network of the engine's own stands in for the host's (an ordinary user's): its way to and from that one.
    #[serde(default)]
    pub outlet: Option<Outlet>,
}

/// What the name of every outlet's link begins with.
pub const OUTLET_PREFIX: &str = "cfo";

/// A link between the engine's own network and the host's, at whose other end a program makes the connections anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlet {
    /// The link: the one of all containers, or one of the container's own where it publishes ports.
    pub link: String,
    /// The link's own addresses, to which connections from outside come, with the other end's as their gateways.
    pub addresses: Vec<Address>,
    /// The routing table that leads the container's packets there; none for the main one.
    pub table: Option<u32>,
}

/// A pair of virtual Ethernet devices (veth(4)), one end in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The host's end: [`LINK_PREFIX`] and the beginning of the container's id.
    pub host_name: String,
    /// The container's end.
    pub name: String,
    /// The address of the host's end.
    pub host_mac: MacAddress,
    /// The address of the container's end.
    pub mac: MacAddress,
    /// The largest packet, in bytes.
    pub mtu: u32,
}

/// What the name of the host's end of every link begins with.
pub const LINK_PREFIX: &str = "cfd";

/// An address of the container, alone in its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The container's.
    pub address: IpAddr,
    /// The host's, through which everything else is reached.
    pub gateway: IpAddr,
}

/// In how many segments a container can be: the packet rules look at each.
pub const MOST_SEGMENTS: u8 = 8;

/// A part of a zone whose containers reach each other where the zone trusts its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// The names that others in the segment know the container by, beside its own.
    pub aliases: Vec<String>,
}

impl Network {
    /// Its address of one family.
    #[must_use]
    pub fn address(&self, v6: bool) -> Option<&Address> {
        self.addresses.iter().find(|address| address.address.is_ipv6() == v6)
    }
}
