//! What the kernel says of links, addresses, routes and neighbours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::change::{
    MAIN, NDA_DST, NDA_LLADDR, NUD_PERMANENT, RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PREFSRC, RTA_TABLE, UNICAST,
};
use super::{
    ADDRESS_PART, IFA_ADDRESS, IFA_LOCAL, IFA_PROTO, IFLA_ADDRESS, IFLA_GROUP, IFLA_MTU, LINK_PART, Link,
    RTM_GETADDR, RTM_GETNEIGH, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE, RouteSocket, bytes_of,
    family_of, parse_link,
};
use crate::netlink::{DUMP, Received, Request, attribute, u32_at};

/// `struct rtmsg` and `struct ndmsg`
const ROUTE_PART: usize = 12;
const NEIGHBOUR_PART: usize = 12;
/// `RTM_F_FIB_MATCH`: the entry of the table that matches, and not what would become of a packet.
const FIB_MATCH: u32 = 0x2000;

/// A link with what it is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkDetails {
    /// The link.
    pub link: Link,
    /// Its hardware address, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// Its largest packet, in bytes.
    pub mtu: u32,
    /// The group of devices that it is in.
    pub group: u32,
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// The link's number.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// How many of its leading bits all of the link have.
    pub prefix: u8,
    /// Who has given it (`IFA_PROTO`); 0 where nobody says so.
    pub maker: u8,
}

/// A route of the main table to single addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRoute {
    /// First address and number of leading bits.
    pub to: (IpAddr, u8),
    /// The gateway, if it has one.
    pub gateway: Option<IpAddr>,
    /// The link, if it has one.
    pub link: Option<u32>,
    /// The address that the machine itself sends from.
    pub source: Option<IpAddr>,
    /// Who has made it.
    pub protocol: u8,
}

/// A neighbour whose hardware address is set for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The link's number.
    pub link: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

impl RouteSocket {
    /// The link of this name with what it is like, if there is one.
    pub fn link_details(&self, name: &str) -> io::Result<Option<LinkDetails>> {
        self.one_link(Some(name), 0, parse_details)
    }

    /// The same of the link with this number.
    pub fn link_details_of(&self, index: u32) -> io::Result<Option<LinkDetails>> {
        self.one_link(None, index, parse_details)
    }

    /// The addresses of all links.
    pub fn addresses(&self) -> io::Result<Vec<LinkAddress>> {
        self.0.ask(&Request::new(RTM_GETADDR, DUMP, &[0; ADDRESS_PART]), parse_link_address)
    }

    /// Those of one link, without a look at all others.
    pub fn addresses_of(&self, link: u32) -> io::Result<Vec<LinkAddress>> {
        let mut all = Vec::new();
        for family in [2, 10] {
            let mut part = [0; ADDRESS_PART];
            part[0] = family;
            part[4..].copy_from_slice(&link.to_ne_bytes());
            let request = Request::new(RTM_GETADDR, DUMP, &part);
            // Where the kernel does not filter (before 4.20), this does.
            let found = self.0.ask_strictly(&request, |message| {
                parse_link_address(message).filter(|address| address.link == link)
            });
            all.extend(found?);
        }
        Ok(all)
    }

    /// All routes of the main table that lead somewhere.
    pub fn routes(&self) -> io::Result<Vec<FoundRoute>> {
        self.routes_of(u32::from(MAIN))
    }

    /// The same of another table.
    pub fn routes_of(&self, table: u32) -> io::Result<Vec<FoundRoute>> {
        self.0.ask(&Request::new(RTM_GETROUTE, DUMP, &[0; ROUTE_PART]), |message| {
            let long = attribute(message.after(ROUTE_PART), RTA_TABLE).and_then(|value| u32_at(value, 0));
            let found = long.unwrap_or(u32::from(*message.body.get(4)?));
            parse_route(message).filter(|_| found == table)
        })
    }

    /// The entry that packets to an address are sent by.
    pub fn route_to(&self, address: IpAddr) -> io::Result<Option<FoundRoute>> {
        let bytes = bytes_of(address);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let mut part = [0; ROUTE_PART];
        (part[0], part[1]) = (family_of(address), bits);
        part[8..].copy_from_slice(&FIB_MATCH.to_ne_bytes());
        let request = Request::new(RTM_GETROUTE, 0, &part).with(|attributes| {
            attributes.put(RTA_DST, &bytes);
        });
        match self.0.ask(&request, parse_route) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The hardware address of a neighbour that is set for good, if it is there.
    pub fn permanent_neighbour(&self, link: u32, address: IpAddr) -> io::Result<Option<[u8; 6]>> {
        let mut part = [0; NEIGHBOUR_PART];
        part[0] = family_of(address);
        part[4..8].copy_from_slice(&link.to_ne_bytes());
        let request = Request::new(RTM_GETNEIGH, 0, &part).with(|attributes| {
            attributes.put(NDA_DST, &bytes_of(address));
        });
        match self.0.ask(&request, parse_neighbour) {
            Ok(found) => Ok(found.into_iter().next().map(|neighbour| neighbour.mac)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The neighbours whose hardware addresses are set for good. The kernel looks through those of all namespaces.
    pub fn permanent_neighbours(&self) -> io::Result<Vec<Neighbour>> {
        self.0.ask(&Request::new(RTM_GETNEIGH, DUMP, &[0; NEIGHBOUR_PART]), parse_neighbour)
    }
}

fn parse_neighbour(message: &Received<'_>) -> Option<Neighbour> {
    let &[family, _, _, _, _, _, _, _, low, high, _, _] = message.body.first_chunk::<NEIGHBOUR_PART>()?;
    let after = message.after(NEIGHBOUR_PART);
    let permanent = u16::from_ne_bytes([low, high]) & NUD_PERMANENT != 0;
    (message.kind == RTM_NEWNEIGH && permanent).then_some(Neighbour {
        link: u32_at(message.body, 4)?,
        address: address_of(family, attribute(after, NDA_DST)?)?,
        mac: attribute(after, NDA_LLADDR)?.try_into().ok()?,
    })
}

fn parse_link_address(message: &Received<'_>) -> Option<LinkAddress> {
    let &[family, prefix, ..] = message.body.first_chunk::<8>()?;
    let after = message.after(ADDRESS_PART);
    // On a point-to-point link the first is the other end's.
    let value = attribute(after, IFA_LOCAL).or_else(|| attribute(after, IFA_ADDRESS))?;
    let address = address_of(family, value)?;
    let maker = attribute(after, IFA_PROTO).and_then(|maker| maker.first().copied()).unwrap_or(0);
    let link = u32_at(message.body, 4)?;
    (message.kind == RTM_NEWADDR).then_some(LinkAddress { link, address, prefix, maker })
}

fn parse_details(message: &Received<'_>) -> Option<LinkDetails> {
    let after = message.after(LINK_PART);
    Some(LinkDetails {
        link: parse_link(message)?,
        mac: attribute(after, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
        mtu: attribute(after, IFLA_MTU).and_then(|mtu| u32_at(mtu, 0))?,
        group: attribute(after, IFLA_GROUP).and_then(|group| u32_at(group, 0)).unwrap_or(0),
    })
}

fn address_of(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        2 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        10 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn parse_route(message: &Received<'_>) -> Option<FoundRoute> {
    let &[family, prefix, _, _, _, protocol, _, kind, ..] = message.body.first_chunk::<ROUTE_PART>()?;
    if message.kind != RTM_NEWROUTE || kind != UNICAST {
        return None;
    }
    let after = message.after(ROUTE_PART);
    let address = |kind: u16| attribute(after, kind).and_then(|bytes| address_of(family, bytes));
    let any = if family == 2 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    Some(FoundRoute {
        to: (address(RTA_DST).unwrap_or(any), prefix),
        gateway: address(RTA_GATEWAY),
        link: attribute(after, RTA_OIF).and_then(|index| u32_at(index, 0)),
        source: address(RTA_PREFSRC),
        protocol,
    })
}
